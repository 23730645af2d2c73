//! Makes images, and reads them back.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use model::{Descriptor, Digest, Platform, image};
use registry::{ImageSource, Options, RegistryError, ResolvedImage};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) fn options() -> Options {
    Options {
        insecure_registries: Vec::new(),
        docker_config_folder: None,
        docker_socket: PathBuf::from("/nonexistent/docker.sock"),
        attempts_max: 1,
        retry_wait_max: Duration::ZERO,
        timeout: Duration::from_secs(5),
        user_agent: "lazaret-test".to_owned(),
        ..Options::default()
    }
}

pub(crate) fn open(locator: &str) -> Result<Box<dyn ImageSource>, RegistryError> {
    registry::open(&locator.parse().expect("a locator"), &options())
}

pub(crate) fn resolve(locator: &str, wanted: Option<&str>) -> Result<Vec<ResolvedImage>, RegistryError> {
    let wanted = wanted.map(|text| text.parse::<Platform>().expect("a platform"));
    open(locator)?.resolve(wanted.as_ref())
}

/// The one image, with the contents of its config and layers, each verified by its reader.
pub(crate) fn load(locator: &str) -> (ResolvedImage, Vec<u8>, Vec<Vec<u8>>) {
    let source = open(locator).unwrap_or_else(|error| panic!("{locator}: {error}"));
    let images = source.resolve(None).unwrap_or_else(|error| panic!("{locator}: {error}"));
    let [image]: [ResolvedImage; 1] = images.try_into().expect("one image");
    let config = read(source.as_ref(), &image.config).expect("config");
    let layers = image.layers.iter().map(|layer| read(source.as_ref(), layer).expect("layer")).collect();
    (image, config, layers)
}

pub(crate) fn read(source: &dyn ImageSource, descriptor: &Descriptor) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "the tests' own images are small")]
    let read = source.blob(descriptor)?.read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(registry_error)
}

pub(crate) fn registry_error(error: io::Error) -> RegistryError {
    let text = error.to_string();
    *error.into_inner().and_then(|inner| inner.downcast().ok()).unwrap_or_else(|| panic!("a registry error: {text}"))
}

/// The message of a failure that must come, checked to hold every one of `parts`.
#[track_caller]
pub(crate) fn check_error<T>(result: Result<T, RegistryError>, parts: &[&str]) -> RegistryError {
    let Err(error) = result else { panic!("must fail with {parts:?}") };
    let text = error.to_string();
    assert!(parts.iter().all(|part| text.contains(part)), "{text:?} must hold {parts:?}");
    error
}

/// Runs a program that must exist and succeed.
#[expect(clippy::disallowed_methods, reason = "real tools are the peers of these tests")]
pub(crate) fn run(program: &str, arguments: &[&str]) {
    let output = std::process::Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program} must be installed: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A tar of regular files.
pub(crate) fn tarball(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *content).expect("in memory");
    }
    builder.into_inner().expect("in memory")
}

pub(crate) fn config(architecture: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let config = json!({
        "architecture": architecture, "os": "linux", "config": {"Cmd": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    config.to_string().into_bytes()
}

/// An OCI layout in a temporary folder, made by hand.
pub(crate) struct Made {
    pub(crate) folder: TempDir,
}

impl Made {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::create_dir_all(folder.path().join("blobs/sha256")).expect("writable");
        fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("writable");
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn locator(&self) -> String {
        format!("oci:{}", self.path().display())
    }

    pub(crate) fn blob_path(&self, digest: Digest) -> PathBuf {
        self.path().join("blobs/sha256").join(digest.hex())
    }

    pub(crate) fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        fs::write(self.blob_path(digest), bytes).expect("writable");
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Descriptor of an image whose only layer holds `etc/NAME`.
    pub(crate) fn image(&self, name: &str, architecture: &str) -> Value {
        let layer = tarball(&[(&format!("etc/{name}"), name.as_bytes())]);
        let config = config(architecture, std::slice::from_ref(&layer));
        let manifest = json!({
            "schemaVersion": 2, "mediaType": image::MANIFEST_TYPES[0],
            "config": self.blob("application/vnd.oci.image.config.v1+json", &config),
            "layers": [self.blob("application/vnd.oci.image.layer.v1.tar", &layer)],
        });
        self.blob(image::MANIFEST_TYPES[0], manifest.to_string().as_bytes())
    }

    /// Descriptor of an index.
    pub(crate) fn index(&self, entries: &[Value]) -> Value {
        self.blob(image::INDEX_TYPES[0], index(entries).to_string().as_bytes())
    }

    pub(crate) fn set_index(&self, entries: &[Value]) {
        fs::write(self.path().join("index.json"), index(entries).to_string()).expect("writable");
    }
}

fn index(entries: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": image::INDEX_TYPES[0], "manifests": entries})
}

pub(crate) fn tagged(mut entry: Value, tag: &str) -> Value {
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    entry
}

pub(crate) fn on(mut entry: Value, os: &str, architecture: &str) -> Value {
    entry["platform"] = json!({"os": os, "architecture": architecture});
    entry
}

pub(crate) fn digest(entry: &Value) -> Digest {
    entry["digest"].as_str().expect("a descriptor").parse().expect("a digest")
}
