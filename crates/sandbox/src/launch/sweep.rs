//! Removes what a killed lazaret left: processes, cgroups, half-made folders.
//!
//! All of ours carries its owner's process id and start time. Only what has a dead owner is touched. Mounts need no sweep: they are in the
//! sample's own namespace and end with its last process.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    below::read_text,
    cgroup::{self, PREFIX, Places},
    store::remove_tree,
    sys,
};

/// What was removed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SweepReport {
    /// Processes that were ended.
    pub processes: u32,
    /// Cgroups that were removed.
    pub cgroups: u32,
    /// Half-made folders that were removed.
    pub folders: u32,
}

/// Names this process: `PID-START`, start in clock ticks since boot.
pub(super) fn owner() -> String {
    let pid = std::process::id();
    format!("{pid}-{}", started(pid).unwrap_or(0))
}

/// proc_pid_stat(5): the 22nd field; the second may hold anything, in parentheses.
fn started(pid: u32) -> Option<u64> {
    let stat = read_text(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Whether the owner that `tag` (`PID-START…`) names is gone.
fn is_orphan(tag: &str) -> bool {
    let mut fields = tag.split('-');
    let pid = fields.next().and_then(|pid| pid.parse::<u32>().ok());
    let start = fields.next().and_then(|start| start.parse::<u64>().ok());
    let (Some(pid), Some(start)) = (pid, start) else { return false };
    started(pid) != Some(start)
}

/// Removes what lazarets that are gone left behind; `folder` is that of the [`Store`](super::Store).
///
/// Safe beside running ones, of any user: only what has a dead owner, and what we may, is removed.
pub fn sweep(folder: &Path) -> SweepReport {
    let mut report = SweepReport::default();
    let mut orphans: Vec<PathBuf> = Vec::new();
    for place in Places::of_this_host().all() {
        let Ok(entries) = fs::read_dir(place) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let tag = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            if tag.is_some_and(is_orphan) && !orphans.contains(&entry.path()) {
                orphans.push(entry.path());
            }
        }
    }
    report.processes += kill_all(&orphans);
    report.processes += kill_samples();
    cgroup::remove(&orphans);
    report.cgroups = orphans.iter().filter(|folder| !folder.exists()).count() as u32;
    for entry in fs::read_dir(folder.join("partial")).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let tag = name.to_str().and_then(|name| name.split_once('-')).map(|(_, tag)| tag);
        if tag.is_some_and(is_orphan) {
            remove_tree(&entry.path());
            report.folders += u32::from(!entry.path().exists());
        }
    }
    report
}

/// Ends every process of these cgroups, without `cgroup.kill`: frozen where possible, so that none is made meanwhile. Returns how many.
pub(super) fn kill_all(folders: &[PathBuf]) -> u32 {
    for folder in folders {
        let _ = write(&folder.join("cgroup.freeze"), "1").or_else(|_| write(&folder.join("freezer.state"), "FROZEN"));
    }
    let mut killed = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let before = killed.len();
        for folder in folders {
            for pid in read_text(folder.join("cgroup.procs")).unwrap_or_default().lines().flat_map(str::parse::<i32>) {
                // The descriptor is of whoever has the id now; it is killed only if that is still in the cgroup.
                let Ok(process) = sys::pidfd_open(pid) else { continue };
                let procs = read_text(folder.join("cgroup.procs")).unwrap_or_default();
                if procs.lines().any(|line| line.parse() == Ok(pid)) && sys::kill(&process).is_ok() {
                    killed.insert(pid);
                }
            }
        }
        if killed.len() == before {
            break;
        }
    }
    for folder in folders {
        let _ = write(&folder.join("cgroup.kill"), "1");
        let _ = write(&folder.join("cgroup.freeze"), "0").or_else(|_| write(&folder.join("freezer.state"), "THAWED"));
    }
    killed.len() as u32
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    std::io::Write::write_all(&mut fs::File::options().write(true).open(path)?, text.as_bytes())
}

/// Ends samples that are in no cgroup of ours, known by their root: an overlay whose upper folder names a dead owner.
fn kill_samples() -> u32 {
    let mut killed = 0;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(process) = sys::pidfd_open(pid) else { continue };
        let mounts = read_text(entry.path().join("mountinfo")).unwrap_or_default();
        let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/") && line.contains(" - overlay "));
        let tag = root.and_then(|root| root.split("upperdir=../mount/").nth(1));
        if tag.is_some_and(is_orphan) && sys::kill(&process).is_ok() {
            killed += 1;
        }
    }
    killed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_dead_have_orphans() {
        assert!(!is_orphan(&format!("{}-3", owner())));
        assert!(is_orphan(&format!("{}-1-0", std::process::id())), "the same id, started at another time");
        assert!(!is_orphan("somebody-elses") && !is_orphan(""));
    }

    #[test]
    fn half_made_folders_of_the_dead_go() {
        let at = tempfile::tempdir().unwrap();
        let partial = at.path().join("partial");
        fs::create_dir_all(partial.join("abc-1-1-0/folder")).unwrap();
        fs::create_dir_all(partial.join(format!("abc-{}-0", owner()))).unwrap();
        assert_eq!(sweep(at.path()).folders, 1);
        assert_eq!(fs::read_dir(&partial).unwrap().count(), 1);
    }
}
