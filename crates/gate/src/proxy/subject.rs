//! What a manifest is to the engine: all digests it stands for.

use feed::Role;
use model::{ManifestOrIndex, image::INDEX_TYPES};

use crate::{Decision, Subject, door::Door};

/// Decides on a manifest by itself, its config and its layers; on an index by itself and every image it lists: a client that has a
/// child already asks only for the index.
pub(super) fn decide(door: &Door, manifest: &ManifestOrIndex, reference: &str) -> Decision {
    let of = |digests| Subject { reference: Some(reference.to_owned()), digests, unresolved: None };
    match manifest {
        ManifestOrIndex::Manifest(manifest) => door.decide(&of([(manifest.digest, Some(Role::Manifest))]
            .into_iter()
            .chain([(manifest.config.digest, Some(Role::Config))])
            .chain(manifest.layers.iter().map(|layer| (layer.digest, Some(Role::Layer))))
            .collect())),
        ManifestOrIndex::Index(index) => {
            let children = index.manifests.iter().map(|entry| {
                let is_index = INDEX_TYPES.contains(&entry.media_type.as_str());
                (entry.digest, Some(if is_index { Role::Index } else { Role::Manifest }))
            });
            door.decide_index(&of(vec![(index.digest, Some(Role::Index))]), &of(children.collect()))
        }
    }
}
