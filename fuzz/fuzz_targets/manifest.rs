//! Manifests and configs of any bytes are read or refused, within their ceilings.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{
    Digest, ImageConfig, ManifestOrIndex,
    image::{INDEX_ENTRIES_MAX, INDEX_TYPES, LAYERS_MAX, MANIFEST_TYPES},
};

fuzz_target!(|bytes: &[u8]| {
    let mut kinds = Vec::new();
    for claim in [None, Some(MANIFEST_TYPES[0]), Some(INDEX_TYPES[0]), Some("text/html; a=b")] {
        match ManifestOrIndex::parse(bytes, claim) {
            Ok(ManifestOrIndex::Manifest(manifest)) => {
                assert!(manifest.layers.len() <= LAYERS_MAX && manifest.digest == Digest::of(bytes));
                kinds.push(false);
            }
            Ok(ManifestOrIndex::Index(index)) => {
                assert!(index.manifests.len() <= INDEX_ENTRIES_MAX && index.digest == Digest::of(bytes));
                kinds.push(true);
            }
            Err(_) => {}
        }
    }
    kinds.dedup();
    assert!(kinds.len() <= 1, "what it is depends on who asks");
    let _ = ImageConfig::parse(bytes);
});
