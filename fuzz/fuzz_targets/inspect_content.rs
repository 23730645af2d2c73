//! Detectors answer about any bytes, the same each time, and none fails.
#![no_main]

use std::sync::LazyLock;

use inspect::RulePack;
use libfuzzer_sys::fuzz_target;
use model::ProblemKind;

static PACK: LazyLock<RulePack> = LazyLock::new(|| RulePack::new(Vec::new()).expect("our rules compile"));

fuzz_target!(|bytes: &[u8]| {
    let mut inspector = PACK.inspector();
    let facts = inspector.content(bytes);
    assert!(facts.problems.iter().all(|problem| problem.kind != ProblemKind::DetectorFailed), "{:?}", facts.problems);
    assert_eq!(inspector.content(bytes), facts);
    let _ = inspector.window(bytes, 7, Some(facts.kind));
});
