//! Builds small images on the shelf.

use serde_json::{Value, json};

use crate::Harbour;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// What an image is made of.
#[derive(Debug, Clone)]
pub struct ImageParts {
    /// `os/architecture[/variant]`.
    pub platform: String,
    /// The `config` object of the image config: `Env`, `Cmd`, …
    pub config: Value,
    /// The `history` list of the image config; empty: none.
    pub history: Vec<Value>,
    /// The `created` date of the image config: RFC 3339.
    pub created: Option<String>,
    /// Digests of the uncompressed layers; as many as there are layers, or empty for those of `layers`.
    pub diff_ids: Vec<String>,
    /// Layer blobs, lowest first: tar, gzip or zstd, told apart by their first bytes.
    pub layers: Vec<Vec<u8>>,
}

impl Default for ImageParts {
    fn default() -> Self {
        Self {
            platform: "linux/amd64".to_owned(),
            config: json!({}),
            history: Vec::new(),
            created: None,
            diff_ids: Vec::new(),
            layers: Vec::new(),
        }
    }
}

/// Digests of an image that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedImage {
    /// Of its manifest.
    pub manifest: String,
    /// Bytes of its manifest.
    pub manifest_bytes: Vec<u8>,
    /// Of its config.
    pub config: String,
    /// Of its layers, lowest first.
    pub layers: Vec<String>,
    /// `os/architecture[/variant]`.
    pub platform: String,
}

impl Harbour {
    /// Stores an image of `layers` for `linux/amd64` under a tag or (empty) only by its digest.
    pub fn push_image(&self, repository: &str, tag: &str, layers: &[&[u8]]) -> PushedImage {
        let layers = layers.iter().map(|layer| layer.to_vec()).collect();
        self.push_parts(repository, tag, &ImageParts { layers, ..ImageParts::default() })
    }

    /// Stores an image under a tag or (empty) only by its digest.
    pub fn push_parts(&self, repository: &str, tag: &str, parts: &ImageParts) -> PushedImage {
        let layers: Vec<String> = parts.layers.iter().map(|layer| self.push_blob(layer)).collect();
        let platform = platform_object(&parts.platform);
        let diff_ids = if parts.diff_ids.is_empty() { &layers } else { &parts.diff_ids };
        let mut config = json!({ "config": parts.config, "rootfs": { "type": "layers", "diff_ids": diff_ids } });
        for key in ["os", "architecture", "variant"] {
            if let Some(value) = platform.get(key) {
                config[key] = value.clone();
            }
        }
        if !parts.history.is_empty() {
            config["history"] = json!(parts.history);
        }
        if let Some(created) = &parts.created {
            config["created"] = json!(created);
        }
        let config_bytes = config.to_string().into_bytes();
        let config = self.push_blob(&config_bytes);
        let descriptors: Vec<Value> = parts
            .layers
            .iter()
            .zip(&layers)
            .map(|(bytes, digest)| json!({ "mediaType": layer_type(bytes), "digest": digest, "size": bytes.len() }))
            .collect();
        let manifest_bytes = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": config, "size": config_bytes.len() },
            "layers": descriptors,
        })
        .to_string()
        .into_bytes();
        let manifest = self.push_manifest(repository, tag, MANIFEST, &manifest_bytes);
        PushedImage { manifest, manifest_bytes, config, layers, platform: parts.platform.clone() }
    }

    /// Stores an index of images that are stored already; returns its digest.
    pub fn push_index(&self, repository: &str, tag: &str, images: &[PushedImage]) -> String {
        let entries: Vec<Value> = images
            .iter()
            .map(|image| {
                json!({
                    "mediaType": MANIFEST,
                    "digest": image.manifest,
                    "size": image.manifest_bytes.len(),
                    "platform": platform_object(&image.platform),
                })
            })
            .collect();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
        self.push_manifest(repository, tag, INDEX, index.to_string().as_bytes())
    }
}

fn platform_object(platform: &str) -> Value {
    let mut parts = platform.split('/');
    let mut object = json!({ "os": parts.next(), "architecture": parts.next() });
    if let Some(variant) = parts.next() {
        object["variant"] = json!(variant);
    }
    object
}

fn layer_type(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x1f, 0x8b, ..] => "application/vnd.oci.image.layer.v1.tar+gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "application/vnd.oci.image.layer.v1.tar+zstd",
        _ => "application/vnd.oci.image.layer.v1.tar",
    }
}
