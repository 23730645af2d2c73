//! SSH up to the exchange of keys: records what the client is. There is no encryption behind it, so no credential is ever seen: the client is
//! refused at the point where it would have to trust us.
//!
//! The client's offer is recorded as HASSH: MD5 of its lists of key exchanges, ciphers, sums and compressions.
//! Source: RFC 4253, sections 4.2, 6 and 7.1; salesforce/hassh, README.

use md5::{Digest as _, Md5};

use super::super::service::{Kind, Service, Talk, line};

pub(in super::super) const KIND: Kind = Kind {
    name: "ssh",
    ports: &[22, 222, 2022, 2222, 22222],
    greets: true,
    insists: true,
    knows: |first| first.starts_with(b"SSH-"),
    open: || Box::new(Server::default()),
};

const BANNER: &str = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n";
/// Longest identification (RFC 4253, 4.2) and packet (6.1).
const BANNER_BYTES_MAX: usize = 255;
const PACKET_BYTES_MAX: usize = 35_000;
const KEXINIT: u8 = 20;
/// What we offer: the choice of Debian 12, shortened.
const LISTS: [&str; 10] = [
    "curve25519-sha256,ecdh-sha2-nistp256,diffie-hellman-group14-sha256",
    "ssh-ed25519,rsa-sha2-512",
    "chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr",
    "chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr",
    "hmac-sha2-256,hmac-sha2-512",
    "hmac-sha2-256,hmac-sha2-512",
    "none",
    "none",
    "",
    "",
];

#[derive(Default)]
struct Server {
    greeted: bool,
    introduced: bool,
}

impl Service for Server {
    fn begin(&mut self, talk: &mut Talk<'_>) {
        if !self.greeted {
            self.greeted = true;
            talk.say(BANNER);
        }
    }

    fn read(&mut self, input: &mut Vec<u8>, talk: &mut Talk<'_>) {
        self.begin(talk);
        if !self.introduced {
            let Some(banner) = line(input, BANNER_BYTES_MAX) else { return };
            self.introduced = true;
            talk.message("ssh", &banner);
            talk.login("ssh", "", "", false);
            talk.say(offer());
        }
        let Some(length) = input.first_chunk().map(|length| u32::from_be_bytes(*length) as usize) else { return };
        if length > PACKET_BYTES_MAX {
            *talk.close = true;
        } else if let Some(packet) = input.get(4..4 + length) {
            match hassh(packet) {
                Some(hassh) => talk.message("ssh", &format!("hassh {hassh}")),
                // The exchange itself: as far as we go.
                None => *talk.close = true,
            }
            input.drain(..4 + length);
        }
    }
}

/// Our KEXINIT as a packet.
fn offer() -> Vec<u8> {
    let mut payload = vec![KEXINIT];
    payload.extend_from_slice(&[0x5a; 16]);
    for list in LISTS {
        payload.extend_from_slice(&(list.len() as u32).to_be_bytes());
        payload.extend_from_slice(list.as_bytes());
    }
    payload.extend_from_slice(&[0; 5]);
    // Length, padding's length, payload and padding are a multiple of eight, at least four of them padding.
    let padding = 4 + (8 - (payload.len() + 9) % 8) % 8;
    let mut packet = ((payload.len() + 1 + padding) as u32).to_be_bytes().to_vec();
    packet.push(padding as u8);
    packet.extend_from_slice(&payload);
    packet.resize(packet.len() + padding, 0);
    packet
}

/// The fingerprint of a client's KEXINIT; none for another packet.
fn hassh(packet: &[u8]) -> Option<String> {
    let mut rest = packet.strip_prefix(&[*packet.first()?, KEXINIT])?.get(16..)?;
    let mut lists = Vec::new();
    for _ in 0..8 {
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        lists.push(rest.get(4..4_usize.checked_add(length)?)?);
        rest = rest.get(4 + length..)?;
    }
    let [kex, _, cipher, _, sum, _, compression, _] = lists[..] else { return None };
    Some(hex::encode(Md5::digest([kex, cipher, sum, compression].join(&b';'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_offer_is_a_packet() {
        let packet = offer();
        assert_eq!(packet.len() % 8, 0);
        assert_eq!(u32::from_be_bytes(packet[..4].try_into().expect("four")) as usize, packet.len() - 4);
        assert_eq!(hassh(&packet[4..]).map(|hassh| hassh.len()), Some(32));
        for length in 0..60 {
            assert_eq!(hassh(&packet[4..4 + length]), None);
        }
    }

    #[test]
    fn a_client_is_recorded_up_to_the_keys() {
        use crate::internet::testing::{ask, connect, run};
        let (events, _) = run(|_| {
            let mut server = connect("203.0.113.7:22");
            ask(&mut server, "", "SSH-2.0-OpenSSH");
            ask(&mut server, "SSH-2.0-libssh2_1.10.0\r\n", "curve25519");
            std::io::Write::write_all(&mut server, &offer()).expect("sends");
            std::thread::sleep(std::time::Duration::from_millis(50));
        });
        let said = |start: &str| {
            events.iter().any(|event| matches!(event, model::What::Message { text, .. } if text.starts_with(start)))
        };
        assert!(said("SSH-2.0-libssh2") && said("hassh "), "{events:#?}");
    }
}
