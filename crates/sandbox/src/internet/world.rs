//! What all services of one run share: names, hosts, time, chance, the record, and what was served.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use model::{Canary, Digest, What};

use super::{authority::Authority, flood::Floods, hosts::Hosts, marks::Marks, names::Names};
use crate::record::{Recorder, boot_ns};

/// Bytes of answers that are kept to be known again, in all.
const DOWNLOADS_BYTES_MAX: usize = 16 << 20;

/// Files that wait to be fetched.
const TRANSFERS_MAX: usize = 256;

pub(super) struct World {
    pub(super) seed: u64,
    /// Seconds since 1970 at the start, as the sample sees it.
    started_at: u64,
    started_ns: u64,
    recorder: Arc<Recorder>,
    pub(super) marks: Marks,
    pub(super) names: Names,
    pub(super) hosts: Hosts,
    pub(super) floods: Floods,
    pub(super) authority: Authority,
    /// How many conversations there were: the last one's number.
    pub(super) flows: u64,
    /// What waits for a second connection, by its end on our side.
    pub(super) transfers: HashMap<SocketAddr, Vec<u8>>,
    downloads: HashMap<Digest, Vec<u8>>,
    downloads_bytes: usize,
}

impl World {
    pub(super) fn new(
        seed: u64,
        now: u64,
        canaries: Vec<Canary>,
        authority: Authority,
        recorder: Arc<Recorder>,
    ) -> Self {
        Self {
            seed,
            started_at: now,
            started_ns: boot_ns(),
            recorder,
            marks: Marks::new(canaries),
            names: Names::new(seed),
            hosts: Hosts::new(seed),
            floods: Floods::default(),
            authority,
            flows: 0,
            transfers: HashMap::new(),
            downloads: HashMap::new(),
            downloads_bytes: 0,
        }
    }

    /// Milliseconds since the start.
    pub(super) fn now_ms(&self) -> u64 {
        boot_ns().saturating_sub(self.started_ns) / 1_000_000
    }

    /// Microseconds since the start.
    pub(super) fn now_us(&self) -> u64 {
        boot_ns().saturating_sub(self.started_ns) / 1_000
    }

    /// Seconds since 1970, as the sample sees it.
    pub(super) fn date(&self) -> u64 {
        self.started_at.saturating_add(self.now_ms() / 1_000)
    }

    /// Nanoseconds since 1970, as the sample sees it.
    pub(super) fn date_ns(&self) -> u64 {
        let elapsed_ns = boot_ns().saturating_sub(self.started_ns);
        self.started_at.saturating_mul(1_000_000_000).saturating_add(elapsed_ns)
    }

    /// Records something that happens now. The wire does not tell which process.
    pub(super) fn event(&self, what: What) {
        self.recorder.now(0, what);
    }

    /// A number that is the same for the same thing in every run of this seed.
    pub(super) fn draw(&self, what: &str, thing: &str) -> u64 {
        draw(self.seed, what, thing)
    }

    /// The mark of the canary that the metadata services hand out.
    pub(super) fn metadata_mark(&self) -> &str {
        self.marks.of("cloud-metadata").unwrap_or("ASIAZINVENTEDMETA000")
    }

    /// Keeps `bytes` for the connection that will come to `end` for them.
    pub(super) fn transfer(&mut self, end: SocketAddr, bytes: Vec<u8>) {
        if self.transfers.len() >= TRANSFERS_MAX {
            self.transfers.clear();
        }
        self.transfers.insert(end, bytes);
    }

    /// Remembers what was served, and says what it will be known by.
    pub(super) fn served(&mut self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        if self.downloads_bytes + bytes.len() <= DOWNLOADS_BYTES_MAX && !self.downloads.contains_key(&digest) {
            self.downloads_bytes += bytes.len();
            self.downloads.insert(digest, bytes.to_vec());
        }
        digest
    }

    /// Everything that was served, as far as kept.
    pub(super) fn into_downloads(self) -> Vec<(Digest, Vec<u8>)> {
        let mut downloads: Vec<_> = self.downloads.into_iter().collect();
        downloads.sort();
        downloads
    }

    /// Records the floods that are over; with `all`, those that are not, too.
    pub(super) fn tell_floods(&mut self, all: bool) {
        let now_ms = self.now_ms();
        let names = &self.names;
        for flood in self.floods.over(now_ms, all, |address: IpAddr| names.name_of(address)) {
            self.event(flood);
        }
    }
}

/// A number that is the same for the same thing in every run of this seed.
pub(super) fn draw(seed: u64, what: &str, thing: &str) -> u64 {
    let digest = Digest::of(format!("{seed}\0{what}\0{thing}").as_bytes());
    u64::from_str_radix(digest.hex().get(..16).unwrap_or("0"), 16).unwrap_or(0)
}
