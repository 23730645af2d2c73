//! The crates may call each other only along the edges that DESIGN.md allows.

use std::collections::BTreeSet;

use serde_json::Value;

/// Who may call whom. A new edge is a decision: it belongs here and in ARCHITECTURE.md.
const ALLOWED: &[(&str, &[&str])] = &[
    ("behaviour", &["model"]),
    ("feed", &["model", "store"]),
    // Knows what is listed, and resolves names.
    ("gate", &["feed", "model", "registry"]),
    ("harbour", &[]),
    ("hunt", &["behaviour", "inspect", "layer", "model", "registry", "sandbox", "store", "verdict"]),
    ("inspect", &["layer", "model"]),
    ("layer", &["model"]),
    // The binary makes what the pipeline is handed: rules, catalog, registry options and ceilings.
    ("lazaret", &["behaviour", "feed", "gate", "hunt", "inspect", "layer", "model", "registry", "sandbox", "store"]),
    ("model", &[]),
    ("probes", &[]),
    ("registry", &["layer", "model"]),
    ("sandbox", &["layer", "model", "probes"]),
    ("standins", &[]),
    ("store", &["model"]),
    ("verdict", &["model"]),
];

/// What tests may call besides.
const ALLOWED_IN_TESTS: &[&str] = &["harbour", "standins"];

#[test]
fn crates_call_each_other_only_along_allowed_edges() {
    #[expect(clippy::disallowed_methods, reason = "asks cargo about the workspace")]
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: BTreeSet<_> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    assert!(ours.contains("lazaret") && ours.len() > 5, "{ours:?}");

    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let allowed = ALLOWED.iter().find(|(known, _)| *known == name).map(|(_, to)| *to);
        let Some(allowed) = allowed else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let to = dependency["name"].as_str().expect("a name");
            let in_tests = dependency["kind"] == "dev" && ALLOWED_IN_TESTS.contains(&to);
            if ours.contains(to) && !allowed.contains(&to) && !in_tests {
                wrong.push(format!("{name} -> {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that DESIGN.md does not allow: {wrong:#?}");
}
