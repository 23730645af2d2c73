//! A key at rest: sealed with a passphrase.
//!
//! The passphrase is stretched by Argon2id, the seed sealed by ChaCha20-Poly1305; role, public half and cost are bound to it, so a
//! file cannot be passed off as another role's. Files made together share a salt, so that opening them stretches once.

use std::{collections::HashMap, io};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    key::{PublicKey, SigningKey},
    secret::{Random, Secret},
};

/// Name and version of a key file.
const SCHEMA: &str = "lazaret.key/1";
/// What a file may ask of us at most: an altered one must not take the machine.
const COST_MAX: Cost = Cost { memory_kib: 1 << 20, passes: 16 };

/// What guessing a passphrase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cost {
    /// Memory.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for Cost {
    /// RFC 9106, section 4, second recommended option: 64 MiB and three passes; here with one lane.
    fn default() -> Self {
        Self { memory_kib: 1 << 16, passes: 3 }
    }
}

/// A key file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    schema: String,
    pub(super) role: String,
    public: String,
    cost: Cost,
    salt: String,
    nonce: String,
    sealed: String,
}

/// Why a key file stays closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// Not a key file, or one of a later version.
    Damaged(&'static str),
    /// Wrong passphrase, or an altered file: they cannot be told apart.
    Passphrase,
}

/// Stretches each salt once.
#[derive(Default)]
pub(super) struct Stretched(HashMap<(Vec<u8>, Cost), Zeroizing<[u8; 32]>>);

impl Stretched {
    fn key(&mut self, passphrase: &Secret, salt: &[u8], cost: Cost) -> Option<LessSafeKey> {
        let known = (salt.to_vec(), cost);
        if !self.0.contains_key(&known) {
            let parameters = argon2::Params::new(cost.memory_kib, cost.passes, 1, Some(32)).ok()?;
            let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters);
            let mut key = Zeroizing::new([0; 32]);
            argon.hash_password_into(passphrase.bytes(), salt, key.as_mut_slice()).ok()?;
            self.0.insert(known.clone(), key);
        }
        let key = self.0.get(&known)?;
        Some(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key.as_slice()).ok()?))
    }
}

impl Sealed {
    pub(super) fn seal(
        role: &str,
        key: &SigningKey,
        passphrase: &Secret,
        (salt, cost): (&[u8], Cost),
        stretched: &mut Stretched,
        random: Random<'_>,
    ) -> io::Result<Self> {
        let refused = || io::Error::other("the key cannot be sealed with these parameters");
        let mut nonce = [0; 12];
        random(&mut nonce)?;
        let mut sealed = Self {
            schema: SCHEMA.to_owned(),
            role: role.to_owned(),
            public: hex::encode(key.public().0),
            cost,
            salt: hex::encode(salt),
            nonce: hex::encode(nonce),
            sealed: String::new(),
        };
        let cipher = stretched.key(passphrase, salt, cost).ok_or_else(refused)?;
        let mut bytes = Zeroizing::new(*key.seed());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = cipher
            .seal_in_place_separate_tag(nonce, Aad::from(sealed.bound()), bytes.as_mut_slice())
            .map_err(|_| refused())?;
        sealed.sealed = hex::encode(bytes.as_slice()) + &hex::encode(tag.as_ref());
        Ok(sealed)
    }

    pub(super) fn open(&self, passphrase: &Secret, stretched: &mut Stretched) -> Result<SigningKey, Closed> {
        if self.schema != SCHEMA {
            return Err(Closed::Damaged("it is no key file of a version known here"));
        }
        if self.cost.memory_kib > COST_MAX.memory_kib || self.cost.passes > COST_MAX.passes {
            return Err(Closed::Damaged("it asks for more memory or passes than any key of ours"));
        }
        let bytes = |text: &str| hex::decode(text).map_err(|_| Closed::Damaged("it is not hex where it should be"));
        let nonce =
            <[u8; 12]>::try_from(bytes(&self.nonce)?).map_err(|_| Closed::Damaged("its nonce is not 12 bytes"))?;
        let salt = bytes(&self.salt)?;
        let cipher =
            stretched.key(passphrase, &salt, self.cost).ok_or(Closed::Damaged("its cost or salt is not possible"))?;
        let mut sealed = Zeroizing::new(bytes(&self.sealed)?);
        let opened = cipher
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(self.bound()), sealed.as_mut_slice())
            .map_err(|_| Closed::Passphrase)?;
        let seed = <[u8; 32]>::try_from(&*opened).map_err(|_| Closed::Damaged("its key is not 32 bytes"))?;
        let key = SigningKey::from_seed(Zeroizing::new(seed)).ok_or(Closed::Damaged("it holds no key"))?;
        if hex::encode(key.public().0) != self.public {
            return Err(Closed::Damaged("its halves do not belong together"));
        }
        Ok(key)
    }

    /// Whether it says it holds the other half of `public`.
    pub(super) fn is(&self, public: &PublicKey) -> bool {
        self.public == hex::encode(public.0)
    }

    /// What the seal covers besides the seed.
    fn bound(&self) -> Vec<u8> {
        let Self { schema, role, public, cost, salt, .. } = self;
        format!("{schema}\n{role}\n{public}\n{} {}\n{salt}", cost.memory_kib, cost.passes).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Cost = Cost { memory_kib: 64, passes: 1 };

    fn sealed() -> Sealed {
        let key = SigningKey::from_seed(Zeroizing::new([7; 32])).expect("a key");
        let mut random = |bytes: &mut [u8]| {
            bytes.fill(9);
            Ok(())
        };
        let passphrase = Secret::new("right".to_owned());
        Sealed::seal("log", &key, &passphrase, (&[1; 16], QUICK), &mut Stretched::default(), &mut random)
            .expect("seals")
    }

    fn open(sealed: &Sealed, passphrase: &str) -> Result<[u8; 32], Closed> {
        sealed.open(&Secret::new(passphrase.to_owned()), &mut Stretched::default()).map(|key| *key.seed())
    }

    #[test]
    fn only_the_passphrase_opens_it_and_only_as_it_was() {
        let good = sealed();
        assert_eq!(open(&good, "right"), Ok([7; 32]));
        assert_eq!(open(&good, "wrong"), Err(Closed::Passphrase));
        assert_eq!(open(&Sealed { role: "targets".to_owned(), ..good.clone() }, "right"), Err(Closed::Passphrase));
        let cheaper = Cost { memory_kib: 32, passes: 1 };
        assert_eq!(open(&Sealed { cost: cheaper, ..good.clone() }, "right"), Err(Closed::Passphrase));
        let greedy = Cost { memory_kib: u32::MAX, passes: 1 };
        assert!(matches!(open(&Sealed { cost: greedy, ..good.clone() }, "right"), Err(Closed::Damaged(_))));
        let json = serde_json::to_string(&good).expect("JSON");
        assert!(!json.contains(&hex::encode([7; 32])), "the seed is not in it");
    }
}
