//! What this host gives the launcher, by trying it.

use std::{io, path::Path};

use model::{Digest, EndReason};
use nix::unistd::{AccessFlags, access};

use super::{CaptureBudget, Isolation, Limits, Plan, Store, Surroundings, UnpackLimits, cgroup::Cgroup, prepare};
use crate::check::{Check, check};

/// Tries both kinds of sandbox with a program that does nothing, in `folder`, and says what limits there are.
#[must_use]
pub fn doctor(folder: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    let namespace = if nix::unistd::geteuid().is_root() {
        attempt(folder, Isolation::Namespace)
    } else {
        Err("needs root".to_owned())
    };
    checks.push(check(
        "isolation: namespace",
        namespace,
        "run as root on a kernel with overlayfs, cgroup v2 and user namespaces",
    ));
    let remedy = "allow user namespaces: sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns";
    checks.push(check("isolation: rootless", attempt(folder, Isolation::Rootless), remedy));
    let cgroup = Cgroup::make(&Limits::default());
    let limits = match &cgroup.missing[..] {
        [] => Ok("memory, processes and CPU are limited by cgroups".to_owned()),
        missing => Err(format!("no cgroup limits {}; limits of single processes stand in", missing.join(", "))),
    };
    checks.push(check(
        "limits",
        limits,
        "run as root, or under a delegated cgroup: systemd-run --user --scope -p Delegate=yes",
    ));
    let tun = access("/dev/net/tun", AccessFlags::R_OK | AccessFlags::W_OK);
    let tun = tun
        .map(|()| "/dev/net/tun can be opened".to_owned())
        .map_err(|error| format!("/dev/net/tun: {}", error.desc()));
    checks.push(check("network device", tun, "modprobe tun, and let this user open /dev/net/tun"));
    let fanotify = super::sys::fanotify_init().map(|_| "files that are written and deleted are taken".to_owned());
    let fanotify = fanotify.map_err(|error| format!("fanotify: {error}"));
    checks.push(check("deleted files", fanotify, "run as root"));
    checks
}

/// A static program for x86_64 that ends with 0: `mov $60, %eax; xor %edi, %edi; syscall` behind an ELF and one program header.
fn nothing() -> Vec<u8> {
    let code = [0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05];
    let size = 64 + 56 + code.len() as u64;
    let base = 0x40_0000_u64;
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(16, 0);
    for half in [2_u16, 62] {
        elf.extend(half.to_le_bytes());
    }
    elf.extend(1_u32.to_le_bytes());
    for long in [base + 120, 64, 0] {
        elf.extend(long.to_le_bytes());
    }
    elf.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 64, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    for word in [1_u32, 5] {
        elf.extend(word.to_le_bytes());
    }
    for long in [0, base, base, size, size, 4_096] {
        elf.extend(long.to_le_bytes());
    }
    elf.extend(code);
    elf
}

/// A layer with that one program.
fn layer() -> Vec<u8> {
    let program = nothing();
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| {
        for (to, from) in header.iter_mut().skip(at).zip(text.bytes()) {
            *to = from;
        }
    };
    put(0, "nothing");
    put(100, "0000755");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{:011o}", program.len()));
    put(136, "00000000000");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar");
    put(263, "00");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    for (to, from) in header.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
        *to = from;
    }
    let mut tar = header.to_vec();
    tar.extend(program);
    tar.resize(tar.len().next_multiple_of(512) + 1_024, 0);
    tar
}

fn attempt(folder: &Path, isolation: Isolation) -> Result<String, String> {
    let plain = |error: &dyn std::error::Error| {
        error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
    };
    let store = Store::open(folder).map_err(|error| error.to_string())?;
    let tar = layer();
    let digest = Digest::of(&tar);
    let blob = || Ok(Box::new(io::Cursor::new(tar)) as Box<dyn io::Read + Send>);
    let layer = store.layer(&digest, blob, &UnpackLimits::default()).map_err(|error| plain(&error))?;
    let plan = Plan {
        layers: vec![layer],
        command: vec!["/nothing".to_owned()],
        environment: Vec::new(),
        folder: "/".to_owned(),
        user: String::new(),
        hostname: "doctor".to_owned(),
        isolation,
        limits: Limits { memory_bytes: 64 << 20, disk_bytes: 1 << 20, ..Limits::default() },
        planted: Vec::new(),
        surroundings: Surroundings::default(),
        network: None,
        notify: None,
    };
    let running = prepare(&plan).map_err(|error| plain(&error))?.start().map_err(|error| plain(&error))?;
    let ended = running.wait(std::time::Duration::from_secs(5));
    let finished = running.finish(&CaptureBudget::default());
    match ended {
        Some(EndReason::Exited { code: 0 }) => Ok("a program ran and ended".to_owned()),
        _ => Err(format!("a program that does nothing ended otherwise: {:?}", finished.reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As root, on a host that our own tests run on, everything works.
    #[test]
    fn this_host_gives_everything() {
        let at = tempfile::tempdir().unwrap();
        for check in doctor(at.path()) {
            assert!(check.works, "{check:?}");
        }
    }
}
