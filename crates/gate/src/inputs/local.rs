//! Images on this machine: OCI layouts and `docker save` archives, as [`registry`] reads them.

use feed::Role;
use model::Locator;
use registry::RegistryError;

use super::Asked;
use crate::Subject;

/// Asks about every image at `locator`, each by all of its digests. No registry is asked.
///
/// An archive that Docker 25 or later wrote is an OCI layout as well: its manifests and index are asked about too. Layers of other
/// archives are known by the digest of the uncompressed tar alone, so a listed layer that was compressed is not met there; config and
/// manifest digests are what a gate meets.
///
/// # Errors
///
/// [`RegistryError`] if it cannot be read.
pub fn ask_local(locator: &Locator, options: &registry::Options) -> Result<Vec<Asked>, RegistryError> {
    let mut images = registry::open(locator, options)?.resolve(None)?;
    if let Locator::DockerArchive(Some(file)) = locator {
        let as_layout = Locator::OciArchive { file: file.clone(), tag: None };
        if let Ok(more) = registry::open(&as_layout, options).and_then(|source| source.resolve(None)) {
            images.extend(more);
        }
    }
    Ok(images.into_iter().map(|image| asked(locator, &image)).collect())
}

fn asked(locator: &Locator, image: &registry::ResolvedImage) -> Asked {
    let named =
        [(image.index, Role::Index), (image.manifest, Role::Manifest), (Some(image.config.digest), Role::Config)];
    let mut digests: Vec<_> =
        named.into_iter().filter_map(|(digest, role)| digest.map(|digest| (digest, Some(role)))).collect();
    digests.extend(image.layers.iter().map(|layer| (layer.digest, Some(Role::Layer))));
    let platform = image.platform.as_ref().map(|platform| format!("platform {platform}"));
    let claimed = image.claimed.as_ref().map(|name| format!("says it is {name}"));
    let place = [platform, claimed].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let subject = Subject { reference: Some(locator.to_string()), digests, unresolved: None };
    let file = match locator {
        Locator::DockerArchive(Some(file)) | Locator::OciArchive { file, .. } => Some(file.display().to_string()),
        Locator::OciLayout { folder, .. } => Some(folder.display().to_string()),
        _ => None,
    };
    Asked { subject, file, line: None, place }
}
