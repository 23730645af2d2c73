//! `manifest.json` of a `docker save` archive: which members are the config and the layers of which image.
//!
//! Source: moby, `image/spec/spec.md` v1.2, "Combined Image JSON + Filesystem Changeset Format".

use std::{fmt, marker::PhantomData};

use model::Digest;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{invalid, names::Names};
use crate::RegistryError;

/// Longest `manifest.json`.
pub(super) const MANIFEST_JSON_BYTES_MAX: u64 = 8 << 20;
/// Images, tags of an image, layers of an image.
const LIST_MAX: usize = 1_000;
/// Layers of all images.
const LAYERS_TOTAL_MAX: usize = 20_000;

/// One image of the archive.
pub(super) struct Listed {
    /// The first of its repository tags.
    pub(super) tag: Option<String>,
    /// Member that holds its config.
    pub(super) config: String,
    /// Members that hold its layers, lowest first. Links are followed.
    pub(super) layers: Vec<String>,
}

/// Reads `manifest.json` and finds its members; `digest` is what we computed of one, if we did.
///
/// # Errors
///
/// [`RegistryError::Invalid`] if it is not one or names what is not there; [`RegistryError::WrongDigest`] if a member's
/// name is a digest that its content does not have.
pub(super) fn images<T>(
    name: &str,
    manifest_json: &[u8],
    names: &Names<T>,
    digest: impl Fn(&T) -> Option<Digest>,
) -> Result<Vec<Listed>, RegistryError> {
    let raw = serde_json::from_slice::<Bounded<Raw>>(manifest_json)
        .map_err(|error| invalid(name, format!("its manifest.json is not valid: {error}")))?
        .0;
    if raw.is_empty() {
        return Err(invalid(name, "its manifest.json lists no image"));
    }
    if raw.iter().map(|image| image.layers.len()).sum::<usize>() > LAYERS_TOTAL_MAX {
        return Err(invalid(name, format!("its images have more than {LAYERS_TOTAL_MAX} layers")));
    }
    let find = |path: &str| -> Result<String, RegistryError> {
        let (member, value) = names
            .find(path)
            .map_err(|text| invalid(name, format!("its manifest.json: {text}")))?
            .ok_or_else(|| invalid(name, format!("its manifest.json names {path:?}, which it does not hold")))?;
        match (claimed_digest(member), digest(value)) {
            (Some(expected), Some(found)) if expected != found => {
                Err(RegistryError::WrongDigest { what: format!("{name}: {member}"), expected, found })
            }
            _ => Ok(member.to_owned()),
        }
    };
    raw.into_iter()
        .map(|image| {
            Ok(Listed {
                tag: image.repo_tags.into_iter().next(),
                config: find(&image.config)?,
                layers: image.layers.iter().map(|layer| find(layer)).collect::<Result<_, _>>()?,
            })
        })
        .collect()
}

/// The message for an archive without `manifest.json`.
pub(super) fn without_manifest<T>(name: &str, names: &Names<T>) -> RegistryError {
    let holds = |path| names.find(path).is_ok_and(|found| found.is_some());
    let hint = if holds("index.json") && holds("oci-layout") {
        "; it is an OCI archive: write oci-archive:FILE"
    } else if holds("repositories") {
        "; it was saved by a Docker before 1.10: load it and save it again"
    } else {
        ", so it is no image that `docker save` or `podman save` wrote"
    };
    invalid(name, format!("it holds no manifest.json{hint}"))
}

/// The digest that a member's name claims for its content: `blobs/sha256/HEX` of Docker 25, `HEX.tar` of podman and
/// skopeo, `HEX.json` or `sha256:HEX` of a config. (`ID/layer.tar` claims nothing: the id is not the content's.)
pub(super) fn claimed_digest(path: &str) -> Option<Digest> {
    let file =
        path.strip_prefix("blobs/sha256/").or_else(|| path.strip_suffix(".tar")).or_else(|| path.strip_suffix(".json"));
    let hex = file.or_else(|| path.strip_prefix("sha256:"))?;
    format!("sha256:{hex}").parse().ok()
}

struct Raw {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// Go, which Docker is written in, takes `layers` or `LAYERS` for `Layers`, and the last of several. What spells a
/// field in another way would show us another image than Docker runs, so it is refused.
impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an image with Config and Layers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let (mut config, mut repo_tags, mut layers) = (None, None, None);
                while let Some(key) = map.next_key::<String>()? {
                    let twice = match key.as_str() {
                        "Config" => config.replace(map.next_value::<String>()?).is_some(),
                        "RepoTags" => repo_tags.replace(map.next_value::<Option<Bounded<String>>>()?).is_some(),
                        "Layers" => layers.replace(map.next_value::<Option<Bounded<String>>>()?).is_some(),
                        other => {
                            let folded = other.replace('\u{17f}', "s").to_lowercase();
                            if matches!(folded.as_str(), "config" | "repotags" | "layers") {
                                return Err(A::Error::custom(format!("ambiguous field {other:?}")));
                            }
                            map.next_value::<IgnoredAny>()?;
                            false
                        }
                    };
                    if twice {
                        return Err(A::Error::custom(format!("ambiguous: two fields {key:?}")));
                    }
                }
                let list = |list: Option<Option<Bounded<String>>>| list.flatten().map_or_else(Vec::new, |list| list.0);
                let config = config.ok_or_else(|| A::Error::missing_field("Config"))?;
                Ok(Raw { config, repo_tags: list(repo_tags), layers: list(layers) })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A list of at most [`LIST_MAX`].
struct Bounded<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = Bounded<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {LIST_MAX}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bounded<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    if items.len() == LIST_MAX {
                        return Err(A::Error::custom(format!("a list is longer than {LIST_MAX}")));
                    }
                    items.push(item);
                }
                Ok(Bounded(items))
            }
        }
        deserializer.deserialize_seq(Items(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(manifest_json: &str, part: &str) {
        let mut names = Names::new();
        names.insert_file("c.json", ()).expect("new");
        names.insert_file("l/layer.tar", ()).expect("new");
        let result = images("x", manifest_json.as_bytes(), &names, |()| None);
        let text = result.map_or_else(|error| error.to_string(), |images| format!("{} images", images.len()));
        assert!(text.contains(part), "{text:?} must hold {part:?}");
    }

    #[test]
    fn what_docker_could_read_in_another_way_is_refused() {
        check(r#"[{"Config":"c.json","RepoTags":null,"Layers":["l/layer.tar"],"Parent":"x"}]"#, "1 images");
        check(r#"[{"Config":"c.json","Layers":["l/layer.tar"],"layers":[]}]"#, "ambiguous");
        check(r#"[{"Config":"c.json","Layers":["l/layer.tar"],"Layer\u017f":[]}]"#, "ambiguous");
        check(r#"[{"Config":"c.json","Layers":["l/layer.tar"],"Layers":[]}]"#, "ambiguous");
        check(r#"[{"Config":"c.json","Layers":["/etc/shadow"]}]"#, "outside");
        check(r#"[{"Config":"../c.json","Layers":[]}]"#, "outside");
        check(r#"[{"Config":"c.json","Layers":["m/layer.tar"]}]"#, "does not hold");
    }

    #[test]
    fn bombs_stop_at_the_ceilings() {
        check("[]", "no image");
        check(&format!("[{}]", vec!["{}"; 2_000_000].join(",")), "missing field");
        let image = r#"{"Config":"c.json","Layers":["l/layer.tar"]}"#;
        check(&format!("[{}]", vec![image; LIST_MAX + 1].join(",")), "longer than 1000");
        let layers = vec![r#""l/layer.tar""#; LIST_MAX].join(",");
        let image = format!(r#"{{"Config":"c.json","Layers":[{layers}]}}"#);
        check(&format!("[{}]", vec![image.as_str(); 21].join(",")), "20000 layers");
        check(&"[".repeat(100_000), "not valid");
    }

    #[test]
    fn only_names_that_are_digests_claim_one() {
        let hex = Digest::of(b"").hex();
        for path in
            [format!("blobs/sha256/{hex}"), format!("{hex}.tar"), format!("{hex}.json"), format!("sha256:{hex}")]
        {
            assert_eq!(claimed_digest(&path), Some(Digest::of(b"")), "{path}");
        }
        for path in [format!("{hex}/layer.tar"), hex.clone(), "manifest.json".to_owned(), format!("a/{hex}.tar")] {
            assert_eq!(claimed_digest(&path), None, "{path}");
        }
    }
}
