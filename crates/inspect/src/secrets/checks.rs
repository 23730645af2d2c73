//! Tests of a token's own structure: they need no network and drop what only looks like one.

use base64::{
    Engine as _,
    engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig},
    engine::{DecodePaddingMode, general_purpose::NO_PAD},
};
use bech32::{Bech32, primitives::decode::CheckedHrpstring};
use serde::Deserialize;

use crate::{detectors::looks_random, secret};

/// What a rule may ask of a token.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    /// Behind the last `_`: random characters, and their CRC-32 as six base62 digits (GitHub, npm).
    #[serde(rename = "crc32-base62")]
    Crc32Base62,
    /// Bech32 of BIP 173 (age).
    Bech32,
    /// Header and payload are JSON objects, and the header names an algorithm. Whether it has expired is not asked:
    /// nobody knows the time here, and what made it may still be at work.
    Jwt,
    /// Base64 of exactly 32 bytes that look drawn at random.
    #[serde(rename = "base64-32")]
    Base64Of32,
    /// Base64 of exactly 64 bytes that look drawn at random.
    #[serde(rename = "base64-64")]
    Base64Of64,
    /// Holds base64 of a JSON object behind its prefix.
    Base64Json,
    /// A signature of a shared access signature: base64 of 32 bytes, `%2B` and the like decoded.
    AzureSas,
    /// The password of a URL or connection string that is not one everybody knows, of a host that is not an example.
    Password,
    /// Base64 of `user:password`.
    BasicLogin,
    /// Letters and digits both, and not a word or a hash with a name before it.
    Mixed,
    /// A UUID that is no constant: its digits differ.
    Uuid,
}

/// What a check says.
pub(super) enum Verdict {
    /// It cannot be one.
    Wrong,
    /// A checksum is right.
    Certain,
    /// Its structure is right; what was read from it, to be shown.
    Right(String),
    /// The check has no opinion.
    Unknown,
}

/// Standard alphabet, padding as it comes.
const STANDARD: GeneralPurpose = engine(&base64::alphabet::STANDARD);
const URL_SAFE: GeneralPurpose = engine(&base64::alphabet::URL_SAFE);

const fn engine(alphabet: &base64::alphabet::Alphabet) -> GeneralPurpose {
    let lenient: GeneralPurposeConfig =
        NO_PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(alphabet, lenient)
}

impl Check {
    /// Judges `token`, the secret of the match `matched`.
    pub(super) fn verdict(self, token: &[u8], matched: &[u8]) -> Verdict {
        let Ok(token) = std::str::from_utf8(token) else { return Verdict::Wrong };
        let matched = String::from_utf8_lossy(matched);
        let certain = |holds| if holds { Verdict::Certain } else { Verdict::Wrong };
        let right = |holds| if holds { Verdict::Right(String::new()) } else { Verdict::Wrong };
        match self {
            Self::Crc32Base62 => certain(has_crc32(token)),
            Self::Bech32 => certain(CheckedHrpstring::new::<Bech32>(token).is_ok()),
            Self::Jwt => jwt(token).map_or(Verdict::Wrong, Verdict::Right),
            Self::Base64Of32 => right(is_random_base64(token, 32)),
            Self::Base64Of64 => right(is_random_base64(token, 64)),
            Self::Base64Json => right(has_json(token)),
            Self::AzureSas => right(is_random_base64(&percent_decoded(token), 32)),
            Self::Password => right(looks_random(&percent_decoded(token)) && !names_example(&matched)),
            Self::BasicLogin => right(basic_login(token)),
            Self::Mixed => {
                let has = |class: fn(&u8) -> bool| token.as_bytes().iter().any(class);
                if has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic) { Verdict::Unknown } else { Verdict::Wrong }
            }
            Self::Uuid => {
                let digits: Vec<u8> = token.bytes().filter(u8::is_ascii_hexdigit).collect();
                if secret::entropy(&digits) >= 2.8 { Verdict::Unknown } else { Verdict::Wrong }
            }
        }
    }
}

fn has_crc32(token: &str) -> bool {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some((_, body)) = token.rsplit_once('_') else { return false };
    let Some((random, checksum)) = body.len().checked_sub(6).and_then(|at| body.split_at_checked(at)) else {
        return false;
    };
    let value = checksum.bytes().try_fold(0u64, |value, digit| {
        let digit = DIGITS.iter().position(|&known| known == digit)?;
        Some(value * 62 + digit as u64)
    });
    value == Some(u64::from(crc32(random.as_bytes())))
}

/// CRC-32 of IEEE 802.3, a bit at a time: thirty bytes need no table.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// The algorithm, and the issuer if it is named.
fn jwt(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let mut object = || {
        let json = URL_SAFE.decode(parts.next()?).ok()?;
        json.trim_ascii().starts_with(b"{").then_some(json)
    };
    let (header, payload) = (object()?, object()?);
    let algorithm = text_field(&header, "alg")?;
    let issuer = text_field(&payload, "iss").map(|issuer| format!(", issued by {}", short(&issuer)));
    Some(format!("({}{})", short(&algorithm), issuer.unwrap_or_default()))
}

/// A field's value for people, if it is no secret itself.
fn short(value: &str) -> String {
    if value.bytes().filter(u8::is_ascii_digit).count() > 8 {
        return secret::redacted(value);
    }
    model::text::shortened(value, 48).into_owned()
}

/// The value of the string field `name` of JSON, without reading the rest.
fn text_field(json: &[u8], name: &str) -> Option<String> {
    let key = format!("\"{name}\"");
    let behind = json.get(memchr::memmem::find(json, key.as_bytes())? + key.len()..)?;
    let value = behind.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let value = value.get(..memchr::memchr(b'"', value)?)?;
    std::str::from_utf8(value).ok().map(str::to_owned)
}

fn is_random_base64(token: &str, bytes: usize) -> bool {
    let decoded = STANDARD.decode(token).or_else(|_| URL_SAFE.decode(token));
    decoded.is_ok_and(|decoded| decoded.len() == bytes && secret::entropy(&decoded) >= 4.0)
}

/// JSON objects begin with `{"`, in base64 `eyJ`.
fn has_json(token: &str) -> bool {
    let Some(json) = token.find("eyJ").and_then(|at| token.get(at..)) else { return false };
    let end = json.find(|char: char| !(char.is_ascii_alphanumeric() || "+/-_=".contains(char))).unwrap_or(json.len());
    // Groups of four: what follows the object in the same run must not spoil it.
    let whole = json.get(..end.min(1024) / 4 * 4).unwrap_or_default();
    let decoded = STANDARD.decode(whole).or_else(|_| URL_SAFE.decode(whole)).unwrap_or_default();
    let starts = decoded.starts_with(b"{\"");
    starts && decoded.iter().skip(2).take(24).all(|byte| byte.is_ascii_graphic() || *byte == b' ')
}

fn percent_decoded(token: &str) -> String {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = (byte == b'%').then(|| tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok())).flatten();
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Hosts that documents use, and this machine.
fn names_example(text: &str) -> bool {
    const NAMES: &[&str] = &[
        "example",
        "localhost",
        "127.0.0.1",
        "0.0.0.0",
        "[::1]",
        "yourhost",
        "hostname",
        "@host",
        "=host",
        "foo",
        "mydomain",
        "@server",
        "test",
    ];
    let lower = text.to_ascii_lowercase();
    NAMES.iter().any(|name| lower.contains(name))
}

fn basic_login(token: &str) -> bool {
    let decoded = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let login = decoded.as_deref().and_then(|text| text.split_once(':'));
    login.is_some_and(|(user, password)| user.bytes().all(|byte| byte.is_ascii_graphic()) && looks_random(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(check: Check, token: &str) -> bool {
        !matches!(check.verdict(token.as_bytes(), token.as_bytes()), Verdict::Wrong)
    }

    #[test]
    fn crc32_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_json_web_token_has_a_header_and_a_payload() {
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let token = |header: &str, payload: &str| format!("{}.{}.sig", encode(header), encode(payload));
        assert_eq!(
            jwt(&token(r#"{"alg":"RS256"}"#, r#"{"iss":"ci","exp":1}"#)).as_deref(),
            Some("(RS256, issued by ci)")
        );
        assert_eq!(jwt(&token(r#"{"alg":"RS256"}"#, "[]")), None);
        assert_eq!(jwt(&token(r#"{"typ":"x"}"#, "{}")), None);
    }

    #[test]
    fn structures_are_told_from_what_only_looks_so() {
        let bytes: Vec<u8> = (0..64).map(|byte: u8| byte.wrapping_mul(37)).collect();
        assert!(
            holds(Check::Base64Of64, &STANDARD.encode(&bytes)) && !holds(Check::Base64Of32, &STANDARD.encode(&bytes))
        );
        assert!(!holds(Check::Base64Of64, &STANDARD.encode([7; 64])));
        let signature = STANDARD.encode(&bytes[..32]).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        assert!(holds(Check::AzureSas, &signature));
        assert!(holds(Check::Base64Json, &format!("ops_{}", STANDARD.encode(r#"{"signInAddress":"x"}"#))));
        assert!(!holds(Check::Base64Json, "ops_eyJ9rhpn0WODwSboo"));
        assert!(holds(Check::BasicLogin, &STANDARD.encode("ci:h7Gq2Lx9Vb4Nw1Zs")));
        assert!(!holds(Check::BasicLogin, &STANDARD.encode("user:password")));
        assert!(!holds(Check::Uuid, "00000000-0000-0000-0000-000000000000"));
        assert!(holds(Check::Mixed, "a1") && !holds(Check::Mixed, "abc"));
    }
}
