//! Sees the environment sent to another machine.
//!
//! Secrets of containers are in their environment, so thieves send it whole.
//!
//! - Sees: several variables of the run, `NAME=value` or as JSON, plain or in base64, in what is sent outside.
//! - Misses: other encodings; single values.
//! - False alarms: calls of a container engine that start a container with variables.
//! - Source: ATT&CK T1552.007, T1041.

use std::collections::BTreeSet;

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, payload, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "environment-sent",
        title: "Sends its environment away",
        category: Category::CredentialTheft,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1552.007", "T1041"],
    },
    judge: Judge::Run(judge),
};

/// Names every environment has.
const NAMES: &[&str] =
    &["PATH", "HOME", "HOSTNAME", "PWD", "SHLVL", "USER", "LANG", "TERM", "OLDPWD", "KUBERNETES_SERVICE_HOST"];
/// Fewest variables of a whole environment.
const VARIABLES_MIN: usize = 3;

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut names: BTreeSet<&str> = NAMES.iter().copied().collect();
    names.extend(
        story
            .trace
            .head
            .environment
            .iter()
            .take(256)
            .filter_map(|line| line.split_once('='))
            .map(|(name, _)| name)
            .filter(|name| name.len() > 2),
    );
    let mut found = Vec::new();
    let mut budget = payload::Budget::new();
    for (at, event) in story.events() {
        let (flow, head) = match &event.what {
            What::Http { flow, body_head, url, .. } if !body_head.is_empty() && !url.contains("/containers/") => {
                (*flow, body_head)
            }
            What::FlowEnd { flow, head, service, .. } if !head.is_empty() && service != "http" && service != "dns" => {
                (*flow, head)
            }
            _ => continue,
        };
        let Some(flow) = story.flow(flow).filter(|flow| !flow.inbound && budget.spend()) else { continue };
        let text = payload::text_and_decoded(head);
        let sent: Vec<&str> = names.iter().copied().filter(|name| holds(&text, name)).collect();
        if sent.len() >= VARIABLES_MIN
            && (sent.contains(&"PATH") || sent.contains(&"HOME") || sent.contains(&"HOSTNAME"))
        {
            let shown: Vec<_> = sent.iter().take(6).copied().collect();
            let told =
                Match::new(at, format!("sends {} variables ({}) to {}", sent.len(), shown.join(", "), flow.host()))
                    .with([indicators::host(flow)]);
            let url = match &event.what {
                What::Http { url, .. } => Some(indicators::url(url)),
                _ => None,
            };
            found.push(told.with(url));
        }
    }
    found.truncate(8);
    found
}

/// `NAME=` at the start of a word, or `"NAME":`.
fn holds(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + name.len()..).unwrap_or("");
        let plain = after.starts_with('=')
            && before.is_none_or(|before| !before.is_ascii_alphanumeric() && !matches!(before, '_' | '-' | '$'));
        let coded = after.starts_with("%3D");
        // `env | curl -d @-` takes the line ends out.
        let joined = matches!(name, "PATH" | "HOME" | "PWD" | "OLDPWD") && after.starts_with("=/");
        plain || coded || joined || (before == Some('"') && (after.starts_with("\":") || after.starts_with("\" :")))
    })
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_whole_environment_in_a_request() {
        let mut run = Run::new();
        run.http_with(
            1,
            "POST",
            "http://drop.example/e",
            "empty",
            b"HOSTNAME=a\nPATH=/usr/bin\nAPP_MODE=production\n",
            None,
        );
        hit(&BEHAVIOUR, run, Weight::Proof, "sends 3 variables (APP_MODE, HOSTNAME, PATH) to drop.example");
    }

    #[test]
    fn without_line_ends() {
        let mut run = Run::new();
        run.http_with(
            1,
            "POST",
            "http://drop.example/e",
            "json",
            b"APP_SECRET=abc123PWD=/HOME=/rootSHLVL=1PATH=/bin_=/usr/bin/env",
            None,
        );
        hit(&BEHAVIOUR, run, Weight::Proof, "HOME, PATH, PWD");
    }

    #[test]
    fn in_base64_and_as_json() {
        let coded = STANDARD.encode("HOME=/root\0PATH=/usr/bin\0PWD=/\0");
        let mut run = Run::new();
        run.flow(1, "203.0.113.7:4444", None, "sink", coded.as_bytes());
        hit(&BEHAVIOUR, run, Weight::Proof, "sends 3 variables");
        let mut run = Run::new();
        run.http_with(
            1,
            "POST",
            "https://drop.example/e",
            "empty",
            br#"{"env":{"HOME":"/root","PATH":"/bin","USER":"root"}}"#,
            None,
        );
        hit(&BEHAVIOUR, run, Weight::Proof, "drop.example");
    }

    #[test]
    fn a_report_of_an_error_is_none() {
        let mut run = Run::new();
        let body = br#"{"server_name":"web-1","environment":"production","sys.argv":["/app/main.py"],"request":{"url":"/","env":{"REMOTE_ADDR":"1.2.3.4"}}}"#;
        run.http_with(1, "POST", "https://sentry.example/api/1/store/", "json", body, None);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_container_that_is_started_with_variables_is_none() {
        let mut run = Run::new();
        run.http_with(
            1,
            "POST",
            "http://docker:2375/v1.41/containers/create",
            "json",
            br#"{"Env":["PATH=/usr/bin","HOME=/root","HOSTNAME=x"]}"#,
            None,
        );
        miss(&BEHAVIOUR, run);
    }
}
