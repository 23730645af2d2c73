//! The built binary: what it says and how it ends.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

/// The binary in an empty world: no home, no environment but a path.
fn lazaret(home: &Path) -> Command {
    #[expect(clippy::disallowed_methods, reason = "runs the built binary")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_lazaret"));
    command.env_clear().env("HOME", home).current_dir(home).stdin(Stdio::null());
    command
}

struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("was not killed"),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

/// Runs in an empty home with `arguments`, split at spaces.
fn run(arguments: &str) -> Ended {
    let home = tempfile::tempdir().expect("a folder");
    lazaret(home.path()).args(arguments.split_whitespace()).output().expect("starts").into()
}

/// One line on standard error, nothing on standard output.
#[track_caller]
fn refused(ended: &Ended, code: i32, part: &str) {
    assert_eq!(ended.code, code, "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.starts_with("lazaret: ") && ended.stderr.contains(part), "{}", ended.stderr);
}

#[test]
fn malformed_commands_end_with_2() {
    for arguments in [
        "",
        "scan",
        "sacn nginx",
        "scan --format pdf nginx",
        "scan --fail-on undetermined nginx",
        "scan --workers 0 nginx",
        "scan --platform linux nginx",
        "scan --store a --no-store nginx",
        "hunt",
        "hunt --registry ftp://x",
        "hunt --registry localhost:1 --since yesterday",
        "hunt --registry localhost:1 --format sarif",
        "explain sha256:12",
        "feed export --format csv",
        "completions cmd.exe",
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, 2, "{arguments}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{arguments}");
        assert!(!ended.stderr.is_empty(), "{arguments}");
    }
}

#[test]
fn malformed_references_end_with_2_before_anything_is_scanned() {
    refused(&run("scan --no-store Upper/Case"), 2, "is not an image reference");
    refused(&run("scan --no-store docker-archive:- docker-archive:-"), 2, "name docker-archive:- once");
}

#[test]
fn help_and_version_go_to_standard_output() {
    for arguments in ["--help", "--version", "scan --help", "hunt --help", "explain --help", "feed export --help"] {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{arguments}");
        assert!(ended.stdout.contains("lazaret"), "{arguments}");
    }
    let help = run("--help").stdout;
    for code in [0, 1, 2, 3, 70, 74, 130] {
        assert!(help.contains(&format!("  {code} ")), "exit code {code} is documented");
    }
}

#[test]
fn the_help_reads_as_shown() {
    insta::assert_snapshot!(run("scan --help").stdout);
}

#[test]
fn completions_and_manual_are_written() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = run(&format!("completions {shell}"));
        assert_eq!(ended.code, 0);
        assert!(ended.stdout.contains("lazaret") && ended.stdout.contains("explain"), "{shell}");
    }
    let page = run("man");
    assert!(page.code == 0 && page.stdout.contains(".TH") && page.stdout.contains("Exit codes"), "{}", page.stdout);
    let home = tempfile::tempdir().expect("a folder");
    let ended: Ended = lazaret(home.path()).args(["man", "--output", "pages"]).output().expect("starts").into();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    for page in ["lazaret.1", "lazaret-scan.1", "lazaret-feed-export.1"] {
        assert!(home.path().join("pages").join(page).is_file(), "{page}");
    }
}

#[test]
fn a_wrong_configuration_file_names_file_and_key() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join(".config/lazaret");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("config.toml"), "[hunt]\ntags_max = 3\n").expect("writes");
    let digest = "0".repeat(64);
    let ended: Ended = lazaret(home.path()).args(["explain", &digest]).output().expect("starts").into();
    refused(&ended, 2, ".config/lazaret/config.toml, line 2: unknown field `tags_max`");
    refused(&run(&format!("explain --config nowhere.toml {digest}")), 2, "nowhere.toml");
}

/// Which catalog is opened shows what counted: each of the four is a file, so that opening it fails and names it.
#[test]
fn flag_before_environment_before_file_before_default() {
    let home = tempfile::tempdir().expect("a folder");
    for folder in [".config/lazaret", ".local/share"] {
        fs::create_dir_all(home.path().join(folder)).expect("a folder");
    }
    for name in ["by-flag", "by-env", ".config/lazaret/by-file", ".local/share/lazaret"] {
        fs::write(home.path().join(name), "not a folder").expect("writes");
    }
    let explain = |flag: bool, env: bool| -> Ended {
        let mut command = lazaret(home.path());
        command.args(["explain", &"0".repeat(64)]);
        if flag {
            command.args(["--store", "by-flag"]);
        }
        if env {
            command.env("LAZARET_STORE", "by-env");
        }
        command.output().expect("starts").into()
    };
    refused(&explain(false, false), 70, ".local/share/lazaret");
    fs::write(home.path().join(".config/lazaret/config.toml"), "store = \"by-file\"").expect("writes");
    refused(&explain(false, false), 70, ".config/lazaret/by-file");
    refused(&explain(false, true), 70, "by-env");
    refused(&explain(true, true), 70, "by-flag");
}

#[test]
fn an_output_that_cannot_be_written_ends_with_74_before_the_work() {
    refused(&run("scan --no-store --output /nowhere/report.json nginx"), 74, "/nowhere/report.json");
}

#[test]
fn rules_that_are_wrong_end_with_2() {
    refused(&run("scan --no-store --rules /nowhere/x.yar nginx"), 2, "/nowhere/x.yar");
}

#[test]
fn every_detector_is_listed() {
    let ended = run("detectors");
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let all = inspect::catalogue().len() + behaviour::catalogue().len();
    assert_eq!(ended.stdout.lines().count(), 1 + all);
    assert!(run("detectors --category backdoor reverse-shell").stdout.contains("- Misses:"));
    let json: serde_json::Value = serde_json::from_str(&run("detectors --format json").stdout).expect("JSON");
    assert_eq!(json["detectors"].as_array().map(Vec::len), Some(all));
    refused(&run("detectors no-such"), 2, "no-such");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let home = tempfile::tempdir().expect("a folder");
    let mut child = lazaret(home.path())
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let ended: Ended = child.wait_with_output().expect("ends").into();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}
