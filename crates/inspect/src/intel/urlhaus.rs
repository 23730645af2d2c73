//! abuse.ch URLhaus, the CSV exports (`csv.txt`, `csv_recent`, `csv_online`).
//!
//! The header is a comment: `# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter`.
//! Source: urlhaus.abuse.ch/api, "Database dump (CSV)".

use model::Confidence;

use super::{
    csv::{self, Columns},
    date,
    import::{Imported, lines, name},
};

pub(super) fn read(bytes: &[u8], into: &mut Imported) {
    let usual = "id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter";
    let columns = Columns::find(bytes, "url_status", usual);
    for (number, line) in lines(bytes) {
        let fields = csv::fields(&line);
        if columns.is_header(&fields) {
            continue;
        }
        let url = columns.get(&fields, "url");
        let place = format_args!("line {number}");
        if !url.contains("://") {
            into.refuse(place, "it has no URL");
            continue;
        }
        if let Some(entry) = into.list(place, url) {
            entry.first_seen = date::seconds(columns.get(&fields, "dateadded"));
            entry.confidence = Confidence::High;
            let (threat, tags) = (columns.get(&fields, "threat"), columns.get(&fields, "tags"));
            name(entry, &if tags.is_empty() { threat.to_owned() } else { format!("{threat}: {tags}") });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::intel::import::{Format, testing::check};

    #[test]
    fn an_export_is_read() {
        let text = "# URLhaus Database Dump (CSV - recent URLs only)\n#\n\
            # id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\n\
            \"7\",\"2026-02-26 12:05:20\",\"http://198.51.100.7:58801/i\",\"online\",\"2026-02-26 12:05:20\",\
            \"malware_download\",\"32-bit,elf,mips\",\"https://urlhaus.abuse.ch/url/7/\",\"somebody\"\r\n\
            \"8\",\"2026-02-26 12:05:20\",\"https://files.bad.com/a,b.exe\",\"offline\",\"\",\"malware_download\",\"\",\"\",\"x\"\n\
            \"9\",\"2026-02-26\"\n";
        check(
            Format::Urlhaus,
            text,
            &["198.51.100.7:58801/i · malware_download: 32-bit,elf,mips", "files.bad.com/a,b.exe · malware_download"],
            &["line 6: it has no URL"],
        );
    }
}
