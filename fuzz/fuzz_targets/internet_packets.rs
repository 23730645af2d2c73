//! Packets of a sample, each behind its length: the simulated internet answers or drops them.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sandbox::internet::{Authority, swallow};

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new(1_700_000_000).expect("an authority"));

fuzz_target!(|packets: &[u8]| {
    swallow(packets, &AUTHORITY).expect("a stack without a device");
});
