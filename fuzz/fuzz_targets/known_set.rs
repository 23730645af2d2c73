//! A line of a known-good set is refused or means the same when it is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{Known, KnownImage};

fuzz_target!(|line: &[u8]| {
    let Ok(image) = KnownImage::parse(line) else { return };
    let again = image.line().expect("what was read can be written");
    assert!(!again.contains('\n'));
    assert_eq!(KnownImage::parse(again.as_bytes()).as_ref(), Ok(&image));
    assert_eq!(Known::new(vec![image]).id().len(), 16);
});
