//! Debian packages: an `ar` archive of `debian-binary`, `control.tar.*`, `data.tar.*`.
//!
//! Source: deb(5); ar(5), the common header of 60 bytes.

use model::ProblemKind;

use super::Opener;

const HEADER_BYTES: usize = 60;

pub(super) fn open(opener: &mut Opener<'_>, path: &str, bytes: &[u8], depth: u32) {
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((header, behind)) = rest.split_at_checked(HEADER_BYTES) {
        let size = header.get(48..58).and_then(|digits| std::str::from_utf8(digits).ok()?.trim().parse::<usize>().ok());
        let (Some(size), Some(b"`\n")) = (size, header.get(58..60)) else {
            return opener.note(ProblemKind::Corrupt, path, "ar header is not valid".to_owned(), rest.len());
        };
        let name = String::from_utf8_lossy(header.get(..16).unwrap_or_default());
        let name = name.trim_end().trim_end_matches('/');
        let Some((mut content, behind)) = behind.split_at_checked(size) else {
            let detail = format!("ar member {name:?} says {size} bytes, {} are left", behind.len());
            opener.note(ProblemKind::Truncated, path, detail, behind.len());
            return opener.member(path, name, &mut &behind[..], behind.len(), depth);
        };
        opener.member(path, name, &mut content, size, depth);
        if opener.stopped {
            return;
        }
        // Members begin at even offsets.
        rest = behind.get(size % 2..).unwrap_or_default();
    }
    if !rest.is_empty() {
        opener.note(ProblemKind::Ambiguous, path, format!("{} bytes behind the last ar member", rest.len()), 0);
    }
}
