//! Finds the program that a command names, as engines do, and says why it cannot run.
//!
//! Called in the sandbox, with the sample's own identity: `/` is the image.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use nix::unistd::{AccessFlags, access};

/// Where programs are looked for when the image does not say: what engines use.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Most folders of a `PATH` that are looked into.
const FOLDERS_MAX: usize = 200;

/// The file to be run for `command`, with the search path of `environment`.
pub(super) fn find(command: &str, environment: &[String]) -> Result<PathBuf, String> {
    if command.is_empty() {
        return Err("the image's command is empty".to_owned());
    }
    let found = if command.contains('/') {
        PathBuf::from(command)
    } else {
        let path = environment.iter().rev().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or(PATH);
        let candidates = path.split(':').take(FOLDERS_MAX).map(|folder| Path::new(folder).join(command));
        let mut existing = candidates.filter(|path| path.is_file());
        let first = existing.next().ok_or_else(|| format!("{command}: no such program in the image's PATH"))?;
        if access(&first, AccessFlags::X_OK).is_ok() {
            first
        } else {
            existing.find(|path| access(path, AccessFlags::X_OK).is_ok()).unwrap_or(first)
        }
    };
    check(&found, command, 0)?;
    Ok(found)
}

/// Says in one line why the kernel would not run `path`; follows interpreters of scripts as deep as the kernel does.
fn check(path: &Path, shown: &str, depth: u32) -> Result<(), String> {
    let meta = fs::metadata(path).map_err(|error| match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) if fs::symlink_metadata(path).is_ok() => {
            format!("{shown}: a link that leads nowhere")
        }
        Some(libc::ENOENT | libc::ENOTDIR) => format!("{shown}: no such file in the image"),
        _ => format!("{shown}: {error}"),
    })?;
    if meta.is_dir() {
        return Err(format!("{shown}: is a folder"));
    }
    if !meta.is_file() {
        return Err(format!("{shown}: is not a file"));
    }
    if meta.permissions().mode() & 0o111 == 0 || access(path, AccessFlags::X_OK).is_err() {
        return Err(format!("{shown}: not executable for the image's user"));
    }
    let mut head = Vec::new();
    let Ok(file) = File::open(path) else { return Ok(()) }; // Readable or not, the kernel may run it.
    #[expect(clippy::disallowed_methods, reason = "the ceiling is `take`")]
    let read = file.take(4_096).read_to_end(&mut head);
    if read.is_err() {
        return Ok(());
    }
    if let Some(script) = head.strip_prefix(b"#!") {
        let line = script.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line.get(..line.len().min(254)).unwrap_or_default()).into_owned();
        let Some(interpreter) = line.split([' ', '\t']).find(|part| !part.is_empty()) else {
            return Err(format!("{shown}: names no interpreter"));
        };
        if depth >= 4 {
            return Err(format!("{shown}: interpreters of interpreters without end"));
        }
        let carriage = if interpreter.ends_with('\r') { " (its lines end as on Windows)" } else { "" };
        let interpreter = interpreter.trim_end_matches('\r');
        if !carriage.is_empty() {
            return Err(format!("{shown}: its interpreter {interpreter} is missing{carriage}"));
        }
        return check(Path::new(interpreter), interpreter, depth + 1).map_err(|why| match depth {
            0 => format!("{shown}: its interpreter cannot run: {why}"),
            _ => why,
        });
    }
    elf(&head, shown)
}

/// Holds the head of an ELF file against what this kernel runs, and its loader against the image.
///
/// Source: System V ABI, "ELF Header", "Program Header".
fn elf(head: &[u8], shown: &str) -> Result<(), String> {
    let half = |at: usize| Some(u16::from_le_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
    if !head.starts_with(b"\x7fELF") {
        return Err(format!("{shown}: neither a program nor a script with `#!`"));
    }
    let (class, order) = (head.get(4).copied().unwrap_or(0), head.get(5).copied().unwrap_or(0));
    let machine = half(18).map_or(0, |machine| if order == 2 { machine.swap_bytes() } else { machine });
    let ours: &[u16] = if cfg!(target_arch = "x86_64") { &[62, 3] } else { &[183] };
    if !ours.contains(&machine) {
        return Err(format!("{shown}: built for {}, this host is {}", architecture(machine), std::env::consts::ARCH));
    }
    let (start, size, count) = if class == 2 {
        (long(32).unwrap_or(0), half(54).unwrap_or(56), half(56).unwrap_or(0))
    } else {
        (u64::from(word(28).unwrap_or(0)), half(42).unwrap_or(32), half(44).unwrap_or(0))
    };
    for number in 0..usize::from(count.min(64)) {
        let Some(at) = usize::try_from(start).ok().and_then(|start| start.checked_add(number * usize::from(size)))
        else {
            break;
        };
        // PT_INTERP
        if word(at) != Some(3) {
            continue;
        }
        let (offset, bytes) = if class == 2 {
            (long(at + 8).unwrap_or(0), long(at + 32).unwrap_or(0))
        } else {
            (u64::from(word(at + 4).unwrap_or(0)), u64::from(word(at + 16).unwrap_or(0)))
        };
        let range = usize::try_from(offset).ok().zip(usize::try_from(offset.saturating_add(bytes)).ok());
        let Some(name) = range.and_then(|(from, to)| head.get(from..to)) else { break };
        let name = String::from_utf8_lossy(name.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned();
        if !name.is_empty() && !Path::new(&name).exists() {
            return Err(format!("{shown}: its loader {name} is missing in the image"));
        }
    }
    Ok(())
}

fn architecture(machine: u16) -> String {
    let known = [
        (3, "i386"),
        (8, "mips"),
        (20, "powerpc"),
        (21, "ppc64"),
        (22, "s390x"),
        (40, "arm"),
        (62, "x86_64"),
        (183, "aarch64"),
        (243, "riscv"),
        (258, "loongarch"),
    ];
    known
        .iter()
        .find(|(number, _)| *number == machine)
        .map_or(format!("machine {machine}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn check_text(bytes: &[u8], mode: u32, expected: Result<(), &str>) {
        let at = tempfile::tempdir().unwrap();
        let path = at.path().join("program");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let found = check(&path, "program", 0);
        match expected {
            Ok(()) => assert_eq!(found, Ok(())),
            Err(part) => assert!(found.clone().unwrap_err().contains(part), "{found:?}"),
        }
    }

    #[test]
    fn what_cannot_run_is_said_in_one_line() {
        check_text(b"#!/bin/sh\n", 0o755, Ok(()));
        check_text(b"#!/bin/sh\n", 0o644, Err("not executable"));
        check_text(b"#!/opt/none/python\n", 0o755, Err("interpreter cannot run: /opt/none/python: no such file"));
        check_text(b"#!/bin/sh\r\n", 0o755, Err("Windows"));
        check_text(b"#!\n", 0o755, Err("names no interpreter"));
        check_text(b"hello", 0o755, Err("neither a program"));
        let mut arm = b"\x7fELF\x02\x01\x01".to_vec();
        arm.resize(64, 0);
        arm[18] = 183;
        check_text(&arm, 0o755, Err("built for aarch64"));
        check_text(&fs::read("/bin/true").unwrap(), 0o755, Ok(()));
    }

    #[test]
    fn links_and_folders_are_told_apart() {
        let at = tempfile::tempdir().unwrap();
        symlink("nowhere", at.path().join("link")).unwrap();
        assert!(check(&at.path().join("link"), "link", 0).unwrap_err().contains("leads nowhere"));
        assert!(check(at.path(), "folder", 0).unwrap_err().contains("is a folder"));
        assert!(find("no-such-program-here", &[]).unwrap_err().contains("PATH"));
        assert_eq!(find("sh", &["PATH=/none:/bin".to_owned()]), Ok(PathBuf::from("/bin/sh")));
    }
}
