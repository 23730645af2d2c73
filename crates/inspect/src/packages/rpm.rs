//! rpm: `rpmdb.sqlite`, table `Packages`: one header a package, in a blob. Older databases (Berkeley DB, ndb) are named and
//! not read.
//!
//! A header is two numbers (entries, bytes of data), entries of four (tag, type, offset, count), then the data; big-endian.
//!
//! Source: rpm.org "RPM v4 header format", `rpmtag.h`, `rpmfiles.h`; RFC 4880 section 9.4 for the numbers of digests.

use model::{FileDigest, PackageFacts};

use super::{
    FILES_MAX, PACKAGES_MAX, head, package, packaged,
    sqlite::{File, Value},
};

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const FILE_STATES: u32 = 1029;
const FILE_DIGESTS: u32 = 1035;
const FILE_FLAGS: u32 = 1037;
const VERIFY_FLAGS: u32 = 1045;
const FOLDER_NUMBERS: u32 = 1116;
const FILE_NAMES: u32 = 1117;
const FOLDERS: u32 = 1118;
const DIGEST_ALGORITHM: u32 = 5011;

/// `RPMFILE_CONFIG` and `RPMFILE_GHOST`: files that are meant to change.
const CHANGING: u32 = 1 | 1 << 6;
/// `RPMVERIFY_FILEDIGEST`: unset where a package says that `rpm --verify` should not look at the content.
const VERIFIES_DIGEST: u32 = 1;
/// More entries than any header has: there are a few hundred tags.
const ENTRIES_MAX: usize = 4_096;

/// # Errors
///
/// Why it is not read.
pub(super) fn database(bytes: &[u8]) -> Result<Vec<PackageFacts>, String> {
    let Some(mut file) = File::open(bytes) else {
        return Err("it is no SQLite database; older ones of rpm are not read".to_owned());
    };
    let (mut packages, mut files) = (Vec::new(), 0);
    let rows = file.rows("Packages", |row| {
        if let Some(Value::Bytes(blob)) = row.get(1)
            && packages.len() < PACKAGES_MAX
            && let Some(facts) = Header::read(blob).and_then(|header| header.facts(FILES_MAX - files))
        {
            files += facts.files.len();
            packages.push(facts);
        }
    });
    rows.map(|()| packages).ok_or_else(|| "it has no table of packages".to_owned())
}

struct Header<'a> {
    entries: &'a [u8],
    data: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(blob: &'a [u8]) -> Option<Self> {
        let count = usize::try_from(number(blob, 0)?).ok().filter(|count| *count <= ENTRIES_MAX)?;
        let (entries, data) = blob.get(8..)?.split_at_checked(count * 16)?;
        Some(Self { entries, data })
    }

    /// The data of a tag to the end of the header, and how many values there are.
    fn value(&self, tag: u32) -> Option<(&'a [u8], usize)> {
        let entry = self.entries.chunks_exact(16).find(|entry| number(entry, 0) == Some(tag))?;
        let data = self.data.get(usize::try_from(number(entry, 2)?).ok()?..)?;
        Some((data, usize::try_from(number(entry, 3)?).ok()?))
    }

    fn numbers(&self, tag: u32) -> impl Iterator<Item = u32> {
        let (data, count) = self.value(tag).unwrap_or_default();
        data.chunks_exact(4).take(count).filter_map(|four| number(four, 0))
    }

    /// Texts end in a zero byte.
    fn texts(&self, tag: u32) -> impl Iterator<Item = &'a [u8]> {
        let (data, count) = self.value(tag).unwrap_or_default();
        data.split(|byte| *byte == 0).take(count)
    }

    fn facts(&self, files_max: usize) -> Option<PackageFacts> {
        let text = |tag| self.texts(tag).next().map(String::from_utf8_lossy).unwrap_or_default();
        let name = text(NAME);
        // Keys that were imported stand among the packages.
        if name.is_empty() || name == "gpg-pubkey" {
            return None;
        }
        let epoch = self.numbers(EPOCH).next().map_or(String::new(), |epoch| format!("{epoch}:"));
        let mut facts = package(&name, &format!("{epoch}{}-{}", text(VERSION), text(RELEASE)));
        let folders: Vec<&[u8]> = self.texts(FOLDERS).collect();
        let algorithm = self.numbers(DIGEST_ALGORITHM).next().unwrap_or(1);
        let (states, states_count) = self.value(FILE_STATES).unwrap_or_default();
        let states = states.get(..states_count).unwrap_or_default();
        let mut digests = self.texts(FILE_DIGESTS);
        let mut flags = self.numbers(FILE_FLAGS);
        let mut verify = self.numbers(VERIFY_FLAGS);
        let names = self.texts(FILE_NAMES).zip(self.numbers(FOLDER_NUMBERS)).take(files_max);
        for (index, (name, folder)) in names.enumerate() {
            let digest = digests.next().and_then(|digest| read_digest(algorithm, digest));
            let changes = flags.next().is_some_and(|flags| flags & CHANGING != 0)
                | verify.next().is_some_and(|flags| flags & VERIFIES_DIGEST == 0);
            // Zero is "installed"; the others are replaced by another package, left out, or on a network drive.
            let stands = states.get(index).is_none_or(|state| *state == 0);
            let Some(folder) = usize::try_from(folder).ok().and_then(|folder| folders.get(folder)) else { continue };
            if folder.len() + name.len() > super::PATH_BYTES_MAX {
                continue;
            }
            let path = format!("{}{}", String::from_utf8_lossy(folder), String::from_utf8_lossy(name));
            if stands {
                facts.files.extend(packaged(&path, digest.filter(|_| !changes)));
            }
        }
        Some(facts)
    }
}

/// The `index`th big-endian number of 4 bytes.
fn number(bytes: &[u8], index: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(index * 4..index * 4 + 4)?.try_into().ok()?))
}

/// None for folders and links, which have an empty text, and for algorithms whose digests nobody computes here.
fn read_digest(algorithm: u32, text: &[u8]) -> Option<FileDigest> {
    let mut bytes = [0; 8];
    hex::decode_to_slice(text.get(..16)?, &mut bytes).ok()?;
    let head = head(&bytes)?;
    match algorithm {
        1 => Some(FileDigest::Md5(head)),
        2 => Some(FileDigest::Sha1(head)),
        8 => Some(FileDigest::Sha256(head)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header as rpm builds one, with what is read here.
    fn header(tags: &[(u32, u32, &[u8], u32)]) -> Vec<u8> {
        let mut entries = Vec::new();
        let mut data: Vec<u8> = Vec::new();
        for (tag, kind, value, count) in tags {
            while *kind == 4 && !data.len().is_multiple_of(4) {
                data.push(0);
            }
            let offset = u32::try_from(data.len()).expect("short");
            entries.extend([*tag, *kind, offset, *count].iter().flat_map(|number| number.to_be_bytes()));
            data.extend_from_slice(value);
        }
        let sizes = [tags.len(), data.len()].map(|size| u32::try_from(size).expect("short").to_be_bytes());
        [sizes.concat(), entries, data].concat()
    }

    #[test]
    fn files_have_folders_digests_and_flags() {
        let digest = format!("{}\0{}\0\0", "ab".repeat(32), "cd".repeat(32));
        let header = header(&[
            (NAME, 6, b"tool\0", 1),
            (VERSION, 6, b"2\0", 1),
            (RELEASE, 6, b"3.fc40\0", 1),
            (EPOCH, 4, &[0, 0, 0, 1], 1),
            (FILE_NAMES, 8, b"tool\0tool.conf\0link\0", 3),
            (FOLDERS, 8, b"/usr/bin/\0/etc/\0", 2),
            (FOLDER_NUMBERS, 4, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], 3),
            (FILE_DIGESTS, 8, digest.as_bytes(), 3),
            (FILE_FLAGS, 4, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], 3),
            (DIGEST_ALGORITHM, 4, &[0, 0, 0, 8], 1),
        ]);
        let facts = Header::read(&header).and_then(|header| header.facts(10)).expect("a package");
        assert_eq!((facts.name.as_str(), facts.version.as_str()), ("tool", "1:2-3.fc40"));
        let sha256 = Some(FileDigest::Sha256([0xab; 8]));
        let expected = [("usr/bin/tool", sha256), ("etc/tool.conf", None), ("usr/bin/link", None)];
        assert_eq!(facts.files, expected.map(|(path, digest)| packaged(path, digest).expect("a path")));
        for end in 0..header.len() {
            let _ = Header::read(&header[..end]).and_then(|header| header.facts(10));
        }
    }

    /// A database that rpm 4.18 wrote, in the smallest pages there are: its one header is in 7 of them.
    fn sample() -> Vec<u8> {
        let image = include_str!("../../../../corpus/changed-package-file/hits/rpm.image.json");
        let image: serde_json::Value = serde_json::from_str(image).expect("JSON");
        let file = &image["layers"][0]["files"]["usr/lib/sysimage/rpm/rpmdb.sqlite"]["base64"];
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, file.as_str().expect("text"))
            .expect("base64")
    }

    #[test]
    fn a_header_over_many_pages_is_put_together() {
        let [facts] = &database(&sample()).expect("a database")[..] else { panic!("one package") };
        assert_eq!((facts.name.as_str(), facts.version.as_str()), ("hello-tool", "2.1-3"));
        let digests = facts.files.iter().filter(|file| file.digest.is_some()).count();
        assert_eq!((facts.files.len(), digests), (12, 9), "{:?}", facts.files);
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic(changes in proptest::collection::vec((0_usize..4608, any::<u8>()), 1..40)) {
            let mut bytes = sample();
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            let _ = database(&bytes);
        }
    }

    #[test]
    fn other_databases_are_named() {
        assert!(database(b"\0\0\0\0RpmP").is_err_and(|reason| reason.contains("SQLite")));
    }
}
