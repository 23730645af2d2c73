//! The sensors, on real programs: what each sees, and that both see the same.

mod cell;

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use cell::{Cell, run_notified};
use model::{Event, Stream, What};
use sandbox::{
    Recorder,
    sensor::{SensorCounts, Tricks, bpf, notify},
};

/// One of most kinds of call, by a Python script in an empty folder.
const PROGRAM: &str = r"
import ctypes, mmap, os, socket
libc = ctypes.CDLL(None)
f = os.open('a', os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644); os.write(f, b'hello'); os.close(f)
os.rename('a', 'b'); os.link('b', './c'); os.symlink('b', 'd'); os.chmod('b', 0o4755); os.chown('b', 0, 0)
os.mkdir('e'); os.mkfifo('f')
e = os.open('e', os.O_RDONLY); os.close(os.open('../e/x', os.O_CREAT | os.O_WRONLY, dir_fd=e)); os.unlink('x', dir_fd=e)
os.unlink('c'); os.rmdir('e'); os.truncate('b', 0)
try: os.open('missing', os.O_RDONLY)
except FileNotFoundError: pass
open('/etc/shadow').close()
tcp = socket.socket(); tcp.connect_ex(('127.0.0.1', 9))
six = socket.socket(socket.AF_INET6); six.connect_ex(('::1', 9))
local = socket.socket(socket.AF_UNIX); local.connect_ex('/run/lazaret/none'); local.connect_ex('\0lazaret-none')
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))
os.dup2(server.fileno(), 0)
os.memfd_create('payload')
mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
os.kill(os.getpid(), 0); os.setuid(0); libc.prctl(4, 1)
libc.unshare(0x04000000); libc.mount(b'none', b'/lazaret/none', b'tmpfs', 0, None); os.sched_setaffinity(0, [0])
libc.ptrace(16, -1, 0, 0)
os.waitpid(os.posix_spawn('/bin/echo', ['echo', 'a b', ''], {'LANG': 'C'}), 0)
try: os.execv('/lazaret/none', ['x'])
except FileNotFoundError: pass
os._exit(7)
";

fn by_bpf(script: &str, folder: &Path, options: bpf::Options) -> (Vec<Event>, SensorCounts) {
    let (cell, recorder) = (Cell::new(), Arc::new(Recorder::new(None)));
    let sensor = bpf::attach_with(cell.id(), Arc::clone(&recorder), options).expect("attaches");
    let output = cell.command("/usr/bin/python3").args(["-c", script]).current_dir(folder).output().expect("runs");
    let counts = sensor.finish();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (recorder.take(), counts)
}

fn by_notify(script: &str, folder: &Path, keep: Option<notify::Keep>) -> Vec<Event> {
    let recorder = Arc::new(Recorder::new(None));
    let tricks = Tricks::default();
    let filter = notify::filter(&tricks, true).expect("something to do");
    #[expect(clippy::disallowed_methods, reason = "starts the program that is watched")]
    let mut command = Command::new("/usr/bin/python3");
    command.env_clear().env("PATH", "/usr/bin:/bin").args(["-c", script]).current_dir(folder);
    let (output, sensor) = run_notified(command, filter, |listener| {
        notify::serve_with(listener, tricks, true, Arc::clone(&recorder), keep)
    });
    sensor.finish();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    recorder.take()
}

/// What is the same for both sensors, in one line; none for what the program's own start does, and for what a blind spot names.
fn line(event: &Event, folder: &str) -> Option<String> {
    let ours = |path: &str| path.starts_with(folder) || path.starts_with("/lazaret") || path == "/etc/shadow";
    let short = |path: &str| path.replace(folder, ".");
    Some(match &event.what {
        What::Open { path, read, write, create, truncate, .. } if ours(path) => {
            format!("open {} {read} {write} {create} {truncate}", short(path))
        }
        // Blind spots: what is written, results, and the end by a signal.
        What::Open { .. } | What::Write { .. } => return None,
        What::Exec { path, arguments, environment, standard_input, user, .. } if path.contains("echo") => {
            format!("exec {path} {arguments:?} {environment:?} {standard_input:?} {user}")
        }
        What::Exec { path, .. } if path.starts_with("/usr/bin/python3") => "exec python".to_owned(),
        What::ExecFailed { path, result } => format!("exec-failed {path} {result}"),
        What::Fork { thread: false, .. } => "fork".to_owned(),
        What::Exit { code, .. } => format!("exit {code}"),
        What::Rename { from, to, .. } => format!("rename {} {}", short(from), short(to)),
        What::Link { target, path, symbolic, .. } => format!("link {} {} {symbolic}", short(target), short(path)),
        What::Unlink { path, .. } => format!("unlink {}", short(path)),
        What::Chmod { path, mode, .. } => format!("chmod {} {mode:?}", short(path)),
        What::Make { path, what, .. } => format!("make {} {what}", short(path)),
        What::Memfd { name, .. } => format!("memfd {name}"),
        What::ExecutableMemory { call, bytes, .. } if *bytes == 4096 => format!("executable {call}"),
        What::ExecutableMemory { .. } => return None,
        What::Socket { family, kind, .. } => format!("socket {family} {kind}"),
        What::Connect { to, .. } => format!("connect {to}"),
        What::Bind { to, .. } => format!("bind {to}"),
        What::Listen { at, .. } => format!("listen {at}"),
        What::SendTo { to, .. } => format!("send {to}"),
        What::Redirect { onto, stream } => format!("redirect {onto} {stream:?}"),
        What::Kill { signal, .. } => format!("kill {signal}"),
        What::Identity { call, arguments, .. } => format!("identity {call} {arguments:?}"),
        What::Namespace { call, flags, .. } => format!("namespace {call} {flags:x}"),
        What::Mount { call, source, target, filesystem, .. } => {
            format!("mount {call} {source} {target} {filesystem}")
        }
        What::Trace { call, request, .. } => format!("trace {call} {request}"),
        What::Kernel { call, .. } => format!("kernel {call}"),
        _ => return None,
    })
}

fn lines(events: &[Event], folder: &Path) -> Vec<String> {
    let folder = folder.to_str().expect("text");
    events.iter().filter_map(|event| line(event, folder)).collect()
}

/// The contract of all sensors: the same program gives the same events.
#[test]
fn both_sensors_see_the_same() {
    let first = tempfile::tempdir().expect("a folder");
    let second = tempfile::tempdir().expect("a folder");
    let (events, counts) = by_bpf(PROGRAM, first.path(), bpf::Options::default());
    assert_eq!(counts.lost, 0);
    let bpf = lines(&events, first.path());
    let noticed = by_notify(PROGRAM, second.path(), None);
    let notify = lines(&noticed, second.path());
    assert!(bpf.len() > 40, "{bpf:#?}");
    assert_eq!(bpf.join("\n"), notify.join("\n"));
    let written = |events: &[Event]| {
        let of = |event: &Event| match &event.what {
            What::Write { bytes, head, .. } => Some((*bytes, head.clone())),
            _ => None,
        };
        events.iter().find_map(of)
    };
    assert_eq!(written(&events), Some((5, "aGVsbG8=".to_owned())));
    assert_eq!(written(&noticed), written(&events));
}

#[test]
fn bpf_sees_results_writes_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let (events, counts) = by_bpf(PROGRAM, folder.path(), bpf::Options::default());
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let has = |what: &dyn Fn(&What) -> bool| events.iter().any(|event| what(&event.what));
    assert!(has(&|what| *what == What::Write { path: path("a"), bytes: 5, calls: 1, head: "aGVsbG8=".to_owned() }));
    assert!(has(&|what| matches!(what, What::Open { path: of, result: -2, .. } if *of == path("missing"))));
    assert!(has(&|what| matches!(what, What::Connect { to, result: -111 } if to == "127.0.0.1:9")));
    assert!(has(&|what| matches!(what, What::Listen { at, result: 0 } if at == "127.0.0.1:0")));
    assert!(has(&|what| *what == What::Redirect { onto: 0, stream: Stream::Socket }));
    let end = events.last().expect("events");
    assert!(matches!(end.what, What::Exit { code: 7, signal: 0, cpu_ms: 1.. }), "{end:?}");
    assert!(counts.seen >= events.len() as u64);
}

#[test]
fn a_program_that_is_only_in_memory_is_seen_and_can_be_read() {
    let script = r"
import os
f = os.memfd_create('payload'); os.write(f, open('/bin/echo', 'rb').read())
os.execve(f, ['innocent'], {})
";
    let taken = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&taken);
    let look = move |process: i32, name: &str| {
        let bytes = fs::read(format!("/proc/{process}/exe")).expect("it stands still");
        list.lock().expect("ours").push((name.to_owned(), bytes));
    };
    let options = bpf::Options { on_program: Some(Box::new(look)), ..bpf::Options::default() };
    let (events, _) = by_bpf(script, Path::new("/tmp"), options);
    let expected = vec![("memfd:payload".to_owned(), fs::read("/bin/echo").expect("reads"))];
    assert!(*taken.lock().expect("ours") == expected, "the very bytes it ran");
    let exec = events.iter().find(|event| matches!(&event.what, What::Exec { nameless: true, .. })).expect("seen");
    assert!(matches!(&exec.what, What::Exec { path, written: true, .. } if path == "memfd:payload"), "{exec:?}");
    assert!(matches!(events.last().expect("events").what, What::Exit { code: 0, .. }), "it went on");
}

#[test]
fn bpf_sees_sleeps_where_nothing_skips_them() {
    let options = bpf::Options { sleeps: true, ..bpf::Options::default() };
    let (events, _) = by_bpf("import os; os.execv('/bin/sleep', ['sleep', '0.2'])", Path::new("/tmp"), options);
    let slept = |event: &Event| matches!(event.what, What::Sleep { asked_ms: 200, skipped: false, .. });
    assert!(events.iter().any(slept), "{events:?}");
}

#[test]
fn a_program_that_was_written_first_is_known_as_such() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "import os, shutil; shutil.copy('/bin/true', './x'); os.execv('./x', ['x'])";
    let (events, _) = by_bpf(script, folder.path(), bpf::Options::default());
    let path = folder.path().join("x").to_str().expect("text").to_owned();
    let written = |event: &Event| matches!(&event.what, What::Exec { path: of, written: true, .. } if *of == path);
    assert!(events.iter().any(written), "{:?}", lines(&events, folder.path()));
}

/// A 64-bit program can make calls of the 32-bit interface, whose numbers mean something else.
#[test]
fn calls_of_the_32_bit_interface_are_not_misread() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, program) = (folder.path().join("old.c"), folder.path().join("old"));
    // unlink is 10 there; 10 of the 64-bit interface is mprotect.
    let text = "static char name[] = \"/lazaret/old\"; int main(void) { long r; \
                __asm__ volatile(\"int $0x80\" : \"=a\"(r) : \"a\"(10L), \"b\"(name)); return r == -2; }";
    fs::write(&source, text).expect("writes");
    let script = format!(
        "import subprocess, sys; subprocess.run(['cc', '-static', '-no-pie', '-o', {program:?}, {source:?}], check=True); \
         sys.exit(subprocess.run([{program:?}]).returncode)"
    );
    let (events, _) = by_bpf(&script, folder.path(), bpf::Options::default());
    let unlink = |event: &Event| matches!(&event.what, What::Unlink { path, result: -2 } if path == "/lazaret/old");
    assert!(events.iter().any(unlink));
}

#[test]
fn processes_are_counted_as_the_sample_counts_them() {
    let (cell, recorder) = (Cell::new(), Arc::new(Recorder::new(None)));
    let sensor = bpf::attach(cell.id(), Arc::clone(&recorder)).expect("attaches");
    // The shell that unshares is the first process; what it starts is 1 in a namespace below, and keeps its number above.
    let output = cell.shell("echo $$; sh -c 'exit 3' & echo $!; wait; unshare --pid --fork sh -c 'echo inside $$'");
    sensor.finish();
    let events = recorder.take();
    let numbers: Vec<u32> = output.lines().filter_map(|line| line.parse().ok()).collect();
    let [shell, child] = numbers[..] else { panic!("{output}") };
    assert!(output.contains("inside 1"), "{output}");
    assert!(events.iter().any(|event| event.process == shell && event.what == What::Fork { child, thread: false }));
    let ended = |event: &Event| event.process == child && matches!(event.what, What::Exit { code: 3, .. });
    assert!(events.iter().any(ended));
    assert!(events.iter().all(|event| event.process > 1), "one namespace for all numbers");
}

#[test]
fn groups_below_are_watched_and_others_are_not() {
    let (cell, other, recorder) = (Cell::new(), Cell::new(), Arc::new(Recorder::new(None)));
    let sensor = bpf::attach(cell.id(), Arc::clone(&recorder)).expect("attaches");
    other.shell("rm -f /lazaret/other");
    cell.shell("rm -f /lazaret/own");
    let below = cell.below();
    cell.shell(&format!("echo $$ > {}/cgroup.procs; rm -f /lazaret/below", below.display()));
    sensor.finish();
    let events = recorder.take();
    let unlinked =
        |name: &str| events.iter().any(|event| matches!(&event.what, What::Unlink { path, .. } if path == name));
    assert!(unlinked("/lazaret/own") && unlinked("/lazaret/below") && !unlinked("/lazaret/other"));
}

/// The count is exact against the generator's own, and what is lost is counted one by one.
#[test]
fn every_event_is_counted_also_those_that_are_lost() {
    const MANY: u64 = 60_000;
    let run = |many: u64, ring_bytes| {
        let script = format!(
            "import os\nfor i in range({many}):\n try: os.unlink('/lazaret/none')\n except FileNotFoundError: pass"
        );
        let (cell, recorder) = (Cell::new(), Arc::new(Recorder::new(None)));
        let options = bpf::Options { ring_bytes, ..bpf::Options::default() };
        let sensor = bpf::attach_with(cell.id(), Arc::clone(&recorder), options).expect("attaches");
        // No folder of compiled modules is written or removed: the same number of calls each time.
        let output = cell.command("/usr/bin/python3").args(["-I", "-S", "-B", "-c", &script]).output().expect("runs");
        assert!(output.status.success(), "{output:?}");
        let counts = sensor.finish();
        let folded = recorder.folded();
        (counts, recorder.take().len() as u64 + folded)
    };
    run(0, None);
    let (start, start_told) = run(0, None);
    assert_eq!(start.lost, 0);
    let (whole, told) = run(MANY, None);
    assert_eq!((whole.seen - start.seen, whole.lost), (MANY, 0));
    assert_eq!(told - start_told, MANY);
    let (starved, told) = run(MANY, Some(4096));
    assert_eq!(starved.seen - start.seen, MANY, "those that were lost are counted too");
    assert!(starved.lost > 0, "the ring must be too small to prove anything");
    assert!(told <= starved.seen - starved.lost);
}

/// In a root of its own, as the launcher makes it: an overlay whose lower layer is the image, entered by pivot_root.
#[test]
fn in_a_sandbox_paths_are_its_own_and_what_is_not_of_the_image_is_told() {
    let (cell, recorder) = (Cell::new(), Arc::new(Recorder::new(None)));
    let folder = tempfile::tempdir().expect("a folder");
    let script = r#"
set -e
mount -t tmpfs none "$0"; cd "$0"; mkdir upper work root
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work none root
cd root; mkdir -p old-root; pivot_root . old-root
cp /bin/true /opt/dropped; cd /opt; ./dropped; /bin/true
echo x > ./note; mkdir -p /run/x; mount -t tmpfs none /run/x; cp /bin/true /run/x/memory; /run/x/memory
"#;
    let sensor = bpf::attach(cell.id(), Arc::clone(&recorder)).expect("attaches");
    let place = folder.path().to_str().expect("text");
    let arguments = ["--mount", "--pid", "--fork", "/bin/sh", "-c", script, place];
    let output = cell.command("unshare").args(arguments).output().expect("runs");
    sensor.finish();
    assert!(output.status.success(), "{output:?}");
    let events = recorder.take();
    let run = |name: &str| {
        let of = |event: &Event| match &event.what {
            What::Exec { path, written, .. } if path == name => Some(*written),
            _ => None,
        };
        events.iter().find_map(of)
    };
    assert_eq!(run("/opt/dropped"), Some(true), "{:?}", lines(&events, folder.path()));
    assert_eq!(run("/run/x/memory"), Some(true));
    assert_eq!(run("/usr/bin/true"), Some(false));
    let wrote = |event: &Event| matches!(&event.what, What::Write { path, .. } if path == "/opt/note");
    assert!(events.iter().any(wrote));
}

/// A daemon: its parents are gone by the time it does anything.
#[test]
fn both_sensors_see_what_an_orphan_does() {
    let script = r"
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(0.2)
        try: os.unlink('/lazaret/orphan')
        except FileNotFoundError: pass
        os._exit(0)
    os._exit(0)
os.wait(); time.sleep(0.5)
";
    let seen = |events: &[Event]| {
        events.iter().any(|event| matches!(&event.what, What::Unlink { path, .. } if path == "/lazaret/orphan"))
    };
    assert!(seen(&by_bpf(script, Path::new("/tmp"), bpf::Options::default()).0));
    assert!(seen(&by_notify(script, Path::new("/tmp"), None)));
}

#[test]
fn without_bpf_what_will_be_gone_is_told_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&kept);
    let place = folder.path().to_owned();
    let keep = move |what: notify::Kept<'_>| {
        let entry = match what {
            notify::Kept::File { path, executed } if Path::new(path).starts_with(&place) => {
                format!("{executed} {}", fs::read_to_string(path).unwrap_or_default())
            }
            notify::Kept::Program { host } => {
                let bytes = fs::read(format!("/proc/{host}/exe")).expect("it waits");
                format!("program {}", bytes == fs::read("/bin/echo").expect("reads"))
            }
            notify::Kept::File { .. } => return,
        };
        list.lock().expect("ours").push(entry);
    };
    let script = r"
import os
open('x', 'w').write('payload'); os.unlink('x')
f = os.memfd_create('payload'); os.write(f, open('/bin/echo', 'rb').read())
os.execve(f, ['innocent'], {})
";
    let events = by_notify(script, folder.path(), Some(Box::new(keep)));
    assert_eq!(*kept.lock().expect("ours"), ["false ", "false payload", "program true"]);
    let named =
        |event: &Event| matches!(&event.what, What::Exec { path, nameless: true, .. } if path == "memfd:payload");
    assert!(events.iter().any(named), "{:?}", lines(&events, folder.path()));
}
