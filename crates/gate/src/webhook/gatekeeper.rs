//! Gatekeeper's external data: a batch of names in, a value for each out.
//!
//! A value is an object with `effect`, `message`, `entries` and `sequence`; `error` stays empty, so that a template decides by
//! `effect` alone. Gatekeeper keeps answers for some minutes (`--external-data-provider-response-cache-ttl`): set it to less
//! than the time a withdrawal may take.
//!
//! Source: Gatekeeper documentation, "External Data", ProviderRequest and ProviderResponse (v1beta1).

use serde_json::{Value, json};

use super::{Front, shown, texts};
use crate::metrics::Door;

const VERSIONS: [&str; 2] = ["externaldata.gatekeeper.sh/v1beta1", "externaldata.gatekeeper.sh/v1alpha1"];

/// The answer to a `ProviderRequest`.
///
/// # Errors
///
/// What is wrong with one that cannot be answered.
pub(super) async fn answer(front: &Front, request: &Value) -> Result<Value, String> {
    let version = request.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let version = VERSIONS.into_iter().find(|known| *known == version);
    let version = version.ok_or_else(|| format!("it is no ProviderRequest of {}", VERSIONS[0]))?;
    let keys = match request.pointer("/request/keys") {
        None | Some(Value::Null) => Vec::new(),
        Some(keys) => texts(keys).map_err(|why| format!("request.keys: {why}"))?,
    };
    let decisions = front.decide(Door::Gatekeeper, &keys).await;
    let items = keys.iter().zip(&decisions);
    let items: Vec<Value> =
        items.map(|(key, decision)| json!({"key": key, "value": shown(key, decision), "error": ""})).collect();
    Ok(json!({
        "apiVersion": version,
        "kind": "ProviderResponse",
        "response": {"idempotent": true, "items": items, "systemError": ""},
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::testing::{BAD, GOOD, World, ask};

    #[test]
    fn every_key_gets_its_value() {
        let world = World::new("");
        let request = json!({
            "apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderRequest", "request": {"keys": [BAD, GOOD, BAD]},
        });
        let answer = ask(&world, "/v1/gatekeeper", &request);
        assert_eq!((&answer["kind"], &answer["response"]["systemError"]), (&json!("ProviderResponse"), &json!("")));
        let items = answer["response"]["items"].as_array().expect("items");
        let effects: Vec<_> = items.iter().map(|item| (item["key"].clone(), item["value"]["effect"].clone())).collect();
        assert_eq!(effects, [BAD, GOOD, BAD].map(|key| (json!(key), json!(if key == BAD { "deny" } else { "allow" }))));
        assert_eq!(items[0]["value"]["entries"], json!(["LZ-2026-1"]));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let world = World::new("");
        let keys = |keys: Value| json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "request": {"keys": keys}});
        for wrong in [json!({}), keys(json!("a")), keys(json!([1])), keys(json!(vec!["a"; 1_001]))] {
            assert!(ask(&world, "/v1/gatekeeper", &wrong)["status_code"] == 400, "{wrong}");
        }
        assert_eq!(ask(&world, "/v1/gatekeeper", &keys(Value::Null))["response"]["items"], json!([]));
    }
}
