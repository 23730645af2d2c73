//! An archive of any bytes is opened within its ceilings.
#![no_main]

use layer::NestedLimits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = NestedLimits {
        unpacked_bytes_max: 4 << 20,
        entries_max: 500,
        file_bytes_max: 1 << 20,
        ratio_grace_bytes: 2 << 20,
        ..NestedLimits::default()
    };
    let (mut files, mut total) = (0, 0);
    let problems = layer::expand(bytes, &limits, &mut |_, content| {
        assert!(content.len() as u64 <= limits.file_bytes_max);
        files += 1;
        total += content.len() as u64;
    });
    assert!(files <= limits.entries_max && total <= limits.unpacked_bytes_max);
    assert!(files == 0 || layer::is_archive(bytes), "opened what is no archive");
    assert!(problems.len() <= 101, "problems are bounded: {}", problems.len());
});
