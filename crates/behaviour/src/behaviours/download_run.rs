//! Sees a program or script that was downloaded and then run.
//!
//! Known again by its content, by who wrote the file that was run, or by the pipe from the downloader to the shell.
//!
//! - Sees: a downloaded file run, also after copying, renaming, unpacking or decoding; `curl … | sh`; `sh -c "$(curl …)"`, by the text
//!   itself; downloads by a program's own code, where the answer was a program or a script.
//! - Misses: what a program keeps in memory and interprets itself; libraries that are loaded.
//! - False alarms: package managers (excused); installers of well-known vendors and release pages, over TLS (a fact, a draft sign).
//! - Source: ATT&CK T1105, T1059.004.

use std::collections::HashSet;

use model::{Category, Confidence, Digest, Indicator, Maturity, Severity, Stream, Weight, What};

use crate::{
    About, Behaviour, Judge, Match, indicators, lists::is_under, programs::Program, provenance::Provenance,
    story::Story,
};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "download-run",
        title: "Runs what it downloaded",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1105", "T1059.004"],
    },
    judge: Judge::Run(judge),
};

/// Installers that their vendors tell everybody to pipe into a shell.
const VENDORS: &[&str] = &[
    "get.docker.com",
    "sh.rustup.rs",
    "static.rust-lang.org",
    "deb.nodesource.com",
    "rpm.nodesource.com",
    "install.python-poetry.org",
    "astral.sh",
    "get.k3s.io",
    "bun.sh",
    "deno.land",
    "get.pnpm.io",
    "get.helm.sh",
    "dl.k8s.io",
    "packages.microsoft.com",
    "aka.ms",
    "dl.google.com",
    "go.dev",
    "nodejs.org",
    "python.org",
    "bootstrap.pypa.io",
    "releases.hashicorp.com",
    "repo.anaconda.com",
    "sdk.cloud.google.com",
    "awscli.amazonaws.com",
    "get.sdkman.io",
    "cli.github.com",
    "repo.maven.apache.org",
    "services.gradle.org",
    "registry.npmjs.org",
    "files.pythonhosted.org",
    "pypi.org",
    "rubygems.org",
    "crates.io",
    "static.crates.io",
    "dot.net",
    "dotnetcli.azureedge.net",
    "archive.apache.org",
    "dlcdn.apache.org",
    "downloads.apache.org",
];
/// Where everybody publishes releases, the honest and others.
const RELEASES: &[&str] = &["github.com", "githubusercontent.com", "gitlab.com", "storage.googleapis.com"];
/// Most files whose history is asked.
const FILES_MAX: usize = 512;

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found = Vec::new();
    let mut asked: HashSet<&str> = HashSet::new();
    for program in story.programs() {
        if let Some((request, how)) = source(story, &program, &mut asked) {
            found.extend(told(story, &program, request, how));
        }
    }
    // A file that was run, known by its content alone.
    for file in story.trace.end.files.iter().filter(|file| file.executed) {
        if asked.contains(file.path.as_str()) {
            continue;
        }
        if let Some(request) = story.answer(&file.sha256)
            && !is_package(story, request)
        {
            let urls = url_of(story, request);
            found.push(
                Match::new(
                    request,
                    format!("ran {}, byte for byte what {} answered", file.path, shown(story, request)),
                )
                .with(urls)
                .sure(Confidence::Certain),
            );
        }
    }
    found.extend(interpreted(story));
    let mut seen = HashSet::new();
    found.retain(|one| seen.insert(one.summary.clone()));
    found
}

/// An interpreter that fetched source of its own language and wrote it nowhere: it has no other use for it.
fn interpreted(story: &Story<'_>) -> Vec<Match> {
    const LANGUAGES: &[(&str, &[&str])] = &[
        ("python", &["py"]),
        ("perl", &["pl", "pm"]),
        ("ruby", &["rb"]),
        ("php", &["php", "phps"]),
        ("lua", &["lua"]),
    ];
    let mut found = Vec::new();
    for (at, event) in story.events() {
        let What::Http { url, content, status: 200, method, .. } = &event.what else { continue };
        if content != "script" || method != "GET" {
            continue;
        }
        let (Some(life), Some(program)) = (story.life_at(at), story.program(at)) else { continue };
        let path = url.split(['?', '#']).next().unwrap_or(url);
        let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
        let own = LANGUAGES.iter().any(|(tool, endings)| program.is(&[tool]) && endings.contains(&ending));
        let name = crate::programs::base(path);
        let of = story.life(life);
        let saved = of.is_some_and(|of| {
            of.installs
                || of.writes.iter().rev().take(256).any(|write| match story.what(*write) {
                    Some(What::Open { path, .. } | What::Write { path, .. }) => path.ends_with(name),
                    _ => false,
                })
        });
        if own && !saved && found.len() < 8 {
            let told = format!("{} fetches source of its own language, {}", program.tool(), shown(story, at));
            found.push(Match::new(at, told).sign().with(url_of(story, at)));
        }
    }
    found
}

/// The request that what this program runs came from, and how it came.
fn source<'a>(story: &Story<'a>, program: &Program<'a>, asked: &mut HashSet<&'a str>) -> Option<(usize, &'static str)> {
    let life = story.life_at(program.at)?;
    let script = program.script().and_then(|script| story.written_path(script));
    let own = (program.written || story.was_made(program.path, program.at)).then_some(program.path);
    for path in [own, script].into_iter().flatten() {
        if asked.len() < FILES_MAX
            && asked.insert(path)
            && let Provenance::Fetched(request) = story.provenance(path)
        {
            return Some((request, "from"));
        }
    }
    if let Some(text) = program.inline() {
        let whole = Digest::of(text.as_bytes());
        let line = Digest::of(format!("{text}\n").as_bytes());
        if let Some(request) = story.answer(&whole).or_else(|| story.answer(&line)) {
            return Some((request, "with the text of"));
        }
    }
    if program.obeys_input() {
        for other in story.piped_from(life) {
            // A netcat with a pipe on both sides is part of a ring: see `reverse-shell-opened`.
            let downloads = story.own_programs(other).any(|program| {
                program.is_downloader()
                    && !program.installs()
                    && !(program.is_netcat() && program.input == Some(Stream::Pipe))
            });
            let before = story.life(other).map_or(0, |of| of.first);
            if let Some(request) = story.life(other).and_then(|of| story.fetched_by(of, before))
                && downloads
            {
                return Some((request, "through a pipe from"));
            }
        }
    }
    None
}

fn told(story: &Story<'_>, program: &Program<'_>, request: usize, how: &str) -> Option<Match> {
    if is_package(story, request) {
        return None;
    }
    let line = model::text::shortened(&program.line(), 80).into_owned();
    let told =
        Match::new(program.at, format!("ran {line} {how} {}", shown(story, request))).with(url_of(story, request));
    Some(match story.what(request) {
        Some(What::Http { url, .. }) if url.starts_with("https://") => {
            let host = indicators::url_host(url);
            if VENDORS.iter().any(|vendor| is_under(host, vendor)) {
                told.fact()
            } else if RELEASES.iter().any(|release| is_under(host, release)) && url.contains("/releases/download/") {
                told.sign().draft()
            } else {
                told
            }
        }
        _ => told,
    })
}

fn is_package(story: &Story<'_>, request: usize) -> bool {
    matches!(story.what(request), Some(What::Http { content, .. }) if content == "package" || content == "registry")
}

fn shown(story: &Story<'_>, request: usize) -> String {
    match story.what(request) {
        Some(What::Http { url, .. }) => model::text::shortened(url, 120).into_owned(),
        Some(What::FlowStart { remote, .. }) => remote.clone(),
        _ => "a conversation".to_owned(),
    }
}

fn url_of(story: &Story<'_>, request: usize) -> Vec<Indicator> {
    match story.what(request) {
        Some(What::Http { flow, url, .. }) => {
            let host = story.flow(*flow).map(indicators::host);
            std::iter::once(indicators::url(url)).chain(host).collect()
        }
        Some(What::FlowStart { flow, .. }) => story.flow(*flow).map(indicators::host).into_iter().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_downloaded_program() {
        let mut run = Run::new();
        let curl = run.spawn(1, "/usr/bin/curl", &["curl", "-so", "/tmp/x", "http://files.example/x"]);
        run.http(curl, "GET", "http://files.example/x", "elf");
        run.write(curl, "/tmp/x", b"\x7fELF");
        run.chmod(1, "/tmp/x", 0o755);
        run.spawn_written(1, "/tmp/x", &["/tmp/x"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "ran /tmp/x from http://files.example/x");
    }

    #[test]
    fn a_downloaded_script_named_without_its_folder() {
        let mut run = Run::new();
        let wget = run.spawn(1, "/bin/busybox", &["wget", "http://files.example/a.sh"]);
        run.http(wget, "GET", "http://files.example/a.sh", "script");
        run.write(wget, "/work/a.sh", b"#!/bin/sh");
        run.spawn(1, "/bin/busybox", &["sh", "./a.sh"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "ran sh ./a.sh from");
    }

    #[test]
    fn a_pipe_into_a_shell_and_a_text_given_to_one() {
        let mut run = Run::new();
        let curl = run.spawn_with(1, "/usr/bin/curl", &["curl", "-s", "u"], Stream::File, Stream::Pipe);
        run.spawn_with(1, "/bin/bash", &["bash"], Stream::Pipe, Stream::File);
        run.http(curl, "GET", "http://files.example/i", "html");
        hit(&BEHAVIOUR, run, Weight::Proof, "through a pipe from http://files.example/i");
        let mut run = Run::new();
        let curl = run.spawn_with(1, "/usr/bin/curl", &["curl", "-s", "u"], Stream::File, Stream::Pipe);
        run.http_with(curl, "GET", "http://files.example/i", "script", b"", Some(b"id; uname\n"));
        run.exec(1, "/bin/sh", &["sh", "-c", "id; uname"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "with the text of http://files.example/i");
    }

    #[test]
    fn a_program_that_downloads_by_itself() {
        let mut run = Run::of("/usr/bin/python3.11", &["python3", "/app/main.py"]);
        run.http_with(1, "GET", "http://files.example/p", "elf", b"", Some(b"\x7fELF!"));
        run.write(1, "/var/lib/app/p", b"\x7fELF!");
        run.spawn_written(1, "/var/lib/app/p", &["p"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "ran p from");
    }

    #[test]
    fn a_captured_file_with_the_content_of_an_answer() {
        let mut run = Run::of("/opt/app", &["app"]);
        run.http_with(1, "GET", "http://files.example/p", "json", b"", Some(b"\x7fELF!"));
        run.captured("/var/lib/app/.p", b"\x7fELF!", true);
        hit(&BEHAVIOUR, run, Weight::Proof, "byte for byte what http://files.example/p answered");
    }

    #[test]
    fn source_that_an_interpreter_fetches_for_itself() {
        let mut run = Run::of("/usr/bin/python3.11", &["python3", "/app/main.py"]);
        run.http(1, "GET", "http://files.example/stage.py", "script");
        hit(&BEHAVIOUR, run, Weight::Sign, "python fetches source of its own language");
    }

    #[test]
    fn packages_that_run_when_installed_are_none() {
        let mut run = Run::new();
        let apt = run.spawn(1, "/usr/bin/apt-get", &["apt-get", "-y", "upgrade"]);
        let method = run.spawn(apt, "/usr/lib/apt/methods/http", &["http"]);
        run.http(method, "GET", "http://deb.example/pool/a.deb", "package");
        run.write(method, "/var/cache/apt/archives/partial/a.deb", b"!<arch>");
        let dpkg = run.spawn(apt, "/usr/bin/dpkg", &["dpkg", "--unpack"]);
        run.read(dpkg, "/var/cache/apt/archives/a.deb");
        run.write(dpkg, "/usr/bin/tool.dpkg-new", b"\x7fELF");
        run.rename(dpkg, "/usr/bin/tool.dpkg-new", "/usr/bin/tool");
        run.write(dpkg, "/var/lib/dpkg/info/a.postinst", b"#!/bin/sh");
        run.spawn(dpkg, "/bin/dash", &["/bin/sh", "/var/lib/dpkg/info/a.postinst", "configure"]);
        run.spawn_written(dpkg, "/usr/bin/tool", &["tool", "--register"]);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn npm_that_fetches_and_runs_a_tool_is_none() {
        let mut run = Run::new();
        let npm = run.spawn(1, "/usr/bin/node", &["node", "/usr/lib/node_modules/npm/bin/npm-cli.js", "ci"]);
        run.http(npm, "GET", "https://registry.npmjs.org/esbuild", "registry");
        run.write(npm, "/app/node_modules/esbuild/bin/esbuild", b"\x7fELF");
        run.spawn_written(npm, "/app/node_modules/esbuild/bin/esbuild", &["esbuild", "--version"]);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_health_check_and_a_web_client_are_none() {
        let mut run = Run::new();
        let curl = run.spawn_with(
            1,
            "/usr/bin/curl",
            &["curl", "-fs", "http://api.example/health"],
            Stream::File,
            Stream::Pipe,
        );
        run.http(curl, "GET", "http://api.example/health", "json");
        run.spawn_with(1, "/usr/bin/grep", &["grep", "-q", "ok"], Stream::Pipe, Stream::File);
        run.spawn_with(1, "/usr/bin/python3", &["python3", "-c", "import json,sys"], Stream::Pipe, Stream::File);
        let mut other = Run::of("/usr/bin/python3", &["python3", "/app/main.py"]);
        other.http(1, "GET", "https://api.example/v1/items", "json");
        other.write(1, "/tmp/run.sh", b"#!/bin/sh");
        other.spawn(1, "/bin/sh", &["sh", "/tmp/run.sh"]);
        miss(&BEHAVIOUR, run);
        miss(&BEHAVIOUR, other);
    }
}
