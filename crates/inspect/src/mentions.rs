//! What a script leads to: the paths it names and the commands it starts.
//!
//! No shell is parsed. The answer is used to follow what an entry point reaches, so a path must be right and a few
//! missing are bearable: names put together from variables are not seen.

use std::collections::BTreeSet;

use model::{
    FileKind,
    record::{MENTIONS_MAX, TEXT_MENTIONS_MAX},
};

/// Longest piece of a script that is read.
const SCRIPT_BYTES_MAX: usize = 1 << 20;
/// Longest path or word that is kept.
const MENTION_BYTES_MAX: usize = 256;

/// Words before a command that are no command themselves.
const PREFIXES: [&str; 21] = [
    "do", "then", "else", "if", "elif", "while", "until", "!", "{", "(", "exec", "sudo", "nohup", "env", "eval",
    "command", "time", "nice", "setsid", "xargs", "tini",
];
/// Built into every shell: they lead nowhere.
const BUILTINS: [&str; 35] = [
    "echo", "cd", "fi", "done", "esac", "case", "for", "set", "export", "return", "exit", "true", "false", "test",
    "local", "shift", "read", "printf", "trap", "unset", "wait", "function", "in", "source", "break", "continue",
    "declare", "readonly", "umask", "alias", "getopts", "hash", "type", "ulimit", "shopt",
];

/// Absolute paths and `./` paths that the text names, then, of a shell script, the commands it starts; in order, each
/// once. Empty for what is neither a script nor text. True if it is a script and a ceiling was reached: what it runs may
/// be behind it.
pub(crate) fn mentions(bytes: &[u8], kind: FileKind) -> (Vec<String>, bool) {
    let mentions_max = match kind {
        FileKind::Script => MENTIONS_MAX,
        FileKind::Text => TEXT_MENTIONS_MAX,
        _ => return (Vec::new(), false),
    };
    let head = bytes.get(..SCRIPT_BYTES_MAX).unwrap_or(bytes);
    let mut mentions = Kept { max: mentions_max, ..Kept::default() };
    let lines = || head.split(|&byte| byte == b'\n');
    let is_shell = kind == FileKind::Script && lines().next().is_some_and(names_a_shell);
    paths(head, |path| mentions.keep(path));
    if is_shell {
        for line in lines().filter(|line| !is_comment(line)) {
            for segment in line.split(|byte| b"&;|`(\"'".contains(byte)) {
                mentions.keep(command(segment));
            }
        }
    }
    let is_cut = kind == FileKind::Script && (mentions.is_full || bytes.len() > SCRIPT_BYTES_MAX);
    (mentions.texts, is_cut)
}

#[derive(Default)]
struct Kept<'a> {
    max: usize,
    seen: BTreeSet<&'a [u8]>,
    texts: Vec<String>,
    is_full: bool,
}

impl<'a> Kept<'a> {
    fn keep(&mut self, token: &'a [u8]) {
        if token.is_empty() || token.len() > MENTION_BYTES_MAX || self.seen.contains(token) {
            return;
        }
        if self.texts.len() >= self.max {
            self.is_full = true;
            return;
        }
        self.seen.insert(token);
        if let Ok(text) = str::from_utf8(token) {
            self.texts.push(text.to_owned());
        }
    }
}

/// Hands every path outside comments to `visit`, in order. Slashes are rare, so text without paths costs a `memchr`.
fn paths<'a>(text: &'a [u8], mut visit: impl FnMut(&'a [u8])) {
    let (mut searched, mut from) = (0, 0);
    let mut in_comment = None;
    while let Some(found) = memchr::memchr(b'/', text.get(from..).unwrap_or_default()) {
        let slash = from + found;
        let dots = text[from..slash].iter().rev().take(2).take_while(|&&byte| byte == b'.').count();
        let start = slash - dots;
        if start > 0 && !ends_a_path(text[start - 1]) {
            from = slash + 1;
            continue;
        }
        if let Some(newline) = memchr::memrchr(b'\n', &text[searched..start]) {
            searched += newline + 1;
            in_comment = None;
        }
        // Once a line: a line of a million blanks and a hundred thousand paths must not be read as often.
        let in_comment = *in_comment.get_or_insert_with(|| is_comment(&text[searched..=slash]));
        searched = start;
        let length = text[slash..].iter().position(|&byte| ends_a_path(byte)).unwrap_or(text.len() - slash);
        let token = &text[start..slash + length];
        if is_path(token) && !in_comment {
            visit(token);
        }
        from = slash + length;
    }
}

fn names_a_shell(line: &[u8]) -> bool {
    let words = line.split(|&byte| byte == b' ' || byte == b'/' || byte == b'!');
    words
        .map(<[u8]>::trim_ascii)
        .any(|word| matches!(word, b"sh" | b"bash" | b"dash" | b"ash" | b"zsh" | b"ksh" | b"busybox"))
}

/// `#` at the start, but not `#!`: the interpreter is led to as well.
fn is_comment(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.starts_with(b"#") && !line.starts_with(b"#!")
}

fn ends_a_path(byte: u8) -> bool {
    byte <= b' ' || b"\"'`;|&()<>=,:[]{}!".contains(&byte)
}

/// An absolute path or one that starts with `./` or `../`, without anything a shell would replace.
fn is_path(token: &[u8]) -> bool {
    let rest = match token {
        [b'.', b'.', b'/', rest @ ..] | [b'.', b'/', rest @ ..] | [b'/', rest @ ..] => rest,
        _ => return false,
    };
    let starts_well = rest.first().is_some_and(|&byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let devices: [&[u8]; 6] =
        [b"/dev/null", b"/dev/stdout", b"/dev/stderr", b"/dev/stdin", b"/dev/zero", b"/dev/urandom"];
    starts_well && !token.iter().any(|byte| b"$*?\\^%".contains(byte)) && !devices.contains(&token)
}

/// The word a segment of a shell script starts, or nothing.
fn command(segment: &[u8]) -> &[u8] {
    let words = segment.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    for word in words {
        let is_word = word.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte));
        let text = str::from_utf8(word).unwrap_or_default();
        if PREFIXES.contains(&text) || text.contains('=') {
            continue;
        }
        let starts_well =
            word.first().is_some_and(u8::is_ascii_alphanumeric) && word.iter().any(u8::is_ascii_alphabetic);
        return if is_word && starts_well && !BUILTINS.contains(&text) { word } else { &[] };
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: FileKind, script: &str, expected: &[&str]) {
        assert_eq!(mentions(script.as_bytes(), kind).0, expected);
    }

    #[test]
    fn an_entry_script_leads_to_what_it_starts() {
        let script = "#!/bin/sh\n# not /etc/comment\nset -e\nX=1 exec /opt/x/run.sh --flag >/dev/null 2>&1\n\
            ./worker && curl -s https://example.org/a | sh\nif python3 app.py; then nginx; fi\n";
        check(FileKind::Script, script, &["/bin/sh", "/opt/x/run.sh", "./worker", "curl", "sh", "python3", "nginx"]);
    }

    #[test]
    fn what_a_shell_would_replace_is_not_a_path() {
        check(
            FileKind::Script,
            "#!/bin/bash\ncp /opt/$NAME/x /srv/*.txt /dev/shm/a\n",
            &["/bin/bash", "/dev/shm/a", "cp"],
        );
    }

    #[test]
    fn text_names_paths_but_starts_nothing() {
        check(FileKind::Text, "[Service]\nExecStart=/opt/miner --config=/etc/m.json\n", &["/opt/miner", "/etc/m.json"]);
        check(FileKind::Binary, "/opt/x", &[]);
    }

    #[test]
    fn comments_are_told_line_by_line() {
        check(FileKind::Text, "# /a/b /c/d\n/e /f\n  # /g\n\n/h#/i", &["/e", "/f", "/h#/i"]);
    }

    #[test]
    fn a_long_list_is_cut() {
        let text: String = (0..5_000).map(|number| format!("/opt/{number}\n")).collect();
        let (kept, is_cut) = mentions(text.as_bytes(), FileKind::Text);
        assert_eq!((kept.len(), is_cut), (TEXT_MENTIONS_MAX, false));
        let script = format!("#!/bin/sh\n{text}");
        let (kept, is_cut) = mentions(script.as_bytes(), FileKind::Script);
        assert_eq!((kept.len(), is_cut), (MENTIONS_MAX, true));
    }
}
