//! A layer of any bytes ends, within its ceilings, with what was read accounted for.
#![no_main]

use std::io::Read;

use layer::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|blob: &[u8]| {
    let limits = Limits {
        unpacked_bytes_max: 4 << 20,
        entries_max: 1_000,
        ratio_grace_bytes: 1 << 20,
        name_bytes_max: 64 << 10,
        ..Limits::default()
    };
    let mut buffer = [0; 4_096];
    let outcome = layer::stream_layer(blob, &limits, &|| 0.0, |entry, content| {
        assert!(!entry.path.starts_with('/') && entry.path.split('/').all(|part| part != ".."));
        let mut read = 0;
        while let Ok(bytes @ 1..) = content.read(&mut buffer) {
            read += bytes as u64;
        }
        assert!(read <= entry.size);
    });
    assert_eq!(outcome.packed_bytes, blob.len() as u64);
    assert!(outcome.unpacked_bytes <= limits.unpacked_bytes_max);
    assert!(outcome.entries <= limits.entries_max);
    assert!(outcome.diff_id.is_some() || !outcome.problems.is_empty(), "an end without a name");
});
