//! Real clients before the real registry: what the proxy and the plugin stop, what users read, and where a mirror alone does not hold.
//!
//! In the lab `registry-1.docker.io:443` is a registry of ours with a certificate that clients there trust: the outside that a client
//! goes to when a mirror refuses. The proxy is on `127.0.0.1:5000`, its upstream on `127.0.0.1:5001`; both registries share one storage.

use std::{os::unix::net::UnixListener, sync::atomic::AtomicBool};

use feed::Role;
use gate::docker::{Builds, DockerPlugin};
use registry::ContainerEngine;

use crate::{
    gates::{Gate, Served, options},
    lab::{Image, Lab, inside, listener},
};

const PROXY: &str = "127.0.0.1:5000";
const UPSTREAM: &str = "127.0.0.1:5001";
const OUTSIDE: &str = "127.0.0.1:443";

/// A good and a listed image upstream, and the proxy before them.
pub(crate) struct Stage<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) bad: Image,
    pub(crate) gate: Gate,
    _proxy: Served,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(lab: &'a Lab) -> Self {
        lab.registry(UPSTREAM, false);
        lab.push("good", "good");
        let bad = lab.push("bad", "bad");
        let gate = Gate::new(&[(&bad.manifest, Role::Manifest)]);
        let upstream = format!("http://{UPSTREAM}");
        let proxy = gate.proxy_on(listener(PROXY), &[("docker.io", &upstream), ("quay.io", &upstream)]);
        Self { lab, bad, gate, _proxy: proxy }
    }

    fn passes(&self, words: &str) {
        let (done, said) = self.lab.run(words);
        assert!(done, "{words}\n{said}");
    }

    /// Refused, with these words for the user.
    fn is_refused(&self, words: &str, expected: &str) {
        let (done, said) = self.lab.run(words);
        assert!(!done && said.contains(expected), "{words}\n{said}");
    }
}

#[test]
fn skopeo_reads_the_reason() {
    inside(|lab| {
        let stage = Stage::new(lab);
        let copy = "skopeo copy --src-tls-verify=false";
        stage.passes(&format!("{copy} docker://{PROXY}/docker.io/library/good:1 dir:/run/lab/good"));
        for name in [
            "docker.io/library/bad:1".to_owned(),
            "docker.io/bad:1".to_owned(),
            "library/bad:1".to_owned(),
            format!("library/bad@{}", stage.bad.manifest),
        ] {
            stage.is_refused(&format!("{copy} docker://{PROXY}/{name} dir:/run/lab/bad"), "LZ-2026-1 cryptominer");
        }
        stage.passes(&format!("skopeo list-tags --tls-verify=false docker://{PROXY}/library/good"));
    });
}

#[test]
fn docker_reads_the_reason_and_runs_nothing_that_is_listed() {
    inside(|lab| {
        let mut stage = Stage::new(lab);
        let plugin = listener_of_plugin(&stage);
        let dockerd = lab.dockerd(&["--authorization-plugin=lazaret"]);
        let docker = |words: &str| format!("docker -H unix:///run/docker.sock {words}");
        let good = format!("{PROXY}/docker.io/library/good:1");
        let bad = format!("{PROXY}/docker.io/library/bad:1");

        stage.passes(&docker(&format!("pull {good}")));
        stage.is_refused(&docker(&format!("pull {bad}")), "LZ-2026-1 cryptominer");
        let by_digest = format!("{PROXY}/library/bad@{}", stage.bad.manifest);
        stage.is_refused(&docker(&format!("pull {by_digest}")), "LZ-2026-1");
        stage.passes(&docker(&format!("create --name kept {good} /x")));

        // It comes past the proxy, and is not run: by name, by another name, by id, short and long.
        stage.passes(&docker(&format!("pull {UPSTREAM}/library/bad:1")));
        stage.passes(&docker(&format!("tag {UPSTREAM}/library/bad:1 nice:1")));
        let id = stage.bad.config.clone();
        for name in [format!("{UPSTREAM}/library/bad:1"), "nice:1".to_owned(), id.clone(), id[7..19].to_owned()] {
            let (done, said) = lab.docker(&format!("run --network none {name} /x"));
            assert!(
                !done && said.contains("authorization denied by plugin lazaret") && said.contains("LZ-2026-1"),
                "{said}"
            );
            let status = lab.client("docker").args(["-H", "unix:///run/docker.sock", "run", &name, "/x"]).status();
            assert_eq!(status.expect("it ran").code(), Some(125));
        }

        // Without a body, as CVE-2024-41110 did, and with the field spelt as only Go reads it.
        let create = |body: &str| {
            let (_, said) = lab.run(&format!(
                "curl -s --unix-socket /run/docker.sock -H Content-Type:application/json -X POST --data-binary {body} http://x/containers/create"
            ));
            said
        };
        assert!(create("").contains("no body to decide on"), "{}", create(""));
        assert!(create(r#"{"Image":"good","image":"nice:1"}"#).contains("LZ-2026-1"));
        let (_, encoded) = lab.run(
            "curl -s --unix-socket /run/docker.sock -H Content-Type:application/json -X POST --data-binary {\"Image\":\"nice:1\"} http://x/v1.41/containers/%63reate",
        );
        assert!(encoded.contains("LZ-2026-1"), "{encoded}");

        // A container that is older than its entry does not start; once withdrawn, nothing stands in its way.
        let (_, inspected) = lab.docker(&format!("image inspect --format {{{{.Id}}}} {good}"));
        stage.gate.list(&[(inspected.trim(), Role::Config)]);
        stage.is_refused(&docker("start kept"), "LZ-2026-1");
        stage.gate.list(&[]);
        stage.passes(&docker("create nice:1 /x"));

        // While the plugin is away, dockerd refuses everything.
        drop(plugin);
        stage.is_refused(&docker(&format!("create {good} /x")), "500 Internal Server Error");
        lab.stop(dockerd);
    });
}

/// What a plugin does until it is dropped.
fn listener_of_plugin(stage: &Stage<'_>) -> Served {
    let socket = UnixListener::bind("/run/docker/plugins/lazaret.sock").expect("our own /run");
    let options = registry::Options { docker_socket: "/run/docker.sock".into(), ..options() };
    let plugin = DockerPlugin::new(stage.gate.door(), ContainerEngine::new(&options), Builds::Allow);
    // Of the listener only its life is used.
    Served::start(listener("127.0.0.1:0"), move |_, stop: &AtomicBool| plugin.serve(socket, stop))
}

/// dockerd 20.10 takes a mirror's refusal and asks Docker Hub: the reason why the docs begin with it.
#[test]
fn a_mirror_alone_does_not_hold_docker() {
    inside(|lab| {
        let _stage = Stage::new(lab);
        let outside = lab.registry(OUTSIDE, true);
        let dockerd = lab.dockerd(&["--registry-mirror", &format!("http://{PROXY}")]);
        let (done, said) = lab.docker("pull bad:1");
        assert!(done, "if dockerd holds now, the documents are wrong: {said}");
        lab.docker("image rm bad:1");
        lab.stop(outside);
        let (done, said) = lab.docker("pull bad:1");
        assert!(!done, "nothing is outside: {said}");
        let (done, said) = lab.docker("pull good:1");
        assert!(done, "the mirror serves: {said}");
        lab.stop(dockerd);
    });
}

#[test]
fn podman_holds_by_location_and_not_by_mirror() {
    inside(|lab| {
        let stage = Stage::new(lab);
        lab.registry(OUTSIDE, true);
        let podman = "podman --storage-driver vfs --root /run/lab/podman --runroot /run/lab/podman-run --cgroup-manager cgroupfs";
        let pull = |name: &str| lab.run(&format!("{podman} pull {name}"));

        let location =
            format!("[[registry]]\nprefix = \"docker.io\"\nlocation = \"{PROXY}/docker.io\"\ninsecure = true\n");
        lab.write("/etc/containers/registries.conf", &location);
        let (done, said) = pull("docker.io/library/good:1");
        assert!(done, "{said}");
        let (done, said) = pull("docker.io/library/bad:1");
        assert!(!done && said.contains("LZ-2026-1 cryptominer"), "{said}");
        let (done, said) = pull(&format!("docker.io/library/bad@{}", stage.bad.manifest));
        assert!(!done && said.contains("LZ-2026-1"), "{said}");

        let mirror = format!(
            "[[registry]]\nlocation = \"docker.io\"\n[[registry.mirror]]\nlocation = \"{PROXY}/docker.io\"\ninsecure = true\n"
        );
        lab.write("/etc/containers/registries.conf", &mirror);
        let (done, said) = pull("docker.io/library/bad:1");
        assert!(done, "if podman holds now, the documents are wrong: {said}");
    });
}

/// containerd's resolver asks `server` after a refusal, and drops a file without `[host]`; ctr shows only the status.
#[test]
fn containerd_holds_if_its_server_is_the_gate() {
    inside(|lab| {
        let stage = Stage::new(lab);
        lab.registry(OUTSIDE, true);
        let config = "version = 2\nroot = \"/run/lab/containerd\"\nstate = \"/run/lab/containerd-state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"/run/lab/containerd.sock\"\n";
        lab.write("/run/lab/containerd.toml", config);
        let containerd = lab.start("containerd", &["--config", "/run/lab/containerd.toml"]);
        let ctr = |words: &str| lab.run(&format!("ctr --address /run/lab/containerd.sock {words}"));
        crate::lab::until(|| ctr("version").0, "containerd");
        let pull = |name: &str| ctr(&format!("images pull --snapshotter native --hosts-dir /run/lab/hosts {name}"));

        let hosts = "/run/lab/hosts/docker.io/hosts.toml";
        let alone =
            format!("server = \"http://{PROXY}\"\n[host.\"http://{PROXY}\"]\ncapabilities = [\"pull\", \"resolve\"]\n");
        lab.write(hosts, &alone);
        lab.write("/run/lab/hosts/quay.io/hosts.toml", &alone);
        for name in ["docker.io/library/good:1", "quay.io/library/good:1"] {
            let (done, said) = pull(name);
            assert!(done, "{said}");
        }
        for name in [
            "docker.io/library/bad:1".to_owned(),
            "quay.io/library/bad:1".to_owned(),
            format!("docker.io/library/bad@{}", stage.bad.manifest),
        ] {
            let (done, said) = pull(&name);
            assert!(!done && said.contains("403 Forbidden"), "{said}");
        }

        lab.write(hosts, &format!("server = \"http://{PROXY}\"\n"));
        let (done, said) = pull("docker.io/library/bad:1");
        assert!(
            done && said.contains("invalid `host` tree"),
            "if containerd holds now, the documents are wrong: {said}"
        );
        let (done, said) = ctr("images rm docker.io/library/bad:1");
        assert!(done, "{said}");

        let around = format!(
            "server = \"https://registry-1.docker.io\"\n[host.\"http://{PROXY}\"]\ncapabilities = [\"pull\", \"resolve\"]\n"
        );
        lab.write(hosts, &around);
        let (done, said) = pull("docker.io/library/bad:1");
        assert!(done, "if containerd holds now, the documents are wrong: {said}");
        lab.stop(containerd);
    });
}

/// The whole image is listed by one layer, and the client has all layers already: harbor #15035.
#[test]
fn a_client_that_has_the_layers_is_refused_too() {
    inside(|lab| {
        let mut stage = Stage::new(lab);
        let dockerd = lab.dockerd(&[]);
        stage.gate.list(&[]);
        let bad = format!("{PROXY}/library/bad:1");
        let (done, said) = lab.docker(&format!("pull {bad}"));
        assert!(done, "{said}");
        let layer = stage.bad.layer.clone();
        stage.gate.list(&[(&layer, Role::Layer)]);
        let (done, said) = lab.docker(&format!("pull {bad}"));
        assert!(!done && said.contains("LZ-2026-1"), "{said}");
        lab.stop(dockerd);
    });
}
