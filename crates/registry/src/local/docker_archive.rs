//! `docker-archive:FILE`: what `docker save` and `podman save` wrote, in all their shapes.
//!
//! Nothing in such an archive names an image by a digest one could trust, so configs and layers get the digest that we
//! compute over the member's bytes while the archive is indexed.

use std::{collections::HashMap, io::Read, path::Path};

use model::{Descriptor, Digest, Platform};

use super::{
    docker_manifest::{MANIFEST_JSON_BYTES_MAX, images, without_manifest},
    invalid, read_small,
    tar_file::{Hash, Stored, TarFile},
};
use crate::{ImageSource, RegistryError, ResolvedImage, verify::verified};

const CONFIG_TYPE: &str = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// An archive and its images.
pub(super) struct DockerArchive {
    name: String,
    archive: TarFile,
    images: Vec<ResolvedImage>,
    /// A member for each digest that an image names.
    members: HashMap<Digest, String>,
}

impl DockerArchive {
    /// Reads the archive once, hashing it.
    pub(super) fn open(path: &Path, name: String) -> Result<Self, RegistryError> {
        let archive = TarFile::open(path, name.clone(), Hash::Everything)?;
        let found = archive.names.find("manifest.json").map_err(|text| invalid(&name, text))?;
        let Some((_, stored)) = found else { return Err(without_manifest(&name, &archive.names)) };
        let json =
            read_small(format_args!("{name}: manifest.json"), archive.content(stored)?, MANIFEST_JSON_BYTES_MAX)?;
        let listed = images(&name, &json, &archive.names, |stored| stored.digest)?;

        let mut members = HashMap::new();
        let mut descriptor = |member: &str, media_type: &str| -> Result<Descriptor, RegistryError> {
            let stored = archive.names.find(member).ok().flatten().map(|(_, stored)| stored);
            let Some(Stored { size, digest: Some(digest), .. }) = stored else {
                return Err(invalid(&name, format!("{member:?} was not read")));
            };
            members.insert(*digest, member.to_owned());
            Ok(Descriptor {
                media_type: media_type.to_owned(),
                digest: *digest,
                size: *size,
                urls: Vec::new(),
                annotations: Default::default(),
                platform: None,
            })
        };
        let images = listed
            .iter()
            .map(|image| {
                Ok(ResolvedImage {
                    reference: image.tag.as_ref().map_or_else(|| name.clone(), |tag| format!("{name}:{tag}")),
                    claimed: image.tag.clone(),
                    index: None,
                    manifest: None,
                    platform: None,
                    config: descriptor(&image.config, CONFIG_TYPE)?,
                    layers: image.layers.iter().map(|layer| descriptor(layer, LAYER_TYPE)).collect::<Result<_, _>>()?,
                })
            })
            .collect::<Result<_, RegistryError>>()?;
        Ok(Self { name, archive, images, members })
    }
}

impl ImageSource for DockerArchive {
    /// Every image of the archive: it does not say which platforms they are for.
    fn resolve(&self, _wanted: Option<&Platform>) -> Result<Vec<ResolvedImage>, RegistryError> {
        Ok(self.images.clone())
    }

    fn blob<'a>(&'a self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + 'a>, RegistryError> {
        let what = format!("{}: {}", self.name, descriptor.digest);
        let member = self.members.get(&descriptor.digest);
        match member.and_then(|member| self.archive.names.find(member).ok().flatten()) {
            Some((_, stored)) => Ok(verified(self.archive.content(stored)?, what, descriptor.digest, descriptor.size)),
            None => Err(RegistryError::NotFound { what, hint: "no image of the archive names it".to_owned() }),
        }
    }
}
