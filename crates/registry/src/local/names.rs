//! The members of an image archive by name: bounded, unambiguous, links followed only inside.

use std::collections::HashMap;

use layer::Entry;
use model::EntryKind;

/// Members of one archive; `docker save` of a hundred images with 127 layers each has about 50,000.
pub(super) const MEMBERS_MAX: usize = 100_000;
/// Bytes of one name.
const NAME_BYTES_MAX: usize = 4_096;
/// Bytes of all names.
const NAMES_BYTES_MAX: usize = 16 << 20;
/// Links that lead to links.
const LINKS_MAX: usize = 16;

/// Members by name, with what is known of each regular file.
pub(super) struct Names<T> {
    members: HashMap<String, Member<T>>,
    bytes: usize,
}

enum Member<T> {
    File(T),
    /// Name of what it leads to, or nothing if that is outside the archive.
    Link(Option<String>),
}

impl<T> Names<T> {
    pub(super) fn new() -> Self {
        Self { members: HashMap::new(), bytes: 0 }
    }

    /// Notes a regular file.
    ///
    /// # Errors
    ///
    /// What is wrong with the archive, in words: a ceiling, or a name that is there already. Tools differ in
    /// whether they take the first or the last of two.
    pub(super) fn insert_file(&mut self, path: &str, value: T) -> Result<(), String> {
        self.insert(path, Member::File(value))
    }

    /// Notes a symbolic or hard link; other kinds hold nothing and are passed over.
    ///
    /// # Errors
    ///
    /// As for [`Self::insert_file`].
    pub(super) fn insert_link(&mut self, entry: &Entry) -> Result<(), String> {
        let link = entry.link.as_deref().unwrap_or_default();
        let target = match entry.kind {
            EntryKind::Symlink if link.starts_with('/') => None,
            EntryKind::Symlink => {
                let folder = entry.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                normalised(&format!("{folder}/{link}"))
            }
            EntryKind::Hardlink => normalised(link),
            _ => return Ok(()),
        };
        self.insert(&entry.path, Member::Link(target))
    }

    fn insert(&mut self, path: &str, member: Member<T>) -> Result<(), String> {
        self.bytes += path.len();
        if self.members.len() == MEMBERS_MAX {
            return Err(format!("it has more than {MEMBERS_MAX} members"));
        }
        if path.len() > NAME_BYTES_MAX || self.bytes > NAMES_BYTES_MAX {
            return Err(format!(
                "its names are longer than {NAME_BYTES_MAX} bytes each or {NAMES_BYTES_MAX} bytes in all"
            ));
        }
        match self.members.insert(path.to_owned(), member) {
            Some(_) => Err(format!("it is ambiguous: it holds two members with the name {path:?}")),
            None => Ok(()),
        }
    }

    /// The regular file that `path` names, directly or through links, and its own name.
    ///
    /// # Errors
    ///
    /// What is wrong, in words: a name or link that leads outside or nowhere.
    pub(super) fn find(&self, path: &str) -> Result<Option<(&str, &T)>, String> {
        let outside = || format!("the name {path:?} leads outside the archive");
        let mut name = if path.starts_with('/') { None } else { normalised(path) }.ok_or_else(outside)?;
        for _ in 0..LINKS_MAX {
            match self.members.get_key_value(&name) {
                None => return Ok(None),
                Some((name, Member::File(value))) => return Ok(Some((name, value))),
                Some((_, Member::Link(target))) => name = target.clone().ok_or_else(outside)?,
            }
        }
        Err(format!("more than {LINKS_MAX} links lead from {path:?}"))
    }
}

/// Without empty, `.` and `..` parts; none if it climbs out.
fn normalised(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(kind: EntryKind, path: &str, target: &str) -> Entry {
        Entry { path: path.to_owned(), kind, mode: 0, uid: 0, gid: 0, size: 0, link: Some(target.to_owned()) }
    }

    #[test]
    fn links_lead_to_files_inside_and_nowhere_else() {
        let mut names = Names::new();
        names.insert_file("b/layer.tar", 7).expect("new");
        for entry in [
            link(EntryKind::Symlink, "a/layer.tar", "../b/layer.tar"),
            link(EntryKind::Hardlink, "c/layer.tar", "a/layer.tar"),
            link(EntryKind::Symlink, "d", "../b/layer.tar"),
            link(EntryKind::Symlink, "e", "/b/layer.tar"),
            link(EntryKind::Symlink, "f", "f"),
            link(EntryKind::Symlink, "g", "nothing"),
        ] {
            names.insert_link(&entry).expect("new");
        }
        for path in ["b/layer.tar", "./a//layer.tar", "c/layer.tar"] {
            assert_eq!(names.find(path), Ok(Some(("b/layer.tar", &7))), "{path}");
        }
        for path in ["d", "e", "f", "/b/layer.tar", "../b/layer.tar"] {
            assert!(names.find(path).is_err(), "{path}");
        }
        assert_eq!(names.find("g"), Ok(None));
        assert!(names.insert_file("g", 1).is_err_and(|text| text.contains("ambiguous")));
    }

    #[test]
    fn names_have_ceilings() {
        let mut names = Names::new();
        assert!(names.insert_file(&"n".repeat(NAME_BYTES_MAX + 1), ()).is_err());
        let mut names = Names::new();
        for number in 0..MEMBERS_MAX {
            names.insert_file(&number.to_string(), ()).expect("below the ceiling");
        }
        assert!(names.insert_file("one more", ()).is_err());
    }
}
