//! Reads intelligence in the formats it is given away in: bytes in, entries and refused lines out.

use model::{Category, Confidence, IntelEntry, IntelValue, Standing};

use super::{domain_age, hosts, misp, plain, stix, threatfox, urlhaus, value, warning_list};

/// Refused lines that are described; the others are counted.
const REFUSED_MAX: usize = 100;
/// Most entries of one import.
pub const ENTRIES_MAX: usize = 10_000_000;
/// Longest label kept.
const LABEL_BYTES_MAX: usize = 100;

/// A format of intelligence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// abuse.ch URLhaus, CSV.
    Urlhaus,
    /// abuse.ch ThreatFox, CSV.
    Threatfox,
    /// An event of a MISP feed, JSON.
    Misp,
    /// A MISP warning list, JSON: an allow list.
    WarningList,
    /// A STIX 2.1 bundle, JSON.
    Stix,
    /// A hosts file: `0.0.0.0 name`.
    Hosts,
    /// A value a line.
    Plain,
    /// `domain,date of registration` a line.
    DomainAge,
}

impl Format {
    /// Every format.
    pub const ALL: &'static [Self] = &[
        Self::Urlhaus,
        Self::Threatfox,
        Self::Misp,
        Self::WarningList,
        Self::Stix,
        Self::Hosts,
        Self::Plain,
        Self::DomainAge,
    ];

    /// As it is written on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Urlhaus => "urlhaus",
            Self::Threatfox => "threatfox",
            Self::Misp => "misp",
            Self::WarningList => "misp-warning-list",
            Self::Stix => "stix",
            Self::Hosts => "hosts",
            Self::Plain => "plain",
            Self::DomainAge => "domain-age",
        }
    }

    /// What the bytes look like; a plain list, if they look like nothing else.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        const HEAD_BYTES: usize = 64 << 10;
        let head = String::from_utf8_lossy(bytes.get(..HEAD_BYTES).unwrap_or(bytes));
        let start = head.trim_start_matches('\u{feff}').trim_start();
        if start.starts_with(['{', '[']) {
            let has = |key: &str| head.contains(key);
            return if has("\"Event\"") || has("\"Attribute\"") {
                Self::Misp
            } else if has("\"objects\"") || has("\"spec_version\"") || has("\"pattern\"") {
                Self::Stix
            } else if has("\"list\"") || has("\"matching_attributes\"") {
                Self::WarningList
            } else {
                Self::Stix
            };
        }
        let is = |columns: &[&str]| columns.iter().all(|column| head.contains(column));
        if is(&["ioc_value", "ioc_type"]) {
            return Self::Threatfox;
        }
        if is(&["dateadded", "url_status"]) {
            return Self::Urlhaus;
        }
        let lines =
            || start.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!', ';']));
        let all = lines().take(50).count();
        let share = |is: fn(&str) -> bool| all > 0 && lines().take(50).filter(|line| is(line)).count() * 2 >= all;
        if share(hosts::is_line) {
            Self::Hosts
        } else if share(domain_age::is_line) {
            Self::DomainAge
        } else {
            Self::Plain
        }
    }
}

/// What the user says of an import.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// What its entries are bad for, in place of what the format says.
    pub category: Option<Category>,
    /// The entries are fine: an allow list.
    pub is_allow_list: bool,
    /// The domains were registered then, seconds since 1970.
    pub registered: Option<u64>,
    /// Seconds since 1970: what expired before is left out.
    pub now: u64,
}

/// What an import gave.
#[derive(Debug, Default)]
pub struct Imported {
    /// What is said.
    pub entries: Vec<IntelEntry>,
    /// How many lines or objects were refused.
    pub refused: u64,
    /// The first of them, and what else should be known: `line 7: why`.
    pub notes: Vec<String>,
    /// Entries that hold no longer or were taken back.
    pub expired: u64,
    /// MD5 and SHA-1 values, which are of no use here.
    pub other_hashes: u64,
}

/// Reads `bytes` as `format`. What cannot be read is refused with its place, and the rest stays.
#[must_use]
pub fn import(bytes: &[u8], format: Format, options: &Options) -> Imported {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut into = Imported::default();
    match format {
        Format::Urlhaus => urlhaus::read(bytes, &mut into),
        Format::Threatfox => threatfox::read(bytes, &mut into),
        Format::Misp => misp::read(bytes, &mut into),
        Format::WarningList => warning_list::read(bytes, &mut into),
        Format::Stix => stix::read(bytes, &mut into),
        Format::Hosts => hosts::read(bytes, &mut into),
        Format::Plain => plain::read(bytes, &mut into),
        Format::DomainAge => domain_age::read(bytes, &mut into),
    }
    let before = into.entries.len();
    into.entries.retain(|entry| entry.until.is_none_or(|until| until > options.now));
    into.expired += (before - into.entries.len()) as u64;
    for entry in &mut into.entries {
        if let Standing::Listed(category) = &mut entry.standing {
            *category = options.category.unwrap_or(*category);
        }
        if let Some(registered) = options.registered {
            entry.standing = Standing::Registered(registered);
        }
        if options.is_allow_list {
            entry.standing = Standing::Allowed;
        }
    }
    if options.registered.is_some() {
        into.entries.retain(|entry| matches!(entry.value, IntelValue::Domain(_)));
    }
    if into.other_hashes > 0 {
        into.notes
            .push(format!("{} MD5 and SHA-1 values are of no use here: files are known by SHA-256", into.other_hashes));
    }
    if into.expired > 0 {
        into.notes.push(format!("{} entries are left out: expired or taken back", into.expired));
    }
    into
}

impl Imported {
    /// Notes something that cannot be read.
    pub(super) fn refuse(&mut self, place: impl std::fmt::Display, why: impl std::fmt::Display) {
        self.refused += 1;
        if self.notes.len() < REFUSED_MAX {
            self.notes.push(model::text::shortened(&format!("{place}: {why}"), 200).into_owned());
        }
    }

    /// Adds a listed value as it is written, or refuses it. Returns the entry to say more of it.
    pub(super) fn list(&mut self, place: impl std::fmt::Display, written: &str) -> Option<&mut IntelEntry> {
        match value::read(written) {
            Ok(value) => self.add(value),
            Err(why) if why.starts_with("MD5") => {
                self.other_hashes += 1;
                None
            }
            Err(why) => {
                self.refuse(place, format_args!("{:?}: {why}", model::text::shortened(written, 60)));
                None
            }
        }
    }

    /// Adds a value.
    pub(super) fn add(&mut self, value: IntelValue) -> Option<&mut IntelEntry> {
        if self.entries.len() >= ENTRIES_MAX {
            if self.entries.len() == ENTRIES_MAX && self.expired == 0 {
                self.refuse("the import", format_args!("only the first {ENTRIES_MAX} entries are kept"));
            }
            return None;
        }
        self.entries.push(IntelEntry {
            standing: Standing::Listed(category_of(&value, "")),
            value,
            label: String::new(),
            first_seen: None,
            until: None,
            confidence: Confidence::Medium,
        });
        self.entries.last_mut()
    }
}

/// Gives an entry the threat's name, and the category that follows from it.
pub(super) fn name(entry: &mut IntelEntry, label: &str) {
    entry.label = model::text::shortened(label.trim(), LABEL_BYTES_MAX).into_owned();
    entry.standing = Standing::Listed(category_of(&entry.value, &entry.label));
}

/// A host is a malicious website whatever is served there. A file is what its threat is called; a threat without a telling
/// name is somebody else's program at work on this machine: a backdoor.
fn category_of(value: &IntelValue, label: &str) -> Category {
    const WORDS: &[(&str, Category)] = &[
        ("miner", Category::Cryptominer),
        ("xmrig", Category::Cryptominer),
        ("coin", Category::Cryptominer),
        ("monero", Category::Cryptominer),
        ("kinsing", Category::Cryptominer),
        ("ransom", Category::Ransomware),
        ("locker", Category::Ransomware),
        ("lockbit", Category::Ransomware),
        ("wiper", Category::Wiper),
        ("mirai", Category::Ddos),
        ("gafgyt", Category::Ddos),
        ("bashlite", Category::Ddos),
        ("tsunami", Category::Ddos),
        ("mozi", Category::Ddos),
        ("xor", Category::Ddos),
        ("ddos", Category::Ddos),
        ("worm", Category::Worm),
        ("stealer", Category::CredentialTheft),
        ("hacktool", Category::HackingTool),
        ("proxyware", Category::Proxyware),
    ];
    if !matches!(value, IntelValue::File(_)) {
        return Category::MaliciousWebsite;
    }
    let lower = label.to_ascii_lowercase();
    WORDS.iter().find(|(word, _)| lower.contains(word)).map_or(Category::Backdoor, |(_, category)| *category)
}

/// Lines with their numbers from 1, without comments and empty ones. Bytes that are not UTF-8 become `\u{fffd}`.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, std::borrow::Cow<'_, str>)> {
    let lines = bytes.split(|byte| *byte == b'\n').zip(1..);
    lines
        .map(|(line, number)| (number, line.trim_ascii()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
        .map(|(number, line)| (number, String::from_utf8_lossy(line)))
}

#[cfg(test)]
pub(super) mod testing {
    //! One `check` for every format's own tests.

    use super::*;

    /// Reads `text`, in November 2026, and compares what it gave in words.
    #[track_caller]
    pub(crate) fn check(format: Format, text: &str, entries: &[&str], notes: &[&str]) {
        assert!(
            text.len() < 60 || Format::of(text.as_bytes()) == format,
            "it is taken for {:?}",
            Format::of(text.as_bytes())
        );
        let read = import(text.as_bytes(), format, &Options { now: 1_795_392_000, ..Options::default() });
        let found: Vec<_> = read.entries.iter().map(said).collect();
        assert_eq!(found, entries);
        assert_eq!(read.notes, notes);
        // No prefix makes it fail.
        for end in (0..text.len()).step_by(7) {
            let _ = import(&text.as_bytes()[..end], format, &Options::default());
        }
    }

    fn said(entry: &IntelEntry) -> String {
        let exactly = match entry.value {
            IntelValue::Exactly(_) => "exactly ",
            IntelValue::Holding(_) => "holding ",
            _ => "",
        };
        let what = match entry.standing {
            Standing::Listed(_) => String::new(),
            Standing::Allowed => " allowed".to_owned(),
            Standing::Registered(date) => format!(" since {}", super::super::date::day(date)),
        };
        let label = if entry.label.is_empty() { String::new() } else { format!(" · {}", entry.label) };
        format!("{exactly}{}{what}{label}", value::shown(&entry.value))
    }
}
