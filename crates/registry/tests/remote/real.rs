//! Against Debian's `docker-registry`, filled by `skopeo`.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use harbour::digest_of;
use model::Locator;
use registry::open_registry;

use super::{descriptor, options, read};

/// A real registry on a free port; stopped when dropped.
struct RealRegistry {
    host: String,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test runs the real registry and the real client")]
fn command(program: &str) -> Command {
    Command::new(program)
}

fn start() -> RealRegistry {
    let folder = tempfile::tempdir().expect("temporary folder");
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr()).expect("a free port").port();
    let host = format!("127.0.0.1:{port}");
    let storage = folder.path().join("storage");
    let config = format!(
        "version: 0.1\nlog: {{ level: error, accesslog: {{ disabled: true }} }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: '{host}' }}\n",
        storage.display()
    );
    let path = folder.path().join("config.yml");
    fs::write(&path, config).expect("temporary folder");
    let process = command("docker-registry")
        .args(["serve".as_ref(), path.as_os_str()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("docker-registry is installed");
    let registry = RealRegistry { host, process, _folder: folder };
    let catalogue = open_registry(&registry.host, &options()).expect("a registry");
    let is_up = (0..200).any(|_| {
        let up = catalogue.repositories(1, &mut |_| ()).is_ok();
        if !up {
            std::thread::sleep(Duration::from_millis(50));
        }
        up
    });
    assert!(is_up, "docker-registry must start");
    registry
}

fn skopeo(arguments: &[&str]) -> Vec<u8> {
    let output = command("skopeo").args(arguments).output().expect("skopeo is installed");
    assert!(output.status.success(), "skopeo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Writes an OCI layout with one image of `layer`.
fn write_layout(folder: &Path, layer: &[u8]) {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("temporary folder");
    let put = |bytes: &[u8]| {
        let digest = digest_of(bytes);
        fs::write(blobs.join(digest.trim_start_matches("sha256:")), bytes).expect("temporary folder");
        serde_json::json!({ "digest": digest, "size": bytes.len() })
    };
    let typed = |mut descriptor: serde_json::Value, kind: &str| {
        descriptor["mediaType"] = format!("application/vnd.oci.image.{kind}").into();
        descriptor
    };
    let layer = typed(put(layer), "layer.v1.tar");
    let config = serde_json::json!({
        "os": "linux", "architecture": "amd64", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
    });
    let config = typed(put(config.to_string().as_bytes()), "config.v1+json");
    let manifest = serde_json::json!({ "schemaVersion": 2, "config": config, "layers": [layer] });
    let manifest = typed(put(manifest.to_string().as_bytes()), "manifest.v1+json");
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(folder.join("index.json"), index.to_string()).expect("temporary folder");
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("temporary folder");
}

#[test]
fn a_real_registry_gives_what_skopeo_sees() {
    let real = start();
    let layout = tempfile::tempdir().expect("temporary folder");
    let layer = vec![7; 1 << 20];
    write_layout(layout.path(), &layer);
    let from = format!("oci:{}", layout.path().display());
    let copy = ["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"];
    for (name, more) in [
        ("kept/as-is:v1", &["--preserve-digests"][..]),
        ("made/docker:v1", &["--format", "v2s2"][..]),
        ("made/docker:v2", &["--format", "v2s2"][..]),
    ] {
        let image = format!("docker://{}/{name}", real.host);
        skopeo(&[&copy[..], more, &[&from, &image]].concat());
        let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &image]);

        let locator: Locator = format!("{}/{name}", real.host).parse().expect("a reference");
        let source = registry::open(&locator, &options()).expect("a registry");
        let images = source.resolve(None).expect("was pushed");
        assert_eq!(images.len(), 1);
        assert_eq!(images[0].manifest.map(|d| d.to_string()), Some(digest_of(&raw)), "{name}");
        let config = read(source.as_ref(), &images[0].config).expect("was pushed");
        assert!(model::ImageConfig::parse(&config).is_ok());
        let blob = read(source.as_ref(), &images[0].layers[0]).expect("was pushed");
        assert_eq!(blob.len() as u64, images[0].layers[0].size);
        assert!(name != "kept/as-is:v1" || blob == layer, "{name} must be what was in the layout");
    }

    let catalogue = open_registry(&format!("http://{}", real.host), &options()).expect("a registry");
    let mut names = Vec::new();
    catalogue.repositories(10, &mut |name| names.push(name)).expect("has a catalogue");
    assert_eq!(names, ["kept/as-is", "made/docker"]);
    let mut tags = catalogue.tags("made/docker", 10).expect("is there");
    tags.sort();
    assert_eq!(tags, ["v1", "v2"]);
    let gone = catalogue.tags("gone", 10).expect_err("is not there").to_string();
    assert!(gone.contains("check the name of the repository"), "{gone}");
    let locator: Locator = format!("{}/kept/as-is:gone", real.host).parse().expect("a reference");
    let error = registry::open(&locator, &options()).expect("a registry").resolve(None).expect_err("is not there");
    assert!(error.to_string().contains("does not exist"), "{error}");
    let source = catalogue.image(&format!("{}/kept/as-is:v1", real.host).parse().expect("a reference"));
    assert!(read(source.as_ref(), &descriptor(b"never pushed")).is_err());
}
