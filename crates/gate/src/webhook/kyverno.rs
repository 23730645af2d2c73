//! Kyverno's service call: `{"images": [...]}` in, one effect and a result for each image out.
//!
//! `images` is a list of texts, or Kyverno's own `images` variable: containers by list and name, each with `reference`.
//! A policy compares `effect` with `deny` and shows `message`.
//!
//! Source: Kyverno documentation, "External Data Sources", Variables from Service Calls and "Variables from container images".

use serde_json::{Value, json};

use super::{Front, IMAGES_MAX, shown, texts};
use crate::{Effect, metrics::Door};

/// The answer to a call.
///
/// # Errors
///
/// What is wrong with one that cannot be answered.
pub(super) async fn answer(front: &Front, request: &Value) -> Result<Value, String> {
    let images = request.get("images").ok_or("it has no `images`")?;
    let references = match images {
        Value::Object(lists) => variable(lists)?,
        list => texts(list).map_err(|why| format!("images: {why}"))?,
    };
    let decisions = front.decide(Door::Kyverno, &references).await;
    let effect = decisions.iter().map(|decision| decision.effect).max().unwrap_or(Effect::Allow);
    let with: Vec<&str> =
        decisions.iter().filter(|one| one.effect == effect).map(|one| one.message.as_str()).take(3).collect();
    let results: Vec<Value> =
        references.iter().zip(&decisions).map(|(reference, decision)| shown(reference, decision)).collect();
    Ok(json!({
        "effect": effect,
        "message": with.join("; "),
        "sequence": decisions.iter().map(|one| one.sequence).min().unwrap_or_else(|| front.engine().sequence()),
        "results": results,
    }))
}

/// `{"containers": {"name": {"reference": "…", …}}, "initContainers": …}`.
fn variable(lists: &serde_json::Map<String, Value>) -> Result<Vec<&str>, String> {
    let containers = lists.values().filter_map(Value::as_object).flat_map(serde_json::Map::values);
    let references: Option<Vec<&str>> =
        containers.map(|one| one.get("reference").and_then(Value::as_str)).take(IMAGES_MAX + 1).collect();
    let references = references.ok_or("images: a container has no `reference`")?;
    if references.len() > IMAGES_MAX {
        return Err(format!("more than {IMAGES_MAX} images at once"));
    }
    Ok(references)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::testing::{BAD, GOOD, World, ask};

    #[test]
    fn a_list_and_the_variable_mean_the_same() {
        let world = World::new("");
        let list = ask(&world, "/v1/kyverno", &json!({"images": [GOOD, BAD]}));
        assert_eq!(
            (&list["effect"], &list["results"][0]["effect"], &list["sequence"]),
            (&json!("deny"), &json!("allow"), &json!(1))
        );
        assert!(list["message"].as_str().is_some_and(|line| line.contains("LZ-2026-1")), "{list}");
        let variable = json!({"images": {"initContainers": {"a": {"reference": GOOD}}, "containers": {"b": {"reference": BAD, "tag": "x"}}}});
        assert_eq!(ask(&world, "/v1/kyverno", &variable), list);
        assert_eq!(ask(&world, "/v1/kyverno", &json!({"images": []}))["effect"], "allow");
        for wrong in [json!({}), json!({"images": 1}), json!({"images": {"containers": {"a": {}}}})] {
            assert!(ask(&world, "/v1/kyverno", &wrong)["status_code"] == 400, "{wrong}");
        }
    }
}
