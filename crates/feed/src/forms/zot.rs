//! Conditions for zot's access control that refuse listed digests: `zot/config.json`, a part of zot's configuration.
//!
//! zot grants what a policy entry allows if all its conditions hold; the message of the one that fails is told to the client. Its
//! `req.digest` is set only where the request names a digest, so a pull by tag alone passes this registry: put `lazaret gate proxy` in
//! front of it. `defaultPolicy` and `anonymousPolicy` take no conditions. Source: zot, `examples/README.md`, "Conditional access on
//! policies".

use std::io;

use serde_json::{Value, json};

use super::{Form, Sink, State, chunks, surely_blocked, text::line};

pub(super) const FORM: Form =
    Form { name: "zot", title: "Conditions for the registry zot that refuse listed digests", path: "zot/", files };

/// Digests in one expression.
const DIGESTS_MAX: usize = 500;

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    let path = "zot/config.json";
    if out.keep(path, "")? {
        return Ok(());
    }
    let listed = surely_blocked(state.entries);
    let message = format!("listed as malicious by {} ({})", line(state.name), line(state.base_url));
    let mut conditions = Vec::new();
    for prefix in chunks::prefixes(&listed, DIGESTS_MAX) {
        let digests: Vec<Value> =
            surely_blocked(state.with_prefix(&prefix)).iter().map(|entry| entry.digest.to_string().into()).collect();
        conditions
            .push(json!({ "expression": format!("!(req.digest in {})", Value::from(digests)), "message": message }));
    }
    let policy = json!({ "users": ["put your users here"], "actions": ["read"], "conditions": conditions });
    let config = json!({ "http": { "accessControl": { "repositories": { "**": { "policies": [policy] } } } } });
    let mut bytes = serde_json::to_vec_pretty(&config).expect("text into memory");
    bytes.push(b'\n');
    out.file(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[test]
    fn every_sure_digest_is_in_one_condition() {
        let world = World::of(6_000);
        let written: Value = serde_json::from_str(&world.write().text("zot/config.json")).expect("JSON");
        let conditions = written["http"]["accessControl"]["repositories"]["**"]["policies"][0]["conditions"].clone();
        let conditions = conditions.as_array().expect("a list");
        assert!(conditions.len() > 1);
        for entry in surely_blocked(&world.entries) {
            let digest = entry.digest.to_string();
            let holds =
                |condition: &&Value| condition["expression"].as_str().is_some_and(|text| text.contains(&digest));
            assert_eq!(conditions.iter().filter(holds).count(), 1);
        }
    }
}
