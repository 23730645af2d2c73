//! Small inventories.

use std::collections::BTreeSet;

use model::Digest;

use super::{History, Inventory, Seen, decide};
use crate::{Engine, Policy, testing::listed};

pub(super) fn seen(reference: &str, place: &str, running: bool) -> Seen {
    Seen {
        source: "docker".to_owned(),
        host: "h".to_owned(),
        place: place.to_owned(),
        namespace: String::new(),
        running,
        reference: reference.to_owned(),
        digests: vec![(Digest::of(reference.as_bytes()), None)],
        since: 0,
    }
}

/// A miner that runs in a pod and is present, one that ran last week, and a harmless image.
pub(super) fn inventory() -> Inventory {
    let miner = "docker.io/a/miner:1";
    let mut history = History::in_memory();
    let pod = Seen {
        source: "kubernetes".to_owned(),
        host: "lab".to_owned(),
        namespace: "shop".to_owned(),
        since: 500,
        ..seen(miner, "pod shop/web-0, container app", true)
    };
    let all = [
        seen(miner, "", false),
        seen("reg.example/fine:1", "container fine", true),
        seen("old.example/miner:2", "container x", true),
    ];
    history.record(1_000, "docker", &["h".to_owned()].into(), &all).expect("in memory");
    history.record(2_000, "docker", &["h".to_owned()].into(), &all[..2]).expect("in memory");
    history.record(2_000, "kubernetes", &["lab".to_owned()].into(), &[pod]).expect("in memory");
    let entries = [(Digest::of(miner.as_bytes()), listed(17)), (Digest::of(b"old.example/miner:2"), listed(18))];
    let engine = Engine::test(&entries, Policy::default(), 2_000);
    let mut inventory = decide(&history, &engine, 2_060);
    let known: BTreeSet<_> = inventory.hits();
    (inventory.new, inventory.cleared) = history.judge(2_060, &known).expect("in memory");
    inventory
}
