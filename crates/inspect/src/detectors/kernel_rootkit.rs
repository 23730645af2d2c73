//! Recognises kernel modules that hook the kernel to hide something.
//!
//! A container image has no use for a kernel module; drivers and tracers come for one kernel with their sources. One that
//! replaces the listing of folders or of connections, and takes itself off the list of modules, is a rootkit.
//!
//! - Sees: `.ko` files (by their `.modinfo`) that look up kernel functions by name or install hooks (ftrace, kprobes, the system call
//!   table, the write protection of control register 0) for functions that list, kill or show.
//! - Misses: hooks by data structures alone; modules packed in a program (their bytes are looked at when they are extracted); BPF.
//! - False alarms: tracing and security modules install hooks, but on no function that lists (quiet).
//! - Source: kernel `include/linux/module.h` (`MODULE_INFO`), `Documentation/trace/ftrace-uses.rst`; ATT&CK T1014, T1547.006.

use memchr::memmem;
use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "kernel-rootkit",
        title: "Kernel module that hides things",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1014", "T1547.006"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Elf, FileKind::Text],
        literals: &[
            "kallsyms_lookup_name",
            "register_ftrace_function",
            "ftrace_set_filter",
            "sys_call_table",
            "getdents64",
            "tcp4_seq_show",
            "register_kprobe",
        ],
    },
    inspect,
};

const HOOKS: &[&str] = &[
    "kallsyms_lookup_name",
    "register_ftrace_function",
    "ftrace_set_filter",
    "sys_call_table",
    "register_kprobe",
    "write_cr0",
    "set_memory_rw",
    "kallsyms_on_each_symbol",
];
/// What shows the user files, processes, connections and modules.
const SHOWS: &[&str] = &[
    "getdents64",
    "sys_getdents",
    "tcp4_seq_show",
    "tcp6_seq_show",
    "udp4_seq_show",
    "filldir64",
    "fillonedir",
    "iterate_shared",
    "proc_readdir",
    "tpacket_rcv",
    "packet_rcv",
];
/// Ways to be spoken to, and to vanish.
const DOORS: &[&str] = &[
    "sys_kill",
    "commit_creds",
    "prepare_creds",
    "kobject_del",
    "list_del",
    "call_usermodehelper",
    "hide",
    "nf_register_net_hook",
    "random_read_iter",
];

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let has = |text: &str| memmem::find(sample.bytes, text.as_bytes()).is_some();
    let is_module = sample.kind == FileKind::Elf
        && sample.bytes.get(16..18) == Some(&[1, 0])
        && (has("vermagic=") || has(".gnu.linkonce.this_module") || has("license="));
    let is_source = sample.kind != FileKind::Elf && has("#include <linux/module.h>") && has("module_init(");
    if !is_module && !is_source {
        return Vec::new();
    }
    let all = |names: &'static [&'static str]| names.iter().copied().filter(|name| has(name)).collect::<Vec<_>>();
    let (hooks, shows, doors) = (all(HOOKS), all(SHOWS), all(DOORS));
    let weight = match (hooks.len(), shows.len(), doors.len()) {
        (1.., 1.., 1..) | (2.., 1.., _) => Weight::Proof,
        (1.., _, 3..) if doors.contains(&"sys_kill") => Weight::Proof,
        (1.., 1.., _) => Weight::Sign,
        _ => return Vec::new(),
    };
    // Sources do nothing until they are built.
    let weight = if is_source { weight.min(Weight::Sign) } else { weight };
    let words: Vec<&str> = hooks.into_iter().chain(shows).chain(doors).take(8).collect();
    let mut found =
        Match::new(format!("hooks the kernel: {}", words.join(", ")), sample.hits.first().map(|hit| hit.offset));
    found.weight = Some(weight);
    vec![found]
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::DETECTOR;
    use crate::detectors::testing::run;

    #[test]
    fn source_is_a_sign_and_a_tracer_nothing() {
        let source = |body: &str| format!("#include <linux/module.h>\n{body}\nmodule_init(start);\n");
        let found = run(
            &DETECTOR,
            "x.c",
            0o644,
            source("register_kprobe(&kp); hook(\"__x64_sys_getdents64\"); list_del(&THIS_MODULE->list);").as_bytes(),
        );
        assert_eq!(found[0].weight, Some(Weight::Sign));
        assert!(
            run(&DETECTOR, "x.c", 0o644, source("register_kprobe(&kp); trace(\"do_sys_open\");").as_bytes()).is_empty()
        );
        assert!(run(&DETECTOR, "x.md", 0o644, b"register_kprobe getdents64 list_del hide").is_empty());
    }
}
