//! What a container sees of its layers: which entries later layers hide, and where a path leads.
//!
//! Source: OCI image-spec v1.1, "Image Layer Filesystem Changeset" (whiteouts, opaque folders); path walking as
//! path_resolution(7), inside the image's root.

use std::collections::{HashMap, HashSet};

use model::{EntryKind, EntryRecord, LayerRecord};

/// Most symbolic links followed for one path, as Linux (`MAXSYMLINKS`).
const SYMLINKS_MAX: usize = 40;

/// Number of a layer (lowest first) and of an entry in it.
pub(crate) type At = (usize, usize);

/// The merged view over all layers of an image.
pub(crate) struct Overlay<'l> {
    layers: &'l [&'l LayerRecord],
    /// What is visible at a path.
    visible: HashMap<&'l str, At>,
    /// Children of a folder, visible or not.
    children: HashMap<&'l str, Vec<At>>,
}

/// What layers do to those below them.
#[derive(Default)]
struct Cover<'l> {
    /// Path is removed or becomes something that is no folder: it and everything under it goes.
    replaced: HashSet<&'l str>,
    /// Path stays a folder but loses what was under it.
    emptied: HashSet<&'l str>,
}

impl<'l> Overlay<'l> {
    /// Merges `layers`, lowest first.
    pub(crate) fn new(layers: &'l [&'l LayerRecord]) -> Self {
        let mut visible = HashMap::new();
        let mut children: HashMap<&str, Vec<At>> = HashMap::new();
        let mut above = Cover::default();
        for (number, layer) in layers.iter().enumerate().rev() {
            let mut cover = Cover::default();
            // Nothing is below the lowest layer, which is the largest of most images.
            let covers = number > 0;
            // Later entries of one archive win, so walk backwards.
            for (index, entry) in layer.entries.iter().enumerate().rev() {
                let path = entry.path.as_str();
                let covered = above.hides(path);
                match entry.kind {
                    EntryKind::Whiteout | EntryKind::Opaque if !covers => {}
                    EntryKind::Whiteout => {
                        cover.replaced.insert(path);
                    }
                    EntryKind::Opaque => {
                        cover.emptied.insert(path);
                    }
                    kind => {
                        if !covered && !visible.contains_key(path) {
                            visible.insert(path, (number, index));
                            children.entry(parent(path)).or_default().push((number, index));
                        }
                        if covers && kind != EntryKind::Folder {
                            cover.replaced.insert(path);
                        }
                    }
                }
            }
            above.replaced.extend(cover.replaced);
            above.emptied.extend(cover.emptied);
        }
        Self { layers, visible, children }
    }

    /// Whether a running container cannot see the entry.
    pub(crate) fn is_hidden(&self, at: At) -> bool {
        let entry = self.entry(at);
        self.visible.get(entry.path.as_str()) != Some(&at)
    }

    /// The entry at a place.
    pub(crate) fn entry(&self, (layer, entry): At) -> &'l EntryRecord {
        &self.layers[layer].entries[entry]
    }

    /// Follows `path` (absolute or from the root) through symbolic links to a visible entry that is none, and through
    /// a hard link to the file it names.
    pub(crate) fn resolve(&self, path: &str) -> Option<At> {
        let mut todo: Vec<&str> = path.split('/').rev().collect();
        let mut done = String::new();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            match part {
                "" | "." => continue,
                ".." => {
                    done.truncate(done.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let before = done.len();
            if !done.is_empty() {
                done.push('/');
            }
            done.push_str(part);
            let Some(&at) = self.visible.get(done.as_str()) else { continue };
            let entry = self.entry(at);
            match (entry.kind, &entry.link) {
                (EntryKind::Symlink, Some(target)) => {
                    links += 1;
                    if links > SYMLINKS_MAX {
                        return None;
                    }
                    done.truncate(if target.starts_with('/') { 0 } else { before });
                    todo.extend(target.split('/').rev());
                }
                (EntryKind::Hardlink, Some(target)) if todo.is_empty() => {
                    links += 1;
                    if links > SYMLINKS_MAX {
                        return None;
                    }
                    done.clear();
                    todo.extend(target.split('/').rev());
                }
                _ => {}
            }
        }
        self.visible.get(done.as_str()).copied()
    }

    /// Visible entries directly in the folder that `at` is.
    pub(crate) fn children(&self, at: At) -> &[At] {
        self.children.get(self.entry(at).path.as_str()).map_or(&[], Vec::as_slice)
    }
}

impl Cover<'_> {
    fn hides(&self, path: &str) -> bool {
        if self.replaced.contains(path) {
            return true;
        }
        let mut folder = parent(path);
        loop {
            if self.replaced.contains(folder) || self.emptied.contains(folder) {
                return true;
            }
            if folder.is_empty() {
                return false;
            }
            folder = parent(folder);
        }
    }
}

fn parent(path: &str) -> &str {
    path.rfind('/').map_or("", |slash| &path[..slash])
}

#[cfg(test)]
pub(crate) mod tests {
    use model::{Digest, EntryKind, EntryRecord, LayerRecord};

    use super::Overlay;

    /// A layer from `(path, kind)`; a link target follows `->`.
    pub(crate) fn layer(entries: &[(&str, EntryKind)]) -> LayerRecord {
        let entries = entries.iter().map(|(path, kind)| {
            let (path, link) = path.split_once(" -> ").map_or((*path, None), |(path, link)| (path, Some(link)));
            let (link, sha256) =
                (link.map(str::to_owned), (*kind == EntryKind::File).then(|| Digest::of(path.as_bytes())));
            EntryRecord { path: path.to_owned(), kind: *kind, mode: 0o755, size: 1, sha256, link }
        });
        LayerRecord {
            digest: Digest::of(b"layer"),
            diff_id: None,
            compression: "tar".to_owned(),
            packed_bytes: 0,
            unpacked_bytes: 0,
            entries: entries.collect(),
            observations: Vec::new(),
            mentions: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn visible(layers: &[LayerRecord]) -> Vec<String> {
        let layers: Vec<_> = layers.iter().collect();
        let overlay = Overlay::new(&layers);
        let mut paths: Vec<_> = overlay.visible.keys().map(|path| (*path).to_owned()).collect();
        paths.sort();
        paths
    }

    use EntryKind::{File, Folder, Hardlink, Opaque, Symlink, Whiteout};

    #[test]
    fn a_whiteout_hides_what_is_below_and_only_below() {
        let base = layer(&[("a", Folder), ("a/b", File), ("c", File)]);
        let top = layer(&[("a", Whiteout), ("c", Whiteout)]);
        assert!(visible(&[base.clone(), top.clone()]).is_empty());
        assert_eq!(visible(&[top, base]), ["a", "a/b", "c"]);
    }

    #[test]
    fn an_opaque_folder_keeps_its_own_new_children() {
        let base = layer(&[("a", Folder), ("a/old", File)]);
        let top = layer(&[("a", Folder), ("a", Opaque), ("a/new", File)]);
        assert_eq!(visible(&[base, top]), ["a", "a/new"]);
    }

    #[test]
    fn a_file_over_a_folder_hides_the_folder_but_a_folder_over_a_folder_merges() {
        let base = layer(&[("a", Folder), ("a/b", File), ("d", Folder), ("d/e", File)]);
        let top = layer(&[("a", File), ("d", Folder)]);
        assert_eq!(visible(&[base, top]), ["a", "d", "d/e"]);
    }

    #[test]
    fn links_are_followed_within_the_root_and_loops_end() {
        let base = layer(&[
            ("bin -> usr/bin", Symlink),
            ("usr/bin/sh -> dash", Symlink),
            ("usr/bin/dash", File),
            ("usr/bin/again -> usr/bin/dash", Hardlink),
            ("up -> ../../../usr/bin/dash", Symlink),
            ("x -> y", Symlink),
            ("y -> x", Symlink),
        ]);
        let layers = [&base];
        let overlay = Overlay::new(&layers);
        let path = |text| overlay.resolve(text).map(|at| overlay.entry(at).path.as_str());
        assert_eq!(path("/bin/sh"), Some("usr/bin/dash"));
        assert_eq!(path("/bin/again"), Some("usr/bin/dash"));
        assert_eq!(path("up"), Some("usr/bin/dash"));
        assert_eq!(path("/x"), None);
        assert_eq!(path("/missing"), None);
    }
}
