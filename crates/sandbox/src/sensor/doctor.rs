//! Which sensors this host gives, and why not more.

use std::{
    fs,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    sync::Arc,
};

use super::{bpf, guard, notify};
use crate::{
    Recorder,
    check::{Check, check},
};

/// Tries all of it for real; takes some tenths of a second and leaves nothing behind.
#[must_use]
pub fn doctor() -> Vec<Check> {
    vec![types(), sensor(), network_guard(), notification(), clock()]
}

fn types() -> Check {
    let place = "/sys/kernel/btf/vmlinux";
    let found = fs::metadata(place)
        .map(|file| format!("{place}, {} bytes", file.len()))
        .map_err(|error| format!("{place}: {error}"));
    check("kernel types (BTF)", found, "a kernel built with CONFIG_DEBUG_INFO_BTF")
}

fn sensor() -> Check {
    // No cgroup has this id: everything is loaded and attached, and sees nothing.
    let attached = bpf::attach(u64::MAX, Arc::new(Recorder::new(None)));
    let found = attached.map(|sensor| {
        sensor.finish();
        "programs load, attach, and have their ring".to_owned()
    });
    let remedy =
        "run as root, or with CAP_BPF and CAP_PERFMON, on Linux 5.11 or newer; without it notification is the sensor";
    check("BPF sensor", found.map_err(|error| error.to_string()), remedy)
}

fn network_guard() -> Check {
    let try_it = || -> Result<String, String> {
        let folder = guard::hierarchy().ok_or("no cgroup2 hierarchy is mounted")?;
        let folder = folder.join(format!("lazaret-doctor-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| format!("make a cgroup: {error}"))?;
        let id = fs::metadata(&folder).map(|folder| folder.ino()).unwrap_or(0);
        let namespace = fs::File::open("/proc/thread-self/ns/net").map(OwnedFd::from);
        let attached = namespace
            .map_err(|error| error.to_string())
            .and_then(|namespace| guard::attach(id, namespace.as_fd()).map_err(|error| error.to_string()));
        let answer = attached.map(|guard| match guard.packets() {
            true => "calls and packets".to_owned(),
            false => "calls only: this kernel does not tell packets' namespaces".to_owned(),
        });
        let _ = fs::remove_dir(&folder);
        answer
    };
    check(
        "second network guard",
        try_it(),
        "run as root with cgroup2 mounted; the empty network namespace is then the only guard",
    )
}

fn notification() -> Check {
    // `SECCOMP_GET_NOTIF_SIZES`: known to every kernel that can notify.
    let mut sizes = [0_u16; 3];
    #[expect(unsafe_code, reason = "libc has no wrapper")]
    // SAFETY: the struct is three such numbers.
    let answer = unsafe { libc::syscall(libc::SYS_seccomp, 3, 0, sizes.as_mut_ptr()) };
    let found = if answer == 0 && sizes[0] >= 80 {
        Ok(format!("records of {} bytes", sizes[0]))
    } else {
        Err("the kernel has no SECCOMP_RET_USER_NOTIF".to_owned())
    };
    check("seccomp notification", found, "Linux 5.5 or newer with CONFIG_SECCOMP_FILTER")
}

fn clock() -> Check {
    let found = if notify::vdso::known() {
        Ok("the clock functions of the vDSO are known".to_owned())
    } else {
        Err("the clock functions of the vDSO are not found".to_owned())
    };
    check("shifted date", found, "an x86_64 kernel; without it programs see the real date")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_works_where_our_tests_run() {
        let failed: Vec<_> = doctor().into_iter().filter(|check| !check.works).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}
