//! The containers of an engine, running or not.
//!
//! Source: Docker Engine API v1.24 and later, `GET /containers/json`; Podman answers the same way.

use serde::Deserialize;

use super::engine::ContainerEngine;
use crate::RegistryError;

/// A container, as its engine lists it. All text is hostile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineContainer {
    /// Its id.
    pub id: String,
    /// Its first name, without the slash.
    pub name: String,
    /// The image as its maker named it.
    pub image: String,
    /// Id of the image: what [`super::engine::EngineImage::id`] says, as text.
    pub image_id: String,
    /// `running`, `exited`, `created`, …
    pub state: String,
    /// Seconds since 1970.
    pub created_at: u64,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Raw {
    id: String,
    names: Option<Vec<String>>,
    image: String,
    #[serde(rename = "ImageID")]
    image_id: String,
    state: Option<String>,
    created: serde_json::Value,
}

impl ContainerEngine {
    /// Every container, ended ones too.
    ///
    /// # Errors
    ///
    /// As [`Self::images`].
    pub fn containers(&self) -> Result<Vec<EngineContainer>, RegistryError> {
        let containers: Vec<Raw> = self.read("its containers", "/containers/json?all=1")?;
        Ok(containers.into_iter().map(Into::into).collect())
    }
}

impl From<Raw> for EngineContainer {
    fn from(raw: Raw) -> Self {
        let name = raw.names.unwrap_or_default().into_iter().next().unwrap_or_default();
        Self {
            id: raw.id,
            name: name.trim_start_matches('/').to_owned(),
            image: raw.image,
            image_id: raw.image_id,
            state: raw.state.unwrap_or_default(),
            // Podman once wrote it as text: then it is not known.
            created_at: raw.created.as_u64().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_read_whatever_is_missing() {
        let read = |text: &str| EngineContainer::from(serde_json::from_str::<Raw>(text).expect("JSON"));
        assert_eq!(read("{}"), EngineContainer::default());
        let text = r#"{"Id":"i","Names":["/web"],"Image":"a:1","ImageID":"sha256:00","State":"running","Created":7}"#;
        let container = read(text);
        assert_eq!((container.name.as_str(), container.created_at), ("web", 7));
        assert_eq!(read(r#"{"Created":"today","Names":null}"#), EngineContainer::default());
    }
}
