//! Rows of every kind.

use feed::{Channel, EntryId, List, Role, shard::Listed};
use model::{Category, Confidence, Digest, Severity};

use super::Row;
use crate::{Decision, Effect, Hit, Subject, inputs::Asked};

/// Denied, warned of, allowed, undecided and let through, undecided and stopped.
pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "reg.example/miner:1",
            Some(7),
            Effect::Deny,
            &[(17, Role::Manifest, Effect::Deny), (9, Role::Layer, Effect::Warn)],
            None,
        ),
        row("tool:2", None, Effect::Warn, &[(3, Role::Manifest, Effect::Warn)], None),
        row("nginx", Some(3), Effect::Allow, &[], None),
        row("gone:1", Some(4), Effect::Warn, &[], Some("not resolved: there is no such tag")),
        row("gone:2", None, Effect::Deny, &[], Some("the feed is 3 d old, at most 24 h are allowed")),
    ]
}

fn row(name: &str, line: Option<u32>, effect: Effect, hits: &[(u32, Role, Effect)], undecided: Option<&str>) -> Row {
    let digest = Digest::of(name.as_bytes());
    let subject = Subject { reference: Some(name.to_owned()), digests: vec![(digest, None)], unresolved: None };
    let file = line.map(|_| "deploy/compose.yaml".to_owned());
    let hits: Vec<_> = hits
        .iter()
        .map(|(number, role, effect)| Hit {
            digest,
            listed: Listed {
                id: EntryId { year: 2026, number: *number },
                role: *role,
                list: List::Block,
                channel: Channel::Stable,
                categories: vec![Category::Cryptominer],
                severity: Severity::Critical,
                confidence: Confidence::Certain,
            },
            effect: *effect,
            exempted: None,
        })
        .collect();
    let message = match (hits.first(), undecided) {
        (Some(hit), _) => format!("denied: {name}: {} cryptominer (critical, stable)", hit.listed.id),
        (None, Some(why)) => format!("warning: {name}: {why}"),
        (None, None) => format!("allowed: {name}: nothing of it is listed"),
    };
    let decision = Decision { effect, message, hits, undecided: undecided.map(str::to_owned), sequence: 7 };
    Row { asked: Asked { subject, file, line, place: "service web".to_owned() }, decision }
}
