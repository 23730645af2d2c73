//! Names as archives write them, made into paths of the image.
//!
//! containerd cleans a name lexically and joins it under the image's root, from which `..` cannot climb
//! (`archive.applyNaive`, `fs.RootPath`); so do we, and say what was odd.

use std::fmt::Write as _;

/// What was odd about a name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Oddities {
    /// It started with `/`.
    pub(crate) absolute: bool,
    /// It had a `..` part.
    pub(crate) parent: bool,
    /// A `..` part led above the root.
    pub(crate) climbs: bool,
}

/// Appends the parts of `raw` to the path in `to`, without `.`, empty parts and `..`.
///
/// With an empty `to` this cleans a name; with a folder in it, it resolves a link relative to that folder.
pub(crate) fn join(to: &mut String, raw: &[u8]) -> Oddities {
    let mut odd = Oddities { absolute: raw.first() == Some(&b'/'), ..Oddities::default() };
    if odd.absolute {
        to.clear();
    }
    for part in raw.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                odd.parent = true;
                odd.climbs |= to.is_empty();
                to.truncate(to.rfind('/').unwrap_or(0));
            }
            part => {
                if !to.is_empty() {
                    to.push('/');
                }
                push_text(to, part);
            }
        }
    }
    odd
}

/// Bytes as text: what is not UTF-8, and NUL, as `\xNN`.
pub(crate) fn push_text(to: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        for (number, piece) in chunk.valid().split('\0').enumerate() {
            if number > 0 {
                to.push_str("\\x00");
            }
            to.push_str(piece);
        }
        for byte in chunk.invalid() {
            let _ = write!(to, "\\x{byte:02x}");
        }
    }
}

/// [`push_text`] into a new string.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    push_text(&mut text, bytes);
    text
}

/// Folder and last part of a path.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// What a name's last part asks for (OCI image-spec v1.1, "Whiteouts").
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Nothing: an ordinary entry.
    None,
    /// Empty this folder of the layers below.
    Opaque(String),
    /// Remove this path of the layers below.
    Whiteout(String),
    /// `.wh.` with nothing, `.` or `..` behind it: a careless runtime removes the folder or its parent.
    Unsafe,
}

/// Reads the whiteout mark of a cleaned path. Other `.wh..wh.` names are metadata of aufs, hence ordinary files here.
pub(crate) fn mark(path: &str) -> Mark {
    let (folder, base) = split(path);
    let Some(name) = base.strip_prefix(".wh.") else { return Mark::None };
    match name {
        ".wh..opq" => Mark::Opaque(folder.to_owned()),
        "" | "." | ".." => Mark::Unsafe,
        name if name.starts_with(".wh.") => Mark::None,
        name if folder.is_empty() => Mark::Whiteout(name.to_owned()),
        name => Mark::Whiteout(format!("{folder}/{name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &[u8], path: &str, odd: Oddities) {
        let mut to = String::new();
        assert_eq!((join(&mut to, raw), to.as_str()), (odd, path), "{}", raw.escape_ascii());
    }

    #[test]
    fn names_are_cleaned_as_runtimes_do() {
        let none = Oddities::default();
        check(b"./a//b/./c/", "a/b/c", none);
        check(b"./", "", none);
        check(b"", "", none);
        check(b"./a//b/../c", "a/c", Oddities { parent: true, ..none });
        check(b"/etc/passwd", "etc/passwd", Oddities { absolute: true, ..none });
        check(b"../../etc/x", "etc/x", Oddities { parent: true, climbs: true, ..none });
        check(b"a/../../b", "b", Oddities { parent: true, climbs: true, ..none });
        check(b"a\xff\0b", "a\\xff\\x00b", none);
        check("ä/ö".as_bytes(), "ä/ö", none);
    }

    #[test]
    fn links_resolve_from_their_folder() {
        let mut to = "usr/lib".to_owned();
        assert!(!join(&mut to, b"../bin/x").climbs);
        assert_eq!(to, "usr/bin/x");
        let mut to = "usr/lib".to_owned();
        join(&mut to, b"/bin");
        assert_eq!(to, "bin");
    }

    #[test]
    fn whiteouts_are_told_from_files() {
        assert_eq!(mark("a/.wh.b"), Mark::Whiteout("a/b".to_owned()));
        assert_eq!(mark(".wh.b"), Mark::Whiteout("b".to_owned()));
        assert_eq!(mark("a/.wh..wh..opq"), Mark::Opaque("a".to_owned()));
        assert_eq!(mark(".wh..wh..opq"), Mark::Opaque(String::new()));
        assert_eq!(mark(".wh..wh.plnk"), Mark::None);
        assert_eq!(mark(".wh.a/b"), Mark::None);
        assert_eq!(mark("a/.wh..."), Mark::Unsafe);
        assert_eq!(mark("a/.wh."), Mark::Unsafe);
        assert_eq!(mark("a/.wh..b"), Mark::Whiteout("a/.b".to_owned()));
    }
}
