//! A MISP warning list of what must never be blocked, `misp-warninglist/list.json`: official and verified images, popular base layers,
//! the known-good set. A MISP that has it warns whoever is about to export such a digest.
//!
//! Its version is the day it was written, as in MISP's own lists. Source: MISP/misp-warninglists, `schema.json`.

use std::io;

use serde_json::json;

use super::{Form, Sink, State, text::line};
use crate::date::rfc3339;

pub(super) const FORM: Form = Form {
    name: "misp-warninglist",
    title: "A MISP warning list of digests that must never be blocked",
    path: "misp-warninglist/",
    files,
};

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    let day: u64 = rfc3339(state.now)[..10].replace('-', "").parse().unwrap_or(0);
    let mut digests: Vec<_> = state.never.iter().map(model::Digest::hex).collect();
    digests.sort_unstable();
    digests.dedup();
    let list = json!({
        "name": format!("Container images and layers that must never be blocked ({})", line(state.name)),
        "version": day,
        "description": "SHA-256 digests of official and verified container images, of popular base layers and of empty layers: blocking one would stop honest workloads",
        "type": "string",
        "matching_attributes": ["sha256", "filename|sha256", "malware-sample"],
        "list": digests,
    });
    let mut bytes = serde_json::to_vec_pretty(&list).expect("text into memory");
    bytes.push(b'\n');
    out.file("misp-warninglist/list.json", bytes)
}
