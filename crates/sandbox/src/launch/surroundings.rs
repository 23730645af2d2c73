//! What `/proc` and `/sys` show of the machine: as much as was asked for, in the kernel's own form.

use super::{Limits, Surroundings, below::read_text};

/// Files that are laid over those of `/proc`, by name there.
pub(super) fn proc_files(surroundings: &Surroundings) -> Vec<(&'static str, String)> {
    let mut files = vec![
        ("loadavg", "0.18 0.24 0.21 1/312 2841\n".to_owned()),
        ("version", version(&read_text("/proc/version").unwrap_or_default())),
    ];
    if surroundings.cores > 0 {
        files.push(("cpuinfo", cpuinfo(&read_text("/proc/cpuinfo").unwrap_or_default(), surroundings.cores)));
    }
    if surroundings.memory_bytes > 0 {
        let real = read_text("/proc/meminfo").unwrap_or_default();
        files.push(("meminfo", meminfo(&real, surroundings.memory_bytes >> 10)));
    }
    files
}

/// Files of `/sys` that say how many cores there are.
pub(super) fn sys_files(surroundings: &Surroundings) -> Vec<(&'static str, String)> {
    let last = surroundings.cores.saturating_sub(1);
    let range = if last == 0 { "0\n".to_owned() } else { format!("0-{last}\n") };
    let shown = surroundings.cores > 0;
    let names = ["devices/system/cpu/online", "devices/system/cpu/possible", "devices/system/cpu/present"];
    names.into_iter().filter(|_| shown).map(|name| (name, range.clone())).collect()
}

/// What stands in `/sys/fs/cgroup`: what an engine without limits shows.
pub(super) fn cgroup_files(limits: &Limits) -> Vec<(&'static str, String)> {
    vec![
        ("cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n".to_owned()),
        ("cgroup.type", "domain\n".to_owned()),
        ("cpu.max", "max 100000\n".to_owned()),
        ("memory.max", "max\n".to_owned()),
        ("memory.high", "max\n".to_owned()),
        ("pids.max", format!("{}\n", limits.tasks.max(4_096))),
    ]
}

/// Each processor's block, repeated; with numbers that go up.
fn cpuinfo(real: &str, cores: u32) -> String {
    let block = real.split("\n\n").next().unwrap_or_default();
    let mut text = String::new();
    for core in 0..cores.min(1_024) {
        for line in block.lines() {
            let (name, _) = line.split_once(':').unwrap_or((line, ""));
            match name.trim_end() {
                "processor" | "apicid" | "initial apicid" | "core id" => text.push_str(&format!("{name}: {core}\n")),
                "siblings" | "cpu cores" => text.push_str(&format!("{name}: {cores}\n")),
                // A guest shows it by this flag.
                "flags" => text.push_str(&(line.replace(" hypervisor", "") + "\n")),
                _ => text.push_str(&format!("{line}\n")),
            }
        }
        text.push('\n');
    }
    text
}

/// All sizes in the ratio of the shown memory to the real one.
fn meminfo(real: &str, total_kib: u64) -> String {
    let number = |line: &str| line.split_ascii_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    let real_total = real.lines().next().and_then(number).unwrap_or(1).max(1);
    let mut text = String::new();
    for line in real.lines() {
        let name = line.split(':').next().unwrap_or_default();
        match number(line).filter(|_| line.ends_with(" kB") && !name.starts_with("Vmalloc") && name != "Hugepagesize") {
            Some(value) => {
                let scaled = u128::from(value) * u128::from(total_kib) / u128::from(real_total);
                let label = format!("{name}:");
                text.push_str(&format!("{label:<15} {scaled:>8} kB\n"));
            }
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

/// The kernel's version with the builder of a common distribution: micro-VM kernels are known by theirs. `uname` still gives the real one.
fn version(real: &str) -> String {
    let release = real.split(' ').nth(2).unwrap_or("6.1.0-26-amd64");
    format!(
        "Linux version {release} (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT_DYNAMIC Debian 6.1.112-1 (2024-09-30)\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_counted_as_programs_count_them() {
        let real = "processor\t: 0\nflags\t\t: fpu hypervisor sse\ncpu cores\t: 2\n\nprocessor\t: 1\n\n";
        let shown = cpuinfo(real, 8);
        assert_eq!(shown.lines().filter(|line| line.starts_with("processor")).count(), 8);
        assert!(
            shown.contains("processor\t: 7\n") && shown.contains("cpu cores\t: 8\n") && !shown.contains("hypervisor")
        );
    }

    #[test]
    fn memory_is_scaled_in_the_kernels_form() {
        let real = "MemTotal:       24684092 kB\nMemFree:        12342046 kB\nHugePages_Total:       0\nHugepagesize:       2048 kB\n";
        let shown = meminfo(real, 8 << 20);
        assert!(shown.starts_with("MemTotal:        8388608 kB\nMemFree:         4194304 kB\n"), "{shown}");
        assert!(shown.ends_with("HugePages_Total:       0\nHugepagesize:       2048 kB\n"), "{shown}");
    }
}
