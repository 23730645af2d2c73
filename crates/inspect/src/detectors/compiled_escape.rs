//! Recognises compiled programs that leave the container for the machine.
//!
//! Container engines and init systems know one or the other of these interfaces; a small program that knows several of them, or the
//! kernel's own functions for taking rights, was made to get out.
//!
//! - Sees: ELF programs of at most 4 MiB. Interfaces: the namespaces of process 1 (with `setns`), a `release_agent` below a fixed mount
//!   point, a `core_pattern` that points into a container, the file of the container runtime together with `/proc/self/exe`,
//!   `nsenter` into process 1, files by handle. Kernel exploits: `commit_creds` with `prepare_kernel_cred` or `init_cred`, the switch of
//!   namespaces, what is overwritten (`modprobe_path`, the line of root in `passwd`), the primitive (`splice`, `userfaultfd`, message
//!   queues, key rings), the kernel's addresses. Three of either group are a proof, two interfaces a fact.
//! - Misses: exploits without texts; large Go programs that collect such tools.
//! - False alarms: programs that carry the kernel's types (BTF) or its symbols are left out, as are kernel modules.
//! - Source: cgroups(7), core(5), setns(2), open_by_handle_at(2); CVE-2019-5736, CVE-2022-0847, CVE-2022-0492; kernel `include/linux/cred.h`,
//!   `nsproxy.h`; ATT&CK T1611, T1068.

use std::sync::LazyLock;

use memchr::memmem;
use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};
use regex::Regex;

use super::{About, Detector, Match, Sample, Scope};
use crate::symbols::{Symbols, symbols, texts};

/// Larger programs are engines and collections.
const PROGRAM_BYTES_MAX: usize = 4 << 20;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "compiled-escape",
        title: "Program that leaves the container for the machine",
        category: Category::ContainerEscape,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1611", "T1068"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Elf],
        literals: &[
            "release_agent",
            "/proc/1/ns/",
            "core_pattern",
            "docker-runc",
            "/sbin/runc",
            "/bin/runc",
            "commit_creds",
            "prepare_kernel_cred",
            "modprobe_path",
            "switch_task_namespaces",
            "PIPE_BUF_FLAG",
        ],
    },
    inspect,
};

/// What a program knows, in words, and the text that shows it. The first group are interfaces, the second parts of an exploit.
static INTERFACES: LazyLock<[(&str, Regex); 5]> = LazyLock::new(|| {
    [
        ("the namespaces of process 1", r"^/proc/1/ns/(?:mnt|pid|ipc|uts|net|cgroup|%s)$"),
        (
            "release agents",
            r"^/(?:sys/fs/cgroup|tmp|mnt|dev|run|root|cgroup)\S*/release_agent$|^echo\b.*/release_agent",
        ),
        (
            "a core pattern that points into a container",
            r"^\|/(?:proc/%[Pp]/(?:root|cwd|rootfs)|proc/\d+/root|tmp/|var/lib/docker|dev/shm)",
        ),
        ("the container runtime's file", r"^/usr/(?:local/)?s?bin/(?:docker-)?runc$|runcinit"),
        ("nsenter into process 1", r"nsenter\s[^\n]*(?:-t|--target)[ =]?1\b"),
    ]
    .map(compiled)
});
static EXPLOITS: LazyLock<[(&str, Regex); 5]> = LazyLock::new(|| {
    [
        ("the kernel's functions for rights", r"^(?:commit_creds|prepare_kernel_cred|init_cred)$"),
        ("the switch of namespaces", r"^(?:switch_task_namespaces|init_nsproxy|find_task_by_vpid|init_fs)$"),
        (
            "what to overwrite",
            r"^(?:modprobe_path|poweroff_cmd)$|^/proc/sys/kernel/modprobe$|^root:(?:\$\w+\$\S+|\w{13})?:0:0:[^\n]*:/",
        ),
        (
            "a primitive",
            r"PIPE_BUF_FLAG_CAN_MERGE|^(?:userfaultfd|msg_msg|pipe_buffer|tty_struct|seq_operations)|(?i)\bspray",
        ),
        ("the kernel's addresses", r"^/proc/kallsyms$|(?i)\bkaslr\b|kernel base"),
    ]
    .map(compiled)
});

fn compiled((words, pattern): (&'static str, &str)) -> (&'static str, Regex) {
    (words, Regex::new(pattern).expect("the pattern is a constant, and a test runs it"))
}

/// Only exploits and few others take these.
const PRIMITIVES: &[&str] = &["splice", "vmsplice", "add_key", "keyctl", "msgsnd", "userfaultfd"];

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let bytes = sample.bytes;
    // Kernel modules are no programs, and what has the kernel's types or its symbols has all its names.
    let is_module = bytes.get(16..18) == Some(&[1, 0]);
    let is_table =
        [&b".BTF\0"[..], b"do_syscall_64", b"__x64_sys_"].iter().any(|mark| memmem::find(bytes, mark).is_some());
    if bytes.len() > PROGRAM_BYTES_MAX || is_module || is_table {
        return Vec::new();
    }
    let symbols = symbols(bytes).unwrap_or_default();
    let [mut interfaces, mut exploits] = [[false; 5]; 2];
    for text in texts(bytes, 6).filter(|text| text.len() <= 512) {
        for (seen, (_, pattern)) in interfaces.iter_mut().zip(INTERFACES.iter()) {
            *seen = *seen || pattern.is_match(text);
        }
        for (seen, (_, pattern)) in exploits.iter_mut().zip(EXPLOITS.iter()) {
            *seen = *seen || pattern.is_match(text);
        }
    }
    told(sample, &symbols, interfaces, exploits).into_iter().collect()
}

fn told(sample: &Sample<'_>, symbols: &Symbols<'_>, interfaces: [bool; 5], mut exploits: [bool; 5]) -> Option<Match> {
    let says = |text: &str| memmem::find(sample.bytes, text.as_bytes()).is_some();
    let mut ways = words(&*INTERFACES, interfaces);
    ways.retain(|way| match *way {
        "the namespaces of process 1" => symbols.imports_any(&["setns", "syscall"]) || symbols.imported.is_empty(),
        "release agents" => says("notify_on_release") || says("perdir="),
        "the container runtime's file" => says("/proc/self/exe"),
        _ => true,
    });
    if symbols.imports("open_by_handle_at") {
        ways.push("files by handle");
    }
    exploits[3] |= symbols.imports_any(PRIMITIVES);
    let parts = words(&*EXPLOITS, exploits);
    let (way, weight) = match (ways.len(), parts.len()) {
        (3.., _) => (ways, Weight::Proof),
        // Rights and what else, or the line of root written through a primitive.
        (_, 3..) if exploits[0] => (parts, Weight::Proof),
        // Init systems and engines know two.
        (2, _) => (ways, Weight::Fact),
        _ => return None,
    };
    let mut found = Match::new(format!("knows {}", way.join(", ")), sample.hits.first().map(|hit| hit.offset));
    if weight == Weight::Fact {
        (found.weight, found.severity) = (Some(weight), Some(Severity::Info));
    }
    Some(found)
}

fn words(rows: &[(&'static str, Regex)], seen: [bool; 5]) -> Vec<&'static str> {
    rows.iter().zip(seen).filter(|(_, seen)| *seen).map(|((words, _), _)| *words).collect()
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::{DETECTOR, Match};
    use crate::detectors::testing::run;

    fn program(texts: &[&str]) -> Vec<Match> {
        run(&DETECTOR, "x", 0o755, format!("\x7fELF\x02\x01\x01\0{}\0", texts.join("\0")).as_bytes())
    }

    #[test]
    fn one_interface_is_an_engine_and_three_a_way_out() {
        let agent = ["/sys/fs/cgroup/rdma/release_agent", "notify_on_release"];
        assert!(program(&agent).is_empty());
        let two = [&agent[..], &["/proc/1/ns/mnt"]].concat();
        assert_eq!(program(&two)[0].weight, Some(Weight::Fact));
        let three = [&two[..], &["|/proc/%P/root/x"]].concat();
        assert_eq!(program(&three)[0].weight, None);
    }

    #[test]
    fn parts_of_an_exploit_count_only_with_the_functions_for_rights() {
        let tracer = ["modprobe_path", "/proc/kallsyms", "init_nsproxy"];
        assert!(program(&tracer).is_empty());
        let exploit = [&tracer[..], &["commit_creds"]].concat();
        assert_eq!(program(&exploit)[0].weight, None);
        assert!(program(&[&exploit[..], &["__x64_sys_read"]].concat()).is_empty());
    }
}
