//! Hunting a registry: what is walked, what one broken image costs, what a hunt that was killed leaves behind.

use std::{process::Stdio, time::Duration};

use harbour::{Act, Fault, Harbour, ImageParts, Script};
use serde_json::Value;

use crate::support::{Ended, Home, Layer, MINER, Running, blobs_asked, essence, file, image, image_of};

/// Each row by its name: what was found, or that it failed.
fn rows(ended: &Ended) -> Vec<(String, Vec<String>)> {
    let row = |entry: Value| {
        let reference = entry.pointer("/image/reference").or(entry.get("reference"));
        let reference = reference.and_then(Value::as_str).unwrap_or_else(|| panic!("a name in {entry}")).to_owned();
        let said = if entry["error"].is_null() { essence(&entry) } else { vec!["failed".to_owned()] };
        (reference, said)
    };
    let mut rows: Vec<_> = ended.results().into_iter().map(row).collect();
    rows.sort();
    rows
}

fn names(ended: &Ended, harbour: &Harbour) -> Vec<String> {
    let short = |name: String| name.trim_start_matches(&format!("{}/", harbour.host())).to_owned();
    rows(ended).into_iter().map(|(name, _)| short(name)).collect()
}

#[test]
fn catalogue_and_tags_are_walked_through_their_pages() {
    let home = Home::new();
    let harbour = Harbour::start(Script { page_max: Some(1), ..Script::default() });
    for (repository, tag) in
        [("team-a/x", "1"), ("team-a/x", "2"), ("team-a/x", "3"), ("team-a/x", "latest"), ("team-b/y", "1"), ("z", "1")]
    {
        harbour.push_parts(repository, tag, &image_of("opt/start", format!("{repository}:{tag}").as_bytes()));
    }
    let walked = |arguments: &[&str]| names(&home.hunt(&harbour, arguments), &harbour);

    let all = ["team-a/x:1", "team-a/x:2", "team-a/x:3", "team-a/x:latest", "team-b/y:1", "z:1"];
    assert_eq!(walked(&[]), all);
    assert_eq!(walked(&["--tags-max", "2"]), ["team-a/x:3", "team-a/x:latest", "team-b/y:1", "z:1"]);
    assert_eq!(walked(&["--repository", "team-*/y", "--repository", "z"]), ["team-b/y:1", "z:1"]);
    assert_eq!(walked(&["--repository", "team-?/x", "--tags-max", "1"]), ["team-a/x:latest"]);
    let asked = harbour.requests().len();
    assert_eq!(walked(&["--repository", "z"]), ["z:1"]);
    assert!(!harbour.requests()[asked..].iter().any(|request| request.path.contains("_catalog")), "none is needed");
}

#[test]
fn all_platforms_are_hunted_and_older_images_are_left_out() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    let platforms = ["linux/amd64", "linux/arm64"].map(|platform| {
        let parts = image_of("opt/start", platform.as_bytes());
        harbour.push_parts("both", "", &ImageParts { platform: platform.to_owned(), ..parts })
    });
    harbour.push_index("both", "v1", &platforms);
    for (name, created) in [("old", Some("2020-05-05T00:00:00Z")), ("new", Some("2026-05-05T00:00:00Z"))] {
        let parts = image_of("opt/start", name.as_bytes());
        harbour.push_parts(name, "v1", &ImageParts { created: created.map(str::to_owned), ..parts });
    }
    assert_eq!(names(&home.hunt(&harbour, &[]), &harbour), ["both:v1", "both:v1", "new:v1", "old:v1"]);
    // In a home that knows nothing, and in one that knows all of them.
    for home in [&Home::new(), &home] {
        let since = home.hunt(&harbour, &["--since", "2025-01-01"]);
        assert_eq!(names(&since, &harbour), ["both:v1", "both:v1", "new:v1"]);
        let arm = home.hunt(&harbour, &["--platform", "linux/arm64", "--repository", "both"]);
        assert_eq!(names(&arm, &harbour), ["both:v1"]);
        assert_eq!(arm.result()["image"]["platform"]["architecture"], "arm64");
    }
}

#[test]
fn one_broken_image_costs_its_own_row_only() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    let shared = Layer::gzip(&[file("etc/motd", b"welcome\n")]);
    for name in ["aaa", "zzz"] {
        let own = Layer::gzip(&[file("opt/start", name.as_bytes())]);
        harbour.push_parts(name, "v1", &image(&[&shared, &own]));
    }
    let good = rows(&home.hunt(&harbour, &[]));
    assert_eq!(good.len(), 2);

    let flipped = harbour.push_parts("flipped", "v1", &image_of("opt/start", b"flipped"));
    harbour.add_fault(Fault::always(&format!("/v2/flipped/blobs/{}", flipped.layers[0]), Act::Flip));
    let missing = harbour.push_parts("missing", "v1", &image_of("opt/start", b"missing"));
    harbour.add_fault(Fault::always(&format!("/v2/missing/blobs/{}", missing.layers[0]), Act::status(404)));
    let config = harbour.push_parts("no-config", "v1", &image_of("opt/start", b"no config"));
    harbour.add_fault(Fault::always(&format!("/v2/no-config/blobs/{}", config.config), Act::status(404)));
    let whole = harbour.push_parts("cut", "whole", &image_of("opt/start", b"cut")).manifest_bytes;
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    harbour.push_manifest("cut", "whole", media_type, &whole[..whole.len() / 2]);
    let home = Home::new();
    let ended = home.hunt(&harbour, &[]);

    assert_eq!(ended.code, 3, "{ended:?}");
    let broken = rows(&ended);
    let of = |name: &str| broken.iter().find(|(row, _)| row.contains(&format!("/{name}:"))).map(|(_, said)| said);
    for row in &good {
        assert!(broken.contains(row), "{row:?} in {broken:?}");
    }
    for name in ["flipped", "missing"] {
        assert_eq!(of(name).map(|said| said[0].as_str()), Some("\"undetermined\""), "{broken:?}");
    }
    for name in ["no-config", "cut"] {
        assert_eq!(of(name).map(|said| said[0].as_str()), Some("failed"), "{broken:?}");
    }
    assert_eq!(broken.len(), 6);

    // What was mended is read at the next hunt; a broken layer was not remembered as it came.
    harbour.clear_faults();
    let mended = rows(&home.hunt(&harbour, &[]));
    assert!(mended.iter().filter(|(_, said)| said[0].contains("clean")).count() == 5, "{mended:?}");
}

/// A platform whose config is gone stands before the malicious one: it must not keep it from being looked at.
#[test]
fn a_broken_platform_hides_no_other() {
    let harbour = Harbour::start(Script::default());
    let platforms = [("linux/amd64", &b"harmless"[..]), ("linux/arm64", MINER)].map(|(platform, content)| {
        let parts = image_of("opt/start", content);
        harbour.push_parts("both", "", &ImageParts { platform: platform.to_owned(), ..parts })
    });
    harbour.push_index("both", "v1", &platforms);
    harbour.add_fault(Fault::always(&format!("/v2/both/blobs/{}", platforms[0].config), Act::status(404)));
    let place = format!("{}/both:v1", harbour.host());
    let home = Home::new();
    for ended in [home.hunt(&harbour, &[]), home.hunt(&harbour, &[]), home.scan(&["--platform", "all", &place])] {
        assert_eq!(ended.code, 1, "{ended:?}");
        let said: Vec<_> = rows(&ended).into_iter().map(|(_, said)| said[0].clone()).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said.contains(&"\"malicious\"".to_owned()) && said.contains(&"failed".to_owned()), "{said:?}");
    }
}

/// Three images, of which the second comes so slowly that a hunt can be ended in its middle.
fn slow_harbour() -> (Harbour, String) {
    let harbour = Harbour::start(Script::default());
    let mut layers = Vec::new();
    for (name, content) in [("aaa", MINER), ("bbb", b"harmless"), ("ccc", b"harmless too")] {
        let shared = Layer::gzip(&[file("etc/motd", b"welcome\n")]);
        let own = Layer::gzip(&[file("opt/start", content)]);
        layers.push(own.digest());
        harbour.push_parts(name, "v1", &image(&[&shared, &own]));
    }
    let slow = Act::Slow { piece_bytes: 1, pause: Duration::from_secs(1) };
    harbour.add_fault(Fault::always(&format!("/v2/bbb/blobs/{}", layers[1]), slow));
    (harbour, layers[1].clone())
}

/// Waits until the blob was asked for.
fn wait_for(harbour: &Harbour, digest: &str) {
    for _ in 0..600 {
        if blobs_asked(harbour, 0).iter().any(|asked| asked == digest) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the hunt never came to the slow image");
}

#[test]
fn a_hunt_that_was_killed_goes_on_where_it_stopped() {
    let (harbour, slow) = slow_harbour();
    let home = Home::new();
    let mut command = home.hunt_command(&harbour, &[]);
    let mut hunt = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts"));
    wait_for(&harbour, &slow);
    hunt.0.kill().expect("runs still");
    hunt.0.wait().expect("ends");

    harbour.clear_faults();
    let asked = harbour.requests().len();
    let ended = home.hunt(&harbour, &[]);

    let later = harbour.requests().split_off(asked);
    assert!(later.iter().all(|request| !request.path.contains("/aaa/manifests/")), "it was done: {later:?}");
    assert_eq!(blobs_asked(&harbour, asked).len(), 4, "two configs, and the layers of their own");
    assert_eq!(ended.code, 1, "what was found before counts: {ended:?}");
    let undisturbed = Home::new().hunt(&harbour, &[]);
    assert_eq!(rows(&ended), rows(&undisturbed));
    assert_eq!(rows(&ended).len(), 3);
}

#[test]
fn an_interrupted_hunt_ends_with_130_and_keeps_what_is_done() {
    let (harbour, slow) = slow_harbour();
    let home = Home::new();
    let mut command = home.hunt_command(&harbour, &[]);
    let hunt = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    wait_for(&harbour, &slow);
    home.peer("kill", &["-INT", &hunt.id().to_string()]);
    let ended: Ended = hunt.wait_with_output().expect("ends").into();

    ended.refused(130, &["stopped", "run again"]);
    let export = home.run(&["feed", "export", "--quiet", "--format", "plain"]);
    assert_eq!(export.code, 0, "{export:?}");
    assert!(export.stdout.lines().count() >= 3, "the first image is recorded: {export:?}");
    harbour.clear_faults();
    assert_eq!(rows(&home.hunt(&harbour, &[])), rows(&Home::new().hunt(&harbour, &[])));
}

#[test]
fn two_hunts_share_one_catalog() {
    let harbour = Harbour::start(Script::default());
    for number in 0..12 {
        let content = if number == 5 { MINER.to_vec() } else { format!("harmless {number}").into_bytes() };
        harbour.push_parts(&format!("image-{number}"), "v1", &image_of("opt/start", &content));
    }
    let home = Home::new();
    let start = || {
        let mut command = home.hunt_command(&harbour, &[]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
    };
    let hunts = [start(), start()];
    let undisturbed = rows(&Home::new().hunt(&harbour, &[]));
    assert_eq!(undisturbed.len(), 12);
    for hunt in hunts {
        let ended: Ended = hunt.wait_with_output().expect("ends").into();
        assert_eq!((ended.code, ended.stderr.as_str()), (1, ""));
        assert_eq!(rows(&ended), undisturbed);
    }
}
