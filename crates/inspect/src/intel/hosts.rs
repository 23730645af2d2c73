//! Hosts files as block lists: `0.0.0.0 bad.example`, several names a line allowed.

use std::net::IpAddr;

use super::import::{Imported, lines};

/// Names that stand in every hosts file for the machine itself.
const OWN: &[&str] =
    &["localhost", "localhost.localdomain", "local", "broadcasthost", "ip6-localhost", "ip6-loopback", "0.0.0.0"];

/// Whether a line looks like one of a hosts file.
pub(super) fn is_line(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    words.next().is_some_and(|word| word.parse::<IpAddr>().is_ok()) && words.next().is_some_and(|w| !w.starts_with('#'))
}

pub(super) fn read(bytes: &[u8], into: &mut Imported) {
    for (number, line) in lines(bytes) {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(address) = words.next() else { continue };
        let place = format_args!("line {number}");
        match address.split('%').next().unwrap_or_default().parse::<IpAddr>() {
            // What is redirected elsewhere is somebody's own network, not a block list.
            Ok(address) if !address.is_loopback() && !address.is_unspecified() => continue,
            Ok(_) => {}
            Err(_) => {
                into.refuse(place, "it does not begin with an address");
                continue;
            }
        }
        for name in words.filter(|name| !OWN.contains(name) && !name.starts_with("ip6-")) {
            into.list(place, name);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::intel::import::{Format, testing::check};

    #[test]
    fn names_that_are_blocked_are_listed() {
        let text = "127.0.0.1 localhost\n::1 ip6-localhost\n# comment\n0.0.0.0 ads.bad.com # why\n\
                    127.0.0.1\tone.bad.com two.bad.com\n192.168.1.2 nas.home-net.com\nbad.com\n0.0.0.0 x\n";
        check(
            Format::Hosts,
            text,
            &["ads.bad.com", "one.bad.com", "two.bad.com"],
            &[
                "line 7: it does not begin with an address",
                "line 8: \"x\": it is neither domain, URL, address nor SHA-256",
            ],
        );
    }
}
