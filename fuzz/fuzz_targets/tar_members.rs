//! An image archive of any bytes ends; members stand where they are said to.
#![no_main]

use std::io::Read;

use layer::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|archive: &[u8]| {
    let limits = Limits { unpacked_bytes_max: 4 << 20, entries_max: 1_000, ..Limits::default() };
    let is_plain = !archive.starts_with(b"\x1f\x8b\x08") && archive.get(1..4) != Some(b"\xb5\x2f\xfd");
    let result = layer::for_each_member(archive, &limits, |_, offset, content| {
        let mut first = [0; 1];
        let stored = content.read(&mut first)? == 1;
        // A sparse member may begin with a hole, whose zeros stand nowhere.
        if is_plain && stored && first != [0] {
            assert_eq!(archive.get(offset as usize), first.first());
        }
        Ok(())
    });
    assert!(result.is_ok(), "neither reader nor visitor failed");
});
