//! Any text is read as a user's rules for secrets, or refused; what loads is asked without failing.
#![no_main]

use inspect::{RuleFile, RulePack};
use libfuzzer_sys::fuzz_target;
use model::ProblemKind;

fuzz_target!(|text: &str| {
    let Ok(pack) = RulePack::new(vec![RuleFile { name: "user.toml".to_owned(), text: text.to_owned() }]) else { return };
    let facts = pack.inspector().content(text.as_bytes());
    assert!(facts.problems.iter().all(|problem| problem.kind != ProblemKind::DetectorFailed), "{:?}", facts.problems);
});
