//! One fresh cgroup for each sandbox: limits, usage, the end of all its processes.
//!
//! The v2 one is what the sensor knows a sample by, with or without controllers; controllers that this host has in v1 only are used there.

use std::{
    fs::{self, File},
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use super::{Limits, below::read_text, sweep};

static SERIAL: AtomicU64 = AtomicU64::new(0);
/// Begins the name of each of our cgroups; the owner's process id and start time follow.
pub(super) const PREFIX: &str = "lazaret-";
/// Controllers of v1 that are used where v2 does not have them.
const V1: [&str; 5] = ["memory", "pids", "cpu", "cpuacct", "freezer"];
/// Microseconds of a period of the CPU controller.
const CPU_PERIOD_US: u64 = 100_000;

/// Where this host's cgroups are mounted, and where in them we are.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Folders of v2 to make ours in, best first.
    v2: Vec<PathBuf>,
    /// Controllers and the folder of v1 we are in.
    v1: Vec<(&'static str, PathBuf)>,
}

impl Places {
    pub(super) fn of_this_host() -> Self {
        let mounts = read_text("/proc/self/mountinfo").unwrap_or_default();
        let ours = read_text("/proc/self/cgroup").unwrap_or_default();
        Self::read(&mounts, &ours)
    }

    fn read(mounts: &str, ours: &str) -> Self {
        // proc(5): `id parent dev root point options - type source super`; cgroups(7): `id:controllers:path`.
        let mut places = Self::default();
        let inside = |controller: &str| {
            ours.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let (names, path) = (fields.next()?, fields.next()?);
                names.split(',').any(|name| name == controller).then(|| path.to_owned())
            })
        };
        for line in mounts.lines() {
            let Some((before, after)) = line.split_once(" - ") else { continue };
            let before: Vec<&str> = before.split(' ').collect();
            let (Some(root), Some(point)) = (before.get(3), before.get(4)) else { continue };
            let after: Vec<&str> = after.split(' ').collect();
            let below = |path: Option<String>| {
                let path = path.unwrap_or_default();
                let path = path.strip_prefix(root.trim_end_matches('/')).unwrap_or(&path);
                Path::new(point).join(path.trim_start_matches('/'))
            };
            match after.first() {
                Some(&"cgroup2") if places.v2.is_empty() => {
                    let ours = below(inside(""));
                    places.v2 = vec![PathBuf::from(point)];
                    places.v2.extend(ours.parent().filter(|parent| parent.starts_with(point)).map(Path::to_owned));
                    places.v2.push(ours);
                }
                Some(&"cgroup") => {
                    let options = after.get(2).unwrap_or(&"");
                    for name in V1 {
                        if options.split(',').any(|option| option == name)
                            && !places.v1.iter().any(|(known, _)| *known == name)
                        {
                            places.v1.push((name, below(inside(name))));
                        }
                    }
                }
                _ => {}
            }
        }
        places
    }

    /// All folders that may hold one of ours.
    pub(super) fn all(&self) -> impl Iterator<Item = &Path> {
        self.v2.iter().chain(self.v1.iter().map(|(_, path)| path)).map(PathBuf::as_path)
    }
}

/// The cgroups of one sandbox. Dropped, they are removed.
#[derive(Debug)]
pub(super) struct Cgroup {
    v2: Option<PathBuf>,
    v1: Vec<(&'static str, PathBuf)>,
    /// What could not be limited.
    pub(super) missing: Vec<&'static str>,
}

impl Cgroup {
    /// Makes them, as far as we may. None at all is no error: `missing` says it.
    pub(super) fn make(limits: &Limits) -> Self {
        let places = Places::of_this_host();
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{serial}", sweep::owner());
        let v2 = places.v2.iter().map(|parent| (parent, parent.join(&name))).find_map(|(parent, path)| {
            fs::create_dir(&path).ok()?;
            let _ = fs::write(parent.join("cgroup.subtree_control"), "+memory +pids +cpu");
            Some(path)
        });
        let mut cgroup = Self { v2, v1: Vec::new(), missing: Vec::new() };
        for (controller, parent) in places.v1 {
            // The v2 one counts CPU time and freezes without a controller.
            if cgroup.v2.is_some() && ["cpuacct", "freezer"].contains(&controller) {
                continue;
            }
            let path = parent.join(&name);
            // Two controllers may share one hierarchy.
            if path.is_dir() || fs::create_dir(&path).is_ok() {
                cgroup.v1.push((controller, path));
            }
        }
        cgroup.limit(limits);
        cgroup
    }

    fn limit(&mut self, limits: &Limits) {
        let memory = limits.memory_bytes.saturating_add(limits.disk_bytes);
        let quota = u64::from(limits.cpu_percent.max(1)) * CPU_PERIOD_US / 100;
        let _ = self.set("memory.swap.max", None, "0");
        if !self.set("memory.max", Some(("memory", "memory.limit_in_bytes")), &memory.to_string()) {
            self.missing.push("memory");
        }
        let _ = self.set("", Some(("memory", "memory.memsw.limit_in_bytes")), &memory.to_string());
        if !self.set("pids.max", Some(("pids", "pids.max")), &limits.tasks.to_string()) {
            self.missing.push("processes");
        }
        let _ = self.set("", Some(("cpu", "cpu.cfs_period_us")), &CPU_PERIOD_US.to_string());
        let v2 = self.v2.as_ref().is_some_and(|path| put(&path.join("cpu.max"), &format!("{quota} {CPU_PERIOD_US}")));
        if !v2 && !self.set("", Some(("cpu", "cpu.cfs_quota_us")), &quota.to_string()) {
            self.missing.push("cpu");
        }
    }

    fn set(&self, v2: &str, v1: Option<(&str, &str)>, value: &str) -> bool {
        let unified = (!v2.is_empty()).then_some(self.v2.as_ref()).flatten();
        unified.is_some_and(|path| put(&path.join(v2), value))
            || v1.is_some_and(|(name, file)| self.v1(name).is_some_and(|path| put(&path.join(file), value)))
    }

    fn v1(&self, controller: &str) -> Option<&Path> {
        self.v1.iter().find(|(name, _)| *name == controller).map(|(_, path)| path.as_path())
    }

    fn number(&self, v2: &str, v1: (&str, &str)) -> Option<u64> {
        let unified = self.v2.as_ref().and_then(|path| read_text(path.join(v2)).ok());
        let text = unified.or_else(|| read_text(self.v1(v1.0)?.join(v1.1)).ok())?;
        text.trim().parse().ok()
    }

    fn keyed(&self, v2: (&str, &str), v1: (&str, &str, &str)) -> u64 {
        let find = |text: String, key: &str| {
            text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse::<u64>().ok())
        };
        let unified = self.v2.as_ref().and_then(|path| find(read_text(path.join(v2.0)).ok()?, v2.1));
        unified.or_else(|| find(read_text(self.v1(v1.0)?.join(v1.1)).ok()?, v1.2)).unwrap_or(0)
    }

    /// The id that `bpf_get_current_cgroup_id` gives for its processes: the inode number. 0 where there is none.
    pub(super) fn id(&self) -> u64 {
        self.v2.as_ref().and_then(|path| fs::metadata(path).ok()).map_or(0, |meta| meta.ino())
    }

    /// The file that lists its processes.
    pub(super) fn processes(&self) -> Option<PathBuf> {
        self.folders().first().map(|folder| folder.join("cgroup.procs"))
    }

    /// The v2 folder, for `CLONE_INTO_CGROUP`.
    pub(super) fn folder(&self) -> Option<OwnedFd> {
        self.v2.as_ref().and_then(|path| File::open(path).ok()).map(OwnedFd::from)
    }

    /// The files of v1 into which a process's id is written to put it there.
    pub(super) fn doors(&self) -> Vec<File> {
        let open = |path: &PathBuf| File::options().write(true).open(path.join("cgroup.procs")).ok();
        self.v1.iter().filter_map(|(_, path)| open(path)).collect()
    }

    /// Every folder, to be removed by whoever is left.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        self.v2.iter().cloned().chain(self.v1.iter().map(|(_, path)| path.clone())).collect()
    }

    /// CPU time in microseconds.
    pub(super) fn cpu_us(&self) -> u64 {
        // `cpu.stat` is there in v2 with or without the controller; `cpuacct.usage` counts nanoseconds.
        let v2 = self.keyed(("cpu.stat", "usage_usec"), ("", "", ""));
        if v2 > 0 { v2 } else { self.number("", ("cpuacct", "cpuacct.usage")).unwrap_or(0) / 1_000 }
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        self.number("memory.current", ("memory", "memory.usage_in_bytes")).unwrap_or(0)
    }

    pub(super) fn tasks(&self) -> u64 {
        self.number("pids.current", ("pids", "pids.current")).unwrap_or_else(|| {
            let threads = self.v2.as_ref().and_then(|path| read_text(path.join("cgroup.threads")).ok());
            threads.map_or(0, |text| text.lines().count() as u64)
        })
    }

    /// How often the memory ran out and a process was ended for it.
    pub(super) fn out_of_memory(&self) -> u64 {
        self.keyed(("memory.events", "oom_kill"), ("memory", "memory.oom_control", "oom_kill"))
    }

    /// How often a process or thread was refused.
    pub(super) fn out_of_tasks(&self) -> u64 {
        self.keyed(("pids.events", "max"), ("pids", "pids.events", "max"))
    }

    /// Ends everything in it.
    pub(super) fn kill(&self) {
        let killed = self.v2.as_ref().is_some_and(|path| put(&path.join("cgroup.kill"), "1"));
        if !killed {
            sweep::kill_all(&self.folders());
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove(&self.folders());
    }
}

/// Removes cgroups whose processes are ending. What does not end within two seconds is left to the sweep.
pub(super) fn remove(folders: &[PathBuf]) {
    for _ in 0..400 {
        let mut left = false;
        for folder in folders {
            match fs::remove_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => left = true,
                _ => {}
            }
        }
        if !left {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn put(path: &Path, value: &str) -> bool {
    // Not `fs::write`, which would make a file where the kernel has none.
    File::options()
        .write(true)
        .open(path)
        .and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_hosts_give_both_kinds() {
        let mounts = "30 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
            31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
            32 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";
        let places = Places::read(mounts, "9:cpu,cpuacct:/a\n4:memory:/b/c\n0::/\n");
        assert_eq!(places.v2.first().unwrap(), Path::new("/sys/fs/cgroup/unified"));
        assert_eq!(
            places.v1,
            [
                ("memory", PathBuf::from("/sys/fs/cgroup/memory/b/c")),
                ("cpu", PathBuf::from("/sys/fs/cgroup/cpu,cpuacct/a")),
                ("cpuacct", PathBuf::from("/sys/fs/cgroup/cpu,cpuacct/a")),
            ]
        );
    }

    #[test]
    fn pure_hosts_are_asked_from_the_top() {
        let mounts = "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let places = Places::read(mounts, "0::/user.slice/session\n");
        let expected = ["/sys/fs/cgroup", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup/user.slice/session"];
        assert_eq!(places.v2, expected.map(PathBuf::from));
    }
}
