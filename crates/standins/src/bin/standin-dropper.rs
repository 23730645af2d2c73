//! Imitates a dropper: fetches a file over plain HTTP, writes it where anybody may write, makes it executable.
//!
//! `standin-dropper --url http://127.0.0.1:PORT/payload`
//!
//! Never: what was fetched is not run and does not stay. `true` is run in its place, and the file is deleted. The server must be on
//! loopback, redirects are not followed, at most 1 MiB is read. It ends by itself.

use std::{
    fs::{self, OpenOptions, Permissions},
    hint::black_box,
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    process::ExitCode,
};

use standins::{Arguments, begin, connect};

/// What strings(1) finds in a dropper. Kept in the binary by [`main`].
const WORDS: [&str; 8] =
    ["curl -fsSL", "wget -q -O -", "| sh", "chmod +x", "/tmp/.X11-unix/.x", "/dev/shm/.x", "nohup", "/etc/cron.d/"];
const PAYLOAD_BYTES_MAX: u64 = 1 << 20;

fn main() -> ExitCode {
    black_box(WORDS);
    begin(drop_payload)
}

fn drop_payload(arguments: &Arguments) -> Result<String, String> {
    let server = arguments.loopback("url")?;
    let path = arguments.get("url")?.splitn(4, '/').nth(3).unwrap_or_default();
    let path: String = path.chars().filter(char::is_ascii_graphic).collect();
    let mut stream = connect(server)?;
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {server}\r\nUser-Agent: standin-dropper/1\r\n\r\n");
    let mut answer = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.take(PAYLOAD_BYTES_MAX).read_to_end(&mut answer))
        .map_err(|error| error.to_string())?;
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or("no HTTP answer")?;
    let payload = answer.get(head + 4..).unwrap_or_default();

    let file = std::env::temp_dir().join(format!(".standin-{}", std::process::id()));
    let dropped = write_and_run(&file, payload);
    fs::remove_file(&file).map_err(|error| error.to_string())?;
    dropped.map_err(|error| error.to_string())?;
    Ok(format!("{} bytes dropped and deleted, `true` was run instead", payload.len()))
}

fn write_and_run(file: &Path, payload: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(payload)?;
    fs::set_permissions(file, Permissions::from_mode(0o700))?;
    #[expect(clippy::disallowed_methods, reason = "imitates what a dropper does, with a program that does nothing")]
    std::process::Command::new("true").status()?;
    Ok(())
}
