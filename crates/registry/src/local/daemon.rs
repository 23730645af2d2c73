//! `docker-daemon:REF`: an image of the local Docker engine, or of Podman's service, which answers the same way.
//!
//! Source: Docker Engine API v1.24 and later, `GET /images/{name}/json` and `GET /images/{name}/get`. The paths carry no
//! version: the engine then uses its own.

use std::{
    io::{self, Read},
    os::unix::net::UnixStream,
    time::Duration,
};

use super::{
    http::{Answer, encoded, get},
    invalid,
};
use crate::{Options, RegistryError};

/// Before its first byte, Docker writes the whole archive to a temporary folder: minutes for a large image.
const EXPORT_WAIT_MIN: Duration = Duration::from_secs(600);
/// Longest image name: that of a reference with a digest.
const NAME_BYTES_MAX: usize = 512;
/// Longest answer that is no archive.
const MESSAGE_BYTES_MAX: u64 = 4 << 20;

/// See [`crate::docker_daemon_stream`].
pub(crate) fn stream(reference: &str, options: &Options) -> Result<Box<dyn Read + Send>, RegistryError> {
    let what = format!("docker-daemon:{reference}");
    if reference.is_empty() || reference.len() > NAME_BYTES_MAX || reference.split('/').any(|part| part == "..") {
        return Err(invalid(what, "it is no image name or id"));
    }
    let name = encoded(reference);
    // Asked first: what is missing or refused is said at once, not after the wait for an archive.
    let exists = ask(&what, &format!("/images/{name}/json"), options.timeout, options)?;
    check(&what, reference, exists)?;
    let wait = options.timeout.max(EXPORT_WAIT_MIN);
    let archive = ask(&what, &format!("/images/{name}/get"), wait, options)?;
    let archive = check(&what, reference, archive)?;
    let silence = archive.body.stream().set_read_timeout(Some(options.timeout));
    silence.map_err(|error| RegistryError::Unreachable { what, detail: error.to_string() })?;
    Ok(Box::new(archive.body))
}

fn ask(what: &str, target: &str, wait_max: Duration, options: &Options) -> Result<Answer<UnixStream>, RegistryError> {
    asked(what, options, wait_max, |stream| get(stream, target))
}

/// Connects to the engine's socket and asks `request`.
pub(super) fn asked(
    what: &str,
    options: &Options,
    wait_max: Duration,
    request: impl FnOnce(UnixStream) -> io::Result<Answer<UnixStream>>,
) -> Result<Answer<UnixStream>, RegistryError> {
    let socket = options.docker_socket.display();
    #[expect(clippy::disallowed_methods, reason = "a container engine is spoken to here and nowhere else")]
    let connected = UnixStream::connect(&options.docker_socket);
    let asked = connected.and_then(|stream| {
        stream.set_read_timeout(Some(wait_max))?;
        stream.set_write_timeout(Some(options.timeout))?;
        request(stream)
    });
    asked.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => RegistryError::Unreachable {
            what: what.to_owned(),
            detail: format!("no Docker engine listens on {socket}; start it, or name its socket"),
        },
        io::ErrorKind::PermissionDenied => RegistryError::Denied {
            registry: format!("the socket {socket}"),
            what: what.to_owned(),
            hint: "join the group `docker` or run as a user who may".to_owned(),
        },
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => RegistryError::Unreachable {
            what: what.to_owned(),
            detail: format!("the engine on {socket} did not answer within {} s", wait_max.as_secs()),
        },
        _ => RegistryError::Unreachable { what: what.to_owned(), detail: format!("the engine on {socket}: {error}") },
    })
}

/// The answer, if it says yes.
pub(super) fn check(
    what: &str,
    reference: &str,
    answer: Answer<UnixStream>,
) -> Result<Answer<UnixStream>, RegistryError> {
    let status = answer.status;
    if status == 200 {
        return Ok(answer);
    }
    let what = what.to_owned();
    if status == 404 {
        let hint = format!("see `docker image ls`, or get it with `docker pull {reference}`");
        return Err(RegistryError::NotFound { what, hint });
    }
    let detail = format!("the engine answered {status}: {}", message(answer));
    Err(if status >= 500 { RegistryError::Unreachable { what, detail } } else { invalid(what, detail) })
}

/// What the engine says went wrong: hostile text, kept short.
fn message(answer: Answer<UnixStream>) -> String {
    const SHOWN_MAX: usize = 200;
    let mut bytes = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    let read = answer.body.take(MESSAGE_BYTES_MAX).read_to_end(&mut bytes);
    let json: serde_json::Value = read.ok().and_then(|_| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    match json.get("message").and_then(|message| message.as_str()) {
        Some(text) => text.chars().take(SHOWN_MAX).collect(),
        None => "no reason given".to_owned(),
    }
}
