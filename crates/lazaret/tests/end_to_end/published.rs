//! What a hunt found is published and explained from the catalog alone.

use std::collections::{BTreeMap, BTreeSet};

use harbour::{Harbour, ImageParts, Script};
use serde_json::Value;

use crate::support::{Home, Layer, MINER, file, image};

#[test]
fn digests_of_the_malicious_image_are_listed_and_explained_offline() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    let base = Layer::gzip(&[file("etc/motd", b"welcome\n")]);
    let bad = Layer::gzip(&[file("opt/start", MINER)]);
    let honest = harbour.push_parts("app", "", &image(&[&base]));
    let arm = ImageParts { platform: "linux/arm64".to_owned(), ..image(&[&base, &bad]) };
    let malicious = harbour.push_parts("app", "", &arm);
    let index = harbour.push_index("app", "v1", &[honest.clone(), malicious.clone()]);
    let hunt = home.hunt(&harbour, &[]);
    assert_eq!(hunt.code, 1, "{hunt:?}");
    let reference = format!("{}/app:v1", harbour.host());
    drop(harbour);

    let lines = home.run(&["feed", "export", "--quiet"]);
    assert_eq!((lines.code, lines.stderr.as_str()), (0, ""));
    let entries: Vec<Value> =
        lines.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let roles: BTreeMap<_, _> = entries.iter().map(|entry| (text(&entry["digest"]), text(&entry["role"]))).collect();
    for (digest, role) in [
        (&index, "index"),
        (&malicious.manifest, "manifest"),
        (&malicious.config, "config"),
        (&bad.digest(), "layer"),
        (&harbour::digest_of(MINER), "file"),
    ] {
        assert_eq!(roles.get(digest).map(String::as_str), Some(role), "{roles:?}");
    }
    for digest in [&base.digest(), &honest.manifest, &honest.config] {
        assert!(!roles.contains_key(digest), "{digest} is honest: {roles:?}");
    }
    for entry in &entries {
        assert_eq!(entry["categories"], serde_json::json!(["cryptominer"]), "{entry}");
        assert!(entry["evidence"].as_array().is_some_and(|ids| !ids.is_empty()), "{entry}");
    }

    let plain = home.run(&["feed", "export", "--quiet", "--format", "plain"]);
    let listed: Vec<_> = plain.stdout.lines().collect();
    assert!(listed.is_sorted(), "{listed:?}");
    let without_algorithm = |digest: &String| digest.trim_start_matches("sha256:").to_owned();
    let images_and_layers = roles.iter().filter(|(_, role)| *role != "file");
    let expected: BTreeSet<_> = images_and_layers.map(|(digest, _)| without_algorithm(digest)).collect();
    assert_eq!(
        listed.iter().map(|line| line.trim_start_matches("sha256:").to_owned()).collect::<BTreeSet<_>>(),
        expected
    );

    // The registry is gone: everything comes from the catalog.
    for digest in [&index, &malicious.manifest, &malicious.config, &bad.digest()] {
        let ended = home.run(&["explain", "--quiet", digest]);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{digest}");
        for part in ["MALICIOUS", "Invented miner", "opt/start", &reference, &malicious.manifest] {
            assert!(ended.stdout.contains(part), "{part} in {}", ended.stdout);
        }
        let evidence =
            entries.iter().find(|entry| text(&entry["digest"]) == *digest).map(|entry| &entry["evidence"][0]);
        assert!(evidence.is_some_and(|id| ended.stdout.contains(&text(id))), "{evidence:?}");
    }
    let shared = home.run(&["explain", "--quiet", "--format", "json", &base.digest()]);
    assert_eq!(shared.results().len(), 2, "both images have the base layer");
    let unknown = format!("sha256:{}", "0".repeat(64));
    home.run(&["explain", &unknown]).refused(3, &[&unknown, "catalog", "scan"]);
}
