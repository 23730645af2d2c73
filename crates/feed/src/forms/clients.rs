//! The forms, read by the programs that people will read them with.
//!
//! `make tools` installs them into `target/tools`; set `LAZARET_TOOLS` to use another folder. `clients/check.py` has stix2-validator,
//! PyMISP, OSV's own schema, feedparser, a YAML reader, and what evaluates the policies' expressions (CEL, JMESPath).
#![expect(clippy::disallowed_methods, reason = "runs the real peers")]

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use super::{surely_blocked, testing::*};

/// The Python that has the clients.
pub(crate) fn python() -> PathBuf {
    let given = std::env::var("LAZARET_TOOLS").ok();
    let tools =
        given.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/tools"), PathBuf::from);
    let python = tools.join("python/bin/python");
    assert!(python.is_file(), "{} is missing: run `make tools`", python.display());
    python
}

/// Writes the forms, and what the checks compare them with.
fn write(world: &World, folder: &Path) {
    for (path, bytes) in world.write().files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("makes it");
        fs::write(path, bytes).expect("writes");
    }
    let sure: Vec<_> = surely_blocked(&world.entries).iter().map(|entry| entry.digest.to_string()).collect();
    let facts = serde_json::json!({ "entries": world.entries.len(), "changes": world.changes.len(), "sure": sure });
    fs::write(folder.join("facts.json"), facts.to_string()).expect("writes");
}

#[track_caller]
fn succeeds(output: &Output) {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{error}");
}

#[track_caller]
fn check(world: &World) {
    let folder = tempfile::tempdir().expect("a folder");
    write(world, folder.path());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/forms/clients/check.py");
    succeeds(&Command::new(python()).arg(script).arg(folder.path()).output().expect("Python starts"));
}

#[test]
fn every_form_is_what_its_readers_take_it_for() {
    let mut world = World::of(400);
    world.change_all();
    check(&world);
}

#[test]
fn hostile_references_change_nothing_of_that() {
    let mut world = World::hostile();
    world.name = "Feed \"of\" {{ 'tests' }} \\ # <b>\n---\n- x".to_owned();
    check(&world);
}

/// `skopeo` in `folder`, with a configuration that knows nobody else's; what it says to standard error.
fn skopeo(folder: &Path, registries: &str, policy: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("skopeo")
        .arg("--registries-conf")
        .arg(folder.join(registries))
        .arg("--policy")
        .arg(folder.join(policy))
        .args(arguments)
        .env("XDG_CONFIG_HOME", folder)
        .env("HOME", folder)
        .output()
        .expect("skopeo starts");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A registry with an image, and a feed that lists it under its name there.
fn harbour() -> (harbour::Harbour, World, String) {
    let harbour = harbour::Harbour::start(harbour::Script::default());
    let image = harbour.push_image("evil/miner", "1", &[b"a layer"]);
    harbour.push_image("honest/image", "1", &[b"another"]);
    let mut world = World::hostile();
    let entry = world.entries.iter_mut().find(|entry| entry.blocks_for_sure() && entry.is_pulled()).expect("one");
    entry.digest = image.manifest.parse().expect("a digest");
    entry.references = [format!("{}/evil/miner:1", harbour.host())].into();
    world.sort();
    let name = format!("{}/evil/miner@{}", harbour.host(), image.manifest);
    (harbour, world, name)
}

/// The drop-in blocks the repository, and nothing else.
#[test]
fn skopeo_refuses_what_the_drop_in_blocks() {
    let (harbour, world, listed) = harbour();
    let folder = tempfile::tempdir().expect("a folder");
    write(&world, folder.path());
    let accept = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
    fs::write(folder.path().join("accept.json"), accept).expect("writes");
    let inspect = |image: &str| {
        let image = format!("docker://{image}");
        let arguments = ["inspect", "--raw", "--tls-verify=false", &image];
        skopeo(folder.path(), "registries.conf.d/lazaret.conf", "accept.json", &arguments)
    };
    let (read, told) = inspect(&listed);
    assert!(!read && told.contains("is blocked in"), "{told}");
    assert_eq!(inspect(&format!("{}/honest/image:1", harbour.host())), (true, String::new()));
}

/// The policy rejects the digest, and no tag beside it.
#[test]
fn skopeo_refuses_what_the_policy_rejects() {
    let (harbour, world, listed) = harbour();
    let folder = tempfile::tempdir().expect("a folder");
    write(&world, folder.path());
    fs::write(folder.path().join("none.conf"), "").expect("writes");
    let copy = |image: &str| {
        let (image, to) = (format!("docker://{image}"), format!("dir:{}", folder.path().join("copy").display()));
        let arguments = ["copy", "--quiet", "--src-tls-verify=false", &image, &to];
        skopeo(folder.path(), "none.conf", "containers-policy/policy.json", &arguments)
    };
    let (copied, told) = copy(&listed);
    assert!(!copied && told.contains("rejected by policy"), "{told}");
    assert_eq!(copy(&format!("{}/honest/image:1", harbour.host())), (true, String::new()));
}

/// Answers discovery as an API server that knows the kinds our policies are of, until it is dropped.
struct Discovery {
    address: std::net::SocketAddr,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Group, version, kind, plural, whether in a namespace.
const KINDS: &[(&str, &str, &str, &str, bool)] = &[
    ("", "v1", "Namespace", "namespaces", false),
    ("", "v1", "ConfigMap", "configmaps", true),
    ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", false),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        false,
    ),
    ("kyverno.io", "v1", "ClusterPolicy", "clusterpolicies", false),
    ("templates.gatekeeper.sh", "v1", "ConstraintTemplate", "constrainttemplates", false),
    ("constraints.gatekeeper.sh", "v1beta1", "LazaretDigests", "lazaretdigests", false),
];

impl Discovery {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut head = vec![0; 8 << 10];
                let read = stream.read(&mut head).expect("reads");
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let Some(path) = head.split(' ').nth(1).and_then(|target| target.split('?').next()) else { return };
                let (status, body) = match Self::answer(path) {
                    Some(body) => ("200 OK", body.to_string()),
                    None => ("404 Not Found", "{}".to_owned()),
                };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        });
        Self { address, thread: Some(thread) }
    }

    fn answer(path: &str) -> Option<Value> {
        let version =
            |group: &str, version: &str| json!({ "groupVersion": format!("{group}/{version}"), "version": version });
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        let resources = |group: &str, wanted: &str| {
            let of = KINDS.iter().filter(|(known, version, ..)| *known == group && *version == wanted);
            let of = of.map(|(_, _, kind, plural, namespaced)| {
                json!({ "name": plural, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["create", "get", "list"] })
            });
            let group_version = if group.is_empty() { wanted.to_owned() } else { format!("{group}/{wanted}") };
            json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": of.collect::<Vec<_>>() })
        };
        match parts.as_slice() {
            ["api"] => Some(json!({ "kind": "APIVersions", "versions": ["v1"] })),
            ["apis"] => {
                let groups: BTreeSet<_> =
                    KINDS.iter().filter(|kind| !kind.0.is_empty()).map(|kind| (kind.0, kind.1)).collect();
                let groups = groups.into_iter().map(|(group, v)| {
                    json!({ "name": group, "versions": [version(group, v)], "preferredVersion": version(group, v) })
                });
                Some(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups.collect::<Vec<_>>() }))
            }
            ["api", v] => Some(resources("", v)),
            ["apis", group, v] => Some(resources(group, v)),
            _ => None,
        }
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        // A request without a path ends it.
        if let Ok(mut stream) = std::net::TcpStream::connect(self.address) {
            let _ = stream.write_all(b"\r\n");
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// kubectl takes every file of every policy for objects it could create, and the same through a kustomization.
#[test]
fn kubectl_takes_the_policies() {
    let world = World::hostile();
    let folder = tempfile::tempdir().expect("a folder");
    write(&world, folder.path());
    let discovery = Discovery::start();
    let kubectl = |arguments: &[&str]| {
        let mut kubectl = Command::new("kubectl");
        let output = kubectl.args(arguments).env("HOME", folder.path()).env_remove("KUBECONFIG").output();
        let output = output.expect("kubectl starts");
        succeeds(&output);
        String::from_utf8(output.stdout).expect("text")
    };
    let server = format!("http://{}", discovery.address);
    for (form, objects) in [
        (
            "validating-admission-policy",
            vec![
                "configmap/lazaret-digests-all",
                "namespace/lazaret",
                "validatingadmissionpolicy.admissionregistration.k8s.io/lazaret-digests",
                "validatingadmissionpolicybinding.admissionregistration.k8s.io/lazaret-digests",
            ],
        ),
        ("kyverno", vec!["clusterpolicy.kyverno.io/lazaret-digests-all"]),
        (
            "gatekeeper",
            vec![
                "constrainttemplate.templates.gatekeeper.sh/lazaretdigests",
                "lazaretdigests.constraints.gatekeeper.sh/lazaret-digests-all",
            ],
        ),
    ] {
        let files = folder.path().join(form);
        let files_text = files.to_str().expect("text");
        let created = kubectl(&[
            "create",
            "--server",
            &server,
            "--dry-run=client",
            "--validate=false",
            "--output=name",
            "--filename",
            files_text,
        ]);
        assert_eq!(created.lines().collect::<BTreeSet<_>>(), objects.iter().copied().collect(), "{form}");
        let names: Vec<_> = fs::read_dir(&files)
            .expect("reads")
            .map(|entry| format!("- {}\n", entry.expect("an entry").file_name().display()))
            .collect();
        fs::write(files.join("kustomization.yaml"), format!("resources:\n{}", names.concat())).expect("writes");
        let built = kubectl(&["kustomize", files_text]);
        assert_eq!(built.lines().filter(|line| line.starts_with("apiVersion:")).count(), objects.len(), "{form}");
    }
}
