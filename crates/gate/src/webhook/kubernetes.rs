//! Kubernetes' ValidatingAdmissionWebhook, `admission.k8s.io/v1`.
//!
//! One phase and no state: every review is decided anew, on creation and on update, subresources included. What an object ran
//! before the update is weakened to the policy's `on_existing`: else a pod whose image became listed could not even be
//! labelled, or lose a finalizer. New pods of an old Deployment are created, so they are denied.
//!
//! No live API server was used to test this: reviews are made of objects that `kubectl` writes.
//!
//! Source: Kubernetes documentation, "Dynamic Admission Control", Webhook request and response.

use std::collections::BTreeSet;

use model::text;
use serde_json::{Value, json};

use super::{Front, IMAGES_MAX, objects::images};
use crate::{Decision, Effect, metrics::Door};

/// Longest warning, in characters: what the documentation advises.
const WARNING_CHARS_MAX: usize = 120;
/// Most warnings of one answer: the API server cuts all together at 4,096 bytes.
const WARNINGS_MAX: usize = 10;
/// How many images one refusal tells of.
const TOLD_MAX: usize = 3;
/// Longest audit annotation of ours, in bytes.
const ANNOTATION_BYTES_MAX: usize = 2_000;

/// The answer to a review.
///
/// # Errors
///
/// What is wrong with a review that cannot be answered.
pub(super) async fn answer(front: &Front, review: &Value) -> Result<Value, String> {
    let text = |pointer: &str| review.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if text("/apiVersion") != "admission.k8s.io/v1" || text("/kind") != "AdmissionReview" {
        return Err("it is no AdmissionReview of admission.k8s.io/v1".to_owned());
    }
    let uid = text("/request/uid");
    if uid.is_empty() || uid.len() > 200 {
        return Err("the review has no request.uid".to_owned());
    }
    let mut response = match text("/request/operation") {
        "CREATE" | "UPDATE" => decided(front, review, text("/request/operation") == "UPDATE").await,
        // Nothing new would run.
        _ => json!({"allowed": true}),
    };
    response["uid"] = json!(uid);
    Ok(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}))
}

async fn decided(front: &Front, review: &Value, is_update: bool) -> Value {
    let of = |pointer: &str| review.pointer(pointer).map(|object| images(object, IMAGES_MAX)).unwrap_or_default();
    let named = of("/request/object");
    if named.len() > IMAGES_MAX {
        let message = format!("denied: the object names more than {IMAGES_MAX} images");
        return json!({"allowed": false, "status": status(&message)});
    }
    let references: BTreeSet<&str> = named.iter().map(|named| named.reference.as_str()).collect();
    let references: Vec<&str> = references.into_iter().collect();
    let existing = if is_update { of("/request/oldObject") } else { Vec::new() };
    let existing: BTreeSet<&str> = existing.iter().map(|named| named.reference.as_str()).collect();
    let most = |reference: &str| {
        if existing.contains(reference) { front.engine().policy().on_existing } else { Effect::Deny }
    };
    let decisions = front.decide(Door::Kubernetes, &references).await;
    let decisions: Vec<(&str, Decision)> = references
        .iter()
        .zip(decisions)
        .map(|(reference, decision)| (*reference, decision.at_most(most(reference))))
        .collect();

    let with = |effect: Effect| decisions.iter().filter(move |(_, decision)| decision.effect == effect);
    let denied: Vec<&str> = with(Effect::Deny).map(|(_, decision)| decision.message.as_str()).collect();
    let mut warnings: Vec<String> = with(Effect::Warn)
        .map(|(reference, decision)| {
            let field = named.iter().find(|named| named.reference == *reference).map(|named| named.field.as_str());
            warning(field.unwrap_or_default(), decision)
        })
        .collect();
    if warnings.len() > WARNINGS_MAX {
        let more = warnings.len() - (WARNINGS_MAX - 1);
        warnings.truncate(WARNINGS_MAX - 1);
        warnings.push(format!("lazaret: and {more} more images"));
    }
    let mut response = json!({"allowed": denied.is_empty(), "auditAnnotations": annotations(front, &decisions)});
    if !warnings.is_empty() {
        response["warnings"] = json!(warnings);
    }
    if !denied.is_empty() {
        let told: Vec<&str> = denied.iter().take(TOLD_MAX).copied().collect();
        let more = if denied.len() > TOLD_MAX {
            format!("; and {} more images", denied.len() - TOLD_MAX)
        } else {
            String::new()
        };
        response["status"] = status(&format!("{}{more}", told.join("; ")));
    }
    response
}

/// Begins with where and what, so that the end can be cut: the image's name is the longest part, and the reader knows it.
fn warning(field: &str, decision: &Decision) -> String {
    let what = decision.hits.first().map(|hit| {
        let categories: Vec<_> = hit.listed.categories.iter().take(2).map(|category| category.word()).collect();
        format!("{} {}", hit.listed.id, categories.join(", "))
    });
    let what = what.or_else(|| decision.undecided.clone()).unwrap_or_else(|| decision.message.clone());
    let line = format!("lazaret: {field}: {what}");
    text::visible(&text::shortened(&line, WARNING_CHARS_MAX - 1)).chars().take(WARNING_CHARS_MAX).collect()
}

/// Kubernetes puts the webhook's name before each key. Values are ours alone, and the names of images escaped.
fn annotations(front: &Front, decisions: &[(&str, Decision)]) -> Value {
    let effect = decisions.iter().map(|(_, decision)| decision.effect).max().unwrap_or(Effect::Allow);
    let sequence = decisions.iter().map(|(_, decision)| decision.sequence).min();
    let mut annotations = json!({
        "effect": effect.word(),
        "feed-sequence": sequence.unwrap_or_else(|| front.engine().sequence()).to_string(),
    });
    let hits = decisions.iter().flat_map(|(_, decision)| &decision.hits);
    let entries: BTreeSet<_> = hits.map(|hit| hit.listed.id).take(100).collect();
    if !entries.is_empty() {
        let entries: Vec<String> = entries.iter().map(ToString::to_string).collect();
        annotations["entries"] = json!(entries.join(" "));
        let mut told = String::new();
        for (_, decision) in decisions.iter().filter(|(_, decision)| !decision.hits.is_empty()) {
            if told.len() + decision.message.len() + 1 > ANNOTATION_BYTES_MAX {
                break;
            }
            told.push_str(&decision.message);
            told.push('\n');
        }
        annotations["images"] = json!(told.trim_end());
    }
    annotations
}

fn status(message: &str) -> Value {
    json!({"code": 403, "reason": "Forbidden", "message": message})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::testing::{BAD, GOOD, World, ask};

    fn review(operation: &str, object: &Value, old: &Value) -> Value {
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {"uid": "u-1", "operation": operation, "object": object, "oldObject": old},
        })
    }

    fn pod(image: &str) -> Value {
        json!({"kind": "Pod", "spec": {"containers": [{"name": "c", "image": image}]}})
    }

    fn response(world: &World, review: &Value) -> Value {
        let answer = ask(world, "/v1/admit", review);
        assert_eq!(
            (&answer["apiVersion"], &answer["kind"]),
            (&json!("admission.k8s.io/v1"), &json!("AdmissionReview"))
        );
        assert_eq!(answer["response"]["uid"], "u-1");
        answer["response"].clone()
    }

    #[test]
    fn a_listed_image_is_refused_and_another_is_not() {
        let world = World::new("");
        let bad = response(&world, &review("CREATE", &pod(BAD), &Value::Null));
        assert_eq!((&bad["allowed"], &bad["status"]["code"]), (&json!(false), &json!(403)));
        let message = bad["status"]["message"].as_str().expect("a message");
        assert!(message.contains("LZ-2026-1 cryptominer") && !message.contains('\n'), "{message}");
        assert_eq!(bad["auditAnnotations"]["entries"], "LZ-2026-1");
        let good = response(&world, &review("CREATE", &pod(GOOD), &Value::Null));
        assert_eq!(
            good,
            json!({"allowed": true, "uid": "u-1", "auditAnnotations": {"effect": "allow", "feed-sequence": "1"}})
        );
    }

    #[test]
    fn what_ran_before_an_update_may_stay_and_what_is_new_may_not() {
        let world = World::new("");
        let same = response(&world, &review("UPDATE", &pod(BAD), &pod(BAD)));
        assert_eq!((&same["allowed"], &same["auditAnnotations"]["effect"]), (&json!(true), &json!("warn")));
        assert!(same["warnings"][0].as_str().is_some_and(|line| line.contains("LZ-2026-1")), "{same}");
        assert_eq!(response(&world, &review("UPDATE", &pod(BAD), &pod(GOOD)))["allowed"], json!(false));
        let strict = World::new("on_existing = \"deny\"");
        assert_eq!(response(&strict, &review("UPDATE", &pod(BAD), &pod(BAD)))["allowed"], json!(false));
        for operation in ["DELETE", "CONNECT"] {
            assert_eq!(response(&world, &review(operation, &Value::Null, &pod(BAD)))["allowed"], json!(true));
        }
    }

    #[test]
    fn warnings_are_short_and_few() {
        let world = World::new("");
        let name = |number: usize| format!("registry.example.org/{}:{number}\u{202e}", "long/".repeat(40));
        let containers: Vec<Value> = (0..50).map(|number| json!({"image": name(number)})).collect();
        let answer = response(&world, &review("CREATE", &json!({"spec": {"containers": containers}}), &Value::Null));
        let warnings = answer["warnings"].as_array().expect("warnings");
        assert_eq!((answer["allowed"].clone(), warnings.len()), (json!(true), WARNINGS_MAX));
        for line in warnings.iter().filter_map(Value::as_str) {
            assert!(line.chars().count() <= WARNING_CHARS_MAX && !line.contains('\u{202e}'), "{line}");
        }
        assert!(warnings.iter().filter_map(Value::as_str).map(str::len).sum::<usize>() <= 4_096);
    }

    #[test]
    fn many_refusals_stay_one_line() {
        let world = World::new("");
        let containers: Vec<Value> =
            (0..20).map(|number| json!({"image": format!("a{number}@{}", world.bad)})).collect();
        let answer = response(&world, &review("CREATE", &json!({"spec": {"containers": containers}}), &Value::Null));
        let message = answer["status"]["message"].as_str().expect("a message");
        assert!(message.ends_with("and 17 more images") && message.len() < 1_024, "{message}");
        let many: Vec<Value> = (0..IMAGES_MAX + 1).map(|number| json!({"image": format!("a:{number}")})).collect();
        let answer = response(&world, &review("CREATE", &json!({"spec": {"containers": many}}), &Value::Null));
        assert_eq!(answer["allowed"], json!(false));
    }

    #[test]
    fn a_withdrawn_entry_lets_the_image_in_again() {
        let world = World::new("");
        let asked = review("CREATE", &pod(BAD), &Value::Null);
        assert_eq!(response(&world, &asked)["allowed"], json!(false));
        world.publish(2, &[]);
        let after = response(&world, &asked);
        assert_eq!((&after["allowed"], &after["auditAnnotations"]["feed-sequence"]), (&json!(true), &json!("2")));
    }

    /// Kyverno #16336: an annotation that said "verified" was believed.
    #[test]
    fn an_object_cannot_speak_for_itself() {
        let world = World::new("");
        let mut object = pod(BAD);
        let said = json!({"gate.lazaret.dev/effect": "allow", "effect": "allow", "entries": ""});
        object["metadata"] = json!({"annotations": said, "labels": said});
        let mut asked = review("CREATE", &object, &Value::Null);
        asked["request"]["dryRun"] = json!(true);
        asked["response"] = json!({"uid": "u-1", "allowed": true});
        assert_eq!(response(&world, &asked)["allowed"], json!(false));
    }

    #[test]
    fn no_prefix_of_a_review_is_understood_or_panics() {
        let world = World::new("");
        let whole = review("CREATE", &pod(BAD), &Value::Null).to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for cut in (0..whole.len()).filter(|cut| whole.is_char_boundary(*cut)) {
            let body = axum::body::Bytes::copy_from_slice(&whole.as_bytes()[..cut]);
            let answer = runtime.block_on(super::super::answer(
                axum::extract::State(world.front.clone()),
                body,
                Door::Kubernetes,
            ));
            assert_eq!(answer.status(), 400, "{cut}");
        }
    }

    #[test]
    fn what_is_no_review_is_refused() {
        let world = World::new("");
        for wrong in [
            json!({}),
            json!([]),
            json!({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {"uid": "a"}}),
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}),
        ] {
            assert!(ask(&world, "/v1/admit", &wrong)["status_code"] == 400, "{wrong}");
        }
    }
}
