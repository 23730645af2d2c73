//! Comparing the date an image claims with the one a hunt asks for.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Whether `created` (RFC 3339, the author's claim) is a date before `since` (seconds since 1970). No date, or one that
/// cannot be read, is not older: an author must not leave a hunt by leaving out a date.
pub(crate) fn is_older(created: Option<&str>, since: u64) -> bool {
    let date = created.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    date.is_some_and(|date| date.unix_timestamp() > 0 && i128::from(date.unix_timestamp()) < i128::from(since))
}

#[cfg(test)]
mod tests {
    use super::is_older;

    #[test]
    fn only_a_real_earlier_date_is_older() {
        let since = 1_700_000_000;
        assert!(is_older(Some("2022-02-24T04:00:00.123456789Z"), since));
        assert!(is_older(Some("2022-02-24T04:00:00+03:00"), since));
        assert!(!is_older(Some("2025-01-01T00:00:00Z"), since));
        // Reproducible builds say 1970: that is no date.
        assert!(!is_older(Some("1970-01-01T00:00:00Z"), since));
        assert!(!is_older(Some("0001-01-01T00:00:00Z"), since));
        assert!(!is_older(Some("yesterday"), since));
        assert!(!is_older(None, since));
    }
}
