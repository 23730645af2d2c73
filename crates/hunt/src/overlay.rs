//! What a container sees of its layers: which entries later layers hide, and where a path leads.
//!
//! Source: OCI image-spec v1.1, "Image Layer Filesystem Changeset" (whiteouts, opaque folders); path walking as
//! path_resolution(7), inside the image's root.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    hash::{BuildHasher, Hasher, RandomState},
};

use model::{EntryKind, EntryRecord, LayerRecord};

/// Most symbolic links followed for one path, as Linux (`MAXSYMLINKS`).
const SYMLINKS_MAX: usize = 40;
/// Longest path or link target followed, as Linux (`PATH_MAX`).
const PATH_BYTES_MAX: usize = 4_096;
/// Bytes of path compared while one image is followed: seconds. An honest image needs a few million.
const WALK_BYTES_MAX: u64 = 2 << 30;

pub(crate) use inspect::At;

/// The merged view over all layers of an image.
pub(crate) struct Overlay<'l> {
    layers: &'l [&'l LayerRecord],
    /// What is visible at a path.
    visible: HashMap<&'l str, At>,
    /// What is written to a path through a folder that is a symbolic link (`bin/x` where `bin` leads to `usr/bin`):
    /// containerd follows the link, Docker makes a folder of its own.
    through_links: HashMap<String, At>,
    /// Children of a folder, visible or not.
    children: HashMap<&'l str, Vec<At>>,
    /// The file that a hard link named when it was made, whatever stands there now.
    linked: HashMap<At, At>,
    /// Files that a visible hard link names.
    held: HashSet<At>,
    /// Bytes of path that may still be compared.
    room: Cell<u64>,
}

/// What layers do to those below them, by [`Keys`].
#[derive(Default)]
struct Cover {
    /// Path is removed or becomes something that is no folder: it and everything under it goes.
    replaced: HashSet<u64>,
    /// Path stays a folder but loses what was under it.
    emptied: HashSet<u64>,
}

impl<'l> Overlay<'l> {
    /// Merges `layers`, lowest first.
    pub(crate) fn new(layers: &'l [&'l LayerRecord]) -> Self {
        let keys = Keys::default();
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
                match entry.kind {
                    EntryKind::Whiteout | EntryKind::Opaque if !covers => {}
                    EntryKind::Whiteout => {
                        cover.replaced.insert(keys.of(path));
                    }
                    EntryKind::Opaque => {
                        cover.emptied.insert(keys.of(path));
                    }
                    kind => {
                        if !above.hides(path, &keys) && !visible.contains_key(path) {
                            visible.insert(path, (number, index));
                            children.entry(parent(path)).or_default().push((number, index));
                        }
                        if covers && kind != EntryKind::Folder {
                            cover.replaced.insert(keys.of(path));
                        }
                    }
                }
            }
            above.replaced.extend(cover.replaced);
            above.emptied.extend(cover.emptied);
        }
        let linked = linked(layers);
        let held = linked.iter().filter(|(link, _)| visible.get(entry_of(layers, **link).path.as_str()) == Some(link));
        let held = held.map(|(_, &file)| file).collect();
        let room = Cell::new(WALK_BYTES_MAX);
        let mut overlay = Self { layers, visible, through_links: HashMap::new(), children, linked, held, room };
        overlay.through_links = overlay.written_through_links(&keys);
        overlay
    }

    /// Whether a running container cannot see the entry, nor its content under the name of a hard link.
    pub(crate) fn is_hidden(&self, at: At) -> bool {
        let entry = self.entry(at);
        self.visible.get(entry.path.as_str()) != Some(&at) && !self.held.contains(&at)
    }

    /// The entry at a place.
    pub(crate) fn entry(&self, at: At) -> &'l EntryRecord {
        entry_of(self.layers, at)
    }

    /// Follows `path` (absolute or from the root) through symbolic links to visible entries that are none, and through
    /// a hard link to the file it names. Two where engines differ in what stands there.
    pub(crate) fn resolve(&self, path: &str) -> impl Iterator<Item = At> + use<> {
        let real = self.real_path(path);
        let found = real.map(|real| [self.visible.get(real.as_str()), self.through_links.get(real.as_str())]);
        let found = found.unwrap_or_default().map(|at| at.map(|at| *self.linked.get(at).unwrap_or(at)));
        found.into_iter().flatten()
    }

    /// Whether a ceiling ended the following of paths: what [`Self::resolve`] then answers is not all.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.room.get() == 0
    }

    /// Visible entries directly in the folder that `at` is.
    pub(crate) fn children(&self, at: At) -> &[At] {
        self.children.get(self.entry(at).path.as_str()).map_or(&[], Vec::as_slice)
    }

    /// Visible entries directly in the folder that `path` leads to, if no layer has an entry for the folder itself: what
    /// unpacks layers makes it all the same.
    pub(crate) fn unlisted(&self, path: &str) -> &[At] {
        let real = self.real_path(path).filter(|real| !self.visible.contains_key(real.as_str()));
        real.and_then(|real| self.children.get(real.as_str())).map_or(&[], Vec::as_slice)
    }

    fn real_path(&self, path: &str) -> Option<String> {
        let mut todo: Vec<&str> = path.get(..path.len().min(2 * PATH_BYTES_MAX))?.split('/').rev().collect();
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
            let room = self.room.get().saturating_sub(done.len() as u64);
            self.room.set(room);
            if room == 0 || done.len() > PATH_BYTES_MAX {
                return None;
            }
            let Some(&at) = self.visible.get(done.as_str()) else { continue };
            let entry = self.entry(at);
            let is_last = todo.is_empty();
            match (entry.kind, &entry.link) {
                (EntryKind::Symlink, Some(target)) => {
                    links += 1;
                    if links > SYMLINKS_MAX || target.len() > PATH_BYTES_MAX {
                        return None;
                    }
                    done.truncate(if target.starts_with('/') { 0 } else { before });
                    todo.extend(target.split('/').rev());
                }
                // Named through a folder that is a link: `linked` does not know it.
                (EntryKind::Hardlink, Some(target)) if is_last && !self.linked.contains_key(&at) => {
                    links += 1;
                    if links > SYMLINKS_MAX || target.len() > PATH_BYTES_MAX {
                        return None;
                    }
                    done.clear();
                    todo.extend(target.split('/').rev());
                }
                _ => {}
            }
        }
        Some(done)
    }

    fn written_through_links(&self, keys: &Keys) -> HashMap<String, At> {
        let is_link = |at: At| self.entry(at).kind == EntryKind::Symlink;
        let links: HashSet<u64> =
            self.visible.iter().filter(|(_, at)| is_link(**at)).map(|(path, _)| keys.of(path)).collect();
        let mut written: HashMap<String, At> = HashMap::new();
        if links.is_empty() {
            return written;
        }
        for (folder, entries) in &self.children {
            if !keys.with_parents(folder).any(|key| links.contains(&key)) {
                continue;
            }
            let Some(real) = self.real_path(folder) else { continue };
            for &at in entries {
                let path = self.entry(at).path.as_str();
                let name = path.rsplit('/').next().unwrap_or(path);
                let real = if real.is_empty() { name.to_owned() } else { format!("{real}/{name}") };
                written.entry(real).and_modify(|last| *last = at.max(*last)).or_insert(at);
            }
        }
        written
    }
}

fn entry_of<'l>(layers: &[&'l LayerRecord], (layer, entry): At) -> &'l EntryRecord {
    &layers[layer].entries[entry]
}

impl inspect::MergedFiles for Overlay<'_> {
    fn at(&self, path: &str) -> Option<At> {
        self.resolve(path).next()
    }

    fn is_hidden(&self, at: At) -> bool {
        Overlay::is_hidden(self, at)
    }
}

/// What each hard link named at the time: a later layer that deletes or replaces that path leaves the link as it is.
fn linked(layers: &[&LayerRecord]) -> HashMap<At, At> {
    let entries = || {
        let numbered = |(number, layer): (usize, &&LayerRecord)| (number, layer.entries.len());
        let all = layers.iter().enumerate().map(numbered);
        all.flat_map(|(number, count)| (0..count).map(move |index| (number, index)))
            .map(|at| (at, entry_of(layers, at)))
    };
    let links = entries().filter(|(_, entry)| entry.kind == EntryKind::Hardlink);
    let targets: HashMap<At, String> =
        links.map(|(at, entry)| (at, normalised(entry.link.as_deref().unwrap_or_default()))).collect();
    let wanted: HashSet<&str> = targets.values().map(String::as_str).collect();
    let mut linked = HashMap::new();
    let mut files: HashMap<&str, At> = HashMap::new();
    if wanted.is_empty() {
        return linked;
    }
    for (at, entry) in entries() {
        let file = match entry.kind {
            EntryKind::File => at,
            EntryKind::Hardlink => match targets.get(&at).and_then(|target| files.get(target.as_str())) {
                Some(&file) => file,
                None => continue,
            },
            _ => continue,
        };
        if entry.kind == EntryKind::Hardlink {
            linked.insert(at, file);
        }
        if let Some(&path) = wanted.get(entry.path.as_str()) {
            files.insert(path, file);
        }
    }
    linked
}

/// A hard link's target as entries write their paths.
fn normalised(target: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Keyed hashes of paths, so that a deep path and all its folders are looked up in one pass over it.
#[derive(Default)]
struct Keys(RandomState);

impl Keys {
    fn of(&self, path: &str) -> u64 {
        self.with_parents(path).last().unwrap_or_default()
    }

    /// Of every folder from the top, then of `path` itself.
    fn with_parents(&self, path: &str) -> impl Iterator<Item = u64> {
        let mut hasher = self.0.build_hasher();
        path.split('/').map(move |part| {
            hasher.write(part.as_bytes());
            hasher.write_u8(b'/');
            hasher.finish()
        })
    }
}

impl Cover {
    fn hides(&self, path: &str, keys: &Keys) -> bool {
        if self.replaced.is_empty() && self.emptied.is_empty() {
            return false;
        }
        if self.emptied.contains(&keys.of("")) {
            return true;
        }
        let mut last = None;
        for key in keys.with_parents(path) {
            if last.is_some_and(|folder| self.emptied.contains(&folder)) || self.replaced.contains(&key) {
                return true;
            }
            last = Some(key);
        }
        false
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
            packages: model::LayerPackages::default(),
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
        let path = |text| overlay.resolve(text).next().map(|at| overlay.entry(at).path.as_str());
        assert_eq!(path("/bin/sh"), Some("usr/bin/dash"));
        assert_eq!(path("/bin/again"), Some("usr/bin/dash"));
        assert_eq!(path("up"), Some("usr/bin/dash"));
        assert_eq!(path("/x"), None);
        assert_eq!(path("/missing"), None);
    }

    #[test]
    fn a_hard_link_keeps_its_file_when_the_other_name_goes() {
        let base = layer(&[("payload", File), ("start -> ./payload", Hardlink), ("twice -> /start", Hardlink)]);
        for top in [layer(&[("payload", Whiteout)]), layer(&[("payload", File)])] {
            let layers = [&base, &top];
            let overlay = Overlay::new(&layers);
            assert_eq!(overlay.resolve("/start").collect::<Vec<_>>(), [(0, 0)]);
            assert_eq!(overlay.resolve("/twice").collect::<Vec<_>>(), [(0, 0)]);
            assert!(!overlay.is_hidden((0, 0)));
        }
        let layers = [&base, &layer(&[("payload", Whiteout), ("start", Whiteout), ("twice", File)])];
        assert!(Overlay::new(&layers).is_hidden((0, 0)));
    }

    #[test]
    fn what_is_written_through_a_link_stands_where_it_leads() {
        let base = layer(&[("bin -> usr/bin", Symlink), ("usr/bin/x", File), ("all -> .", Symlink)]);
        let top = layer(&[("bin/x", File), ("bin/y", File), ("all/z", File)]);
        let layers = [&base, &top];
        let overlay = Overlay::new(&layers);
        let at = |path| overlay.resolve(path).collect::<Vec<_>>();
        assert_eq!(at("/bin/x"), [(0, 1), (1, 0)], "Docker and containerd differ");
        assert_eq!((at("/usr/bin/y"), at("/bin/y"), at("z")), (vec![(1, 1)], vec![(1, 1)], vec![(1, 2)]));
    }

    #[test]
    fn long_links_and_deep_paths_end_in_time() {
        let long = format!("l -> {}", "a/".repeat(500_000));
        let deep: Vec<_> = (0..2_000).map(|number| format!("{}{number}", "a/".repeat(2_000))).collect();
        let mut entries: Vec<_> = deep.iter().map(|path| (path.as_str(), File)).collect();
        entries.extend([(long.as_str(), Symlink), ("s -> a/a/a/../../../s2", Symlink)]);
        let base = layer(&entries);
        let layers = [&base, &base];
        let overlay = Overlay::new(&layers);
        assert_eq!(overlay.resolve("/l/x").next(), None);
        assert_eq!(overlay.resolve(&deep[7]).next(), Some((1, 7)));
        let folder = "a/".repeat(2_000);
        for _ in 0..2_000 {
            let _ = overlay.resolve(&folder).next();
        }
        assert!(overlay.is_exhausted(), "4 MB a question");
    }
}
