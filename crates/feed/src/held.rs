//! What malicious images share with others.

use std::collections::BTreeSet;

use model::{Digest, Disposition, Known, ScanReport};
use store::{Catalog, StoreError};

use crate::evidence;

/// What every second image has: the empty tar (1024 zero bytes), plain, as Docker and as BuildKit gzip it; the empty file.
const EMPTY: [&str; 4] = [
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4",
    "sha256:4f4fb700ef54461cfa02571ae0db9a0dc1e0cdb5577484a6d75e68dc38e8acc1",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

/// Parts of malicious images (configs, layers by blob and by DiffID, files with a finding) that other images hold too.
#[derive(Default)]
pub(crate) struct Held {
    /// By one judged clean or vouched for, and what is empty.
    clean: BTreeSet<Digest>,
    /// By one judged risky or suspicious, or not decided.
    doubtful: BTreeSet<Digest>,
    /// What the operator vouches for.
    known: Known,
}

impl Held {
    /// Reads the catalog twice, so that only what malicious images have is kept in memory.
    pub(crate) fn read(catalog: &dyn Catalog) -> Result<Self, StoreError> {
        let mut wanted = BTreeSet::new();
        catalog.for_each_report(&mut |report| {
            if report.verdict.disposition == Disposition::Malicious {
                wanted.extend(parts(&report));
            }
        })?;
        let mut held = Self { known: Known::new(catalog.known()?), ..Self::default() };
        for image in held.known.images() {
            held.clean.insert(image.config);
            held.clean.extend(image.layers.iter().flat_map(|layer| [layer.digest, layer.diff_id]));
        }
        catalog.for_each_report(&mut |report| {
            let holders = match report.verdict.disposition {
                Disposition::Malicious => return,
                Disposition::Clean => &mut held.clean,
                Disposition::Risky | Disposition::Suspicious | Disposition::Undetermined => &mut held.doubtful,
            };
            holders.extend(parts(&report).into_iter().filter(|digest| wanted.contains(digest)));
        })?;
        held.clean.extend(EMPTY.iter().filter_map(|text| text.parse::<Digest>().ok()));
        Ok(held)
    }

    pub(crate) fn by_clean(&self, digest: &Digest) -> bool {
        self.clean.contains(digest)
    }

    /// As [`Self::by_clean`], of a file.
    pub(crate) fn file_by_clean(&self, sha256: &Digest) -> bool {
        self.by_clean(sha256) || self.known.with_file(sha256).is_some()
    }

    pub(crate) fn by_doubtful(&self, digest: &Digest) -> bool {
        self.doubtful.contains(digest)
    }
}

fn parts(report: &ScanReport) -> BTreeSet<Digest> {
    let image = &report.image;
    let config = image.config_pins_layers.then_some(image.config);
    let layers = image.layers.iter().flat_map(|layer| [Some(layer.digest), layer.diff_id]).flatten();
    config.into_iter().chain(layers).chain(report.findings.iter().flat_map(evidence::files)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_digests_are_digests() {
        let digests: Vec<Digest> = EMPTY.iter().map(|text| text.parse().expect("digest")).collect();
        assert_eq!(digests[0], Digest::of(&[0; 1024]));
        assert_eq!(digests[3], Digest::of(b""));
    }
}
