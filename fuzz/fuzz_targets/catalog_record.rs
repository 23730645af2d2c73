//! What a damaged catalog holds is read back as it is written, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{FileFacts, LayerRecord};

fuzz_target!(|bytes: &[u8]| {
    if let Ok((record, _)) = postcard::take_from_bytes::<LayerRecord>(bytes) {
        let written = postcard::to_allocvec(&record).expect("a record is written");
        assert_eq!(postcard::from_bytes::<LayerRecord>(&written).expect("what we write, we read"), record);
    }
    if let Ok((facts, _)) = postcard::take_from_bytes::<FileFacts>(bytes) {
        let written = postcard::to_allocvec(&facts).expect("facts are written");
        assert_eq!(postcard::from_bytes::<FileFacts>(&written).expect("what we write, we read"), facts);
    }
});
