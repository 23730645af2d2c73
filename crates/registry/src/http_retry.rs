//! When to try again.

use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, header};

/// What a client needs of time; tests pass their own.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// A clock that only goes forward.
    pub now: fn() -> Instant,
    /// Waits.
    pub sleep: fn(Duration),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "handed out here for `main` to pass down")]
        Self { now: Instant::now, sleep: std::thread::sleep }
    }
}

/// Longest pause between two tries, without `Retry-After`.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Pause before try `attempt` (the second is 1): `first`, doubled each time, of which up to a half is taken off
/// by `seed`, so that requests for different things that failed together do not come back together.
pub(crate) fn pause(first: Duration, attempt: u32, seed: &str) -> Duration {
    let whole = first.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(PAUSE_MAX);
    // FNV-1a, 32 bit.
    let hash =
        seed.bytes().fold(0x811c_9dc5_u32 ^ attempt, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    whole - whole / 2 * (hash % 1024) / 1024
}

/// What `Retry-After` asks for. A date is read against the `Date` of the same answer, so that our clock does not
/// matter. Source: RFC 9110, 10.2.3 and 5.6.7.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let after = text(header::RETRY_AFTER)?;
    if let Ok(seconds) = after.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let (then, now) = (unix_seconds(after)?, unix_seconds(text(header::DATE)?)?);
    Some(Duration::from_secs(then.saturating_sub(now)))
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`.
fn unix_seconds(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = date.split_once(", ")?.1.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let day = day.parse::<u64>().ok().filter(|day| (1..=31).contains(day))?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let year = year.parse::<u64>().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock = time.split(':').map(|part| part.parse::<u64>().ok().filter(|value| *value <= 60));
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    // Days since 1970 in the Gregorian calendar, the year beginning in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    Some(days.checked_sub(719_468)? * 86_400 + hours * 3_600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&str, &str)], expected: Option<u64>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = ureq::http::HeaderName::try_from(*name).expect("a header");
            map.insert(name, value.parse().expect("a value"));
        }
        assert_eq!(retry_after(&map), expected.map(Duration::from_secs), "{headers:?}");
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        check(&[("retry-after", "7")], Some(7));
        let date = ("date", "Mon, 29 Feb 2016 23:59:50 GMT");
        check(&[("retry-after", "Tue, 01 Mar 2016 00:00:05 GMT"), date], Some(15));
        check(&[("retry-after", "Sun, 28 Feb 2016 00:00:05 GMT"), date], Some(0));
        check(&[("retry-after", "Tue, 01 Mar 2016 00:00:05 GMT")], None);
        check(&[("retry-after", "soon"), date], None);
        assert_eq!(unix_seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(unix_seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(unix_seconds("Thu, 99 Foo 99999999999999999999 00:00:00 GMT"), None);
    }

    #[test]
    fn pauses_grow_differ_and_stay_bounded() {
        let first = Duration::from_millis(100);
        for attempt in 1..100 {
            let whole = first.saturating_mul(1 << (attempt - 1).min(16)).min(PAUSE_MAX);
            let found = pause(first, attempt, "a");
            assert!(found <= whole && found >= whole / 2, "{attempt}: {found:?}");
        }
        assert_ne!(pause(first, 1, "a"), pause(first, 1, "b"));
        assert_eq!(pause(Duration::ZERO, 3, "a"), Duration::ZERO);
    }
}
