//! An OCI layout in one tar file, of any bytes, is resolved or refused; its blobs are what their digests say.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use model::{Digest, Locator};

fuzz_target!(|archive: &[u8]| {
    let file = std::env::temp_dir().join(format!("lazaret-fuzz-{}.tar", std::process::id()));
    std::fs::write(&file, archive).expect("a writable temporary folder");
    for kind in ["oci-archive", "docker-archive"] {
        let locator: Locator = format!("{kind}:{}", file.display()).parse().expect("a path");
        let Ok(source) = registry::open(&locator, &registry::Options::default()) else { continue };
        for image in source.resolve(None).into_iter().flatten().take(4) {
            for part in image.layers.iter().chain([&image.config]).take(4) {
                let Ok(blob) = source.blob(part) else { continue };
                let mut bytes = Vec::new();
                if blob.take(1 << 20).read_to_end(&mut bytes).is_ok() && bytes.len() < 1 << 20 {
                    assert_eq!(Digest::of(&bytes), part.digest);
                }
            }
        }
    }
});
