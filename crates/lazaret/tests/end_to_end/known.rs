//! An image that says it is another is told from it by what the operator vouches for.

use harbour::{Harbour, ImageParts, Script};
use serde_json::{Value, json};

use crate::support::{Ended, Home, Layer, MINER, RULES, file, finding, image};

/// A server that looks like one people know, on a base that others have too.
struct World {
    home: Home,
    harbour: Harbour,
    base: Layer,
    server: Layer,
}

fn world() -> World {
    let base = Layer::gzip(&[file("etc/os-release", b"ID=debian\n"), file("bin/sh", b"#!invented shell\n")]);
    let server = Layer::gzip(&[
        file("usr/sbin/nginx", b"#!/bin/sh\n# an invented web server\n"),
        file("etc/nginx/nginx.conf", b"worker_processes 1;\n"),
        file("etc/nginx/mime.types", b"types { }\n"),
        file("usr/share/nginx/html/index.html", b"welcome\n"),
        file("usr/lib/nginx/tool.sh", TOOL),
        file("usr/lib/nginx/fastcgi.conf", b"fastcgi_param A b;\n"),
    ]);
    let harbour = Harbour::start(Script::default());
    harbour.push_parts("library/nginx", "1", &started("/usr/sbin/nginx", &[&base, &server]));
    let home = Home::new();
    std::fs::write(home.join("rules.yar"), format!("{RULES}\n{SIGN}")).expect("writes");
    World { home, harbour, base, server }
}

/// Found by [`SIGN`].
const TOOL: &[u8] = b"#!/bin/sh\n# invented-tool-0815\n";
/// Takes [`TOOL`] for a sign of a backdoor.
const SIGN: &str = r#"rule invented_tool {
    meta: description = "Invented tool" category = "backdoor" weight = "sign"
          severity = "high" confidence = "high" maturity = "stable"
    strings: $a = "invented-tool-0815"
    condition: $a
}"#;

fn started(command: &str, layers: &[&Layer]) -> ImageParts {
    ImageParts { config: json!({ "Cmd": [command] }), ..image(layers) }
}

impl World {
    fn name(&self, repository: &str) -> String {
        format!("{}/{repository}", self.harbour.host())
    }

    fn known(&self, arguments: &[&str]) -> Ended {
        self.home.run(&[&["known"], arguments].concat())
    }

    fn scan(&self, repository: &str) -> Value {
        self.home.scan(&[&self.name(repository)]).result()
    }
}

#[track_caller]
fn check(report: &Value, disposition: &str, impersonates: bool) {
    let findings = report["findings"].as_array().expect("findings");
    let found = findings.iter().any(|finding| finding["detector"] == "missing-ancestry");
    assert_eq!((&report["verdict"]["disposition"], found), (&json!(disposition), impersonates), "{report:#}");
}

#[test]
fn an_image_that_is_not_what_it_says_is_suspicious_and_with_a_miner_malicious() {
    let world = world();
    let payload =
        Layer::gzip(&[file("opt/start", b"#!/bin/sh\nsleep 1\n"), file("usr/share/doc/nginx/README", b"a decoy\n")]);
    let miner = Layer::gzip(&[file("opt/start", MINER), file("usr/share/doc/nginx/README", b"a decoy\n")]);
    let own = Layer::gzip(&[file("srv/page.html", b"mine\n")]);
    world.harbour.push_parts("evil/nqinx", "1", &image(&[&world.base, &payload]));
    world.harbour.push_parts("evil/nginx", "1", &image(&[&world.base, &miner]));
    world.harbour.push_parts("alice/nginx", "1", &started("/usr/sbin/nginx", &[&world.base, &world.server, &own]));
    world.harbour.push_parts("acme/app", "1", &image(&[&world.base, &payload]));
    check(&world.scan("evil/nqinx:1"), "clean", false);

    let added = world.known(&["add", &world.name("library/nginx:1")]);
    assert_eq!(added.code, 0, "{added:?}");

    // The same image was judged before: what is known counts, not what is remembered.
    let report = world.scan("evil/nqinx:1");
    check(&report, "suspicious", true);
    let reason = report["verdict"]["reasons"][0]["text"].as_str().unwrap_or_default();
    assert!(reason.contains("impersonation"), "{report:#}");
    let report = world.scan("evil/nginx:1");
    check(&report, "malicious", true);
    assert_eq!(report["verdict"]["concealment"], "concealed", "{report:#}");
    check(&world.scan("alice/nginx:1"), "clean", false);
    // The very image that evil/nqinx is, under a name that claims nothing.
    check(&world.scan("acme/app:1"), "clean", false);
    check(&world.scan("library/nginx:1"), "clean", false);
}

#[test]
fn a_layout_claims_what_it_says_it_is_and_its_folder_claims_nothing() {
    let world = world();
    let payload = Layer::gzip(&[file("opt/start", b"#!/bin/sh\nsleep 1\n")]);
    world.harbour.push_parts("x/y", "1", &image(&[&world.base, &payload]));
    assert_eq!(world.known(&["add", &world.name("library/nginx:1")]).code, 0);
    world.home.skopeo(&[], &format!("docker://{}", world.name("x/y:1")), "oci:nginx:nginx");
    let scan = || world.home.scan(&["oci:nginx:nginx"]).result();
    check(&scan(), "clean", false);

    let index = world.home.path().join("nginx/index.json");
    let text = std::fs::read_to_string(&index).expect("an index");
    let mut json: Value = serde_json::from_str(&text).expect("JSON");
    json["manifests"][0]["annotations"]["io.containerd.image.name"] = json!("docker.io/evil/nqinx:1");
    std::fs::write(&index, json.to_string()).expect("writes");
    let rescan = world.home.scan(&["--rescan", "oci:nginx:nginx"]).result();
    check(&rescan, "suspicious", true);

    world.home.skopeo(&[], &format!("docker://{}", world.name("x/y:1")), "docker-archive:a.tar:evil/nginx:1");
    check(&world.home.scan(&["docker-archive:a.tar"]).result(), "suspicious", true);
}

#[test]
fn signs_on_known_good_files_are_facts_and_known_good_layers_are_never_listed() {
    let world = world();
    // A copy of one of its files elsewhere, and the very layer in an image that mines.
    let copy = Layer::gzip(&[file("opt/start", TOOL)]);
    world.harbour.push_parts("acme/copy", "1", &image(&[&copy]));
    let seen = |report: &Value| finding(report, "yara:rules.invented_tool", "opt/start").expect("is seen").clone();
    let before = world.scan("acme/copy:1");
    check(&before, "suspicious", false);
    assert_eq!(seen(&before)["weight"], "sign");

    let nginx = world.name("library/nginx:1");
    let refused = world.known(&["add", "--rules", "rules.yar", &nginx]);
    assert!(refused.code == 1 && refused.stderr.contains("suspicious"), "{refused:?}");
    assert_eq!(world.known(&["add", "--rules", "rules.yar", "--force", &nginx]).code, 0);
    let after = world.scan("acme/copy:1");
    check(&after, "clean", false);
    assert_eq!(seen(&after)["weight"], "fact");
    assert!(seen(&after)["summary"].as_str().is_some_and(|text| text.contains("known-good")), "{after:#}");

    let miner = Layer::gzip(&[file("opt/start", MINER)]);
    world.harbour.push_parts("acme/miner", "1", &image(&[&miner]));
    check(&world.scan("acme/miner:1"), "malicious", false);
    let feed = || world.home.run(&["feed", "export", "--quiet"]).stdout;
    let listed = |digest: &str| feed().contains(&format!("\"digest\":\"{digest}\""));
    assert!(listed(&miner.digest()), "{}", feed());
    // Whoever vouches for it by force takes its layer out of the feed.
    let refused = world.known(&["add", "--rules", "rules.yar", "--as", "tool", &world.name("acme/miner:1")]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("malicious") && refused.stderr.contains("--force"), "{refused:?}");
    assert_eq!(
        world.known(&["add", "--rules", "rules.yar", "--force", "--as", "tool", &world.name("acme/miner:1")]).code,
        0
    );
    assert!(!listed(&miner.digest()), "{}", feed());
}

#[test]
fn a_set_is_listed_shared_and_removed() {
    let world = world();
    assert_eq!(world.known(&["add", &world.name("library/nginx:1")]).code, 0);
    let list = world.known(&["list"]).stdout;
    assert!(list.starts_with("nginx ") && list.contains("library/nginx:1") && list.lines().count() == 1, "{list}");
    assert_eq!(world.known(&["export", "set.jsonl"]).code, 0);
    assert_eq!(world.known(&["remove", "nginx"]).code, 0);
    assert_eq!(world.known(&["list"]).stdout, "");
    world.known(&["remove", "--quiet", "nginx"]).refused(3, &["nginx"]);

    let set = world.home.path().join("set.jsonl");
    let text = std::fs::read_to_string(&set).expect("the set");
    assert!(text.starts_with(r#"{"schema":"lazaret.known/1","name":"nginx""#), "{text}");
    assert_eq!(world.known(&["import", "set.jsonl"]).code, 0);
    assert_eq!(world.known(&["list"]).stdout, list);
    assert_eq!(world.known(&["export"]).stdout, text);

    std::fs::write(&set, format!("nonsense\n{text}")).expect("writes");
    world.known(&["import", "--quiet", "set.jsonl"]).refused(2, &["set.jsonl:1:"]);
    world.known(&["add", "--quiet", "--no-store", &world.name("library/nginx:1")]).refused(2, &["--no-store"]);
    world.known(&["add", "--quiet", "oci:somewhere"]).refused(2, &["--as NAME"]);
}
