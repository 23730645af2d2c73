//! Sees the cloud's metadata service asked for credentials.
//!
//! Every cloud library does that, so it is a fact; whoever sends on what was answered is caught by `secret-sent`.
//!
//! - Sees: requests for role credentials and tokens at the metadata addresses of AWS, ECS, Google, Azure, Alibaba; by a downloader or a shell in more than one
//!   cloud's manner as a sign of a draft.
//! - Misses: metadata asked for through a proxy.
//! - False alarms: agents that find out in which cloud they are.
//! - Source: the providers' documentation of their metadata services; ATT&CK T1552.005, T1580.

use std::collections::BTreeSet;

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "metadata-asked",
        title: "Asks the cloud's metadata service for credentials",
        category: Category::CredentialTheft,
        weight: Weight::Fact,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1552.005"],
    },
    judge: Judge::Run(judge),
};

/// A part of the path, and whose it is.
const PATHS: &[(&str, &str)] = &[
    ("/iam/security-credentials", "AWS"),
    ("/identity-credentials/ec2", "AWS"),
    ("/v2/credentials", "ECS"),
    ("/service-accounts/", "Google"),
    ("/metadata/identity/oauth2/token", "Azure"),
    ("/ram/security-credentials", "Alibaba"),
    ("/opc/v2/instance", "Oracle"),
];
const HOSTS: &[&str] =
    &["169.254.169.254", "169.254.170.2", "metadata.google.internal", "100.100.100.200", "fd00:ec2::254", "metadata"];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut clouds: BTreeSet<&str> = BTreeSet::new();
    let (mut first, mut by_hand, mut urls) = (None, false, Vec::new());
    for (at, event) in story.events() {
        let What::Http { url, .. } = &event.what else { continue };
        if !HOSTS.contains(&indicators::url_host(url)) {
            continue;
        }
        let Some((_, cloud)) = PATHS.iter().find(|(path, _)| url.contains(path)) else { continue };
        clouds.insert(cloud);
        first.get_or_insert(at);
        by_hand |= story.program(at).is_some_and(|program| program.is_downloader());
        if urls.len() < 4 {
            urls.push(indicators::url(url));
        }
    }
    let Some(at) = first else { return Vec::new() };
    let names: Vec<_> = clouds.iter().copied().collect();
    let told = Match::new(at, format!("asks for credentials of {}", names.join(", "))).with(urls);
    vec![if by_hand && names.len() >= 2 { told.sign().draft() } else { told }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_script_that_tries_two_clouds() {
        let mut run = Run::new();
        for url in [
            "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
            "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token",
        ] {
            let curl = run.spawn(1, "/usr/bin/curl", &["curl", "-s", url]);
            run.http(curl, "GET", url, "json");
        }
        hit(&BEHAVIOUR, run, Weight::Sign, "AWS, Google");
    }

    #[test]
    fn one_request_is_told() {
        let mut run = Run::new();
        run.http(1, "GET", "http://169.254.170.2/v2/credentials/x", "json");
        hit(&BEHAVIOUR, run, Weight::Fact, "ECS");
    }

    #[test]
    fn a_cloud_library_is_none() {
        let mut run = Run::of("/usr/bin/python3", &["python3", "/app/worker.py"]);
        run.http(1, "PUT", "http://169.254.169.254/latest/api/token", "text");
        run.http(1, "GET", "http://169.254.169.254/latest/meta-data/iam/security-credentials/role", "json");
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn an_agent_that_asks_where_it_is_is_none() {
        let mut run = Run::of("/usr/bin/node_exporter", &["node_exporter"]);
        run.http(1, "GET", "http://169.254.169.254/latest/meta-data/instance-id", "text");
        run.http(1, "GET", "http://metadata.google.internal/computeMetadata/v1/instance/zone", "text");
        miss(&BEHAVIOUR, run);
    }
}
