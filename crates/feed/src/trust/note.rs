//! Signed notes, checkpoints and cosignatures.
//!
//! Source: C2SP signed-note, tlog-checkpoint, tlog-cosignature (Ed25519). Notes have at most 64 KiB and 64 signatures.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Digest;

use super::key::{PublicKey, SIGNATURE_BYTES, SigningKey};

/// Longest note.
pub const NOTE_BYTES_MAX: usize = 1 << 16;
const SIGNATURES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 200;

/// Whether a key may be called so.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(fits)
}

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The text: a log.
    Log = 1,
    /// The text and a time: a witness.
    Witness = 4,
}

/// A verifier key: `NAME+ID+KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    /// Whose.
    pub name: String,
    /// What it signs.
    pub kind: Kind,
    /// The key.
    pub key: PublicKey,
}

impl VerifierKey {
    /// Of a log.
    #[must_use]
    pub fn of_log(name: &str, key: PublicKey) -> Self {
        Self { name: name.to_owned(), kind: Kind::Log, key }
    }

    /// Of a witness.
    #[must_use]
    pub fn of_witness(name: &str, key: PublicKey) -> Self {
        Self { name: name.to_owned(), kind: Kind::Witness, key }
    }

    /// First four bytes of the SHA-256 of name, kind and key.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let bytes = [self.name.as_bytes(), &[b'\n', self.kind as u8], &self.key.0].concat();
        let [a, b, c, d, ..] = *Digest::of(&bytes).as_bytes();
        [a, b, c, d]
    }

    fn line(&self, signature: &[u8]) -> String {
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode([self.id().as_slice(), signature].concat()))
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[self.kind as u8], self.key.0.as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, hex::encode(self.id()))
    }
}

impl FromStr for VerifierKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{text:?} is no verifier key (NAME+ID+KEY): {what}");
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("it has not three parts"));
        };
        let bytes = STANDARD.decode(key).map_err(|_| wrong("the key is not base64"))?;
        let (kind, key) = match bytes.split_first() {
            Some((1, key)) => (Kind::Log, key),
            Some((4, key)) => (Kind::Witness, key),
            _ => return Err(wrong("only Ed25519 logs (1) and witnesses (4) are known")),
        };
        let key = PublicKey(key.try_into().map_err(|_| wrong("the key is not 32 bytes"))?);
        let parsed = Self { name: name.to_owned(), kind, key };
        if !is_name(name) || hex::encode(parsed.id()) != id {
            return Err(wrong("name and ID do not belong to the key"));
        }
        Ok(parsed)
    }
}

/// Why a note is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is not one.
    #[error("it is no signed note: {0}")]
    Malformed(&'static str),
    /// There is no signature of this key.
    #[error("{name} has not signed it")]
    Unsigned {
        /// Whose signature is missing.
        name: String,
    },
    /// There is one, and it is wrong.
    #[error("the signature of {name} is wrong")]
    WrongSignature {
        /// Whose.
        name: String,
    },
}

/// A note: nothing is believed before [`Note::verified_by`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    /// With its last line end.
    pub text: &'a str,
    /// Name, key id, signature.
    signatures: Vec<(&'a str, [u8; 4], Vec<u8>)>,
}

impl<'a> Note<'a> {
    /// Takes it apart.
    ///
    /// # Errors
    ///
    /// [`NoteError::Malformed`].
    pub fn parse(note: &'a str) -> Result<Self, NoteError> {
        let wrong = NoteError::Malformed;
        if note.len() > NOTE_BYTES_MAX {
            return Err(wrong("it is too long"));
        }
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(wrong("it has control characters"));
        }
        let end = note.rfind("\n\n").ok_or_else(|| wrong("it has no signatures"))?;
        let (text, lines) = note.split_at(end + 1);
        let lines = lines.strip_prefix('\n').unwrap_or_default();
        if lines.is_empty() || !lines.ends_with('\n') {
            return Err(wrong("it is cut short"));
        }
        let signatures = lines.lines().take(SIGNATURES_MAX + 1).map(|line| {
            let (name, packet) = line.strip_prefix("\u{2014} ").and_then(|line| line.split_once(' '))?;
            let bytes = STANDARD.decode(packet).ok()?;
            let (id, signature) = bytes.split_first_chunk()?;
            is_name(name).then(|| (name, *id, signature.to_vec()))
        });
        let signatures: Vec<_> =
            signatures.collect::<Option<_>>().ok_or_else(|| wrong("a signature line is not one"))?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(wrong("it has too many signatures"));
        }
        Ok(Self { text, signatures })
    }

    /// Whether `key` signed it; of a witness the time it did, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`NoteError::Unsigned`], [`NoteError::WrongSignature`].
    pub fn verified_by(&self, key: &VerifierKey) -> Result<Option<u64>, NoteError> {
        let name = || key.name.clone();
        let mut by = self.signatures.iter().filter(|(name, id, _)| *name == key.name && *id == key.id());
        let (_, _, signature) = by.next().ok_or_else(|| NoteError::Unsigned { name: name() })?;
        let wrong = || NoteError::WrongSignature { name: name() };
        match key.kind {
            Kind::Log => {
                let good = key.key.verifies(self.text.as_bytes(), signature);
                good.then_some(None).ok_or_else(wrong)
            }
            Kind::Witness => {
                let (time, signature) = signature.split_first_chunk().ok_or_else(wrong)?;
                let time = u64::from_be_bytes(*time);
                let good = key.key.verifies(cosigned(self.text, time).as_bytes(), signature);
                good.then_some(Some(time)).ok_or_else(wrong)
            }
        }
    }
}

fn cosigned(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// A witness's signature line on a checkpoint's text, at `time`.
#[must_use]
pub fn cosign(text: &str, name: &str, key: &SigningKey, time: u64) -> String {
    let signature: [u8; SIGNATURE_BYTES] = key.sign(cosigned(text, time).as_bytes());
    VerifierKey::of_witness(name, key.public()).line(&[time.to_be_bytes().as_slice(), &signature].concat())
}

/// State of a log: its origin, how many leaves it has, and their root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Digest,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.as_bytes()))
    }

    /// The note, signed by the log.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        let text = self.text();
        let line = VerifierKey::of_log(&self.origin, key.public()).line(&key.sign(text.as_bytes()));
        format!("{text}\n{line}")
    }

    /// Reads the text; lines after the third are extensions and left alone.
    ///
    /// # Errors
    ///
    /// [`NoteError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.lines();
        let origin =
            lines.next().filter(|origin| !origin.is_empty()).ok_or(NoteError::Malformed("it has no origin"))?;
        let size = lines.next().and_then(decimal).ok_or(NoteError::Malformed("it has no size"))?;
        let root = lines.next().and_then(|root| STANDARD.decode(root).ok()).and_then(|root| root.try_into().ok());
        let root = root.map(Digest::from_bytes).ok_or(NoteError::Malformed("it has no root"))?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

/// A decimal without leading zeros, below 2^63.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|number| plain && *number < 1 << 63)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(Zeroizing::new([seed; 32])).expect("a key")
    }

    /// Source: C2SP signed-note, "Example".
    #[test]
    fn the_example_of_the_specification_verifies() {
        let vkey: VerifierKey =
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".parse().expect("a key");
        let note = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
        assert_eq!(Note::parse(note).expect("a note").verified_by(&vkey), Ok(None));
        assert_eq!(vkey.to_string().parse(), Ok(vkey.clone()));
        let altered = note.replace("example message", "altered message");
        let wrong = Err(NoteError::WrongSignature { name: vkey.name.clone() });
        assert_eq!(Note::parse(&altered).expect("a note").verified_by(&vkey), wrong);
    }

    #[test]
    fn a_checkpoint_carries_the_log_and_its_witnesses() {
        let checkpoint = Checkpoint { origin: "feed.test".to_owned(), size: 7, root: Digest::of(b"root") };
        let note = checkpoint.sign(&key(1)) + &cosign(&checkpoint.text(), "witness.test/w", &key(2), 1_764_000_000);
        let parsed = Note::parse(&note).expect("a note");
        assert_eq!(Checkpoint::parse(parsed.text), Ok(checkpoint));
        assert_eq!(parsed.verified_by(&VerifierKey::of_log("feed.test", key(1).public())), Ok(None));
        let witness = VerifierKey::of_witness("witness.test/w", key(2).public());
        assert_eq!(parsed.verified_by(&witness), Ok(Some(1_764_000_000)));
        let stranger = VerifierKey::of_log("feed.test", key(3).public());
        assert!(matches!(parsed.verified_by(&stranger), Err(NoteError::Unsigned { .. })));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let good = Checkpoint { origin: "feed.test".to_owned(), size: 7, root: Digest::of(b"root") }.sign(&key(1));
        for cut in 0..good.len() {
            if let Some(short) = good.get(..cut) {
                assert!(Note::parse(short).is_err(), "{cut}");
            }
        }
        let many = good.clone() + &good.lines().last().map(|line| format!("{line}\n")).expect("a line").repeat(64);
        assert_eq!(Note::parse(&many), Err(NoteError::Malformed("it has too many signatures")));
        assert!(Note::parse(&good.replace("feed.test\n7", "feed.test\r\n7")).is_err());
        for size in ["07", "-1", "+7", "", "9223372036854775808"] {
            assert!(Checkpoint::parse(&format!("a\n{size}\n{}\n", STANDARD.encode([0; 32]))).is_err(), "{size}");
        }
    }
}
