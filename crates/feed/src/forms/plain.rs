//! Digests a line, for `grep`, `comm` and people.
//!
//! `plain/block.txt` is what nobody should run and a registry or a gate meets (index, manifest, config, layer); `plain/stable.txt`
//! those of it in the channel `stable`; `plain/advise.txt` what a person should know of; `plain/files.txt` files that are proof.
//! Lines that begin with `#` are comments.

use std::{fmt::Write as _, io};

use super::{Form, Sink, State, text::line};
use crate::entry::{Channel, Entry, List, Role, Status};

pub(super) const FORM: Form =
    Form { name: "plain", title: "A digest a line, sorted, for grep and scripts", path: "plain/", files };

/// A list, what it is, and what stands in it.
type Listing = (&'static str, &'static str, fn(&Entry) -> bool);

const LISTINGS: &[Listing] = &[
    ("plain/block.txt", "digests of images, configs and layers that nobody should run", |entry| {
        entry.list == List::Block && entry.role != Role::File
    }),
    ("plain/stable.txt", "as block.txt, but only what rests on two kinds of evidence or a person's word", |entry| {
        entry.list == List::Block && entry.role != Role::File && entry.channel == Channel::Stable
    }),
    ("plain/advise.txt", "digests a person should know of: risky or suspicious, not to be blocked unread", |entry| {
        entry.list == List::Advise && entry.role != Role::File
    }),
    ("plain/files.txt", "digests of files that are malicious by themselves", |entry| {
        entry.list == List::Block && entry.role == Role::File
    }),
];

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    for (path, title, stands) in LISTINGS {
        if out.keep(path, "")? {
            continue;
        }
        let mut text = format!("# {}: {title}.\n", line(state.name));
        let _ = writeln!(text, "# The whole list, sorted. What it is and why: {}/entries/", line(state.base_url));
        let mut last = None;
        for entry in state.entries.iter().filter(|entry| entry.status == Status::Active && stands(entry)) {
            if last.replace(entry.digest) != Some(entry.digest) {
                let _ = writeln!(text, "{}", entry.digest);
            }
        }
        out.file(path, text.into_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn what_is_withdrawn_is_gone_and_a_name_cannot_become_a_digest() {
        let mut world = World::hostile();
        world.name = "evil\nsha256:0000".to_owned();
        let written = world.write();
        let text = written.text("plain/block.txt");
        for line in text.lines() {
            assert!(line.starts_with("# ") || line.parse::<model::Digest>().is_ok(), "{line}");
        }
        let digests: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let mut sorted = digests.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(digests, sorted);
        assert!(!digests.is_empty() && digests.len() > written.text("plain/stable.txt").lines().count() - 2);
        let withdrawn = world.entries.iter().find(|entry| entry.status != crate::Status::Active).expect("one");
        assert!(!digests.contains(&withdrawn.digest.to_string().as_str()));
    }
}
