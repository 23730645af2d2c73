//! abuse.ch ThreatFox, the CSV exports (full and recent).
//!
//! The header is a comment with quoted names; columns came and went (`is_compromised`), so they are found by name.
//! Source: threatfox.abuse.ch/export, "CSV".

use model::Confidence;

use super::{
    csv::{self, Columns},
    date,
    import::{Imported, lines, name},
};

pub(super) fn read(bytes: &[u8], into: &mut Imported) {
    let usual = "first_seen_utc,ioc_id,ioc_value,ioc_type,threat_type,fk_malware,malware_alias,malware_printable,\
                 last_seen_utc,confidence_level,is_compromised,reference,tags,anonymous,reporter";
    let columns = Columns::find(bytes, "ioc_value", usual);
    for (number, line) in lines(bytes) {
        let fields = csv::fields(&line);
        if columns.is_header(&fields) {
            continue;
        }
        let get = |column| columns.get(&fields, column);
        let place = format_args!("line {number}");
        match get("ioc_type") {
            "url" | "domain" | "ip:port" | "sha256_hash" => {}
            "md5_hash" | "sha1_hash" => {
                into.other_hashes += 1;
                continue;
            }
            other => {
                into.refuse(place, format_args!("{other:?} is no type of indicator that is used here"));
                continue;
            }
        }
        if let Some(entry) = into.list(place, get("ioc_value")) {
            entry.first_seen = date::seconds(get("first_seen_utc"));
            entry.confidence = confidence(get("confidence_level").parse().ok());
            let malware = [get("malware_printable"), get("fk_malware")].into_iter().find(|name| !name.is_empty());
            let kind = get("threat_type");
            name(entry, &malware.map_or_else(|| kind.to_owned(), |malware| format!("{malware} ({kind})")));
        }
    }
}

/// A confidence of 0 to 100 in words.
pub(super) fn confidence(percent: Option<u64>) -> Confidence {
    match percent {
        Some(75..) => Confidence::High,
        Some(0..=49) => Confidence::Low,
        _ => Confidence::Medium,
    }
}

#[cfg(test)]
mod tests {
    use crate::intel::import::{Format, testing::check};

    #[test]
    fn an_export_is_read_with_or_without_the_newer_column() {
        let hash = "a1".repeat(32);
        let text = format!(
            "################\n# ThreatFox IOCs: full dump - CSV format #\n#\n\
             # \"first_seen_utc\",\"ioc_id\",\"ioc_value\",\"ioc_type\",\"threat_type\",\"fk_malware\",\"malware_alias\",\
             \"malware_printable\",\"last_seen_utc\",\"confidence_level\",\"reference\",\"tags\",\"anonymous\",\"reporter\"\n\
             \"2026-09-01 10:00:00\", \"1\", \"203.0.113.10:443\", \"ip:port\", \"botnet_cc\", \"elf.mirai\", \"\", \"Mirai\", \
             \"\", \"100\", \"\", \"\", \"0\", \"x\"\n\
             \"2026-09-01 10:00:00\", \"2\", \"{hash}\", \"sha256_hash\", \"payload\", \"elf.x\", \"None\", \"Coinminer\", \"\", \"50\"\n\
             \"2026-09-01 10:00:00\", \"3\", \"d41d8cd98f00b204e9800998ecf8427e\", \"md5_hash\", \"payload\"\n\
             \"2026-09-01 10:00:00\", \"4\", \"a\", \"envelope_from\", \"payload\"\n\
             \"2026-09-01 10:00:00\", \"5\", \"host\", \"domain\", \"payload\"\n"
        );
        check(
            Format::Threatfox,
            &text,
            &["203.0.113.10:443 · Mirai (botnet_cc)", &format!("sha256:{hash} · Coinminer (payload)")],
            &[
                "line 8: \"envelope_from\" is no type of indicator that is used here",
                "line 9: \"host\": it is neither domain, URL, address nor SHA-256",
                "1 MD5 and SHA-1 values are of no use here: files are known by SHA-256",
            ],
        );
    }
}
