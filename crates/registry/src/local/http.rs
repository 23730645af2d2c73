//! The little HTTP/1.1 that a container engine's socket needs: one request per connection, a bounded head, a body that is
//! chunked, of a known length, or as long as the connection.
//!
//! Source: RFC 9112, sections 4 (status line), 5 (fields), 6.3 (body length), 7.1 (chunks).

use std::io::{self, BufRead, BufReader, Read, Write};

/// Bytes of the status line and all header fields, and of a chunk's size line or trailer.
const HEAD_BYTES_MAX: u64 = 64 << 10;

/// An answer whose body is still to be read.
pub(super) struct Answer<S> {
    pub(super) status: u16,
    pub(super) body: Body<S>,
}

/// A body. Ends with [`io::ErrorKind::UnexpectedEof`] if the connection does before it.
pub(super) struct Body<S> {
    stream: BufReader<S>,
    left: Left,
}

/// What is still to come.
enum Left {
    /// So many bytes.
    Bytes(u64),
    /// So many bytes of this chunk, then more chunks.
    Chunks { bytes: u64, is_first: bool },
    /// All until the connection ends.
    Everything,
}

/// Asks for `target`, which must be free of spaces and control characters, as [`encoded`] makes it.
///
/// # Errors
///
/// What the stream gives; [`io::ErrorKind::InvalidData`] for what is no HTTP.
pub(super) fn get<S: Read + Write>(stream: S, target: &str) -> io::Result<Answer<S>> {
    ask(stream, "GET", target, None)
}

/// As [`get`], by another method; with `json` as its body, if any.
pub(super) fn ask<S: Read + Write>(
    mut stream: S,
    method: &str,
    target: &str,
    json: Option<&str>,
) -> io::Result<Answer<S>> {
    let body = match json {
        Some(json) => format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}", json.len()),
        None if method == "GET" => "\r\n".to_owned(),
        None => "Content-Length: 0\r\n\r\n".to_owned(),
    };
    // In one piece: a server may answer and hang up as soon as it knows what is asked.
    let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nConnection: close\r\n");
    stream.write_all((head + &body).as_bytes())?;
    stream.flush()?;
    let mut stream = BufReader::with_capacity(64 << 10, stream);
    let mut room = HEAD_BYTES_MAX;
    let status_line = line(&mut stream, &mut room)?;
    let status = status_line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| wrong("it does not answer in HTTP/1"))?;
    let mut left = Left::Everything;
    loop {
        let field = line(&mut stream, &mut room)?;
        if field.is_empty() {
            return Ok(Answer { status, body: Body { stream, left } });
        }
        let (name, value) = field.split_once(':').ok_or_else(|| wrong("a header field has no colon"))?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err(wrong("its transfer encoding is not chunked"));
            }
            left = Left::Chunks { bytes: 0, is_first: true };
        } else if name.eq_ignore_ascii_case("content-length") && matches!(left, Left::Everything) {
            left = Left::Bytes(value.parse().map_err(|_| wrong("its Content-Length is no number"))?);
        }
    }
}

/// `text` for a path: all but unreserved characters, `/`, `:` and `@` as `%XX`.
pub(super) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b'@' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

impl<S: Read> Read for Body<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if let Left::Chunks { bytes: 0, is_first } = self.left {
            self.left = self.next_chunk(is_first)?;
        }
        let left = match &mut self.left {
            Left::Everything => return self.stream.read(buffer),
            Left::Bytes(bytes) | Left::Chunks { bytes, .. } => bytes,
        };
        if *left == 0 {
            return Ok(0);
        }
        let count = (&mut self.stream).take(*left).read(buffer)?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended within the answer"));
        }
        *left -= count as u64;
        Ok(count)
    }
}

impl<S> Body<S> {
    /// What it is read from.
    pub(super) fn stream(&self) -> &S {
        self.stream.get_ref()
    }
}

impl<S: Read> Body<S> {
    fn next_chunk(&mut self, is_first: bool) -> io::Result<Left> {
        let mut room = HEAD_BYTES_MAX;
        if !is_first && !line(&mut self.stream, &mut room)?.is_empty() {
            return Err(wrong("a chunk is longer than it says"));
        }
        let size_line = line(&mut self.stream, &mut room)?;
        let digits = size_line.split(';').next().unwrap_or_default().trim();
        let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bytes = if is_hex { u64::from_str_radix(digits, 16).ok() } else { None };
        match bytes.ok_or_else(|| wrong("a chunk has no size"))? {
            0 => {
                while !line(&mut self.stream, &mut room)?.is_empty() {}
                Ok(Left::Bytes(0))
            }
            bytes => Ok(Left::Chunks { bytes, is_first: false }),
        }
    }
}

/// The next line without its end, taken from what is left of `room`.
fn line(stream: &mut impl BufRead, room: &mut u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    stream.take(*room).read_until(b'\n', &mut bytes)?;
    *room -= bytes.len() as u64;
    let Some(text) = bytes.strip_suffix(b"\n") else {
        return Err(if *room == 0 {
            wrong("its head is too long")
        } else {
            io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended before the answer")
        });
    };
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    String::from_utf8(text.to_vec()).map_err(|_| wrong("its head is no text"))
}

fn wrong(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with `.0`, whatever is asked.
    struct Fake<'a>(&'a [u8]);

    impl Read for Fake<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            // One byte at a time, so that nothing relies on whole lines coming together.
            let length = buffer.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }

    impl Write for Fake<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn check(answer: &str, expected: &str) {
        let result = get(Fake(answer.as_bytes()), "/").and_then(|mut answer| {
            let mut text = String::new();
            #[expect(clippy::disallowed_methods, reason = "the tests' own bytes")]
            answer.body.read_to_string(&mut text)?;
            Ok(format!("{} {text}", answer.status))
        });
        let text = result.unwrap_or_else(|error| error.to_string());
        assert!(text.contains(expected), "{answer:?}: {text:?} must hold {expected:?}");
    }

    #[test]
    fn bodies_of_every_kind_are_read() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd", "200 abc");
        check("HTTP/1.0 404 Not Found\r\n\r\nto the end", "404 to the end");
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(&format!("{chunks}3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: x\r\n\r\n"), "200 abcde");
        check(&format!("{chunks}0\r\n\r\n"), "200 ");
    }

    #[test]
    fn what_is_cut_off_or_lies_is_an_error() {
        check("", "ended before");
        check("SSH-2.0-x\r\n", "HTTP/1");
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "ended within");
        check("HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nab", "no number");
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "not chunked");
        check(&format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(100_000)), "too long");
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(&format!("{chunks}3\r\nabc\r\n"), "ended before");
        check(&format!("{chunks}3\r\nabcd\r\n"), "longer than it says");
        check(&format!("{chunks}fffffffffffffffff\r\n"), "no size");
        check(&format!("{chunks}-1\r\n"), "no size");
    }

    #[test]
    fn a_name_cannot_add_to_the_request() {
        assert_eq!(encoded("a/b:c@sha256:1"), "a/b:c@sha256:1");
        assert_eq!(encoded("a b\r\nHost: x?y#ü"), "a%20b%0D%0AHost:%20x%3Fy%23%C3%BC");
    }
}
