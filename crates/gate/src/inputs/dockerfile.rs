//! Dockerfiles: `FROM`, `COPY --from`, `RUN --mount=from`, and the frontend that `# syntax=` names, which builds everything.
//!
//! Sources: Dockerfile reference; here-documents as BuildKit finds them (`frontend/dockerfile/parser`): only after `ADD`, `COPY` and
//! `RUN`, and only words that begin with `<<`. What `ONBUILD` copies or mounts is asked about as well.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Found, Input, Kind, Source,
    expand::{Escape, expand},
};

pub(super) const INPUT: Input = Input {
    name: "Dockerfile",
    kind: Kind::Dockerfile,
    recognises,
    read: |source| read_with(source, &BTreeMap::new()),
};

/// Longest instruction, its continued lines joined.
const INSTRUCTION_BYTES_MAX: usize = 1 << 20;
/// What BuildKit sets by itself; for images that differ by it, this machine's is as good as any.
const GIVEN: &[(&str, &str)] = &[
    ("BUILDPLATFORM", "linux/amd64"),
    ("BUILDOS", "linux"),
    ("BUILDARCH", "amd64"),
    ("BUILDVARIANT", ""),
    ("TARGETPLATFORM", "linux/amd64"),
    ("TARGETOS", "linux"),
    ("TARGETARCH", "amd64"),
    ("TARGETVARIANT", ""),
    ("TARGETSTAGE", "default"),
];

fn recognises(source: &Source<'_>) -> bool {
    let file = source.file.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
    let by_name = file.starts_with("dockerfile") || file.starts_with("containerfile");
    let first = instructions(source.text).into_iter().next();
    by_name
        || file.ends_with(".dockerfile")
        || first.is_some_and(|it| {
            let words = it.rest.split_whitespace().count();
            (it.keyword == "FROM" && (1..=5).contains(&words))
                || (it.keyword == "ARG" && source.text.contains("\nFROM "))
        })
}

/// Reads with `build_args` beside those of the command line, which count more.
pub(super) fn read_with(source: &Source<'_>, build_args: &BTreeMap<String, String>) -> Found {
    let mut reader = Reader {
        source,
        build_args,
        found: Found::default(),
        globals: BTreeMap::new(),
        args: BTreeMap::new(),
        stages: Vec::new(),
    };
    if let Some((syntax, line)) = directive(source.text, "syntax") {
        reader.ask(syntax, line, "frontend that builds it (# syntax)");
    }
    for instruction in instructions(source.text) {
        reader.take(&instruction);
    }
    reader.found
}

struct Reader<'a> {
    source: &'a Source<'a>,
    build_args: &'a BTreeMap<String, String>,
    found: Found,
    /// What stands before the first `FROM`: the only ones that count in a `FROM`.
    globals: BTreeMap<String, String>,
    /// Those of this stage.
    args: BTreeMap<String, String>,
    /// Their names in lower case; empty for those without one.
    stages: Vec<String>,
}

impl Reader<'_> {
    fn take(&mut self, instruction: &Instruction) {
        let line = instruction.line;
        match instruction.keyword.as_str() {
            "ARG" | "ENV" => self.set(instruction),
            "FROM" => self.from(&instruction.rest, line),
            "COPY" | "ADD" => {
                for from in flags(&instruction.rest).filter_map(|flag| flag.strip_prefix("--from=")) {
                    self.other(&unquoted(from), line, &format!("{} --from", instruction.keyword));
                }
            }
            "RUN" => {
                for mount in flags(&instruction.rest).filter_map(|flag| flag.strip_prefix("--mount=")) {
                    let mount = unquoted(mount);
                    for from in mount.split(',').filter_map(|field| field.trim().strip_prefix("from=")) {
                        self.other(from, line, "RUN --mount");
                    }
                }
            }
            "ONBUILD" => {
                if let Some(inner) = Instruction::new(&instruction.rest, line)
                    && matches!(inner.keyword.as_str(), "COPY" | "ADD" | "RUN")
                {
                    self.take(&inner);
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, instruction: &Instruction) {
        for word in words(&instruction.rest) {
            let (name, default) = match word.split_once('=') {
                Some((name, value)) => (name, Some(unquoted(value))),
                None => (word, None),
            };
            let given = self.build_args.get(name).filter(|_| !self.source.options.build_args.contains_key(name));
            let given =
                given.or_else(|| self.source.options.build_args.get(name)).filter(|_| instruction.keyword == "ARG");
            let value = given.cloned().or_else(|| default.and_then(|text| self.expanded(&text).ok()));
            // In a stage, an ARG without a value takes that of before the first FROM.
            let value = value.or_else(|| self.globals.get(name).cloned()).or_else(|| given_by_buildkit(name));
            let args = if self.stages.is_empty() { &mut self.globals } else { &mut self.args };
            if let Some(value) = value {
                args.insert(name.to_owned(), value);
            }
        }
    }

    fn expanded(&self, text: &str) -> Result<String, String> {
        let args = if self.stages.is_empty() { &self.globals } else { &self.args };
        expand(text, Escape::Backslash, &|name| args.get(name).cloned().or_else(|| given_by_buildkit(name)))
    }

    fn from(&mut self, rest: &str, line: u32) {
        let mut words = words(rest).into_iter().skip_while(|word| word.starts_with("--"));
        let image = unquoted(words.next().unwrap_or_default());
        let name = match (words.next(), words.next()) {
            (Some(word), Some(name)) if word.eq_ignore_ascii_case("as") => name.to_ascii_lowercase(),
            _ => String::new(),
        };
        let number = self.stages.len();
        let place = if name.is_empty() { format!("stage {number}") } else { format!("stage {name}") };
        let expanded = expand(&image, Escape::Backslash, &|name| {
            self.globals.get(name).cloned().or_else(|| given_by_buildkit(name))
        });
        match expanded {
            Ok(image) if image == "scratch" || self.is_stage(&image) => {}
            Ok(image) => self.ask(&image, line, &place),
            Err(why) => self.found.asked.push(self.source.unresolved(&image, line, place, why)),
        }
        self.stages.push(name);
        self.args.clear();
    }

    /// An image, or a stage by name or number.
    fn other(&mut self, image: &str, line: u32, place: &str) {
        match self.expanded(image) {
            Ok(image) if image.is_empty() || image == "scratch" || self.is_stage(&image) || self.is_number(&image) => {}
            Ok(image) => self.ask(&image, line, place),
            Err(why) => self.found.asked.push(self.source.unresolved(image, line, place, why)),
        }
    }

    fn is_stage(&self, image: &str) -> bool {
        let image = image.to_ascii_lowercase();
        !image.is_empty() && self.stages.contains(&image)
    }

    fn is_number(&self, image: &str) -> bool {
        image.parse::<usize>().is_ok_and(|number| number < self.stages.len())
    }

    fn ask(&mut self, image: &str, line: u32, place: &str) {
        self.found.asked.push(self.source.ask(image, line, place));
    }
}

fn given_by_buildkit(name: &str) -> Option<String> {
    GIVEN.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

/// One instruction with its continued lines.
struct Instruction {
    line: u32,
    /// In capitals.
    keyword: String,
    rest: String,
}

impl Instruction {
    fn new(text: &str, line: u32) -> Option<Self> {
        let text = text.trim();
        let (keyword, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        (!keyword.is_empty()).then(|| Self {
            line,
            keyword: keyword.to_ascii_uppercase(),
            rest: rest.trim().to_owned(),
        })
    }
}

/// A directive at the top of the file, as `# escape=`: before anything else, also before other comments.
fn directive<'a>(text: &'a str, name: &str) -> Option<(&'a str, u32)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut numbered = (1_u32..).zip(text.lines());
    let first = numbered.next()?;
    let first = if first.1.starts_with("#!") { numbered.next()? } else { first };
    for (number, line) in std::iter::once(first).chain(numbered) {
        let (key, value) = line.trim().strip_prefix('#').or_else(|| line.trim().strip_prefix("//"))?.split_once('=')?;
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        if key.eq_ignore_ascii_case(name) {
            return Some((value.trim(), number));
        }
    }
    None
}

fn instructions(text: &str) -> Vec<Instruction> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let escape = match directive(text, "escape") {
        Some(("`", _)) => '`',
        _ => '\\',
    };
    let lines: Vec<&str> = text.lines().collect();
    let mut instructions = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let begins = at;
        let mut joined = String::new();
        loop {
            let line = lines.get(at).copied().unwrap_or_default();
            at += 1;
            let is_comment = line.trim_start().starts_with('#');
            // Comments and empty lines do not end an instruction that goes on.
            if is_comment || (line.trim().is_empty() && !joined.is_empty()) {
                if joined.is_empty() || at >= lines.len() {
                    break;
                }
                continue;
            }
            let part = line.trim_end();
            let goes_on = part.strip_suffix(escape);
            if joined.len() + part.len() <= INSTRUCTION_BYTES_MAX {
                joined.push_str(goes_on.unwrap_or(part));
            }
            if goes_on.is_none() || at >= lines.len() {
                break;
            }
            if joined.is_empty() {
                joined.push(' ');
            }
        }
        let number = u32::try_from(begins + 1).unwrap_or(u32::MAX);
        if let Some(instruction) = Instruction::new(&joined, number) {
            at = after_documents(&instruction, &lines, at);
            instructions.push(instruction);
        }
    }
    instructions
}

/// The line after the here-documents of an instruction. One that never ends is none: its lines are read as instructions.
fn after_documents(instruction: &Instruction, lines: &[&str], mut at: usize) -> usize {
    let inner = match instruction.keyword.as_str() {
        "ONBUILD" => instruction.rest.trim_start(),
        _ => instruction.keyword.as_str(),
    };
    let keyword = inner.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    if !matches!(keyword.as_str(), "ADD" | "COPY" | "RUN") {
        return at;
    }
    for word in words(&instruction.rest) {
        let Some(rest) = word.trim_start_matches(|first: char| first.is_ascii_digit()).strip_prefix("<<") else {
            continue;
        };
        let (strips_tabs, name) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
        let name = unquoted(name);
        if name.is_empty() || name.contains('<') {
            continue;
        }
        let ends = |line: &&str| name == if strips_tabs { line.trim_start_matches('\t') } else { line };
        match lines.iter().skip(at).position(ends) {
            Some(length) => at += length + 1,
            None => return at,
        }
    }
    at
}

/// The flags at the beginning of an instruction's rest.
fn flags(rest: &str) -> impl Iterator<Item = &str> {
    words(rest).into_iter().take_while(|word| word.starts_with("--"))
}

/// Words at spaces that no quotes hold; the quotes stay.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut begin, mut quote) = (None, None);
    for (at, character) in text.char_indices() {
        match quote {
            Some(open) if character == open => quote = None,
            None if matches!(character, '"' | '\'') => quote = Some(character),
            None if character.is_whitespace() => {
                words.extend(begin.take().map(|begin: usize| &text[begin..at]));
                continue;
            }
            _ => {}
        }
        begin = begin.or(Some(at));
    }
    words.extend(begin.map(|begin| &text[begin..]));
    words
}

fn unquoted(text: &str) -> String {
    let quotes: BTreeSet<char> = ['"', '\''].into();
    text.chars().filter(|character| !quotes.contains(character)).collect()
}

#[cfg(test)]
mod tests {
    use crate::inputs::{Options, testing::said};

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let options = Options { build_args: [("VERSION".to_owned(), "9".to_owned())].into(), ..Options::default() };
        assert_eq!(said("Dockerfile", text, &[], &options), expected, "{text}");
    }

    #[test]
    fn every_image_a_build_pulls_is_asked_about() {
        check(
            "# syntax=docker/dockerfile:1\nARG BASE=alpine VERSION=3\nFROM --platform=$BUILDPLATFORM ${BASE}:$VERSION AS Build\n\
             RUN --mount=type=bind,from=busybox:1,target=/b --mount=type=cache,target=/c true\n\
             FROM build AS next\nFROM scratch\nCOPY --from=BUILD /a /a\nCOPY --from=0 /a /a\nCOPY --chown=0 --from=nginx:1 /a /a\n\
             COPY --from=7 /a /a\n",
            &[
                "1 docker/dockerfile:1 (frontend that builds it (# syntax))",
                "3 alpine:9 (stage build)",
                "4 busybox:1 (RUN --mount)",
                "9 nginx:1 (COPY --from)",
                "10 7 (COPY --from)",
            ],
        );
    }

    #[test]
    fn continued_lines_comments_and_documents_are_read_as_buildkit_does() {
        check(
            "# a comment\n\nfrom \\\n# between\n\n  debian:12 \\\n  as x\nRUN <<EOF\nFROM hidden:1\nEOF\nRUN echo \"<<EOF\"\nFROM seen:1\n\
             COPY <<-'A' <<B /x/\nFROM hidden:2\n\tA\nFROM hidden:3\nB\nFROM seen:2\nRUN <<NEVER\nFROM seen:3\n",
            &["3 debian:12 (stage x)", "12 seen:1 (stage 1)", "18 seen:2 (stage 2)", "20 seen:3 (stage 3)"],
        );
        check("# escape=`\nFROM `\n a:1\nRUN dir C:\\\nFROM b:1\n", &["2 a:1 (stage 0)", "5 b:1 (stage 1)"]);
    }

    #[test]
    fn what_cannot_be_known_is_unresolved() {
        check(
            "FROM $NOWHERE\nFROM a:$VERSION\n",
            &[
                "1 $NOWHERE (stage 0): the variable NOWHERE is not set",
                "2 a:$VERSION (stage 1): the variable VERSION is not set",
            ],
        );
        check(
            "FROM Upper:1\nONBUILD COPY --from=late:1 /a /a\n",
            &[
                "1 Upper:1 (stage 0): a repository is lower-case letters and digits, parts joined by `/`, `.`, `_` or `-`, as in `library/alpine`",
                "2 late:1 (COPY --from)",
            ],
        );
        check("ARG A\nFROM ${A:-fallback}\n", &["2 fallback (stage 0)"]);
    }

    /// Else a stage's own argument would show us another image than BuildKit pulls.
    #[test]
    fn a_from_sees_only_arguments_before_the_first_one() {
        check(
            "ARG X=1\nFROM a:$X\nARG X=2\nARG Y=3\nFROM b:$X\nFROM c:$Y\n",
            &["2 a:1 (stage 0)", "5 b:1 (stage 1)", "6 c:$Y (stage 2): the variable Y is not set"],
        );
    }

    #[test]
    fn a_dockerfile_is_known_by_what_it_says() {
        let said_of = |text: &str| said("x", text, &[], &Options::default());
        assert_eq!(said_of("# base\nFROM a:1\n"), ["2 a:1 (stage 0)"]);
        assert_eq!(said_of("ARG X=1\nFROM a:$X\n"), ["2 a:1 (stage 0)"]);
    }
}
