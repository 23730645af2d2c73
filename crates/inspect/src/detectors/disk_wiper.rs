//! Recognises programs that overwrite whatever disk or flash memory a machine has.
//!
//! A tool for disks is told which one, or asks the kernel. A wiper carries the first device of every kind of bus as a whole name,
//! because it must work on any machine, and what follows: folders to delete, a command for the whole tree, a crash.
//!
//! - Sees: block devices of at least four kinds named one by one in a compiled program, with a command that deletes the whole tree or
//!   crashes the kernel, or with a list of top folders (proofs); devices of six kinds alone (a sign).
//! - Misses: names put together, as `/dev/sd%c`; scripts (`wiper`).
//! - False alarms: recovery tools for routers that name every device and crash on purpose.
//! - Source: public analyses of AcidRain and AcidPour; ATT&CK T1485, T1561.001, T1529.

use memchr::memmem;
use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::text;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "disk-wiper",
        title: "Program that overwrites every kind of disk",
        category: Category::Wiper,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1485", "T1561.001", "T1529"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Elf],
        literals: &["/dev/mtdblock", "/dev/mmcblk", "/dev/nvme0", "/dev/sda"],
    },
    inspect,
};

/// The first device of each kind.
const DEVICES: &[&str] = &[
    "/dev/sda",
    "/dev/hda",
    "/dev/vda",
    "/dev/xvda",
    "/dev/nvme0n1",
    "/dev/mmcblk0",
    "/dev/mtdblock0",
    "/dev/mtd0",
    "/dev/ubi0",
    "/dev/root",
    "/dev/dm-0",
    "/dev/loop0",
    "/dev/block/mtdblock",
    "/dev/block/mmcblk",
];
const FOLDERS: &[&str] =
    &["/boot", "/home", "/etc", "/usr", "/var/lib", "/var", "/mnt", "/opt", "/srv", "/root", "/host", "/lib"];
/// The whole tree, or the kernel.
const COMMANDS: &[&str] = &["rm -rf /", "rm -fr /", "/proc/sysrq-trigger", "--no-preserve-root"];
/// A list is in one piece.
const NEAR_BYTES: usize = 4 << 10;

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    if !text::is_program(sample) {
        return Vec::new();
    }
    let mut looked_until = 0;
    for hit in sample.hits.iter().take(256) {
        if hit.offset < looked_until {
            continue;
        }
        looked_until = hit.offset + NEAR_BYTES / 2;
        let (start, near) = sample.around(hit.offset, NEAR_BYTES, NEAR_BYTES);
        let devices: Vec<&str> = DEVICES.iter().copied().filter(|name| stands_alone(near, name)).collect();
        if devices.len() < 4 {
            continue;
        }
        let folders = FOLDERS.iter().filter(|name| stands_alone(near, name)).count();
        let commands = COMMANDS.iter().filter(|text| memmem::find(near, text.as_bytes()).is_some()).count();
        let weight = match () {
            () if commands > 1 || commands > 0 && folders > 3 => Weight::Proof,
            () if commands > 0 || folders > 3 || devices.len() > 5 => Weight::Sign,
            () => continue,
        };
        let first = devices.iter().filter_map(|name| memmem::find(near, name.as_bytes())).min().unwrap_or(0);
        let mut found = Match::new(
            format!(
                "disks of {} kinds, {folders} top folders, {commands} commands: {}",
                devices.len(),
                devices.join(", ")
            ),
            start + first,
        );
        found.weight = Some(weight);
        return vec![found];
    }
    Vec::new()
}

/// Whether `name` is there as a whole text, between two bytes that end one.
fn stands_alone(near: &[u8], name: &str) -> bool {
    memmem::find_iter(near, name.as_bytes()).take(64).any(|at| {
        let is_end = |byte: Option<&u8>| byte.is_none_or(|byte| *byte < 0x20);
        is_end(at.checked_sub(1).and_then(|before| near.get(before))) && is_end(near.get(at + name.len()))
    })
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::DETECTOR;
    use crate::detectors::testing::run;

    #[track_caller]
    fn check(texts: &[&str], expected: Option<Weight>) {
        let program = format!("\x7fELF\x02\x01\x01\0{}\0{}\0", "\0".repeat(64), texts.join("\0"));
        let found = run(&DETECTOR, "x", 0o755, program.as_bytes());
        assert_eq!(found.first().and_then(|found| found.weight), expected, "{found:?}");
    }

    const DISKS: &[&str] = &["/dev/sda", "/dev/nvme0n1", "/dev/mmcblk0", "/dev/mtdblock0"];

    #[test]
    fn every_disk_and_what_follows_is_a_wiper() {
        check(&[DISKS, &["/boot", "/home", "/etc", "/usr", "rm -rf /*"]].concat(), Some(Weight::Proof));
        check(&[DISKS, &["echo b > /proc/sysrq-trigger", "rm -rf /*"]].concat(), Some(Weight::Proof));
        check(&[DISKS, &["/boot", "/home", "/etc", "/usr"]].concat(), Some(Weight::Sign));
    }

    #[test]
    fn tools_for_disks_are_silent() {
        check(DISKS, None);
        check(&["/dev/sda", "/dev/sda1", "/boot", "/home", "/etc", "/usr", "/proc/sysrq-trigger"], None);
        check(&["use /dev/sda, /dev/nvme0n1, /dev/mmcblk0 or /dev/mtdblock0", "rm -rf /tmp/x"], None);
    }
}
