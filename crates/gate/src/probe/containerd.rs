//! containerd: where `hosts.toml` sends it, and where it goes when that says no.
//!
//! After a refusal it asks `server`, which is the registry itself unless the file says otherwise (containerd 1.6, measured).
//! Source: containerd `docs/hosts.md`, `docs/cri/registry.md`.

use std::{fs, path::Path};

use toml::Value;

use super::{
    Plan, base,
    finding::{Finding, State},
    read,
};

/// What its settings in `/etc/containerd` make it do.
pub(super) fn probe(plan: &Plan) -> Vec<Finding> {
    let config = plan.etc.join("containerd/config.toml");
    let certs = plan.etc.join("containerd/certs.d");
    if !config.exists() && !certs.exists() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let text = fs::metadata(&config).ok().map(|_| read(&config)).transpose();
    let is_used = match text {
        Ok(text) => uses_hosts(text.as_deref().unwrap_or_default(), &certs),
        Err(error) => {
            findings.push(Finding::new(
                "containerd",
                "its settings",
                State::Unknown,
                &error,
                "let the probe read them",
            ));
            true
        }
    };
    if !is_used {
        let proof = format!("{} names no config_path, so containerd 1 reads no hosts.toml", config.display());
        let fix = "in config.toml: [plugins.\"io.containerd.grpc.v1.cri\".registry] config_path = \"/etc/containerd/certs.d\"";
        findings.push(Finding::new("containerd", "Kubernetes' pulls go by no hosts.toml", State::Open, &proof, fix));
    }
    findings.extend(plan.registries.iter().map(|registry| hosts(plan, &certs, registry)));
    findings
}

/// Whether Kubernetes' side of it reads `hosts.toml` at all. From version 3 of the file on (containerd 2) it does by default.
fn uses_hosts(config: &str, certs: &Path) -> bool {
    let Ok(config) = config.parse::<toml::Table>() else { return false };
    let default = config.get("version").and_then(Value::as_integer).is_some_and(|version| version >= 3);
    let names = |plugin: &str, path: &[&str]| {
        let mut at = config.get("plugins").and_then(|plugins| plugins.get(plugin));
        for part in path {
            at = at.and_then(|at| at.get(part));
        }
        at.and_then(Value::as_str)
            .map(|path| path.split(':').any(|path| Path::new(path) == certs || path.ends_with("certs.d")))
    };
    names("io.containerd.grpc.v1.cri", &["registry", "config_path"])
        .or_else(|| names("io.containerd.cri.v1.images", &["registry", "config_path"]))
        .unwrap_or(default)
}

fn hosts(plan: &Plan, certs: &Path, registry: &str) -> Finding {
    let way = format!("pulls from {registry}");
    let fix = format!(
        "write {}/hosts.toml:\nserver = \"{}\"",
        certs.join(registry).display(),
        plan.proxy.as_deref().unwrap_or("http://THE-GATE:5000")
    );
    let found = |state, proof: &str| Finding::new("containerd", &way, state, proof, &fix);
    let file =
        [registry, "_default"].map(|name| certs.join(name).join("hosts.toml")).into_iter().find(|file| file.exists());
    let Some(file) = file else {
        return found(
            State::Open,
            &format!("{} has no hosts.toml: it goes there directly", certs.join(registry).display()),
        );
    };
    match read(&file) {
        Ok(text) => match goes_to(&text, registry, plan.proxy.as_deref()) {
            Ok(()) => found(State::Closed, &format!("{} leads to the gate alone", file.display())),
            Err(why) => found(State::Open, &format!("{}: {why}", file.display())),
        },
        Err(error) => found(State::Unknown, &error),
    }
}

/// Whether a `hosts.toml` leads to the proxy alone; else where else.
fn goes_to(text: &str, registry: &str, proxy: Option<&str>) -> Result<(), String> {
    let table: toml::Table = text.parse().map_err(|_| "it is no TOML".to_owned())?;
    let is_proxy = |url: &str| proxy.is_none_or(|proxy| base(url) == base(proxy));
    match table.get("server").and_then(Value::as_str) {
        None => return Err(format!("it names no `server`, so after a refusal containerd asks {registry} itself")),
        Some(server) if proxy.is_none() && base(server).contains(registry) => {
            return Err(format!("`server` is {registry} itself, which containerd asks after a refusal"));
        }
        Some(server) if !is_proxy(server) => {
            return Err(format!("`server` is {server}, which containerd asks after a refusal"));
        }
        Some(_) => {}
    }
    let hosts = table.get("host").and_then(Value::as_table).into_iter().flat_map(toml::Table::keys);
    match hosts.into_iter().find(|host| !is_proxy(host)) {
        Some(other) => Err(format!("it also names {other}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = goes_to(text, "docker.io", Some("http://gate:5000"));
        let found = found.err().unwrap_or_default();
        assert!(found.contains(expected) && (expected.is_empty() == found.is_empty()), "{text}: {found:?}");
    }

    #[test]
    fn only_a_server_that_is_the_gate_holds() {
        check("server = \"http://gate:5000\"", "");
        check("server = \"http://gate:5000/\"\n[host.\"http://gate:5000\"]\ncapabilities = [\"pull\"]", "");
        check("[host.\"http://gate:5000\"]", "names no `server`");
        check("server = \"https://registry-1.docker.io\"\n[host.\"http://gate:5000\"]", "asks after a refusal");
        check("server = \"http://gate:5000\"\n[host.\"https://mirror.example\"]", "also names https://mirror.example");
        check("[[", "no TOML");
    }

    #[test]
    fn where_kubernetes_reads_no_hosts_file_is_known() {
        let certs = Path::new("/etc/containerd/certs.d");
        let check = |text: &str, expected: bool| assert_eq!(uses_hosts(text, certs), expected, "{text}");
        check("", false);
        check("version = 3", true);
        check(
            "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"",
            true,
        );
        check("version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"\"", false);
        check("version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path = \"\"", false);
    }
}
