//! Reads and writes the few packet shapes the stack treats itself: what a packet is, and replies of UDP and ICMP.
//!
//! Everything read here was written by the sample: nothing is indexed, every length is checked.
//!
//! Source: RFC 791, RFC 8200, RFC 768, RFC 9293, RFC 792, RFC 4443.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMP6: u8 = 58;

/// One packet of the sample, as far as it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// Number of the transport protocol.
    pub(super) protocol: u8,
    pub(super) transport: Transport<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport<'a> {
    Tcp {
        source_port: u16,
        destination_port: u16,
        syn: bool,
        ack: bool,
        reset: bool,
    },
    Udp {
        source_port: u16,
        destination_port: u16,
        payload: &'a [u8],
    },
    /// ICMP or ICMPv6: type, and everything behind code and checksum.
    Icmp {
        kind: u8,
        rest: &'a [u8],
    },
    /// A fragment that is not the first, another protocol, or a header that is cut off.
    Other(&'a [u8]),
}

/// What an IP packet is; none for what is not even that.
pub(super) fn read(bytes: &[u8]) -> Option<Packet<'_>> {
    let (source, destination, protocol, first, body): (IpAddr, IpAddr, u8, bool, &[u8]) = match bytes.first()? >> 4 {
        4 => {
            let header: &[u8; 20] = bytes.first_chunk()?;
            let header_bytes = usize::from(header[0] & 15) * 4;
            let total = usize::from(u16::from_be_bytes([header[2], header[3]])).min(bytes.len());
            let body = bytes.get(header_bytes.max(20)..total)?;
            let offset = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
            let address = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
            (address(12).into(), address(16).into(), header[9], offset == 0, body)
        }
        6 => {
            let header: &[u8; 40] = bytes.first_chunk()?;
            let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
            let body = bytes.get(40..)?;
            let address =
                |at: usize| -> Option<Ipv6Addr> { Some(Ipv6Addr::from(*header.get(at..)?.first_chunk::<16>()?)) };
            (address(8)?.into(), address(24)?.into(), header[6], true, body.get(..length).unwrap_or(body))
        }
        _ => return None,
    };
    let transport = if first { transport(protocol, body) } else { None };
    Some(Packet { source, destination, protocol, transport: transport.unwrap_or(Transport::Other(body)) })
}

fn transport(protocol: u8, body: &[u8]) -> Option<Transport<'_>> {
    Some(match protocol {
        TCP => {
            let header: &[u8; 20] = body.first_chunk()?;
            Transport::Tcp {
                source_port: u16::from_be_bytes([header[0], header[1]]),
                destination_port: u16::from_be_bytes([header[2], header[3]]),
                syn: header[13] & 2 != 0,
                ack: header[13] & 16 != 0,
                reset: header[13] & 4 != 0,
            }
        }
        UDP => {
            let header: &[u8; 8] = body.first_chunk()?;
            let length = usize::from(u16::from_be_bytes([header[4], header[5]])).min(body.len());
            Transport::Udp {
                source_port: u16::from_be_bytes([header[0], header[1]]),
                destination_port: u16::from_be_bytes([header[2], header[3]]),
                payload: body.get(8..length)?,
            }
        }
        ICMP | ICMP6 => Transport::Icmp { kind: *body.first()?, rest: body.get(4..)? },
        _ => return None,
    })
}

/// A UDP datagram; empty where it would be too long, or the addresses are of two families.
pub(super) fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8], hops: u8) -> Vec<u8> {
    let Ok(length) = u16::try_from(payload.len() + 8) else { return Vec::new() };
    let mut body = Vec::with_capacity(payload.len() + 8);
    body.extend_from_slice(&from.port().to_be_bytes());
    body.extend_from_slice(&to.port().to_be_bytes());
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(&[0, 0]);
    body.extend_from_slice(payload);
    ip(from.ip(), to.ip(), UDP, body, 6, hops)
}

/// An ICMP or ICMPv6 message of type `kind`, code 0, with `rest` behind the checksum.
pub(super) fn icmp(from: IpAddr, to: IpAddr, kind: u8, rest: &[u8], hops: u8) -> Vec<u8> {
    let mut body = vec![kind, 0, 0, 0];
    body.extend_from_slice(rest);
    ip(from, to, if from.is_ipv4() { ICMP } else { ICMP6 }, body, 2, hops)
}

/// Puts the checksum at `checksum_at` of `body` and an IP header before it.
fn ip(from: IpAddr, to: IpAddr, protocol: u8, mut body: Vec<u8>, checksum_at: usize, hops: u8) -> Vec<u8> {
    let Ok(length) = u16::try_from(body.len()) else { return Vec::new() };
    let mut pseudo = Vec::with_capacity(40);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            // ICMP of IPv4 sums nothing but itself.
            if protocol != ICMP {
                pseudo.extend_from_slice(&from.octets());
                pseudo.extend_from_slice(&to.octets());
                pseudo.extend_from_slice(&[0, protocol]);
                pseudo.extend_from_slice(&length.to_be_bytes());
            }
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            pseudo.extend_from_slice(&from.octets());
            pseudo.extend_from_slice(&to.octets());
            pseudo.extend_from_slice(&u32::from(length).to_be_bytes());
            pseudo.extend_from_slice(&[0, 0, 0, protocol]);
        }
        _ => return Vec::new(),
    }
    let sum = match checksum(&[&pseudo, &body]) {
        0 if protocol == UDP => 0xffff,
        sum => sum,
    };
    if let Some(place) = body.get_mut(checksum_at..checksum_at + 2) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
    let mut packet = Vec::with_capacity(body.len() + 40);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let Some(total) = length.checked_add(20) else { return Vec::new() };
            packet.extend_from_slice(&[0x45, 0]);
            packet.extend_from_slice(&total.to_be_bytes());
            packet.extend_from_slice(&[0, 0, 0x40, 0, hops, protocol, 0, 0]);
            packet.extend_from_slice(&from.octets());
            packet.extend_from_slice(&to.octets());
            let sum = checksum(&[&packet]);
            if let Some(place) = packet.get_mut(10..12) {
                place.copy_from_slice(&sum.to_be_bytes());
            }
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            packet.extend_from_slice(&[0x60, 0, 0, 0]);
            packet.extend_from_slice(&length.to_be_bytes());
            packet.extend_from_slice(&[protocol, hops]);
            packet.extend_from_slice(&from.octets());
            packet.extend_from_slice(&to.octets());
        }
        _ => return Vec::new(),
    }
    packet.extend_from_slice(&body);
    packet
}

/// The internet checksum (RFC 1071) of pieces of even length, but for the last.
fn checksum(pieces: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for piece in pieces {
        for pair in piece.chunks(2) {
            sum += match pair {
                [high, low] => u64::from(u16::from_be_bytes([*high, *low])),
                [high] => u64::from(*high) << 8,
                _ => 0,
            };
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use smoltcp::wire;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for (from, to) in [("198.18.0.1:53", "172.17.0.2:4444"), ("[2001:db8::1]:53", "[fd00:17::2]:4444")] {
            let (from, to) = (from.parse::<SocketAddr>().expect("an address"), to.parse().expect("an address"));
            let bytes = udp(from, to, b"hello", 60);
            let packet = read(&bytes).expect("a packet");
            assert_eq!((packet.source, packet.destination), (from.ip(), SocketAddr::ip(&to)));
            assert_eq!(packet.transport, Transport::Udp { source_port: 53, destination_port: 4444, payload: b"hello" });
        }
    }

    /// Another implementation accepts our checksums.
    #[test]
    fn checksums_are_right() {
        let (from, to) = (Ipv4Addr::new(198, 18, 0, 1), Ipv4Addr::new(172, 17, 0, 2));
        let bytes = udp(SocketAddr::new(from.into(), 53), SocketAddr::new(to.into(), 9), b"odd", 60);
        let packet = wire::Ipv4Packet::new_checked(&bytes[..]).expect("a packet");
        assert!(packet.verify_checksum());
        let datagram = wire::UdpPacket::new_checked(packet.payload()).expect("a datagram");
        assert!(datagram.verify_checksum(&from.into(), &to.into()));
        let bytes = icmp(from.into(), to.into(), 0, b"\x00\x01\x00\x01ping!", 60);
        let packet = wire::Ipv4Packet::new_checked(&bytes[..]).expect("a packet");
        assert!(wire::Icmpv4Packet::new_checked(packet.payload()).expect("a message").verify_checksum());
        let (from, to) = ("2001:db8::1".parse().expect("v6"), "fd00:17::2".parse().expect("v6"));
        let bytes = icmp(IpAddr::V6(from), IpAddr::V6(to), 129, b"\x00\x01\x00\x01ping!", 60);
        let packet = wire::Ipv6Packet::new_checked(&bytes[..]).expect("a packet");
        let message = wire::Icmpv6Packet::new_checked(packet.payload()).expect("a message");
        assert!(message.verify_checksum(&from, &to));
    }
}
