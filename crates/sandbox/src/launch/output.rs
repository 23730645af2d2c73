//! What the sample prints.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use nix::fcntl::OFlag;

use super::sys;

/// First bytes of what the sample prints that are kept.
const OUTPUT_BYTES_MAX: u64 = 256 << 10;

/// Reads what the sample prints, so that it never waits for us, and keeps the first of it.
pub(super) struct Output {
    kept: Arc<Mutex<Vec<u8>>>,
    /// Another end for a process beside; closed at the end, which ends the reader.
    end: OwnedFd,
}

impl Output {
    pub(super) fn open() -> io::Result<(Self, OwnedFd)> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let kept = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&kept);
        thread::Builder::new().name("output".to_owned()).spawn(move || {
            let mut read = File::from(read);
            let mut buffer = [0; 16 << 10];
            while let Ok(bytes @ 1..) = read.read(&mut buffer) {
                let mut kept = into.lock().unwrap_or_else(PoisonError::into_inner);
                let left = usize::try_from(OUTPUT_BYTES_MAX).unwrap_or(0).saturating_sub(kept.len());
                kept.extend_from_slice(buffer.get(..bytes.min(left)).unwrap_or_default());
            }
        })?;
        let end = write.try_clone()?;
        Ok((Self { kept, end }, write))
    }

    pub(super) fn end(&self) -> io::Result<OwnedFd> {
        self.end.try_clone()
    }

    pub(super) fn kept(&self) -> Vec<u8> {
        // What was printed last may still be in the pipe.
        for _ in 0..20 {
            let mut fds = [nix::poll::PollFd::new(self.end.as_fd(), nix::poll::PollFlags::POLLOUT)];
            let _ = nix::poll::poll(&mut fds, nix::poll::PollTimeout::ZERO);
            let mut waiting = 0;
            if sys::waiting_bytes(&self.end, &mut waiting).is_err() || waiting == 0 {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
