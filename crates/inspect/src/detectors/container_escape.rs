//! Recognises commands that leave the container for the machine it runs on.
//!
//! A privileged container can make the kernel start a program outside, enter the machine's namespaces, mount the machine's disk, or
//! have the Docker engine start another container with the machine's files in it. Few images have a reason to.
//!
//! - Sees: a `release_agent` or a piped `core_pattern` that is written, `nsenter` into process 1 with its mounts, a machine's disk
//!   mounted and entered or written to, `debugfs` on it, a privileged container started (by command or through the engine's socket)
//!   with the machine's root folder, `/proc/1/root` entered, the container runtime overwritten, a pod that mounts the machine.
//! - Misses: the same by system calls in a program and kernel exploits (`compiled-escape`).
//! - False alarms: node agents of orchestrators enter process 1 and crash reporters set `core_pattern` (alone a fact), or also
//!   mount the machine on purpose (a sign); rescue disks mount and enter disks.
//! - Source: cgroups(7), "Invoking the release_agent"; core(5), "Piping core dumps"; nsenter(1); Docker Engine API, "Create a
//!   container"; CVE-2019-5736; ATT&CK T1611, T1610.

use std::sync::LazyLock;

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::{
    clues::{Clue, Clues, Group, is_script},
    text,
};

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "container-escape",
        title: "Leaves the container for the machine",
        category: Category::ContainerEscape,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1611", "T1610"],
    },
    scope: Scope::Content {
        kinds: text::TEXT_KINDS,
        literals: &[
            "release_agent",
            "notify_on_release",
            "core_pattern",
            "nsenter ",
            "\"nsenter\"",
            "privileged\":",
            "privileged\\\":",
            "hostPID",
            "docker run ",
            "docker -H",
            "docker.sock",
            "containerd.sock",
            "crio.sock",
            "containers/create",
            "containers.run(",
            "Privileged\"",
            "privileged: true",
            "hostPath",
            "mount /dev/",
            "mount -",
            "/dev/sd",
            "/dev/nvme",
            "/dev/vd",
            "/dev/xvd",
            "mknod ",
            "debugfs ",
            "chroot ",
            "chroot(",
            "/proc/1/root",
            "/proc/1/ns",
            "/proc/1/cwd",
            "uevent_helper",
            "binfmt_misc/register",
            "/proc/self/exe",
            "bin/runc",
            "docker-runc",
            "setns(",
            "open_by_handle_at",
            "sysrq-trigger",
            "cgroup",
            "ctr run",
            "ctr -a",
            "ctr --address",
            "unshare ",
        ],
    },
    inspect,
};

/// How a clue counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Nobody but an intruder does it.
    Way,
    /// Agents and rescue disks do it too.
    Doubtful,
    /// Means nothing alone: finds the machine's disk or engine, or uses what was opened.
    Step,
}

const CLUES: &[Clue<Role>] = &[
    (
        Role::Way,
        "has the kernel start a program by release_agent",
        r">\s*[\x22']?\S*/release_agent\b|tee\s+(?:-a\s+)?\S*/release_agent\b|(?:open|writeFile\w*|WriteFile|fopen)\([^\n]*release_agent",
    ),
    (Role::Step, "asks for release notices", r"notify_on_release"),
    (
        Role::Way,
        "has the kernel start a program by core_pattern",
        r"\|\s*/[^\n]*>\s*\S*/(?:sys/kernel/)?core_pattern\b|\|/[^\n]*tee\s+\S*core_pattern|(?:sysctl|kernel\.core_pattern)[^\n]*\|/(?:tmp|var/lib/docker|proc|dev/shm|root|home)|core_pattern[^\n]{0,60}\.write\([^\n]*\|",
    ),
    (
        Role::Doubtful,
        "opens core_pattern for writing",
        r"(?:open|fopen|writeFile\w*|WriteFile|OpenFile)\([^\n]{0,60}core_pattern[\x22'][^\n]{0,30}(?:[\x22'][wa]|O_WRONLY|O_RDWR|byte)|>\s*\S*/proc/sys/kernel/core_pattern",
    ),
    (
        Role::Way,
        // An empty line only switches it off: udev and initramfs do.
        "has the kernel start a program by uevent_helper",
        r"(?:echo|printf)\s+(?:-\w+\s+)*[\x22']?[/$][^\n;|&]*>\s*\S*/(?:sys/kernel|kernel)/uevent_helper",
    ),
    (
        Role::Doubtful,
        "enters the machine's namespaces by nsenter",
        r"\bnsenter\s[^\n;|]*(?:-t|--target)[ =]?1\b[^\n;|]*\s?(?:-\w*[am]|--all|--mount)|\bnsenter\s[^\n;|]*(?:-\w*[am]\w*|--all|--mount)\s[^\n;|]*(?:-t|--target)[ =]?1\b|nsenter\s[^\n;|]*--mount=\S*/proc/1/ns/mnt|nsenter[\x22'],[^\n]{0,60}[\x22'](?:-t1?|--target(?:=1)?)[\x22'](?:,\s*[\x22']1[\x22'])?,[^\n]{0,40}(?:-m|--mount|-a)|\bnsenter\b[\x22',\\\s]{1,8}--mount=/proc/1/ns/mnt",
    ),
    (
        Role::Way,
        "starts a container with the machine's root folder",
        r"(?s)\b(?:docker|podman|nerdctl|ctr)\s.*\brun\s.*\s(?:-v|--volume)[ =]?/:/|(?s)\bdocker\s.*\brun\s.*--mount[ =]\S*(?:source|src)=/,|docker\.sock[^\n]*Binds[^\n]{0,8}\x22/:/|\x22?Binds\\?\x22?\s*:\s*\[\s*\\?[\x22']/:/|[\x22']?(?:volumes|binds)[\x22']?\s*[=:]\s*(?:\{\s*[\x22']/[\x22']\s*:|\[\s*[\x22']/:/)|--mount\s+type=bind,src=/,dst=",
    ),
    (
        Role::Step,
        "speaks to the container engine's socket",
        r"(?s)--unix-socket\s+\S*docker\.sock|docker\.sock\S*\s.*(?:http|containers/)|/containers/create|AF_UNIX.{0,80}docker\.sock|connect\([^\n]*docker\.sock|socketPath[^\n]*docker\.sock|-H\s+unix://\S*(?:docker|podman|host)\S*\.sock|containers\.run\(",
    ),
    (
        Role::Step,
        "asks for a privileged container",
        r"\\?[\x22']?[Pp]rivileged\\?[\x22']?\s*[:=]\s*(?:true|True|!0)|--privileged\b|--pid[ =]host|\\?\x22PidMode\\?\x22\s*:\s*\\?\x22host",
    ),
    (
        Role::Step,
        "mounts a disk of the machine",
        r"\bmount\s+(?:-\S+\s+(?:ext[234]|xfs|btrfs|auto|rw|ro)?\s*)*[\x22']?(?:/host)?/dev/(?:sd[a-z]|nvme|vd[a-z]|xvd[a-z]|hd[a-z]|mapper/|dm-|root|disk/)|\bmount\s[^\n;|]*[\x22']?\$\{?(?:\w*(?:dev|DEV|disk|DISK|part|PART)\w*)\}?\d?[\x22']?\s+\S|mknod\s+\S+\s+b\s+(?:\d|\$)|[^\w]mount\([^\n]{0,30}/dev/(?:sd|nvme|vd|xvd)",
    ),
    (
        Role::Step,
        "changes or enters the mounted machine",
        r"\bchroot\s+(?:-\S+\s+)*[\x22']?(?:/mnt|/host|/rootfs|/tmp|/hostfs|/media|\$)\S*|>>?\s*[\x22']?(?:/mnt|/host|/rootfs|/tmp/\w+|/hostfs|\$\{?\w+\}?)\S*/(?:etc/(?:cron|passwd|shadow|sudoers|ld\.so|profile|rc\.local|systemd)|root/\.ssh|var/spool/cron|home/\S*\.ssh)|os\.chroot\(|authorized_keys|(?:cat|cp)\s+(?:/mnt|/host|/hostfs|/tmp/\w+)\S*/etc/shadow",
    ),
    (
        Role::Doubtful,
        "reads or writes the machine's disk by debugfs",
        // `mount -t debugfs debugfs $folder` is the kernel's own.
        r"(?:^|[;&|(`{\x22']|\b(?:do|then|exec|sudo)\s)\s*(?:/\S*/)?debugfs\s+(?:-\w+\s+)*(?:-R\s+\S[^\n]*\s|-\w+\s+)?[\x22']?(?:/dev/|\$)",
    ),
    (
        Role::Doubtful,
        "goes through the root folder of process 1",
        r"\bchroot\s+[\x22']?/proc/1/(?:root|cwd)|>>?\s*[\x22']?/proc/1/(?:root|cwd)/|(?:cp|mv|install|ln)\s[^\n;|]*\s[\x22']?/proc/1/root/|cd\s+/proc/1/(?:root|cwd)|open\([\x22']/proc/1/root/[^\n]*[\x22'][wa]|(?:ls|cat|find)\s+/proc/1/root/(?:etc/shadow|root)|setns\(\s*(?:os\.)?open\([^\n)]*/proc/1/ns/",
    ),
    (
        Role::Way,
        "overwrites the container runtime",
        r">\s*[\x22']?/proc/(?:\$\{?\w+\}?|self|\d+|\*)/exe\b|(?:cp|mv|cat)\s[^\n;|]*(?:>|\s)\s*\S*/(?:usr/)?s?bin/(?:docker-)?runc[\x22']?\s*(?:$|;|&)|#!/proc/self/exe",
    ),
    (Role::Way, "opens files of the machine by handle", r"open_by_handle_at\([^\n]*(?:root_h|handle|fh)[^\n]*O_"),
    (
        Role::Step,
        "mounts the machine into a pod",
        r"hostPath:?[^\n]{0,30}(?:path:?\s*[\x22']?/[\x22']?\s*\}?(?:$|,))|\x22hostPath\\?\x22\s*:\s*\{\s*\\?\x22path\\?\x22\s*:\s*\\?\x22/\\?\x22",
    ),
    (Role::Step, "sees the machine's processes in a pod", r"\\?[\x22']?hostPID\\?[\x22']?\s*:\s*true"),
    (Role::Step, "mounts a control group", r"mount\s+-t\s+cgroup\b|mkdir\s[^\n]*/(?:sys/fs/cgroup|tmp/cgrp|cgrp)"),
];

static TABLE: LazyLock<Clues<Role>> = LazyLock::new(|| Clues::new(CLUES));

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    TABLE.groups(sample).into_iter().filter_map(|group| judged(sample, &group)).take(8).collect()
}

fn judged(sample: &Sample<'_>, group: &Group<Role>) -> Option<Match> {
    let (ways, doubtful, steps) = (group.count(Role::Way), group.count(Role::Doubtful), group.count(Role::Step));
    let runs = is_script(sample);
    let weight = match (ways, doubtful, steps) {
        (1.., _, 1..) | (2.., _, _) | (1.., 1.., _) if runs => Weight::Proof,
        (0, 1.., 2..) | (0, 2.., 1..) if runs => Weight::Proof,
        // Node agents enter process 1 in one line, and crash reporters set the pattern.
        (0, 1, 0) => Weight::Fact,
        (1.., _, _) | (_, 1.., _) => Weight::Sign,
        // A disk mounted and its machine entered; an engine's socket and a privileged container.
        (0, 0, 2..)
            if mounts_and_enters(group)
                || has_all(group, &["speaks to the container engine's socket", "asks for a privileged container"]) =>
        {
            if steps > 2 && runs {
                Weight::Proof
            } else {
                Weight::Sign
            }
        }
        _ => return None,
    };
    // A compose file or a manifest is run by other people's hands.
    let weight = if sample.kind == FileKind::Text && !runs { weight.min(Weight::Sign) } else { weight };
    Some(group.found(weight))
}

fn mounts_and_enters(group: &Group<Role>) -> bool {
    has_all(group, &["mounts a disk of the machine", "changes or enters the mounted machine"])
}

fn has_all(group: &Group<Role>, words: &[&str]) -> bool {
    words.iter().all(|word| group.0.iter().any(|seen| seen.what == *word))
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::DETECTOR;
    use crate::detectors::testing::{check, run};

    #[test]
    fn each_way_out_is_seen() {
        for (line, way) in [
            ("echo \"$host/cmd\" > /tmp/cgrp/release_agent", "has the kernel start a program by release_agent"),
            (
                "echo '|/tmp/x' > /proc/sys/kernel/core_pattern",
                "has the kernel start a program by core_pattern; opens core_pattern for writing",
            ),
            ("nsenter --target 1 --mount --uts sh", "enters the machine's namespaces by nsenter"),
            ("nsenter -m -u -t 1 -- sh", "enters the machine's namespaces by nsenter"),
            ("docker run -it -v /:/mnt alpine", "starts a container with the machine's root folder"),
            ("chroot /proc/1/root /bin/sh", "goes through the root folder of process 1"),
            ("debugfs -w /dev/sda1", "reads or writes the machine's disk by debugfs"),
            (
                "mount /dev/sda1 /mnt; chroot /mnt sh",
                "mounts a disk of the machine; changes or enters the mounted machine",
            ),
        ] {
            check(&DETECTOR, "x", format!("#!/bin/sh\n{line}\n").as_bytes(), &[way]);
        }
    }

    #[test]
    fn several_steps_of_one_way_are_a_proof() {
        for script in [
            "#!/bin/sh\nmkdir /tmp/cgrp && mount -t cgroup -o memory cgroup /tmp/cgrp\necho 1 > /tmp/cgrp/x/notify_on_release\necho \"$host_path/cmd\" > /tmp/cgrp/release_agent\n",
            "#!/bin/sh\ncurl -s --unix-socket /var/run/docker.sock -X POST -H 'Content-Type: application/json' \\\n -d '{\"Image\":\"alpine\",\"HostConfig\":{\"Privileged\":true,\"Binds\":[\"/:/host\"]}}' \\\n http://localhost/containers/create\n",
        ] {
            let found = run(&DETECTOR, "x", 0o755, script.as_bytes());
            assert_eq!(found.first().and_then(|found| found.weight), Some(Weight::Proof), "{script}: {found:?}");
        }
    }

    #[test]
    fn ordinary_use_is_none() {
        let script = b"#!/bin/sh\ncat /proc/sys/kernel/core_pattern\nnsenter -t \"$pid\" -n ip addr\ndocker run -v /data:/data x\n\
            cat release_agent\nmount -t proc proc /proc\nchroot /srv/jail x\nls -l /dev/sda1\n";
        check(&DETECTOR, "x", script, &[]);
    }
}
