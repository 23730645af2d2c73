//! Another process, seen from outside: its memory, its files, its number inside the sandbox. All may be gone or change at any time.

use std::{
    ffi::CString,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::FileExt},
    },
};

use super::super::translate::{self, FileSeen};

/// Of a string in its memory.
const STRING_BYTES_MAX: usize = 4096;
/// Of a file below `/proc`.
const PROC_BYTES_MAX: u64 = 16_384;

/// A thread, by the host's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task(pub(super) u32);

/// What `/proc/N/status` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// The process, as the host counts.
    pub(super) host: u32,
    /// The process, as the innermost of its namespaces that we know counts.
    pub(super) process: u32,
    /// Its parent, as the host counts.
    pub(super) parent: u32,
    /// Effective user id inside.
    pub(super) user: u32,
}

impl Task {
    /// Reads memory; fewer bytes, or none, where it is not there.
    pub(super) fn read(self, address: u64, buffer: &mut [u8]) -> usize {
        let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let remote = libc::iovec {
            iov_base: std::ptr::without_provenance_mut(usize::try_from(address).unwrap_or(0)),
            iov_len: buffer.len(),
        };
        #[expect(unsafe_code, reason = "no safe wrapper says that fewer bytes are no error")]
        // SAFETY: `local` is the buffer, which is ours alone; `remote` is never looked at in this process.
        let read =
            unsafe { libc::process_vm_readv(self.0.cast_signed(), &raw const local, 1, &raw const remote, 1, 0) };
        usize::try_from(read).unwrap_or(0)
    }

    /// A string of its memory, without its zero, up to 4 KiB.
    pub(super) fn string(self, address: u64) -> Vec<u8> {
        let mut string = Vec::new();
        let mut buffer = [0; STRING_BYTES_MAX];
        let mut at = address;
        while at != 0 && string.len() < STRING_BYTES_MAX {
            // Up to the end of a page: the next may not be there.
            let page = 4096 - usize::try_from(at % 4096).expect("small");
            let read = self.read(at, &mut buffer[..page]);
            if read == 0 {
                break;
            }
            if let Some(end) = buffer[..read].iter().position(|byte| *byte == 0) {
                string.extend_from_slice(&buffer[..end]);
                break;
            }
            string.extend_from_slice(&buffer[..read]);
            at += read as u64;
        }
        string.truncate(STRING_BYTES_MAX);
        string
    }

    /// `length` bytes of its memory, at most 256; fewer where they are not there.
    pub(super) fn bytes(self, address: u64, length: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0).min(256)];
        let read = if address == 0 { 0 } else { self.read(address, &mut bytes) };
        bytes.truncate(read);
        bytes
    }

    /// Writes memory, also where the process itself may not.
    pub(super) fn write(self, address: u64, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new().write(true).open(format!("/proc/{}/mem", self.0))?.write_all_at(bytes, address)
    }

    /// What one of its files, or folders, is called: `cwd`, `exe`, `fd/3`.
    pub(super) fn link(self, name: &str) -> String {
        let link = fs::read_link(format!("/proc/{}/{name}", self.0)).unwrap_or_default();
        let text = translate::text(link.as_os_str().as_bytes());
        // A file that is only in memory is named like a path by the kernel.
        match text.strip_prefix("/memfd:") {
            Some(name) => format!("memfd:{}", name.trim_end_matches(" (deleted)")),
            None => text,
        }
    }

    /// A file below its `/proc` folder, at most 16 KiB of it.
    pub(super) fn file(self, name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let Ok(file) = File::open(format!("/proc/{}/{name}", self.0)) else { return bytes };
        #[expect(clippy::disallowed_methods, reason = "bounded by take")]
        let _ = file.take(PROC_BYTES_MAX).read_to_end(&mut bytes);
        bytes
    }

    /// Who it is; `depth` is that of the sample's process namespace, 0 for the innermost.
    pub(super) fn status(self, depth: usize) -> Option<Status> {
        status(&String::from_utf8_lossy(&self.file("status")), depth)
    }

    /// How many process namespaces it is in.
    pub(super) fn depth(self) -> usize {
        let status = self.file("status");
        let text = String::from_utf8_lossy(&status);
        text.lines()
            .find_map(|line| line.strip_prefix("NStgid:"))
            .map_or(0, |line| line.split_ascii_whitespace().count())
    }

    /// An open file of it.
    pub(super) fn opened(self, descriptor: i32) -> Option<FileSeen> {
        if descriptor < 0 {
            return None;
        }
        let path = self.link(&format!("fd/{descriptor}"));
        let (mode, family) = match path.split(':').next()? {
            "" => return None,
            "pipe" => (libc::S_IFIFO, 0),
            "socket" => (libc::S_IFSOCK, self.family(descriptor)),
            _ => (libc::S_IFREG, 0),
        };
        let id = path.split_once(":[").and_then(|(_, rest)| rest.trim_end_matches(']').parse().ok()).unwrap_or(0);
        Some(FileSeen { id, path, mode, family })
    }

    /// Address family of a socket of it; 0 where that cannot be told.
    fn family(self, descriptor: i32) -> u32 {
        let Some(socket) = self.descriptor(descriptor) else { return 0 };
        let mut family: libc::c_int = 0;
        let mut length = libc::socklen_t::try_from(size_of::<libc::c_int>()).expect("small");
        #[expect(unsafe_code, reason = "nix does not know this option")]
        // SAFETY: the buffer is as long as said.
        let answer = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_DOMAIN,
                (&raw mut family).cast(),
                &raw mut length,
            )
        };
        if answer == 0 { family.cast_unsigned() } else { 0 }
    }

    /// One of its open files, opened here too.
    pub(super) fn descriptor(self, descriptor: i32) -> Option<OwnedFd> {
        let process = i64::from(self.status(0)?.host);
        #[expect(unsafe_code, reason = "nix has no pidfd_getfd")]
        // SAFETY: descriptors that come back are new and owned at once.
        let owned = |answer: libc::c_long| unsafe {
            i32::try_from(answer).ok().filter(|number| *number >= 0).map(|number| OwnedFd::from_raw_fd(number))
        };
        #[expect(unsafe_code, reason = "nix has no pidfd_getfd")]
        // SAFETY: calls on numbers.
        let process = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) })?;
        #[expect(unsafe_code, reason = "nix has no pidfd_getfd")]
        // SAFETY: as above.
        owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), descriptor, 0) })
    }

    /// Whether there is a file of this absolute path, as the process sees it. Only a clear no is one.
    pub(super) fn has(self, path: &str) -> bool {
        // Links below /proc do not lead for us where they lead for the process.
        let other = path.is_empty() || path == "/" || path.starts_with("/proc/");
        other || !matches!(self.find(path), Err(error) if error.raw_os_error() == Some(libc::ENOENT))
    }

    /// The length and first bytes of a file of this absolute path; none of what is no regular file.
    pub(super) fn content(self, path: &str, most: u64) -> Option<(u64, Vec<u8>)> {
        let found = self.find(path).ok()?;
        let about = File::from(found.try_clone().ok()?).metadata().ok()?;
        if !about.is_file() {
            return None;
        }
        // Opened only now that it is known to be no device and no pipe.
        let file = File::open(format!("/proc/self/fd/{}", found.as_raw_fd())).ok()?;
        let mut bytes = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "bounded by take")]
        file.take(most).read_to_end(&mut bytes).ok()?;
        Some((about.len(), bytes))
    }

    /// A place in the process's root, not opened. Links that leave the root are followed inside it.
    fn find(self, path: &str) -> io::Result<OwnedFd> {
        let root = File::open(format!("/proc/{}/root", self.0)).map_err(|_| io::Error::from(io::ErrorKind::Other))?;
        let path = CString::new(path.trim_start_matches('/'))?;
        // `struct open_how`: flags, mode, resolve. RESOLVE_IN_ROOT is 0x10.
        let how: [u64; 3] = [u64::from((libc::O_PATH | libc::O_CLOEXEC).cast_unsigned()), 0, 0x10];
        #[expect(unsafe_code, reason = "nix has no openat2 with RESOLVE_IN_ROOT")]
        // SAFETY: the string and the struct outlive the call; a descriptor that comes back is owned at once.
        unsafe {
            let file =
                libc::syscall(libc::SYS_openat2, root.as_raw_fd(), path.as_ptr(), how.as_ptr(), size_of_val(&how));
            match i32::try_from(file) {
                Ok(file) if file >= 0 => Ok(OwnedFd::from_raw_fd(file)),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }
}

fn status(text: &str, depth: usize) -> Option<Status> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let numbers =
        |name: &str| field(name).unwrap_or("").split_ascii_whitespace().map_while(|number| number.parse().ok());
    let processes: Vec<u32> = numbers("NStgid").collect();
    let host = *processes.first()?;
    let process = processes.get(depth.wrapping_sub(1)).or(processes.last()).copied()?;
    Some(Status {
        host,
        process,
        parent: numbers("PPid").next().unwrap_or(0),
        user: numbers("Uid").nth(1).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_a_process_in_a_namespace_is_read() {
        let text = "Name:\tx\nPPid:\t40\nUid:\t0\t7\t0\t0\nNStgid:\t41\t2\t1\nNSpid:\t43\t4\t2\n";
        let outer = Status { host: 41, process: 2, parent: 40, user: 7 };
        assert_eq!(status(text, 2), Some(outer));
        assert_eq!(status(text, 0), Some(Status { process: 1, ..outer }));
        assert_eq!(status("", 1), None);
    }

    #[test]
    fn our_own_memory_is_read_and_ends_where_it_ends() {
        let own = Task(std::process::id());
        let text = b"hello\0world".to_vec();
        assert_eq!(own.string(text.as_ptr() as u64), b"hello");
        assert_eq!(own.bytes(text.as_ptr() as u64, 7), b"hello\0w");
        assert!(own.string(16).is_empty() && own.bytes(0, 9).is_empty());
    }
}
