//! All intelligence in memory, looked up by hash.
//!
//! A value is kept as 64 bits of SipHash: an entry costs 24 bytes however long its text, and a million of them are sorted
//! in a moment. Two different values with one hash are met once in ten thousand years of scanning.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
};

use model::{Category, Confidence, Digest, IntelEntry, IntelValue, Standing};

use super::value::{masked, registrable};

/// Most names of threats kept apart; what is more is nameless.
const LABELS_MAX: usize = 1 << 20;
/// Most texts of allow lists that are looked for inside values.
const TEXTS_MAX: usize = 10_000;
/// Most labels of a name, most folders of a path that are looked at.
const PARTS_MAX: usize = 32;
/// Bits of a hash that lead to where its records begin.
const START_BITS: u32 = 16;

/// What all sources say, ready to be asked.
#[derive(Default)]
pub struct IntelSet {
    id: String,
    sources: Vec<String>,
    labels: Vec<String>,
    /// Sorted by key.
    records: Vec<Record>,
    /// Where records whose key begins with these bits are; one more at the end.
    starts: Vec<u32>,
    networks: BTreeSet<(bool, u8)>,
    texts: Vec<String>,
    has_ages: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    key: u64,
    source: u16,
    standing: u8,
    confidence: u8,
    /// Day since 1970 it was first seen, or for a registration the day of that; 0 for unknown.
    day: u32,
    label: u32,
}

/// `Record::standing` above the numbers of the categories.
const ALLOWED: u8 = 254;
const REGISTERED: u8 = 255;

/// Kinds of key: a value can mean different things.
#[derive(Hash, Clone, Copy)]
enum Key {
    /// A domain and what is below.
    Below,
    /// A host alone or a URL.
    Exact,
    /// URLs that begin so.
    Prefix,
    /// The site of a listed URL, or the address of a listed port.
    Site,
    /// An address.
    Address,
    /// A network.
    Network,
    /// A file.
    File,
}

/// What a source says of a value that was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<'a> {
    /// Who says it.
    pub source: &'a str,
    /// The threat's name; may be empty. Hostile text.
    pub label: &'a str,
    /// What it is said to be.
    pub category: Category,
    /// How sure the source is.
    pub confidence: Confidence,
    /// Seconds since 1970.
    pub first_seen: Option<u64>,
    /// The value that is listed.
    pub matched: String,
    /// Whether only something else on the same site (the registrable domain, another port) is listed.
    pub only_site: bool,
}

/// Makes an [`IntelSet`].
#[derive(Default)]
pub struct IntelSetBuilder {
    set: IntelSet,
    numbers: HashMap<String, u16>,
    label_numbers: HashMap<String, u32>,
}

impl IntelSetBuilder {
    /// Adds what `source` says.
    pub fn add(&mut self, source: &str, entry: &IntelEntry) {
        let Some(source) = self.source(source) else { return };
        let (standing, date) = match entry.standing {
            Standing::Listed(category) => (category as u8, entry.first_seen),
            Standing::Allowed => (ALLOWED, entry.first_seen),
            Standing::Registered(date) => (REGISTERED, Some(date)),
        };
        self.set.has_ages |= standing == REGISTERED;
        let day = date.and_then(|date| u32::try_from(date / 86_400).ok()).unwrap_or(0);
        let record = Record {
            key: 0,
            day,
            label: self.label(&entry.label),
            source,
            standing,
            confidence: entry.confidence as u8,
        };
        let records = &mut self.set.records;
        let mut put = |kind: Key, value: &dyn Fn(&mut DefaultHasher)| {
            records.push(Record { key: key(kind, value), ..record });
        };
        let text = |text: &str| {
            let text = text.to_owned();
            move |hasher: &mut DefaultHasher| text.hash(hasher)
        };
        match &entry.value {
            IntelValue::Domain(domain) => put(Key::Below, &text(domain)),
            IntelValue::Exactly(value) => put(Key::Exact, &text(value)),
            IntelValue::Url(url) | IntelValue::UrlPrefix(url) => {
                let kind = if matches!(entry.value, IntelValue::Url(_)) { Key::Exact } else { Key::Prefix };
                put(kind, &text(url));
                if standing < ALLOWED {
                    match site(host_of(url)) {
                        Some(Site::Domain(site)) if !super::is_shared(host_of(url)) => put(Key::Site, &text(site)),
                        Some(Site::Address(address)) => put(Key::Site, &|hasher| address.hash(hasher)),
                        _ => {}
                    }
                }
            }
            IntelValue::Address(address, None) => put(Key::Address, &|hasher| address.hash(hasher)),
            IntelValue::Address(address, Some(port)) => {
                put(Key::Address, &|hasher| (address, port).hash(hasher));
                if standing < ALLOWED {
                    put(Key::Site, &|hasher| address.hash(hasher));
                }
            }
            IntelValue::Network(address, bits) => {
                put(Key::Network, &|hasher| (address, bits).hash(hasher));
                self.set.networks.insert((address.is_ipv4(), *bits));
            }
            IntelValue::File(digest) => put(Key::File, &|hasher| digest.as_bytes().hash(hasher)),
            IntelValue::Holding(text) => {
                if self.set.texts.len() < TEXTS_MAX && text.len() >= 3 {
                    self.set.texts.push(text.to_ascii_lowercase());
                }
            }
        }
    }

    /// The set, known by `id`: the same sources, the same id.
    #[must_use]
    pub fn finish(self, id: String) -> IntelSet {
        let mut set = self.set;
        set.id = id;
        set.records.sort_unstable();
        // Of one source's many URLs of a site the surest stands for the site, of several registrations the newest counts.
        set.records.dedup_by(|next, kept| {
            let is_same = (next.key, next.source, next.standing) == (kept.key, kept.source, kept.standing);
            if is_same {
                *kept = *next;
            }
            is_same
        });
        set.records.shrink_to_fit();
        let mut start = 0;
        set.starts = (0..=1_u64 << START_BITS)
            .map(|bits| {
                while set.records.get(start).is_some_and(|record| record.key >> (64 - START_BITS) < bits) {
                    start += 1;
                }
                u32::try_from(start).unwrap_or(u32::MAX)
            })
            .collect();
        set
    }

    fn source(&mut self, name: &str) -> Option<u16> {
        if let Some(number) = self.numbers.get(name) {
            return Some(*number);
        }
        let number = u16::try_from(self.set.sources.len()).ok()?;
        self.set.sources.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        Some(number)
    }

    fn label(&mut self, label: &str) -> u32 {
        if let Some(number) = self.label_numbers.get(label) {
            return *number;
        }
        if self.set.labels.len() >= LABELS_MAX {
            return u32::MAX;
        }
        let number = u32::try_from(self.set.labels.len()).unwrap_or(u32::MAX);
        self.set.labels.push(label.to_owned());
        self.label_numbers.insert(label.to_owned(), number);
        number
    }
}

impl IntelSet {
    /// An empty builder.
    #[must_use]
    pub fn builder() -> IntelSetBuilder {
        IntelSetBuilder::default()
    }

    /// What it was called when it was made; empty without intelligence.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether nothing was ever imported.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether it knows when any domain was registered.
    #[must_use]
    pub fn has_ages(&self) -> bool {
        self.has_ages
    }

    /// Everything that is said against a value, the surest and most exact first; nothing where an allow list names it.
    ///
    /// A domain answers for its parents down to the registrable one, a URL also for its host. An allow list's host does
    /// not excuse a URL that is listed itself: the file is bad wherever it lies.
    #[must_use]
    pub fn listings(&self, value: &IntelValue) -> Vec<Listing<'_>> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (key, matched, only_site, is_whole) in self.keys(value) {
            for record in self.records(key).filter(|record| record.standing < ALLOWED) {
                found.push((self.listing(*record, &matched, only_site), is_whole));
            }
        }
        if found.is_empty() {
            return Vec::new();
        }
        let (whole, host) = self.allowed(value);
        found.retain(|(_, is_whole)| !whole && (!host || *is_whole));
        let mut found: Vec<_> = found.into_iter().map(|(listing, _)| listing).collect();
        found.sort_by(|a, b| (a.only_site, b.confidence, a.source).cmp(&(b.only_site, a.confidence, b.source)));
        found
    }

    /// When the registrable domain of `host` was registered (seconds since 1970, the latest that is known), and who says so.
    #[must_use]
    pub fn registered(&self, host: &str) -> Option<(u64, &str)> {
        if !self.has_ages {
            return None;
        }
        let domain = registrable(host)?;
        let records = self.records(key(Key::Below, &|hasher| domain.hash(hasher)));
        let newest = records.filter(|record| record.standing == REGISTERED).max_by_key(|record| record.day)?;
        let (whole, is_allowed) = self.allowed(&IntelValue::Domain(host.to_owned()));
        let source = self.sources.get(usize::from(newest.source))?;
        (!whole && !is_allowed).then_some((u64::from(newest.day) * 86_400, source))
    }

    /// Who allows the value, if anybody does.
    #[must_use]
    pub fn allowed_by(&self, value: &IntelValue) -> Vec<&str> {
        let keys = self.keys(value);
        let records = keys.iter().flat_map(|(key, ..)| self.records(*key));
        let mut names: Vec<_> = records
            .filter(|record| record.standing == ALLOWED)
            .filter_map(|record| self.sources.get(usize::from(record.source)).map(String::as_str))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether the value itself is allowed, and whether its host is.
    fn allowed(&self, value: &IntelValue) -> (bool, bool) {
        let (mut whole, mut host) = (false, false);
        for (key, _, _, is_whole) in self.keys(value) {
            if self.records(key).any(|record| record.standing == ALLOWED) {
                whole |= is_whole;
                host = true;
            }
        }
        if !self.texts.is_empty() {
            let text = super::shown(value).to_ascii_lowercase();
            whole |= self.texts.iter().any(|part| text.contains(part.as_str()));
        }
        (whole, host)
    }

    /// Every key a value is looked for under: key, what it stands for, whether it is only the site, whether it is the
    /// whole value and not its host.
    fn keys(&self, value: &IntelValue) -> Vec<(u64, String, bool, bool)> {
        let mut keys = Vec::new();
        match value {
            IntelValue::Domain(domain) | IntelValue::Exactly(domain) => Self::host_keys(domain, true, &mut keys),
            IntelValue::Address(address, port) => self.address_keys(*address, *port, true, &mut keys),
            IntelValue::Network(address, bits) => {
                keys.push((network_key(*address, *bits), super::shown(value), false, true));
            }
            IntelValue::File(digest) => keys.push((file_key(digest), digest.to_string(), false, true)),
            IntelValue::Url(url) | IntelValue::UrlPrefix(url) => {
                let authority = url.split(['/', '?']).next().unwrap_or_default();
                if authority.len() < url.len() {
                    keys.push((text_key(Key::Exact, url), url.clone(), false, true));
                    let path = url.split('?').next().unwrap_or_default();
                    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
                    for start in ends.take(PARTS_MAX).filter_map(|end| path.get(..end)) {
                        keys.push((text_key(Key::Prefix, start), format!("{start}/*"), false, true));
                    }
                }
                let is_whole = authority.len() == url.len();
                if authority != host_of(url) {
                    keys.push((text_key(Key::Exact, authority), authority.to_owned(), false, is_whole));
                }
                let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
                match host_of(url).parse() {
                    Ok(address) => self.address_keys(address, port, is_whole, &mut keys),
                    Err(_) => Self::host_keys(host_of(url), is_whole, &mut keys),
                }
            }
            IntelValue::Holding(_) => {}
        }
        keys
    }

    fn host_keys(host: &str, is_whole: bool, keys: &mut Vec<(u64, String, bool, bool)>) {
        let Some(domain) = registrable(host) else { return };
        keys.push((text_key(Key::Exact, host), host.to_owned(), false, is_whole));
        let mut name = host;
        for _ in 0..PARTS_MAX {
            keys.push((text_key(Key::Below, name), name.to_owned(), false, is_whole));
            match name.split_once('.') {
                Some((_, parent)) if name.len() > domain.len() => name = parent,
                _ => break,
            }
        }
        keys.push((text_key(Key::Site, domain), domain.to_owned(), true, is_whole));
    }

    fn address_keys(
        &self,
        address: IpAddr,
        port: Option<u16>,
        is_whole: bool,
        keys: &mut Vec<(u64, String, bool, bool)>,
    ) {
        let mut put = |key, value: IntelValue, only_site| keys.push((key, super::shown(&value), only_site, is_whole));
        put(key(Key::Address, &|hasher| address.hash(hasher)), IntelValue::Address(address, None), false);
        put(text_key(Key::Exact, &address.to_string()), IntelValue::Address(address, None), false);
        if let Some(port) = port {
            let value = IntelValue::Address(address, Some(port));
            put(key(Key::Address, &|hasher| (address, port).hash(hasher)), value, false);
        }
        put(key(Key::Site, &|hasher| address.hash(hasher)), IntelValue::Address(address, None), true);
        for (_, bits) in self.networks.iter().filter(|(is_v4, _)| *is_v4 == address.is_ipv4()) {
            let network = masked(address, *bits);
            put(network_key(network, *bits), IntelValue::Network(network, *bits), false);
        }
    }

    fn records(&self, key: u64) -> impl Iterator<Item = &Record> {
        let bucket = usize::try_from(key >> (64 - START_BITS)).unwrap_or(usize::MAX);
        let start = self.starts.get(bucket).map_or(0, |start| *start as usize);
        let end = self.starts.get(bucket.saturating_add(1)).map_or(0, |end| *end as usize);
        let bucket = self.records.get(start..end).unwrap_or_default();
        let first = bucket.partition_point(|record| record.key < key);
        bucket.get(first..).unwrap_or_default().iter().take_while(move |record| record.key == key)
    }

    fn listing(&self, record: Record, matched: &str, only_site: bool) -> Listing<'_> {
        let category = Category::ALL.get(usize::from(record.standing)).copied().unwrap_or(Category::Other);
        let confidence = Confidence::ALL.get(usize::from(record.confidence)).copied().unwrap_or(Confidence::Low);
        Listing {
            source: self.sources.get(usize::from(record.source)).map_or("", String::as_str),
            label: self.labels.get(record.label as usize).map_or("", String::as_str),
            category,
            confidence,
            first_seen: (record.day > 0).then(|| u64::from(record.day) * 86_400),
            matched: matched.to_owned(),
            only_site,
        }
    }
}

enum Site<'a> {
    Domain(&'a str),
    Address(IpAddr),
}

fn site(host: &str) -> Option<Site<'_>> {
    host.parse().map(Site::Address).ok().or_else(|| registrable(host).map(Site::Domain))
}

/// The host of a URL without its scheme.
#[must_use]
pub fn host_of(url: &str) -> &str {
    let authority = url.split(['/', '?']).next().unwrap_or_default();
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn key(kind: Key, value: &dyn Fn(&mut DefaultHasher)) -> u64 {
    let mut hasher = DefaultHasher::new();
    kind.hash(&mut hasher);
    value(&mut hasher);
    hasher.finish()
}

fn text_key(kind: Key, text: &str) -> u64 {
    key(kind, &|hasher| text.hash(hasher))
}

fn network_key(address: IpAddr, bits: u8) -> u64 {
    key(Key::Network, &|hasher| (address, bits).hash(hasher))
}

fn file_key(digest: &Digest) -> u64 {
    key(Key::File, &|hasher| digest.as_bytes().hash(hasher))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intel::{
        import::{Format, Options, import},
        read,
    };

    fn set(lists: &[(&str, Format, bool)]) -> IntelSet {
        let mut set = IntelSet::builder();
        for (number, (text, format, is_allow_list)) in lists.iter().enumerate() {
            let options = Options { is_allow_list: *is_allow_list, ..Options::default() };
            let read = import(text.as_bytes(), *format, &options);
            assert_eq!(read.notes, [""; 0]);
            read.entries.iter().for_each(|entry| set.add(&format!("list {number}"), entry));
        }
        set.finish("id".to_owned())
    }

    /// The values that are said to be bad, a `~` before those of which only the site is.
    #[track_caller]
    fn check(set: &IntelSet, asked: &str, expected: &[&str]) {
        let value = read(asked).expect("a value");
        let found: Vec<_> = set
            .listings(&value)
            .iter()
            .map(|listing| format!("{}{}", if listing.only_site { "~" } else { "" }, listing.matched))
            .collect();
        assert_eq!(found, expected, "{asked}");
    }

    #[test]
    fn domains_are_listed_with_what_is_below() {
        let set = set(&[("bad.com\nworse.co.uk\n", Format::Plain, false)]);
        check(&set, "bad.com", &["bad.com"]);
        check(&set, "https://a.b.BAD.com:8443/x", &["bad.com"]);
        check(&set, "notbad.com", &[]);
        check(&set, "bad.com.another.net", &[]);
        check(&set, "other.co.uk", &[]);
        check(&set, "http://198.51.100.7/bad.com", &[]);
    }

    #[test]
    fn a_url_is_listed_for_itself_and_its_site_for_a_sign() {
        let text =
            "http://www.bad.com/x?y=1\nhttp://gone.com/drop/*\nhttp://lone.com/\nhttps://github.com/who/what/x.bin\n";
        let set = set(&[(text, Format::Plain, false)]);
        check(&set, "https://www.bad.com/x?y=1", &["www.bad.com/x?y=1", "~bad.com"]);
        check(&set, "http://www.bad.com/x", &["~bad.com"]);
        check(&set, "mail.bad.com", &["~bad.com"]);
        check(&set, "http://gone.com/drop/a/b", &["gone.com/drop/*", "~gone.com"]);
        check(&set, "http://gone.com/dropped", &["~gone.com"]);
        check(&set, "lone.com", &["lone.com", "~lone.com"]);
        check(&set, "http://lone.com/anything", &["lone.com", "~lone.com"]);
        check(&set, "https://github.com/who/what/x.bin", &["github.com/who/what/x.bin"]);
        check(&set, "https://github.com/honest/project", &[]);
    }

    #[test]
    fn addresses_are_listed_with_port_network_and_all() {
        let text = "198.51.100.7:4444\n203.0.113.0/28\n2001:db8::/32\nhttp://192.0.2.9:81/i\n";
        let set = set(&[(text, Format::Plain, false)]);
        check(&set, "tcp://198.51.100.7:4444", &["198.51.100.7:4444", "~198.51.100.7"]);
        check(&set, "198.51.100.7:80", &["~198.51.100.7"]);
        check(&set, "203.0.113.15", &["203.0.113.0/28"]);
        check(&set, "203.0.113.16", &[]);
        check(&set, "[2001:db8::77]:80", &["2001:db8::/32"]);
        check(&set, "http://192.0.2.9:81/i", &["192.0.2.9:81/i", "~192.0.2.9"]);
        check(&set, "192.0.2.9:81", &["~192.0.2.9"]);
    }

    #[test]
    fn allow_lists_take_back_hosts_but_no_listed_url() {
        let bad = ("bad.com\nhttp://cdn.good.com/x.bin\nads.good.com\n198.51.100.7\n", Format::Plain, false);
        let good = ("good.com\n198.51.100.0/24\n", Format::Plain, true);
        let set = set(&[bad, good]);
        check(&set, "ads.good.com", &[]);
        check(&set, "198.51.100.7:80", &[]);
        check(&set, "http://cdn.good.com/x.bin", &["cdn.good.com/x.bin"]);
        check(&set, "http://cdn.good.com/y", &[]);
        check(&set, "bad.com", &["bad.com"]);
        assert_eq!(set.allowed_by(&read("ads.good.com").expect("a value")), ["list 1"]);

        let holding = r#"{"type": "substring", "list": ["good-cdn"], "matching_attributes": []}"#;
        let set = self::set(&[("x.good-cdn-7.com\n", Format::Plain, false), (holding, Format::WarningList, false)]);
        check(&set, "x.good-cdn-7.com", &[]);
    }

    #[test]
    fn the_newest_registration_counts() {
        let set = set(&[
            ("a.com,2020-01-01\nb.com,2021-01-01\n", Format::DomainAge, false),
            ("a.com,2026-01-01\n", Format::DomainAge, false),
        ]);
        assert_eq!(set.registered("x.a.com"), Some((1_767_225_600, "list 1")));
        assert_eq!(set.registered("c.com"), None);
        check(&set, "a.com", &[]);
    }

    #[test]
    fn every_source_that_lists_a_value_is_told_once() {
        let urls: String = (0..1000).map(|number| format!("http://bad.com/{number}\n")).collect();
        let set = set(&[(&urls, Format::Plain, false), ("bad.com\n", Format::Plain, false)]);
        let value = read("www.bad.com").expect("a value");
        let found: Vec<_> = set.listings(&value).iter().map(|it| (it.source.to_owned(), it.only_site)).collect();
        assert_eq!(found, [("list 1".to_owned(), false), ("list 0".to_owned(), true)]);
    }
}
