//! An Atom feed of changes, newest first: for people, chat rooms and whatever polls. Source: RFC 4287.

use std::{fmt::Write as _, io};

use super::{Form, Sink, State, text::xml};
use crate::entry::{Change, ChangeKind};

/// Most changes that are shown.
const CHANGES_MAX: usize = 200;

/// When nothing has happened yet.
const LONG_AGO: &str = "1970-01-01T00:00:00Z";

pub(super) const FORM: Form =
    Form { name: "atom", title: "The latest changes as an Atom feed", path: "changes.atom", files };

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    let base = xml(state.base_url);
    let namespace = state.namespace();
    let updated = state.changes.last().map_or(LONG_AGO, |change| change.at.as_str());
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <id>urn:uuid:{}</id>\n<title>{}</title>\n<updated>{}</updated>\n<author><name>{}</name></author>\n\
         <link rel=\"self\" type=\"application/atom+xml\" href=\"{base}/changes.atom\"/>\n",
        namespace.name("atom"),
        xml(state.name),
        xml(updated),
        xml(state.name),
    );
    for change in state.changes.iter().rev().take(CHANGES_MAX) {
        let id = namespace.name(&format!("change/{}", change.sequence));
        let entry = &change.entry;
        let (title, shard) = (title(change), &entry.digest.hex()[..2]);
        let _ = write!(
            text,
            "<entry>\n<id>urn:uuid:{id}</id>\n<title>{}</title>\n<updated>{}</updated>\n<published>{}</published>\n\
             <link rel=\"alternate\" type=\"application/jsonl\" href=\"{base}/entries/{shard}.jsonl\"/>\n",
            xml(&title),
            xml(&change.at),
            xml(&entry.listed_at),
        );
        for category in &entry.categories {
            let _ = writeln!(text, "<category term=\"{category}\"/>");
        }
        let _ = writeln!(text, "<content type=\"text\">{}</content>\n</entry>", xml(&content(change)));
    }
    text.push_str("</feed>\n");
    out.file("changes.atom", text.into_bytes())
}

fn title(change: &Change) -> String {
    let entry = &change.entry;
    format!("{} {}: {} ({})", entry.id, change.kind, entry.categories_joined(", "), entry.role)
}

fn content(change: &Change) -> String {
    let entry = &change.entry;
    let mut text = format!(
        "{}; {}, {}, severity {}, confidence {}. {}",
        entry.digest, entry.list, entry.channel, entry.severity, entry.confidence, entry.summary
    );
    if let (ChangeKind::Withdrawn | ChangeKind::Superseded, Some(reason)) = (change.kind, &entry.reason) {
        let _ = write!(text, " Reason: {reason}");
    }
    for reference in entry.references.iter().take(5) {
        let _ = write!(text, " Seen as {reference}.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn newest_first_and_no_more_than_the_ceiling() {
        let mut world = World::of(300);
        world.change_all();
        let written = world.write();
        let text = written.text("changes.atom");
        assert_eq!(text.matches("<entry>").count(), super::CHANGES_MAX);
        let newest = world.changes.last().expect("some");
        let first = text.split("<entry>").nth(1).expect("an entry");
        assert!(first.contains(&newest.entry.digest.to_string()), "{first}");
    }

    #[test]
    fn a_hostile_reference_stays_text() {
        let text = World::hostile().write().text("changes.atom");
        assert!(text.contains("&lt;script&gt;") && !text.contains("<script>"), "{text}");
    }
}
