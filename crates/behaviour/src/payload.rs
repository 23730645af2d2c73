//! The first bytes of what was written or sent, as events keep them.

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::STANDARD_NO_PAD};

/// How many payloads one behaviour decodes in one run: the first ones. More are a flood, which others judge.
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(2_048)
    }

    /// Whether one more may be decoded.
    pub(crate) fn spend(&mut self) -> bool {
        self.0 = self.0.saturating_sub(1);
        self.0 > 0
    }
}

/// The bytes of a `head`; empty if it is no base64.
pub(crate) fn bytes(head: &str) -> Vec<u8> {
    STANDARD.decode(head).or_else(|_| STANDARD_NO_PAD.decode(head.trim_end_matches(['=', '…']))).unwrap_or_default()
}

/// The same as text.
pub(crate) fn text(head: &str) -> String {
    String::from_utf8_lossy(&bytes(head)).into_owned()
}

/// The same, with what is base64 in it decoded and put behind: one level.
pub(crate) fn text_and_decoded(head: &str) -> String {
    const RUN_BYTES_MIN: usize = 24;
    let mut text = text(head);
    let is_base64 = |character: char| character.is_ascii_alphanumeric() || matches!(character, '+' | '/');
    let runs: Vec<String> = text
        .split(|character| !is_base64(character))
        .filter(|run| run.len() >= RUN_BYTES_MIN)
        .map(|run| self::text(run.get(..run.len() / 4 * 4).unwrap_or_default()))
        .collect();
    for run in runs {
        text.push('\n');
        text.push_str(&run);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_level_is_decoded() {
        let inner = STANDARD.encode("PATH=/usr/bin\nHOME=/root\n");
        let head = STANDARD.encode(format!("data={inner}"));
        assert!(text_and_decoded(&head).contains("HOME=/root"));
        assert_eq!(text("not base64 at all!"), "");
    }
}
