//! Sees an open Redis, Docker or Kubernetes of somebody else told to run something.
//!
//! Redis that saves its data as a cron table, Docker that starts a container with the host's root mounted, and a kubelet that
//! runs a command are how worms enter machines whose doors stand open.
//!
//! - Sees: `CONFIG SET dir` to a folder of cron, keys or programs; `SLAVEOF` a stranger followed by `MODULE LOAD`; container and pod creation with
//!   the host's root, privileged, or with a command that downloads; at addresses nobody asked a name for.
//! - Misses: other services; the same over TLS that does not take our certificate.
//! - False alarms: management tools speak to their own engine by its name or socket (a fact).
//! - Source: Unit 42, Trend Micro and Aqua on Kinsing, TeamTNT, P2PInfect; ATT&CK T1610, T1609, T1210, T1190.

use std::collections::BTreeMap;

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use super::hosts_scanned;
use crate::{
    About, Behaviour, Judge, Match, indicators, payload,
    story::{Flow, Story},
};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "api-takeover",
        title: "Takes over an open Redis, Docker or Kubernetes",
        category: Category::Worm,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1610", "T1609", "T1210"],
    },
    judge: Judge::Run(judge),
};

#[derive(Default)]
struct Talk {
    at: usize,
    /// What was done, the worst last.
    done: Vec<&'static str>,
    grave: bool,
}

fn judge(story: &Story<'_>) -> Vec<Match> {
    let scans = !hosts_scanned::fans(story).is_empty();
    let mut talks: BTreeMap<u64, Talk> = BTreeMap::new();
    let mut budget = payload::Budget::new();
    for (at, event) in story.events() {
        let (flow, read) = match &event.what {
            What::Message { flow, service, text } => match service.as_str() {
                "redis" => (*flow, redis(text)),
                "docker" | "kubernetes" | "kubelet" | "etcd" => (*flow, engine(text, text)),
                _ => continue,
            },
            What::Http { flow, url, method, body_head, .. } if method != "GET" && budget.spend() => {
                let path = url
                    .split_once("://")
                    .and_then(|(_, rest)| rest.find('/').and_then(|from| rest.get(from..)))
                    .unwrap_or("");
                (*flow, engine(path, &payload::text(body_head)))
            }
            _ => continue,
        };
        let Some((what, grave)) = read else { continue };
        let talk = talks.entry(flow).or_default();
        talk.at = at;
        if !talk.done.contains(&what) {
            talk.done.push(what);
        }
        talk.grave |= grave;
    }
    let mut found = raw_redis(story, scans);
    let hosts = talks.len();
    for (flow, talk) in &talks {
        let Some(flow) = story.flow(*flow) else { continue };
        // Sentinel and operators do half of it every day, to hosts they know.
        let follows_and_loads = talk.done.contains(&"follow a stranger") && talk.done.contains(&"load a module");
        let grave = talk.grave || follows_and_loads;
        let told = Match::new(talk.at, format!("tells {} to {}", flow.remote, talk.done.join(", ")))
            .with([indicators::host(flow)]);
        found.push(weighed(told, flow, grave, scans || hosts >= 3));
    }
    found
}

/// A stranger's machine is one found by its address.
fn weighed(told: Match, flow: &Flow<'_>, grave: bool, many: bool) -> Match {
    let stranger = flow.name.is_none() && (flow.is_public() || many);
    match (grave, stranger) {
        (true, true) => told,
        // `docker`, `redis`: a neighbour that is meant.
        (true, false) if flow.name.is_some_and(|name| !name.contains('.')) => told.fact(),
        (true, false) => told.sign().draft(),
        (false, true) if many => told.sign(),
        (false, _) => told.fact(),
    }
}

fn redis(text: &str) -> Option<(&'static str, bool)> {
    let said = text.to_ascii_lowercase();
    let folders = ["cron", ".ssh", "/etc/", "/root", "/var/www", "/usr/bin", "/tmp", "/dev/shm"];
    if said.contains("config")
        && said.contains("set")
        && said.contains("dir")
        && folders.iter().any(|folder| said.contains(folder))
    {
        return Some((
            "save its data where programs are started",
            said.contains("cron") || said.contains(".ssh") || said.contains("/var/www"),
        ));
    }
    if said.contains("dbfilename")
        && ["authorized_keys", "root", ".so", ".php", "crontab"].iter().any(|name| said.contains(name))
    {
        return Some(("call its data a key or program file", true));
    }
    if (said.contains("* * * *") || said.contains("*/"))
        && ["curl", "wget", "bash", "/dev/tcp"].iter().any(|word| said.contains(word))
    {
        return Some(("hold a cron line", true));
    }
    if said.contains("module") && said.contains("load") {
        return Some(("load a module", said.contains("/tmp") || said.contains("./")));
    }
    if (said.contains("slaveof") || said.contains("replicaof")) && !said.contains("no one") {
        return Some(("follow a stranger", false));
    }
    (said.contains("eval") && (said.contains("os.execute") || said.contains("io.popen")))
        .then_some(("run a command by a script", true))
}

/// `path` of the call, `body` of it.
fn engine(path: &str, body: &str) -> Option<(&'static str, bool)> {
    let compact: String = body.chars().filter(|character| !character.is_whitespace()).collect();
    let hosts_root = compact.contains("\"/:/")
        || compact.contains("\"Source\":\"/\"")
        || compact.contains("\"hostPath\":{\"path\":\"/\"")
        || compact.contains("hostPath:path:/");
    let privileged = compact.contains("\"Privileged\":true")
        || compact.contains("\"privileged\":true")
        || compact.contains("\"hostPID\":true")
        || compact.contains("\"PidMode\":\"host\"");
    let downloads =
        ["curl", "wget", "base64-d", "chroot/", "nsenter", "/dev/tcp"].iter().any(|word| compact.contains(word));
    if path.contains("/containers/create") {
        return Some(("start a container", hosts_root || privileged || downloads));
    }
    if path.contains("/containers/") && path.contains("/exec") || path.contains("/exec/") && path.contains("/start") {
        return Some(("run a command in a container", downloads));
    }
    if path.contains("/run/") || (path.contains("/pods") && path.contains("/exec")) {
        return Some(("run a command in a pod", downloads || path.contains("/run/")));
    }
    if ["/pods", "/daemonsets", "/deployments", "/cronjobs", "/jobs"].iter().any(|kind| path.contains(kind))
        && path.contains("/namespaces/")
        && !compact.is_empty()
    {
        return Some(("start a pod", hosts_root || privileged || downloads));
    }
    None
}

/// Redis spoken to where no service of ours understood it.
fn raw_redis(story: &Story<'_>, scans: bool) -> Vec<Match> {
    let flows = story
        .flows()
        .filter(|flow| !flow.inbound && flow.port() == 6379 && flow.service != "redis" && !flow.head.is_empty());
    flows
        .filter_map(|flow| {
            let (what, grave) = redis(&payload::text(flow.head))?;
            let told = Match::new(flow.end.unwrap_or(flow.start), format!("tells {} to {what}", flow.remote))
                .with([indicators::host(flow)]);
            Some(weighed(told, flow, grave, scans))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_redis_that_is_to_write_a_cron_table() {
        let mut run = Run::new();
        run.messages(
            1,
            "203.0.113.4:6379",
            "redis",
            &["INFO", "CONFIG SET dir /var/spool/cron", "CONFIG SET dbfilename root", "SAVE"],
        );
        hit(&BEHAVIOUR, run, Weight::Proof, "tells 203.0.113.4:6379 to save its data where programs are started");
    }

    #[test]
    fn a_container_with_the_root_of_a_strangers_host() {
        let mut run = Run::new();
        let body = br#"{"Image":"alpine","Cmd":["sh"],"HostConfig":{"Binds":["/:/mnt"],"Privileged":true}}"#;
        run.http_with(1, "POST", "http://203.0.113.4:2375/v1.24/containers/create", "json", body, None);
        hit(&BEHAVIOUR, run, Weight::Proof, "start a container");
    }

    #[test]
    fn a_call_told_as_a_message() {
        let mut run = Run::new();
        run.messages(1, "203.0.113.4:10250", "kubernetes", &["POST /run/default/web/app cmd=id"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "run a command in a pod");
    }

    #[test]
    fn a_runner_that_starts_containers_at_its_own_engine_is_none() {
        let mut run = Run::new();
        let body = br#"{"Image":"alpine","HostConfig":{"Binds":["cache:/cache"]}}"#;
        run.http_with(1, "POST", "http://docker:2375/v1.41/containers/create", "json", body, None);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn sentinel_and_clients_of_redis_are_none() {
        let mut run = Run::of("/usr/bin/redis-sentinel", &["redis-sentinel"]);
        run.messages(
            1,
            "10.0.0.4:6379",
            "redis",
            &["PING", "REPLICAOF 10.0.0.5 6379", "CONFIG REWRITE", "CONFIG SET maxmemory 1gb"],
        );
        miss(&BEHAVIOUR, run);
    }
}
