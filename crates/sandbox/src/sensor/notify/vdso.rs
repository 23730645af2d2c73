//! Makes a program ask the kernel for the time, so that we can answer.
//!
//! Programs read the clock from a page of code that the kernel maps into each of them, the vDSO, without a call. That code is replaced by the
//! plain call, in the process's own copy of the page. It is done at the first calls of each new program, which come before it looks at a
//! clock; nothing in the program or its stack is touched, so it does not matter how it finds the page.

use std::{io, sync::OnceLock};

use super::process::Task;

const AT_SYSINFO_EHDR: u64 = 33;
/// The whole of it is two pages; more is not read.
const IMAGE_BYTES_MAX: usize = 65_536;
/// What is replaced, and by which call.
const FUNCTIONS: [(&[u8], u8); 6] = [
    (b"__vdso_clock_gettime", 228),
    (b"__vdso_gettimeofday", 96),
    (b"__vdso_time", 201),
    (b"clock_gettime", 228),
    (b"gettimeofday", 96),
    (b"time", 201),
];

/// Replaces the clock functions of a process; again does no harm.
///
/// # Errors
///
/// When the process is gone, or its memory may not be written.
pub(super) fn replace(task: Task) -> io::Result<()> {
    let auxiliary = task.file("auxv");
    let base = entry(&auxiliary, AT_SYSINFO_EHDR).ok_or_else(|| io::Error::other("no vDSO"))?;
    for (offset, number) in functions() {
        // mov eax, number; syscall; ret
        task.write(base.wrapping_add(*offset), &[0xb8, *number, 0, 0, 0, 0x0f, 0x05, 0xc3])?;
    }
    Ok(())
}

/// Where the functions are, from the base, and the numbers of their calls: the same in every process of this kernel, so read of ours.
fn functions() -> &'static [(u64, u8)] {
    static FOUND: OnceLock<Vec<(u64, u8)>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let own = Task(std::process::id());
        let Some(base) = entry(&own.file("auxv"), AT_SYSINFO_EHDR) else { return Vec::new() };
        let mut image = vec![0; IMAGE_BYTES_MAX];
        // Page by page: how long it is, is not said.
        let mut length = 0;
        for page in image.chunks_mut(4096) {
            if own.read(base + length, page) != page.len() {
                break;
            }
            length += 4096;
        }
        image.truncate(usize::try_from(length).unwrap_or(0));
        clock_functions(&image)
    })
}

/// The value of one kind in an auxiliary vector.
fn entry(auxiliary: &[u8], kind: u64) -> Option<u64> {
    let (pairs, _) = auxiliary.as_chunks::<16>();
    let word = |bytes: &[u8]| bytes.first_chunk().map(|word| u64::from_ne_bytes(*word));
    pairs.iter().find(|pair| word(&pair[..8]) == Some(kind)).and_then(|pair| word(&pair[8..]))
}

/// Finds the functions in the image's symbols: a 64-bit ELF whose sections are not mapped, so by its dynamic segment.
fn clock_functions(image: &[u8]) -> Vec<(u64, u8)> {
    let word =
        |at: u64| -> Option<u64> { Some(u64::from_le_bytes(*image.get(usize::try_from(at).ok()?..)?.first_chunk()?)) };
    let half = |at: u64| Some(u64::from(u32::from_le_bytes(*image.get(usize::try_from(at).ok()?..)?.first_chunk()?)));
    let find = || -> Option<Vec<(u64, u8)>> {
        let headers = word(32)?;
        let dynamic = (0..16).map(|number| headers.wrapping_add(number * 56)).find(|at| half(*at) == Some(2))?;
        let dynamic = word(dynamic.wrapping_add(16))?;
        let value = |kind: u64| {
            (0..64)
                .map(|number| dynamic.wrapping_add(number * 16))
                .find(|at| word(*at) == Some(kind))
                .and_then(|at| word(at.wrapping_add(8)))
        };
        // DT_SYMTAB and DT_STRTAB; the strings follow the symbols.
        let (symbols, names) = (value(6)?, value(5)?);
        let count = names.checked_sub(symbols)? / 24;
        let found = (0..count.min(256)).filter_map(|number| {
            let symbol = symbols.wrapping_add(number * 24);
            let name = image.get(usize::try_from(names.wrapping_add(half(symbol)?)).ok()?..)?;
            let name = &name[..name.iter().position(|byte| *byte == 0)?];
            let (_, call) = FUNCTIONS.iter().find(|(function, _)| *function == name)?;
            Some((word(symbol.wrapping_add(8))?, *call))
                .filter(|(offset, _)| *offset > 0 && *offset < image.len() as u64)
        });
        Some(found.collect())
    };
    find().unwrap_or_default()
}

/// Whether this machine's page has the functions.
pub(crate) fn known() -> bool {
    functions().len() >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_of_this_machine_are_found() {
        assert!(known(), "{:?}", functions());
    }

    #[test]
    fn a_damaged_image_has_none() {
        assert!(clock_functions(&[0xff; 4096]).is_empty());
        assert!(clock_functions(&[]).is_empty());
    }
}
