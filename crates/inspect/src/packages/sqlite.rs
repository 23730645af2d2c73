//! Rows of one table of an SQLite file, from bytes: as much of the format as rpm's database needs.
//!
//! Every page is visited once at most, so that no file makes this run longer than it is. Pages still in a write-ahead log
//! beside the file are not seen: rpm writes them back when it ends.
//!
//! Source: sqlite.org/fileformat2.html, 1.3 "The Database Header", 1.6 "B-tree Pages", 2.1 "Record Format".

/// Schema, then one table: no honest tree is deeper.
const DEPTH_MAX: usize = 20;

pub(super) struct File<'a> {
    bytes: &'a [u8],
    page_bytes: usize,
    /// What of a page is used.
    usable: usize,
    visited: Vec<bool>,
}

/// A column's value, as far as rpm has such.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'r> {
    Other,
    Integer(i64),
    /// Text or blob.
    Bytes(&'r [u8]),
}

impl<'a> File<'a> {
    /// None if it is no SQLite file.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.get(..100)?;
        if !header.starts_with(b"SQLite format 3\0") {
            return None;
        }
        let page_bytes = match u16::from_be_bytes([*header.get(16)?, *header.get(17)?]) {
            1 => 65_536,
            size if size >= 512 && size.is_power_of_two() => usize::from(size),
            _ => return None,
        };
        let usable = page_bytes - usize::from(*header.get(20)?);
        (usable >= 480).then(|| Self { bytes, page_bytes, usable, visited: vec![false; bytes.len() / page_bytes + 1] })
    }

    /// Hands every row of `table` to `visit`. None if there is no such table.
    pub(super) fn rows(&mut self, table: &str, mut visit: impl FnMut(&[Value<'_>])) -> Option<()> {
        let mut root = None;
        self.walk(1, 0, &mut |row| {
            if let [Value::Bytes(b"table"), Value::Bytes(name), _, Value::Integer(page), ..] = row
                && name.eq_ignore_ascii_case(table.as_bytes())
            {
                root = usize::try_from(*page).ok();
            }
        });
        self.walk(root?, 0, &mut visit);
        Some(())
    }

    fn page(&mut self, number: usize) -> Option<&'a [u8]> {
        let index = number.checked_sub(1)?;
        let visited = self.visited.get_mut(index)?;
        if std::mem::replace(visited, true) {
            return None;
        }
        let start = index.checked_mul(self.page_bytes)?;
        self.bytes.get(start..start + self.page_bytes)
    }

    fn walk(&mut self, number: usize, depth: usize, visit: &mut dyn FnMut(&[Value<'_>])) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        let page = self.page(number)?;
        let header = page.get(if number == 1 { 100 } else { 0 }..)?;
        let kind = *header.first()?;
        let cells = u16::from_be_bytes([*header.get(3)?, *header.get(4)?]);
        let pointers = header.get(if kind == 5 { 12 } else { 8 }..)?.chunks_exact(2).take(usize::from(cells));
        let offsets = pointers.map(|pair| usize::from(u16::from_be_bytes([pair[0], pair[1]])));
        match kind {
            // Inner page of a table: 4 bytes of a page's number, then a row's.
            5 => {
                for offset in offsets {
                    if let Some(child) = number_at(page, offset) {
                        self.walk(child, depth + 1, visit);
                    }
                }
                self.walk(number_at(header, 8)?, depth + 1, visit);
            }
            13 => {
                // Cells may overlap in a hostile page: together they give no more than what a page can hold.
                let mut left = self.usable;
                for offset in offsets {
                    let Some(cell) = page.get(offset..) else { continue };
                    let Some((payload, local_bytes)) = self.payload(cell, &mut left) else { continue };
                    if local_bytes == 0 {
                        break;
                    }
                    if let Some(row) = values(&payload) {
                        visit(&row);
                    }
                }
            }
            _ => {}
        }
        Some(())
    }

    /// A leaf cell's payload, put together from its overflow pages; and how much of it stood in the cell.
    fn payload(&mut self, cell: &[u8], left: &mut usize) -> Option<(Vec<u8>, usize)> {
        let (length, used) = varint(cell)?;
        let (_row, more) = varint(cell.get(used..)?)?;
        let body = cell.get(used + more..)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= self.bytes.len())?;
        let (usable, local_max) = (self.usable, self.usable - 35);
        let local = if length <= local_max {
            length
        } else {
            let least = (usable - 12) * 32 / 255 - 23;
            let local = least + (length - least) % (usable - 4);
            if local <= local_max { local } else { least }
        };
        if local + used + more > *left {
            return Some((Vec::new(), 0));
        }
        *left -= local + used + more;
        let mut payload = body.get(..local)?.to_vec();
        let mut next = if local < length { number_at(body, local)? } else { 0 };
        while payload.len() < length {
            let page = self.page(next)?;
            next = number_at(page, 0)?;
            let part = page.get(4..usable)?;
            payload.extend_from_slice(part.get(..(length - payload.len()).min(part.len()))?);
        }
        Some((payload, local.max(1)))
    }
}

fn number_at(bytes: &[u8], offset: usize) -> Option<usize> {
    let four: [u8; 4] = bytes.get(offset..offset.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(four)).ok()
}

/// A variable-length integer, and how many bytes it takes.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        if index == 8 {
            return Some((value << 8 | u64::from(*byte), 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// The columns of a record, 16 at most.
fn values(record: &[u8]) -> Option<Vec<Value<'_>>> {
    let (header_bytes, mut at) = varint(record)?;
    let header_bytes = usize::try_from(header_bytes).ok()?;
    let header = record.get(..header_bytes)?;
    let mut body = record.get(header_bytes..)?;
    let mut columns = Vec::new();
    while at < header_bytes && columns.len() < 16 {
        let (kind, used) = varint(header.get(at..)?)?;
        at += used;
        let length = match kind {
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            0 | 8..=11 => 0,
            _ => usize::try_from((kind - 12) / 2).ok()?,
        };
        let (value, rest) = body.split_at_checked(length)?;
        body = rest;
        columns.push(match kind {
            1..=6 => {
                let negative = value.first().is_some_and(|byte| byte & 0x80 != 0);
                let start = if negative { -1 } else { 0 };
                Value::Integer(value.iter().fold(start, |number: i64, byte| number << 8 | i64::from(*byte)))
            }
            8 | 9 => Value::Integer(i64::try_from(kind - 8).ok()?),
            0 | 7 | 10 | 11 => Value::Other,
            _ => Value::Bytes(value),
        });
    }
    Some(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_all_lengths_are_read() {
        assert_eq!(varint(&[0x7f]), Some((127, 1)));
        assert_eq!(varint(&[0x81, 0x00]), Some((128, 2)));
        assert_eq!(varint(&[0xff; 9]), Some((u64::MAX, 9)));
        assert_eq!(varint(&[0x80]), None);
        let row = [6, 0, 1, 2, 9, 17, 0xff, 0x01, 0x00, b'h', b'i'];
        let hi = Value::Bytes(b"hi");
        assert_eq!(
            values(&row),
            Some(vec![Value::Other, Value::Integer(-1), Value::Integer(256), Value::Integer(1), hi])
        );
    }

    #[test]
    fn a_page_that_names_itself_ends() {
        let mut bytes = vec![0; 1024];
        bytes[..16].copy_from_slice(b"SQLite format 3\0");
        bytes[16..18].copy_from_slice(&512_u16.to_be_bytes());
        bytes[100] = 5;
        bytes[111] = 1;
        let mut file = File::open(&bytes).expect("a header");
        assert_eq!(file.rows("Packages", |_| panic!("there is no row")), None);
    }
}
