//! Dates as feeds write them.

/// Seconds since 1970 of `YYYY-MM-DD`, with ` HH:MM:SS` or `THH:MM:SS…` behind it or nothing, taken as UTC.
///
/// Source of the calendar arithmetic: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let number = |start: usize, end: usize| -> Option<i64> {
        let digits = text.get(start..end)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let separated = text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    if !separated || !(1..=12).contains(&month) || !(1..=31).contains(&day) || year < 1970 {
        return None;
    }
    let of_day = match text.get(10..11) {
        None => 0,
        Some(" " | "T") => {
            let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19).unwrap_or(0));
            if hour > 23 || minute > 59 || second > 60 {
                return None;
            }
            hour * 3_600 + minute * 60 + second
        }
        Some(_) => return None,
    };
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    u64::try_from(days * 86_400 + of_day).ok()
}

/// `YYYY-MM-DD`.
pub(crate) fn day(seconds: u64) -> String {
    let shifted = seconds / 86_400 + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures are those of `date -u -d TEXT +%s`.
    #[test]
    fn known_dates_hold_both_ways() {
        for (text, known) in [
            ("2000-02-29 12:34:56", Some(951_827_696)),
            ("2026-11-23T04:18:37Z", Some(1_795_407_517)),
            ("2026-11-23", Some(1_795_392_000)),
            ("2026-13-01", None),
            ("1969-12-31", None),
            ("yesterday", None),
            ("2026-11-2ä", None),
        ] {
            assert_eq!(seconds(text), known, "{text}");
        }
        assert_eq!(day(1_795_407_517), "2026-11-23");
        assert_eq!(day(951_827_696), "2000-02-29");
    }
}
