//! What is listed, and what an attacker cannot get listed.

use model::{Category, Digest, Disposition, Finding, Inside, Location, Maturity, ScanReport};
use serde_json::Value;

use crate::{
    images::{digest, finding, miner, report, sign},
    json_lines_of, plain_of,
};

/// Checks which of the named digests are listed, as what, in the order of `named`. Every listed digest must be named.
#[track_caller]
fn check(reports: &[ScanReport], named: &[(Digest, &str)]) {
    let text = json_lines_of(reports);
    let mut listed: Vec<(String, String)> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|entry| (entry["digest"].to_string(), entry["role"].as_str().expect("role").to_owned()))
        .collect();
    let mut expected: Vec<_> =
        named.iter().map(|(digest, role)| (format!("\"{digest}\""), (*role).to_owned())).collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
}

/// What a malicious image named `name` lists in any case.
fn image(name: &str) -> Vec<(Digest, &'static str)> {
    vec![(digest("index"), "index"), (digest(name), "manifest"), (digest(&format!("{name} config")), "config")]
}

/// As [`image`], and what is in it.
fn image_and(name: &str, more: &[(Digest, &'static str)]) -> Vec<(Digest, &'static str)> {
    [&image(name)[..], more].concat()
}

fn bad(layers: &[Digest], findings: Vec<Finding>) -> ScanReport {
    report("bad", Disposition::Malicious, layers, findings)
}

/// Backdoor signs of two detectors; the one for the key is not run, but works by lying there.
fn planted_key(key_layer: Digest, server_layer: Digest) -> ScanReport {
    let mut key = sign("planted-ssh-key", Category::Backdoor, key_layer, "authorized_keys");
    key.runs = false;
    key.observation.techniques = vec!["T1098.004".to_owned()];
    let server = sign("server", Category::Backdoor, server_layer, "start.sh");
    bad(&[digest("base"), key_layer, server_layer], vec![key, server])
}

#[test]
fn a_miner_is_listed_from_the_index_to_the_file() {
    let layer = digest("payload");
    check(&[miner("bad", layer)], &image_and("bad", &[(layer, "layer"), (digest("bad miner"), "file")]));
}

#[test]
fn only_malicious_images_are_listed() {
    for disposition in Disposition::ALL.iter().filter(|disposition| **disposition != Disposition::Malicious) {
        let mut report = miner("image", digest("payload"));
        report.verdict.disposition = *disposition;
        check(&[report], &[]);
    }
}

#[test]
fn neither_layer_nor_file_of_a_clean_image_is_listed() {
    let layer = digest("base");
    check(&[miner("bad", layer), report("good", Disposition::Clean, &[layer], vec![])], &image("bad"));
}

/// The same tar, packed again by the attacker, is another blob.
#[test]
fn a_clean_images_layer_is_known_by_its_diff_id() {
    let mut packed_again = miner("bad", digest("packed again"));
    let good = report("good", Disposition::Clean, &[digest("base")], vec![]);
    packed_again.image.layers[0].diff_id = good.image.layers[0].diff_id;
    check(&[packed_again, good], &image("bad"));
}

#[test]
fn a_file_of_a_clean_image_is_not_listed() {
    let (layer, elsewhere) = (digest("payload"), digest("elsewhere"));
    let mut harmless = finding(Category::Cryptominer, elsewhere, "bad miner");
    harmless.observation.weight = model::Weight::Fact;
    let good = report("good", Disposition::Clean, &[elsewhere], vec![harmless]);
    check(&[miner("bad", layer), good], &image_and("bad", &[(layer, "layer")]));
}

#[test]
fn a_layer_that_a_doubtful_image_has_too_is_listed_by_a_proof_alone() {
    let layer = digest("payload");
    let signs = || {
        let by = |detector| sign(detector, Category::Cryptominer, layer, "start.sh");
        bad(&[layer], vec![by("one"), by("two")])
    };
    check(&[signs()], &image_and("bad", &[(layer, "layer")]));
    for disposition in [Disposition::Risky, Disposition::Suspicious, Disposition::Undetermined] {
        let doubtful = || report("doubtful", disposition, &[layer], vec![]);
        check(&[signs(), doubtful()], &image("bad"));
        let proven = image_and("bad", &[(layer, "layer"), (digest("bad miner"), "file")]);
        check(&[miner("bad", layer), doubtful()], &proven);
    }
}

#[test]
fn a_layer_is_not_listed_for_one_sign_or_for_drafts() {
    let layer = digest("layer");
    let own = || vec![(digest("payload"), "layer"), (digest("bad miner"), "file")];
    let with = |finding: Finding| {
        let mut report = miner("bad", digest("payload"));
        report.image.layers.extend(bad(&[layer], vec![]).image.layers);
        report.verdict.categories.insert(finding.observation.category);
        report.findings.push(finding);
        report
    };
    check(&[with(sign("pool", Category::Cryptominer, layer, "list"))], &image_and("bad", &own()));
    let mut draft = finding(Category::Cryptominer, layer, "list");
    draft.observation.maturity = Maturity::Draft;
    check(&[with(draft)], &image_and("bad", &own()));
    check(&[with(finding(Category::HackingTool, layer, "scanner"))], &image_and("bad", &own()));
}

/// A collection of exploits is suspicious; who builds a miner on it must not get it listed.
#[test]
fn a_backdoor_that_is_not_run_does_not_list_its_layer() {
    let (tools, payload) = (digest("tools"), digest("payload"));
    let image_with = |backdoor: Finding| {
        let mut report = miner("bad", payload);
        report.image.layers.extend(bad(&[tools], vec![]).image.layers);
        report.verdict.categories.insert(Category::Backdoor);
        report.findings.push(backdoor);
        report
    };
    let own = [(payload, "layer"), (digest("bad miner"), "file")];
    let mut backdoor = finding(Category::Backdoor, tools, "shell");
    let run = image_and("bad", &[&own[..], &[(tools, "layer"), (digest("shell"), "file")]].concat());
    check(&[image_with(backdoor.clone())], &run);

    backdoor.runs = false;
    check(&[image_with(backdoor.clone())], &image_and("bad", &own));
    backdoor.runs = true;
    if let Location::File { hidden, .. } = &mut backdoor.location {
        *hidden = true;
    }
    check(&[image_with(backdoor)], &image_and("bad", &own));
}

#[test]
fn the_config_of_another_image_is_not_listed() {
    let layer = digest("payload");
    let (mut thief, honest) = (miner("bad", layer), report("good", Disposition::Clean, &[digest("base")], vec![]));
    thief.image.config = honest.image.config;
    let rest =
        [(digest("index"), "index"), (digest("bad"), "manifest"), (layer, "layer"), (digest("bad miner"), "file")];
    check(&[thief.clone(), honest.clone()], &rest);

    thief.image.config_pins_layers = false;
    check(&[thief.clone(), honest], &rest);
    check(&[thief.clone()], &rest);
    assert!(!plain_of(&[thief.clone()]).contains(&thief.image.config.to_string()));
}

/// An attacker who pushes a clean image with the config of his bad one keeps nothing off the list.
#[test]
fn a_config_that_pins_nothing_vouches_for_nothing() {
    let layer = digest("payload");
    let (thief, mut decoy) = (miner("bad", layer), report("decoy", Disposition::Clean, &[digest("base")], vec![]));
    decoy.image.config = thief.image.config;
    decoy.image.config_pins_layers = false;
    check(&[thief, decoy], &image_and("bad", &[(layer, "layer"), (digest("bad miner"), "file")]));
}

#[test]
fn the_config_is_the_subject_of_a_docker_archive() {
    let layer = digest("payload");
    let mut archive = miner("bad", layer);
    archive.image.reference = "docker-archive:/home/somebody/bad.tar".to_owned();
    (archive.image.index, archive.image.manifest) = (None, None);
    let file = (digest("bad miner"), "file");
    check(&[archive.clone()], &[(digest("bad config"), "config"), (layer, "layer"), file]);

    let text = json_lines_of(&[archive.clone()]);
    assert!(!text.contains("somebody"), "a path of this machine is not published: {text}");
    let entry = |role: &str| -> Value {
        let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        entries.into_iter().find(|entry| entry["role"] == role).expect(role)
    };
    assert_eq!(entry("layer")["parents"], serde_json::json!([digest("bad config")]));
    assert_eq!(entry("config")["children"], serde_json::json!([layer]));

    archive.image.config_pins_layers = false;
    check(&[archive], &[(layer, "layer"), file]);
}

#[test]
fn empty_layers_and_empty_files_are_never_listed() {
    let empty = [
        "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
        "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4",
        "sha256:4f4fb700ef54461cfa02571ae0db9a0dc1e0cdb5577484a6d75e68dc38e8acc1",
    ];
    for text in empty {
        check(&[miner("bad", text.parse().expect("digest"))], &image("bad"));
    }
    let mut packed_otherwise = miner("bad", digest("empty, packed otherwise"));
    packed_otherwise.image.layers[0].diff_id = empty[0].parse().ok();
    check(&[packed_otherwise], &image("bad"));

    let layer = digest("payload");
    let named_by_place = bad(&[layer], vec![finding(Category::Cryptominer, layer, "")]);
    check(&[named_by_place], &image_and("bad", &[(layer, "layer")]));
}

#[test]
fn a_planted_key_lists_a_layer_only_with_its_second_sign() {
    let (key, server) = (digest("key"), digest("server"));
    check(&[planted_key(key, server)], &image("bad"));
    check(&[planted_key(key, key)], &image_and("bad", &[(key, "layer")]));
}

#[test]
fn of_an_archive_the_innermost_file_is_listed_too() {
    let layer = digest("payload");
    let mut packed = miner("bad", layer);
    packed.findings[0].observation.inside = Some(Inside { path: "xm".to_owned(), sha256: digest("innermost") });
    let more = [(layer, "layer"), (digest("bad miner"), "file"), (digest("innermost"), "file")];
    check(&[packed], &image_and("bad", &more));
}
