//! The BPF programs (C, in `bpf/`) and the record layout that kernel and analyser share.
//!
//! The objects are compiled by `build.rs` where clang is, and taken from `object/` otherwise. `object/refresh.sh` writes those again after
//! a change of the source; a test holds both together.

mod record;

pub use record::{Head, Interest, Piece, Record, counter, flag, folder, how, kind, target, when};

/// Bytes at an address that a reader of ELF can use as they are.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

static SENSOR_OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/sensor.o")));
static GUARD_OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/guard.o")));

/// The object with the programs that record what a cgroup's processes do: `bpf/sensor.bpf.c`.
#[must_use]
pub fn sensor() -> &'static [u8] {
    &SENSOR_OBJECT.0
}

/// The object with the programs that refuse what does not leave through the sample's own device: `bpf/guard.bpf.c`.
#[must_use]
pub fn guard() -> &'static [u8] {
    &GUARD_OBJECT.0
}

/// First line of the version of the clang that compiled the objects; empty where the checked-in ones are used.
pub const COMPILER: &str = env!("LAZARET_BPF_COMPILER");

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    const RECORDED: &str = include_str!("../object/source.sha256");
    const SOURCES: [&[u8]; 4] = [
        include_bytes!("../bpf/core.h"),
        include_bytes!("../bpf/record.h"),
        include_bytes!("../bpf/sensor.bpf.c"),
        include_bytes!("../bpf/guard.bpf.c"),
    ];
    const CHECKED_IN: [&[u8]; 2] = [include_bytes!("../object/sensor.o"), include_bytes!("../object/guard.o")];

    fn hash(parts: &[&[u8]]) -> String {
        let mut hasher = Sha256::new();
        parts.iter().for_each(|part| hasher.update(part));
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_objects_checked_in_are_made_of_this_source() {
        let mut recorded = RECORDED.lines();
        assert_eq!(recorded.next(), Some(hash(&SOURCES).as_str()), "run object/refresh.sh");
        assert_eq!(recorded.next(), Some(hash(&CHECKED_IN).as_str()), "run object/refresh.sh");
    }

    /// Where the compiler is the very one that made the objects, it makes the same ones again.
    #[test]
    fn the_same_compiler_makes_the_same_objects() {
        let made_with = RECORDED.lines().nth(2).expect("the compiler");
        if COMPILER == made_with || COMPILER.is_empty() {
            assert!(sensor() == CHECKED_IN[0] && guard() == CHECKED_IN[1], "run object/refresh.sh");
        } else {
            assert!(sensor().starts_with(b"\x7fELF") && guard().starts_with(b"\x7fELF"));
        }
    }
}
