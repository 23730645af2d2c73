//! Dates of registration: `domain,date` a line, also separated by `;`, tab or space; a header is passed over.

use model::{IntelValue, Standing};

use super::{
    date,
    import::{Imported, lines},
    value,
};

/// Whether a line looks like a domain with its date.
pub(super) fn is_line(line: &str) -> bool {
    split(line).is_some_and(|(domain, date)| domain.contains('.') && date::seconds(date).is_some())
}

fn split(line: &str) -> Option<(&str, &str)> {
    let (domain, date) = line.split_once([',', ';', '\t', ' '])?;
    let date = date.trim_start_matches([',', ';', '\t', ' ']).split([',', ';', '\t']).next()?;
    Some((domain.trim_matches(['"', ' ']), date.trim_matches(['"', ' '])))
}

pub(super) fn read(bytes: &[u8], into: &mut Imported) {
    for (number, line) in lines(bytes) {
        let place = format_args!("line {number}");
        let Some((domain, date)) = split(&line) else {
            into.refuse(place, "it is no domain with a date");
            continue;
        };
        let Some(date) = date::seconds(date) else {
            if number > 1 || domain.contains('.') {
                into.refuse(place, format_args!("{date:?} is no date: write YYYY-MM-DD"));
            }
            continue;
        };
        match value::read(domain) {
            Ok(IntelValue::Domain(domain)) => {
                let domain = value::registrable(&domain).unwrap_or_default().to_owned();
                if let Some(entry) = into.add(IntelValue::Domain(domain)) {
                    entry.standing = Standing::Registered(date);
                }
            }
            Ok(_) => into.refuse(place, "it is no domain"),
            Err(why) => into.refuse(place, format_args!("{domain:?}: {why}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::intel::import::{Format, testing::check};

    #[test]
    fn dates_are_read_and_subdomains_belong_to_their_domain() {
        let text = "domain,registered\nnew.com,2026-11-01\nwww.newer.co.uk;2026-11-02 10:00:00;x\nthird.com\t2026-11-03\nbad.com,soon\nnothing\n";
        check(
            Format::DomainAge,
            text,
            &["new.com since 2026-11-01", "newer.co.uk since 2026-11-02", "third.com since 2026-11-03"],
            &["line 5: \"soon\" is no date: write YYYY-MM-DD", "line 6: it is no domain with a date"],
        );
    }
}
