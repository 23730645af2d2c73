//! Takes files from a run: what stands in the upper layer at its end, and with root also what was written or run and then deleted.
//!
//! Everything is opened by descriptor below the upper folder, from outside, and no link is followed.

use std::{
    collections::{HashSet, VecDeque},
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
};

use model::{CapturedFile, Digest, ProblemKind};
use nix::{
    fcntl::AtFlags,
    sys::stat::{FchmodatFlags, Mode, fchmodat, fstatat},
};

use super::{
    below::{self, DEPTH_MAX},
    sys,
    watch::Ended,
};

/// What is taken at most.
#[derive(Debug, Clone)]
pub struct CaptureBudget {
    /// Of one file; the first bytes of a longer one are taken.
    pub file_bytes_max: u64,
    /// Of all.
    pub bytes_max: u64,
    /// Files.
    pub files_max: usize,
    /// Entries of the upper layer that are looked at.
    pub entries_max: usize,
}

impl Default for CaptureBudget {
    fn default() -> Self {
        Self { file_bytes_max: 32 << 20, bytes_max: 256 << 20, files_max: 2_000, entries_max: 200_000 }
    }
}

/// Largest program that is taken from a process.
const PROGRAM_BYTES_MAX: u64 = 64 << 20;

/// The program that a process runs, by host process id, also one that is in memory only: its name as the kernel gives it, its bytes, and
/// whether those are all. For use while the process is stopped at `execve`.
///
/// # Errors
///
/// Where the process is gone or we may not look at it.
pub fn read_program(host_pid: i32) -> io::Result<(String, Vec<u8>, bool)> {
    let link = format!("/proc/{host_pid}/exe");
    let name = fs::read_link(&link)?.to_string_lossy().into_owned();
    let mut file = File::open(&link)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let (bytes, all) = below::read_bounded(&mut file, PROGRAM_BYTES_MAX)?;
    Ok((name, bytes, all))
}

/// What has been taken, and what may still be.
struct Taken<'a> {
    budget: &'a CaptureBudget,
    bytes_left: u64,
    files: Vec<(CapturedFile, Vec<u8>)>,
    known: HashSet<(String, Digest)>,
    planted: HashSet<Digest>,
    problems: Vec<String>,
    not_taken: u64,
}

impl Taken<'_> {
    fn add(&mut self, path: String, file: &mut File, mode: u32, executed: bool, deleted: bool) {
        if self.files.len() >= self.budget.files_max || self.bytes_left == 0 {
            self.not_taken += 1;
            return;
        }
        let size = file.metadata().map_or(0, |meta| meta.len());
        let most = self.budget.file_bytes_max.min(self.bytes_left);
        let Ok((bytes, all)) = below::read_bounded(file, most) else {
            self.not_taken += 1;
            return;
        };
        let sha256 = Digest::of(&bytes);
        if self.planted.contains(&sha256) && !executed || !self.known.insert((path.clone(), sha256)) {
            return;
        }
        self.bytes_left = self.bytes_left.saturating_sub(bytes.len() as u64);
        let cut = (!all).then_some(ProblemKind::BytesLimit);
        self.files.push((CapturedFile { path, sha256, size, mode, executed, deleted, cut }, bytes));
    }
}

/// Takes everything. `planted` are contents of ours: they are not the sample's unless it ran them.
pub(super) fn take(
    upper: &OwnedFd,
    seen: Ended,
    planted: &[&[u8]],
    budget: &CaptureBudget,
) -> (Vec<(CapturedFile, Vec<u8>)>, Vec<String>) {
    let mut taken = Taken {
        budget,
        bytes_left: budget.bytes_max,
        files: Vec::new(),
        known: HashSet::new(),
        planted: planted.iter().map(|bytes| Digest::of(bytes)).collect(),
        problems: Vec::new(),
        not_taken: 0,
    };
    // What was run goes first, so that a flood of other files cannot push it out.
    for (name, bytes, all) in seen.programs {
        let cut = (!all).then_some(ProblemKind::BytesLimit);
        let (sha256, size) = (Digest::of(&bytes), bytes.len() as u64);
        if taken.known.insert((name.clone(), sha256)) {
            let file = CapturedFile { path: name, sha256, size, mode: 0o700, executed: true, deleted: false, cut };
            taken.bytes_left = taken.bytes_left.saturating_sub(size);
            taken.files.push((file, bytes));
        }
    }
    let (ran, written): (Vec<_>, Vec<_>) = seen.deleted.into_iter().partition(|(_, path)| seen.executed.contains(path));
    for (executed, files) in [(true, ran), (false, written)] {
        for (mut file, path) in files {
            let mode = file.metadata().map_or(0, |meta| meta.mode() & 0o7777);
            taken.add(path, &mut file, mode, executed, true);
        }
    }
    for first in [true, false] {
        let mut entries = 0;
        walk(upper, &mut entries, &mut taken, &seen.executed, first);
        if entries > budget.entries_max {
            taken.problems.push(format!("of the files written, only {} were looked at", budget.entries_max));
            break;
        }
    }
    if seen.lost {
        taken.problems.push("too many files were written at once: some that were deleted were not taken".to_owned());
    }
    if taken.not_taken > 0 {
        taken.problems.push(format!("{} written files were not taken: the ceiling was reached", taken.not_taken));
    }
    (taken.files, taken.problems)
}

/// Goes through the upper folder; `programs` takes only what was run or can be, the second time the rest is taken.
fn walk(upper: &OwnedFd, entries: &mut usize, taken: &mut Taken<'_>, executed: &HashSet<String>, programs: bool) {
    let mut folders = VecDeque::from([(String::new(), 0_usize)]);
    while let Some((folder, depth)) = folders.pop_front() {
        let path = if folder.is_empty() { "." } else { folder.trim_start_matches('/') };
        let Ok(name) = sys::text(path) else { continue };
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        let Ok(here) = sys::openat2(upper, &name, flags, 0, sys::BENEATH) else { continue };
        let Ok(listing) = fs::read_dir(format!("/proc/self/fd/{}", here.as_raw_fd())) else { continue };
        for entry in listing.flatten() {
            let entry = entry.file_name();
            *entries += 1;
            if *entries > taken.budget.entries_max {
                return;
            }
            let Ok(stat) = fstatat(&here, entry.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) else { continue };
            let path = format!("{folder}/{}", entry.to_string_lossy());
            let kind = stat.st_mode & libc::S_IFMT;
            if kind != libc::S_IFDIR && kind != libc::S_IFREG {
                continue;
            }
            // Whoever is not root may have to allow itself to look; it is its own file, and no link.
            let wanted = if kind == libc::S_IFDIR { 0o700 } else { 0o400 };
            if stat.st_mode & wanted != wanted && !nix::unistd::geteuid().is_root() {
                let mode = Mode::from_bits_truncate(stat.st_mode & 0o777 | wanted);
                let _ = fchmodat(&here, entry.as_os_str(), mode, FchmodatFlags::NoFollowSymlink);
            }
            if kind == libc::S_IFDIR {
                if depth < DEPTH_MAX {
                    folders.push_back((path, depth + 1));
                }
                continue;
            }
            let ran = executed.contains(&path);
            if (ran || stat.st_mode & 0o111 != 0) != programs || stat.st_size == 0 {
                continue;
            }
            let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
            let opened = sys::text(entry.as_bytes())
                .and_then(|name| sys::openat2(&here, &name, flags, 0, sys::BENEATH))
                .and_then(below::regular);
            match opened {
                Ok(mut file) => taken.add(path, &mut file, stat.st_mode & 0o7777, ran, false),
                Err(_) => taken.not_taken += 1,
            }
        }
    }
}
