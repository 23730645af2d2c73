//! A query to the simulated internet's DNS, as a datagram from the sample.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sandbox::internet::{Authority, swallow};

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new(1_700_000_000).expect("an authority"));

fuzz_target!(|query: &[u8]| {
    let query = &query[..query.len().min(1_400)];
    let length = query.len() as u16;
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&(length + 28).to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 0, 64, 17, 0, 0, 172, 17, 0, 2, 198, 51, 100, 53, 0x9c, 0x40, 0, 53]);
    packet.extend_from_slice(&(length + 8).to_be_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(query);
    let framed = [&(packet.len() as u16).to_be_bytes()[..], &packet].concat();
    swallow(&framed, &AUTHORITY).expect("a stack without a device");
});
