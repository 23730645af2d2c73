//! PolicyReports of the Kubernetes policy working group: one a namespace, and one of the cluster for what is on nodes.
//!
//! What is only allowed is counted, not told; so is what went. `kubectl apply -f -` takes the list.
//! Source: `wgpolicyk8s.io/v1alpha2`, `PolicyReport` and `ClusterPolicyReport`.

use std::collections::BTreeMap;

use model::Severity;
use serde_json::{Value, json};

use super::{Format, Image, Inventory, Span};
use crate::{Effect, report};

pub(super) const FORMAT: Format = Format { name: "policy-report", write };

/// Most results of one report: etcd takes objects of about 1.5 MB.
const RESULTS_MAX: usize = 1_000;
/// `metadata.name` of every report.
const NAME: &str = "lazaret-inventory";

#[derive(Default)]
struct Report {
    pass: u64,
    fail: u64,
    warn: u64,
    results: Vec<Value>,
}

fn write(inventory: &Inventory, _: bool) -> String {
    // The report of the cluster is there even if it is empty, so that an old one is replaced.
    let mut reports: BTreeMap<&str, Report> = BTreeMap::from([("", Report::default())]);
    for image in &inventory.images {
        for span in image.places.iter().filter(|span| span.gone.is_none() && span.seen.source == "kubernetes") {
            reports.entry(&span.seen.namespace).or_default().add(image, span, inventory.now);
        }
    }
    let items: Vec<_> = reports.into_iter().map(|(namespace, report)| report.object(namespace)).collect();
    report::pretty(&json!({ "apiVersion": "v1", "kind": "List", "items": items }))
}

impl Report {
    fn add(&mut self, image: &Image, span: &Span, now: u64) {
        let (count, word) = match image.decision.effect {
            Effect::Allow => (&mut self.pass, "pass"),
            Effect::Warn => (&mut self.warn, "warn"),
            Effect::Deny => (&mut self.fail, "fail"),
        };
        *count += 1;
        if word != "pass" && self.results.len() < RESULTS_MAX {
            self.results.push(result(image, span, word, now));
        }
    }

    fn object(self, namespace: &str) -> Value {
        let summary = json!({ "pass": self.pass, "fail": self.fail, "warn": self.warn, "error": 0, "skip": 0 });
        let mut metadata = json!({ "name": NAME, "labels": { "app.kubernetes.io/managed-by": "lazaret" } });
        let kind = if namespace.is_empty() { "ClusterPolicyReport" } else { "PolicyReport" };
        if !namespace.is_empty() {
            metadata["namespace"] = json!(namespace);
        }
        json!({
            "apiVersion": "wgpolicyk8s.io/v1alpha2",
            "kind": kind,
            "metadata": metadata,
            "summary": summary,
            "results": self.results,
        })
    }
}

fn result(image: &Image, span: &Span, word: &str, now: u64) -> Value {
    let hit = image.decision.hits.first();
    let severity = hit.map(|hit| match hit.listed.severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
        Severity::Info => "info",
    });
    let mut result = json!({
        "source": "lazaret",
        "policy": "listed-images",
        "rule": hit.map_or_else(|| "undecided".to_owned(), |hit| hit.listed.id.to_string()),
        "result": word,
        "message": image.decision.message,
        "scored": true,
        "timestamp": { "seconds": now, "nanos": 0 },
        "resources": [resource(span)],
        "properties": {
            "image": image.name(),
            "digest": hit.map_or_else(String::new, |hit| hit.digest.to_string()),
            "place": model::text::visible(&span.seen.place),
            "running": span.seen.running.to_string(),
        },
    });
    if let Some(severity) = severity {
        result["severity"] = json!(severity);
    }
    if let Some(category) = hit.and_then(|hit| hit.listed.categories.first()) {
        result["category"] = json!(category);
    }
    result
}

/// `pod shop/web-0, container app`, or the node after the cluster's name.
fn resource(span: &Span) -> Value {
    let seen = &span.seen;
    let pod = seen
        .place
        .strip_prefix("pod ")
        .and_then(|rest| rest.split([',', ' ']).next())
        .and_then(|pod| pod.split_once('/'));
    match pod {
        Some((namespace, name)) => json!({ "apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name }),
        None => json!({ "apiVersion": "v1", "kind": "Node", "name": seen.host.rsplit('/').next().unwrap_or_default() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::testing;

    #[test]
    fn the_shape_is_the_promised_one() {
        insta::assert_snapshot!(write(&testing::inventory(), false));
    }
}
