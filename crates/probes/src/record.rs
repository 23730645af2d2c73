//! What `bpf/record.h` says, in Rust. Numbers are those of the machine.

/// `struct interest`: what is wanted of one system call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Interest {
    /// When it is recorded: one of [`when`].
    pub when: u8,
    /// What two of its arguments are: of [`how`].
    pub how: [u8; 2],
    /// Which arguments those are, from 0.
    pub argument: [u8; 2],
    /// What they are relative to: 0, an argument's number plus 1, or [`folder::CURRENT`].
    pub folder: [u8; 2],
    /// Which file is told about: 0, an argument's number plus 1, or [`folder::RESULT`].
    pub file: u8,
    /// For 32-bit calls: the 64-bit number it is treated as.
    pub native: u16,
    /// Unused.
    pub spare: u16,
}

impl Interest {
    /// As the map in the kernel takes it.
    #[must_use]
    pub fn bytes(&self) -> [u8; 12] {
        let native = self.native.to_ne_bytes();
        let Self { when, how, argument, folder, file, .. } = *self;
        [when, how[0], how[1], argument[0], argument[1], folder[0], folder[1], file, native[0], native[1], 0, 0]
    }
}

/// `struct target`, as the map in the kernel takes it: whose calls are recorded, and whether a program without a name waits until it
/// was looked at. The rest is learnt.
#[must_use]
pub fn target(cgroup: u64, stop_nameless: bool) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&cgroup.to_ne_bytes());
    bytes[8..12].copy_from_slice(&u32::from(stop_nameless).to_ne_bytes());
    bytes
}

/// `struct head`: what each record begins with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Head {
    /// `CLOCK_BOOTTIME`, in nanoseconds.
    pub at: u64,
    /// One of [`kind`].
    pub kind: u32,
    /// Of the system call.
    pub number: u32,
    /// The process, as the host counts.
    pub host: u32,
    /// The process, as the sample counts.
    pub process: u32,
    /// Unused.
    pub spare_number: u32,
    /// The parent of a new program, as the sample counts; 0 for one outside.
    pub parent: u32,
    /// Effective user id of a new program, as the host counts.
    pub user: u32,
    /// Of [`flag`].
    pub flags: u32,
    /// What the kernel answered.
    pub result: i64,
    /// As the registers had them.
    pub arguments: [u64; 6],
    /// Names an open file while it is open; 0 for none.
    pub file: u64,
    /// `st_mode` of it.
    pub file_mode: u32,
    /// Address family, if it is a socket.
    pub file_family: u32,
    /// Lengths of the pieces that follow.
    pub pieces: [u16; 5],
    /// Unused.
    pub spare: u16,
    /// Bytes that follow.
    pub used: u32,
}

/// Which piece of bytes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// The first argument asked for; the arguments of a program.
    First,
    /// Names from the folder it is relative to up to the root, each with a zero behind it.
    FirstFolder,
    /// The second argument asked for; the environment of a program.
    Second,
    /// As [`Piece::FirstFolder`].
    SecondFolder,
    /// Names from the file up to the root.
    File,
}

/// One record: the head and its pieces.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// What all have.
    pub head: Head,
    data: &'a [u8],
}

const HEAD_BYTES: usize = size_of::<Head>();

impl<'a> Record<'a> {
    /// Reads what the ring holds; none if it is too short to be one.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, data) = bytes.split_at_checked(HEAD_BYTES)?;
        let mut words = head.as_chunks::<4>().0.iter().map(|word| u32::from_ne_bytes(*word));
        let mut word = || words.next().unwrap_or(0);
        let at = long(&mut word);
        let (kind, number, host, process) = (word(), word(), word(), word());
        let (spare_number, parent, user, flags) = (word(), word(), word(), word());
        let result = long(&mut word).cast_signed();
        let arguments = [(); 6].map(|()| long(&mut word));
        let file = long(&mut word);
        let (file_mode, file_family) = (word(), word());
        let halves = [word(), word(), word()].map(u32::to_ne_bytes);
        let half =
            |which: usize| u16::from_ne_bytes([halves[which / 2][which % 2 * 2], halves[which / 2][which % 2 * 2 + 1]]);
        let pieces = [half(0), half(1), half(2), half(3), half(4)];
        let used = word();
        let head = Head {
            at,
            kind,
            number,
            host,
            process,
            spare_number,
            parent,
            user,
            flags,
            result,
            arguments,
            file,
            file_mode,
            file_family,
            pieces,
            spare: 0,
            used,
        };
        Some(Self { head, data })
    }

    /// The bytes of one piece; empty where it was not asked for or could not be read.
    #[must_use]
    pub fn piece(&self, piece: Piece) -> &'a [u8] {
        let start: usize = self.head.pieces.iter().take(piece as usize).map(|length| usize::from(*length)).sum();
        let length = usize::from(self.head.pieces[piece as usize]);
        self.data.get(start..start + length).unwrap_or_default()
    }

    /// Whether one of [`flag`] is set.
    #[must_use]
    pub fn has(&self, flag: u32) -> bool {
        self.head.flags & flag != 0
    }
}

fn long(word: &mut impl FnMut() -> u32) -> u64 {
    let (first, second) = (word().to_ne_bytes(), word().to_ne_bytes());
    u64::from_ne_bytes([first[0], first[1], first[2], first[3], second[0], second[1], second[2], second[3]])
}

/// `enum kind`.
#[expect(missing_docs, reason = "record.h says it")]
pub mod kind {
    pub const CALL: u32 = 1;
    pub const EXEC: u32 = 2;
    pub const FORK: u32 = 3;
    pub const EXIT: u32 = 4;
    pub const RING: u32 = 5;
}

/// `FLAG_*`.
#[expect(missing_docs, reason = "record.h says it")]
pub mod flag {
    pub const COMPAT: u32 = 1;
    pub const X32: u32 = 2;
    pub const CUT: u32 = 4;
    pub const NAMELESS: u32 = 8;
    pub const UPPER: u32 = 16;
    pub const MEMORY: u32 = 32;
    pub const THREAD: u32 = 64;
    pub const STOPPED: u32 = 128;
    pub const FAULT: u32 = 256;
}

/// `enum how`.
#[expect(missing_docs, reason = "record.h says it")]
pub mod how {
    pub const NONE: u8 = 0;
    pub const TEXT: u8 = 1;
    pub const NAME: u8 = 2;
    pub const ADDRESS: u8 = 3;
    pub const BYTES: u8 = 4;
    pub const VECTOR: u8 = 5;
    pub const MESSAGE: u8 = 6;
    pub const ACCEPTED: u8 = 7;
    pub const STRUCT: u8 = 8;
    pub const MOUNT: u8 = 9;
}

/// `enum when`.
#[expect(missing_docs, reason = "record.h says it")]
pub mod when {
    pub const NEVER: u8 = 0;
    pub const ALWAYS: u8 = 1;
    pub const DONE: u8 = 2;
    pub const MOVED: u8 = 3;
    pub const FAILED: u8 = 4;
    pub const STANDARD: u8 = 5;
    pub const STANDARD_FCNTL: u8 = 6;
    pub const EXECUTABLE: u8 = 7;
    pub const BOTH: u8 = 8;
    pub const NEW_SPACES: u8 = 9;
    pub const NEW_SPACES3: u8 = 10;
    pub const ADDRESSED: u8 = 11;
    pub const PRCTL: u8 = 12;
    pub const NAMED: u8 = 13;
    pub const IOCTL: u8 = 14;
}

/// `FOLDER_*` and `FILE_*`.
#[expect(missing_docs, reason = "record.h says it")]
pub mod folder {
    pub const CURRENT: u8 = 0xff;
    pub const RESULT: u8 = 0xff;
}

/// `enum counter`.
#[expect(missing_docs, reason = "record.h says it")]
pub mod counter {
    pub const SEEN: u32 = 0;
    pub const LOST: u32 = 1;
    pub const FAULT: u32 = 2;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    /// `record.h` asserts the same of its side.
    #[test]
    fn both_sides_agree_on_the_layout() {
        assert_eq!((size_of::<Head>(), size_of::<Interest>()), (128, 12));
        assert_eq!(offset_of!(Head, result), 40);
        assert_eq!(offset_of!(Head, arguments), 48);
        assert_eq!(offset_of!(Head, file), 96);
        assert_eq!(offset_of!(Head, pieces), 112);
        assert_eq!(offset_of!(Head, used), 124);
        assert_eq!(offset_of!(Interest, native), 8);
        let header = include_str!("../bpf/record.h");
        for line in [
            "_Static_assert(sizeof(struct head) == 128",
            "_Static_assert(sizeof(struct interest) == 12",
            "_Static_assert(sizeof(struct target) == 24",
            "_Static_assert(__builtin_offsetof(struct head, pieces) == 112",
            "_Static_assert(__builtin_offsetof(struct head, used) == 124",
        ] {
            assert!(header.contains(line), "{line}");
        }
    }

    /// The constants of the header, counted as C counts them.
    #[test]
    fn both_sides_agree_on_the_numbers() {
        let header = include_str!("../bpf/record.h");
        let place = |name: &str| {
            let list = header.split("enum ").find(|list| list.contains(&format!(" {name},"))).expect(name);
            let body = list.split_once('{').expect("a body").1.split_once('}').expect("its end").0;
            let names = body.lines().flat_map(|line| line.split("//").next().unwrap_or("").split(','));
            names.map(str::trim).filter(|found| !found.is_empty()).position(|found| found == name).expect(name)
        };
        assert_eq!(place("HOW_MOUNT"), usize::from(how::MOUNT));
        assert_eq!(place("HOW_TEXT"), usize::from(how::TEXT));
        assert_eq!(place("HOW_MESSAGE"), usize::from(how::MESSAGE));
        assert_eq!(place("WHEN_IOCTL"), usize::from(when::IOCTL));
        assert_eq!(place("WHEN_NEW_SPACES3"), usize::from(when::NEW_SPACES3));
        assert_eq!(place("WHEN_STANDARD"), usize::from(when::STANDARD));
        assert_eq!(place("PIECE_FILE"), Piece::File as usize);
        assert_eq!(place("COUNTER_FAULT"), counter::FAULT as usize);
        assert!(header.contains(&format!("#define FLAG_FAULT {} ", flag::FAULT)));
        assert!(header.contains(&format!("#define FLAG_STOPPED {} ", flag::STOPPED)));
        assert!(header.contains("#define FOLDER_CURRENT 0xff") && header.contains("#define FILE_RESULT 0xff"));
    }

    #[test]
    fn a_record_is_read_as_the_kernel_wrote_it() {
        let mut bytes = vec![0; 128];
        bytes[8] = 1;
        bytes[40..48].copy_from_slice(&(-2_i64).to_ne_bytes());
        bytes[48..56].copy_from_slice(&7_u64.to_ne_bytes());
        bytes[112] = 3;
        bytes[120] = 2;
        bytes.extend(b"abcde");
        let record = Record::read(&bytes).expect("long enough");
        assert_eq!((record.head.kind, record.head.result, record.head.arguments[0]), (kind::CALL, -2, 7));
        assert_eq!((record.piece(Piece::First), record.piece(Piece::File)), (&b"abc"[..], &b"de"[..]));
        assert!(Record::read(&bytes[..127]).is_none());
        bytes[112] = 9;
        assert_eq!(Record::read(&bytes).expect("long enough").piece(Piece::First), b"", "a length that is not there");
    }
}
