//! What `--format sarif` writes is SARIF 2.1.0 by the word of Microsoft's multitool, also for hostile reports.
//!
//! `make tools` installs it into `target/tools`; set `LAZARET_TOOLS` to use another folder.

use std::{fs, path::PathBuf};

use lazaret::output::{sarif, testing};
use serde_json::Value;

/// The folder that holds `node_modules`.
fn tools() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "tests may be told where tools are")]
    let given = std::env::var("LAZARET_TOOLS").ok();
    given.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/tools"), PathBuf::from)
}

/// Warnings that do not hold here. SARIF2005: the project has no public address to name yet. SARIF2017: a finding that
/// is about a whole file has no region, and the file's length is not part of a report.
const ACCEPTED: &[&str] = &["SARIF2005", "SARIF2017"];

/// What the multitool says about `log`: `rule: level: message`; by default it tells errors and warnings.
#[track_caller]
fn complaints(log: &str) -> Vec<String> {
    let multitool = tools().join("node_modules/.bin/sarif-multitool");
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
    let told = |result: Value| {
        let (rule, level) = (result["ruleId"].clone(), result["level"].clone());
        format!("{rule}: {level}: {} at {}", result["message"], result["locations"][0]["physicalLocation"])
    };
    let accepted = |result: &Value| result["ruleId"].as_str().is_some_and(|rule| ACCEPTED.contains(&rule));
    results.into_iter().filter(|result| !accepted(result)).map(told).collect()
}

#[test]
fn reports_are_valid_sarif() {
    let log = sarif::scan(&testing::rows());
    assert_eq!(complaints(&log), Vec::<String>::new());
}

#[test]
fn hostile_reports_are_valid_sarif() {
    let log = sarif::scan(&testing::poisoned("\x1b[31m\u{202e}{0} [a](b) :?#%/../<script>\u{0}"));
    assert_eq!(complaints(&log), Vec::<String>::new());
}

/// The validator is really asked: a log that is wrong does not pass.
#[test]
fn a_wrong_log_is_refused() {
    let log = sarif::scan(&testing::rows());
    let wrong = log.replace("\"uri\": \"usr/lib", "\"uri\": \"ht!tp://[usr/lib");
    assert_ne!(wrong, log, "the log must be wrong to prove anything");
    assert_ne!(complaints(&wrong), Vec::<String>::new());
}
