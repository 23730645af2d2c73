//! For programs: every image with every place it is or was in. Fields are only ever added within one schema.

use serde_json::{Value, json};

use super::{Format, Image, Inventory, Span, date};
use crate::report;

pub(super) const FORMAT: Format = Format { name: "json", write: |inventory, _| report::pretty(&value(inventory)) };

fn value(inventory: &Inventory) -> Value {
    let share = inventory.share();
    let pair = |(entry, digest): &(feed::EntryId, model::Digest)| json!({ "entry": entry, "digest": digest });
    let looked =
        |((source, host), at): (&(String, String), &u64)| json!({ "source": source, "host": host, "at": date(*at) });
    json!({
        "schema": "lazaret.inventory/1",
        "at": date(inventory.now),
        "feed": { "sequence": inventory.sequence, "age_s": inventory.age_s },
        "public_share": { "public": share.public, "private": share.private, "unknown": share.unknown, "public_permille": share.public_permille() },
        "newly_listed": inventory.new.iter().map(pair).collect::<Vec<_>>(),
        "no_longer_listed": inventory.cleared.iter().map(pair).collect::<Vec<_>>(),
        "looked_at": inventory.looked.iter().map(looked).collect::<Vec<_>>(),
        "images": inventory.images.iter().map(image).collect::<Vec<_>>(),
    })
}

fn image(image: &Image) -> Value {
    let digest = |(digest, role): &(model::Digest, Option<feed::Role>)| json!({ "digest": digest, "role": role });
    json!({
        "reference": image.reference,
        "origin": image.origin,
        "effect": image.decision.effect,
        "message": image.decision.message,
        "undecided": image.decision.undecided,
        "here": image.is_here(),
        "running": image.runs(),
        "digests": image.digests.iter().map(digest).collect::<Vec<_>>(),
        "hits": image.decision.hits.iter().map(report::hit_json).collect::<Vec<_>>(),
        "places": image.places.iter().map(place).collect::<Vec<_>>(),
    })
}

fn place(span: &Span) -> Value {
    let seen = &span.seen;
    json!({
        "source": seen.source,
        "host": seen.host,
        "place": seen.place,
        "namespace": seen.namespace,
        "running": seen.running,
        "began": (seen.since > 0).then(|| date(seen.since)),
        "first_seen": date(span.first),
        "last_seen": date(span.last),
        "gone": span.gone.map(date),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::testing;

    #[test]
    fn the_shape_is_the_promised_one() {
        insta::assert_snapshot!((FORMAT.write)(&testing::inventory(), false));
    }
}
