//! What an OCI image layout says: which images it holds, for which platforms, and where their blobs are.
//!
//! Source: OCI image-spec v1.1, `image-layout.md` and `image-index.md`.

use std::{
    collections::{BTreeSet, HashSet},
    io::Read,
};

use model::{
    Descriptor, Digest, ImageConfig, ImageReference, Index, ManifestOrIndex, Platform,
    image::{CONFIG_BYTES_MAX, INDEX_TYPES, MANIFEST_BYTES_MAX, MANIFEST_TYPES},
    reference::is_tag,
};
use serde::Deserialize;

use super::{invalid, read_small};
use crate::{ImageSource, RegistryError, ResolvedImage, verify::verified};

/// Indexes within indexes that are followed below `index.json`.
const DEPTH_MAX: usize = 4;
/// Manifests and indexes read for one image.
const MANIFESTS_MAX: usize = 1_000;
/// Longest `oci-layout` file; it holds one version.
const LAYOUT_BYTES_MAX: u64 = 64 << 10;

const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// What containerd and Docker 25 add: the full reference.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Where the files of a layout are read from.
pub(super) trait Layout: Send + Sync {
    /// As messages call it: `oci:FOLDER`.
    fn name(&self) -> &str;

    /// A file by its path in the layout; none if it is not there.
    fn file(&self, path: &str) -> Result<Option<Box<dyn Read + Send + '_>>, RegistryError>;
}

/// One image of a layout, or all of its platforms.
pub(super) struct OciSource<L> {
    layout: L,
    tag: Option<String>,
}

/// What is asked for and how much was read to find it.
struct Search<'a> {
    wanted: Option<&'a Platform>,
    reference: String,
    claimed: Option<String>,
    manifests: usize,
    available: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayoutFile {
    image_layout_version: String,
}

impl<L: Layout> OciSource<L> {
    /// Checks that it is a layout of a version we know.
    pub(super) fn open(layout: L, tag: Option<String>) -> Result<Self, RegistryError> {
        let source = Self { layout, tag };
        let name = source.layout.name();
        let Some(file) = source.layout.file("oci-layout")? else {
            let docker = source.layout.file("manifest.json").is_ok_and(|file| file.is_some());
            let hint = if docker { "; for what `docker save` wrote use docker-archive:FILE" } else { "" };
            return Err(invalid(name, format!("it has no file `oci-layout`, so it is no OCI layout{hint}")));
        };
        let bytes = read_small(format_args!("{name}: oci-layout"), file, LAYOUT_BYTES_MAX)?;
        let version = serde_json::from_slice::<LayoutFile>(&bytes)
            .map_err(|error| invalid(name, format!("its file `oci-layout` is not valid: {error}")))?
            .image_layout_version;
        if !version.starts_with("1.") {
            return Err(invalid(name, format!("its layout version {version:?} is not supported, only 1.x is")));
        }
        Ok(source)
    }

    fn index(&self) -> Result<Index, RegistryError> {
        let name = self.layout.name();
        let Some(file) = self.layout.file("index.json")? else {
            return Err(invalid(name, "it has no file `index.json`"));
        };
        let bytes = read_small(format_args!("{name}: index.json"), file, MANIFEST_BYTES_MAX)?;
        match ManifestOrIndex::parse(&bytes, None) {
            Ok(ManifestOrIndex::Index(index)) => Ok(index),
            Ok(ManifestOrIndex::Manifest(_)) => Err(invalid(name, "its `index.json` is a manifest, not an index")),
            Err(error) => Err(invalid(name, format!("its `index.json`: {error}"))),
        }
    }

    /// The entries of `index.json` that are meant: one, or one a platform.
    fn roots(&self, index: &Index) -> Result<Vec<Descriptor>, RegistryError> {
        let name = self.layout.name();
        let entries: Vec<&Descriptor> = index.manifests.iter().filter(|entry| is_image(entry)).collect();
        if entries.is_empty() {
            return Err(invalid(name, "its `index.json` lists no image"));
        }
        let Some(tag) = &self.tag else {
            let roots = distinct(entries);
            if roots.len() > 1 && !is_one_image(&roots) {
                let tags = tags(&index.manifests);
                return Err(invalid(name, format!("it holds several images, say which: {name}:TAG with TAG = {tags}")));
            }
            return Ok(roots);
        };
        // Exact names first; then full references, as some tools write them; then digests, for what has no name.
        let full = format!(":{tag}");
        let tests: [&dyn Fn(&Descriptor) -> bool; 3] = [
            &|entry| entry.annotations.get(REF_NAME) == Some(tag),
            &|entry| [REF_NAME, CONTAINERD_NAME].iter().any(|key| ends_with(entry, key, &full)),
            &|entry| entry.digest.hex() == *tag,
        ];
        for test in tests {
            let roots = distinct(entries.iter().copied().filter(|entry| test(entry)));
            if roots.len() > 1 && !has_distinct_platforms(&roots) {
                return Err(invalid(name, format!("the tag {tag} is ambiguous: it names {} images", roots.len())));
            }
            if !roots.is_empty() {
                return Ok(roots);
            }
        }
        let hint = format!("it has {}", tags(&index.manifests));
        Err(RegistryError::NotFound { what: format!("{name}:{tag}"), hint })
    }

    /// The images that `entry` leads to.
    fn follow(
        &self,
        entry: &Descriptor,
        index: Option<Digest>,
        depth: usize,
        search: &mut Search<'_>,
    ) -> Result<Vec<ResolvedImage>, RegistryError> {
        let name = self.layout.name();
        search.manifests += 1;
        if search.manifests > MANIFESTS_MAX {
            return Err(invalid(name, format!("more than {MANIFESTS_MAX} manifests hang together")));
        }
        let what = format!("{name}: manifest {}", entry.digest);
        if entry.size > MANIFEST_BYTES_MAX {
            return Err(invalid(what, format!("it is longer than {MANIFEST_BYTES_MAX} bytes")));
        }
        let bytes = read_small(&what, self.blob(entry)?, MANIFEST_BYTES_MAX)?;
        let claim = Some(entry.media_type.as_str()).filter(|claim| !claim.is_empty());
        match ManifestOrIndex::parse(&bytes, claim).map_err(|error| invalid(&what, error))? {
            ManifestOrIndex::Manifest(manifest) => Ok(vec![ResolvedImage {
                reference: search.reference.clone(),
                claimed: search.claimed.clone(),
                index,
                manifest: Some(manifest.digest),
                platform: entry.platform.clone(),
                config: manifest.config,
                layers: manifest.layers,
            }]),
            ManifestOrIndex::Index(_) if depth == DEPTH_MAX => {
                Err(invalid(what, format!("more than {DEPTH_MAX} indexes lead to it")))
            }
            ManifestOrIndex::Index(inner) => {
                self.choose(&inner.manifests, index.or(Some(inner.digest)), depth + 1, search)
            }
        }
    }

    /// The images for the wanted platform, or all, that an index lists.
    fn choose(
        &self,
        entries: &[Descriptor],
        index: Option<Digest>,
        depth: usize,
        search: &mut Search<'_>,
    ) -> Result<Vec<ResolvedImage>, RegistryError> {
        let entries = distinct(entries.iter().filter(|entry| is_image(entry)));
        let Some(wanted) = search.wanted else { return self.all(&entries, index, depth, search) };
        let serves = |platform: Option<&Platform>| platform.is_some_and(|platform| platform.serves(wanted));
        if let Some(entry) = entries.iter().find(|entry| serves(entry.platform.as_ref())) {
            return self.follow(entry, index, depth, search);
        }
        // What has no platform in the index may have one further down.
        for entry in entries.iter().filter(|entry| entry.platform.is_none()) {
            let images = match self.follow(entry, index, depth, search) {
                Err(RegistryError::NoPlatform { .. } | RegistryError::NotFound { .. }) => continue,
                images => images?,
            };
            for image in images {
                if entries.len() == 1 || image.platform.is_some() || serves(self.platform(&image)?.as_ref()) {
                    return Ok(vec![image]);
                }
            }
        }
        let platforms = entries.iter().filter_map(|entry| entry.platform.as_ref());
        search.available.extend(platforms.map(ToString::to_string));
        Err(RegistryError::NoPlatform {
            what: search.reference.clone(),
            wanted: wanted.to_string(),
            available: listed(&search.available, "no entry with a platform"),
        })
    }

    /// Every platform whose manifest is there: `docker save` and `skopeo copy` keep an index whole and leave out what
    /// was not pulled.
    fn all(
        &self,
        entries: &[Descriptor],
        index: Option<Digest>,
        depth: usize,
        search: &mut Search<'_>,
    ) -> Result<Vec<ResolvedImage>, RegistryError> {
        let mut images: Vec<ResolvedImage> = Vec::new();
        let mut absent = None;
        for entry in entries {
            match self.follow(entry, index, depth, search) {
                Ok(found) => images.extend(found),
                Err(error @ RegistryError::NotFound { .. }) => {
                    tracing::warn!(image.digest = %entry.digest, "skipped a listed manifest: {error}");
                    absent = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        let mut known = HashSet::new();
        images.retain(|image| known.insert(image.manifest));
        match absent {
            Some(error) if images.is_empty() => Err(error),
            _ if images.is_empty() => Err(invalid(&search.reference, "its index lists no image")),
            _ => Ok(images),
        }
    }

    /// As its config says.
    fn platform(&self, image: &ResolvedImage) -> Result<Option<Platform>, RegistryError> {
        let what = format!("{}: config {}", self.layout.name(), image.config.digest);
        let bytes = read_small(&what, self.blob(&image.config)?, CONFIG_BYTES_MAX)?;
        let config = ImageConfig::parse(&bytes).map_err(|error| invalid(&what, error))?;
        let variant = config.raw.get("variant").and_then(|variant| variant.as_str()).map(str::to_owned);
        let known = !config.os.is_empty() && !config.architecture.is_empty();
        Ok(known.then_some(Platform { os: config.os, architecture: config.architecture, variant }))
    }

    /// The layout with the tag that was found in it.
    fn reference(&self, roots: &[Descriptor]) -> String {
        let found = roots.first().and_then(|root| root.annotations.get(REF_NAME)).filter(|name| is_tag(name));
        match self.tag.as_ref().or(found) {
            Some(tag) => format!("{}:{tag}", self.layout.name()),
            None => self.layout.name().to_owned(),
        }
    }
}

impl<L: Layout> ImageSource for OciSource<L> {
    fn resolve(&self, wanted: Option<&Platform>) -> Result<Vec<ResolvedImage>, RegistryError> {
        let roots = self.roots(&self.index()?)?;
        let mut search = Search {
            wanted,
            reference: self.reference(&roots),
            claimed: claimed(&roots),
            manifests: 0,
            available: BTreeSet::new(),
        };
        match roots.as_slice() {
            [root] => self.follow(root, None, 0, &mut search),
            several => self.choose(several, None, 0, &mut search),
        }
    }

    fn blob<'a>(&'a self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + 'a>, RegistryError> {
        let what = format!("{}: blob {}", self.layout.name(), descriptor.digest);
        match self.layout.file(&format!("blobs/sha256/{}", descriptor.digest.hex()))? {
            Some(file) => Ok(verified(file, what, descriptor.digest, descriptor.size)),
            None => Err(RegistryError::NotFound {
                what,
                hint: "the layout is not complete; copy the image again, with all its platforms".to_owned(),
            }),
        }
    }
}

/// The name that the layout says the image goes by: a full reference. A bare tag, which is all that most tools write, names no
/// repository.
fn claimed(roots: &[Descriptor]) -> Option<String> {
    let names = roots.iter().flat_map(|root| [CONTAINERD_NAME, REF_NAME].map(|key| root.annotations.get(key)));
    let is_reference = |name: &&String| name.contains('/') && name.parse::<ImageReference>().is_ok();
    names.flatten().find(is_reference).cloned()
}

/// Not an attestation, and of a type a runtime would follow.
fn is_image(entry: &Descriptor) -> bool {
    let types = INDEX_TYPES.iter().chain(&MANIFEST_TYPES);
    let known = entry.media_type.is_empty() || types.into_iter().any(|known| *known == entry.media_type);
    known && !entry.platform.as_ref().is_some_and(Platform::is_unknown)
}

/// The first entry of each digest.
fn distinct<'a>(entries: impl IntoIterator<Item = &'a Descriptor>) -> Vec<Descriptor> {
    let mut known = HashSet::new();
    entries.into_iter().filter(|entry| known.insert(entry.digest)).cloned().collect()
}

/// Entries without names of their own, one a platform: an index that was written as `index.json`.
fn is_one_image(entries: &[Descriptor]) -> bool {
    let names: HashSet<_> = entries.iter().map(|entry| entry.annotations.get(REF_NAME)).collect();
    names.len() == 1 && has_distinct_platforms(entries)
}

fn has_distinct_platforms(entries: &[Descriptor]) -> bool {
    let platforms: HashSet<_> = entries.iter().filter_map(|entry| entry.platform.as_ref()).collect();
    platforms.len() == entries.len()
}

fn ends_with(entry: &Descriptor, key: &str, end: &str) -> bool {
    entry.annotations.get(key).is_some_and(|name| name.ends_with(end))
}

/// The tags for people; for entries without one, their digest's digits.
fn tags(entries: &[Descriptor]) -> String {
    let names = entries.iter().filter(|entry| is_image(entry));
    let names = names.map(|entry| entry.annotations.get(REF_NAME).cloned().unwrap_or_else(|| entry.digest.hex()));
    listed(&names.collect(), "none")
}

fn listed(names: &BTreeSet<String>, none: &str) -> String {
    const SHOWN_MAX: usize = 20;
    let more = names.len().saturating_sub(SHOWN_MAX);
    let mut text = names.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    if text.is_empty() {
        none.clone_into(&mut text);
    }
    if more > 0 { format!("{text} and {more} more") } else { text }
}
