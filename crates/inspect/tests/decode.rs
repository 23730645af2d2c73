//! What is encoded in a file is seen, said to be there, and leads on.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use inspect::RulePack;
use model::{FileFacts, FileKind, InsideLevel};

fn look(bytes: &[u8]) -> FileFacts {
    RulePack::new(Vec::new()).expect("no user rules").inspector().content(bytes)
}

/// An invented key of the right shape.
fn aws_key() -> String {
    ["AKIA", "Q7MZ4LHT2XWVN3RB"].concat()
}

#[track_caller]
fn assert_key_at(facts: &FileFacts, path: &str) {
    let found = facts.observations.iter().find(|seen| seen.detector == "cloud-key");
    let inside = found.and_then(|seen| seen.inside.as_ref()).map(|inside| inside.path.as_str());
    assert_eq!(inside, Some(path), "{:#?}", facts.observations);
}

/// The placement of the comparison that most scanners miss, without any code that decodes it.
#[test]
fn a_secret_in_base64_is_found_in_plain_files() {
    let secret = format!("AWS_ACCESS_KEY_ID={}", aws_key());
    let once = STANDARD.encode(&secret);
    assert_key_at(&look(format!("#!/bin/sh\nK={once}\n").as_bytes()), "base64@12");
    assert_key_at(&look(format!("settings:\n  blob: \"{once}\"\n").as_bytes()), "base64@19");
    let twice = STANDARD.encode(&once);
    assert_key_at(&look(format!("#!/bin/sh\nK={twice}\n").as_bytes()), "base64@12!base64@0");
    let bare = STANDARD.encode(format!("{}\n", aws_key()));
    assert_key_at(&look(format!("K=$(echo {bare} | base64 -d)\n").as_bytes()), "base64@9");
}

#[test]
fn a_levels_word_says_how_and_where() {
    let secret = STANDARD.encode(format!("AWS_ACCESS_KEY_ID={}", aws_key()));
    let facts = look(format!("#!/bin/sh\nK={secret}\n").as_bytes());
    let inside = facts.observations.iter().find_map(|seen| seen.inside.clone()).expect("seen inside");
    let levels: Vec<_> = inside.levels().collect();
    assert_eq!(levels, [InsideLevel::Decoded { how: "base64", offset: 12 }]);
}

/// What a script hides leads on like what it says.
#[test]
fn hidden_commands_lead_on() {
    let hidden = STANDARD.encode("#!/bin/sh\nexec /opt/.cache/worker --quiet\n");
    let facts = look(format!("#!/bin/sh\necho {hidden} | base64 -d | sh\n").as_bytes());
    assert!(facts.mentions.iter().any(|path| path == "/opt/.cache/worker"), "{:?}", facts.mentions);
    let facts = look(b"#!/bin/bash\na=/opt/.ca;b=che/wor;exec $a${b}ker # curl\nc''url x\n");
    assert!(facts.mentions.iter().any(|path| path == "/opt/.cache/worker"), "{:?}", facts.mentions);
}

/// A shell runs the lines of a file whatever stands between them.
#[test]
fn control_bytes_hide_no_mention() {
    let script = [&b"\x01\x02\x03\x04\x05\x06\x07\x08"[..], b"\nexec /opt/worker -q\n\x01\x02\x03\x04"].concat();
    let facts = look(&script);
    assert_eq!(facts.kind, FileKind::Binary);
    assert_eq!(facts.mentions, ["/opt/worker"]);
}

/// A bomb in base64 ends at the budget, with a problem.
#[test]
fn a_bomb_in_base64_is_cut() {
    // 64 KiB of zeros are 65 bytes of gzip; a hundred members of it make one text.
    let member = hex::decode(GZIP_OF_64_KIB_OF_ZEROS).expect("hex");
    let members = 2_000;
    let bomb = STANDARD.encode(member.repeat(members));
    let facts = look(format!("x='{bomb}'").as_bytes());
    assert!(facts.problems.iter().any(|problem| problem.kind.hides_content()), "{:?}", facts.problems);
    assert!(facts.problems.iter().all(|problem| problem.place.starts_with("base64@3")), "{:?}", facts.problems);
}

/// The bytes of `head -c 65536 /dev/zero | gzip -n9`.
const GZIP_OF_64_KIB_OF_ZEROS: &str = "1f8b08000000000002ffedc101010000008090feafee080a0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000006aeb8e97d700000100";
