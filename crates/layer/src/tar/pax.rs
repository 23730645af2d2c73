//! Extended header records: `LENGTH KEY=VALUE\n` (POSIX.1-2001, pax), with the checks of Go's `parsePAX`.

/// What the records of one header set.
#[derive(Debug, Default)]
pub(crate) struct Pax {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    /// `Err`: present and not a number.
    pub(crate) size: Option<Result<u64, ()>>,
    pub(crate) uid: Option<u64>,
    pub(crate) gid: Option<u64>,
    pub(crate) sparse: Sparse,
    /// What other readers could understand otherwise.
    pub(crate) odd: Option<&'static str>,
    /// The records end in something that is none: Go refuses the archive.
    pub(crate) broken: bool,
}

/// The records `GNU.sparse.*`.
#[derive(Debug, Default)]
pub(crate) struct Sparse {
    pub(crate) major: Option<Vec<u8>>,
    pub(crate) minor: Option<Vec<u8>>,
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) size: Option<Vec<u8>>,
    pub(crate) real_size: Option<Vec<u8>>,
    pub(crate) blocks: Option<Vec<u8>>,
    /// `offset,bytes,offset,bytes,…`
    pub(crate) map: Option<Vec<u8>>,
}

impl Pax {
    /// Reads all records; stops at the first that is none.
    pub(crate) fn parse(mut records: &[u8]) -> Self {
        let mut pax = Self::default();
        let mut pieces = 0_usize;
        while !records.is_empty() {
            let Some((key, value, rest)) = split_record(records) else {
                pax.broken = true;
                break;
            };
            records = rest;
            pax.set(key, value, &mut pieces);
        }
        pax.broken |= !pieces.is_multiple_of(2);
        pax
    }

    /// Whether, as a global header, it would change what the entries are called or how long they are.
    pub(crate) const fn changes_entries(&self) -> bool {
        self.path.is_some()
            || self.link.is_some()
            || self.size.is_some()
            || self.sparse.name.is_some()
            || self.sparse.map.is_some()
            || self.sparse.major.is_some()
    }

    fn set(&mut self, key: &[u8], value: &[u8], pieces: &mut usize) {
        if key.contains(&0) || (matches!(key, b"path" | b"linkpath" | b"uname" | b"gname") && value.contains(&0)) {
            self.odd = Some("a pax record holds a NUL: Go refuses the archive, others cut the value there");
        }
        if let b"GNU.sparse.offset" | b"GNU.sparse.numbytes" = key {
            let is_offset = key == b"GNU.sparse.offset";
            self.broken |= is_offset != pieces.is_multiple_of(2) || value.contains(&b',');
            let map = self.sparse.map.get_or_insert_default();
            if *pieces > 0 {
                map.push(b',');
            }
            map.extend_from_slice(value);
            *pieces += 1;
            return;
        }
        if value.is_empty() {
            return; // The header's own value stays (Go: `mergePAX`).
        }
        let text = match key {
            b"path" => &mut self.path,
            b"linkpath" => &mut self.link,
            b"GNU.sparse.major" => &mut self.sparse.major,
            b"GNU.sparse.minor" => &mut self.sparse.minor,
            b"GNU.sparse.name" => &mut self.sparse.name,
            b"GNU.sparse.size" => &mut self.sparse.size,
            b"GNU.sparse.realsize" => &mut self.sparse.real_size,
            b"GNU.sparse.numblocks" => &mut self.sparse.blocks,
            b"GNU.sparse.map" => &mut self.sparse.map,
            b"size" => {
                let size = decimal(value).ok_or(());
                if self.size.is_some_and(|before| before != size) {
                    self.odd = Some("two pax records give two sizes");
                }
                self.size = Some(size);
                return;
            }
            b"uid" => {
                self.uid = decimal(value);
                return;
            }
            b"gid" => {
                self.gid = decimal(value);
                return;
            }
            _ => return,
        };
        if text.as_ref().is_some_and(|before| before != value) {
            self.odd = Some("two pax records give one key two values");
        }
        *text = Some(value.to_vec());
    }
}

/// Key, value and what follows the first record.
fn split_record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = records.iter().position(|&byte| byte == b' ')?;
    let length = usize::try_from(decimal(records.get(..blank)?)?).ok()?;
    let record = records.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((record.get(..equals)?, record.get(equals + 1..)?, records.get(length..)?))
}

/// ASCII digits and nothing else, below 2^63.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    i64::try_from(value).is_ok().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_set_what_they_name_and_the_last_wins() {
        let pax = Pax::parse(b"12 path=a/b\n13 size=1234\n11 path=a\n\n10 uid=70\n");
        assert_eq!(pax.path.as_deref(), Some(&b"a\n"[..]));
        assert_eq!((pax.size, pax.uid, pax.broken), (Some(Ok(1234)), Some(70), false));
        assert!(pax.odd.is_some());
    }

    #[test]
    fn lengths_that_lie_are_broken() {
        for records in
            [&b"99 path=a\n"[..], b"8 path=a\n", b"x path=a\n", b"11 path=a\n", b"3 \n", b"0 a=b\n", b"8 apath\n"]
        {
            let pax = Pax::parse(records);
            assert!(pax.broken && pax.path.is_none(), "{}", records.escape_ascii());
        }
        assert_eq!(Pax::parse(b"10 size=x\n").size, Some(Err(())));
        assert_eq!(Pax::parse(b"11 size=-1\n").size, Some(Err(())));
        assert!(Pax::parse(b"11 path=a\0\n").odd.is_some());
    }

    #[test]
    fn sparse_pairs_become_one_map() {
        let pairs =
            b"23 GNU.sparse.offset=1\n25 GNU.sparse.numbytes=2\n23 GNU.sparse.offset=9\n25 GNU.sparse.numbytes=3\n";
        let pax = Pax::parse(pairs);
        assert_eq!(pax.sparse.map.as_deref(), Some(&b"1,2,9,3"[..]), "{pax:?}");
        assert!(!pax.broken);
        assert!(Pax::parse(b"25 GNU.sparse.numbytes=2\n").broken);
    }
}
