//! For programs: every row, with all of its hits. Fields are only ever added within one schema.

use serde_json::{Value, json};

use super::{Checked, Format, Outcome, Row};

pub(super) const FORMAT: Format =
    Format { name: "json", help: "For programs: every image, with all that is listed of it", write };

/// Name and version.
pub(crate) const SCHEMA: &str = "lazaret.gate/1";

fn write(checked: &Checked<'_>) -> String {
    let rows: Vec<_> = checked.rows.iter().map(row).collect();
    super::pretty(&json!({
        "schema": SCHEMA,
        "feed": { "sequence": checked.sequence, "age_s": checked.age_s },
        "outcome": word(super::outcome(checked.rows)),
        "images": rows,
    }))
}

fn row(row: &Row) -> Value {
    let (asked, decision) = (&row.asked, &row.decision);
    let digest = |(digest, role): &(model::Digest, Option<feed::Role>)| json!({ "digest": digest, "role": role });
    json!({
        "reference": asked.subject.reference,
        "file": asked.file,
        "line": asked.line,
        "place": asked.place,
        "effect": decision.effect,
        "outcome": word(row.outcome()),
        "message": decision.message,
        "undecided": decision.undecided,
        "digests": asked.subject.digests.iter().take(1_000).map(digest).collect::<Vec<_>>(),
        "hits": decision.hits.iter().map(hit).collect::<Vec<_>>(),
    })
}

/// One listed digest.
pub(crate) fn hit(hit: &crate::Hit) -> Value {
    let listed = &hit.listed;
    json!({
        "entry": listed.id,
        "digest": hit.digest,
        "role": listed.role,
        "list": listed.list,
        "channel": listed.channel,
        "categories": listed.categories,
        "severity": listed.severity,
        "confidence": listed.confidence,
        "effect": hit.effect,
        "exempted": hit.exempted,
    })
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Undecided => "undecided",
        Outcome::Denied => "denied",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn the_shape_is_the_promised_one() {
        insta::assert_snapshot!(write(&Checked { rows: &testing::rows(), sequence: 7, age_s: 60, verbose: false }));
    }
}
