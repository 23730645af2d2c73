//! An image that cannot exist and that every door refuses: asking for it shows whether a door was asked at all, and whether its
//! answer was the last word. No listed image is needed, and none can be pulled by asking.

use model::Digest;

/// The repository it would be in.
pub const REPOSITORY: &str = "lazaret/gate-canary";

/// What every refusal of it says.
pub const WORDS: &str = "lazaret gate canary: this door is asked";

/// Its digest: that of a line which is no manifest.
#[must_use]
pub fn digest() -> Digest {
    Digest::of(b"lazaret gate canary\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_digest_never_changes() {
        let words = "sha256:199dc28d";
        assert!(digest().to_string().starts_with(words), "{}", digest());
    }
}
