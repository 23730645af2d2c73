//! A cgroup of its own, to run a traced program in without the rest of the sandbox. Removed, with all in it, when dropped.
#![expect(clippy::disallowed_methods, reason = "starts the programs that are watched")]
#![allow(dead_code, reason = "each user takes what it needs")]

use std::{
    ffi::CString,
    fs,
    io::{Read, Write},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::MetadataExt, net::UnixStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

/// See the module.
pub(crate) struct Cell {
    folder: PathBuf,
}

impl Cell {
    /// Makes it. Needs root.
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
        let root = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2")).expect("a cgroup2 hierarchy");
        let root = Path::new(root.split(' ').nth(1).expect("its place"));
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = root.join(format!("lazaret-sensor-{}-{number}", std::process::id()));
        fs::create_dir(&folder).expect("makes a cgroup");
        Self { folder }
    }

    /// What BPF programs see of it.
    pub(crate) fn id(&self) -> u64 {
        fs::metadata(&self.folder).expect("it is there").ino()
    }

    /// Makes a group below it, which goes with it.
    pub(crate) fn below(&self) -> PathBuf {
        let below = self.folder.join("below");
        fs::create_dir(&below).expect("makes a cgroup");
        below
    }

    /// A command that will run inside; nothing runs yet.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir("/tmp");
        let entry = CString::new(self.folder.join("cgroup.procs").as_os_str().as_bytes()).expect("no zero");
        let enter = move || {
            #[expect(unsafe_code, reason = "between fork and exec nothing may be allocated")]
            // SAFETY: calls of the kernel on a string that outlives them.
            let entered = unsafe {
                let file = libc::open(entry.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
                libc::write(file, c"0".as_ptr().cast(), 1)
            };
            if entered == 1 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        };
        #[expect(unsafe_code, reason = "pre_exec is unsafe")]
        // SAFETY: the closure only makes calls of the kernel.
        unsafe {
            command.pre_exec(enter);
        }
        command
    }

    /// Runs a shell script inside to its end, and gives what it printed.
    pub(crate) fn shell(&self, script: &str) -> String {
        let output = self.command("/bin/sh").args(["-c", script]).output().expect("runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        let _ = fs::write(self.folder.join("cgroup.kill"), "1");
        for _ in 0..200 {
            let _ = fs::remove_dir(self.folder.join("below"));
            if fs::remove_dir(&self.folder).is_ok() || !self.folder.exists() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Runs a command to its end with a seccomp program installed; `serve` gets the listener before the command's first instruction.
pub(crate) fn run_notified<T>(
    mut command: Command,
    program: Vec<libc::sock_filter>,
    serve: impl FnOnce(OwnedFd) -> T,
) -> (Output, T) {
    let (mut told, tell) = UnixStream::pair().expect("a pair");
    let tell_raw = tell.as_raw_fd();
    let install = move || {
        #[expect(unsafe_code, reason = "between fork and exec only the kernel may be called")]
        // SAFETY: calls of the kernel on structs that outlive them.
        unsafe {
            let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
            if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            // SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER.
            let listener = libc::syscall(libc::SYS_seccomp, 1, 8, &raw const program);
            if listener < 0 {
                return Err(std::io::Error::last_os_error());
            }
            let message = [libc::getpid(), listener as i32];
            libc::write(tell_raw, message.as_ptr().cast(), 8);
            let mut go = 0_u8;
            libc::read(tell_raw, (&raw mut go).cast(), 1);
        }
        Ok(())
    };
    #[expect(unsafe_code, reason = "pre_exec is unsafe")]
    // SAFETY: the closure only makes calls of the kernel.
    unsafe {
        command.pre_exec(install);
    }
    let running = thread::spawn(move || command.output());
    let mut message = [0; 8];
    told.read_exact(&mut message).expect("the child says its numbers");
    let [process, listener] =
        [&message[..4], &message[4..]].map(|half| i32::from_ne_bytes(*half.first_chunk().expect("four")));
    #[expect(unsafe_code, reason = "takes a descriptor of the child")]
    // SAFETY: descriptors that were made here are owned here.
    let listener = unsafe {
        let process = libc::syscall(libc::SYS_pidfd_open, process, 0);
        assert!(process >= 0, "pidfd");
        let process = OwnedFd::from_raw_fd(process as i32);
        let listener = libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), listener, 0);
        assert!(listener >= 0, "the listener");
        OwnedFd::from_raw_fd(listener as i32)
    };
    let served = serve(listener);
    told.write_all(b"g").expect("the child goes on");
    let output = running.join().expect("no panic").expect("runs");
    (output, served)
}
