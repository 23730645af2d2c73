//! Manifests, indexes and configs, read leniently where an author may err and strictly where a mistake changes
//! which bytes are meant.
//!
//! Sources: OCI image-spec v1.1 (`manifest.md`, `image-index.md`, `config.md`); Docker image manifest v2, schema 2.

use std::{cell::RefCell, collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Digest;

/// Longest manifest or index accepted, as registries do (OCI distribution-spec v1.1 asks for at least 4 MiB).
pub const MANIFEST_BYTES_MAX: u64 = 4 << 20;
/// Longest image config accepted.
pub const CONFIG_BYTES_MAX: u64 = 8 << 20;
/// Most layers of one image: overlay file systems stop at 500, Docker at 127.
pub const LAYERS_MAX: usize = 1_000;
/// Most manifests that one index may list: the folder of a layout holds many images. How many are followed is another
/// matter.
pub const INDEX_ENTRIES_MAX: usize = 10_000;

/// Media types that name an OCI or Docker index.
pub const INDEX_TYPES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
/// Media types that name an OCI or Docker manifest.
pub const MANIFEST_TYPES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// A pointer to content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is said to be; the author's claim.
    #[serde(default)]
    pub media_type: String,
    /// What the content must hash to.
    pub digest: Digest,
    /// How many bytes it must have.
    pub size: u64,
    /// Other places to fetch it from: foreign layers. Reported, never followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free text of the author.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// For an index entry: what it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// Operating system and processor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// Go's name of the operating system: `linux`.
    pub os: String,
    /// Go's name of the processor: `amd64`.
    pub architecture: String,
    /// For example `v7` of `arm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// `linux` on the processor this was built for.
    #[must_use]
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "aarch64" => ("arm64", None),
            "x86" => ("386", None),
            "arm" => ("arm", Some("v7".to_owned())),
            "powerpc64" => ("ppc64le", None),
            other => (other, None),
        };
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant }
    }

    /// Set for the entries that hold attestations and no image.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" || self.architecture == "unknown"
    }

    /// Whether an image for `self` is what somebody who asked for `wanted` means.
    #[must_use]
    pub fn serves(&self, wanted: &Self) -> bool {
        let variant = |platform: &Self| match (&platform.variant, platform.architecture.as_str()) {
            (Some(variant), _) => Some(variant.clone()),
            (None, "arm64") => Some("v8".to_owned()),
            (None, _) => None,
        };
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.variant.is_none() || variant(self) == variant(wanted))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl FromStr for Platform {
    type Err = String;

    /// `os/architecture[/variant]`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('/').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(os), Some(architecture), variant, None) if !os.is_empty() && !architecture.is_empty() => {
                Ok(Self { os, architecture, variant })
            }
            _ => Err(format!("{text:?} is not a platform: write os/architecture[/variant], for example linux/amd64")),
        }
    }
}

/// An image index or manifest list: one manifest a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Of the bytes as received.
    pub digest: Digest,
    /// Its entries, in order.
    pub manifests: Vec<Descriptor>,
}

/// An image manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Of the bytes as received.
    pub digest: Digest,
    /// Media type it is.
    pub media_type: String,
    /// The image config.
    pub config: Descriptor,
    /// Layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// Set for artifacts that are no images (`artifactType`, or a config that is no image config).
    pub artifact_type: Option<String>,
}

/// Either of the two, as a registry's manifest endpoint returns them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once an image, moved twice")]
pub enum ManifestOrIndex {
    /// One image.
    Manifest(Manifest),
    /// One image a platform.
    Index(Index),
}

/// Why bytes are not a manifest we accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or not the fields a manifest has.
    #[error("manifest is not valid: {0}")]
    Malformed(String),
    /// The body, its `mediaType` and the `Content-Type` disagree on what it is (GHSA-77vh-xpmg-72qh).
    #[error("manifest is ambiguous: {0}")]
    Ambiguous(String),
    /// Docker schema 1 and other types nobody should run any more.
    #[error("manifest type {0:?} is not supported")]
    Unsupported(String),
    /// More layers or entries than we follow.
    #[error("manifest has {found} {what}, at most {max} are followed")]
    TooMany {
        /// `layers` or `manifests`.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are followed.
        max: usize,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<u32>,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    artifact_type: Option<String>,
    fs_layers: Option<Value>,
}

impl ManifestOrIndex {
    /// Reads `bytes`; `content_type` is what the transport called them, if it did.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Ambiguous`] if a client could read them as something else: both `manifests` and
    /// `layers`/`config` present, or `mediaType` and `content_type` of different kinds, or a doubled key.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, ManifestError> {
        let body: Value = serde_json::from_slice(bytes).map_err(|e| ManifestError::Malformed(e.to_string()))?;
        if let Some(key) = respelled_key(&body) {
            return Err(ManifestError::Ambiguous(format!("Go readers take the key {key:?} for a known field")));
        }
        let raw: Raw = serde_json::from_slice(bytes).map_err(|e| {
            let text = e.to_string();
            if text.starts_with("duplicate field") {
                ManifestError::Ambiguous(text)
            } else {
                ManifestError::Malformed(text)
            }
        })?;
        let content_type = content_type.map(|t| t.split(';').next().unwrap_or(t).trim().to_owned());
        if raw.schema_version == Some(1) || raw.fs_layers.is_some() {
            return Err(ManifestError::Unsupported("Docker schema 1".to_owned()));
        }
        if raw.schema_version != Some(2) {
            return Err(ManifestError::Malformed("schemaVersion is not 2".to_owned()));
        }
        let is_index = raw.manifests.is_some();
        if is_index && (raw.layers.is_some() || raw.config.is_some()) {
            return Err(ManifestError::Ambiguous("it has both `manifests` and `config` or `layers`".to_owned()));
        }
        for (claim, by) in [(&raw.media_type, "mediaType"), (&content_type, "Content-Type")] {
            let Some(claim) = claim else { continue };
            let (index, manifest) = (INDEX_TYPES.contains(&claim.as_str()), MANIFEST_TYPES.contains(&claim.as_str()));
            if (index && !is_index) || (manifest && is_index) {
                let is = if is_index { "an index" } else { "a manifest" };
                return Err(ManifestError::Ambiguous(format!("{by} says {claim}, the body is {is}")));
            }
            if by == "mediaType" && !index && !manifest {
                return Err(ManifestError::Unsupported(claim.clone()));
            }
        }
        if let (Some(inner), Some(outer)) = (&raw.media_type, &content_type)
            && inner != outer
            && (INDEX_TYPES.contains(&outer.as_str()) || MANIFEST_TYPES.contains(&outer.as_str()))
        {
            return Err(ManifestError::Ambiguous(format!("Content-Type is {outer}, mediaType is {inner}")));
        }
        let digest = Digest::of(bytes);
        if let Some(manifests) = raw.manifests {
            bounded("manifests", manifests.len(), INDEX_ENTRIES_MAX)?;
            return Ok(Self::Index(Index { digest, manifests }));
        }
        let (Some(config), Some(layers)) = (raw.config, raw.layers) else {
            return Err(ManifestError::Malformed("`config` or `layers` is missing".to_owned()));
        };
        bounded("layers", layers.len(), LAYERS_MAX)?;
        let media_type = raw.media_type.or(content_type).unwrap_or_else(|| MANIFEST_TYPES[0].to_owned());
        Ok(Self::Manifest(Manifest { digest, media_type, config, layers, artifact_type: raw.artifact_type }))
    }
}

/// Keys that decide which bytes a manifest means.
const MANIFEST_KEYS: [&str; 13] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "fsLayers",
    "digest",
    "size",
    "urls",
    "platform",
    "os",
    "architecture",
];

/// A key that is one of [`MANIFEST_KEYS`] but for its case. Go's `encoding/json` matches keys without regard to case, and
/// the last one wins, so such a manifest is one image to us and another to a runtime.
fn respelled_key(value: &Value) -> Option<&str> {
    match value {
        Value::Object(map) => map.iter().find_map(|(key, inner)| {
            let is_respelled = MANIFEST_KEYS.iter().any(|known| known != key && go_folds(known, key));
            // Annotations are free text under keys of the author's choice.
            if is_respelled { Some(key.as_str()) } else { (key != "annotations").then(|| respelled_key(inner))? }
        }),
        Value::Array(items) => items.iter().find_map(respelled_key),
        _ => None,
    }
}

/// Whether Go's `encoding/json` takes `key` for the field `known`: simple case folding, which also makes `ſ` an `s` and the
/// Kelvin sign a `k`.
fn go_folds(known: &str, key: &str) -> bool {
    let fold = |text: &str| text.to_lowercase().replace('\u{17f}', "s");
    fold(known) == fold(key)
}

fn bounded(what: &'static str, found: usize, max: usize) -> Result<(), ManifestError> {
    if found > max { Err(ManifestError::TooMany { what, found, max }) } else { Ok(()) }
}

/// An image config. Every field is the author's claim. What is not of the expected type is dropped and named in
/// `oddities`; the raw JSON stays beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageConfig {
    /// Go's name of the processor.
    pub architecture: String,
    /// Go's name of the operating system.
    pub os: String,
    /// RFC 3339, unverified.
    pub created: Option<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Exec form.
    pub entrypoint: Vec<String>,
    /// Exec form.
    pub cmd: Vec<String>,
    /// Health check, `["CMD", …]` or `["CMD-SHELL", …]`.
    pub healthcheck: Vec<String>,
    /// Instructions for images built on this one.
    pub on_build: Vec<String>,
    /// User the image runs as.
    pub user: String,
    /// Folder it starts in.
    pub working_dir: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Ports, `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// DiffIDs as claimed, lowest first. Text, because a claim may be anything.
    pub diff_ids: Vec<String>,
    /// One entry a build step.
    pub history: Vec<HistoryLine>,
    /// Fields of the wrong type, by JSON path, and keys that only Go's readers take for a field.
    pub oddities: Vec<String>,
    /// The config as received.
    pub raw: Value,
}

/// One build step, as the builder claimed it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HistoryLine {
    /// The instruction.
    pub created_by: String,
    /// A remark.
    pub comment: String,
    /// No layer belongs to it.
    pub empty_layer: bool,
}

/// Most oddities kept of one config.
const ODDITIES_MAX: usize = 50;
/// Most history lines kept.
pub const HISTORY_LINES_MAX: usize = 10_000;

impl ImageConfig {
    /// Reads a config.
    ///
    /// # Errors
    ///
    /// Only if `bytes` are not a JSON object.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let raw: Value = serde_json::from_slice(bytes).map_err(|e| ManifestError::Malformed(format!("config: {e}")))?;
        if !raw.is_object() {
            return Err(ManifestError::Malformed("config is not a JSON object".to_owned()));
        }
        let read = Reader::default();
        let none = Value::Null;
        let inner = read.field(&raw, "config").unwrap_or(&none);
        let history = match read.field(&raw, "history") {
            Some(Value::Array(lines)) => lines
                .iter()
                .take(HISTORY_LINES_MAX)
                .map(|line| HistoryLine {
                    created_by: text(read.field(line, "created_by")),
                    comment: text(read.field(line, "comment")),
                    empty_layer: read.field(line, "empty_layer").and_then(Value::as_bool).unwrap_or(false),
                })
                .collect(),
            _ => Vec::new(),
        };
        let labels = match read.field(inner, "Labels") {
            Some(Value::Object(map)) => map.iter().map(|(k, v)| (k.clone(), text(Some(v)))).collect(),
            _ => BTreeMap::new(),
        };
        let exposed_ports = match read.field(inner, "ExposedPorts") {
            Some(Value::Object(map)) => map.keys().cloned().collect(),
            _ => Vec::new(),
        };
        let health = read.field(inner, "Healthcheck").and_then(|health| read.field(health, "Test"));
        let diff_ids = read.field(&raw, "rootfs").and_then(|rootfs| read.field(rootfs, "diff_ids"));
        let config = Self {
            architecture: text(read.field(&raw, "architecture")),
            os: text(read.field(&raw, "os")),
            created: read.field(&raw, "created").and_then(Value::as_str).map(str::to_owned),
            env: read.list(read.field(inner, "Env"), "config.Env"),
            entrypoint: read.list(read.field(inner, "Entrypoint"), "config.Entrypoint"),
            cmd: read.list(read.field(inner, "Cmd"), "config.Cmd"),
            healthcheck: read.list(health, "config.Healthcheck.Test"),
            on_build: read.list(read.field(inner, "OnBuild"), "config.OnBuild"),
            user: text(read.field(inner, "User")),
            working_dir: text(read.field(inner, "WorkingDir")),
            labels,
            exposed_ports,
            diff_ids: read.list(diff_ids, "rootfs.diff_ids"),
            history,
            oddities: read.oddities.into_inner(),
            raw: Value::Null,
        };
        Ok(Self { raw, ..config })
    }
}

#[derive(Default)]
struct Reader {
    oddities: RefCell<Vec<String>>,
}

impl Reader {
    /// A field as Go's `encoding/json` finds it: without regard to case, the last one wins. Anything but one exact key is odd.
    fn field<'v>(&self, object: &'v Value, name: &str) -> Option<&'v Value> {
        let map = object.as_object()?;
        let mut found = map.iter().filter(|(key, _)| go_folds(name, key));
        let (mut key, mut value) = found.next()?;
        let mut is_odd = key != name;
        for (other, last) in found {
            (key, value, is_odd) = (other, last, true);
        }
        if is_odd {
            self.note(&format!("{name} (written {key:?}, or twice)"));
        }
        Some(value)
    }

    fn list(&self, value: Option<&Value>, path: &str) -> Vec<String> {
        match value {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.iter().map(|item| text(Some(item))).collect(),
            Some(other) => {
                self.note(path);
                vec![text(Some(other))]
            }
        }
    }

    fn note(&self, what: &str) {
        let mut oddities = self.oddities.borrow_mut();
        if oddities.len() < ODDITIES_MAX {
            oddities.push(what.to_owned());
        }
    }
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn null_is_empty<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIPTOR: &str = r#"{"mediaType":"x","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0}"#;

    fn parse(body: &str, content_type: Option<&str>) -> Result<ManifestOrIndex, ManifestError> {
        ManifestOrIndex::parse(body.replace('D', DESCRIPTOR).as_bytes(), content_type)
    }

    #[test]
    fn a_body_that_is_both_is_refused() {
        let both = parse(r#"{"schemaVersion":2,"manifests":[D],"layers":[D]}"#, None);
        assert!(matches!(both, Err(ManifestError::Ambiguous(_))), "{both:?}");
        let twice = parse(r#"{"schemaVersion":2,"config":D,"layers":[],"layers":[D]}"#, None);
        assert!(matches!(twice, Err(ManifestError::Ambiguous(_))), "{twice:?}");
    }

    #[test]
    fn claims_must_match_the_body() {
        let manifest = r#"{"schemaVersion":2,"config":D,"layers":[D]}"#;
        assert!(matches!(parse(manifest, Some(MANIFEST_TYPES[1])), Ok(ManifestOrIndex::Manifest(_))));
        assert!(matches!(parse(manifest, Some("application/json")), Ok(ManifestOrIndex::Manifest(_))));
        assert!(matches!(parse(manifest, Some(INDEX_TYPES[0])), Err(ManifestError::Ambiguous(_))));
        let schema1 = r#"{"schemaVersion":1,"fsLayers":[]}"#;
        assert!(matches!(parse(schema1, None), Err(ManifestError::Unsupported(_))));
    }

    #[test]
    fn a_key_that_only_go_takes_for_a_field_is_refused_or_followed() {
        let respelled = parse(r#"{"schemaVersion":2,"config":D,"layers":[D],"Layers":[]}"#, None);
        assert!(matches!(respelled, Err(ManifestError::Ambiguous(_))), "{respelled:?}");
        let long_s = parse("{\"schemaVersion\":2,\"config\":D,\"layers\":[D],\"layer\u{17f}\":[]}", None);
        assert!(matches!(long_s, Err(ManifestError::Ambiguous(_))), "{long_s:?}");
        let config = ImageConfig::parse(br#"{"config":{"Entrypoint":["/a"],"entrypoint":["/b"]}}"#).expect("an object");
        assert_eq!(config.entrypoint, ["/b"]);
        assert_eq!(config.oddities.len(), 1, "{:?}", config.oddities);
    }

    #[test]
    fn a_config_with_wrong_types_still_reads() {
        let config = ImageConfig::parse(
            br#"{"config":{"Env":"A=b","Cmd":["x",1],"Entrypoint":null},"history":[{"created_by":"RUN"}]}"#,
        )
        .expect("is an object");
        assert_eq!(config.env, ["A=b"]);
        assert_eq!(config.cmd, ["x", "1"]);
        assert_eq!(config.oddities, ["config.Env"]);
        assert_eq!(config.history[0].created_by, "RUN");
        assert!(ImageConfig::parse(b"[]").is_err());
    }

    #[test]
    fn platforms_match_with_or_without_variant() {
        let arm: Platform = "linux/arm64/v8".parse().expect("valid");
        assert!(arm.serves(&"linux/arm64".parse().expect("valid")));
        assert!("linux/arm64".parse::<Platform>().expect("valid").serves(&arm));
        assert!(!arm.serves(&"linux/amd64".parse().expect("valid")));
        assert!("linux".parse::<Platform>().is_err());
    }
}
