//! Whatever bytes come, parsers answer: nothing panics, and what was altered is not believed.

use std::fs;

use proptest::prelude::*;

use super::{
    audit, log,
    testing::{NOW, Publisher},
    trusted::Trusted,
};
use crate::trust::{
    minisign, minisign_verify,
    note::{Checkpoint, Note, VerifierKey},
    proof::{LogPolicy, check, prove},
    tiles::leaves,
    witness::Witness,
};

/// One alteration of a text that was good.
#[derive(Debug, Clone)]
enum Harm {
    Cut(usize),
    Flip(usize, u8),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize),
    Replace(Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..64);
    prop_oneof![
        any::<usize>().prop_map(Harm::Cut),
        (any::<usize>(), 1..=255_u8).prop_map(|(at, with)| Harm::Flip(at, with)),
        (any::<usize>(), bytes()).prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
        (any::<usize>(), any::<usize>()).prop_map(|(from, to)| Harm::Repeat(from, to)),
        bytes().prop_map(Harm::Replace),
    ]
}

fn harmed(good: &[u8], harm: &Harm) -> Vec<u8> {
    let at = |index: usize| index % good.len();
    let mut bytes = good.to_vec();
    match harm {
        Harm::Cut(length) => bytes.truncate(at(*length)),
        Harm::Flip(index, with) => bytes[at(*index)] ^= with,
        Harm::Insert(index, more) => drop(bytes.splice(at(*index)..at(*index), more.clone())),
        Harm::Repeat(from, to) => {
            let (from, to) = (at(*from).min(at(*to)), at(*from).max(at(*to)));
            bytes.extend_from_within(from..to);
        }
        Harm::Replace(all) => bytes.clone_from(all),
    }
    bytes
}

/// What a client is sent, made once.
struct Good {
    publisher: Publisher,
    timestamp: Vec<u8>,
    proof: Vec<u8>,
    bundle: Vec<u8>,
    signature: Vec<u8>,
    policy: LogPolicy,
    witness: (tempfile::TempDir, Witness),
}

fn good() -> Good {
    let mut publisher = Publisher::new();
    publisher.list(5);
    let public = publisher.publish(NOW);
    let log: VerifierKey = publisher.keys.log_key().parse().expect("a key");
    let folder = tempfile::tempdir().expect("a folder");
    let key = crate::trust::key::SigningKey::from_seed(zeroize::Zeroizing::new([1; 32])).expect("a key");
    let witness = Witness::new("witness.test", key, folder.path(), vec![log.clone()]).expect("starts");
    Good {
        timestamp: fs::read(public.join("metadata/timestamp.json")).expect("is there"),
        proof: prove(&public, 3).expect("a proof").into_bytes(),
        bundle: fs::read(public.join("log/tile/entries/000.p/5")).expect("is there"),
        signature: minisign(&publisher.keys, b"content", "file", NOW).into_bytes(),
        policy: LogPolicy::of_log(log),
        witness: (folder, witness),
        publisher,
    }
}

#[test]
fn nothing_altered_is_believed_and_nothing_panics() {
    let good = good();
    let root = good.publisher.keys.first_root();
    let signed =
        |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).map(|file| file["signed"].clone()).ok();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let ran = runner.run(&harm(), |harm| {
        let bytes = harmed(root, &harm);
        if Trusted::from_root(bytes.clone()).is_ok() {
            prop_assert_eq!(signed(&bytes), signed(root), "the same, spelt otherwise");
        }
        let bytes = harmed(&good.timestamp, &harm);
        let mut trusted = Trusted::from_root(root.to_vec()).expect("a root");
        if trusted.next_timestamp(bytes.clone(), NOW).is_ok() {
            prop_assert_eq!(signed(&bytes), signed(&good.timestamp), "the same, spelt otherwise");
        }
        let bytes = harmed(&good.proof, &harm);
        let text = String::from_utf8_lossy(&bytes);
        if check(&text, &good.publisher.changes[3], &good.policy).is_ok() {
            prop_assert!(text.contains("index 3\n"));
        }
        let _ = Note::parse(&text).map(|note| Checkpoint::parse(note.text));
        let _ = log::check(&good.policy, &text);
        let _ = text.parse::<VerifierKey>();
        let answer = good.witness.1.add_checkpoint(&format!("old 0\n\n{text}"), NOW);
        prop_assert!(answer.status != 500);
        let bytes = harmed(&good.signature, &harm);
        let text = String::from_utf8_lossy(&bytes);
        if let Some(comment) = minisign_verify(good.publisher.keys.minisign_key(), b"content", &text) {
            prop_assert_eq!(comment, format!("timestamp:{NOW}\tfile:file\thashed"));
        }
        let bytes = harmed(&good.bundle, &harm);
        if let Some(found) = leaves(&bytes) {
            prop_assert_eq!(found.iter().map(|leaf| leaf.len() + 2).sum::<usize>(), bytes.len());
        }
        Ok(())
    });
    ran.expect("holds for every alteration");
}

/// A whole folder with one harmed file of the log: verified, or refused by name.
#[test]
fn a_harmed_log_is_never_added_up() {
    let good = good();
    let public = good.publisher.public();
    let copy = super::testing::copy_of(&public);
    let note = fs::read_to_string(public.join("log/checkpoint")).expect("is there");
    let checkpoint = Checkpoint::parse(Note::parse(&note).expect("a note").text).expect("a checkpoint");
    let path = copy.path().join("log/tile/entries/000.p/5");
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let ran = runner.run(&harm(), |harm| {
        let bytes = harmed(&good.bundle, &harm);
        fs::write(&path, &bytes).expect("writes");
        if audit::read_log(copy.path(), &checkpoint).is_ok() {
            prop_assert!(bytes.starts_with(&good.bundle), "what is in the log is as it was");
        }
        Ok(())
    });
    ran.expect("holds for every alteration");
}
