//! The same image from everywhere gives the same findings.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    process::Stdio,
    time::Duration,
};

use harbour::{Auth, Harbour, ImageParts, Script};
use serde_json::{Value, json};

use crate::support::{DROPPER, Ended, Home, Layer, MINER_CONFIG, Running, essence, file, finding, image, member};

/// Three layers, the second packed in its own way; a secret place in the first is deleted in the last.
fn sample(pack: fn(&[Vec<u8>]) -> Layer) -> ImageParts {
    let first = Layer::gzip(&[file("root/.cache/config.json", MINER_CONFIG), file("etc/motd", b"welcome\n")]);
    let second = pack(&[file("opt/start", DROPPER), member(b'2', b"usr/bin/start", b"/opt/start", b"")]);
    let third = Layer::plain(&[file("root/.cache/.wh.config.json", b"")]);
    let mut parts = image(&[&first, &second, &third]);
    parts.history = vec![
        json!({ "created_by": "COPY cache /root/.cache" }),
        json!({ "created_by": "ENV A=b", "empty_layer": true }),
        json!({ "created_by": "COPY start /opt/start" }),
        json!({ "created_by": "RUN rm /root/.cache/config.json" }),
    ];
    parts
}

/// The report, and what it must say wherever the image came from.
#[track_caller]
fn checked(ended: &Ended) -> Value {
    let report = ended.result();
    let hidden = finding(&report, "miner-config", "root/.cache/config.json").expect("the deleted file is found");
    assert_eq!(hidden["location"]["hidden"], true, "{hidden}");
    let shown = finding(&report, "download-and-run", "opt/start").expect("the script is found");
    assert_eq!((&shown["location"]["hidden"], &shown["runs"]), (&json!(false), &json!(true)), "{shown}");
    let lines: Vec<_> = report["image"]["layers"].as_array().expect("layers").iter().map(|l| &l["history"]).collect();
    assert_eq!(lines, ["COPY cache /root/.cache", "COPY start /opt/start", "RUN rm /root/.cache/config.json"]);
    assert_eq!(report["verdict"]["completeness"]["state"], "complete", "{report}");
    report
}

/// Debian's registry on a free port.
fn docker_registry(home: &Home) -> (String, Running) {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr()).expect("a free port").port();
    let host = format!("127.0.0.1:{port}");
    let config = format!(
        "version: 0.1\nlog: {{ level: error, accesslog: {{ disabled: true }} }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: '{host}' }}\n",
        home.join("storage")
    );
    fs::write(home.join("registry.yml"), config).expect("writes");
    let mut command = home.command("docker-registry", &["serve", "registry.yml"]);
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("docker-registry is installed");
    let running = Running(process);
    for _ in 0..200 {
        let list = ["list-tags", "--tls-verify=false", &format!("docker://{host}/none")];
        let output = home.command("skopeo", &list).output().expect("skopeo is installed");
        if !String::from_utf8_lossy(&output.stderr).contains("connection refused") {
            return (host, running);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("docker-registry must start");
}

#[test]
fn every_place_gives_the_same_findings() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    harbour.push_parts("a/b", "v1", &sample(Layer::zstd));
    harbour.push_parts("a/b", "gzip", &sample(Layer::gzip));
    let from = format!("docker://{}/a/b:v1", harbour.host());
    let (real, _running) = docker_registry(&home);
    home.skopeo(&["--preserve-digests"], &from, &format!("docker://{real}/a/b:v1"));
    home.skopeo(&[], &from, "oci:layout:v1");
    home.skopeo(&[], &from, "oci-archive:image.oci.tar:v1");
    // Docker's own format knows no zstd.
    let from = format!("docker://{}/a/b:gzip", harbour.host());
    home.skopeo(&["--format", "v2s2"], &from, "docker-archive:image.docker.tar:a/b:v1");

    let expected = checked(&home.scan(&["--no-store", &format!("{}/a/b:v1", harbour.host())]));
    for place in [
        &format!("{real}/a/b:v1"),
        "oci:layout",
        "oci:layout:v1",
        &format!("{}/a/b:gzip", harbour.host()),
        "oci-archive:image.oci.tar",
        "docker-archive:image.docker.tar",
    ] {
        let report = checked(&home.scan(&["--no-store", place]));
        assert_eq!(essence(&report), essence(&expected), "{place}");
    }

    let arguments = ["scan", "-q", "--format", "json", "--rules", "rules.yar", "--no-store", "docker-archive:-"];
    let archive = File::open(home.join("image.docker.tar")).expect("skopeo wrote it");
    let ended: Ended = home.lazaret(&arguments).stdin(archive).output().expect("starts").into();
    assert_eq!(essence(&checked(&ended)), essence(&expected), "standard input");

    // What `podman save` writes, as a file and through a pipe.
    let storage = ["--root", &home.join("storage-podman"), "--runroot", &home.join("run-podman")];
    let podman = [&storage[..], &["--storage-driver", "vfs"]].concat();
    home.peer("podman", &[&podman[..], &["load", "--quiet", "--input", "image.docker.tar"]].concat());
    let save = ["save", "--quiet", "--format", "docker-archive", "--output", "podman.tar", "docker.io/a/b:v1"];
    home.peer("podman", &[&podman[..], &save].concat());
    let report = checked(&home.scan(&["--no-store", "docker-archive:podman.tar"]));
    assert_eq!(essence(&report), essence(&expected), "podman save");
}

/// The same, where a name and password are asked for and stand in Docker's own configuration file.
#[test]
fn logins_are_read_from_dockers_configuration() {
    for auth in [Auth::Basic, Auth::Bearer] {
        let home = Home::new();
        let users = vec![("keeper".to_owned(), "invented".to_owned())];
        let harbour = Harbour::start(Script { auth, users, ..Script::default() });
        harbour.push_parts("a/b", "v1", &sample(Layer::gzip));
        let place = format!("{}/a/b:v1", harbour.host());
        home.run(&["scan", "--no-store", &place]).refused(3, &["127.0.0.1", "login"]);

        let login = json!({ "auths": { harbour.host(): { "auth": "a2VlcGVyOmludmVudGVk" } } });
        fs::create_dir(home.join("docker")).expect("a folder");
        fs::write(home.join("docker/config.json"), login.to_string()).expect("writes");
        let arguments = ["scan", "-q", "--format", "json", "--no-store", &place];
        let mut command = home.lazaret(&arguments);
        let ended: Ended = command.env("DOCKER_CONFIG", home.join("docker")).output().expect("starts").into();
        checked(&ended);
        assert!(!format!("{ended:?}").contains("invented:"), "no password is told");
    }
}

#[test]
fn one_platform_of_an_index_or_all_are_scanned() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    let platforms = ["linux/amd64", "linux/arm64/v8", "unknown/unknown"].map(|platform| {
        let parts = image(&[&Layer::gzip(&[file("opt/start", platform.as_bytes())])]);
        harbour.push_parts("a/b", "", &ImageParts { platform: platform.to_owned(), ..parts })
    });
    let index = harbour.push_index("a/b", "v1", &platforms);
    let place = format!("{}/a/b:v1", harbour.host());

    let manifests = |arguments: &[&str]| -> Vec<String> {
        let ended = home.scan(&[arguments, &["--no-store", &place]].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        let results = ended.results();
        assert!(results.iter().all(|report| report["image"]["index"] == index.as_str()));
        results.iter().filter_map(|report| report["image"]["manifest"].as_str()).map(str::to_owned).collect()
    };
    assert_eq!(manifests(&["--platform", "linux/amd64"]), [platforms[0].manifest.as_str()]);
    assert_eq!(manifests(&["--platform", "linux/arm64"]), [platforms[1].manifest.as_str()]);
    // An attestation is no image.
    assert_eq!(manifests(&["--platform", "all"]), [platforms[0].manifest.as_str(), &platforms[1].manifest]);
    let ended = home.run(&["scan", "--no-store", "--platform", "windows/amd64", &place]);
    ended.refused(3, &["windows/amd64", "linux/arm64"]);
}
