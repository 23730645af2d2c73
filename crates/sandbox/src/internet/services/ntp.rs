//! NTP: the sample's own date, so that asking the network for the time tells it nothing else.
//!
//! Source: RFC 5905, section 7.3.

/// Seconds from 1900 to 1970.
const EPOCH_SECONDS: u64 = 2_208_988_800;

/// Answers a client's datagram; none for anything else.
pub(in super::super) fn answer(query: &[u8], date_ns: u64) -> Option<Vec<u8>> {
    let query: &[u8; 48] = query.first_chunk()?;
    let (version, mode) = (query[0] >> 3 & 7, query[0] & 7);
    if mode != 3 || !(2..=4).contains(&version) {
        return None;
    }
    let seconds = (date_ns / 1_000_000_000 + EPOCH_SECONDS) as u32;
    let fraction = (((date_ns % 1_000_000_000) << 32) / 1_000_000_000) as u32;
    let now = [seconds.to_be_bytes(), fraction.to_be_bytes()].concat();
    // No warning, the asker's version, server; stratum 2, its interval, precision of 2^-23 s.
    let mut answer = vec![version << 3 | 4, 2, query[2], 0xe9];
    // Delay and dispersion to its reference, and that reference.
    answer.extend_from_slice(&[0, 0, 2, 0, 0, 0, 3, 0, 192, 0, 2, 7]);
    answer.extend_from_slice(&now);
    answer.extend_from_slice(query.get(40..48)?);
    answer.extend_from_slice(&now);
    answer.extend_from_slice(&now);
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_the_samples() {
        let mut query = [0; 48];
        query[0] = 0x23;
        query[40..48].copy_from_slice(b"mytransm");
        let answer = answer(&query, 1_000_000_000_500_000_000).expect("an answer");
        assert_eq!(answer.len(), 48);
        assert_eq!(&answer[24..32], b"mytransm");
        let seconds = u32::from_be_bytes(answer[40..44].try_into().expect("four"));
        assert_eq!(u64::from(seconds) - EPOCH_SECONDS, 1_000_000_000);
        assert_eq!(answer[44], 0x80, "half a second");
        assert_eq!(super::answer(b"short", 0), None);
    }
}
