//! Imitates a reverse shell: connects to its operator and shows a prompt.
//!
//! `standin-shell --target 127.0.0.1:PORT`
//!
//! Never: no shell and no other program is started. What the operator types, at most ten lines, is answered with the same
//! refusal. The operator must be on loopback. It ends by itself.

use std::{
    hint::black_box,
    io::{BufRead, BufReader, Read, Write},
    process::ExitCode,
};

use standins::{Arguments, begin, connect};

/// What strings(1) finds in a reverse shell. Kept in the binary by [`main`].
const WORDS: [&str; 6] =
    ["/bin/sh -i", "/bin/bash -i", "/dev/tcp/", "dup2", "TERM=xterm-256color", "HISTFILE=/dev/null"];
const BANNER: &str = "standin-shell: uid=0(root) gid=0(root)\n$ ";
const LINES_MAX: usize = 10;
const LINES_BYTES_MAX: u64 = 4 << 10;

fn main() -> ExitCode {
    black_box(WORDS);
    begin(call_home)
}

fn call_home(arguments: &Arguments) -> Result<String, String> {
    let stream = connect(arguments.loopback("target")?)?;
    let mut out = &stream;
    out.write_all(BANNER.as_bytes()).map_err(|error| error.to_string())?;
    let lines = BufReader::new((&stream).take(LINES_BYTES_MAX)).lines().take(LINES_MAX);
    let answered = lines
        .map_while(Result::ok)
        .map_while(|_| out.write_all(b"standin-shell: nothing is run here\n$ ").ok())
        .count();
    Ok(format!("{answered} lines refused"))
}
