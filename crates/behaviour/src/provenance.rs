//! Where a file that was made during the run came from: fetched, compiled, installed, unpacked, decoded, copied, or written by a
//! program of its own accord.

use model::{Stream, What};

use crate::{
    programs::Program,
    story::{Life, Story},
};

/// Longest chain of copying and unpacking that is followed.
const DEPTH_MAX: usize = 5;
/// Most writers and most sources of one file that are looked at.
const BREADTH_MAX: usize = 24;

/// What made a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provenance {
    /// It came out of a conversation: position of the request, or of what shows the conversation.
    Fetched(usize),
    /// A compiler wrote it; the request its source came from, if it was fetched.
    Compiled(Option<usize>),
    /// A compiler wrote it, from source that was hidden in an encoding.
    CompiledDecoded(usize),
    /// A package manager put it there.
    Installed,
    /// A tool that decodes or decrypts wrote it.
    Decoded(usize),
    /// Out of an archive of the image.
    Unpacked,
    /// A copy of what the image has.
    Copied,
    /// A program wrote it: where.
    Written(usize),
    /// Nobody was seen writing it.
    Unknown,
}

impl Provenance {
    /// The most telling first.
    fn rank(self) -> u8 {
        match self {
            Self::Fetched(_) => 0,
            Self::Installed => 1,
            Self::Compiled(_) | Self::CompiledDecoded(_) => 2,
            Self::Decoded(_) => 3,
            Self::Written(_) => 4,
            Self::Unpacked => 5,
            Self::Copied => 6,
            Self::Unknown => 7,
        }
    }
}

impl<'a> Story<'a> {
    /// Where the file at `path` came from, as far as seen.
    pub(crate) fn provenance(&self, path: &str) -> Provenance {
        self.provenance_within(path, DEPTH_MAX)
    }

    fn provenance_within(&self, path: &str, depth: usize) -> Provenance {
        if let Some(at) = self.answered_with(path) {
            return Provenance::Fetched(at);
        }
        let mut best = Provenance::Unknown;
        let mut name = path;
        for _ in 0..DEPTH_MAX {
            let Some(file) = self.file(name) else { break };
            for &at in file.writes.iter().rev().take(BREADTH_MAX) {
                let made = self.life_at(at).map_or(Provenance::Written(at), |life| self.made_by(life, at, depth));
                if made.rank() < best.rank() {
                    best = made;
                }
            }
            match file.before {
                Some((before, _)) if before != name => name = before,
                _ => break,
            }
        }
        match best {
            Provenance::Unknown if self.file(path).is_some_and(|file| file.before.is_some()) => Provenance::Copied,
            best => best,
        }
    }

    /// What a life that wrote at `at` makes of what it wrote.
    fn made_by(&self, life: usize, at: usize, depth: usize) -> Provenance {
        let Some(of) = self.life(life) else { return Provenance::Unknown };
        if self.own_programs(life).any(|program| program.is_compiler()) {
            return match self.source_of_build(life, depth) {
                Some(Provenance::Fetched(at)) => Provenance::Compiled(Some(at)),
                Some(Provenance::Decoded(at)) => Provenance::CompiledDecoded(at),
                _ => Provenance::Compiled(None),
            };
        }
        if of.installs {
            return Provenance::Installed;
        }
        if let Some(at) = self.fetched_by(of, at) {
            return Provenance::Fetched(at);
        }
        let does = |what: fn(&Program<'a>) -> bool| self.own_programs(life).any(|program| what(&program));
        let (copies, decodes, unpacks) =
            (does(Program::is_copier), does(Program::is_decoder), does(Program::is_unpacker));
        if !(copies || decodes || unpacks) {
            return Provenance::Written(at);
        }
        if depth > 0
            && let Some(source) = self.sources_of(life, depth)
        {
            return source;
        }
        match (decodes, unpacks) {
            (true, _) => Provenance::Decoded(at),
            (_, true) => Provenance::Unpacked,
            _ => Provenance::Copied,
        }
    }

    /// Where what a copying life read or was piped came from, if that was made in the run.
    fn sources_of(&self, life: usize, depth: usize) -> Option<Provenance> {
        let of = self.life(life)?;
        let mut best: Option<Provenance> = None;
        let mut take = |made: Provenance| {
            if made != Provenance::Unknown && best.is_none_or(|best| made.rank() < best.rank()) {
                best = Some(made);
            }
        };
        for &read in of.reads.iter().rev().take(BREADTH_MAX) {
            if let Some(What::Open { path, .. }) = self.what(read)
                && self.was_made(path, read)
            {
                take(self.provenance_within(path, depth - 1));
            }
        }
        for source in self.piped_from(life) {
            if let Some(fetched) = self.life(source).and_then(|of| self.fetched_by(of, of.first)) {
                take(Provenance::Fetched(fetched));
            } else if let Some(decoded) = self.own_programs(source).find(Program::is_decoder) {
                take(self.sources_of_reads(source, depth).unwrap_or(Provenance::Decoded(decoded.at)));
            } else if let Some(made) = self.sources_of_reads(source, depth) {
                take(made);
            }
        }
        best
    }

    fn sources_of_reads(&self, life: usize, depth: usize) -> Option<Provenance> {
        let made = self.life(life)?.reads.iter().rev().take(BREADTH_MAX).filter_map(|&read| match self.what(read) {
            Some(What::Open { path, .. }) if self.was_made(path, read) => Some(self.provenance_within(path, depth - 1)),
            _ => None,
        });
        made.min_by_key(|made| made.rank())
    }

    /// The request or conversation that a life's files may come from: of a downloader any, of another program one that answered
    /// with a program or a script.
    pub(crate) fn fetched_by(&self, life: &Life, before: usize) -> Option<usize> {
        let downloads = life.execs.iter().any(|&at| {
            self.event(at).and_then(|event| Program::of(at, event)).is_some_and(|program| program.is_downloader())
        });
        let request = life.requests.iter().rev().copied().find(|&at| match self.what(at) {
            Some(What::Http { status, content, method, .. }) => {
                (200..300).contains(status)
                    && if downloads {
                        method != "HEAD"
                    } else {
                        is_code(content) && (before == life.first || at < before || before + 64 > at)
                    }
            }
            _ => false,
        });
        if request.is_some() {
            return request;
        }
        // Netcat, FTP, a program of its own protocol: what came in without HTTP.
        let raw = life.flows.iter().filter_map(|flow| self.flow(*flow)).find(|flow| {
            downloads
                && flow.bytes_in > 0
                && flow.requests.is_empty()
                && !matches!(flow.service, "dns" | "tls" | "http" | "ntp")
        });
        raw.map(|flow| flow.start)
    }

    /// The request whose answer is, byte for byte, the file taken from `path`.
    fn answered_with(&self, path: &str) -> Option<usize> {
        self.answer(&self.captured(path)?.sha256)
    }

    /// Lives whose output a life took from a pipe, as far as their birth tells: siblings, with a pipe on that side.
    pub(crate) fn piped_from(&self, life: usize) -> Vec<usize> {
        /// How many siblings to either side make up one pipeline.
        const NEIGHBOURS: usize = 5;
        let takes_pipe = |life: usize| self.own_programs(life).any(|program| program.input == Some(Stream::Pipe));
        if !takes_pipe(life)
            && !self.own_programs(life).any(|program| program.obeys_input() && program.script().is_some())
        {
            return Vec::new();
        }
        // `curl | sudo sh`: the pipe goes down to the child.
        let line =
            self.line_of(life).take(3).take_while(|above| *above == life || takes_pipe(*above)).collect::<Vec<_>>();
        let mut found = Vec::new();
        for member in line {
            found.extend(self.neighbours(member, NEIGHBOURS).filter(|sibling| {
                self.overlap(*sibling, member)
                    && self.own_programs(*sibling).any(|program| program.output == Some(Stream::Pipe))
            }));
        }
        found
    }

    /// Whether two lives ran at the same time. A shell makes all members of a pipeline before it waits for one.
    pub(crate) fn overlap(&self, one: usize, other: usize) -> bool {
        let (Some(one), Some(other)) = (self.life(one), self.life(other)) else { return false };
        let end = |life: &Life| if life.ended { life.last } else { usize::MAX };
        one.first <= end(other) && other.first <= end(one)
    }

    /// Where the source of what a compiler wrote came from, if that was no place of the image.
    fn source_of_build(&self, life: usize, depth: usize) -> Option<Provenance> {
        let is_compiler = |life: usize| self.own_programs(life).any(|program| program.is_compiler());
        let top = self.line_of(life).take_while(|above| is_compiler(*above)).last()?;
        let mut open = vec![top];
        let mut looked = 0;
        while let Some(member) = open.pop() {
            let Some(of) = self.life(member) else { continue };
            for &read in of.reads.iter().take(BREADTH_MAX * 8) {
                looked += 1;
                if looked > 512 || depth == 0 {
                    return None;
                }
                let Some(What::Open { path, .. }) = self.what(read) else { continue };
                let is_source =
                    [".c", ".cc", ".cpp", ".go", ".rs", ".nim", ".f90", ".cxx", ".s", ".S", ".zig", ".m", ".d"]
                        .iter()
                        .any(|ending| path.ends_with(ending));
                if is_source
                    && self.was_made(path, read)
                    && let made @ (Provenance::Fetched(_) | Provenance::Decoded(_)) =
                        self.provenance_within(path, depth - 1)
                {
                    return Some(made);
                }
            }
            // `curl … | gcc -x c -`
            if let Some(at) =
                self.piped_from(member).into_iter().find_map(|source| self.fetched_by(self.life(source)?, 0))
            {
                return Some(Provenance::Fetched(at));
            }
            open.extend(of.children.iter().take(BREADTH_MAX));
        }
        None
    }
}

/// Whether what we answered with is something that can be run.
pub(crate) fn is_code(content: &str) -> bool {
    matches!(
        content,
        "script"
            | "elf"
            | "binary"
            | "archive"
            | "source"
            | "executable"
            | "python"
            | "shell"
            | "gzip"
            | "octet-stream"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, testing::Run};

    fn check(run: Run, path: &str, expected: fn(&Provenance) -> bool) {
        let (trace, context) = (run.done(), Context::default());
        let made = Story::new(&trace, &context).provenance(path);
        assert!(expected(&made), "{made:?}");
    }

    #[test]
    fn what_a_downloader_wrote_and_another_unpacked_was_fetched() {
        let mut run = Run::new();
        let curl = run.spawn(1, "/usr/bin/curl", &["curl", "-o", "/tmp/a.tgz", "u"]);
        run.http(curl, "GET", "http://files.example/a.tgz", "archive");
        run.write(curl, "/tmp/a.tgz", b"x");
        let tar = run.spawn(1, "/usr/bin/tar", &["tar", "xf", "/tmp/a.tgz"]);
        run.read(tar, "/tmp/a.tgz");
        run.write(tar, "/tmp/a/tool", b"\x7fELF");
        run.rename(1, "/tmp/a/tool", "/tmp/t");
        check(run, "/tmp/t", |made| matches!(made, Provenance::Fetched(_)));
    }

    #[test]
    fn what_a_shell_opened_for_a_downloader_was_fetched() {
        let mut run = Run::new();
        let pid = run.child(1);
        run.open_write(pid, "/tmp/x");
        run.exec(pid, "/usr/bin/wget", &["wget", "-qO-", "u"]);
        run.http(pid, "GET", "http://files.example/x", "html");
        check(run, "/tmp/x", |made| matches!(made, Provenance::Fetched(_)));
    }

    #[test]
    fn a_copy_of_what_the_image_has_is_a_copy() {
        let mut run = Run::new();
        let copy = run.spawn(1, "/bin/cp", &["cp", "/opt/tool", "/usr/local/bin/tool"]);
        run.read(copy, "/opt/tool");
        run.write(copy, "/usr/local/bin/tool", b"\x7fELF");
        check(run, "/usr/local/bin/tool", |made| *made == Provenance::Copied);
    }

    #[test]
    fn packages_are_installed() {
        let mut run = Run::new();
        let apt = run.spawn(1, "/usr/bin/apt-get", &["apt-get", "upgrade"]);
        let dpkg = run.spawn(apt, "/usr/bin/dpkg", &["dpkg", "--unpack"]);
        let tar = run.spawn(dpkg, "/usr/bin/tar", &["tar", "x"]);
        run.write(tar, "/usr/bin/nginx.dpkg-new", b"\x7fELF");
        run.rename(dpkg, "/usr/bin/nginx.dpkg-new", "/usr/bin/nginx");
        check(run, "/usr/bin/nginx", |made| *made == Provenance::Installed);
    }
}
