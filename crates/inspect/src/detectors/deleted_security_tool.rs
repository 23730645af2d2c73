//! Flags layers that delete the programs of an installed security tool behind its package manager's back.
//!
//! An image that monitors itself stops doing so when a layer on top takes the program away and leaves the package installed.
//!
//! - Sees: a whiteout of a program of auditd, Falco, ClamAV, rkhunter, chkrootkit, AIDE, OSSEC, Wazuh, Samhain, Tripwire,
//!   osquery or fail2ban whose package's database still lists it.
//! - Misses: tools switched off by configuration, tools that no package brought. A package that was removed by its manager is
//!   gone from the database too, and is nobody's business. Wiped logs are ordinary.
//! - False alarms: slim images that delete single programs.
//! - Source: OCI image-spec v1.1 `layer.md`, "Whiteouts"; ATT&CK T1562.001.

use std::collections::BTreeMap;

use model::{Category, Confidence, EntryKind, Maturity, Severity, Weight};

use super::{About, ImageDetector, Match, Spot};
use crate::{ImageView, packages::merged};

pub(crate) const DETECTOR: ImageDetector = ImageDetector {
    about: About {
        id: "deleted-security-tool",
        title: "Layer deletes an installed security tool",
        category: Category::Other,
        weight: Weight::Fact,
        severity: Severity::Low,
        confidence: Confidence::Medium,
        maturity: Maturity::Draft,
        techniques: &["T1562.001"],
    },
    inspect,
};

const TOOLS: &[&str] = &[
    "aide",
    "aide-common",
    "audit",
    "auditd",
    "chkrootkit",
    "clamav",
    "clamav-daemon",
    "clamav-freshclam",
    "fail2ban",
    "falco",
    "ossec-hids-agent",
    "osquery",
    "rkhunter",
    "samhain",
    "tripwire",
    "unhide",
    "wazuh-agent",
];

fn inspect(image: &ImageView<'_>) -> Vec<(Spot, Match)> {
    let mut deleted: BTreeMap<(usize, &str), Vec<&str>> = BTreeMap::new();
    for (number, layer) in image.layers.iter().enumerate() {
        for entry in layer.entries.iter().filter(|entry| entry.kind == EntryKind::Whiteout) {
            let path = merged(&entry.path);
            let is_program = path.starts_with("bin/") || path.starts_with("sbin/") || path.contains("/bin/");
            if is_program
                && let Some((_, package)) = image.packages().owner(path)
                && TOOLS.contains(&package.name.as_str())
                && image.files.at(&entry.path).is_none()
            {
                deleted.entry((number, &package.name)).or_default().push(&entry.path);
            }
        }
    }
    let told = |((number, package), paths): (&(usize, &str), &Vec<&str>)| {
        let first = paths.first()?;
        let more = if paths.len() > 1 { format!(" and {} more", paths.len() - 1) } else { String::new() };
        Some((
            Spot::Layer(*number),
            Match::new(format!("deletes {first}{more} of the installed package {package}"), None),
        ))
    };
    deleted.iter().filter_map(told).collect()
}
