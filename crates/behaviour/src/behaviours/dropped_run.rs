//! Sees a program run that the sample itself wrote.
//!
//! What an image runs is in the image. A program that appears during the run was carried hidden: encrypted, packed, in a script.
//!
//! - Sees: a written program that was run and that no package manager, compiler, copier or downloader made; worse where it is hidden, deleted
//!   afterwards, or came out of a decoder.
//! - Misses: scripts (see `decoded-run`), libraries.
//! - False alarms: programs that carry a helper and unpack it (database engines for tests): in a plain place only a sign of a draft where
//!   an interpreter does it.
//! - Source: ATT&CK T1027.009, T1140, T1564.001, T1070.004.

use std::collections::HashSet;

use model::{Category, Confidence, IndicatorKind, Maturity, Severity, Weight};

use crate::{About, Behaviour, Judge, Match, indicators, provenance::Provenance, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "dropped-run",
        title: "Runs a program it carried hidden",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1027.009", "T1140", "T1564.001"],
    },
    judge: Judge::Run(judge),
};

/// Most files whose history is asked.
const FILES_MAX: usize = 512;
/// Folders where nobody keeps programs.
const SCRATCH: &[&str] = &["/tmp/", "/var/tmp/", "/dev/shm/", "/run/", "/var/run/", "/dev/", "/proc/"];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found = Vec::new();
    let mut asked: HashSet<&str> = HashSet::new();
    for program in story.programs().filter(|program| program.written && !program.nameless) {
        if asked.len() >= FILES_MAX || !asked.insert(program.path) {
            continue;
        }
        let path = program.path;
        let installs = story.life_at(program.at).and_then(|life| story.life(life)).is_some_and(|life| life.installs);
        let (writer, decoded) = match story.provenance(path) {
            _ if installs => continue,
            Provenance::Written(at) => (at, false),
            Provenance::Decoded(at) => (at, true),
            _ => continue,
        };
        let by = story.program(writer);
        let hidden = is_hidden(path);
        let deleted = story.file(path).and_then(|file| file.unlinked).is_some_and(|at| at > program.at);
        let scratch = SCRATCH.iter().any(|folder| path.starts_with(folder));
        let mut how = Vec::new();
        if decoded {
            how.push("decoded");
        }
        if hidden {
            how.push("hidden");
        }
        if deleted {
            how.push("deleted afterwards");
        }
        let how = if how.is_empty() { String::new() } else { format!(": {}", how.join(", ")) };
        let who = by.map_or("a program".to_owned(), |by| by.tool().to_owned());
        let hash = story.captured(path).map(|file| indicators::of(IndicatorKind::FileHash, file.sha256.hex()));
        let told = Match::new(program.at, format!("runs {path}, which {who} wrote{how}")).with(hash);
        let managed = by.is_some_and(|by| by.is(&["java", "dotnet", "node", "erl", "beam.smp", "mono"]));
        found.push(match (decoded || hidden || deleted, managed) {
            (true, false) if decoded || hidden || scratch => told,
            (true, true) if hidden || deleted && scratch => told,
            (true, _) => told.sign(),
            (false, false) if scratch => told.sign(),
            (false, _) => told.sign().draft(),
        });
    }
    found
}

/// Whether a part of the path begins with a dot, or it lies in shared memory or among devices.
fn is_hidden(path: &str) -> bool {
    path.starts_with("/dev/")
        || path.split('/').any(|part| {
            part.starts_with('.')
                && part.len() > 1
                && !matches!(
                    part,
                    ".local" | ".cache" | ".cargo" | ".npm" | ".venv" | ".bin" | ".nvm" | ".rustup" | ".gradle" | ".m2"
                )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_hidden_program_that_the_sample_wrote() {
        let mut run = Run::of("/opt/app", &["app"]);
        run.write(1, "/tmp/.cache-x", b"\x7fELF");
        run.chmod(1, "/tmp/.cache-x", 0o755);
        run.spawn_written(1, "/tmp/.cache-x", &["x"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "runs /tmp/.cache-x, which app wrote: hidden");
    }

    #[test]
    fn a_decrypted_program() {
        let mut run = Run::new();
        let openssl = run.spawn(1, "/usr/bin/openssl", &["openssl", "enc", "-d", "-aes-256-cbc"]);
        run.write(openssl, "/opt/data/tool", b"\x7fELF");
        run.spawn_written(1, "/opt/data/tool", &["tool"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "decoded");
    }

    #[test]
    fn deleted_after_it_began() {
        let mut run = Run::of("/opt/app", &["app"]);
        run.write(1, "/tmp/w", b"\x7fELF");
        run.spawn_written(1, "/tmp/w", &["w"]);
        run.unlink(1, "/tmp/w");
        hit(&BEHAVIOUR, run, Weight::Proof, "deleted afterwards");
    }

    #[test]
    fn what_compilers_and_copies_make_is_none() {
        let mut run = Run::new();
        let configure = run.spawn(1, "/bin/dash", &["/bin/sh", "./configure"]);
        for _ in 0..20 {
            let gcc =
                run.spawn(configure, "/usr/bin/x86_64-linux-gnu-gcc-12", &["gcc", "-o", "conftest", "conftest.c"]);
            let ld = run.spawn(gcc, "/usr/bin/x86_64-linux-gnu-ld.bfd", &["ld"]);
            run.write(ld, "/src/conftest", b"\x7fELF");
            run.chmod(ld, "/src/conftest", 0o755);
            run.spawn_written(configure, "/src/conftest", &["./conftest"]);
            run.unlink(configure, "/src/conftest");
        }
        let go = run.spawn(1, "/usr/local/go/bin/go", &["go", "test", "./..."]);
        let link = run.spawn(go, "/usr/local/go/pkg/tool/linux_amd64/link", &["link"]);
        run.write(link, "/tmp/go-build1/b001/app.test", b"\x7fELF");
        run.spawn_written(go, "/tmp/go-build1/b001/app.test", &["app.test"]);
        let copy = run.spawn(1, "/bin/cp", &["cp", "/opt/agent", "/tmp/agent"]);
        run.read(copy, "/opt/agent");
        run.write(copy, "/tmp/agent", b"\x7fELF");
        run.spawn_written(1, "/tmp/agent", &["agent"]);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn an_archive_of_the_image_that_is_unpacked_is_none() {
        let mut run = Run::of("/usr/bin/java", &["java", "-jar", "/app.jar"]);
        let tar = run.spawn(1, "/bin/tar", &["tar", "xJf", "/opt/postgres.txz"]);
        run.write(tar, "/tmp/pg/bin/initdb", b"\x7fELF");
        run.spawn_written(1, "/tmp/pg/bin/initdb", &["initdb"]);
        miss(&BEHAVIOUR, run);
    }
}
