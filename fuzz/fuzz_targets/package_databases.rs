//! Every package database parser, on any bytes, at every place where one stands.
#![no_main]

use inspect::packages::database;
use libfuzzer_sys::fuzz_target;

const PLACES: [&str; 9] = [
    "var/lib/dpkg/status",
    "var/lib/dpkg/diversions",
    "var/lib/dpkg/info/a:amd64.md5sums",
    "var/lib/dpkg/info/a.list",
    "lib/apk/db/installed",
    "usr/lib/python3/site-packages/a-1.dist-info/RECORD",
    "app/package-lock.json",
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/dpkg/status.d/a",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((place, bytes)) = bytes.split_first() else { return };
    let place = PLACES[usize::from(*place) % PLACES.len()];
    assert!(database(place, Some(bytes)).is_some(), "{place}");
});
