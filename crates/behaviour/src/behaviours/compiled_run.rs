//! Sees source downloaded, compiled and run.
//!
//! Some images carry no payload: they fetch source, build it with the compiler they ship, and run the result.
//!
//! - Sees: a program a compiler wrote, from a source file that was downloaded during the run, or decoded (a sign).
//! - Misses: interpreters' source (see `download-run`); sources that a version control tool fetched.
//! - False alarms: a build job that downloads one source file and runs what it built; builds of local source, `configure`, `go run` and tests are none.
//! - Source: Prevasio's study of "dynamic payload" images (2020); ATT&CK T1027.004, T1105.

use std::collections::HashSet;

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, provenance::Provenance, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "compiled-run",
        title: "Downloads source, compiles and runs it",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1027.004", "T1105"],
    },
    judge: Judge::Run(judge),
};

/// Most built programs whose history is asked.
const FILES_MAX: usize = 64;

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut asked: HashSet<&str> = HashSet::new();
    let mut found = Vec::new();
    for program in story.programs().filter(|program| program.written && !program.nameless) {
        if asked.len() >= FILES_MAX || !asked.insert(program.path) {
            continue;
        }
        let request = match story.provenance(program.path) {
            Provenance::Compiled(Some(request)) => request,
            Provenance::CompiledDecoded(_) => {
                found.push(
                    Match::new(program.at, format!("runs {}, compiled from source it decoded", program.path)).sign(),
                );
                continue;
            }
            _ => continue,
        };
        let Some(What::Http { url, flow, .. }) = story.what(request) else { continue };
        let host = story.flow(*flow).map(indicators::host);
        let told = Match::new(
            program.at,
            format!("runs {}, compiled from {}", program.path, model::text::shortened(url, 120)),
        )
        .with([indicators::url(url)])
        .with(host);
        found.push(if program.path.contains("conftest") { told.fact() } else { told });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    fn build(run: &mut Run, source: &str, out: &str) {
        let gcc = run.spawn(1, "/usr/bin/gcc-12", &["gcc", "-o", out, source]);
        let compiler = run.spawn(gcc, "/usr/lib/gcc/x86_64-linux-gnu/12/cc1", &["cc1", source]);
        run.read(compiler, source);
        let collect = run.spawn(gcc, "/usr/lib/gcc/x86_64-linux-gnu/12/collect2", &["collect2"]);
        let link = run.spawn(collect, "/usr/bin/ld", &["ld"]);
        run.write(link, out, b"\x7fELF");
        run.spawn_written(1, out, &[out]);
    }

    #[test]
    fn one_downloaded_file() {
        let mut run = Run::new();
        let curl = run.spawn(1, "/usr/bin/curl", &["curl", "-O", "u"]);
        run.http(curl, "GET", "http://files.example/m.c", "text");
        run.write(curl, "/work/m.c", b"int main");
        build(&mut run, "/work/m.c", "/work/m");
        hit(&BEHAVIOUR, run, Weight::Proof, "runs /work/m, compiled from http://files.example/m.c");
    }

    #[test]
    fn a_downloaded_archive() {
        let mut run = Run::new();
        let wget = run.spawn(1, "/usr/bin/wget", &["wget", "u"]);
        run.http(wget, "GET", "http://files.example/m.tgz", "archive");
        run.write(wget, "/work/m.tgz", b"\x1f\x8b");
        let tar = run.spawn(1, "/bin/tar", &["tar", "xzf", "m.tgz"]);
        run.read(tar, "/work/m.tgz");
        run.write(tar, "/work/m/main.c", b"int main");
        build(&mut run, "/work/m/main.c", "/work/m/m");
        hit(&BEHAVIOUR, run, Weight::Proof, "compiled from http://files.example/m.tgz");
    }

    #[test]
    fn source_that_was_hidden() {
        let mut run = Run::new();
        let base64 = run.spawn(1, "/usr/bin/base64", &["base64", "-d", "/opt/s.b64"]);
        run.write(base64, "/tmp/s.c", b"int main");
        build(&mut run, "/tmp/s.c", "/tmp/s");
        hit(&BEHAVIOUR, run, Weight::Sign, "compiled from source it decoded");
    }

    #[test]
    fn local_source_is_none() {
        let mut run = Run::new();
        build(&mut run, "/src/main.c", "/src/main");
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn generated_source_is_none() {
        let mut run = Run::new();
        run.write(1, "/src/conftest.c", b"int main");
        build(&mut run, "/src/conftest.c", "/src/conftest");
        miss(&BEHAVIOUR, run);
    }
}
