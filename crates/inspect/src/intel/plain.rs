//! Plain lists: a domain, URL, address, network or SHA-256 a line, in any mixture, defanged or not; `#` begins a comment.
//!
//! Lists of ad blockers (`||bad.example^`), `sha256sum` output and one-column CSV are read as what they are, too.

use super::import::{Imported, lines};

pub(super) fn read(bytes: &[u8], into: &mut Imported) {
    for (number, line) in lines(bytes) {
        if line.starts_with(['!', ';']) || line.starts_with("//") {
            continue;
        }
        let line = line.split(" #").next().unwrap_or_default().trim_end_matches(',');
        let value = line.strip_prefix("||").map_or(line, |rest| rest.split('^').next().unwrap_or_default());
        // `sha256sum` writes the name behind the digest.
        let value = value.split_once([' ', '\t']).filter(|(hash, _)| hash.len() == 64).map_or(value, |(hash, _)| hash);
        into.list(format_args!("line {number}"), value);
    }
}

#[cfg(test)]
mod tests {
    use crate::intel::import::{Format, testing::check};

    #[test]
    fn a_mixture_is_read() {
        let hash = "0a".repeat(32);
        let text = format!(
            "# bad things\nbad.com\nhxxp://worse[.]com/x.sh # seen today\n198.51.100.7:4444\n198.51.100.0/24\n\
             ||ads.bad.com^$third-party\n{hash}  x.bin\n! comment\nno value\n\"quoted.bad.com\",\n\u{fffd}\n"
        );
        check(
            Format::Plain,
            &text,
            &[
                "bad.com",
                "worse.com/x.sh",
                "198.51.100.7:4444",
                "198.51.100.0/24",
                "ads.bad.com",
                &format!("sha256:{hash}"),
                "quoted.bad.com",
            ],
            &[
                "line 9: \"no value\": it is neither domain, URL, address nor SHA-256",
                "line 11: \"\u{fffd}\": it is neither domain, URL, address nor SHA-256",
            ],
        );
    }
}
