//! Messages between lazaret, the guard and the first process, with descriptors.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg, socketpair,
    },
};

use super::sys;

/// Longest message.
const BYTES_MAX: usize = 4_096;
/// Most descriptors of one.
const FDS_MAX: usize = 4;

/// One message.
#[derive(Debug)]
pub(super) struct Message {
    /// What it is.
    pub(super) tag: Tag,
    /// A number or a line.
    pub(super) text: String,
    pub(super) fds: Vec<OwnedFd>,
}

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    /// Guard: the first process is made; its id and descriptor.
    Born = b'B',
    /// Guard: it ended; its wait status.
    Ended = b'E',
    /// First process: the file systems stand; upper folder, root, and the network device if any.
    Made = b'M',
    /// First process: waits at the gate; the number its notification descriptor will have.
    Ready = b'R',
    /// Either: the host refused a step, text `errno step`.
    Refused = b'K',
    /// First process: the image cannot run, and why.
    NotStarted = b'N',
    /// Lazaret: go.
    Go = b'G',
}

impl Tag {
    fn of(byte: u8) -> Option<Self> {
        [Self::Born, Self::Ended, Self::Made, Self::Ready, Self::Refused, Self::NotStarted, Self::Go]
            .into_iter()
            .find(|tag| *tag as u8 == byte)
    }
}

/// Two ends of a channel that keeps messages apart.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// Sends one message. A longer text is cut.
pub(super) fn send(to: impl AsFd, tag: Tag, text: &str, fds: &[RawFd]) -> io::Result<()> {
    let mut bytes = vec![tag as u8];
    bytes.extend(text.bytes().take(BYTES_MAX - 1));
    let control = [ControlMessage::ScmRights(fds)];
    let control = if fds.is_empty() { &[][..] } else { &control[..] };
    sendmsg::<()>(to.as_fd().as_raw_fd(), &[IoSlice::new(&bytes)], control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Waits for one message; none where the other side is gone.
///
/// # Errors
///
/// `TimedOut` after `wait_ms`, `InvalidData` for what is no message.
pub(super) fn receive(from: impl AsFd, wait_ms: u16) -> io::Result<Option<Message>> {
    let from = from.as_fd();
    let mut poll_for = [PollFd::new(from, PollFlags::POLLIN)];
    loop {
        match poll(&mut poll_for, PollTimeout::from(wait_ms)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut bytes = [0; BYTES_MAX];
    let mut space = nix::cmsg_space!([RawFd; FDS_MAX]);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let received = match recvmsg::<()>(from.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC) {
        // The other side ended with messages of ours unread.
        Err(Errno::ECONNRESET) => return Ok(None),
        other => other?,
    };
    let mut fds = Vec::new();
    for message in received.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = message {
            fds.extend(raw.into_iter().map(sys::received));
        }
    }
    let length = received.bytes;
    let Some((&tag, text)) = bytes.get(..length).and_then(<[u8]>::split_first) else { return Ok(None) };
    let tag = Tag::of(tag).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Some(Message { tag, text: String::from_utf8_lossy(text).into_owned(), fds }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_with_their_descriptors() {
        let (here, there) = pair().unwrap();
        send(&here, Tag::Made, "text", &[here.as_raw_fd()]).unwrap();
        let message = receive(&there, 1_000).unwrap().unwrap();
        assert_eq!((message.tag, message.text.as_str(), message.fds.len()), (Tag::Made, "text", 1));
        assert_eq!(receive(&there, 1).unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop((here, message));
        assert!(receive(&there, 1_000).unwrap().is_none());
    }
}
