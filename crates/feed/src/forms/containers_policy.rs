//! A signature policy for podman, skopeo, buildah and CRI-O that rejects listed images by name and digest:
//! `containers-policy/policy.json`, to be merged into `/etc/containers/policy.json`.
//!
//! Its scopes are full references, so it stops a pull by digest under a name that the image was seen under, and nothing else; a pull by
//! tag, or under another name, passes: `lazaret gate proxy` stops those. What it does not name it accepts, as a host without a policy of
//! its own does. Source: containers-policy.json(5), "docker:".

use std::io;

use serde_json::{Map, Value, json};

use super::{Form, Sink, State, registries_conf::plain_references, surely_blocked};

pub(super) const FORM: Form = Form {
    name: "containers-policy",
    title: "A containers policy.json that rejects listed digests, for podman, skopeo, buildah and CRI-O",
    path: "containers-policy/",
    files,
};

/// Most references: the file is read whole for each pull.
const REFERENCES_MAX: usize = 50_000;

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    let path = "containers-policy/policy.json";
    if out.keep(path, "")? {
        return Ok(());
    }
    let mut scopes = Map::new();
    for entry in surely_blocked(state.entries) {
        for image in plain_references(entry).take(REFERENCES_MAX - scopes.len()) {
            scopes.insert(format!("{}@{}", image.name(), entry.digest), json!([{ "type": "reject" }]));
        }
    }
    scopes.sort_keys();
    let policy = json!({
        "default": [{ "type": "insecureAcceptAnything" }],
        "transports": { "docker": Value::Object(scopes) },
    });
    let mut bytes = serde_json::to_vec_pretty(&policy).expect("text into memory");
    bytes.push(b'\n');
    out.file(path, bytes)
}
