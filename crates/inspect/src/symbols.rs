//! The dynamic symbols of an ELF file: which functions it offers and which it takes from others.

use object::{
    Endianness,
    elf::{FileHeader32, FileHeader64, SHN_UNDEF, SHT_DYNSYM, SHT_SYMTAB},
    read::elf::{FileHeader, SectionHeader, Sym},
};

/// Most symbols read of one file.
const SYMBOLS_MAX: usize = 65_536;

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

    /// How many of `names` it offers.
    pub(crate) fn count_defined(&self, names: &[&str]) -> usize {
        names.iter().filter(|name| self.defines(name)).count()
    }
}

/// The dynamic symbols of the file that begins with `bytes`; of an object file all symbols. None if it has no table of
/// sections, or one that lies. At most 65,536 are read.
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
    let sections = header.sections(endian, bytes).ok()?;
    let wanted =
        if sections.iter().any(|section| section.sh_type(endian) == SHT_DYNSYM) { SHT_DYNSYM } else { SHT_SYMTAB };
    let table = sections.symbols(endian, bytes, wanted).ok()?;
    let mut found = Symbols::default();
    for symbol in table.iter().take(SYMBOLS_MAX) {
        let Ok(name) = symbol.name(endian, table.strings()) else { continue };
        if name.is_empty() {
            continue;
        }
        if symbol.st_shndx(endian) == SHN_UNDEF { found.imported.push(name) } else { found.defined.push(name) }
    }
    Some(found)
}
