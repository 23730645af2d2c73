//! What a container engine (Docker, or Podman's service) knows of images and containers, without their content.
//!
//! Source: Docker Engine API v1.24 and later: `/info`, `/images/json`, `/images/{name}/json`, `/containers/{id}/json`,
//! `/images/create`, `/containers/create`. Podman answers the same way.

use std::io::Read;

use model::Digest;
use serde::Deserialize;

use super::{
    daemon::{asked, check},
    http::{ask, encoded},
    invalid,
};
use crate::{Options, RegistryError};

/// Longest answer read: a list of ten thousand images has a few MiB.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Longest name or id.
const NAME_BYTES_MAX: usize = 512;

/// An engine, by its socket. Every call opens a connection and blocks.
#[derive(Debug, Clone)]
pub struct ContainerEngine {
    options: Options,
}

/// An image the engine has. All digests are the engine's word, which is what it runs by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineImage {
    /// Digest of its config; of its manifest or index in an engine with containerd's image store.
    pub id: Option<Digest>,
    /// `registry/repository@sha256:…`: manifests or indexes it was pulled by.
    pub repository_digests: Vec<String>,
    /// `registry/repository:tag`.
    pub repository_tags: Vec<String>,
    /// DiffIDs, lowest first; empty in a list.
    pub layers: Vec<Digest>,
    /// Of the manifest or index, where the engine says.
    pub descriptor: Option<Digest>,
}

/// What bears on where an engine pulls from, and on who may ask it to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineInfo {
    /// For people.
    pub version: String,
    /// URLs asked before Docker Hub.
    pub mirrors: Vec<String>,
    /// Names of authorization plugins, in the order they are asked.
    pub authorization_plugins: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RawImage {
    id: Option<String>,
    repo_digests: Option<Vec<String>>,
    repo_tags: Option<Vec<String>>,
    #[serde(rename = "RootFS")]
    root_fs: Option<RootFs>,
    descriptor: Option<RawDescriptor>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RootFs {
    layers: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct RawDescriptor {
    digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawContainer {
    image: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RawInfo {
    server_version: String,
    registry_config: Option<RawRegistries>,
    plugins: Option<RawPlugins>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RawRegistries {
    mirrors: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RawPlugins {
    authorization: Option<Vec<String>>,
}

impl ContainerEngine {
    /// The one on `options.docker_socket`; nothing is asked yet.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self { options: options.clone() }
    }

    /// An image by name, tag, digest, or id, as the engine itself would find it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NotFound`] if it has none; any other if it does not say.
    pub fn image(&self, reference: &str) -> Result<EngineImage, RegistryError> {
        self.read::<RawImage>(reference, &format!("/images/{}/json", name(reference)?)).map(Into::into)
    }

    /// Id of the image that a container was made of.
    ///
    /// # Errors
    ///
    /// As [`Self::image`].
    pub fn image_of_container(&self, container: &str) -> Result<String, RegistryError> {
        let target = format!("/containers/{}/json", name(container)?);
        self.read::<RawContainer>(container, &target).map(|container| container.image)
    }

    /// Every image it has, without layers.
    ///
    /// # Errors
    ///
    /// As [`Self::image`].
    pub fn images(&self) -> Result<Vec<EngineImage>, RegistryError> {
        let images: Vec<RawImage> = self.read("its images", "/images/json")?;
        Ok(images.into_iter().map(Into::into).collect())
    }

    /// Where it pulls from.
    ///
    /// # Errors
    ///
    /// As [`Self::image`].
    pub fn info(&self) -> Result<EngineInfo, RegistryError> {
        let info: RawInfo = self.read("its settings", "/info")?;
        Ok(EngineInfo {
            version: info.server_version,
            mirrors: info.registry_config.and_then(|registries| registries.mirrors).unwrap_or_default(),
            authorization_plugins: info.plugins.and_then(|plugins| plugins.authorization).unwrap_or_default(),
        })
    }

    /// Lets it pull `repository@digest`. Returns what it says in the end: None if it has the image now.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] if it does not answer at all.
    pub fn pull(&self, repository: &str, digest: &Digest) -> Result<Option<String>, RegistryError> {
        let query = |text: &str| encoded(text).replace('/', "%2F");
        let target = format!("/images/create?fromImage={}&tag={digest}", query(repository));
        let text = self.post(repository, &target, None)?.1;
        // One JSON object a line; an error comes alone (status 404, 403, 500) or as the last line of a 200.
        Ok(text.lines().rev().find_map(message))
    }

    /// Asks it to make a container of what is no image. Returns the status and what it says.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] if it does not answer at all.
    pub fn try_create(&self, image: &str) -> Result<(u16, String), RegistryError> {
        let body = serde_json::json!({ "Image": image }).to_string();
        let (status, text) = self.post(image, "/containers/create", Some(&body))?;
        Ok((status, message(&text).unwrap_or(text)))
    }

    fn post(&self, what: &str, target: &str, json: Option<&str>) -> Result<(u16, String), RegistryError> {
        let what = format!("docker-daemon:{what}");
        let wait = self.options.timeout;
        let answer = asked(&what, &self.options, wait, |stream| ask(stream, "POST", target, json))?;
        let status = answer.status;
        Ok((status, String::from_utf8_lossy(&whole(&what, answer.body)?).into_owned()))
    }

    pub(super) fn read<T: for<'de> Deserialize<'de>>(&self, reference: &str, target: &str) -> Result<T, RegistryError> {
        let what = format!("docker-daemon:{reference}");
        let answer = asked(&what, &self.options, self.options.timeout, |stream| ask(stream, "GET", target, None))?;
        let answer = check(&what, reference, answer)?;
        let bytes = whole(&what, answer.body)?;
        serde_json::from_slice(&bytes).map_err(|error| invalid(what, format!("the engine's answer: {error}")))
    }
}

/// `reference` for a path.
fn name(reference: &str) -> Result<String, RegistryError> {
    if reference.is_empty() || reference.len() > NAME_BYTES_MAX || reference.split('/').any(|part| part == "..") {
        return Err(invalid("docker-daemon", "it is no image name or id"));
    }
    Ok(encoded(reference))
}

/// The whole answer, within bounds.
fn whole(what: &str, body: impl Read) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    let read = body.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut bytes);
    match read {
        Ok(_) if bytes.len() as u64 <= ANSWER_BYTES_MAX => Ok(bytes),
        Ok(_) => Err(invalid(what, format!("the engine's answer is longer than {ANSWER_BYTES_MAX} bytes"))),
        Err(error) => Err(RegistryError::Unreachable { what: what.to_owned(), detail: error.to_string() }),
    }
}

/// What a line of the engine's says went wrong.
fn message(line: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(line.trim()).ok()?;
    let text = json.get("error").or_else(|| json.get("message"))?.as_str()?;
    Some(text.to_owned())
}

impl From<RawImage> for EngineImage {
    fn from(raw: RawImage) -> Self {
        let digest = |text: String| text.parse().ok();
        Self {
            id: raw.id.and_then(digest),
            repository_digests: raw.repo_digests.unwrap_or_default(),
            repository_tags: raw.repo_tags.unwrap_or_default(),
            layers: raw
                .root_fs
                .and_then(|root| root.layers)
                .unwrap_or_default()
                .into_iter()
                .filter_map(digest)
                .collect(),
            descriptor: raw.descriptor.and_then(|descriptor| descriptor.digest).and_then(digest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_read_whatever_is_missing() {
        let read = |text: &str| EngineImage::from(serde_json::from_str::<RawImage>(text).expect("JSON"));
        assert_eq!(read("{}"), EngineImage::default());
        let digest = Digest::of(b"a");
        let image = read(&format!(
            r#"{{"Id":"{digest}","RepoDigests":null,"RootFS":{{"Type":"layers","Layers":["{digest}","x"]}},"Descriptor":{{"digest":"{digest}"}}}}"#
        ));
        assert_eq!((image.id, image.descriptor), (Some(digest), Some(digest)));
        assert_eq!(image.layers, [digest]);
    }

    #[test]
    fn the_last_word_of_a_pull_is_found() {
        let said = "{\"status\":\"Pulling\"}\r\n{\"errorDetail\":{\"message\":\"x\"},\"error\":\"no\"}\r\n";
        assert_eq!(said.lines().rev().find_map(message).as_deref(), Some("no"));
        assert_eq!("{\"status\":\"ok\"}".lines().rev().find_map(message), None);
    }
}
