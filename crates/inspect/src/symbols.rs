//! The dynamic symbols of an ELF file: which functions it offers and which it takes from others.

use object::{
    Endianness,
    elf::{
        DT_STRSZ, DT_STRTAB, DT_SYMTAB, FileHeader32, FileHeader64, PT_DYNAMIC, PT_LOAD, SHN_UNDEF, SHT_DYNSYM,
        SHT_SYMTAB,
    },
    read::{
        ReadRef, StringTable,
        elf::{Dyn, FileHeader, ProgramHeader, SectionHeader, Sym},
    },
};

/// Most symbols read of one file.
const SYMBOLS_MAX: usize = 65_536;
/// Most entries of the dynamic section that are read.
const DYNAMIC_ENTRIES_MAX: usize = 1024;

/// Names of dynamic symbols (of all symbols in an object file or kernel module).
#[derive(Debug, Default)]
pub(crate) struct Symbols<'a> {
    /// Offered to others.
    pub(crate) defined: Vec<&'a [u8]>,
    /// Taken from others.
    pub(crate) imported: Vec<&'a [u8]>,
}

impl Symbols<'_> {
    /// Whether it offers a function of this name.
    pub(crate) fn defines(&self, name: &str) -> bool {
        self.defined.contains(&name.as_bytes())
    }

    /// Whether it takes a function of this name.
    pub(crate) fn imports(&self, name: &str) -> bool {
        self.imported.contains(&name.as_bytes())
    }

    /// Whether it takes a function of one of `names`.
    pub(crate) fn imports_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.imports(name))
    }

    /// How many of `names` it offers.
    pub(crate) fn count_defined(&self, names: &[&str]) -> usize {
        names.iter().filter(|name| self.defines(name)).count()
    }
}

/// The pieces of printable ASCII (and line ends, which a text may hold) of at least `bytes_min` bytes, in order of the file.
pub(crate) fn texts(bytes: &[u8], bytes_min: usize) -> impl Iterator<Item = &str> {
    bytes
        .split(|&byte| !(0x20..0x7f).contains(&byte) && !matches!(byte, b'\n' | b'\t'))
        .filter(move |piece| piece.len() >= bytes_min)
        .filter_map(|piece| std::str::from_utf8(piece).ok())
}

/// The dynamic symbols of the file that begins with `bytes`; of an object file all symbols. Where the sections are stripped
/// or lie, what the loader would read. None if there is neither. At most 65,536 are read.
pub(crate) fn symbols(bytes: &[u8]) -> Option<Symbols<'_>> {
    match bytes.get(4)? {
        1 => read::<FileHeader32<Endianness>>(bytes),
        2 => read::<FileHeader64<Endianness>>(bytes),
        _ => None,
    }
}

fn read<Header: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<Symbols<'_>> {
    let header = Header::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    by_sections(header, endian, bytes).or_else(|| by_segments(header, endian, bytes))
}

fn by_sections<'a, Header: FileHeader<Endian = Endianness>>(
    header: &Header,
    endian: Endianness,
    bytes: &'a [u8],
) -> Option<Symbols<'a>> {
    let sections = header.sections(endian, bytes).ok()?;
    let wanted =
        if sections.iter().any(|section| section.sh_type(endian) == SHT_DYNSYM) { SHT_DYNSYM } else { SHT_SYMTAB };
    let table = sections.symbols(endian, bytes, wanted).ok()?;
    let found = sorted(table.iter(), endian, table.strings());
    (!found.defined.is_empty() || !found.imported.is_empty()).then_some(found)
}

/// The table that the dynamic segment points to. It says where the table begins and not where it ends: linkers put the
/// names behind it.
fn by_segments<'a, Header: FileHeader<Endian = Endianness>>(
    header: &Header,
    endian: Endianness,
    bytes: &'a [u8],
) -> Option<Symbols<'a>> {
    let segments = header.program_headers(endian, bytes).ok()?;
    let dynamic = segments.iter().find(|segment| segment.p_type(endian) == PT_DYNAMIC)?;
    let entries = dynamic.dynamic(endian, bytes).ok()??;
    let (mut symbols, mut names, mut names_bytes) = (None, None, None);
    for entry in entries.iter().take(DYNAMIC_ENTRIES_MAX) {
        let value: u64 = entry.d_val(endian).into();
        match entry.tag(endian) {
            DT_SYMTAB => symbols = Some(value),
            DT_STRTAB => names = Some(value),
            DT_STRSZ => names_bytes = Some(value),
            _ => {}
        }
    }
    let offset_of = |address: u64| {
        segments.iter().filter(|segment| segment.p_type(endian) == PT_LOAD).find_map(|segment| {
            let (start, size): (u64, u64) = (segment.p_vaddr(endian).into(), segment.p_filesz(endian).into());
            let within = address.checked_sub(start).filter(|&within| within < size)?;
            within.checked_add(segment.p_offset(endian).into())
        })
    };
    let (symbols_at, names_at) = (offset_of(symbols?)?, offset_of(names?)?);
    let table_bytes = usize::try_from(names_at.checked_sub(symbols_at)?).ok()?;
    let count = (table_bytes / size_of::<Header::Sym>()).min(SYMBOLS_MAX);
    let table = bytes.read_slice_at::<Header::Sym>(symbols_at, count).ok()?;
    let names = StringTable::new(bytes, names_at, names_at.checked_add(names_bytes?)?);
    Some(sorted(table.iter(), endian, names))
}

fn sorted<'a, 'table, Symbol: Sym<Endian = Endianness> + 'table>(
    table: impl Iterator<Item = &'table Symbol>,
    endian: Endianness,
    names: StringTable<'a>,
) -> Symbols<'a> {
    let mut found = Symbols::default();
    for symbol in table.take(SYMBOLS_MAX) {
        let Ok(name) = symbol.name(endian, names) else { continue };
        if name.is_empty() {
            continue;
        }
        if symbol.st_shndx(endian) == SHN_UNDEF { found.imported.push(name) } else { found.defined.push(name) }
    }
    found
}
