//! One detector, one file. To add one: the file, `corpus/<id>/hits` and `corpus/<id>/misses`, and two lines here.
//!
//! There are a few small shapes, because they see different things: [`Detector`] sees a file's content or one of its
//! occurrences, [`ConfigDetector`] an image config, [`ImageDetector`] the whole image once its layers are merged. A content
//! detector is also run over every text of the config (environment, command, labels, history lines), so a key in `ENV`
//! needs no detector of its own.

pub use model::About;
use model::{Category, Confidence, FileKind, ImageConfig, Indicator, Location, Severity, Weight};

use crate::{
    Place,
    view::{At, ImageView},
};

// Add a detector: its module here …
mod attack_targets;
mod bare_hosts;
mod bind_shell;
mod changed_package_file;
mod cloud_key;
mod compiled_escape;
mod compiled_shell;
mod config_facts;
mod container_escape;
mod country_wiper;
mod credential_collector;
mod credential_file;
mod credential_theft;
mod cron_persistence;
mod deleted_security_tool;
mod disk_wiper;
mod download_and_run;
mod dynamic_dns_host;
mod elf_facts;
mod env_secret;
mod exploit_tool;
mod false_claim;
mod flood_code;
mod flood_tool;
mod form_skimmer;
mod format_anomaly;
mod guess_tool;
mod hacking_tool;
mod history_facts;
mod indicators;
mod init_persistence;
mod kernel_rootkit;
mod known_bad_file;
mod known_bad_host;
mod ld_preload;
mod load_tool;
mod login_backdoor;
mod login_config;
mod look_alike_name;
mod miner_binary;
mod miner_config;
mod miner_script;
mod miner_tuning;
mod mining_pool;
mod missing_ancestry;
mod packed_script;
mod planted_ssh_key;
mod preload_rootkit;
mod private_key;
mod private_key_file;
mod proxyware;
mod proxyware_script;
mod ransomware;
mod reverse_shell;
mod scan_tool;
mod service_token;
mod ssh_key_writer;
mod suspicious_account;
mod tunnel_config;
mod tunnel_or_paste_host;
mod tunnel_program;
mod tunnel_script;
mod wallet;
mod web_shell;
mod wiper;
mod world_writable_suid;
mod worm;
mod young_domain;

pub(crate) use env_secret::looks_random;

/// … and its entry here. A detector that is not listed is dead code, and the build refuses it.
pub(crate) const ALL: &[&Detector] = &[
    &attack_targets::DETECTOR,
    &bind_shell::DETECTOR,
    &bare_hosts::DETECTOR,
    &cloud_key::DETECTOR,
    &compiled_escape::DETECTOR,
    &compiled_shell::DETECTOR,
    &container_escape::DETECTOR,
    &country_wiper::DETECTOR,
    &credential_collector::DETECTOR,
    &credential_file::DETECTOR,
    &credential_theft::DETECTOR,
    &cron_persistence::DETECTOR,
    &disk_wiper::DETECTOR,
    &download_and_run::DETECTOR,
    &elf_facts::DETECTOR,
    &exploit_tool::DETECTOR,
    &flood_code::DETECTOR,
    &flood_tool::DETECTOR,
    &form_skimmer::DETECTOR,
    &guess_tool::DETECTOR,
    &hacking_tool::DETECTOR,
    &indicators::DETECTOR,
    &init_persistence::DETECTOR,
    &kernel_rootkit::DETECTOR,
    &ld_preload::DETECTOR,
    &load_tool::DETECTOR,
    &login_backdoor::DETECTOR,
    &login_config::DETECTOR,
    &miner_binary::DETECTOR,
    &miner_config::DETECTOR,
    &miner_script::DETECTOR,
    &miner_tuning::DETECTOR,
    &mining_pool::DETECTOR,
    &packed_script::DETECTOR,
    &planted_ssh_key::DETECTOR,
    &preload_rootkit::DETECTOR,
    &private_key::DETECTOR,
    &private_key_file::DETECTOR,
    &proxyware::DETECTOR,
    &proxyware_script::DETECTOR,
    &ransomware::DETECTOR,
    &reverse_shell::DETECTOR,
    &scan_tool::DETECTOR,
    &service_token::DETECTOR,
    &ssh_key_writer::DETECTOR,
    &suspicious_account::DETECTOR,
    &tunnel_config::DETECTOR,
    &tunnel_program::DETECTOR,
    &tunnel_script::DETECTOR,
    &wallet::DETECTOR,
    &web_shell::DETECTOR,
    &wiper::DETECTOR,
    &world_writable_suid::DETECTOR,
    &worm::DETECTOR,
];

/// Detectors of image configs.
pub(crate) const ALL_CONFIG: &[&ConfigDetector] =
    &[&config_facts::DETECTOR, &env_secret::DETECTOR, &history_facts::DETECTOR];

/// Detectors of whole images.
pub(crate) const ALL_IMAGE: &[&ImageDetector] = &[
    &changed_package_file::DETECTOR,
    &deleted_security_tool::DETECTOR,
    &dynamic_dns_host::DETECTOR,
    &false_claim::DETECTOR,
    &format_anomaly::DETECTOR,
    &known_bad_file::DETECTOR,
    &known_bad_host::DETECTOR,
    &look_alike_name::DETECTOR,
    &missing_ancestry::DETECTOR,
    &tunnel_or_paste_host::DETECTOR,
    &young_domain::DETECTOR,
];

/// Every detector, in the order they are asked.
#[must_use]
pub fn list() -> Vec<&'static About> {
    let files = ALL.iter().map(|detector| &detector.about);
    let configs = ALL_CONFIG.iter().map(|detector| &detector.about);
    files.chain(configs).chain(ALL_IMAGE.iter().map(|detector| &detector.about)).collect()
}

/// The kinds of file that content detectors name, by id.
#[must_use]
pub fn kinds() -> Vec<(&'static str, &'static [FileKind])> {
    ALL.iter()
        .filter_map(|detector| match &detector.scope {
            Scope::Content { kinds, .. } => Some((detector.about.id, *kinds)),
            Scope::Place(_) => None,
        })
        .collect()
}

/// Looks at files.
pub struct Detector {
    /// What it is.
    pub about: About,
    /// When it is asked.
    pub scope: Scope,
    /// Looks. Must not panic on any bytes, and takes time linear in them.
    pub inspect: fn(&Sample<'_>) -> Vec<Match>,
}

/// When a [`Detector`] is asked.
pub enum Scope {
    /// Once per content of one of `kinds` (empty: any) that holds at least one of `literals`, ASCII case ignored, each
    /// of at least 4 bytes and rare. In archives, configs and UTF-16 (transcoded) too. Never depends on the path.
    Content {
        /// Kinds of file; empty for any. The kind is a claim, so those who name text are asked about everything but
        /// well-formed ELF files, and those who name ELF also about unknown bytes.
        kinds: &'static [FileKind],
        /// Literals, one of which must be there. Empty is allowed only for `kinds` like `Elf` and header-only work.
        literals: &'static [&'static str],
    },
    /// At every occurrence for which this holds. For what the *place* makes dangerous.
    Place(fn(&Place<'_>) -> bool),
}

/// What a detector sees.
pub struct Sample<'a> {
    /// The content, or one window of it (32 MiB) if it is longer.
    pub bytes: &'a [u8],
    /// What the whole file is.
    pub kind: FileKind,
    /// Where the detector's literals are, ascending by offset: anchor expensive work here.
    pub hits: &'a [Hit],
    /// For `Scope::Place` only.
    pub place: Option<&'a Place<'a>>,
}

/// One literal found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// Where it begins in `Sample::bytes`.
    pub offset: usize,
    /// Index into the detector's own `literals`.
    pub literal: usize,
}

impl<'a> Sample<'a> {
    /// The bytes from `before` bytes before `offset` to `after` bytes behind it, cut at the edges; and where they start.
    #[must_use]
    pub fn around(&self, offset: usize, before: usize, after: usize) -> (usize, &'a [u8]) {
        let start = offset.saturating_sub(before).min(self.bytes.len());
        let end = offset.saturating_add(after).min(self.bytes.len());
        (start, self.bytes.get(start..end).unwrap_or_default())
    }

    /// The line that `offset` is in, at most `bytes_max` to either side, without its line end; and where it starts.
    #[must_use]
    pub fn line(&self, offset: usize, bytes_max: usize) -> (usize, &'a [u8]) {
        let (start, piece) = self.around(offset, bytes_max, bytes_max);
        let at = offset.min(self.bytes.len()).saturating_sub(start);
        let (left, right) = piece.split_at(at.min(piece.len()));
        let line_start = left.iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
        let line_end = at + right.iter().position(|&b| b == b'\n').unwrap_or(right.len());
        (start + line_start, piece.get(line_start..line_end).unwrap_or_default())
    }
}

/// One thing a detector found. What is none is taken from [`About`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// One line: what exactly. Secrets redacted; at most `model::text::SUMMARY_CHARS_MAX` characters.
    pub summary: String,
    /// Where in `Sample::bytes`.
    pub offset: Option<usize>,
    /// Values worth linking on.
    pub indicators: Vec<Indicator>,
    /// Another category than usual.
    pub category: Option<Category>,
    /// Another weight than usual.
    pub weight: Option<Weight>,
    /// Another severity than usual.
    pub severity: Option<Severity>,
    /// Another confidence than usual.
    pub confidence: Option<Confidence>,
    /// Where in `Sample::bytes` a secret is that nothing else said of the same bytes may repeat.
    pub secret: Option<std::ops::Range<usize>>,
}

impl Match {
    /// A match at `offset` with everything else as usual.
    #[must_use]
    pub fn new(summary: impl Into<String>, offset: impl Into<Option<usize>>) -> Self {
        let summary = model::text::shortened(&summary.into(), model::text::SUMMARY_CHARS_MAX).into_owned();
        Self { summary, offset: offset.into(), ..Self::default() }
    }
}

/// Looks at an image config.
pub struct ConfigDetector {
    /// What it is.
    pub about: About,
    /// Looks; says where (`Location::Config`, `Location::History` or `Location::Image`).
    pub inspect: fn(&ImageConfig) -> Vec<(Location, Match)>,
}

/// Looks at a whole image: its layers merged, what it runs, what it claims.
pub struct ImageDetector {
    /// What it is.
    pub about: About,
    /// Looks; says where. Takes time linear in the entries and observations of the layers.
    pub inspect: fn(&ImageView<'_>) -> Vec<(Spot, Match)>,
}

/// Where in an image something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    /// An entry of a layer.
    File(At),
    /// A layer as a whole, lowest first.
    Layer(usize),
    /// A history line.
    History(usize),
    /// Where a finding of [`ImageView::config_findings`] is.
    Config(usize),
    /// The image as a whole.
    Image,
}

#[cfg(test)]
pub(crate) mod testing {
    //! One `check` for every detector's own tests.

    use super::{Detector, Hit, Sample, Scope};
    use crate::Place;

    /// Runs one detector as the runner would on a file of `bytes` at `path` (mode 0644, root), and compares the
    /// summaries of its matches with `expected`.
    #[track_caller]
    pub(crate) fn check(detector: &Detector, path: &str, bytes: &[u8], expected: &[&str]) {
        let found = run(detector, path, 0o644, bytes);
        let summaries: Vec<_> = found.iter().map(|found| found.summary.as_str()).collect();
        assert_eq!(summaries, expected, "{} on {path}", detector.about.id);
    }

    /// The matches themselves.
    pub(crate) fn run(detector: &Detector, path: &str, mode: u32, bytes: &[u8]) -> Vec<super::Match> {
        let kind = crate::kind::sniff(bytes);
        let place = Place { path, mode, uid: 0, kind, size: bytes.len() as u64 };
        match &detector.scope {
            Scope::Place(wanted) => {
                if !wanted(&place) {
                    return Vec::new();
                }
                (detector.inspect)(&Sample { bytes, kind, hits: &[], place: Some(&place) })
            }
            Scope::Content { literals, .. } => {
                if !crate::route::asks(detector, kind) {
                    return Vec::new();
                }
                let lower = bytes.to_ascii_lowercase();
                let mut hits: Vec<Hit> = Vec::new();
                for (literal, text) in literals.iter().enumerate() {
                    let text = text.to_ascii_lowercase();
                    hits.extend(
                        memchr::memmem::find_iter(&lower, text.as_bytes()).map(|offset| Hit { offset, literal }),
                    );
                }
                hits.sort_unstable();
                if hits.is_empty() && !literals.is_empty() {
                    return Vec::new();
                }
                (detector.inspect)(&Sample { bytes, kind, hits: &hits, place: None })
            }
        }
    }
}
