//! The probe, on hosts that can be walked around and on such that cannot.

use gate::probe::{self, Finding, Plan, State};
use registry::Options;

use crate::{
    clients::Stage,
    gates::options,
    lab::{Lab, Running, inside},
};

fn plan(stage: &Stage<'_>) -> Plan {
    Plan {
        proxy: Some("http://127.0.0.1:5000".to_owned()),
        registries: vec!["docker.io".to_owned()],
        docker_socket: "/run/docker.sock".into(),
        podman_socket: "/run/lab/podman.sock".into(),
        etc: "/etc".into(),
        door: Some(stage.gate.door()),
        options: Options { timeout: std::time::Duration::from_secs(30), ..options() },
    }
}

fn state(findings: &[Finding], client: &str, way: &str) -> State {
    let found = findings.iter().find(|finding| finding.client == client && finding.way.contains(way));
    found.unwrap_or_else(|| panic!("{client} {way}: {}", probe::shown(findings))).state
}

/// What stands for Docker Hub in the lab. The probe does not trust its certificate; that it answers is enough.
fn outside(lab: &Lab) -> Running {
    lab.registry("127.0.0.1:443", true)
}

#[test]
fn a_host_that_can_be_walked_around_is_told_so_and_how_to_shut_it() {
    inside(|lab| {
        let stage = Stage::new(lab);
        let outside = outside(lab);
        lab.write(
            "/etc/containers/registries.conf",
            "[[registry]]\nlocation = \"docker.io\"\n[[registry.mirror]]\nlocation = \"127.0.0.1:5000/docker.io\"\n",
        );
        lab.write("/etc/containerd/config.toml", "version = 2\n");
        lab.write(
            "/etc/containerd/certs.d/docker.io/hosts.toml",
            "server = \"https://registry-1.docker.io\"\n[host.\"http://127.0.0.1:5000\"]\n",
        );
        let dockerd = lab.dockerd(&["--registry-mirror", "http://127.0.0.1:5000"]);
        let (done, said) = lab.docker("pull bad:1");
        assert!(done, "{said}");
        lab.start(
            "podman",
            &[
                "--storage-driver",
                "vfs",
                "--root",
                "/run/lab/podman",
                "--runroot",
                "/run/lab/podman-run",
                "system",
                "service",
                "--time=0",
                "unix:///run/lab/podman.sock",
            ],
        );
        crate::lab::until(|| std::path::Path::new("/run/lab/podman.sock").exists(), "podman's service");

        let findings = probe::run(&plan(&stage));
        let shown = probe::shown(&findings);
        for (client, way) in [
            ("network", "direct requests"),
            ("docker", "pulls from docker.io"),
            ("docker", "runs what is already here"),
            ("docker", "listed images are already here"),
            ("containerd", "pulls from docker.io"),
            ("containerd", "hosts.toml"),
            ("podman", "pulls from docker.io"),
        ] {
            assert_eq!(state(&findings, client, way), State::Open, "{client} {way}\n{shown}");
        }
        assert_eq!(state(&findings, "gate", "the proxy"), State::Closed, "{shown}");
        for words in [
            "no setting of Docker forbids it",
            "--authorization-plugin=lazaret",
            "hosts.toml:",
            "prefix = \"docker.io\"",
            "LZ-2026-1",
        ] {
            assert!(shown.contains(words), "{words}:\n{shown}");
        }

        // With nothing outside, Docker still goes there.
        lab.stop(outside);
        let findings = probe::run(&plan(&stage));
        assert_eq!(state(&findings, "docker", "pulls from"), State::Leans, "{}", probe::shown(&findings));
        assert_eq!(state(&findings, "network", "direct"), State::Closed, "{}", probe::shown(&findings));
        lab.stop(dockerd);
    });
}

/// As its own advice says.
#[test]
fn a_host_set_up_by_the_fixes_is_found_closed() {
    inside(|lab| {
        let stage = Stage::new(lab);
        let (proxy, gate) = ("http://127.0.0.1:5000", "127.0.0.1:5000");
        lab.write(
            "/etc/containers/registries.conf.d/lazaret.conf",
            &format!("[[registry]]\nprefix = \"docker.io\"\nlocation = \"{gate}/docker.io\"\ninsecure = true\n"),
        );
        lab.write("/etc/containerd/config.toml", "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n");
        lab.write(
            "/etc/containerd/certs.d/docker.io/hosts.toml",
            &format!("server = \"{proxy}\"\n[host.\"{proxy}\"]\n"),
        );
        lab.start(
            "podman",
            &[
                "--storage-driver",
                "vfs",
                "--root",
                "/run/lab/podman",
                "--runroot",
                "/run/lab/podman-run",
                "system",
                "service",
                "--time=0",
                "unix:///run/lab/podman.sock",
            ],
        );
        crate::lab::until(|| std::path::Path::new("/run/lab/podman.sock").exists(), "podman's service");
        let findings = probe::run(&plan(&stage));
        assert!(findings.iter().all(|finding| finding.state == State::Closed), "{}", probe::shown(&findings));
        assert!(findings.len() >= 5, "{}", probe::shown(&findings));
    });
}
