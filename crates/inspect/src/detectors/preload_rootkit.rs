//! Recognises libraries that stand between all programs and libc to hide something or to keep a door open.
//!
//! A library that is preloaded can replace the function that lists folders. The few honest ones that do (fakechroot, test beds,
//! sanitizers) have other purposes that show: they also replace the allocator or the whole of the file system.
//!
//! - Sees: ELF libraries that define `readdir` or `readdir64` (or `accept`, `pam_authenticate` and the like) and ask for the next one by
//!   `dlsym`, with texts of hiding: `/proc/self/fd/%d`, `ld.so.preload`, `/proc/net/tcp`.
//! - Misses: static or packed libraries, hooks by the loader's audit interface.
//! - False alarms: process hiders that administrators install on purpose are the same thing.
//! - Source: dlsym(3) `RTLD_NEXT`; ld.so(8); the libraries of Debian 12 that define `readdir` (fakechroot, umockdev, gprofng); ATT&CK T1574.006, T1014, T1556.003.

use memchr::memmem;
use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::symbols::symbols;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "preload-rootkit",
        title: "Library that hides things from all programs",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1574.006", "T1014"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Elf],
        literals: &[
            "ld.so.preload",
            "/proc/self/fd/%d",
            "/proc/%s/",
            "/proc/net/tcp",
            "readdir64\0",
            "readdir\0",
            "pam_authenticate\0",
            "crypt\0accept\0",
        ],
    },
    inspect,
};

/// Functions that show or open something, replaced by those who hide.
const HIDING: &[&str] = &[
    "readdir",
    "readdir64",
    "open",
    "open64",
    "openat",
    "fopen",
    "fopen64",
    "access",
    "stat",
    "stat64",
    "lstat",
    "__xstat",
    "__lxstat",
    "__xstat64",
    "__lxstat64",
    "unlink",
    "unlinkat",
    "opendir",
    "rmdir",
    "fdopendir",
    "readlink",
];
/// Functions at which a door is built in.
const DOORS: &[&str] = &[
    "accept",
    "accept4",
    "pam_authenticate",
    "pam_acct_mgmt",
    "pam_open_session",
    "getpwnam",
    "getpwnam_r",
    "getspnam",
    "execve",
    "write",
    "ssl_write",
    "SSL_write",
    "pcap_loop",
];
/// Functions of libraries that replace these for another reason.
const HONEST: &[&str] = &[
    "malloc",
    "chroot",
    "__libc_start_main",
    "mkfifoat",
    "bindtextdomain",
    "ioctl",
    "__asan_init",
    "fakechroot_localdir",
    "umockdev_testbed_new",
    "nftw64",
    "fseek",
];

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let Some(symbols) = symbols(sample.bytes) else { return Vec::new() };
    if !symbols.imports("dlsym") && !symbols.imports("dlvsym") && !symbols.imports("__libc_dlsym") {
        return Vec::new();
    }
    let lists = symbols.defines("readdir") || symbols.defines("readdir64");
    let (hides, doors) = (symbols.count_defined(HIDING), symbols.count_defined(DOORS));
    let is_sanitizer =
        symbols.defined.iter().any(|name| name.starts_with(b"__sanitizer_") || name.starts_with(b"__interceptor_"));
    if is_sanitizer || HONEST.iter().any(|name| symbols.defines(name)) || !(lists || doors > 0) {
        return Vec::new();
    }
    let has = |text: &&&str| memmem::find(sample.bytes, text.as_bytes()).is_some();
    let telling = [
        "ld.so.preload",
        "/proc/net/tcp",
        "/proc/self/fd/%d",
        "/proc/%s/stat",
        "/proc/%s/cmdline",
        "/proc/%d/",
        "LD_PRELOAD",
    ];
    let secret = ["/bin/sh", "/bin/bash", "/dev/ptmx", "socket\0", "hide", "HIDE", "/dev/shm/", "password", "magic"];
    let (telling, secret) = (telling.iter().filter(has).count(), secret.iter().filter(has).count());
    let weight = match (lists, telling, secret) {
        (true, 1.., _) if hides + doors > 2 || telling > 1 => Weight::Proof,
        (true, 1.., _) | (true, _, 1..) => Weight::Sign,
        (false, 1.., 1..) if doors > 0 && hides + doors > 2 => Weight::Sign,
        _ => return Vec::new(),
    };
    let mut names: Vec<&str> = HIDING.iter().chain(DOORS).copied().filter(|name| symbols.defines(name)).collect();
    names.truncate(8);
    let mut found = Match::new(
        format!("replaces {} for all programs", names.join(", ")),
        sample.hits.first().map(|hit| hit.offset),
    );
    found.weight = Some(weight);
    vec![found]
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::check;

    #[test]
    fn no_table_is_no_library() {
        check(&DETECTOR, "x", b"\x7fELF\x02\x01\x01\0readdir\0ld.so.preload\0dlsym\0", &[]);
    }
}
