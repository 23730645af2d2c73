//! Dates in and out: seconds since 1970 (UTC) and RFC 3339. No leap seconds, as POSIX time has none.

/// `2026-11-23T04:18:37Z` for seconds since 1970.
///
/// Source of the calendar arithmetic: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
#[must_use]
pub fn shown(seconds: u64) -> String {
    // 9999-12-31T23:59:59Z: beyond it RFC 3339 has no words.
    let seconds = seconds.min(253_402_300_799);
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Seconds since 1970 of `YYYY-MM-DD` (its first second, UTC) or an RFC 3339 date and time.
///
/// # Errors
///
/// One line that says what would be right; also for a day the calendar does not have and for dates before 1970.
pub fn parse(text: &str) -> Result<u64, String> {
    seconds(text).ok_or_else(|| {
        format!("{text:?} is no date: write YYYY-MM-DD or RFC 3339, as in 2026-01-31 or 2026-01-31T12:00:00Z")
    })
}

fn seconds(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > days_of_month {
        return None;
    }
    let days = days_from_civil(year, month, day);
    let of_day = time.map_or(Some(0), seconds_of_day)?;
    u64::try_from(days * 86_400 + of_day).ok()
}

/// `HH:MM:SS[.fraction](Z|±HH:MM)`.
fn seconds_of_day(time: &str) -> Option<i64> {
    let (clock, offset) = if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        (clock, 0)
    } else {
        let at = time.rfind(['+', '-'])?;
        let [hours, minutes] = numbers(time.get(at + 1..)?, ':', [2, 2])?;
        let east = if time.get(at..=at)? == "+" { 1 } else { -1 };
        if hours > 23 || minutes > 59 {
            return None;
        }
        (time.get(..at)?, east * (hours * 3_600 + minutes * 60))
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let valid = hour < 24 && minute < 60 && second <= 60 && !fraction.is_empty();
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    (valid && digits).then_some(hour * 3_600 + minute * 60 + second - offset)
}

/// Exactly `N` unsigned numbers of the given widths.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut values = [0; N];
    for (value, width) in values.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *value = part.parse().ok()?;
    }
    parts.next().is_none().then_some(values)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates_hold_both_ways() {
        // The figures are those of `date -u -d TEXT +%s`.
        let known = [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:34:56Z", 951_827_696),
            ("2026-11-23T04:18:37Z", 1_795_407_517),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ];
        for (text, seconds) in known {
            assert_eq!(shown(seconds), text);
            assert_eq!(parse(text), Ok(seconds), "{text}");
        }
        assert_eq!(parse("2000-02-29"), Ok(951_782_400));
        assert_eq!(parse("2000-02-29T13:34:56.25+01:00"), Ok(951_827_696));
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in 0..146_097 {
            let seconds = day * 86_400;
            assert_eq!(parse(&shown(seconds)), Ok(seconds));
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-29",
            "2026-1-1",
            "1969-12-31",
            "2026-01-01T",
            "2026-01-01T25:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00+ä",
            "+026-01-01",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
