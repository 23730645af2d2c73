//! Ed25519 keys, and how TUF names them.

use std::fmt;

use model::Digest;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::canonical::canonical;

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// The half that is published.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// Whether its owner signed `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }

    /// As TUF writes it.
    pub(crate) fn tuf(&self) -> Value {
        json!({ "keytype": "ed25519", "keyval": { "public": hex::encode(self.0) }, "scheme": "ed25519" })
    }

    /// As TUF names it: the SHA-256 of [`PublicKey::tuf`].
    pub(crate) fn id(&self) -> String {
        Digest::of(&canonical(&self.tuf()).unwrap_or_default()).hex()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The half that is kept. Its seed is overwritten when dropped.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; 32]>,
}

impl SigningKey {
    /// From 32 random bytes. None never happens: every seed is a key.
    #[must_use]
    pub fn from_seed(seed: Zeroizing<[u8; 32]>) -> Option<Self> {
        Some(Self { pair: Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).ok()?, seed })
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The other half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(self.pair.public_key().as_ref()).for_each(|(to, from)| *to = *from);
        PublicKey(bytes)
    }

    /// Signs; equal messages give equal signatures.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let mut bytes = [0; SIGNATURE_BYTES];
        bytes.iter_mut().zip(self.pair.sign(message).as_ref()).for_each(|(to, from)| *to = *from);
        bytes
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {:?})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: RFC 8032, section 7.1, test 2.
    #[test]
    fn it_signs_as_the_standard_says() {
        let seed = hex::decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").expect("hex");
        let key = SigningKey::from_seed(Zeroizing::new(seed.try_into().expect("32 bytes"))).expect("a key");
        let signature = key.sign(&[0x72]);
        assert!(hex::encode(signature).starts_with("92a009a9f0d4cab8720e820b5f642540"));
        assert!(key.public().verifies(&[0x72], &signature));
        assert!(!key.public().verifies(&[0x73], &signature));
        assert!(!key.public().verifies(&[0x72], &signature[..63]));
        assert!(!format!("{key:?}").contains("4ccd"), "the seed is not shown");
    }
}
