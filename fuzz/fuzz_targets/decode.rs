//! What is encoded in any bytes is decoded within the ceilings, the same each time, and no decoder fails.
#![no_main]

use inspect::decode::{DECODED_BYTES_MAX, STAGES_OUTER_MAX, unfold};
use libfuzzer_sys::fuzz_target;
use model::ProblemKind;

fuzz_target!(|bytes: &[u8]| {
    let (stages, problems) = unfold(bytes);
    assert!(problems.iter().all(|problem| problem.kind != ProblemKind::DetectorFailed), "{problems:?}");
    assert!(stages.len() <= STAGES_OUTER_MAX as usize);
    assert!(stages.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() <= DECODED_BYTES_MAX);
    assert_eq!(unfold(bytes).0, stages);
});
