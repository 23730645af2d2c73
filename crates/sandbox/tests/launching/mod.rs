//! A small image of busybox, and sandboxes of it, for the tests of the launcher.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::{fs, io, path::Path, time::Duration};

use model::{Digest, EndReason};
use sandbox::launch::{
    CaptureBudget, Finished, Isolation, Layer, Limits, Plan, Running, Store, Surroundings, UnpackLimits, prepare,
};

pub(crate) const BOTH: [Isolation; 2] = [Isolation::Namespace, Isolation::Rootless];

/// Builds a layer of files, folders (path ends with `/`) and links (`-> target`).
#[derive(Default)]
pub(crate) struct Image(Vec<(String, u32, Vec<u8>)>);

impl Image {
    /// busybox with its usual names, and a user `app`.
    pub(crate) fn busybox() -> Self {
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find_map(|path| fs::read(path).ok());
        let mut image = Self::default();
        image.file("bin/busybox", 0o755, &busybox.expect("busybox-static is installed: make tools"));
        for name in [
            "sh", "ls", "cat", "echo", "id", "mount", "ps", "sleep", "true", "rm", "cp", "chmod", "ln", "mkdir", "env",
            "hostname", "dd", "mknod", "kill", "chown", "pwd", "touch", "nproc", "uname",
        ] {
            image.link(&format!("bin/{name}"), "busybox");
        }
        image.file("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n");
        image.file("etc/group", 0o644, b"root:x:0:\napp:x:1000:\naudio:x:29:app\n");
        image.folder("tmp", 0o1777);
        image.folder("home/app", 0o755);
        image
    }

    pub(crate) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> &mut Self {
        self.0.push((path.to_owned(), mode, bytes.to_vec()));
        self
    }

    pub(crate) fn folder(&mut self, path: &str, mode: u32) -> &mut Self {
        self.0.push((format!("{path}/"), mode, Vec::new()));
        self
    }

    pub(crate) fn link(&mut self, path: &str, target: &str) -> &mut Self {
        self.0.push((format!("{path} -> {target}"), 0o777, Vec::new()));
        self
    }

    pub(crate) fn tar(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, mode, bytes) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_mode(*mode);
            header.set_uid(0);
            header.set_gid(0);
            if let Some((path, target)) = path.split_once(" -> ") {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                tar.append_link(&mut header, path, target).expect("memory");
            } else {
                let kind = if path.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular };
                header.set_entry_type(kind);
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, path, &bytes[..]).expect("memory");
            }
        }
        tar.into_inner().expect("memory")
    }

    pub(crate) fn layer(&self, store: &Store) -> Layer {
        let tar = self.tar();
        let digest = Digest::of(&tar);
        store
            .layer(&digest, || Ok(Box::new(io::Cursor::new(tar))), &UnpackLimits::default())
            .expect("the layer unpacks")
    }
}

/// A folder for layers that any user may use.
pub(crate) fn store_folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("ours");
    folder
}

pub(crate) fn plan(layers: Vec<Layer>, isolation: Isolation, command: &[&str]) -> Plan {
    Plan {
        layers,
        command: command.iter().map(|&word| word.to_owned()).collect(),
        environment: vec!["PATH=/bin".to_owned(), "COLOUR=blue".to_owned()],
        folder: "/work/here".to_owned(),
        user: String::new(),
        hostname: "f00dcafe1234".to_owned(),
        isolation,
        limits: Limits { memory_bytes: 256 << 20, tasks: 64, disk_bytes: 32 << 20, inodes: 2_000, cpu_percent: 100 },
        planted: Vec::new(),
        surroundings: Surroundings {
            cores: 8,
            memory_bytes: 16 << 30,
            uptime_seconds: 864_000,
            clock_shift_seconds: 0,
        },
        network: None,
        notify: None,
    }
}

/// Runs to its end, at most 20 s.
pub(crate) fn run(plan: &Plan) -> Finished {
    let running = prepare(plan).expect("it can be prepared").start().expect("it starts");
    end(running, Duration::from_secs(20))
}

pub(crate) fn end(running: Running, most: Duration) -> Finished {
    let ended = running.wait(most);
    let mut finished = running.finish(&CaptureBudget::default());
    if ended.is_none() {
        finished.problems.push("it did not end in time".to_owned());
    }
    finished
}

/// What a shell line prints, and its end, in one kind of sandbox.
pub(crate) fn shell(store: &Path, isolation: Isolation, line: &str) -> (String, EndReason) {
    let store = Store::open(store).expect("a store");
    let plan = plan(vec![Image::busybox().layer(&store)], isolation, &["sh", "-c", line]);
    let finished = run(&plan);
    (String::from_utf8_lossy(&finished.output).into_owned(), finished.reason)
}

/// Runs one `#[ignore]`d test of this very test program as a process of its own: as another user, or to be killed.
#[expect(clippy::disallowed_methods, reason = "the test starts itself")]
pub(crate) fn helper(test: &str, folder: &Path, user: Option<u32>) -> std::process::Command {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};
    // Another user may not be able to reach the folder that tests are built in.
    let program = folder.join(format!("helper-{test}"));
    if !program.exists() {
        fs::copy(std::env::current_exe().expect("this test"), &program).expect("it can be copied");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
    }
    let mut command = std::process::Command::new(program);
    command.args(["--exact", test, "--ignored", "--nocapture"]).env("LAUNCHING_FOLDER", folder).current_dir("/");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command
}

/// The folder a helper was given.
#[expect(clippy::disallowed_methods, reason = "how a test tells its helper")]
pub(crate) fn helper_folder() -> std::path::PathBuf {
    std::env::var("LAUNCHING_FOLDER").expect("only run by another test").into()
}

/// Compiles the attempts to escape as one static program.
#[expect(clippy::disallowed_methods, reason = "the compiler")]
pub(crate) fn attempts(into: &Path) -> Vec<u8> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/escapes/attempts.c");
    let program = into.join("attempts");
    let compiled =
        std::process::Command::new("cc").args(["-static", "-O1", "-w", "-o"]).arg(&program).arg(source).status();
    assert!(compiled.expect("gcc is installed: make tools").success());
    fs::read(program).expect("it was just made")
}
