//! One member: joins its header with what the extension headers say, and hands it to the visitor.

use std::io;

use model::{EntryKind, ProblemKind, text};

use super::{
    End, Pending, Visit,
    content::Content,
    header::{Format, Header},
    input::{Block, Input},
    padding,
    pax::Pax,
    sparse::{self, Map, PaxFormat},
};
use crate::{
    Entry, Limits,
    limits::{PATH_BYTES_MAX, Problems},
    path::{self, Mark},
    places::Places,
};

/// What is kept from member to member.
pub(super) struct Members<'a> {
    limits: &'a Limits,
    places: Places,
    /// Bytes of holes unrolled so far.
    holes: u64,
    /// Bytes of paths and link targets so far.
    names: u64,
}

impl<'a> Members<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self { limits, places: Places::default(), holes: 0, names: 0 }
    }

    /// Visits one member and steps behind it. Gives why the walk ends, if it does.
    pub(super) fn visit(
        &mut self,
        input: &mut Input<'_>,
        block: &Block,
        header: Header,
        pending: Pending,
        problems: &mut Problems,
        visit: Visit<'_>,
    ) -> io::Result<Option<End>> {
        let pax = pending.pax.unwrap_or_default();
        let pax_format = PaxFormat::of(&pax.sparse);
        let mut odds = Vec::new();
        let name = choose_name(&header, &pax, pending.long_name, pax_format.is_some(), &mut odds);
        let mut flag = header.flag;
        if flag == 0 {
            flag = if name.ends_with(b"/") { b'5' } else { b'0' };
        }
        let link = pending.long_link.or(pax.link).unwrap_or(header.link);
        let mut entry = Entry {
            path: String::with_capacity(name.len()),
            kind: kind(flag),
            mode: header.mode,
            uid: pax.uid.unwrap_or(header.uid),
            gid: pax.gid.unwrap_or(header.gid),
            size: 0,
            link: matches!(flag, b'1' | b'2').then(|| path::text(&link)),
        };
        self.clean(&mut entry, &name, problems);
        let names = entry.path.len() + entry.link.as_ref().map_or(0, String::len);
        self.names = self.names.saturating_add(names as u64);
        if self.names > self.limits.names_bytes_max {
            let detail = format!("its paths and link targets are longer than {} bytes", self.limits.names_bytes_max);
            return Ok(Some(End::Stopped(ProblemKind::NameLimit, detail, 0)));
        }

        odds.extend(header.odd);
        if entry.kind == EntryKind::File && name.ends_with(b"/") {
            odds.push("a file whose name ends in a slash: GNU tar takes it for a folder");
        }
        if !matches!(flag, b'0'..=b'6' | b'S') {
            odds.push("a header of unknown type: runtimes refuse it or skip it, others take it for a file");
        }
        let mut stored = header.size;
        match pax.size {
            Some(Err(())) => {
                let detail = format!("the pax size of {} is no number", text::shortened(&entry.path, 200));
                return Ok(Some(End::Stopped(ProblemKind::Corrupt, detail, 0)));
            }
            Some(Ok(size)) if size != header.size => {
                stored = size;
                problems.note(ProblemKind::Ambiguous, &entry.path, || {
                    format!("its header says {} bytes, its pax record {size}: readers that ignore the record see other files", header.size)
                });
            }
            _ => {}
        }
        if Header::is_header_only(flag) {
            if stored != 0 {
                odds.push("a link, folder or device with a size: Go takes no content, others skip that many bytes");
            }
            stored = 0;
        }
        if i64::try_from(stored).is_err() {
            return Ok(Some(End::Stopped(ProblemKind::Corrupt, "a member with an impossible size".to_owned(), 0)));
        }
        for detail in odds {
            problems.note(ProblemKind::Ambiguous, &entry.path, || detail.to_owned());
        }

        let pad = padding(stored);
        let map = match (flag, pax_format) {
            (b'S', _) if header.format == Format::Gnu => Some(sparse::old_gnu(block, input)),
            (b'S', _) => Some(Err("a sparse file in a header that is not GNU's")),
            (_, None) => None,
            (_, Some(format)) => Some(sparse::pax_size(&pax.sparse, stored).and_then(|size| match format {
                PaxFormat::InRecords => sparse::in_records(&pax.sparse, size),
                PaxFormat::InContent => sparse::in_content(input, &mut stored, size),
            })),
        };
        let map = match map {
            Some(Ok(map)) => Some(map),
            Some(Err(detail)) => {
                problems.note(ProblemKind::Corrupt, &entry.path, || {
                    format!("{detail}; its stored bytes are read as they are")
                });
                None
            }
            None => None,
        };
        entry.size = map.as_ref().map_or(stored, |map| map.size);
        let unroll = map.as_ref().is_none_or(|map| self.unrolls(map, stored, input.offset(), &entry, problems));
        if matches!(entry.kind, EntryKind::Whiteout | EntryKind::Opaque) && (entry.size > 0 || flag != b'0') {
            problems.note(ProblemKind::Ambiguous, &entry.path, || "a whiteout that is not an empty file".to_owned());
        }
        self.places.note(&entry, problems);

        let offset = input.offset();
        let mut content = Content::new(input, stored, map.as_ref(), unroll);
        visit(&entry, offset, &mut content)?;
        let missing = content.finish();
        if missing > 0 {
            return Ok(Some(End::Short(format!(
                "{} ({missing} bytes are missing)",
                text::shortened(&entry.path, 200)
            ))));
        }
        input.skip(pad);
        Ok(None)
    }

    /// Whether the holes of a sparse file may be given as the zeros that they are.
    fn unrolls(&mut self, map: &Map, stored: u64, offset: u64, entry: &Entry, problems: &mut Problems) -> bool {
        if map.stored() != stored {
            let (says, has) = (map.stored(), stored);
            problems.note(ProblemKind::Corrupt, &entry.path, || {
                format!("the map of a sparse file speaks of {says} stored bytes, there are {has}")
            });
        }
        let holes = self.holes.saturating_add(map.holes());
        let (kind, max) = if holes.saturating_add(offset) > self.limits.unpacked_bytes_max {
            (ProblemKind::BytesLimit, self.limits.unpacked_bytes_max)
        } else if holes > self.limits.ratio_grace_bytes {
            (ProblemKind::RatioLimit, self.limits.ratio_grace_bytes)
        } else {
            self.holes = holes;
            return true;
        };
        problems.note(kind, &entry.path, || {
            format!(
                "{} bytes of holes are not unrolled (at most {max}): all stored bytes are read, without them",
                map.holes()
            )
        });
        false
    }

    /// Cleans the name, reads whiteout marks, and notes what is unsafe about it.
    fn clean(&self, entry: &mut Entry, name: &[u8], problems: &mut Problems) {
        let odd = path::join(&mut entry.path, name);
        if entry.path.len() > PATH_BYTES_MAX {
            let digest = model::Digest::of(entry.path.as_bytes());
            let cut = entry.path.floor_char_boundary(PATH_BYTES_MAX - 100);
            let bytes = entry.path.len();
            entry.path.truncate(cut);
            entry.path.push('…');
            entry.path.push_str(&digest.hex());
            problems.note(ProblemKind::NameLimit, &entry.path, || {
                format!(
                    "a path of {bytes} bytes, Linux takes at most {PATH_BYTES_MAX}: shortened here, its content is read"
                )
            });
        }
        if let Some(link) = entry.link.as_mut().filter(|link| link.len() > PATH_BYTES_MAX) {
            let bytes = link.len();
            link.truncate(link.floor_char_boundary(PATH_BYTES_MAX));
            problems.note(ProblemKind::NameLimit, &entry.path, || {
                format!("a link target of {bytes} bytes, Linux takes at most {PATH_BYTES_MAX}: cut here")
            });
        }
        if odd.climbs {
            problems.note(ProblemKind::UnsafeEntry, &entry.path, || "the name climbs out of the root".to_owned());
        } else if odd.parent {
            problems.note(ProblemKind::Ambiguous, &entry.path, || {
                "the name has a `..` part: runtimes drop it with the folder before it, GNU tar refuses it".to_owned()
            });
        }
        if odd.absolute && !entry.path.is_empty() {
            problems.note(ProblemKind::UnsafeEntry, &entry.path, || "the name is absolute".to_owned());
        }
        match path::mark(&entry.path) {
            Mark::None => {}
            Mark::Opaque(folder) => (entry.kind, entry.path) = (EntryKind::Opaque, folder),
            Mark::Whiteout(target) => (entry.kind, entry.path) = (EntryKind::Whiteout, target),
            Mark::Unsafe => problems.note(ProblemKind::UnsafeEntry, &entry.path, || {
                "a whiteout of nothing, `.` or `..`: a careless runtime removes a folder".to_owned()
            }),
        }
        if entry.kind == EntryKind::Device && !entry.path.starts_with("dev/") {
            problems.note(ProblemKind::UnsafeEntry, &entry.path, || "a device node outside /dev".to_owned());
        }
        if entry.kind == EntryKind::Hardlink {
            let mut target = String::new();
            let odd = path::join(&mut target, entry.link.as_deref().unwrap_or_default().as_bytes());
            if odd.climbs || target.is_empty() {
                problems.note(ProblemKind::UnsafeEntry, &entry.path, || {
                    "a hard link out of the root or to nothing".to_owned()
                });
            } else if target == entry.path {
                problems.note(ProblemKind::UnsafeEntry, &entry.path, || "a hard link to itself".to_owned());
            }
        }
    }
}

/// The name that Go takes: sparse name over long name over pax path over the header's own.
fn choose_name(
    header: &Header,
    pax: &Pax,
    long_name: Option<Vec<u8>>,
    is_sparse: bool,
    odds: &mut Vec<&'static str>,
) -> Vec<u8> {
    let own = bare(&header.name);
    if let Some(path) = pax.path.as_deref().filter(|path| path.len() <= 100 && path.is_ascii()) {
        // A path that the header can hold needs no record: pax writers repeat it or leave it away.
        if bare(path) != own && !own.is_empty() {
            odds.push("its header and its pax record give two names");
        }
    }
    if let Some(long) = long_name.as_deref() {
        if !bare(long).starts_with(own) {
            odds.push("its header and its long name give two names");
        }
        if pax.path.as_deref().is_some_and(|path| path != long) {
            odds.push("its long name and its pax record give two names: Go takes the long name, others the record");
        }
    }
    if is_sparse && let Some(name) = pax.sparse.name.as_deref() {
        let outer = pax.path.as_deref().unwrap_or(&header.name);
        if bare(outer) != bare(name) && !outer.windows(14).any(|part| part == b"GNUSparseFile.") {
            odds.push("a sparse file with two names");
        }
        return name.to_vec();
    }
    long_name.or_else(|| pax.path.clone()).unwrap_or_else(|| header.name.clone())
}

/// A name without leading `./` and trailing slashes.
fn bare(mut name: &[u8]) -> &[u8] {
    while let [b'.', b'/', rest @ ..] | [rest @ .., b'/'] = name {
        name = rest;
    }
    name
}

const fn kind(flag: u8) -> EntryKind {
    match flag {
        b'1' => EntryKind::Hardlink,
        b'2' => EntryKind::Symlink,
        b'3' | b'4' => EntryKind::Device,
        b'5' => EntryKind::Folder,
        b'6' => EntryKind::Fifo,
        _ => EntryKind::File,
    }
}
