//! A recording of a run may come from anywhere: reading it gives a trace in order or an error, and a trace that was read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandbox::sensor::replay;

fuzz_target!(|bytes: &[u8]| {
    let Ok(trace) = replay::read(bytes) else { return };
    let mut written = Vec::new();
    replay::write(&trace, &mut written).expect("writes to memory");
    assert_eq!(replay::read(&written[..]).expect("what we wrote is ours"), trace);
});
