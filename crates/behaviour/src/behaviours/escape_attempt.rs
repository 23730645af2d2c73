//! Sees attempts to leave the container for its host. Whether the kernel allowed it does not matter.
//!
//! - Sees: writes to `release_agent`, `core_pattern` with a pipe, `uevent_helper`; mounting and reading the host's disks and making device nodes for them;
//!   entering the namespaces of process 1; kernel modules loaded; file handles opened as Shocker does; the host's memory; the engine's socket asked for a
//!   container with the host's root; the root of process 1 from a process far from it.
//! - Misses: exploits of the kernel itself, which show in what follows.
//! - False alarms: container builders, storage and VPN images mount, unshare and load modules (facts or signs of a draft); NFS servers
//!   open handles; monitoring opens the engine's socket to read.
//! - Source: Felix Wilhelm's release_agent proof, Shocker, deepce and CDK's lists; ATT&CK T1611, T1610, T1547.006.

use std::collections::BTreeMap;

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, payload, programs::Program, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "escape-attempt",
        title: "Tries to leave the container",
        category: Category::ContainerEscape,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1611", "T1610"],
    },
    judge: Judge::Run(judge),
};

/// How an attempt counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Counts {
    Fact,
    DraftSign,
    Sign,
    Proof,
}
use Counts::{DraftSign, Fact, Proof, Sign};

/// Build and run containers themselves, or are made to manage a host.
const BUILDERS: &[&str] = &[
    "dockerd",
    "containerd",
    "containerd-shim-runc-v2",
    "runc",
    "crun",
    "buildkitd",
    "buildctl",
    "podman",
    "buildah",
    "kaniko",
    "executor",
    "systemd",
    "debootstrap",
    "docker-init",
    "rootlesskit",
    "k3s",
    "kubelet",
    "lxc-start",
    "snapd",
    "flatpak",
    "bwrap",
    "schroot",
    "mmdebstrap",
    "fuse-overlayfs",
    "slirp4netns",
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut attempts: BTreeMap<String, (usize, Counts)> = BTreeMap::new();
    let mut cgroup_mounted = None;
    for (at, event) in story.events() {
        let program = story.program(at);
        let builds = program.is_some_and(|program| program.is(BUILDERS) && !program.written);
        let attempt = match &event.what {
            What::Open { path, write, read, .. } => opened(path, *read, *write, program.as_ref()),
            What::Write { path, head, .. } => wrote(path, head),
            What::Mount { source, target, filesystem, call, .. } => {
                if filesystem.starts_with("cgroup") && !call.contains("umount") {
                    cgroup_mounted.get_or_insert(at);
                }
                mounted(call, source, target)
            }
            What::Make { path, what, device, .. } if what.contains("device") => made(path, *device),
            What::Namespace { call, .. } if call == "setns" => entered(story, at, program.as_ref()),
            What::Kernel { call, .. } => kernel(call, program.as_ref()),
            What::Refused { what, .. } => kernel(what, program.as_ref()),
            What::Exec { .. } => program.as_ref().and_then(started),
            What::Connect { to, .. } if is_engine(to) => Some((format!("opens the engine's socket {to}"), Fact)),
            What::Message { service, text, .. }
                if service == "docker" && text.contains("containers/create") && mounts_root(text) =>
            {
                Some(("asks the engine for a container with the host's root".to_owned(), Proof))
            }
            What::Http { url, body_head, .. }
                if url.contains("/containers/create")
                    && is_local_engine(url)
                    && mounts_root(&payload::text(body_head)) =>
            {
                Some(("asks the engine for a container with the host's root".to_owned(), Proof))
            }
            _ => None,
        };
        if let Some((what, counts)) = attempt {
            let counts = if builds { counts.min(Fact) } else { counts };
            let known = attempts.entry(what).or_insert((at, counts));
            if counts > known.1 {
                *known = (at, counts);
            }
        }
    }
    // Mounting control groups is what builders do; with the release agent it is the classic.
    if let Some(at) = cgroup_mounted {
        attempts.entry("mounts control groups".to_owned()).or_insert((at, Fact));
    }
    let told = |(what, (at, counts)): (String, (usize, Counts))| {
        let found = Match::new(at, what);
        match counts {
            Proof => found,
            Sign => found.sign(),
            DraftSign => found.sign().draft(),
            Fact => found.fact(),
        }
    };
    attempts.into_iter().map(told).collect()
}

/// A disk of the host: what has no partition of a container's own.
fn is_disk(path: &str) -> bool {
    let Some(name) = path.strip_prefix("/dev/") else { return false };
    let digits = |rest: &str| rest.len() <= 3 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    ["sd", "vd", "xvd", "hd"].iter().any(|kind| {
        name.strip_prefix(kind)
            .is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_lowercase()) && digits(rest))
    }) || name.starts_with("nvme")
        || name.starts_with("mmcblk")
        || name.starts_with("dm-")
        || (name.starts_with("mapper/") && name != "mapper/control")
        || name.starts_with("disk/")
}

fn opened(path: &str, read: bool, write: bool, program: Option<&Program<'_>>) -> Option<(String, Counts)> {
    if path.ends_with("/release_agent") && write {
        return Some((format!("writes {path}"), Proof));
    }
    if write && matches!(path, "/proc/sys/kernel/core_pattern" | "/sys/kernel/uevent_helper" | "/proc/sysrq-trigger") {
        return Some((format!("writes {path}"), Proof));
    }
    if matches!(path, "/dev/mem" | "/dev/kmem" | "/dev/port" | "/proc/kcore") {
        return Some((format!("opens the host's memory, {path}"), if path == "/proc/kcore" { Sign } else { Proof }));
    }
    if is_disk(path) {
        let looks = program.is_some_and(|program| {
            program.is(&[
                "lsblk",
                "blkid",
                "fdisk",
                "sfdisk",
                "parted",
                "smartctl",
                "smartd",
                "hdparm",
                "lshw",
                "udevadm",
                "systemd-udevd",
                "nvme",
                "multipathd",
                "lvm",
                "pvs",
                "vgs",
                "dmsetup",
                "iostat",
                "df",
                "findmnt",
                "telegraf",
            ])
        });
        return Some((
            format!("opens the host's disk {path}"),
            if looks && !write {
                Fact
            } else if write || read {
                Sign
            } else {
                Fact
            },
        ));
    }
    // The container's own process 1 is the sample; what is behind its root is asked for by whom expects the host there.
    if let Some(rest) = path.strip_prefix("/proc/1/root/")
        && !rest.is_empty()
    {
        return Some((format!("looks through /proc/1/root for {}", model::text::shortened(rest, 60)), Sign));
    }
    if path.starts_with("/proc/1/ns/") {
        let looks = program
            .is_some_and(|program| program.is(&["lsns", "ps", "systemd-detect-virt", "ip", "dockerd", "cadvisor"]));
        return Some(("opens the namespaces of process 1".to_owned(), if looks { Fact } else { DraftSign }));
    }
    (path.starts_with("/sys/fs/bpf/") || path.starts_with("/sys/kernel/debug/"))
        .then(|| (format!("opens {path}"), Fact))
}

fn wrote(path: &str, head: &str) -> Option<(String, Counts)> {
    if path.ends_with("/release_agent") {
        return Some((format!("writes {path}"), Proof));
    }
    if path.ends_with("/notify_on_release") && payload::text(head).starts_with('1') {
        return Some((format!("writes {path}"), Sign));
    }
    if path == "/proc/sys/fs/binfmt_misc/register" {
        return Some((format!("writes {path}"), Fact));
    }
    (path == "/proc/sys/kernel/core_pattern" && payload::text(head).trim_start().starts_with('|'))
        .then(|| (format!("writes {path}"), Proof))
}

fn mounted(call: &str, source: &str, target: &str) -> Option<(String, Counts)> {
    if call.contains("umount") {
        return None;
    }
    if is_disk(source) {
        return Some((format!("mounts the host's disk {source} at {target}"), Proof));
    }
    Some((format!("mounts {} at {}", model::text::shortened(source, 60), model::text::shortened(target, 60)), Fact))
}

/// Block devices by their number: SCSI disks, NVMe, virtio, Xen. Characters share some of these, so the name speaks first.
fn made(path: &str, device: Option<u64>) -> Option<(String, Counts)> {
    let name = crate::programs::base(path);
    let harmless = [
        "null", "zero", "random", "urandom", "full", "tty", "tun", "fuse", "console", "ptmx", "kvm", "net", "ppp",
        "nvidia", "loop",
    ];
    if harmless.iter().any(|known| name.starts_with(known)) {
        return None;
    }
    let number = device.unwrap_or(0);
    // The kernel's encoding: bits 8 to 19 are the major number; plain `major << 8 | minor` for small ones.
    let major = (number >> 8) & 0xfff;
    let disk = matches!(major, 8 | 65..=71 | 202 | 252..=254 | 259);
    let memory = major == 1 && matches!(number & 0xff, 1 | 2 | 4);
    if is_disk(&format!("/dev/{name}")) || disk && !path.contains("/dev/cpu") || memory {
        return Some((
            format!("makes a device node of the host's {}, {path}", if memory { "memory" } else { "disk" }),
            Proof,
        ));
    }
    Some((format!("makes a device node, {path}"), Fact))
}

fn entered(story: &Story<'_>, at: usize, program: Option<&Program<'_>>) -> Option<(String, Counts)> {
    let life = story.life_at(at).and_then(|life| story.life(life))?;
    let of_one = life
        .reads
        .iter()
        .rev()
        .take(16)
        .any(|read| matches!(story.what(*read), Some(What::Open { path, .. }) if path.starts_with("/proc/1/ns/")));
    let target = program.and_then(started).is_some_and(|(_, counts)| counts == Proof);
    if of_one || target {
        return Some(("enters the namespaces of process 1".to_owned(), Proof));
    }
    Some(("enters another namespace".to_owned(), Fact))
}

fn kernel(call: &str, program: Option<&Program<'_>>) -> Option<(String, Counts)> {
    let nfs = program.is_some_and(|program| {
        program.is(&[
            "ganesha.nfsd",
            "nfsd",
            "rpc.mountd",
            "unfsd",
            "fatrace",
            "fsnotifywatch",
            "xfs_fsr",
            "xfsdump",
            "glusterfsd",
        ]) && !program.written
    });
    let counts = match call {
        "init_module" | "finit_module" | "delete_module" | "create_module" => {
            let tool = program.is_some_and(|program| {
                program.is(&["modprobe", "kmod", "insmod"]) && !program.has(&["insmod"]) && program.tool() != "insmod"
            });
            if tool { DraftSign } else { Proof }
        }
        "open_by_handle_at" => {
            if nfs {
                Fact
            } else {
                Proof
            }
        }
        "kexec_load" | "kexec_file_load" => Proof,
        "iopl" | "ioperm" => DraftSign,
        _ => return None,
    };
    Some((format!("calls {call}"), counts))
}

fn started(program: &Program<'_>) -> Option<(String, Counts)> {
    let line = program.line();
    let words: Vec<&str> = line.split_whitespace().collect();
    let follows = |option: &str, value: &str| words.windows(2).any(|pair| pair[0] == option && pair[1] == value);
    match program.tool() {
        "nsenter"
            if follows("-t", "1")
                || follows("--target", "1")
                || words.contains(&"-t1")
                || words.contains(&"--target=1") =>
        {
            Some(("enters the namespaces of process 1".to_owned(), Proof))
        }
        "insmod" => Some((format!("loads a kernel module, {}", model::text::shortened(&line, 80)), Proof)),
        "debugfs" if words.iter().any(|word| is_disk(word)) => {
            Some(("reads the host's disk with debugfs".to_owned(), Proof))
        }
        "mount" if words.iter().any(|word| is_disk(word)) => {
            Some((format!("mounts the host's disk: {}", model::text::shortened(&line, 80)), Proof))
        }
        "chroot"
            if words.iter().any(|word| {
                matches!(*word, "/host" | "/hostfs" | "/rootfs" | "/proc/1/root" | "/mnt/host" | "/hostroot")
            }) =>
        {
            Some((format!("changes its root to the host's: {}", model::text::shortened(&line, 80)), DraftSign))
        }
        "docker" | "podman" | "nerdctl" | "ctr"
            if words.contains(&"run")
                && (line.contains("-v /:/")
                    || line.contains("--volume /:/")
                    || line.contains("source=/,")
                    || line.contains("-v=/:/")) =>
        {
            Some((format!("starts a container with the host's root: {}", model::text::shortened(&line, 80)), Proof))
        }
        "curl" if line.contains("docker.sock") && line.contains("containers/create") && mounts_root(&line) => {
            Some(("asks the engine for a container with the host's root".to_owned(), Proof))
        }
        "curl" if line.contains("docker.sock") && line.contains("POST") => {
            Some(("gives orders to the engine's socket".to_owned(), DraftSign))
        }
        _ => None,
    }
}

fn mounts_root(text: &str) -> bool {
    let compact: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    compact.contains("\"/:/")
        || compact.contains("\"Source\":\"/\"")
        || compact.contains("\"Privileged\":true") && compact.contains("\"host\"")
}

fn is_engine(to: &str) -> bool {
    to.ends_with("docker.sock")
        || to.ends_with("containerd.sock")
        || to.ends_with("crio.sock")
        || to.ends_with("podman.sock")
}

fn is_local_engine(url: &str) -> bool {
    let host = crate::indicators::url_host(url);
    !crate::indicators::is_public(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn the_release_agent() {
        let mut run = Run::new();
        run.push(
            1,
            What::Mount {
                call: "mount".into(),
                source: "cgroup".into(),
                target: "/tmp/c".into(),
                filesystem: "cgroup".into(),
                result: -1,
            },
        );
        run.write(1, "/tmp/c/release_agent", b"/cmd");
        hit(&BEHAVIOUR, run, Weight::Proof, "writes /tmp/c/release_agent");
    }

    #[test]
    fn the_hosts_disk() {
        let mut run = Run::new();
        run.push(
            1,
            What::Mount {
                call: "mount".into(),
                source: "/dev/sda1".into(),
                target: "/mnt".into(),
                filesystem: "ext4".into(),
                result: -1,
            },
        );
        hit(&BEHAVIOUR, run, Weight::Proof, "mounts the host's disk /dev/sda1");
        let mut run = Run::new();
        run.push(1, What::Make { path: "/tmp/x".into(), what: "device".into(), device: Some(8 << 8 | 1), result: -1 });
        hit(&BEHAVIOUR, run, Weight::Proof, "device node of the host's disk");
    }

    #[test]
    fn namespaces_handles_and_modules() {
        let mut run = Run::new();
        run.spawn(1, "/usr/bin/nsenter", &["nsenter", "-t", "1", "-m", "sh"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "namespaces of process 1");
        for call in ["open_by_handle_at", "finit_module", "kexec_load"] {
            let mut run = Run::of("/opt/x", &["x"]);
            run.push(1, What::Kernel { call: call.into(), arguments: vec![], result: -1 });
            hit(&BEHAVIOUR, run, Weight::Proof, call);
        }
        let mut run = Run::of("/opt/x", &["x"]);
        run.open(1, "/proc/1/ns/mnt", 3);
        run.push(1, What::Namespace { call: "setns".into(), flags: 0, result: -1 });
        hit(&BEHAVIOUR, run, Weight::Proof, "enters the namespaces of process 1");
    }

    #[test]
    fn the_engines_socket_with_the_hosts_root() {
        let mut run = Run::new();
        run.spawn(
            1,
            "/usr/bin/curl",
            &[
                "curl",
                "--unix-socket",
                "/var/run/docker.sock",
                "-d",
                r#"{"HostConfig":{"Binds":["/:/host"]}}"#,
                "http://x/containers/create",
            ],
        );
        hit(&BEHAVIOUR, run, Weight::Proof, "container with the host's root");
    }

    #[test]
    fn an_engine_inside_a_container_is_none() {
        let mut run = Run::of("/usr/local/bin/dockerd", &["dockerd"]);
        run.push(
            1,
            What::Mount {
                call: "mount".into(),
                source: "cgroup".into(),
                target: "/sys/fs/cgroup/cpu".into(),
                filesystem: "cgroup".into(),
                result: -1,
            },
        );
        run.push(
            1,
            What::Mount {
                call: "mount".into(),
                source: "overlay".into(),
                target: "/var/lib/docker/overlay2/x".into(),
                filesystem: "overlay".into(),
                result: -1,
            },
        );
        run.push(1, What::Namespace { call: "unshare".into(), flags: 0, result: -1 });
        run.push(1, What::Kernel { call: "bpf".into(), arguments: vec![], result: -1 });
        run.push(
            1,
            What::Make { path: "/dev/net/tun".into(), what: "device".into(), device: Some(10 << 8 | 200), result: 0 },
        );
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn servers_that_lock_themselves_in_are_none() {
        let mut run = Run::of("/usr/sbin/sshd", &["sshd", "-D"]);
        run.push(1, What::Namespace { call: "chroot".into(), flags: 0, result: 0 });
        run.push(1, What::Connect { to: "/var/run/docker.sock".into(), result: -2 });
        run.push(1, What::Kernel { call: "io_uring_setup".into(), arguments: vec![], result: 3 });
        run.push(1, What::Kernel { call: "keyctl".into(), arguments: vec![], result: -1 });
        run.open(1, "/proc/1/cgroup", 3);
        run.open(1, "/proc/1/status", 3);
        run.open(1, "/proc/sys/kernel/core_pattern", 3);
        let lsblk = run.spawn(1, "/usr/bin/lsblk", &["lsblk"]);
        run.open(lsblk, "/dev/sda", 3);
        miss(&BEHAVIOUR, run);
    }
}
