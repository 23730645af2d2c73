//! UUIDs that follow from a name, so that two builds of one state are byte-equal.

use std::fmt;

use sha1::{Digest as _, Sha1};

/// What the UUIDs of all feeds descend from: itself made at random, once.
const ROOT: Uuid =
    Uuid([0x6b, 0x1f, 0x0e, 0x52, 0x9c, 0x3d, 0x4a, 0x7e, 0xb8, 0x21, 0x57, 0xd4, 0xc0, 0x6a, 0x93, 0xe5]);

/// A UUID; shown in lower case with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Uuid([u8; 16]);

impl Uuid {
    /// The namespace of the feed that is served at `base_url`.
    pub(crate) fn feed(base_url: &str) -> Self {
        ROOT.name(base_url)
    }

    /// Version 5: of `name` in the namespace `self`. Source: RFC 9562, section 5.5.
    pub(crate) fn name(self, name: &str) -> Self {
        let hash: [u8; 20] = Sha1::new().chain_update(self.0).chain_update(name).finalize().into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        bytes[6] = bytes[6] & 0x0f | 0x50;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = hex::encode(self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl std::str::FromStr for Uuid {
    type Err = ();

    /// As it is shown.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text.replace('-', ""), &mut bytes).map_err(|_| ())?;
        Some(Self(bytes)).filter(|uuid| uuid.to_string() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::Uuid;

    /// Source: RFC 9562, appendix A.4: `www.example.com` in the DNS namespace.
    #[test]
    fn the_example_of_the_standard_holds() {
        let dns =
            Uuid([0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8]);
        let name = dns.name("www.example.com");
        assert_eq!(name.to_string(), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
        assert_eq!(name.to_string().parse(), Ok(name));
        assert_eq!("2ED6657D-e927-568b-95e1-2665a8aea6a2".parse::<Uuid>(), Err(()));
    }
}
