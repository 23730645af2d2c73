//! The kernel's side of seccomp notification: `seccomp_unotify(2)`.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use libc::{seccomp_notif, seccomp_notif_resp};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

const RECEIVE: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;
/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`.
const CONTINUE: u32 = 1;
const STILL_THERE: libc::c_ulong = 0x4008_2102;

/// What a call is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// The kernel does it.
    Continue,
    /// It is not done; this is its result, 0 or a negative `errno`.
    Result(i32),
    /// It is not done; this is its result.
    Value(i64),
    /// It waits on.
    Later,
}

/// Where calls arrive.
pub(super) struct Listener(pub(super) OwnedFd);

/// What came of waiting.
pub(super) enum Arrived {
    Call(seccomp_notif),
    Nothing,
    /// Nobody is left who could call.
    Over,
}

impl Listener {
    /// Waits for a call, or for one of `others` to be readable, at most 20 ms. `others` says which of them are.
    pub(super) fn next(&self, others: &mut [(OwnedFd, bool)]) -> Arrived {
        let mut ready = vec![PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        ready.extend(others.iter().map(|(file, _)| PollFd::new(file.as_fd(), PollFlags::POLLIN)));
        match poll(&mut ready, PollTimeout::from(20_u8)) {
            Ok(0) | Err(nix::Error::EINTR) => return Arrived::Nothing,
            Ok(_) => {}
            Err(_) => return Arrived::Over,
        }
        let found: Vec<_> = ready.iter().map(|file| file.revents().unwrap_or(PollFlags::empty())).collect();
        drop(ready);
        for ((_, readable), events) in others.iter_mut().zip(&found[1..]) {
            *readable = !events.is_empty();
        }
        if !found[0].contains(PollFlags::POLLIN) {
            return if found[0].is_empty() { Arrived::Nothing } else { Arrived::Over };
        }
        #[expect(unsafe_code, reason = "the kernel wants it zeroed")]
        // SAFETY: a struct of numbers, for which zeros are valid.
        let mut call: seccomp_notif = unsafe { std::mem::zeroed() };
        match self.control(RECEIVE, &raw mut call) {
            Ok(()) => Arrived::Call(call),
            // The caller was killed meanwhile.
            Err(_) => Arrived::Nothing,
        }
    }

    /// Whether the caller still waits: what was read of its memory before is its own then.
    pub(super) fn still_there(&self, id: u64) -> bool {
        let mut id = id;
        self.control(STILL_THERE, &raw mut id).is_ok()
    }

    /// Answers. That the caller is gone is no error of ours.
    pub(super) fn reply(&self, id: u64, reply: Reply) {
        let (flags, error, val) = match reply {
            Reply::Continue => (CONTINUE, 0, 0),
            Reply::Result(error) => (0, error, 0),
            Reply::Value(value) => (0, 0, value),
            Reply::Later => return,
        };
        let mut answer = seccomp_notif_resp { id, val, error, flags };
        let _ = self.control(SEND, &raw mut answer);
    }

    fn control<T>(&self, request: libc::c_ulong, value: *mut T) -> io::Result<()> {
        #[expect(unsafe_code, reason = "nix has no seccomp notification")]
        // SAFETY: each caller passes the struct that the request is defined with, valid for the call.
        let answer = unsafe { libc::ioctl(self.0.as_raw_fd(), request, value) };
        if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}
