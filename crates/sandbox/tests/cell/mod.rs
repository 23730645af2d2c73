//! A cgroup of its own, to run a traced program in without the rest of the sandbox. Removed, with all in it, when dropped.
#![expect(clippy::disallowed_methods, reason = "starts the programs that are watched")]
#![allow(dead_code, reason = "each user takes what it needs")]

use std::{
    ffi::CString,
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

/// See the module.
pub struct Cell {
    folder: PathBuf,
}

impl Cell {
    /// Makes it. Needs root.
    pub fn new() -> Self {
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
    pub fn id(&self) -> u64 {
        fs::metadata(&self.folder).expect("it is there").ino()
    }

    /// A command that will run inside; nothing runs yet.
    pub fn command(&self, program: &str) -> Command {
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
    pub fn shell(&self, script: &str) -> String {
        let output = self.command("/bin/sh").args(["-c", script]).output().expect("runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        let _ = fs::write(self.folder.join("cgroup.kill"), "1");
        for _ in 0..200 {
            if fs::remove_dir(&self.folder).is_ok() || !self.folder.exists() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
