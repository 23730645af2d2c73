//! What `echo` or `printf` hand to commands that decode.

use super::{
    STAGE_BYTES_MIN,
    codec::{base64, escapes, hex},
    worth,
};

/// Most pipes of one script.
const PIPES_MAX: usize = 256;
/// Longest text that is echoed.
const ARGUMENT_BYTES_MAX: usize = 4 << 20;
/// Longest command behind it.
const COMMAND_BYTES_MAX: usize = 256;
/// Most commands of one pipe.
const FILTERS_MAX: usize = 8;

/// What each pipe of a (normalised) script gives: where it starts, how it decodes, the bytes.
pub(super) fn results(script: &[u8], room: usize) -> Vec<(usize, &'static str, Vec<u8>)> {
    let mut found: Vec<(usize, &'static str, Vec<u8>)> = Vec::new();
    let (mut at, mut left) = (0, room);
    while let Some((start, name)) = source(script, at) {
        at = start + name.len();
        let Some((argument, behind)) = argument(script, at) else { continue };
        let is_format = name == b"printf";
        let decoded =
            if is_format || argument.contains(&b'\\') { escapes::replaced(argument) } else { argument.to_vec() };
        let mut how: Vec<&'static str> = Vec::new();
        if is_format && decoded != argument {
            how.push("printf");
        }
        let before = script.get(start.saturating_sub(80)..start).unwrap_or_default();
        let bytes = match here_string(before, name) {
            Some(filter) => applied(filter, &decoded, &mut how),
            None => Some(decoded),
        };
        let Some(bytes) = bytes else { continue };
        let bytes = piped(bytes, script.get(behind..).unwrap_or_default(), &mut how);
        // What stays text all the way is there in plain words, unless those are commands.
        let was_armoured = how.iter().any(|step| matches!(*step, "base64" | "xxd"));
        let is_worth_it = worth::looking(&bytes) && (was_armoured || worth::commands(&bytes) > 0);
        if !how.is_empty() && bytes.len() >= STAGE_BYTES_MIN && bytes.len() <= left && is_worth_it {
            left -= bytes.len();
            at = behind;
            found.push((start, word(&how), bytes));
            if found.len() == PIPES_MAX {
                break;
            }
        }
    }
    found
}

/// Where the next `echo`, `printf` or `<<<` is, and which.
fn source(script: &[u8], from: usize) -> Option<(usize, &'static [u8])> {
    let names: [&'static [u8]; 3] = [b"echo", b"printf", b"<<<"];
    let rest = script.get(from..)?;
    // All three begin with one of three bytes, which costs one pass whatever is missing.
    memchr::memchr3_iter(b'e', b'p', b'<', rest).find_map(|at| {
        names
            .into_iter()
            .find(|name| rest.get(at..).is_some_and(|rest| rest.starts_with(name)))
            .map(|name| (from + at, name))
    })
}

/// The last argument before `|`, `)` or the end of the line, without its quotes; and where it ends.
fn argument(script: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let mut at = from;
    let mut last = None;
    loop {
        let rest = script.get(at..)?;
        let blanks = rest.iter().take_while(|&&byte| matches!(byte, b' ' | b'\t')).count();
        at += blanks;
        let rest = rest.get(blanks..)?;
        let (argument, length) = match rest.first() {
            Some(&quote @ (b'"' | b'\'')) => {
                let inner = rest.get(1..)?;
                let length = memchr::memchr(quote, inner.get(..ARGUMENT_BYTES_MAX).unwrap_or(inner))?;
                (inner.get(..length)?, length + 2)
            }
            Some(byte) if !b"|)`;&\n\"'<>".contains(byte) => {
                let length = rest.iter().take_while(|byte| !b" \t|)`;&\n\"'<>".contains(byte)).count();
                (rest.get(..length)?, length)
            }
            _ => return last.map(|last| (last, at)),
        };
        at += length;
        // Options come first: `-n`, `-ne`, `%s`.
        if !(argument.len() <= 4 && matches!(argument.first(), Some(b'-' | b'%'))) {
            last = Some(argument);
        }
    }
}

/// The command before `<<<`, if that is what was found.
fn here_string<'s>(before: &'s [u8], name: &[u8]) -> Option<&'s [u8]> {
    let command = before.rsplit(|byte| b"\n;|&(`".contains(byte)).next()?;
    (name == b"<<<").then_some(command)
}

/// Hands the bytes to the commands of a pipe, as far as they are known.
fn piped(mut bytes: Vec<u8>, mut rest: &[u8], how: &mut Vec<&'static str>) -> Vec<u8> {
    for _ in 0..FILTERS_MAX {
        let blanks = rest.iter().take_while(|&&byte| matches!(byte, b' ' | b'\t')).count();
        let Some(after) = rest.get(blanks..).and_then(|rest| rest.strip_prefix(b"|")) else { break };
        let length = after.iter().take(COMMAND_BYTES_MAX).take_while(|byte| !b"|)`;&\n".contains(byte)).count();
        let command = after.get(..length).unwrap_or_default();
        let Some(made) = applied(command, &bytes, how) else { break };
        bytes = made;
        rest = after.get(length..).unwrap_or_default();
    }
    bytes
}

/// What one command makes of its input; none if it is not known.
fn applied(command: &[u8], input: &[u8], how: &mut Vec<&'static str>) -> Option<Vec<u8>> {
    let text = str::from_utf8(command).ok()?;
    let words: Vec<&str> = text.split_ascii_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
    let (name, arguments) = words.split_first()?;
    let has = |wanted: &[&str]| arguments.iter().any(|word| wanted.contains(word));
    let dense = || input.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    let (word, made) = match name.rsplit('/').next()? {
        "base64" if has(&["-d", "-D", "--decode", "-di", "-id"]) => ("base64", base64::decoded(dense(), input.len())),
        "openssl" if has(&["base64", "-base64", "-a"]) && has(&["-d"]) => {
            ("base64", base64::decoded(dense(), input.len()))
        }
        "xxd" if has(&["-r", "-rp", "-pr"]) => ("xxd", hex::decoded(&dense().collect::<Vec<_>>(), input.len())),
        "rev" => ("rev", reversed_lines(input)),
        "tr" => ("tr", translated(input, arguments)?),
        _ => return None,
    };
    how.push(word);
    Some(made)
}

fn reversed_lines(input: &[u8]) -> Vec<u8> {
    let lines: Vec<Vec<u8>> =
        input.split(|&byte| byte == b'\n').map(|line| line.iter().rev().copied().collect()).collect();
    lines.join(&b'\n')
}

/// `tr SET1 SET2` and `tr -d SET1`, with ranges.
fn translated(input: &[u8], arguments: &[&str]) -> Option<Vec<u8>> {
    match arguments {
        ["-d", set] => {
            let set = expanded(set);
            Some(input.iter().copied().filter(|byte| !set.contains(byte)).collect())
        }
        [from, to] if !from.starts_with('-') => {
            let (from, to) = (expanded(from), expanded(to));
            let last = *to.last()?;
            let mut table: Vec<u8> = (0..=u8::MAX).collect();
            for (at, byte) in from.iter().enumerate() {
                *table.get_mut(usize::from(*byte))? = to.get(at).copied().unwrap_or(last);
            }
            input.iter().map(|byte| table.get(usize::from(*byte)).copied()).collect()
        }
        _ => None,
    }
}

/// A set of `tr`: `a-z` is 26 letters.
fn expanded(set: &str) -> Vec<u8> {
    let set = set.as_bytes();
    let (mut bytes, mut at) = (Vec::new(), 0);
    while let Some(&byte) = set.get(at) {
        match (set.get(at + 1), set.get(at + 2)) {
            (Some(b'-'), Some(&end)) if end >= byte => {
                bytes.extend(byte..=end);
                at += 3;
            }
            _ => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    bytes
}

/// One word for the steps that were taken.
fn word(how: &[&'static str]) -> &'static str {
    match how {
        [one] => one,
        ["rev", "base64"] => "rev+base64",
        ["base64", "rev"] => "base64+rev",
        ["base64", "base64"] => "base64+base64",
        ["tr", "base64"] => "tr+base64",
        _ => "shell-pipe",
    }
}
