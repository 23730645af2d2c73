//! Recognises scripts that destroy what a machine stores, without offering it back.
//!
//! Partitioners overwrite the disk they are told, clean-ups delete folders they know. A wiper takes every disk or the whole tree, and
//! often the machine down with it.
//!
//! - Sees: disks overwritten (`dd`, `shred`, redirection, Python, Perl) by name or one after another, the whole tree deleted or
//!   shredded, boot sectors and partition tables destroyed, several top folders deleted, with a restart, crash or wiped log beside it; the
//!   same steps in other people's containers, volumes and clusters; every table of a database dropped and the files of its site
//!   overwritten.
//! - Misses: compiled programs (`disk-wiper`); deletion of one data folder.
//! - False alarms: installers and erasure tools (they format afterwards or ask: quiet), last steps of an image build that empties the
//!   system (a sign).
//! - Source: dd(1), shred(1), rm(1) `--no-preserve-root`; ATT&CK T1485, T1561.001, T1561.002, T1529.

use std::sync::LazyLock;

use model::{Category, Confidence, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::{
    clues::{Clue, Clues, Group},
    code::is_code,
    text,
};

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "wiper",
        title: "Destroys what the machine stores",
        category: Category::Wiper,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1485", "T1561", "T1529"],
    },
    scope: Scope::Content {
        kinds: text::TEXT_KINDS,
        literals: &[
            "of=/dev/",
            "of=\"/dev/",
            "of=$",
            "of=\"$",
            "if=/dev/",
            "> /dev/sd",
            "> /dev/nvme",
            "> /dev/vd",
            "> \"$d",
            "> $d",
            "/dev/sda",
            "/dev/vda",
            "/dev/nvme0",
            "/dev/sd[",
            "/dev/sd*",
            "/dev/sd?",
            "lsblk",
            "/proc/partitions",
            "/sys/block",
            "fdisk -l",
            "no-preserve-root",
            "rm -rf /",
            "rm -fr /",
            "rm -r -f /",
            "rm -Rf /",
            "shred ",
            "blkdiscard",
            "wipefs ",
            "sgdisk ",
            "find / ",
            "find /home",
            "os.walk('/",
            "os.walk(\"/",
            "rmtree(",
            "os.urandom(",
            "sysrq-trigger",
            "reboot",
            "poweroff",
            "halt -",
            "mkfs.",
            "mke2fs ",
            "-delete",
            "cryptsetup luksErase",
            "nvme format",
            "hdparm ",
            "docker volume rm",
            "kubectl delete",
            "etcdctl del",
            "velero backup delete",
            "/volumes/$",
            "syswrite(",
            "DROP TABLE",
            "TRUNCATE TABLE",
            "str_repeat(\"\\0",
            "/var/backups",
        ],
    },
    inspect,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Destroys everything.
    All,
    /// Destroys one disk, or important folders.
    Some,
    /// Goes through all disks.
    EveryDisk,
    /// Writes over what a variable names.
    Overwrite,
    /// Takes the machine down or removes traces.
    Finish,
    /// What installers do afterwards.
    Install,
    /// Destroys all of one sort in a cluster or on a container engine.
    Cluster,
    /// Destroys a site: its tables, its files, what they could be restored from.
    Site,
}

const CLUES: &[Clue<Role>] = &[
    (
        Role::All,
        "deletes the whole tree",
        r"\brm\s+(?:-\S+\s+)*--no-preserve-root\s+(?:-\S+\s+)*[\x22']?/\*?[\x22']?(?:\s|$|;|&|\|)|\brm\s+(?:-\S+\s+)*-\w*r\w*\s+(?:-\S+\s+)*[\x22']?/\*?[\x22']?\s+--no-preserve-root|(?:^|[;&|]\s*|sudo\s+|[\x22'])rm\s+-(?:rf|fr|Rf|r\s+-f)\s+/\*?\s*(?:$|[;&|>2\x22'])|rmtree\(\s*[\x22']/[\x22']|find\s+/\s+(?:-xdev\s+|-mount\s+|-type\s+f\s+|-depth\s+)*-delete",
    ),
    (
        Role::All,
        "destroys every file of the tree",
        r"find\s+/(?:home|root|etc|var|srv|opt|\s|\*)[^\n]*(?:-exec\s+(?:/\S*/)?(?:shred|dd|sh -c [^\n]*(?:dd|shred|/dev/(?:zero|urandom)))|xargs[^\n]*\bshred)|shred\s+(?:-\S+\s+)*/(?:\*|home|etc|root|var)\S*",
    ),
    (
        Role::All,
        "overwrites every disk",
        r"(?:dd|shred|wipefs|blkdiscard)\s[^\n]*/dev/(?:sd|nvme|vd|xvd|hd)(?:\[a-z\]|\*|\?|\{a\.\.)",
    ),
    (
        Role::Some,
        "overwrites a disk",
        r"\bdd\s[^\n;|]*if=/dev/(?:zero|u?random|full)[^\n;|]*of=[\x22']?/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|disk|mapper|dm-|root)|\bdd\s[^\n;|]*of=[\x22']?/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|mapper|root)\S*[^\n;|]*if=/dev/(?:zero|u?random|full)|(?:cat|yes|head)\b[^\n;]{0,60}>\s*/dev/(?:sd|hd|vd|xvd|nvme|mmcblk)|\bshred\s+(?:-\S+\s+)*[\x22']?/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|mapper|disk)|open\(\s*[\x22']/dev/(?:sd|hd|vd|xvd|nvme|mmcblk)\w*[\x22']\s*,\s*(?:[\x22'][wr]b?\+?|os\.O_(?:WRONLY|RDWR))|\bblkdiscard\s+(?:-\S+\s+)*/dev/|(?:^|[;&|]\s*):?\s*>\s*/dev/(?:sd|hd|vd|nvme)",
    ),
    (Role::Some, "overwrites the memory", r"\bdd\s[^\n;|]*if=/dev/(?:zero|u?random)[^\n;|]*of=/dev/k?mem\b"),
    (
        Role::Some,
        "destroys the partition table",
        r"\b(?:wipefs\s+(?:-\S+\s+)*(?:-a|--all)|sgdisk\s+(?:-Z|--zap-all)|dd\s[^\n;|]*of=[\x22']?(?:/dev/|\$)[^\n;|]*(?:bs=(?:446|512)\s+count=1|count=1\s+bs=(?:446|512)))",
    ),
    (
        Role::Some,
        "deletes several top folders",
        r"\brm\s+-\w*[rR]\w*\s(?:[^\n;&|]*\s)?/(?:etc|home|boot|usr|bin|root|lib|srv)/?\*?\s+(?:[^\n;&|]*\s)?/(?:etc|home|boot|usr|bin|root|var|lib|srv|opt)/?\*?(?:\s|$|;|&)",
    ),
    (
        Role::EveryDisk,
        "goes through all disks",
        r"\bfor\s+\w+\s+in\s[^\n]*(?:/dev/(?:sd|nvme|vd|xvd|hd|\[)|lsblk|/proc/partitions|/sys/block|fdisk -l|blkid)|(?:lsblk|fdisk -l|/proc/partitions|blkid)[^\n]*\|[^\n]*while\s+read|(?:glob\w*\(|listdir\(|Glob\()[^\n]*(?:/dev/(?:sd|nvme|vd|\[)|/sys/block)|=[\x22']?(?:\$\(|`)\s*(?:lsblk|ls /dev/sd|fdisk -l|blkid)|range\([^\n]*/dev/sd",
    ),
    (
        Role::Overwrite,
        "writes over what it found",
        r"\bdd\s[^\n;|]*if=/dev/(?:zero|u?random)[^\n;|]*of=[\x22']?(?:/dev/)?[\x22']?\$|\bdd\s[^\n;|]*of=[\x22']?(?:/dev/)?\$\S*[^\n;|]*if=/dev/(?:zero|u?random)|\bshred\s+(?:-\S+\s+)*(?:--\s+)?[\x22']?(?:/dev/)?\$|write\(\s*(?:os\.urandom|b[\x22']\\x00[\x22']\s*\*|bytes\(|random\.randbytes)|(?:cat|head)\b[^\n;]*/dev/(?:zero|u?random)[^\n;]*>\s*[\x22']?(?:/dev/)?\$|\bsyswrite\(\s*\$?\w+\s*,\s*[\x22'](?:\\0|\\x00)[\x22']\s*x\s",
    ),
    (
        Role::Finish,
        "takes the machine down",
        r"(?:^|[\s;&|(\x22'/])(?:reboot|poweroff|halt)(?:\s+-\w+|\s*$|\s*[;&\x22'])|echo\s+[bco]\s*>\s*/proc/sysrq-trigger|shutdown\s+-[hrP]+\s+(?:now|\+0)|init\s+[06]\b|[:{]\s*:\s*\|\s*:\s*&",
    ),
    (
        Role::Finish,
        "removes logs and backups",
        r"\brm\s+-\w*r\w*\s[^\n]*(?:/var/log(?:\s|/?\*|$)|/var/backups|/backup)|>\s*/var/log/(?:wtmp|syslog|auth|messages)|(?:vssadmin|wbadmin)\s+delete",
    ),
    (
        Role::Cluster,
        "deletes every namespace",
        r"\bfor\s+\w+\s+in\s[^\n]*kubectl\s+get\s+(?:ns|namespaces?)\b[^\n]*kubectl\s+delete\b|\bkubectl\s[^\n]*get\s+(?:ns|namespaces?)\b[^\n]*\|[^\n]*kubectl\s+delete\b|\bkubectl\s+delete\s+(?:ns|namespaces?)\s[^\n]*--all\b",
    ),
    (
        Role::Cluster,
        "deletes every volume of a cluster",
        r"\bkubectl\s+delete\s[^\n;]*\b(?:pvc?|persistentvolumes?|persistentvolumeclaims?)\b[^\n;]*--all\b",
    ),
    (Role::Cluster, "deletes every node", r"\bkubectl\s+delete\s+nodes?\s[^\n;]*--all\b"),
    (Role::Cluster, "empties the store of a cluster", r"\betcdctl\s[^\n;]*\bdel\s+(?:\x22\x22|''|/)\s+--prefix"),
    (Role::Cluster, "deletes the backups of a cluster", r"\bvelero\s+backup\s+delete\s[^\n;]*--all\b"),
    (
        Role::Cluster,
        "deletes every container volume",
        r"docker\.sock[^\n]*/volumes\b[^\n]*DELETE|DELETE[^\n]*docker\.sock[^\n]*/volumes/\$|docker\s+volume\s+rm\s[^\n]*docker\s+volume\s+ls",
    ),
    (
        Role::Site,
        "drops every table",
        r"(?i)show\s+tables\b[^\n]*(?:drop|truncate)\s+table\b|\b(?:foreach|for)\b[^\n]*table[^\n]*(?:drop|truncate)\s+table\b",
    ),
    (
        Role::Site,
        "overwrites files with nothing",
        r"file_put_contents\([^\n;]*str_repeat\(\s*[\x22'](?:\\0|\\x00)[^\n]*unlink\(|ftruncate\([^\n]*unlink\(",
    ),
    (
        Role::Site,
        "deletes databases and backups",
        r"\brm\s+-\w*r\w*\s(?:[^\n;&|]*\s)?/var/(?:lib/(?:mysql|postgresql|mongodb|redis)|backups)/?\*?\s(?:[^\n;&|]*\s)?/(?:var/(?:lib|backups|www)|home|srv)/?",
    ),
    (
        Role::Install,
        "formats afterwards",
        r"\b(?:mkfs(?:\.\w+)?|mke2fs|mkswap|pvcreate|sfdisk|parted|cryptsetup luksFormat|mkpart|zpool create|debootstrap|grub-install|ceph-volume)\s",
    ),
];

static TABLE: LazyLock<Clues<Role>> = LazyLock::new(|| Clues::new(CLUES));

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    TABLE.groups(sample).into_iter().filter_map(|group| judged(sample, &group)).take(4).collect()
}

fn judged(sample: &Sample<'_>, group: &Group<Role>) -> Option<Match> {
    let has = |role| group.has(role);
    let installs = has(Role::Install);
    let each_disk = has(Role::EveryDisk) && has(Role::Overwrite);
    let weight = match () {
        () if has(Role::All) => Weight::Proof,
        () if group.count(Role::Cluster) > 2 || group.count(Role::Site) > 2 => Weight::Proof,
        () if group.count(Role::Cluster) > 1 || group.count(Role::Site) > 1 => Weight::Sign,
        () if installs => return None,
        () if each_disk || (has(Role::Some) && has(Role::EveryDisk)) => Weight::Proof,
        () if has(Role::Some) && (group.count(Role::Some) > 1 || has(Role::Finish)) => Weight::Proof,
        () if has(Role::Some) => Weight::Sign,
        () => return None,
    };
    Some(group.found(if is_code(sample) { weight } else { weight.min(Weight::Sign) }))
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::DETECTOR;
    use crate::detectors::testing::run;

    #[track_caller]
    fn check(text: &str, expected: Option<Weight>) {
        let found = run(&DETECTOR, "x", 0o644, text.as_bytes());
        assert_eq!(found.first().and_then(|found| found.weight), expected, "{text}: {found:?}");
    }

    #[test]
    fn taking_all_or_every_disk_is_a_proof() {
        check("#!/bin/sh\nrm -rf --no-preserve-root /\n", Some(Weight::Proof));
        check("#!/bin/sh\nrm -rf /* 2>/dev/null\n", Some(Weight::Proof));
        check(
            "#!/bin/sh\nfor d in $(lsblk -dno NAME); do\n  dd if=/dev/urandom of=/dev/$d bs=1M &\ndone\n",
            Some(Weight::Proof),
        );
        check("#!/bin/sh\nfind / -xdev -type f -exec shred -n1 -z {} \\;\n", Some(Weight::Proof));
        check(
            "#!/bin/sh\ndd if=/dev/zero of=/dev/sda bs=512 count=1\necho b > /proc/sysrq-trigger\n",
            Some(Weight::Proof),
        );
        check(
            "import glob, os\nfor d in glob.glob('/dev/sd[a-z]'):\n    f = open(d, 'wb')\n    f.write(os.urandom(1 << 20))\n",
            Some(Weight::Proof),
        );
        check("dd if=/dev/zero of=/dev/sda bs=1M\n", Some(Weight::Sign));
        check(
            "#!/usr/bin/perl\nfor my $disk (glob(\"/dev/sd? /dev/vd? /dev/nvme?n1\")) {\n  open(my $out, '+<', $disk) or next;\n  syswrite($out, \"\\0\" x 1048576) for 1 .. 8;\n}\n",
            Some(Weight::Proof),
        );
        check(
            "#!/bin/bash\nfor ns in $(kubectl get ns -o name); do kubectl delete --force $ns & done\nkubectl delete pv,pvc --all -A --force\netcdctl del \"\" --prefix\n",
            Some(Weight::Proof),
        );
        check(
            "<?php\nforeach ($db->query('SHOW TABLES') as $t) { $db->exec(\"DROP TABLE `$t`\"); }\nforeach ($files as $f) { file_put_contents($f, str_repeat(\"\\0\", filesize($f))); unlink($f); }\nexec('rm -rf /var/lib/mysql/* /var/backups/*');\n",
            Some(Weight::Proof),
        );
    }

    #[test]
    fn clean_ups_and_installers_are_silent() {
        for text in [
            "#!/bin/sh\nrm -rf /var/lib/apt/lists/* /tmp/* /var/tmp/*\n",
            "#!/bin/sh\nrm -rf /usr/share/doc /var/cache/apt\nreboot\n",
            "#!/bin/sh\ndd if=/dev/zero of=/swapfile bs=1M count=512\nmkswap /swapfile\n",
            "#!/bin/sh\ndd if=/dev/zero of=/dev/sda bs=512 count=1\nparted /dev/sda mklabel gpt\nmkfs.ext4 /dev/sda1\nreboot\n",
            "#!/bin/sh\nshred -u \"$keyfile\"\n",
            "#!/bin/sh\nkubectl delete pvc --all -n test\nkubectl delete ns test\n",
            "<?php\nforeach ($db->query('SHOW TABLES') as $t) { $db->exec(\"DROP TABLE $t\"); }\n",
            "#!/bin/sh\nfind / -name '*.pyc' -delete\nrm -rf \"$dir\"/*\nrm -rf /build\n",
        ] {
            check(text, None);
        }
    }
}
