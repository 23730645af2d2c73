//! The main sensor: BPF programs that read each call of interest as it returns, filtered by cgroup in the kernel.
//!
//! Needs BTF, a ring buffer and the permission to load BPF programs; nothing else of the kernel. The ring is emptied every 2 ms without
//! being woken: a wake-up for each event costs the sample more than the event.

use std::{
    collections::HashMap,
    fs,
    sync::{
        Arc, Condvar, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use aya::{
    Btf, Ebpf, EbpfLoader, Pod,
    maps::{Array, PerCpuArray, RingBuf},
    programs::BtfTracePoint,
};
use model::{What, trace::Stream};
use probes::{Piece, Record, counter, flag, kind};

use super::{
    Sensor, SensorCounts, SensorError,
    calls::{self, CALLS, COMPAT, SLEEPS},
    state::State,
    translate::{Asked, FileSeen, shortened, stream, strings, translate},
};
use crate::{Recorder, record::boot_ns};

/// Arguments, and variables, of a program that are kept.
const STRINGS_MAX: usize = 256;
/// How long the ring fills before it is looked at.
const POLL: Duration = Duration::from_millis(2);
/// Programs, and what they are attached to.
const TRACEPOINTS: [(&str, &str); 4] = [
    ("on_exec", "sched_process_exec"),
    ("on_fork", "sched_process_fork"),
    ("on_exit", "sched_process_exit"),
    ("on_call", "sys_exit"),
];
/// The one that can be missing.
const RINGS: (&str, &str) = ("on_ring", "io_uring_submit_req");
/// What the verifier ends with, whatever it found.
const COUNTS: [&str; 4] = ["verification time", "stack depth", "processed", ": "];
/// Programs that are only in memory, that are handed on.
const PROGRAMS_MAX: u32 = 64;

/// Looks at a program that is only in memory: the host's process id, and the program's name.
pub type OnProgram = Box<dyn FnMut(i32, &str) + Send>;

/// What more the sensor does.
#[derive(Default)]
pub struct Options {
    /// Record sleeps, when they are over, but those until a moment: for runs where [`super::notify`] does not skip them.
    pub sleeps: bool,
    /// Called with the host's process id, and the name, of each program that is run without a name in any folder, while the process stands still:
    /// its bytes can be read from `/proc/PID/exe`. At most 64 times.
    pub on_program: Option<OnProgram>,
    /// Size of the ring, a power of two; 16 MiB if none: a second of 100,000 events.
    pub ring_bytes: Option<u32>,
}

/// Attaches the sensor to a cgroup (and those below it), by its id: what `bpf_get_current_cgroup_id` gives, the inode of its folder.
///
/// What a process does before it runs a program in the sandbox, and no known process made it, is not recorded: that is the launcher.
///
/// # Errors
///
/// [`SensorError`] where the kernel lacks or refuses something; nothing stays attached then.
pub fn attach(cgroup_id: u64, recorder: Arc<Recorder>) -> Result<Box<dyn Sensor>, SensorError> {
    attach_with(cgroup_id, recorder, Options::default())
}

/// As [`attach`], with [`Options`].
///
/// # Errors
///
/// As [`attach`].
pub fn attach_with(cgroup_id: u64, recorder: Arc<Recorder>, options: Options) -> Result<Box<dyn Sensor>, SensorError> {
    let mut loaded = match options.ring_bytes.map_or_else(take_spare, |_| None) {
        Some(spare) => spare,
        None => load(options.ring_bytes)?,
    };
    loaded.attach(cgroup_id, &options)?;
    let stop = Arc::new(AtomicBool::new(false));
    let teller = Teller {
        recorder,
        state: State::default(),
        users: HashMap::new(),
        on_program: options.on_program,
        programs: 0,
        loss: false,
    };
    let reader = Reader { ring: loaded.ring, counters: loaded.counters, teller };
    let stopped = Arc::clone(&stop);
    let thread = thread::Builder::new()
        .name("sensor".to_owned())
        .spawn(move || reader.run(&stopped))
        .map_err(|error| refused("a thread", error))?;
    Ok(Box::new(Bpf { programs: Some(loaded.programs), rings: loaded.rings, stop, thread: Some(thread) }))
}

struct Bpf {
    /// Attached until dropped.
    programs: Option<Ebpf>,
    rings: bool,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<SensorCounts>>,
}

impl Sensor for Bpf {
    fn name(&self) -> &'static str {
        "bpf"
    }

    fn blind_spots(&self) -> Vec<String> {
        let mut spots = vec![
            "what a program changes in a file that it mapped into its memory is not seen as a write".to_owned(),
            "of 32-bit programs, calls whose arguments are structs are not seen".to_owned(),
            "the path of a failed call is the one asked for; symbolic links in it are not followed".to_owned(),
        ];
        if self.rings {
            spots.push("operations through io_uring are seen by their number, without paths and addresses".to_owned());
        } else {
            spots.push("operations through io_uring are not seen".to_owned());
        }
        spots
    }

    fn finish(mut self: Box<Self>) -> SensorCounts {
        // Detaches; what the ring holds by then is still read.
        self.programs = None;
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Bpf {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Loaded {
    programs: Ebpf,
    ring: RingBuf<aya::maps::MapData>,
    counters: PerCpuArray<aya::maps::MapData, u64>,
    rings: bool,
}

/// A struct of the programs, as a map takes it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Bytes<const LENGTH: usize>([u8; LENGTH]);

#[expect(unsafe_code, reason = "aya asks for the promise")]
// SAFETY: bytes, all patterns of which are valid, without padding.
unsafe impl<const LENGTH: usize> Pod for Bytes<LENGTH> {}

/// Types of the running kernel: read once, they are a few megabytes.
pub(super) fn kernel_types() -> Result<&'static Btf, SensorError> {
    static TYPES: OnceLock<Result<Btf, String>> = OnceLock::new();
    TYPES
        .get_or_init(|| Btf::from_sys_fs().map_err(|error| error.to_string()))
        .as_ref()
        .map_err(|why| SensorError::Btf(why.clone()))
}

/// Programs that were loaded ahead, for the next [`attach`], and how many are being loaded. Each holds its ring's memory.
static SPARE: Mutex<(Vec<Loaded>, usize)> = Mutex::new((Vec::new(), 0));
static LOADED: Condvar = Condvar::new();
const SPARE_MAX: usize = 2;

/// Loads the programs ahead, so that the next [`attach`] only attaches them: the kernel takes most of 100 ms to look through them. For a thread
/// beside what goes on before a run; what fails here fails again, and is told, when attaching.
pub fn warm() {
    let spare = || SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut now = spare();
    if now.0.len() + now.1 >= SPARE_MAX {
        return;
    }
    now.1 += 1;
    drop(now);
    let loaded = load(None);
    let mut now = spare();
    now.1 -= 1;
    now.0.extend(loaded.ok());
    LOADED.notify_all();
}

/// One that was loaded ahead, or is just being loaded.
fn take_spare() -> Option<Loaded> {
    let mut now = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    while now.0.is_empty() && now.1 > 0 {
        now = LOADED.wait(now).unwrap_or_else(PoisonError::into_inner);
    }
    now.0.pop()
}

/// Loads everything, for nobody yet.
fn load(ring_bytes: Option<u32>) -> Result<Loaded, SensorError> {
    if cfg!(not(target_arch = "x86_64")) {
        return Err(SensorError::Machine);
    }
    let types = kernel_types()?;
    let mut loader = EbpfLoader::new();
    if let Some(bytes) = ring_bytes {
        loader.map_max_entries("ring", bytes);
    }
    let mut programs =
        loader.btf(Some(types)).load(probes::sensor()).map_err(|error| refused("the programs", error))?;
    for (name, tracepoint) in TRACEPOINTS {
        load_program(&mut programs, name, tracepoint, types)?;
    }
    let rings = load_program(&mut programs, RINGS.0, RINGS.1, types).is_ok();
    let ring = programs.take_map("ring").ok_or_else(|| SensorError::Btf("no ring".to_owned()))?;
    let ring = RingBuf::try_from(ring).map_err(|error| refused("the ring", error))?;
    let counters = programs.take_map("counters").ok_or_else(|| SensorError::Btf("no counters".to_owned()))?;
    let counters = PerCpuArray::try_from(counters).map_err(|error| refused("the counters", error))?;
    Ok(Loaded { programs, ring, counters, rings })
}

impl Loaded {
    fn attach(&mut self, cgroup_id: u64, options: &Options) -> Result<(), SensorError> {
        set_interests(&mut self.programs, options)?;
        let map = self.programs.map_mut("targets").ok_or_else(|| SensorError::Btf("no targets".to_owned()))?;
        let mut map: Array<_, Bytes<24>> = Array::try_from(map).map_err(|error| refused("a table", error))?;
        let target = probes::target(cgroup_id, options.on_program.is_some());
        map.set(0, Bytes(target), 0).map_err(|error| refused("a table", error))?;
        for (name, _) in TRACEPOINTS {
            attach_program(&mut self.programs, name)?;
        }
        self.rings = self.rings && attach_program(&mut self.programs, RINGS.0).is_ok();
        Ok(())
    }
}

fn set_interests(programs: &mut Ebpf, options: &Options) -> Result<(), SensorError> {
    let mut fill = |map: &str, values: &mut dyn Iterator<Item = (u32, probes::Interest)>| {
        let map = programs.map_mut(map).ok_or_else(|| SensorError::Btf(format!("no {map}")))?;
        let mut map: Array<_, Bytes<12>> = Array::try_from(map).map_err(|error| refused("a table", error))?;
        for (number, interest) in values {
            map.set(number, Bytes(interest.bytes()), 0).map_err(|error| refused("a table", error))?;
        }
        Ok(())
    };
    let sleeps = if options.sleeps { SLEEPS } else { &[] };
    let of = |number| u32::try_from(number).expect("numbers of calls are small");
    fill("interests", &mut CALLS.iter().chain(sleeps).map(|call| (of(call.number), call.interest)))?;
    let mut compat = COMPAT.iter().filter_map(|(number, native)| {
        let mut interest = calls::find(*native)?.interest;
        interest.native = u16::try_from(*native).ok()?;
        Some((*number, interest))
    });
    fill("interests_compat", &mut compat)
}

fn tracing<'a>(programs: &'a mut Ebpf, name: &str) -> Result<&'a mut BtfTracePoint, SensorError> {
    let program = programs.program_mut(name).ok_or_else(|| SensorError::Btf(format!("no {name}")))?;
    program.try_into().map_err(|error| refused(name, error))
}

fn load_program(programs: &mut Ebpf, name: &str, tracepoint: &str, types: &Btf) -> Result<(), SensorError> {
    tracing(programs, name)?.load(tracepoint, types).map_err(|error| refused(name, error))
}

fn attach_program(programs: &mut Ebpf, name: &str) -> Result<(), SensorError> {
    tracing(programs, name)?.attach().map(|_| ()).map_err(|error| refused(name, error))
}

pub(super) fn refused(what: &str, why: impl std::error::Error) -> SensorError {
    let mut words = why.to_string();
    let mut source = why.source();
    while let Some(inner) = source {
        words = format!("{words}: {inner}");
        source = inner.source();
    }
    // The verifier says thousands of lines; its last but few says why.
    let reason =
        words.lines().rev().find(|line| !line.is_empty() && !COUNTS.iter().any(|counts| line.starts_with(counts)));
    let first = words.lines().next().unwrap_or("");
    let why = match reason {
        Some(reason) if reason != first => format!("{}: {}", cut(first), cut(reason)),
        _ => cut(first).to_owned(),
    };
    SensorError::Refused { what: what.to_owned(), why }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(200)]
}

/// Empties the ring, on a thread of its own.
struct Reader {
    ring: RingBuf<aya::maps::MapData>,
    counters: PerCpuArray<aya::maps::MapData, u64>,
    teller: Teller,
}

impl Reader {
    fn run(mut self, stop: &AtomicBool) -> SensorCounts {
        let mut turns = 0_u64;
        loop {
            // Read before the ring is emptied: what comes after it was told to stop is not waited for.
            let last = stop.load(Ordering::Relaxed);
            while let Some(item) = self.ring.next() {
                if let Some(record) = Record::read(&item) {
                    self.teller.tell(&record);
                }
            }
            self.teller.state.tell_old(boot_ns(), &self.teller.recorder);
            if last {
                break;
            }
            if turns.is_multiple_of(64) {
                self.teller.loss = self.count(counter::LOST) > 0;
            }
            turns += 1;
            thread::sleep(POLL);
        }
        self.teller.state.tell_all(&self.teller.recorder);
        SensorCounts { seen: self.count(counter::SEEN), lost: self.count(counter::LOST) }
    }

    fn count(&self, which: u32) -> u64 {
        self.counters.get(&which, 0).map(|values| values.iter().sum()).unwrap_or(0)
    }
}

/// Tells the recorder what records say.
struct Teller {
    recorder: Arc<Recorder>,
    state: State,
    /// User ids of the host, and what the sample calls them.
    users: HashMap<u32, u32>,
    on_program: Option<OnProgram>,
    programs: u32,
    /// Whether something was lost: what is not known may be the sample's then.
    loss: bool,
}

impl Teller {
    fn tell(&mut self, record: &Record<'_>) {
        let head = &record.head;
        if head.kind == kind::EXEC {
            self.state.meet(head.host);
        } else if !self.loss && !self.state.knows(head.host) {
            return;
        }
        let what = match head.kind {
            kind::CALL => return call(record, &mut self.state, &self.recorder),
            kind::EXEC => return self.exec(record),
            kind::FORK => {
                self.state.meet(low(head.arguments[1]));
                What::Fork { child: low(head.arguments[0]), thread: record.has(flag::THREAD) }
            }
            kind::EXIT => {
                self.state.tell_of(head.process, &self.recorder);
                self.state.forget(head.host);
                let status = low(head.result.cast_unsigned());
                let signal = (status & 0x7f).cast_signed();
                let code = if signal == 0 { (status >> 8 & 0xff).cast_signed() } else { 0 };
                What::Exit { code, signal, cpu_ms: head.arguments[0] / 1_000_000 }
            }
            kind::RING => {
                let call = format!("io_uring:{}", ring_operation(head.number));
                What::Kernel { call, arguments: vec![head.number.into()], result: 0 }
            }
            _ => return,
        };
        self.recorder.at(head.at, head.process, what);
    }

    fn exec(&mut self, record: &Record<'_>) {
        let head = &record.head;
        self.state.tell_all(&self.recorder);
        let what = exec(record, &self.state, &mut self.users);
        if let (What::Exec { path, .. }, true) = (&what, record.has(flag::STOPPED)) {
            self.look_at(head.host, path);
        }
        self.recorder.at(head.at, head.process, what);
    }

    /// A program that is only in memory: its process stands still until it was looked at.
    fn look_at(&mut self, host: u32, name: &str) {
        let Ok(host) = i32::try_from(host) else { return };
        if let Some(on_program) = self.on_program.as_mut().filter(|_| self.programs < PROGRAMS_MAX) {
            self.programs += 1;
            on_program(host, name);
        }
        // It may be gone.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(host), nix::sys::signal::Signal::SIGCONT);
    }
}

fn call(record: &Record<'_>, state: &mut State, recorder: &Recorder) {
    let head = &record.head;
    let Some(call) = calls::find(head.number.into()) else { return };
    let file = (head.file != 0).then(|| FileSeen {
        id: head.file,
        path: path_of(record, Piece::File),
        mode: head.file_mode,
        family: head.file_family,
    });
    match call.name {
        "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" | "sendfile" | "copy_file_range" | "splice" => {
            if let Some(file) = file {
                let bytes = head.result.cast_unsigned();
                state.write(head.at, head.process, file, bytes, record.piece(Piece::First), recorder);
            }
            return;
        }
        "listen" => {
            let at = file.map(|file| state.bound(file.id)).unwrap_or_default();
            recorder.at(head.at, head.process, What::Listen { at, result: head.result });
            return;
        }
        _ => {}
    }
    let asked = Asked {
        call,
        arguments: head.arguments,
        result: head.result,
        parts: [record.piece(Piece::First), record.piece(Piece::Second)],
        folders: [path_of(record, Piece::FirstFolder), path_of(record, Piece::SecondFolder)],
        filesystem: record.piece(Piece::File),
        file,
    };
    if let Some(mut what) = translate(&asked) {
        state.learn(&mut what, asked.file.as_ref());
        recorder.at(head.at, head.process, what);
    }
}

fn exec(record: &Record<'_>, state: &State, users: &mut HashMap<u32, u32>) -> What {
    let head = &record.head;
    let path = path_of(record, Piece::File);
    let nameless = record.has(flag::NAMELESS);
    let written = nameless || record.has(flag::UPPER | flag::MEMORY) || state.was_written(&path);
    let user = *users.entry(head.user).or_insert_with(|| user_inside(head.host, head.user));
    What::Exec {
        path,
        arguments: strings(record.piece(Piece::First), STRINGS_MAX),
        environment: strings(record.piece(Piece::Second), STRINGS_MAX),
        parent: head.parent,
        user,
        written,
        nameless,
        standard_input: standard(head.arguments[0]),
        standard_output: standard(head.arguments[1]),
    }
}

/// The mode and address family of a standard stream; files are not told.
fn standard(packed: u64) -> Option<Stream> {
    let mode = low(packed >> 32);
    stream(mode, low(packed & 0xffff_ffff)).filter(|stream| *stream != Stream::File)
}

/// A user id of the host as the process's own user namespace has it; the same where that cannot be read.
fn user_inside(host: u32, user: u32) -> u32 {
    let Ok(map) = fs::read_to_string(format!("/proc/{host}/uid_map")) else { return user };
    let lines = map.lines().filter_map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u32>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    let inside = lines.filter(|(_, outside, length)| user.checked_sub(*outside).is_some_and(|off| off < *length));
    inside.map(|(inside, outside, _)| inside.wrapping_add(user - outside)).next().unwrap_or(user)
}

/// The names from a file up to the root, as a path; the name alone for a file of no folder.
fn path_of(record: &Record<'_>, piece: Piece) -> String {
    let names = record.piece(piece);
    if names.is_empty() {
        return String::new();
    }
    let names = names.strip_suffix(b"\0").unwrap_or(names);
    let whole = String::from_utf8_lossy(names);
    if whole.starts_with("memfd:") && !whole.contains('\0') {
        return shortened(whole.into_owned());
    }
    let mut path = String::with_capacity(whole.len() + 1);
    for name in whole.rsplit('\0').filter(|name| *name != "/") {
        path.push('/');
        path.push_str(name);
    }
    if path.is_empty() {
        path.push('/');
    }
    shortened(path)
}

fn low(value: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the upper half is masked or unused")]
    let low = value as u32;
    low
}

/// Names of operations that a service has no ring for; the number for others. Source: `include/uapi/linux/io_uring.h`.
fn ring_operation(number: u32) -> String {
    let name = match number {
        1 => "readv",
        2 => "writev",
        9 => "sendmsg",
        13 => "accept",
        16 => "connect",
        18 => "openat",
        22 => "read",
        23 => "write",
        26 => "send",
        28 => "openat2",
        35 => "renameat",
        36 => "unlinkat",
        37 => "mkdirat",
        38 => "symlinkat",
        39 => "linkat",
        45 => "socket",
        other => return other.to_string(),
    };
    name.to_owned()
}
