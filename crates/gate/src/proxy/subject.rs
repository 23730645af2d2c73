//! What a manifest is to the engine: all digests it stands for.

use feed::Role;
use model::{ManifestOrIndex, image::INDEX_TYPES};

use crate::Subject;

/// Of a manifest itself, config and layers; of an index itself and every image it lists. A client that has a child already asks
/// only for the index: so a bad child makes a bad index, as in the feed.
pub(super) fn of(manifest: &ManifestOrIndex, reference: String) -> Subject {
    let digests = match manifest {
        ManifestOrIndex::Manifest(manifest) => [(manifest.digest, Some(Role::Manifest))]
            .into_iter()
            .chain([(manifest.config.digest, Some(Role::Config))])
            .chain(manifest.layers.iter().map(|layer| (layer.digest, Some(Role::Layer))))
            .collect(),
        ManifestOrIndex::Index(index) => [(index.digest, Some(Role::Index))]
            .into_iter()
            .chain(index.manifests.iter().map(|entry| {
                let is_index = INDEX_TYPES.contains(&entry.media_type.as_str());
                (entry.digest, Some(if is_index { Role::Index } else { Role::Manifest }))
            }))
            .collect(),
    };
    Subject { reference: Some(reference), digests, unresolved: None }
}

#[cfg(test)]
mod tests {
    use model::Digest;

    use super::*;

    #[test]
    fn a_manifest_stands_for_its_config_and_layers() {
        let [config, layer] = [Digest::of(b"config"), Digest::of(b"layer")];
        let text = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{config}","size":1}},"layers":[{{"digest":"{layer}","size":1}}]}}"#
        );
        let manifest = ManifestOrIndex::parse(text.as_bytes(), None).expect("a manifest");
        let subject = of(&manifest, "a".to_owned());
        let own = Digest::of(text.as_bytes());
        assert_eq!(
            subject.digests,
            [(own, Some(Role::Manifest)), (config, Some(Role::Config)), (layer, Some(Role::Layer))]
        );
    }
}
