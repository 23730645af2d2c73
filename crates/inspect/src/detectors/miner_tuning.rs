//! Recognises what is done to a machine so that it mines faster, and to rivals so that nobody else does.
//!
//! - Sees: huge pages reserved, processor registers written as RandomX miners do, other miners killed, in scripts and
//!   commands.
//! - Misses: tuning by the miner itself (its program is recognised by other means).
//! - False alarms: databases reserve huge pages: alone that is nothing. Benchmarks write the same registers and miners ship
//!   scripts for it: a fact, unless rivals are killed too.
//! - Source: xmrig `scripts/randomx_boost.sh` and `enable_1gb_pages.sh` (which registers); reports on miners that remove
//!   rivals; ATT&CK T1496.

use std::sync::LazyLock;

use model::{Category, Confidence, Maturity, Severity, Weight};
use regex::bytes::{Regex, RegexBuilder};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::text;

/// Most bytes of a file that are read.
const SCRIPT_BYTES_MAX: usize = 256 << 10;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "miner-tuning",
        title: "Tunes the machine for mining",
        category: Category::Cryptominer,
        weight: Weight::Sign,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Draft,
        techniques: &["T1496"],
    },
    scope: Scope::Content {
        kinds: text::TEXT_KINDS,
        literals: &[
            "nr_hugepages",
            "wrmsr",
            "modprobe msr",
            "allow_writes",
            "xmrig",
            "minerd",
            "cryptonight",
            "kinsing",
            "kdevtmpfsi",
        ],
    },
    inspect,
};

struct Tell {
    what: &'static str,
    pattern: Regex,
    /// Enough by itself.
    alone: bool,
    /// Done by intruders only: makes what was found a sign.
    hostile: bool,
}

static TELLS: LazyLock<Vec<Tell>> = LazyLock::new(|| {
    let tell = |what, alone, hostile, pattern| Tell {
        what,
        pattern: RegexBuilder::new(pattern)
            .unicode(false)
            .build()
            .expect("the pattern is a constant, and a test runs it"),
        alone,
        hostile,
    };
    vec![
        tell(
            "reserves huge pages",
            false,
            false,
            r"(?i)sysctl\b[^\n]*nr_hugepages\s*=|>\s*/proc/sys/vm/nr_hugepages|nr_hugepages=|/hugepages-1048576kB/nr_hugepages",
        ),
        tell(
            "loads the register driver",
            false,
            false,
            r"(?i)modprobe\s+msr|msr\.allow_writes=on|/parameters/allow_writes",
        ),
        tell(
            "writes the registers that RandomX miners write",
            true,
            false,
            r"(?i)wrmsr\s+(?:-a\s+|-p\s*\S+\s+)?(?:0x1a4\s+(?:0x)?[0-9a-f]|0xc001102[0-2b]\s)",
        ),
        tell(
            "kills other miners",
            false,
            true,
            r"(?i)(?:pkill|killall|kill\s+-9|grep)\b[^\n]{0,80}(?:xmrig|minerd|kdevtmpfsi|kinsing|xmr-stak|cryptonight|stratum|nanopool|c3pool|supportxmr|sustes|ddgs)",
        ),
    ]
});

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let Some(first) = sample.hits.iter().find(|hit| !text::is_document(sample, hit.offset)) else { return Vec::new() };
    if text::is_program(sample) || !text::stands_in_text(sample, first.offset) {
        return Vec::new();
    }
    let bytes = sample.bytes.get(..SCRIPT_BYTES_MAX).unwrap_or(sample.bytes);
    let held: Vec<_> = TELLS
        .iter()
        .filter(|tell| tell.pattern.find_iter(bytes).take(16).any(|found| !text::is_document(sample, found.start())))
        .collect();
    if held.len() < 2 && !held.iter().any(|tell| tell.alone) {
        return Vec::new();
    }
    let what: Vec<_> = held.iter().map(|tell| tell.what).collect();
    let mut found = Match::new(what.join(", "), first.offset);
    if !held.iter().any(|tell| tell.hostile) {
        found.weight = Some(Weight::Fact);
        found.severity = Some(Severity::Info);
    }
    vec![found]
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::check;

    #[test]
    fn registers_are_a_sign_and_pages_alone_are_not() {
        check(
            &DETECTOR,
            "x",
            b"#!/bin/sh\nmodprobe msr\nwrmsr -a 0x1a4 0xf\nsysctl -w vm.nr_hugepages=1280\n",
            &["reserves huge pages, loads the register driver, writes the registers that RandomX miners write"],
        );
        check(&DETECTOR, "x", b"#!/bin/sh\nsysctl -w vm.nr_hugepages=1280\nexec postgres\n", &[]);
        check(&DETECTOR, "x", b"#!/bin/sh\n# modprobe msr and wrmsr -a 0x1a4 0xf\nrdmsr 0x1a4\n", &[]);
    }

    #[test]
    fn killing_rivals_and_making_room_is_a_sign() {
        check(
            &DETECTOR,
            "x",
            b"pkill -9 -f kdevtmpfsi\necho 128 > /proc/sys/vm/nr_hugepages\n./a\n",
            &["reserves huge pages, kills other miners"],
        );
    }
}
