//! CSV for spreadsheets, SIEMs and OpenCTI: `csv/00.csv` to `csv/ff.csv` by the digest's first byte, and `csv/recent.csv` of the
//! entries that changed lately. Every file has the header line; every cell is quoted. Withdrawn entries stay, with their status.
//!
//! The server joins the shards at `/v1/feed.csv`.

use std::{collections::BTreeMap, fmt::Write as _, io};

use super::{Form, Sink, State, text::cell};
use crate::entry::Entry;

pub(super) const FORM: Form =
    Form { name: "csv", title: "Whole entries as CSV, for spreadsheets, SIEMs and OpenCTI", path: "csv/", files };

/// The header line.
pub(crate) const HEADER: &str = "id,digest,role,list,channel,status,categories,severity,confidence,platform,first_seen,listed_at,changed_at,pulls,images,summary,reason,references,parents,children,url\n";

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    state.sharded(out, |shard| format!("csv/{shard}.csv"), |_, entries| table(state, entries))?;
    let recent: BTreeMap<_, _> =
        state.changes.iter().map(|change| ((change.entry.digest, change.entry.role), &change.entry)).collect();
    out.file("csv/recent.csv", table(state, recent.into_values()))
}

fn table<'a>(state: &State<'_>, entries: impl IntoIterator<Item = &'a Entry>) -> Vec<u8> {
    let mut text = HEADER.to_owned();
    for entry in entries {
        let digests = |digests: &std::collections::BTreeSet<model::Digest>| {
            digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let references: Vec<_> = entry.references.iter().map(String::as_str).collect();
        let platform = entry.platform.as_ref().map(ToString::to_string).unwrap_or_default();
        let hex = entry.digest.hex();
        let cells = [
            entry.id.to_string(),
            entry.digest.to_string(),
            entry.role.to_string(),
            entry.list.to_string(),
            entry.channel.to_string(),
            entry.status.to_string(),
            entry.categories_joined(" "),
            entry.severity.to_string(),
            entry.confidence.to_string(),
            platform,
            entry.first_seen.clone(),
            entry.listed_at.clone(),
            entry.changed_at.clone(),
            number(entry.blast.pulls),
            number(Some(entry.blast.images)),
            entry.summary.clone(),
            entry.reason.clone().unwrap_or_default(),
            references.join(" "),
            digests(&entry.parents),
            digests(&entry.children),
            format!("{}/entries/{}.jsonl", state.base_url, &hex[..2]),
        ];
        for (at, content) in cells.iter().enumerate() {
            let _ = write!(text, "{}{}", if at == 0 { "" } else { "," }, cell(content));
        }
        text.push('\n');
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, HEADER};

    /// As a reader of RFC 4180 sees them.
    fn cells(line: &str) -> Vec<String> {
        let (mut cells, mut inside, mut characters) = (vec![String::new()], false, line.chars().peekable());
        while let Some(character) = characters.next() {
            let last = cells.last_mut().expect("one at least");
            match character {
                '"' if inside && characters.next_if_eq(&'"').is_some() => last.push('"'),
                '"' => inside = !inside,
                ',' if !inside => cells.push(String::new()),
                other => last.push(other),
            }
        }
        cells
    }

    #[test]
    fn every_line_has_the_headers_columns_and_none_is_a_formula() {
        let world = World::hostile();
        let columns = HEADER.matches(',').count() + 1;
        let written = world.write();
        let mut lines = 0;
        for (path, bytes) in
            written.files.iter().filter(|(path, _)| path.starts_with("csv/") && !path.contains("recent"))
        {
            let text = std::str::from_utf8(bytes).expect("text");
            for line in text.strip_prefix(HEADER).expect("the header").lines() {
                lines += 1;
                let cells = cells(line);
                assert_eq!(cells.len(), columns, "{path}: {line}");
                let formula = |cell: &String| cell.starts_with(['=', '+', '-', '@']);
                assert!(!cells.iter().any(formula), "{path}: {line}");
            }
        }
        assert_eq!(lines, world.entries.len());
    }
}
