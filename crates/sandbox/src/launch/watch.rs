//! Which files of the sandbox were written and run, while it runs: to have those that are gone at its end.
//!
//! With root by fanotify on the sandbox's whole file system; without, and for programs in memory, by whoever sees the calls: [`Keeper`].

use std::{
    collections::{HashSet, VecDeque},
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{
    below::{self, read_text},
    capture::read_program,
    sys,
};

/// Descriptors of written files that are held, to read those that are deleted.
const HELD_MAX: usize = 256;
/// Paths of programs that are remembered.
const PATHS_MAX: usize = 4_096;
/// Programs in memory that are kept.
const PROGRAMS_MAX: usize = 64;
/// Their bytes together.
const PROGRAM_BYTES_MAX: usize = 128 << 20;

/// What was seen.
#[derive(Default)]
struct Seen {
    /// Files that were written or run, oldest first, by inode.
    held: VecDeque<(u64, File, String)>,
    /// Of those that had to go, the ones already deleted.
    deleted: Vec<(File, String)>,
    executed: HashSet<String>,
    programs: Vec<(String, Vec<u8>, bool)>,
    lost: bool,
}

/// Keeps files of a running sandbox before they are gone. For a sensor that sees a call before it is done: it costs one `open`.
#[derive(Clone)]
pub struct Keeper {
    root: Arc<OwnedFd>,
    seen: Arc<Mutex<Seen>>,
    /// The cgroup's list of processes, else any process is looked at.
    processes: Option<PathBuf>,
    first: i32,
}

impl Keeper {
    pub(super) fn new(root: OwnedFd, processes: Option<PathBuf>, first: i32) -> Self {
        Self { root: Arc::new(root), seen: Arc::default(), processes, first }
    }

    /// Holds a file that is about to be run (`executed`), overwritten or deleted, by its absolute path in the sandbox. Links are followed inside.
    /// What is no regular file, or not there, is nothing to keep.
    pub fn keep(&self, path: &str, executed: bool) {
        let Ok(name) = sys::text(path) else { return };
        let flags = libc::O_RDONLY | libc::O_NONBLOCK;
        if let Ok(file) = sys::openat2(&*self.root, &name, flags, 0, sys::IN_ROOT).and_then(below::regular) {
            self.seen().hold(file, executed, true);
        }
    }

    /// Takes the program that a process runs, which has no name in any folder: in memory only. `process` is its id as the sample sees it.
    /// Returns whether it was still there.
    pub fn keep_program(&self, process: u32) -> bool {
        self.host_pid(process).is_some_and(|pid| self.keep_program_of(pid))
    }

    /// As [`keep_program`](Self::keep_program), by host process id.
    pub fn keep_program_of(&self, host_pid: i32) -> bool {
        let mut seen = self.seen();
        let bytes: usize = seen.programs.iter().map(|(_, bytes, _)| bytes.len()).sum();
        if seen.programs.len() >= PROGRAMS_MAX || bytes > PROGRAM_BYTES_MAX {
            seen.lost = true;
            return false;
        }
        let Ok((name, bytes, all)) = read_program(host_pid) else { return false };
        let name = name.trim_end_matches(" (deleted)");
        let name = name.strip_prefix("/memfd:").map_or(name.to_owned(), |name| format!("memfd:{name}"));
        if !seen.programs.iter().any(|(known, content, _)| *known == name && *content == bytes) {
            seen.programs.push((name, bytes, all));
        }
        true
    }

    /// The host's id of a process of the sandbox; none where it is gone. proc_pid_status(5): `NSpid` ends with the innermost id.
    #[must_use]
    pub fn host_pid(&self, process: u32) -> Option<i32> {
        if process == 1 {
            return Some(self.first);
        }
        let namespace = fs::read_link(format!("/proc/{}/ns/pid", self.first)).ok()?;
        let inside = |pid: &i32| {
            let status = read_text(format!("/proc/{pid}/status")).unwrap_or_default();
            let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
            ids.and_then(|ids| ids.split_ascii_whitespace().next_back()?.parse().ok()) == Some(process)
                && fs::read_link(format!("/proc/{pid}/ns/pid")).ok().as_ref() == Some(&namespace)
        };
        match &self.processes {
            Some(list) => read_text(list).ok()?.lines().flat_map(str::parse).find(inside),
            None => {
                let all = fs::read_dir("/proc").ok()?.flatten();
                all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(inside)
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a watch had seen in the end.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) deleted: Vec<(File, String)>,
    pub(super) executed: HashSet<String>,
    /// Programs in memory: name, bytes, whether those are all.
    pub(super) programs: Vec<(String, Vec<u8>, bool)>,
    pub(super) lost: bool,
}

/// The watch of one sandbox.
pub(super) struct Watch {
    pub(super) keeper: Keeper,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn new(keeper: Keeper) -> Self {
        Self { keeper, stop: Arc::default(), thread: None }
    }

    /// Sees by itself from here on; needs root.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        let group = sys::fanotify_init()?;
        sys::fanotify_watch(&group, libc::FAN_CLOSE_WRITE | libc::FAN_OPEN_EXEC, &*self.keeper.root)?;
        let (stop, keeper) = (Arc::clone(&self.stop), self.keeper.clone());
        self.thread = Some(thread::Builder::new().name("fanotify".to_owned()).spawn(move || {
            let mut buffer = vec![0; 16 << 10];
            loop {
                let ending = stop.load(Ordering::Relaxed);
                let mut fds = [PollFd::new(group.as_fd(), PollFlags::POLLIN)];
                let _ = poll(&mut fds, PollTimeout::from(if ending { 0_u8 } else { 20 }));
                let bytes = nix::unistd::read(&group, &mut buffer).unwrap_or(0);
                let events = sys::fanotify_events(buffer.get(..bytes).unwrap_or_default());
                let mut seen = keeper.seen();
                for event in events {
                    match event.file {
                        Some(file) => {
                            let (ran, written) =
                                (event.mask & libc::FAN_OPEN_EXEC != 0, event.mask & libc::FAN_CLOSE_WRITE != 0);
                            seen.hold(File::from(file), ran, written);
                        }
                        None => seen.lost = true,
                    }
                }
                drop(seen);
                if ending && bytes == 0 {
                    return;
                }
            }
        })?);
        Ok(())
    }

    pub(super) fn end(mut self) -> Ended {
        self.join();
        let mut seen = std::mem::take(&mut *self.keeper.seen());
        let held = std::mem::take(&mut seen.held);
        seen.deleted
            .extend(held.into_iter().filter(|(_, file, _)| is_deleted(file)).map(|(_, file, path)| (file, path)));
        Ended { deleted: seen.deleted, executed: seen.executed, programs: seen.programs, lost: seen.lost }
    }

    fn join(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.join();
    }
}

fn is_deleted(file: &File) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.nlink() == 0 && meta.len() > 0)
}

impl Seen {
    fn hold(&mut self, file: File, executed: bool, written: bool) {
        let Ok(meta) = file.metadata() else { return };
        let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default();
        let path = path.to_string_lossy().trim_end_matches(" (deleted)").to_owned();
        if executed && self.executed.len() < PATHS_MAX {
            self.executed.insert(path.clone());
        }
        if !meta.is_file() || !written {
            return;
        }
        self.held.retain(|(inode, ..)| *inode != meta.ino());
        self.held.push_back((meta.ino(), file, path));
        if self.held.len() > HELD_MAX
            && let Some((_, file, path)) = self.held.pop_front()
            && is_deleted(&file)
        {
            if self.deleted.len() < HELD_MAX {
                self.deleted.push((file, path));
            } else {
                self.lost = true;
            }
        }
    }
}
