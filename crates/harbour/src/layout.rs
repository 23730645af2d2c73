//! Puts the images of an OCI layout folder on the shelf.

use std::{fs, io, path::Path};

use serde_json::Value;

use crate::Harbour;

impl Harbour {
    /// Stores every tagged image of the layout as `demo/<tag>:latest`; returns how many. The layout is our own, made by the
    /// corpus builder: it is trusted.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or an index that is none.
    pub fn push_layout(&self, folder: &Path) -> io::Result<usize> {
        let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json"))?)?;
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap_or_default().replace(':', "/");
            fs::read(folder.join("blobs").join(digest))
        };
        let entries = index["manifests"].as_array().map_or(&[][..], Vec::as_slice);
        let mut stored = 0;
        for entry in entries {
            let Some(name) = entry["annotations"]["org.opencontainers.image.ref.name"].as_str() else { continue };
            let bytes = blob(entry)?;
            let manifest: Value = serde_json::from_slice(&bytes)?;
            let layers = manifest["layers"].as_array().map_or(&[][..], Vec::as_slice);
            for descriptor in layers.iter().chain([&manifest["config"]]) {
                self.push_blob(&blob(descriptor)?);
            }
            let media_type = entry["mediaType"].as_str().unwrap_or_default();
            self.push_manifest(&format!("demo/{name}"), "latest", media_type, &bytes);
            stored += 1;
        }
        Ok(stored)
    }
}
