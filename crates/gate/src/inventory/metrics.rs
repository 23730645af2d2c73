//! OpenMetrics, for the textfile collector of a node exporter or a pushgateway. Names of images are not labels: there would be too many.
//!
//! Source: OpenMetrics 1.0; `promtool check metrics` reads it in the tests.

use std::collections::BTreeMap;

use super::{Format, Inventory};
use crate::Effect;

pub(super) const FORMAT: Format = Format { name: "openmetrics", write };

fn write(inventory: &Inventory, _: bool) -> String {
    let mut images: BTreeMap<(&str, &str, &str, Effect), u64> = BTreeMap::new();
    let mut entries: BTreeMap<(String, &str, &str, &str), u64> = BTreeMap::new();
    for image in &inventory.images {
        for span in image.places.iter().filter(|span| span.gone.is_none()) {
            let state = match (span.seen.running, span.seen.place.is_empty()) {
                (true, _) => "running",
                (false, true) => "present",
                (false, false) => "stopped",
            };
            *images.entry((&span.seen.source, &span.seen.host, state, image.decision.effect)).or_default() += 1;
            for hit in &image.decision.hits {
                *entries.entry((hit.listed.id.to_string(), &span.seen.source, &span.seen.host, state)).or_default() +=
                    1;
            }
        }
    }
    let mut text =
        family("lazaret_inventory_places", "gauge", "Places that have an image, by what the policy makes of it.");
    for ((source, host, state, effect), count) in images {
        let (source, host) = (label(source), label(host));
        text += &format!(
            "lazaret_inventory_places{{source=\"{source}\",host=\"{host}\",state=\"{state}\",effect=\"{effect}\"}} {count}\n"
        );
    }
    text += &family("lazaret_inventory_listed_places", "gauge", "Places that have an image of this entry of the feed.");
    for ((entry, source, host, state), count) in entries {
        let (source, host) = (label(source), label(host));
        text += &format!(
            "lazaret_inventory_listed_places{{entry=\"{entry}\",source=\"{source}\",host=\"{host}\",state=\"{state}\"}} {count}\n"
        );
    }
    let share = inventory.share();
    text += &family("lazaret_inventory_images", "gauge", "Images here, by where they come from.");
    for (origin, count) in [("public", share.public), ("private", share.private), ("unknown", share.unknown)] {
        text += &format!("lazaret_inventory_images{{origin=\"{origin}\"}} {count}\n");
    }
    text += &family(
        "lazaret_inventory_newly_listed",
        "gauge",
        "Listed digests that the last look found for the first time.",
    );
    text += &format!("lazaret_inventory_newly_listed {}\n", inventory.new.len());
    text += &family("lazaret_inventory_looked_timestamp_seconds", "gauge", "When a source was last looked at.");
    for ((source, host), at) in &inventory.looked {
        let (source, host) = (label(source), label(host));
        text += &format!("lazaret_inventory_looked_timestamp_seconds{{source=\"{source}\",host=\"{host}\"}} {at}\n");
    }
    text += &family("lazaret_inventory_feed_age_seconds", "gauge", "How long ago the feed was published.");
    text += &format!("lazaret_inventory_feed_age_seconds {}\n", inventory.age_s);
    text += &family("lazaret_inventory_feed_sequence", "gauge", "How many changes led to the feed.");
    text += &format!("lazaret_inventory_feed_sequence {}\n", inventory.sequence);
    text + "# EOF\n"
}

fn family(name: &str, kind: &str, help: &str) -> String {
    format!("# TYPE {name} {kind}\n# HELP {name} {help}\n")
}

fn label(text: &str) -> String {
    model::text::visible(text).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::testing;

    #[test]
    fn the_shape_is_the_promised_one() {
        insta::assert_snapshot!(write(&testing::inventory(), false));
    }

    #[test]
    fn promtool_reads_it() {
        use std::{
            io::Write,
            process::{Command, Stdio},
        };
        let mut inventory = testing::inventory();
        inventory.looked.insert(("docker".to_owned(), "a\"b\\c\nd\u{202e}".to_owned()), 7);
        #[expect(clippy::disallowed_methods, reason = "runs the real peer")]
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool is missing: run `make tools`");
        promtool.stdin.take().expect("piped").write_all(write(&inventory, false).as_bytes()).expect("reads");
        let said = promtool.wait_with_output().expect("ends");
        let text = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        assert!(said.status.success(), "{text}");
        assert_eq!(text, "");
    }
}
