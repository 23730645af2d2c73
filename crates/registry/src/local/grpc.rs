//! The little of gRPC that containerd needs: one question without a stream of its own, one answer or several.
//!
//! Source: gRPC over HTTP/2, `PROTOCOL-HTTP2.md`.

use std::{io, path::Path, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use h2::client::SendRequest;
use http::Request;
use tokio::net::UnixStream;

/// Longest answer to one question: content lists of tens of thousands of blobs have some MiB.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// What of an answer may be under way unread.
const WINDOW_BYTES: u32 = 1 << 20;

/// A connection to a socket.
pub(super) struct Channel {
    send: SendRequest<Bytes>,
}

impl Channel {
    /// # Errors
    ///
    /// What the socket gives; [`io::ErrorKind::InvalidData`] for what is no HTTP/2.
    pub(super) async fn open(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
        let (send, connection) = builder.handshake(stream).await.map_err(wrong)?;
        // Ends with the runtime, which ends with the question.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { send })
    }

    /// Asks `method` (`package.Service/Name`) with no fields set, in a containerd namespace. Returns every message of the answer.
    ///
    /// # Errors
    ///
    /// As [`Channel::open`]; [`io::ErrorKind::Other`] with what the server says is wrong; [`io::ErrorKind::TimedOut`].
    pub(super) async fn ask(&self, method: &str, namespace: &str, time_max: Duration) -> io::Result<Vec<Bytes>> {
        tokio::time::timeout(time_max, self.asked(method, namespace)).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    async fn asked(&self, method: &str, namespace: &str) -> io::Result<Vec<Bytes>> {
        let request = Request::post(format!("http://localhost/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("containerd-namespace", namespace)
            .body(())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let mut send = self.send.clone().ready().await.map_err(wrong)?;
        let (answer, mut stream) = send.send_request(request, false).map_err(wrong)?;
        // An empty message: not compressed, of length 0.
        stream.send_data(Bytes::from_static(&[0; 5]), true).map_err(wrong)?;
        let answer = answer.await.map_err(wrong)?;
        refused(answer.headers())?;
        let mut body = answer.into_body();
        let mut bytes = BytesMut::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk.map_err(wrong)?;
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(io::Error::other(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes")));
            }
            body.flow_control().release_capacity(chunk.len()).map_err(wrong)?;
            bytes.extend_from_slice(&chunk);
        }
        if let Some(trailers) = body.trailers().await.map_err(wrong)? {
            refused(&trailers)?;
        }
        messages(bytes.freeze())
    }
}

/// The messages of an answer's body, each with a flag and its length before it.
fn messages(mut bytes: Bytes) -> io::Result<Vec<Bytes>> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        if bytes.len() < 5 {
            return Err(wrong("a message is cut off"));
        }
        let (flag, length) = (bytes.get_u8(), bytes.get_u32() as usize);
        if flag != 0 || length > bytes.len() {
            return Err(wrong("a message is cut off or compressed"));
        }
        messages.push(bytes.split_to(length));
    }
    Ok(messages)
}

/// What the server says is wrong.
fn refused(headers: &http::HeaderMap) -> io::Result<()> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status") {
        None | Some("0") => Ok(()),
        Some(status) => {
            let message: String = text("grpc-message").unwrap_or_default().chars().take(200).collect();
            Err(io::Error::other(format!("it answers with code {status}: {message}")))
        }
    }
}

fn wrong(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_are_cut_off_are_an_error() {
        let whole = Bytes::from_static(b"\0\0\0\0\x02ab\0\0\0\0\0");
        assert_eq!(messages(whole.clone()).expect("is whole"), ["ab", ""]);
        for cut in [1, 4, 6, 8, 11] {
            assert!(messages(whole.slice(..cut)).is_err(), "{cut}");
        }
        assert!(messages(Bytes::from_static(b"\x01\0\0\0\0")).is_err());
        assert!(messages(Bytes::from_static(b"\0\xff\xff\xff\xff")).is_err());
    }
}
