//! What names images, one file each: data in, [`Asked`] out. Nothing here opens a file; [`read`] is handed a function that does.
//!
//! Whatever cannot be understood (a variable that is not set, a template, a file that is cut off) is asked about too, as a
//! subject that is `unresolved`: the policy says what that means, and it is never silently left out.

mod compose;
mod cyclonedx;
mod dockerfile;
mod env_file;
mod expand;
mod kubernetes;
mod local;
mod names;
mod sbom;
mod spdx;
mod spdx_tags;
pub(crate) mod tree;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
};

use model::ImageReference;

pub use env_file::env_file;
pub use local::ask_local;
pub use names::{ask_name, resolve};

use crate::Subject;
use tree::Node;

/// Longest file read.
pub const FILE_BYTES_MAX: u64 = 256 << 20;
/// Most files read, those that others name included.
const FILES_MAX: usize = 1_000;
/// Most images asked about in one run.
const ASKED_MAX: usize = 200_000;

/// One image that somebody means to use, and where that stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The image.
    pub subject: Subject,
    /// The file that names it, as the user named the file; none for a name on the command line.
    pub file: Option<String>,
    /// In that file, from 1.
    pub line: Option<u32>,
    /// Where in it, in words: `service web`, `Deployment shop/web, container app`. Hostile text.
    pub place: String,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whichever it looks like.
    Any,
    /// A Dockerfile.
    Dockerfile,
    /// A bill of materials, CycloneDX or SPDX.
    Sbom,
}

/// What a reader may need to know beside the file.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// What compose files put in for `${NAME}`.
    pub variables: BTreeMap<String, String>,
}

/// A file to read.
#[derive(Debug, Clone)]
pub struct File {
    /// Where it is; none for standard input.
    pub path: Option<PathBuf>,
    /// As what.
    pub kind: Kind,
}

/// Why a file cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// From 1.
    pub(crate) line: Option<u32>,
    /// One line.
    pub(crate) what: String,
}

/// A file, read.
struct Source<'a> {
    /// As the user named it.
    file: &'a str,
    text: &'a str,
    /// Its documents, if it is YAML or JSON.
    documents: &'a [Node],
    options: &'a Options,
}

/// What a file holds.
#[derive(Debug, Default)]
struct Found {
    asked: Vec<Asked>,
    follow: Vec<Follow>,
}

/// Another file that a file names, relative to its folder.
#[derive(Debug)]
struct Follow {
    path: String,
    /// Where it is named.
    from: String,
    line: u32,
    place: String,
    how: How,
}

/// How to read it.
#[derive(Debug)]
enum How {
    Compose,
    Dockerfile {
        build_args: BTreeMap<String, String>,
    },
    /// The text stands in the file itself, from `Follow::line` on.
    Inline {
        text: String,
        build_args: BTreeMap<String, String>,
    },
}

/// One kind of file.
struct Input {
    /// In messages.
    name: &'static str,
    kind: Kind,
    recognises: fn(&Source<'_>) -> bool,
    read: fn(&Source<'_>) -> Found,
}

/// Every kind, the most telling first.
const INPUTS: &[Input] =
    &[cyclonedx::INPUT, spdx::INPUT, spdx_tags::INPUT, kubernetes::INPUT, compose::INPUT, dockerfile::INPUT];

/// Reads `files` and those that they name. `open` gives a file's text (none: standard input), or says in one line why it cannot.
///
/// # Errors
///
/// One line if one of `files` itself cannot be opened: that is a mistake of the command, not of what is checked.
pub fn read(
    files: Vec<File>,
    options: &Options,
    open: &mut dyn FnMut(Option<&Path>) -> Result<String, String>,
) -> Result<Vec<Asked>, String> {
    let mut asked = Vec::new();
    let mut named = VecDeque::new();
    let mut seen = BTreeSet::new();
    for file in files {
        let name = shown(file.path.as_deref());
        let text = open(file.path.as_deref()).map_err(|error| format!("{name}: {error}"))?;
        if let Some(path) = &file.path {
            seen.insert((path.clone(), format!("{:?}", How::Compose)));
        }
        take(&name, file.path.as_deref(), &text, file.kind, options, &mut asked, &mut named);
    }
    while let Some((path, follow)) = named.pop_front() {
        let name = shown(Some(&path));
        if let How::Inline { text, build_args } = &follow.how {
            let source = Source { file: &name, text, documents: &[], options };
            let mut found = dockerfile::read_with(&source, build_args);
            for asked in &mut found.asked {
                asked.line = asked.line.map(|line| follow.line.saturating_add(line.saturating_sub(1)));
            }
            asked.append(&mut found.asked);
            continue;
        }
        // The same Dockerfile with other arguments names other images, so they are part of the key.
        if !seen.insert((path.clone(), format!("{:?}", follow.how))) {
            continue;
        }
        if seen.len() > FILES_MAX {
            asked.push(unresolved(&name, None, "", format!("more than {FILES_MAX} files are named")));
            break;
        }
        let text = match open(Some(&path)) {
            Ok(text) => text,
            Err(error) => {
                asked.push(unresolved(&follow.from, Some(follow.line), &follow.place, format!("{name}: {error}")));
                continue;
            }
        };
        match &follow.how {
            How::Dockerfile { build_args } => {
                let source = Source { file: &name, text: &text, documents: &[], options };
                asked.append(&mut dockerfile::read_with(&source, build_args).asked);
            }
            _ => take(&name, Some(&path), &text, Kind::Any, options, &mut asked, &mut named),
        }
    }
    if asked.len() > ASKED_MAX {
        asked.truncate(ASKED_MAX);
        asked.push(unresolved("", None, "", format!("only the first {ASKED_MAX} images were looked at")));
    }
    Ok(asked)
}

fn take(
    name: &str,
    path: Option<&Path>,
    text: &str,
    kind: Kind,
    options: &Options,
    asked: &mut Vec<Asked>,
    named: &mut VecDeque<(PathBuf, Follow)>,
) {
    let folder = path.and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    match understood(name, text, kind, options) {
        Ok(mut found) => {
            asked.append(&mut found.asked);
            named.extend(found.follow.into_iter().map(|follow| match follow.how {
                How::Inline { .. } => (path.unwrap_or(Path::new("-")).to_owned(), follow),
                _ => (folder.join(&follow.path), follow),
            }));
        }
        Err(wrong) => asked.push(unresolved(name, wrong.line, "", wrong.what)),
    }
}

fn understood(name: &str, text: &str, kind: Kind, options: &Options) -> Result<Found, Wrong> {
    // Text that is no YAML may still be a Dockerfile or SPDX tags; its error is told if it is neither.
    let parsed = if kind == Kind::Dockerfile { Ok(Vec::new()) } else { tree::documents(text) };
    let documents = parsed.as_deref().unwrap_or(&[]);
    let source = Source { file: name, text, documents, options };
    let fits = |input: &&Input| (kind == Kind::Any || input.kind == kind) && (input.recognises)(&source);
    let forced = INPUTS.iter().find(|input| kind == Kind::Dockerfile && input.kind == kind);
    if let Some(input) = forced.or_else(|| INPUTS.iter().find(fits)) {
        return Ok((input.read)(&source));
    }
    if parsed.as_ref().is_ok_and(|documents| documents.iter().all(|node| node.value == tree::Value::Null)) {
        // An empty rendering names nothing.
        return Ok(Found::default());
    }
    let kinds: Vec<_> = INPUTS.iter().filter(|it| kind == Kind::Any || it.kind == kind).map(|it| it.name).collect();
    let neither = Wrong { line: None, what: format!("it is none of: {}", kinds.join(", ")) };
    Err(parsed.err().unwrap_or(neither))
}

/// Whether `text` can be a tag.
fn is_tag(text: &str) -> bool {
    format!("x:{text}")
        .parse::<ImageReference>()
        .is_ok_and(|reference| reference.tag.is_some() && reference.digest.is_none())
}

/// What messages call a file.
fn shown(path: Option<&Path>) -> String {
    path.map_or_else(|| "-".to_owned(), |path| path.display().to_string())
}

/// Something that could not be followed to an image.
fn unresolved(file: &str, line: Option<u32>, place: &str, why: String) -> Asked {
    let subject = Subject { unresolved: Some(why), ..Subject::default() };
    Asked { subject, file: Some(file.to_owned()).filter(|file| !file.is_empty()), line, place: place.to_owned() }
}

impl Source<'_> {
    /// Asks about `reference` as it stands in the file.
    fn ask(&self, reference: &str, line: u32, place: impl Into<String>) -> Asked {
        let subject = match reference.parse::<ImageReference>() {
            Ok(parsed) => Subject {
                digests: parsed.digest.map(|digest| (digest, None)).into_iter().collect(),
                reference: Some(reference.to_owned()),
                unresolved: None,
            },
            Err(error) => {
                Subject { reference: Some(reference.to_owned()), unresolved: Some(error.reason), ..Subject::default() }
            }
        };
        Asked { subject, file: Some(self.file.to_owned()), line: Some(line), place: place.into() }
    }

    /// Asks about what could not be followed.
    fn unresolved(&self, reference: &str, line: u32, place: impl Into<String>, why: String) -> Asked {
        let subject = Subject { reference: Some(reference.to_owned()), unresolved: Some(why), ..Subject::default() };
        Asked { subject, file: Some(self.file.to_owned()), line: Some(line), place: place.into() }
    }
}

#[cfg(test)]
mod testing {
    use super::*;

    /// Reads one file named `file`, and `others`, and says `line reference [digests] (place): why unresolved` of each image.
    pub(super) fn said(file: &str, text: &str, others: &[(&str, &str)], options: &Options) -> Vec<String> {
        let mut open = |path: Option<&Path>| {
            let path = path.and_then(Path::to_str).unwrap_or("-");
            if path == file {
                return Ok(text.to_owned());
            }
            let found = others.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "there is no such file".to_owned())
        };
        let files = vec![File { path: Some(file.into()).filter(|_| file != "-"), kind: Kind::Any }];
        let asked = read(files, options, &mut open).expect("opens");
        asked.iter().map(|asked| said_of(asked, file)).collect()
    }

    pub(super) fn said_of(asked: &Asked, file: &str) -> String {
        let mut text = asked.line.map_or_else(|| "-".to_owned(), |line| line.to_string());
        if let Some(other) = asked.file.as_deref().filter(|other| *other != file) {
            text = format!("{other}:{text}");
        }
        text += &format!(" {}", asked.subject.reference.as_deref().unwrap_or("-"));
        for (digest, role) in &asked.subject.digests {
            text +=
                &format!(" {}{}", &digest.hex()[..4], role.map_or(String::new(), |role| format!("={}", role.word())));
        }
        text += &format!(" ({})", asked.place);
        if let Some(why) = &asked.subject.unresolved {
            text += &format!(": {why}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{testing::said, *};

    #[test]
    fn what_is_nothing_we_know_is_told_and_not_passed_over() {
        let said_of = |text: &str| said("x", text, &[], &Options::default());
        assert_eq!(said_of(""), Vec::<String>::new());
        assert_eq!(said_of("# nothing\n---\n---\n"), Vec::<String>::new());
        assert!(said_of("hello: world")[0].contains("it is none of"), "{:?}", said_of("hello: world"));
        assert!(said_of("{\"a\": ")[0].contains("no JSON"), "{:?}", said_of("{\"a\": "));
        assert!(said_of("a: [\n")[0].contains("no YAML"), "{:?}", said_of("a: [\n"));
    }

    #[test]
    fn a_file_that_does_not_open_is_a_mistake_of_the_command() {
        let files = vec![File { path: Some("a.yaml".into()), kind: Kind::Any }];
        let result = read(files, &Options::default(), &mut |_| Err("there is no such file".to_owned()));
        assert_eq!(result, Err("a.yaml: there is no such file".to_owned()));
    }

    /// Every cut and many a changed byte of a file of each kind, read as every kind: `fuzz/` goes on from there.
    #[test]
    fn damage_is_read_or_refused() {
        let digest = model::Digest::of(b"");
        let samples = [
            "# syntax=a/b:1\n# escape=`\nARG A=1\nFROM --platform=$B a:${A:-x} AS b `\n  # c\nRUN --mount=from=c <<E\nE\nCOPY --from=d /ü /\n".to_owned(),
            "include: [{path: x}]\nx: &x {image: \"a:${T:-1}\"}\nservices: {a: {<<: *x}, b: {build: {context: c, args: [D=$$e], dockerfile_inline: 'FROM f'}}}\n"
                .to_owned(),
            "kind: List\napiVersion: v1\nitems: [{kind: Pod, spec: {volumes: [{image: {reference: 'ü:1'}}], containers: [{image: b}]}}]\n".to_owned(),
            format!(
                "{{\"bomFormat\":\"CycloneDX\",\"components\":[{{\"purl\":\"pkg:oci/a@{digest}?repository_url=b%2fc&tag=\\u00fc\",\"hashes\":[{{\"alg\":\"SHA-256\",\"content\":\"{0}\"}}]}}]}}",
                digest.hex()
            ),
            format!("SPDXVersion: SPDX-2.3\nPackageName: ü\nExternalRef: PACKAGE-MANAGER purl pkg:docker/a@1?x=%\nFileName: x\nFileChecksum: SHA256: {}\n", digest.hex()),
        ];
        for sample in &samples {
            let bytes = sample.as_bytes();
            let cuts = (0..bytes.len()).map(|cut| bytes[..cut].to_vec());
            let changes = (0..bytes.len()).flat_map(|at| {
                [b'\n', b'$', b'{', b'"', b':', 0xff].map(|byte| {
                    let mut changed = bytes.to_vec();
                    changed[at] = byte;
                    changed
                })
            });
            for bytes in cuts.chain(changes) {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                for kind in [Kind::Any, Kind::Dockerfile, Kind::Sbom] {
                    let files = vec![File { path: Some("a/b".into()), kind }];
                    // What it names holds itself again.
                    let asked = read(files, &Options::default(), &mut |_| Ok(text.clone())).expect("opens");
                    assert!(asked.iter().all(|asked| asked.line.is_none_or(|line| line > 0)), "{text}");
                }
            }
        }
    }
}
