//! The inventory of real engines: Docker, Podman and containerd, each with an image and a container, in a lab of its own.

use std::{path::Path, process::Stdio, time::Duration};

use gate::inventory::{self, Seen};
use model::Digest;
use registry::{ContainerEngine, Containerd, Options};

use crate::lab::{Lab, inside};

/// Debian's `busybox-static`, as a root file system of one program.
fn root_file_system(lab: &Lab) -> String {
    let path = lab.folder.join("root.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&path).expect("a file"));
    tar.append_path_with_name("/bin/busybox", "bin/busybox").expect("busybox-static is installed");
    tar.finish().expect("written");
    path.display().to_string()
}

/// At most half a minute.
fn wait_for(socket: &str) {
    #[expect(clippy::disallowed_methods, reason = "waits for an engine's socket")]
    let is_up = || std::os::unix::net::UnixStream::connect(socket).is_ok();
    for _ in 0..300 {
        if is_up() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{socket} did not come up");
}

fn engine(socket: &str) -> ContainerEngine {
    ContainerEngine::new(&Options { docker_socket: socket.into(), ..Options::default() })
}

#[track_caller]
fn place<'a>(all: &'a [Seen], part: &str) -> &'a Seen {
    all.iter().find(|seen| seen.place.contains(part)).unwrap_or_else(|| panic!("{part} in {all:#?}"))
}

fn has(seen: &Seen, digest: &str) -> bool {
    let digest: Digest = digest.trim().parse().expect("a digest");
    seen.digests.iter().any(|(known, _)| *known == digest)
}

#[test]
fn docker_says_what_it_has_and_runs() {
    inside(|lab| {
        let root = root_file_system(lab);
        lab.registry("127.0.0.1:5001", false);
        let image = lab.push("a", "seed");
        lab.dockerd(&["--insecure-registry", "127.0.0.1:5001"]);
        let (done, said) = lab.docker("pull -q 127.0.0.1:5001/library/a:1");
        assert!(done, "{said}");
        let (done, said) = lab.docker(&format!("import {root} mine:1"));
        assert!(done, "{said}");
        let (done, said) = lab.docker("run -d --network none --name web mine:1 /bin/busybox sleep 100");
        assert!(done, "{said}");
        let (done, said) = lab.docker("create --name idle 127.0.0.1:5001/library/a:1 /x");
        assert!(done, "{said}");

        let all = inventory::docker::look(&engine("/run/docker.sock"), "docker", "lab").expect("answers");
        let pulled = all.iter().find(|seen| seen.reference == "127.0.0.1:5001/library/a:1" && seen.place.is_empty());
        let pulled = pulled.expect("is listed");
        for digest in [&image.manifest, &image.config] {
            assert!(has(pulled, digest), "{digest} in {pulled:#?}");
        }
        // Docker forgets the blob of a layer; it knows what it unpacks to.
        assert!(pulled.digests.iter().any(|(_, role)| *role == Some(feed::Role::Layer)), "{pulled:#?}");
        let (web, idle) = (place(&all, "container web"), place(&all, "container idle"));
        assert!(web.running && web.since > 0 && web.reference == "docker.io/library/mine:1", "{web:#?}");
        assert!(!idle.running && has(idle, &image.manifest), "{idle:#?}");
        let (_, said) = lab.docker("rm -f web idle");
        assert!(said.contains("web"), "{said}");
    });
}

#[test]
fn podman_says_what_it_has() {
    inside(|lab| {
        let root = root_file_system(lab);
        let folder = |name: &str| lab.folder.join(name).display().to_string();
        let place_of = ["--root", &folder("storage"), "--runroot", &folder("run"), "--storage-driver", "vfs"];
        let podman = |arguments: &[&str]| {
            let output = lab.client("podman").args(place_of).args(arguments).output().expect("it is installed");
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let id = podman(&["import", "-q", &root, "localhost/mine:1"]);
        podman(&["create", "--name", "idle", "--network", "none", "localhost/mine:1", "/bin/busybox"]);
        let socket = folder("podman.sock");
        let mut arguments = place_of.to_vec();
        let address = format!("unix://{socket}");
        arguments.extend(["system", "service", "--time", "0", &address]);
        lab.start("podman", &arguments);
        wait_for(&socket);

        let all = inventory::docker::look(&engine(&socket), "podman", "lab").expect("answers");
        let image = all.iter().find(|seen| seen.reference == "localhost/mine:1" && seen.place.is_empty());
        let image = image.unwrap_or_else(|| panic!("{all:#?}"));
        let id = id.trim().trim_start_matches("sha256:");
        assert!(has(image, &format!("sha256:{id}")), "{id} in {image:#?}");
        assert!(image.digests.len() >= 2, "its layer as well: {image:#?}");
        let idle = place(&all, "container idle");
        assert!(!idle.running && idle.digests == image.digests, "{idle:#?}");
    });
}

#[test]
fn containerd_says_what_it_has_and_runs() {
    inside(|lab| {
        let root = root_file_system(lab);
        let folder = |name: &str| lab.folder.join(name).display().to_string();
        // An OCI layout of our own, by the tools a user has.
        let made = lab
            .client("sh")
            .arg("-ec")
            .arg(format!(
                "cd {}; umoci init --layout layout; umoci new --image layout:1; mkdir rootfs; tar -xf {root} -C rootfs
                 umoci insert --image layout:1 rootfs/bin /bin; tar -cf image.tar -C layout .",
                lab.folder.display()
            ))
            .output()
            .expect("umoci is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let (socket, state) = (folder("containerd.sock"), folder("containerd-state"));
        lab.write(
            "/etc/containerd/config.toml",
            "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.snapshotter.v1.btrfs\"]\n",
        );
        lab.start("containerd", &["--address", &socket, "--root", &folder("containerd"), "--state", &state]);
        wait_for(&socket);
        let ctr = |words: &str| {
            let (done, said) = lab.run(&format!("ctr --address {socket} --namespace lab {words}"));
            assert!(done, "{words}: {said}");
        };
        ctr(&format!(
            "images import --base-name reg.example/mine --digests=false --snapshotter native {}",
            folder("image.tar")
        ));
        ctr("run --detach --snapshotter native reg.example/mine:1 web /bin/busybox sleep 100");
        ctr("containers create --snapshotter native reg.example/mine:1 idle /bin/busybox");

        let all = inventory::containerd::look(&Containerd::new(Path::new(&socket), Duration::from_secs(30)), "lab")
            .expect("answers");
        let image = all.iter().find(|seen| seen.reference == "reg.example/mine:1" && seen.place.is_empty());
        let image = image.unwrap_or_else(|| panic!("{all:#?}"));
        let roles: Vec<_> = image.digests.iter().filter_map(|(_, role)| role.map(|role| role.word())).collect();
        for role in ["manifest", "config", "layer"] {
            assert!(roles.contains(&role), "{role} in {image:#?}");
        }
        let (web, idle) = (place(&all, "lab/web"), place(&all, "lab/idle"));
        assert!(web.running && web.since > 0 && web.digests == image.digests, "{web:#?}");
        assert!(!idle.running, "{idle:#?}");
        let ended = lab
            .client("ctr")
            .args(["--address", &socket, "--namespace", "lab", "tasks", "kill", "--signal", "SIGKILL", "web"])
            .stdout(Stdio::null())
            .status();
        assert!(ended.is_ok_and(|status| status.success()));
    });
}
