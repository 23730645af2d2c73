//! The escape battery: a sample that tries everything, and a host that is as it was.
//!
//! The attempts are in `escapes/attempts.c`; they run in both kinds of sandbox, and in the rootless one also as an ordinary user. What floods
//! (processes, memory, disk, inodes) runs below an outer cgroup, watched.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(unsafe_code, reason = "System V memory and message queues of the host have no safe wrapper")]

mod launching;

use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::{linux::net::SocketAddrExt, unix::net::UnixListener},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use launching::{BOTH, Image, attempts, end, helper, helper_folder, plan, store_folder};
use model::EndReason;
use sandbox::{
    internet::device::Address,
    launch::{CaptureBudget, Finished, Isolation, Store, prepare},
    record::boot_ns,
};

/// Somebody who is not root.
const NOBODY: u32 = 65_534;
const SECRET: &str = "a file of the host that no sample may read";

/// Things of the host that the attempts go for, and its state before them.
struct Host {
    folder: tempfile::TempDir,
    victim: std::process::Child,
    name: String,
    _abstract: UnixListener,
    tcp: TcpListener,
    key: i32,
    memory: i32,
    state: Vec<String>,
}

impl Host {
    #[expect(clippy::disallowed_methods, reason = "a process of ours that the attempts try to hit")]
    fn new() -> Self {
        let folder = store_folder();
        fs::write(folder.path().join("secret"), SECRET).unwrap();
        let victim = std::process::Command::new("sleep").arg("300").spawn().unwrap();
        let key = i32::try_from(0x1a2a_0000 + u64::from(std::process::id())).unwrap();
        let name = format!("lazaret-escape-{key}");
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        // SAFETY: no memory is passed.
        let memory = unsafe { libc::shmget(key, 4_096, libc::IPC_CREAT | 0o666) };
        assert!(memory >= 0);
        let queue = std::ffi::CString::new(format!("/{name}")).unwrap();
        // SAFETY: the name outlives the call; no attributes are passed.
        let opened = unsafe {
            libc::mq_open(queue.as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o666, std::ptr::null::<libc::mq_attr>())
        };
        assert!(opened >= 0);
        // SAFETY: it was just opened, and is used nowhere else.
        unsafe { libc::close(opened) };
        fs::write(format!("/dev/shm/{name}"), "host").unwrap();
        let _abstract = UnixListener::bind_addr(&address).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        tcp.set_nonblocking(true).unwrap();
        let mut host = Self { folder, victim, name, _abstract, tcp, key, memory, state: Vec::new() };
        host.state = host.look();
        host
    }

    /// What must be the same afterwards.
    fn look(&self) -> Vec<String> {
        let mut state = Vec::new();
        for path in [
            "/proc/sys/kernel/hostname",
            "/proc/sys/kernel/core_pattern",
            "/proc/sys/kernel/modprobe",
            "/proc/sys/vm/overcommit_memory",
            "/proc/sys/net/ipv4/ip_forward",
            "/proc/sys/user/max_user_namespaces",
            "/proc/sys/kernel/domainname",
            "/proc/modules",
            "/proc/swaps",
            "/etc/passwd",
            "/etc/hostname",
            "/proc/self/oom_score_adj",
            "/proc/self/uid_map",
        ] {
            state.push(format!("{path}: {}", fs::read_to_string(path).unwrap_or_default()));
        }
        let ours = self.folder.path().to_str().unwrap();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        state.extend(mounts.lines().filter(|line| line.contains(ours)).map(str::to_owned));
        for namespace in ["mnt", "net", "uts", "ipc", "user", "pid", "cgroup", "time"] {
            state.push(format!("{namespace} {:?}", fs::read_link(format!("/proc/self/ns/{namespace}")).ok()));
        }
        state.push(format!("secret {:?}", fs::read(self.folder.path().join("secret")).unwrap()));
        state.push(format!("shared memory {:?}", fs::read(format!("/dev/shm/{}", self.name)).unwrap()));
        let wall = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        // To ten seconds: clocks are disciplined, attempts would set them.
        state.push(format!("clock {:.0}", (wall - boot_ns() as f64 / 1e9) / 10.0));
        state
    }

    fn arguments(&self) -> Vec<String> {
        vec![
            self.victim.id().to_string(),
            self.folder.path().join("secret").to_str().unwrap().to_owned(),
            SECRET.to_owned(),
            self.name.clone(),
            self.tcp.local_addr().unwrap().port().to_string(),
            self.key.to_string(),
        ]
    }

    fn unchanged(&mut self) {
        assert_eq!(self.look(), self.state);
        assert!(self.victim.try_wait().unwrap().is_none(), "a process of the host was ended");
        assert!(self.tcp.accept().is_err(), "the host's loopback was reached");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
        let _ = fs::remove_file(format!("/dev/shm/{}", self.name));
        let queue = std::ffi::CString::new(format!("/{}", self.name)).unwrap();
        // SAFETY: the name outlives the call, and no memory is passed to the other.
        unsafe {
            libc::mq_unlink(queue.as_ptr());
            libc::shmctl(self.memory, libc::IPC_RMID, std::ptr::null_mut());
        }
    }
}

/// `watched`: with a sensor's filter, which leaves the calls that the kernel refuses anyway to the kernel.
fn battery(
    store: &Path,
    isolation: Isolation,
    user: &str,
    watched: bool,
    program: &[u8],
    arguments: &[String],
) -> Finished {
    let store = Store::open(store).unwrap();
    let mut image = Image::busybox();
    image.file("attempts", 0o755, program);
    let mut plan = plan(vec![image.layer(&store)], isolation, &["/attempts"]);
    plan.command.extend_from_slice(arguments);
    plan.user = user.to_owned();
    plan.network = Some(Address::of_container(1));
    let all =
        libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
    plan.notify = watched.then(|| vec![all]);
    let mut prepared = prepare(&plan).unwrap();
    let _fds = (prepared.take_tun(), prepared.take_notify());
    end(prepared.start().unwrap(), Duration::from_secs(60))
}

/// Every attempt has its line, and none got out.
#[expect(clippy::print_stdout, reason = "what the kernel answered, should one get out")]
fn all_contained(finished: &Finished) {
    let output = String::from_utf8_lossy(&finished.output);
    println!("{output}");
    let said: Vec<Vec<&str>> = output.lines().map(|line| line.split('\t').collect()).collect();
    let out: Vec<_> = said.iter().filter(|fields| fields.get(1) == Some(&"ESCAPED")).collect();
    assert!(out.is_empty(), "{out:?}");
    let contained = said.iter().filter(|fields| fields.get(1) == Some(&"contained")).count();
    assert!(contained >= 100, "{contained} attempts");
    assert!(output.ends_with(&format!("{contained} attempts\n")), "{output}");
    assert_eq!(finished.reason, EndReason::Exited { code: 0 });
}

#[test]
fn no_attempt_gets_out_and_the_host_is_unchanged() {
    let mut host = Host::new();
    let program = attempts(host.folder.path());
    for isolation in BOTH {
        for (user, watched) in [("root", false), ("root", true), ("app", true)] {
            println!("{isolation:?} {user} {watched}");
            let finished =
                battery(&host.folder.path().join("store"), isolation, user, watched, &program, &host.arguments());
            all_contained(&finished);
            host.unchanged();
        }
    }
}

#[test]
fn no_attempt_gets_out_of_an_ordinary_users_sandbox() {
    let mut host = Host::new();
    let program = attempts(host.folder.path());
    fs::write(host.folder.path().join("arguments"), host.arguments().join("\n")).unwrap();
    let output = helper("as_an_ordinary_user", host.folder.path(), Some(NOBODY)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert!(!program.is_empty());
    host.unchanged();
}

#[test]
#[ignore = "the other half of the test above"]
fn as_an_ordinary_user() {
    let folder = helper_folder();
    let arguments = fs::read_to_string(folder.join("arguments")).unwrap();
    let arguments: Vec<String> = arguments.lines().map(str::to_owned).collect();
    let program = fs::read(folder.join("attempts")).unwrap();
    for (user, watched) in [("root", false), ("root", true), ("app", true)] {
        all_contained(&battery(&folder.join("nobodys"), Isolation::Rootless, user, watched, &program, &arguments));
    }
}

/// A process that joins is a copy of lazaret until it runs its program: a sample that waits for it must not get hold of lazaret's file.
#[test]
fn whoever_joins_cannot_be_looked_at() {
    let at = store_folder();
    let store = Store::open(at.path()).unwrap();
    let layer = Image::busybox().layer(&store);
    for isolation in BOTH {
        // Opens the program of every process it sees, and prints what is not of the image.
        let line = "while :; do for p in /proc/[0-9]*; do l=$(readlink $p/exe) && case $l in /bin/*) ;; *) echo \"got $l\";; esac; done; done";
        let running = prepare(&plan(vec![layer.clone()], isolation, &["sh", "-c", line])).unwrap().start().unwrap();
        for _ in 0..10 {
            let also = running.run_also(&["sleep".to_owned(), "0".to_owned()]).unwrap();
            thread::sleep(Duration::from_millis(20));
            also.start(&running).unwrap();
        }
        let finished = running.finish(&CaptureBudget::default());
        let output = String::from_utf8_lossy(&finished.output);
        assert!(!output.contains("got /"), "{isolation:?}: {output}");
    }
}

/// The attempts that flood, each in both kinds of sandbox: what it does, and the limit that must be named.
const FLOODS: [(&str, &str, &str); 6] = [
    ("fork bomb", "b() { b | b & }; b; sleep 2; exit 0", "processes"),
    ("memory", "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done", ""),
    (
        "memory in many",
        "i=0; while [ $i -lt 30 ]; do (x=aaaaaaaa; while [ ${#x} -lt 20000000 ]; do x=$x$x; done; sleep 3) & i=$((i+1)); done; sleep 4; exit 0",
        "",
    ),
    ("disk", "cat /dev/zero > /tmp/fill; cat /dev/zero > /fill2; exit 0", "disk"),
    ("shared memory", "cat /dev/zero > /dev/shm/fill; exit 0", ""),
    ("inodes", "i=0; while [ $i -lt 5000 ]; do mkdir /tmp/$i; i=$((i+1)); done 2>/dev/null; exit 0", "inodes"),
];

#[test]
fn floods_stay_within_the_limits() {
    let folder = store_folder();
    let outer = Outer::new();
    let mut child = helper("floods_below_an_outer_limit", folder.path(), None)
        .env("LAUNCHING_OUTER", outer.doors())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The watchdog.
    let mut ended = None;
    for _ in 0..1_200 {
        ended = child.try_wait().unwrap();
        if ended.is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    if ended.is_none() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "the other half of the test above"]
#[expect(clippy::disallowed_methods, reason = "how a test tells its helper")]
fn floods_below_an_outer_limit() {
    for door in std::env::var("LAUNCHING_OUTER").unwrap().split(':').filter(|door| !door.is_empty()) {
        fs::write(door, "0").unwrap();
    }
    let folder = helper_folder();
    let store = Store::open(&folder.join("store")).unwrap();
    let layer = Image::busybox().layer(&store);
    for isolation in BOTH {
        for (name, line, limit) in FLOODS {
            let before = boot_ns();
            let finished = end(
                prepare(&plan(vec![layer.clone()], isolation, &["sh", "-c", line])).unwrap().start().unwrap(),
                Duration::from_secs(12),
            );
            println!(
                "{isolation:?} {name}: {:?} {:?} {} ms",
                finished.reason,
                finished.refused,
                (boot_ns() - before) / 1_000_000
            );
            assert!(limit.is_empty() || finished.refused.iter().any(|(what, _)| what == limit), "{name}: {finished:?}");
        }
    }
    std::io::stdout().flush().unwrap();
}

/// Limits around the sandboxes, should those fail: v1 cgroups below ours.
struct Outer(Vec<PathBuf>);

impl Outer {
    fn new() -> Self {
        let ours = fs::read_to_string("/proc/self/cgroup").unwrap();
        let mut folders = Vec::new();
        for (controller, file, value) in
            [("pids", "pids.max", "700"), ("memory", "memory.limit_in_bytes", "2147483648")]
        {
            let Some(path) =
                ours.lines().find_map(|line| line.split_once(&format!(":{controller}:")).map(|(_, path)| path))
            else {
                continue;
            };
            let folder = Path::new("/sys/fs/cgroup")
                .join(controller)
                .join(path.trim_start_matches('/'))
                .join(format!("escapes-{}", std::process::id()));
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(file), value).unwrap();
            folders.push(folder);
        }
        Self(folders)
    }

    fn doors(&self) -> String {
        self.0
            .iter()
            .map(|folder| folder.join("cgroup.procs").to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
            .join(":")
    }
}

impl Drop for Outer {
    fn drop(&mut self) {
        for folder in &self.0 {
            for _ in 0..100 {
                if fs::remove_dir(folder).is_ok() {
                    break;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
