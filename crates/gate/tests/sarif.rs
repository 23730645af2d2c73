//! What `gate check --format sarif` writes is SARIF 2.1.0 by the word of Microsoft's multitool, also for hostile names.
//!
//! `make tools` installs it into `target/tools`; set `LAZARET_TOOLS` to use another folder.

use std::{fs, path::PathBuf};

use feed::{Channel, EntryId, List, Role, shard::Listed};
use gate::{
    Engine, Policy,
    inputs::{self, File, Kind},
    report::{Checked, FORMATS, Row},
};
use model::{Category, Confidence, Digest, Severity};
use serde_json::Value;

/// Warnings that do not hold here. SARIF2005: the project has no public address to name yet. SARIF2017: a name of an image has a line but
/// no length. SARIF2004, SARIF2014: results are few, and each message is the gate's own line.
const ACCEPTED: &[&str] = &["SARIF2005", "SARIF2017", "SARIF2004", "SARIF2014"];

/// The report on a compose file that names a listed image, an unknown one, and `name`.
fn log(name: &str) -> String {
    let bad = Digest::of(b"bad");
    let listed = Listed {
        id: EntryId { year: 2026, number: 17 },
        role: Role::Manifest,
        list: List::Block,
        channel: Channel::Stable,
        categories: vec![Category::Cryptominer],
        severity: Severity::Critical,
        confidence: Confidence::Certain,
    };
    let engine = Engine::test(&[(bad, listed)], Policy::default(), 1_000);
    let quoted = serde_json::to_string(name).expect("text");
    let text =
        format!("services:\n  a: {{image: \"b@{bad}\"}}\n  c: {{image: nginx}}\n  {quoted}: {{image: {quoted}}}\n");
    let files = vec![File { path: Some("deploy/ü/compose.yaml".into()), kind: Kind::Any }];
    let mut asked = inputs::read(files, &inputs::Options::default(), &mut |_| Ok(text.clone())).expect("opens");
    asked.push(inputs::ask_name(&bad.to_string()).expect("a digest"));
    inputs::resolve(&mut asked, None);
    let rows: Vec<Row> =
        asked.into_iter().map(|asked| Row { decision: engine.decide(&asked.subject, 1_000), asked }).collect();
    assert_eq!(rows.iter().filter(|row| row.matters()).count(), 4, "{rows:#?}");
    let format = FORMATS.iter().find(|format| format.name == "sarif").expect("is one");
    (format.write)(&Checked { rows: &rows, sequence: 1, age_s: 0, verbose: false })
}

/// What the multitool says about `log`: `rule: level: message`; by default it tells errors and warnings.
#[track_caller]
fn complaints(log: &str) -> Vec<String> {
    #[expect(clippy::disallowed_methods, reason = "tests may be told where tools are")]
    let given = std::env::var("LAZARET_TOOLS").ok();
    let tools =
        given.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/tools"), PathBuf::from);
    let multitool = tools.join("node_modules/.bin/sarif-multitool");
    assert!(multitool.is_file(), "{} is missing: run `make tools`", multitool.display());
    // The multitool overlooks hidden folders.
    let folder = tempfile::Builder::new().prefix("sarif").tempdir().expect("a folder");
    let (input, output) = (folder.path().join("log.sarif"), folder.path().join("answer.sarif"));
    fs::write(&input, log).expect("writes");
    #[expect(clippy::disallowed_methods, reason = "runs the real peer")]
    let run = std::process::Command::new(&multitool)
        .arg("validate")
        .arg(&input)
        .args(["--log", "ForceOverwrite", "--output"])
        .arg(&output)
        .output()
        .expect("the multitool starts");
    let answer = fs::read_to_string(&output);
    let answer = answer.unwrap_or_else(|_| panic!("no answer: {}", String::from_utf8_lossy(&run.stdout)));
    let answer: Value = serde_json::from_str(answer.trim_start_matches('\u{feff}')).expect("the answer is JSON");
    let results = answer.pointer("/runs/0/results").and_then(Value::as_array).cloned().unwrap_or_default();
    let accepted = |result: &Value| result["ruleId"].as_str().is_some_and(|rule| ACCEPTED.contains(&rule));
    let told = |result: Value| {
        let (rule, level) = (result["ruleId"].clone(), result["level"].clone());
        format!("{rule}: {level}: {} at {}", result["message"], result["locations"][0]["physicalLocation"])
    };
    results.into_iter().filter(|result| !accepted(result)).map(told).collect()
}

#[test]
fn a_check_is_valid_sarif_also_with_hostile_names() {
    assert_eq!(complaints(&log("quay.io/a/b:1")), Vec::<String>::new());
    assert_eq!(complaints(&log("\x1b[31m\u{202e}{0} [a](b) :?#%/../<script>")), Vec::<String>::new());
}

/// The validator is really asked: a log that is wrong does not pass.
#[test]
fn a_wrong_log_is_refused() {
    let right = log("quay.io/a/b:1");
    let wrong = right.replace("\"uri\": \"deploy/", "\"uri\": \"ht!tp://[deploy/");
    assert_ne!(wrong, right, "the log must be wrong to prove anything");
    assert_ne!(complaints(&wrong), Vec::<String>::new());
}
