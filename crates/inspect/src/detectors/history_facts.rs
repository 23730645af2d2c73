//! Reads the build steps for what builders do in the dark.
//!
//! The history is the builder's claim and easily faked, so it supports other findings and proves little alone.
//!
//! - Sees: base64 or hex decoded into a shell; downloads piped into a shell; `ADD` from a bare address; a step that downloads,
//!   runs and deletes; steps too long to read.
//! - Misses: what a script does that the step only names; squashed images, which have no history.
//! - False alarms: installers that are piped into a shell by their own manual (`rustup`, `nvm`) are facts.
//! - Source: OCI image-spec v1.1 `config.md` "history"; ATT&CK T1027, T1105.

use model::{Category, Confidence, ImageConfig, Location, Maturity, Severity, Weight};

use super::{About, ConfigDetector, Match};

pub(crate) const DETECTOR: ConfigDetector = ConfigDetector {
    about: About {
        id: "history-facts",
        title: "Build step worth reading",
        category: Category::Backdoor,
        weight: Weight::Fact,
        severity: Severity::Low,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1027", "T1105"],
    },
    inspect,
};

/// Longer steps hide more than they say; `apt-get install` lists reach about 3,000.
const STEP_CHARS_MAX: usize = 8_000;
/// Most steps reported.
const FINDINGS_MAX: usize = 64;

fn inspect(config: &ImageConfig) -> Vec<(Location, Match)> {
    let steps = config.history.iter().enumerate();
    let found = steps.filter_map(|(line, step)| Some((Location::History { line }, judge(&step.created_by)?)));
    found.take(FINDINGS_MAX).collect()
}

fn judge(step: &str) -> Option<Match> {
    let excerpt = || model::text::shortened(step.trim(), 160).into_owned();
    if decodes_into_shell(step) {
        let mut found = Match::new(format!("decodes a script and runs it: {}", excerpt()), None);
        (found.weight, found.severity) = (Some(Weight::Sign), Some(Severity::High));
        return Some(found);
    }
    if let Some(host) = bare_address_added(step) {
        let mut found = Match::new(format!("adds a file from the bare address {host}"), None);
        (found.weight, found.severity) = (Some(Weight::Sign), Some(Severity::Medium));
        return Some(found);
    }
    let fetches = fetches(step);
    if fetches && pipes_into_shell(step) {
        return Some(Match::new(format!("runs a download: {}", excerpt()), None));
    }
    let made_executable = ["chmod +x", "chmod 7", "chmod a+x", "chmod u+x"].iter().any(|call| step.contains(call));
    if fetches && made_executable && step.contains("rm -") && step.contains("/tmp/") {
        return Some(Match::new(format!("downloads, runs and deletes: {}", excerpt()), None));
    }
    let length = step.chars().count();
    (length > STEP_CHARS_MAX).then(|| Match::new(format!("a step of {length} characters: {}", excerpt()), None))
}

/// Whether a text names a download tool and a URL that is not this machine's.
pub(super) fn fetches(text: &str) -> bool {
    let tool = ["curl ", "wget ", "fetch ", "urlopen", "urlretrieve"].iter().any(|tool| text.contains(tool));
    let hosts = text.match_indices("://").map(|(at, _)| text.get(at + 3..).unwrap_or_default());
    tool && hosts.into_iter().any(|host| {
        !["localhost", "127.", "0.0.0.0", "[::1]", "$"].iter().any(|own| host.starts_with(own)) && !host.is_empty()
    })
}

/// Whether something is piped into a shell or an interpreter.
pub(super) fn pipes_into_shell(text: &str) -> bool {
    text.split('|').skip(1).any(|command| {
        let mut words = command.split_ascii_whitespace().skip_while(|word| matches!(*word, "sudo" | "-E" | "exec"));
        let program = words.next().unwrap_or_default().trim_matches(['"', '\'', ')', ';', '`']);
        let name = program.rsplit('/').next().unwrap_or_default();
        matches!(name, "sh" | "bash" | "ash" | "dash" | "zsh" | "python" | "python3" | "perl" | "node" | "php" | "ruby")
    })
}

/// Whether text is decoded and the result runs: `base64 -d | sh`, `eval "$(… base64 -d)"`.
pub(super) fn decodes_into_shell(text: &str) -> bool {
    const DECODERS: &[&str] = &[
        "base64 -d",
        "base64 --decode",
        "base64 -D",
        "xxd -r",
        "openssl base64 -d",
        "openssl enc -d",
        "b64decode(",
        "fromhex(",
    ];
    let Some(at) = DECODERS.iter().filter_map(|decoder| text.find(decoder)).min() else { return false };
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let run = ["eval ", "eval(", "exec(", "sh -c \"$(", "sh -c \"`"].iter().any(|run| before.contains(run));
    run || after.contains('|') && pipes_into_shell(after)
}

/// `ADD http://203.0.113.5/x /x`.
fn bare_address_added(step: &str) -> Option<&str> {
    let rest = step.trim_start().trim_start_matches("/bin/sh -c #(nop)").trim_start().strip_prefix("ADD ")?;
    let (_, rest) = rest.split_once("://")?;
    let host = rest.split(['/', ':', ' ']).next()?;
    let address: std::net::Ipv4Addr = host.parse().ok()?;
    (!address.is_loopback()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(step: &str) -> Option<(String, Weight)> {
        judge(step).map(|found| (found.summary, found.weight.unwrap_or(DETECTOR.about.weight)))
    }

    #[test]
    fn decoding_into_a_shell_is_a_sign() {
        for step in [
            "/bin/sh -c echo ZWNobyBoaQo= | base64 -d | bash",
            "RUN eval \"$(echo ZWNobyBoaQo= | base64 --decode)\"",
            "RUN python -c \"exec(base64.b64decode('cGFzcw=='))\"",
        ] {
            assert_eq!(judged(step).map(|(_, weight)| weight), Some(Weight::Sign), "{step}");
        }
        assert_eq!(judged("RUN echo $CA | base64 -d > /etc/ssl/certs/corp.pem"), None);
    }

    #[test]
    fn installers_are_facts() {
        let step = "RUN curl -fsSL https://sh.rustup.rs | sh -s -- -y";
        assert_eq!(judged(step), Some((format!("runs a download: {step}"), Weight::Fact)));
        assert_eq!(judged("RUN curl -o /a https://a.invalid/a && tar xf /a | cat"), None);
    }

    #[test]
    fn adding_from_a_bare_address_is_a_sign() {
        let step = "/bin/sh -c #(nop) ADD http://45.9.148.1:8080/x in /x";
        assert_eq!(judged(step), Some(("adds a file from the bare address 45.9.148.1".to_owned(), Weight::Sign)));
        assert_eq!(judged("ADD https://a.invalid/x /x"), None);
        assert_eq!(judged("/bin/sh -c #(nop) ADD file:0123abcd in /"), None);
    }
}
