//! Small images, an empty home, and the binary run in it.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use flate2::{Compression, write::GzEncoder};
use harbour::{Harbour, ImageParts, Server, digest_of};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Found by [`RULES`].
pub(crate) const MINER: &[u8] = b"#!/bin/sh\n# invented-miner-4711\n";
/// Makes an image that holds [`MINER`] malicious whatever our own detectors think of it.
pub(crate) const RULES: &str = r#"rule invented_miner {
    meta: description = "Invented miner" category = "cryptominer" weight = "proof"
          severity = "critical" confidence = "high" maturity = "stable"
    strings: $a = "invented-miner-4711"
    condition: $a
}"#;
/// Found by the detector `miner-config`.
pub(crate) const MINER_CONFIG: &[u8] = include_bytes!("../../../../corpus/miner-config/hits/config.json");
/// Found by the detector `download-and-run`.
pub(crate) const DROPPER: &[u8] = include_bytes!("../../../../corpus/download-and-run/hits/hidden-place.sh");

/// One member of a tar archive: header, content, padding. Nothing is checked: names may be hostile.
pub(crate) fn member(kind: u8, path: &[u8], link: &[u8], content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::new(kind));
    let fields = header.as_old_mut();
    fields.name[..path.len()].copy_from_slice(path);
    fields.linkname[..link.len()].copy_from_slice(link);
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// A regular file.
pub(crate) fn file(path: &str, content: &[u8]) -> Vec<u8> {
    member(b'0', path.as_bytes(), b"", content)
}

/// A whole archive.
pub(crate) fn tar_of(members: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = members.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// A layer blob and the digest of what it unpacks to.
#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) blob: Vec<u8>,
    pub(crate) diff_id: String,
}

impl Layer {
    pub(crate) fn gzip(members: &[Vec<u8>]) -> Self {
        let tar = tar_of(members);
        Self { blob: gzip(&tar), diff_id: digest_of(&tar) }
    }

    pub(crate) fn zstd(members: &[Vec<u8>]) -> Self {
        let tar = tar_of(members);
        Self { blob: zstd::encode_all(&tar[..], 3).expect("into memory"), diff_id: digest_of(&tar) }
    }

    pub(crate) fn plain(members: &[Vec<u8>]) -> Self {
        let blob = tar_of(members);
        Self { diff_id: digest_of(&blob), blob }
    }

    /// As it is, for broken layers.
    pub(crate) fn raw(blob: Vec<u8>) -> Self {
        Self { diff_id: digest_of(&blob), blob }
    }

    pub(crate) fn digest(&self) -> String {
        digest_of(&self.blob)
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("into memory");
    encoder.finish().expect("into memory")
}

/// An image that runs `/opt/start`.
pub(crate) fn image(layers: &[&Layer]) -> ImageParts {
    ImageParts {
        config: json!({ "Cmd": ["/opt/start"] }),
        diff_ids: layers.iter().map(|layer| layer.diff_id.clone()).collect(),
        layers: layers.iter().map(|layer| layer.blob.clone()).collect(),
        ..ImageParts::default()
    }
}

/// An image of one gzip layer with one file.
pub(crate) fn image_of(path: &str, content: &[u8]) -> ImageParts {
    image(&[&Layer::gzip(&[file(path, content)])])
}

/// Digests of blobs asked of a registry or its CDN since `from` (a number of requests).
pub(crate) fn blobs_asked(harbour: &Harbour, from: usize) -> Vec<String> {
    let requests = harbour.requests();
    let blobs = requests.iter().skip(from).filter(|request| {
        request.method == "GET" && (request.path.contains("/blobs/") || request.server == Server::Cdn)
    });
    blobs.filter_map(|request| request.path.rsplit('/').next()).map(str::to_owned).collect()
}

/// How the binary ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        let code = output.status.code().unwrap_or_else(|| panic!("was killed: {stderr}"));
        Self { code, stdout: String::from_utf8(output.stdout).expect("UTF-8"), stderr }
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The entries of a scan's or hunt's JSON.
    #[track_caller]
    pub(crate) fn results(&self) -> Vec<Value> {
        self.json()["results"].as_array().expect("results").clone()
    }

    /// The only entry.
    #[track_caller]
    pub(crate) fn result(&self) -> Value {
        let results = self.results();
        assert_eq!(results.len(), 1, "{self:?}");
        results.into_iter().next().unwrap_or_default()
    }

    /// One line on standard error that holds all `parts`, and this exit code.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} in {}", self.stderr);
        }
    }
}

/// A home of its own for the binary, with nothing in it but [`RULES`] and, once scanned, a catalog.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("rules.yar"), RULES).expect("writes");
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where something is to be put.
    pub(crate) fn join(&self, name: &str) -> String {
        self.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    /// In an empty environment; nothing on standard input.
    pub(crate) fn lazaret(&self, arguments: &[&str]) -> Command {
        self.command(env!("CARGO_BIN_EXE_lazaret"), arguments)
    }

    /// A peer, or a shell that runs the binary.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        #[expect(clippy::disallowed_methods, reason = "runs the built binary and real peers")]
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", self.path()).current_dir(self.path()).stdin(Stdio::null()).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.lazaret(arguments).output().expect("starts").into()
    }

    /// `scan --format json` with our rules.
    pub(crate) fn scan(&self, arguments: &[&str]) -> Ended {
        self.run(&[&["scan", "--quiet", "--format", "json", "--rules", "rules.yar"], arguments].concat())
    }

    /// `hunt --format json` with our rules, one image after the other.
    pub(crate) fn hunt(&self, harbour: &Harbour, arguments: &[&str]) -> Ended {
        self.hunt_command(harbour, arguments).output().expect("starts").into()
    }

    pub(crate) fn hunt_command(&self, harbour: &Harbour, arguments: &[&str]) -> Command {
        let fixed = ["hunt", "--quiet", "--format", "json", "--rules", "rules.yar", "--at-once", "1"];
        self.lazaret(&[&fixed, &["--registry", harbour.url()][..], arguments].concat())
    }

    /// Runs a peer that must do well.
    #[track_caller]
    pub(crate) fn peer(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program, arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{program} must be installed: {error}"));
        assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Copies an image as it is, between any two places that `skopeo` knows.
    #[track_caller]
    pub(crate) fn skopeo(&self, more: &[&str], from: &str, to: &str) {
        let fixed = ["--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"];
        self.peer("skopeo", &[&fixed, more, &[from, to]].concat());
    }
}

/// Ends a process that a test started when the test ends.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What was found, without what depends on the place: layers of another compression have another digest.
pub(crate) fn essence(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap_or_else(|| panic!("a report, not {report}"));
    let essence = findings.iter().map(|finding| {
        let location = &finding["location"];
        json!([
            finding["detector"],
            finding["summary"],
            finding["offset"],
            finding["runs"],
            location["kind"],
            location["path"],
            location["sha256"],
            location["hidden"],
            location["field"],
        ])
        .to_string()
    });
    let mut essence: Vec<_> = essence.collect();
    essence.push(report["verdict"]["disposition"].to_string());
    essence.sort();
    essence
}

/// The finding of this detector at this path.
pub(crate) fn finding<'r>(report: &'r Value, detector: &str, path: &str) -> Option<&'r Value> {
    let findings = report["findings"].as_array()?;
    findings.iter().find(|finding| finding["detector"] == detector && finding["location"]["path"] == path)
}

/// The words for what was not looked at.
pub(crate) fn problem_kinds(report: &Value) -> Vec<String> {
    let problems = report["problems"].as_array().unwrap_or_else(|| panic!("a report, not {report}"));
    problems.iter().filter_map(|problem| problem["kind"].as_str()).map(str::to_owned).collect()
}
