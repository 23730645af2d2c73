//! Hands a blob on as it comes, in constant memory: a thread reads ahead by a few pieces and waits for the client.

use std::{
    io::{self, Read},
    time::Duration,
};

use axum::body::{Body, Bytes};
use futures_util::stream;
use registry::Passing;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, mpsc},
};

/// Bytes of one piece, and pieces read ahead: half a MiB a blob.
const PIECE_BYTES: usize = 128 << 10;
const AHEAD: usize = 3;
/// Longest time a client may take nothing.
const STALL_MAX: Duration = Duration::from_secs(60);

/// The body of an answer: at most `bytes_max` of `passing`. `permit` is given back at its end. An upstream that breaks off breaks
/// the client's connection off: what came cannot be taken for the whole.
pub(super) fn body(passing: Passing, bytes_max: u64, permit: OwnedSemaphorePermit) -> Body {
    let (to, from) = mpsc::channel::<io::Result<Bytes>>(AHEAD);
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let mut left = bytes_max;
        let mut reader = passing.body;
        while left > 0 {
            let piece = piece(&mut reader, left);
            let length = piece.as_ref().map_or(0, Bytes::len);
            let failed = piece.is_err();
            if length == 0 && !failed {
                break;
            }
            left = left.saturating_sub(length as u64);
            let sent = handle.block_on(tokio::time::timeout(STALL_MAX, to.send(piece)));
            if failed || !matches!(sent, Ok(Ok(()))) {
                break;
            }
        }
    });
    Body::from_stream(stream::unfold(from, |mut from| async {
        let piece = from.recv().await?;
        Some((piece, from))
    }))
}

/// The next bytes, at most `left`; empty at the end.
fn piece(reader: &mut impl Read, left: u64) -> io::Result<Bytes> {
    let room = usize::try_from(left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
    let mut buffer = vec![0; room];
    loop {
        match reader.read(&mut buffer) {
            Ok(count) => {
                buffer.truncate(count);
                return Ok(Bytes::from(buffer));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
