//! Secrets wherever they are, by our rules and by a user's gitleaks file.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use inspect::{Place, RuleFile, RulePack};
use model::{FileKind, HistoryLine, ImageConfig, Location, Observation};

fn own() -> RulePack {
    RulePack::new(Vec::new()).expect("no user rules")
}

fn user(text: &str) -> RulePack {
    RulePack::new(vec![RuleFile { name: "team.toml".to_owned(), text: text.to_owned() }]).expect("it loads")
}

/// An invented GitHub token with a right checksum: an example of our own rule.
fn token() -> String {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules/secrets/forges.toml");
    let text = fs::read_to_string(rules).expect("our rules");
    let after = text.split("id = \"github-token\"").nth(1).expect("the rule");
    let example = after.split("examples = [\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an example");
    let example = String::from_utf8(STANDARD.decode(example).expect("base64")).expect("text");
    let start = example.find("ghp_").expect("a token");
    example[start..start + 40].to_owned()
}

fn kinds(observations: &[Observation]) -> Vec<String> {
    let tokens = observations.iter().filter(|seen| seen.detector == "service-token");
    tokens.map(|seen| seen.indicators[0].value.split(':').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_token_is_found_in_every_kind_of_file() {
    let pack = own();
    let line = format!("export GITHUB_TOKEN={}\n", token());
    let elf = [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 57], b"\0\0", line.as_bytes(), &[0; 200]].concat();
    let wide: Vec<u8> = b"\xff\xfe".iter().copied().chain(line.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let binary = [&[0, 159, 146, 150, 0, 1], line.as_bytes()].concat();
    for (name, bytes) in [("text", line.as_bytes()), ("ELF", &elf), ("UTF-16", &wide), ("binary", &binary)] {
        let facts = pack.inspector().content(bytes);
        assert_eq!(kinds(&facts.observations), ["github-token"], "{name} {:?}", facts.kind);
    }
}

#[test]
fn a_token_is_found_in_every_text_of_a_config() {
    let pack = own();
    let line = |text: String| HistoryLine { created_by: text, ..HistoryLine::default() };
    let config = ImageConfig {
        env: vec!["A=b".to_owned(), format!("GITHUB_TOKEN={}", token())],
        labels: [("ci".to_owned(), token())].into(),
        cmd: vec!["serve".to_owned(), format!("--token={}", token())],
        history: vec![
            line(format!("|1 TOKEN={} /bin/sh -c git clone x", token())),
            line(format!("|2 A=b LOGIN={} /bin/sh -c make # buildkit", token())),
            line(format!("RUN /bin/sh -c curl -H 'Authorization: token {}' x # buildkit", token())),
            line(format!("ARG TOKEN={}", token())),
        ],
        ..ImageConfig::default()
    };
    let findings = pack.config(&config);
    let mut places: Vec<_> = findings
        .iter()
        .filter(|finding| finding.observation.detector == "service-token")
        .map(|finding| match &finding.location {
            Location::Config { field } => field.clone(),
            Location::History { line } => format!("history {line}"),
            other => format!("{other:?}"),
        })
        .collect();
    places.sort();
    let expected =
        ["config.Cmd", "config.Env[1]", "config.Labels[\"ci\"]", "history 0", "history 1", "history 2", "history 3"];
    assert_eq!(places, expected);
}

const TEAM: &str = r#"
title = "team"
[extend]
useDefault = true
disabledRules = ["github-token"]
[allowlist]
stopwords = ["invented"]
[[rules]]
id = "team-key"
description = "Key of the team"
regex = '''(?i)team_key\s*=\s*['"]?([a-z0-9/]{20})\b'''
secretGroup = 1
entropy = 3.0
keywords = ["team_key"]
    [[rules.allowlists]]
    condition = "AND"
    regexTarget = "line"
    regexes = ['''^#''']
    stopwords = ["doc"]
[[rules]]
id = "in-terraform"
regex = '''pass = "([a-z0-9]{12})"'''
path = '''\.tf$'''
[[rules]]
id = "key-store"
path = '''(^|/)[^/]+\.p12$'''
[[rules]]
id = "short"
regex = '''zq[0-9]{9}'''
keywords = ["zq"]
"#;

fn ids(observations: &[Observation]) -> Vec<&str> {
    observations.iter().filter_map(|seen| seen.detector.strip_prefix("secrets:team.")).collect()
}

#[test]
fn a_users_file_means_what_gitleaks_means_by_it() {
    let pack = user(TEAM);
    let look = |bytes: &[u8]| pack.inspector().content(bytes).observations;

    let seen = look(b"x\nteam_key = 'q8zr1m2vx0lw7p3k9t5b'\n");
    assert_eq!(ids(&seen), ["team-key"]);
    assert_eq!((seen[0].summary.as_str(), seen[0].offset), ("rule team-key: q8zr\u{2026}5b", Some(14)));
    assert_eq!(seen[0].title, "Key of the team");
    assert!(ids(&look(b"# team_key = 'q8zr1m2vx0docp3k9t5b'\n")).is_empty(), "both conditions hold");
    assert_eq!(ids(&look(b"# team_key = 'q8zr1m2vx0lw7p3k9t5b'\n")), ["team-key"], "one of two conditions");
    assert!(ids(&look(b"team_key = 'aaaaaaaaaaaaaaaaaaaa'\n")).is_empty(), "no entropy");
    assert!(ids(&look(b"team_key = 'q8zr1invented7p3k9t5'\n")).is_empty(), "a global stopword");
    assert_eq!(ids(&look(b"see zq123456789")), ["short"], "a keyword shorter than the prefilter's literals");
    assert!(kinds(&look(token().as_bytes())).is_empty(), "a rule of ours is switched off");
}

#[test]
fn rules_of_paths_are_asked_in_their_places() {
    let pack = user(TEAM);
    let text = b"pass = \"q8zr1m2vx0lw\"\n";
    let at = |path: &str| {
        let place = Place { path, mode: 0o644, uid: 0, kind: FileKind::Text, size: text.len() as u64 };
        let mut inspector = pack.inspector();
        let mut seen = inspector.content(text).observations;
        seen.extend(inspector.place(&place, text));
        ids(&seen).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(at("srv/main.tf"), ["in-terraform"]);
    assert_eq!(at("srv/main.txt"), [""; 0]);
    assert_eq!(at("srv/a.p12"), ["key-store"]);
}

#[test]
fn what_a_users_file_asks_in_vain_is_told() {
    let pack = user(
        "[extend]\nuseDefault = true\npath = 'base.toml'\ndisabledRules = ['nothing-of-ours']\n[[rules]]\nid = 'a'\n\
         regex = '[0-9a-f]{40}'\n[[rules]]\nid = 'b'\nregex = 'abcd(?=e)'\n[[rules]]\nid = 'c'\nregex = 'abcd'\nsecretGroup = 2\n",
    );
    let notes = pack.notes().join("\n");
    for part in [
        "team.toml: extend names another file",
        "\"nothing-of-ours\" is none of our rules",
        "team.toml:5: rule \"a\": it has no literal of four bytes",
        "team.toml:8: rule \"b\": the regex is wrong: it looks ahead",
        "team.toml:11: rule \"c\": secretGroup 2 is not in the regex, which has 0",
    ] {
        assert!(notes.contains(part), "{part:?} is not in\n{notes}");
    }
}

/// A base of ours with an allowlist more: the base is asked in its changed form only.
#[test]
fn a_rule_of_ours_can_be_changed() {
    let changed = |text: &str| {
        let pack = user(&format!("[extend]\nuseDefault = true\n[[rules]]\nid = 'github-token'\n{text}"));
        let seen = pack.inspector().content(token().as_bytes()).observations;
        (kinds(&seen).len(), ids(&seen).len())
    };
    assert_eq!(changed("description = 'Ours'\n"), (0, 1));
    assert_eq!(changed("[[rules.allowlists]]\nregexes = ['^ghp_']\n"), (0, 0));
}

/// Flooding with a literal costs at most one pass for each rule.
#[test]
fn a_flood_of_literals_is_read_once() {
    let pack = user(TEAM);
    let flood = b"team_key = ".repeat(100_000);
    let facts = pack.inspector().content(&flood);
    assert!(ids(&facts.observations).is_empty());
    assert!(facts.problems.iter().any(|problem| problem.detail.contains("the user's rules")), "{:?}", facts.problems);
}
