//! Images in registries.
//!
//! | module | what it does |
//! |---|---|
//! | `place` | where a registry is, and where it may lead |
//! | `session` | one request, whatever it takes: login, redirects, patience |
//! | `login`, `challenge` | getting past a 401 |
//! | `blob` | a blob over as many connections as it takes |
//! | `catalogue` | names and tags |
//! | `raw` | a manifest as it came, its digest checked |
//! | `upstream` | asking on behalf of a client |
//!
//! Source: OCI distribution-spec v1.1.

mod blob;
mod catalogue;
mod challenge;
mod login;
mod place;
mod raw;
mod session;
pub(crate) mod upstream;

use std::{io::Read, sync::Arc};

use model::{Descriptor, Digest, ImageReference, Index, Manifest, ManifestOrIndex, Platform, image::INDEX_TYPES, text};
use tracing::{debug, warn};

use crate::{Catalogue, ImageSource, Options, RegistryError, ResolvedImage, verify::verified};
use blob::Blob;
use catalogue::Names;
use place::Place;
use session::Session;

/// Most images of one index that are followed.
const CHILDREN_MAX: usize = 1_000;

/// Media types of image configs. The last four are what Docker also runs: early registries sent them.
const CONFIG_TYPES: [&str; 6] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/octet-stream",
    "application/json",
    "text/html",
    "",
];

/// An image of a registry; nothing is asked yet.
pub(crate) fn open(reference: &ImageReference, options: &Options) -> Result<Box<dyn ImageSource>, RegistryError> {
    let session = Session::new(Place::of_host(&reference.registry, options)?, options)?;
    Ok(Box::new(Image { session: Arc::new(session), reference: reference.clone() }))
}

/// A registry by URL or host; nothing is asked yet.
pub(crate) fn open_registry(url: &str, options: &Options) -> Result<Box<dyn Catalogue>, RegistryError> {
    let session = Session::new(Place::of_url(url, options)?, options)?;
    Ok(Box::new(Names { session: Arc::new(session) }))
}

struct Image {
    session: Arc<Session>,
    reference: ImageReference,
}

impl Image {
    fn scope(&self) -> String {
        format!("repository:{}:pull", self.reference.repository)
    }

    /// Fetches a manifest by tag or digest; `entry` is the index entry that named it.
    fn manifest(&self, selector: &str, entry: Option<&Descriptor>) -> Result<ManifestOrIndex, RegistryError> {
        let what = format!("manifest {selector} of {}", self.reference.name());
        let raw = raw::manifest(&self.session, &self.reference.repository, selector, &what)?;
        if let Some(entry) = entry.filter(|entry| entry.size != raw.bytes.len() as u64) {
            return Err(RegistryError::WrongSize { what, expected: entry.size, found: raw.bytes.len() as u64 });
        }
        let invalid = |detail: String| RegistryError::Invalid { what: what.clone(), detail };
        ManifestOrIndex::parse(&raw.bytes, raw.content_type.as_deref()).map_err(|e| invalid(shown(&e.to_string())))
    }

    fn resolved(
        &self,
        manifest: Manifest,
        index: Option<Digest>,
        platform: Option<Platform>,
    ) -> Result<ResolvedImage, RegistryError> {
        if let Some(kind) = artifact_kind(&manifest) {
            return Err(RegistryError::Invalid {
                what: self.reference.to_string(),
                detail: format!("it is an artifact of type {}, not a container image", shown(kind)),
            });
        }
        Ok(ResolvedImage {
            claimed: None,
            reference: self.reference.to_string(),
            index,
            manifest: Some(manifest.digest),
            platform,
            config: manifest.config,
            layers: manifest.layers,
        })
    }

    /// What an index entry points to.
    fn child(&self, index: &Index, entry: &Descriptor) -> Result<Manifest, RegistryError> {
        let nested = || RegistryError::Invalid {
            what: format!("index {} of {}", index.digest, self.reference),
            detail: format!("its entry {} is an index again, which is not followed", entry.digest),
        };
        if INDEX_TYPES.contains(&entry.media_type.as_str()) {
            return Err(nested());
        }
        match self.manifest(&entry.digest.to_string(), Some(entry))? {
            ManifestOrIndex::Manifest(manifest) => Ok(manifest),
            ManifestOrIndex::Index(_) => Err(nested()),
        }
    }

    /// All images of an index. Who lists what is not there, or what is no image, does not hide the others.
    fn children(&self, index: &Index) -> Result<Vec<ResolvedImage>, RegistryError> {
        let listed = index.manifests.iter().filter(|entry| is_image_entry(entry)).count();
        if listed > CHILDREN_MAX {
            let detail = format!("its index lists {listed} images, at most {CHILDREN_MAX} are followed");
            return Err(RegistryError::Invalid { what: self.reference.to_string(), detail });
        }
        let mut images = Vec::new();
        let mut left_out = None;
        for entry in index.manifests.iter().filter(|entry| is_image_entry(entry)) {
            match self.child(index, entry) {
                Ok(manifest) if artifact_kind(&manifest).is_some() => {
                    debug!("{} lists {}, which is no image: left out", self.reference, manifest.digest);
                }
                Ok(manifest) => images.push(self.resolved(manifest, Some(index.digest), entry.platform.clone())?),
                Err(error @ RegistryError::NotFound { .. }) => {
                    warn!("{} lists what is not there: {error}", self.reference);
                    left_out = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match left_out {
            Some(error) if images.is_empty() => Err(error),
            _ if images.is_empty() => Err(RegistryError::Invalid {
                what: self.reference.to_string(),
                detail: "its index lists no image".to_owned(),
            }),
            _ => Ok(images),
        }
    }

    fn choose<'i>(&self, index: &'i Index, wanted: &Platform) -> Result<&'i Descriptor, RegistryError> {
        let entries = || index.manifests.iter().filter(|entry| is_image_entry(entry));
        let by = |fits: &dyn Fn(&Platform) -> bool| entries().find(|entry| entry.platform.as_ref().is_some_and(fits));
        by(&|platform| platform == wanted)
            .or_else(|| by(&|platform| platform.serves(wanted)))
            // As containerd does: an entry that does not say may be for any.
            .or_else(|| entries().find(|entry| entry.platform.is_none()))
            .ok_or_else(|| {
                let mut available: Vec<String> =
                    entries().filter_map(|entry| entry.platform.as_ref()).map(|p| shown(&p.to_string())).collect();
                available.dedup();
                available.truncate(20);
                let available = if available.is_empty() { "none".to_owned() } else { available.join(", ") };
                RegistryError::NoPlatform { what: self.reference.to_string(), wanted: wanted.to_string(), available }
            })
    }
}

impl ImageSource for Image {
    fn resolve(&self, wanted: Option<&Platform>) -> Result<Vec<ResolvedImage>, RegistryError> {
        match (self.manifest(&self.reference.selector(), None)?, wanted) {
            (ManifestOrIndex::Manifest(manifest), _) => Ok(vec![self.resolved(manifest, None, None)?]),
            (ManifestOrIndex::Index(index), None) => self.children(&index),
            (ManifestOrIndex::Index(index), Some(wanted)) => {
                let entry = self.choose(&index, wanted)?;
                let manifest = self.child(&index, entry)?;
                Ok(vec![self.resolved(manifest, Some(index.digest), entry.platform.clone())?])
            }
        }
    }

    fn blob<'a>(&'a self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + 'a>, RegistryError> {
        let what = format!("blob {} of {}", descriptor.digest, self.reference.name());
        let blob = Blob::open(self, descriptor, what.clone())?;
        Ok(verified(blob, what, descriptor.digest, descriptor.size))
    }
}

/// Attestations stand in an index as `unknown/unknown`, which no runtime ever chooses. Their annotation alone is
/// not enough: a runtime would still run what carries it.
fn is_image_entry(entry: &Descriptor) -> bool {
    entry.platform.as_ref().is_none_or(|platform| !platform.is_unknown())
}

/// None for an image. Only the config's type decides, since that is what runtimes look at: an image that calls
/// itself an artifact in `artifactType` is still run.
fn artifact_kind(manifest: &Manifest) -> Option<&String> {
    let is_image = CONFIG_TYPES.contains(&manifest.config.media_type.as_str());
    (!is_image).then(|| manifest.artifact_type.as_ref().unwrap_or(&manifest.config.media_type))
}

/// The registry's own words, safe to print.
fn shown(words: &str) -> String {
    text::visible(&text::shortened(words, text::SUMMARY_CHARS_MAX)).into_owned()
}
