//! `inventory`: what ran where and since when, also what went before it was listed.

use std::fs;

use crate::{
    listed_feed::{listed, write_feed},
    support::{Ended, Home},
};

fn pods(running: &[(&str, &str)]) -> String {
    let pods: Vec<_> = running
        .iter()
        .map(|(name, digest)| {
            serde_json::json!({
                "kind": "Pod", "apiVersion": "v1", "metadata": { "name": name, "namespace": "shop" },
                "spec": { "containers": [{ "name": "app", "image": format!("reg.example/{name}:1") }] },
                "status": { "containerStatuses": [{ "name": "app", "imageID": format!("reg.example/{name}@{digest}"),
                    "state": { "running": { "startedAt": "2026-01-02T03:04:05Z" } } }] },
            })
        })
        .collect();
    serde_json::json!({ "kind": "List", "apiVersion": "v1", "items": pods }).to_string()
}

fn inventory(home: &Home, arguments: &[&str]) -> Ended {
    home.run(
        &[&["inventory", "--quiet", "--feed", "feed", "--history", "history.jsonl", "--host", "lab"], arguments]
            .concat(),
    )
}

#[test]
fn an_entry_says_where_its_image_ran_before_it_was_listed() {
    let home = Home::new();
    let (bad, good) = (harbour::digest_of(b"bad"), harbour::digest_of(b"good"));
    let feed = home.path().join("feed");
    let look = |running: &[(&str, &str)], format: &str| {
        fs::write(home.path().join("pods.json"), pods(running)).expect("writes");
        inventory(&home, &["--kubernetes", "pods.json", "--format", format])
    };
    write_feed(&feed, 1, &[]);
    let before = look(&[("web", &bad), ("db", &good)], "table");
    assert_eq!((before.code, before.stderr.as_str()), (0, ""), "{before:?}");
    assert!(before.stdout.contains("2 images here, 2 running: 0 denied"), "{}", before.stdout);

    // It is listed while it runs.
    write_feed(&feed, 2, &[(bad.as_str(), listed(17, feed::Role::Manifest))]);
    let told = look(&[("web", &bad), ("db", &good)], "json");
    assert_eq!(told.code, 1, "{told:?}");
    assert_eq!(told.json()["newly_listed"][0]["entry"], "LZ-2026-17");
    assert_eq!(told.json()["images"][0]["places"][0]["began"], "2026-01-02T03:04:05Z");
    let again = look(&[("web", &bad), ("db", &good)], "json");
    assert_eq!(again.json()["newly_listed"].as_array().map(Vec::len), Some(0), "told once");
    for (format, part) in [("policy-report", "\"PolicyReport\""), ("openmetrics", "entry=\"LZ-2026-17\"")] {
        let ended = look(&[("web", &bad)], format);
        assert!(ended.code == 1 && ended.stdout.contains(part), "{format}: {ended:?}");
    }

    // It is gone: nothing here is denied, and the history still answers.
    let gone = look(&[("db", &good)], "table");
    assert!(gone.code == 0 && gone.stdout.contains("ran on kubernetes lab, pod shop/web"), "{gone:?}");
    for wanted in ["LZ-2026-17", &bad] {
        let ended = inventory(&home, &["--where", wanted]);
        assert!(ended.stdout.contains("reg.example/web:1") && !ended.stdout.contains("reg.example/db"), "{ended:?}");
    }

    // It is withdrawn: told once, and the entry still finds where it ran.
    write_feed(&feed, 3, &[]);
    let cleared = look(&[("db", &good)], "table");
    assert!(cleared.stdout.contains("no longer listed: LZ-2026-17"), "{cleared:?}");
    assert!(inventory(&home, &["--where", "LZ-2026-17"]).stdout.contains("reg.example/web:1"));
    inventory(&home, &["--where", "web"]).refused(2, &["LZ-YEAR-NUMBER"]);
    inventory(&home, &["--docker", "/nowhere.sock"]).refused(3, &["/nowhere.sock"]);
}
