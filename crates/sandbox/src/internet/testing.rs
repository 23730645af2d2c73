//! A network namespace of a test's own, with the simulated internet in it, and what was recorded.

#![expect(
    clippy::disallowed_methods,
    reason = "the sample's side: real clients in a namespace that leads nowhere else"
)]

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::fd::AsFd as _,
    path::PathBuf,
    process::Command,
    sync::Arc,
    thread,
    time::Duration,
};

use model::{Canary, Event, What};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use super::{
    Authority, Internet, InternetPlan, NetworkCounts,
    device::{self, Address, Statistics},
};
use crate::{Recorder, record::boot_ns};

/// A day in 2024, at noon.
pub(super) const NOW: u64 = 1_718_452_800;

/// The sample's side.
pub(super) struct Guest {
    pub(super) internet: Internet,
    pub(super) recorder: Arc<Recorder>,
    /// The CA's certificate.
    pub(super) authority: PathBuf,
    _folder: tempfile::TempDir,
}

/// Runs `sample` in a namespace of its own; gives what was recorded, in order.
pub(super) fn run(sample: impl FnOnce(&Guest) + Send + 'static) -> (Vec<What>, NetworkCounts) {
    run_with(Vec::new(), None, sample)
}

pub(super) fn run_with(
    canaries: Vec<Canary>,
    pcap: Option<Box<dyn std::io::Write + Send>>,
    sample: impl FnOnce(&Guest) + Send + 'static,
) -> (Vec<What>, NetworkCounts) {
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_FS).expect("root");
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).expect("private");
        let folder = tempfile::tempdir().expect("a folder");
        let resolver = folder.path().join("resolv.conf");
        fs::write(&resolver, "nameserver 198.51.100.53\noptions timeout:2 attempts:1\n").expect("writes");
        mount(Some(&resolver), "/etc/resolv.conf", None::<&str>, MsFlags::MS_BIND, None::<&str>).expect("binds");

        let open = File::options().read(true).write(true).open("/dev/net/tun").expect("/dev/net/tun");
        let address = Address::default();
        let tun = device::create(open.as_fd(), &address).expect("a device");
        drop(open);
        let authority = Authority::new(NOW).expect("an authority");
        let pem = folder.path().join("authority.pem");
        fs::write(&pem, authority.pem()).expect("writes");
        let recorder = Arc::new(Recorder::new(None));
        recorder.begin(boot_ns());
        let plan = InternetPlan {
            seed: 7,
            now: NOW,
            address,
            canaries,
            pcap,
            statistics: Some(Statistics::of_this_thread().expect("counts")),
        };
        let internet = super::start(tun, plan, authority, Arc::clone(&recorder)).expect("starts");
        let guest = Guest { internet, recorder, authority: pem, _folder: folder };
        sample(&guest);
        let counts = guest.internet.finish();
        (guest.recorder.take().into_iter().map(|event: Event| event.what).collect(), counts)
    });
    thread.join().expect("the sample's side ends well")
}

/// Runs a shell script there; what it printed.
pub(super) fn shell(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Runs a Python program there; what it printed.
pub(super) fn python(program: &str) -> String {
    let output = Command::new("python3").args(["-c", program]).output().expect("python3");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

pub(super) fn connect(to: &str) -> TcpStream {
    let to: SocketAddr = to.parse().expect("an address");
    let stream = TcpStream::connect_timeout(&to, Duration::from_secs(5)).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time limit");
    stream
}

/// Says `line`, and reads until `expected` came.
pub(super) fn ask(stream: &mut TcpStream, line: &str, expected: &str) -> String {
    stream.write_all(line.as_bytes()).expect("sends");
    let mut heard = Vec::new();
    let mut piece = [0; 4096];
    while !String::from_utf8_lossy(&heard).contains(expected) {
        let length = stream.read(&mut piece).unwrap_or(0);
        assert!(length > 0, "{expected:?} is not in {:?}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&piece[..length]);
    }
    String::from_utf8_lossy(&heard).into_owned()
}
