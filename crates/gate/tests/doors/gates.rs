//! A feed in a folder that can change, and a proxy on it.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use feed::{
    Channel, EntryId, List, Role,
    shard::{self, Listed, Meta},
};
use gate::{
    Engine, Policy,
    door::Door,
    proxy::{Named, Proxy},
};
use model::{Category, Confidence, Digest, Severity};
use registry::{Options, Upstream};

/// 2026-06-01.
pub(crate) const NOW: u64 = 1_780_272_000;

/// A feed that says what a test wants, and the engine on it.
pub(crate) struct Gate {
    folder: tempfile::TempDir,
    pub(crate) engine: Engine,
    sequence: u64,
}

impl Gate {
    /// Lists `digests` as what they are; `LZ-2026-1` is the first.
    pub(crate) fn new(digests: &[(&str, Role)]) -> Self {
        Self::with_policy(digests, "")
    }

    pub(crate) fn with_policy(digests: &[(&str, Role)], policy: &str) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        publish(folder.path(), 1, digests);
        let policy = Policy::parse(policy, NOW).expect("a policy");
        let engine = Engine::open(folder.path(), policy).expect("a feed");
        Self { folder, engine, sequence: 1 }
    }

    /// Publishes another state, and takes it.
    pub(crate) fn list(&mut self, digests: &[(&str, Role)]) {
        self.sequence += 1;
        publish(self.folder.path(), self.sequence, digests);
        assert!(self.engine.reload().expect("a feed"), "it changed");
    }

    pub(crate) fn door(&self) -> Door {
        Door::new(self.engine.clone(), || NOW)
    }

    /// The feed's folder, for a process of its own.
    #[expect(dead_code, reason = "for the command line's tests")]
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A proxy before `upstreams`: name and URL.
    pub(crate) fn proxy(&self, upstreams: &[(&str, &str)]) -> Served {
        self.proxy_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"), upstreams)
    }

    pub(crate) fn proxy_on(&self, listener: TcpListener, upstreams: &[(&str, &str)]) -> Served {
        let named = |(name, url): &(&str, &str)| Named {
            name: (*name).to_owned(),
            upstream: Upstream::open(url, &options()).expect("a URL"),
        };
        let proxy = Proxy::new(upstreams.iter().map(named).collect(), self.door());
        Served::start(listener, move |listener, stop| proxy.serve(listener, stop))
    }
}

/// One try, and no credentials.
pub(crate) fn options() -> Options {
    Options { attempts_max: 1, ..Options::default() }
}

fn publish(folder: &Path, sequence: u64, digests: &[(&str, Role)]) {
    let release = folder.join(format!("releases/{sequence}"));
    fs::create_dir_all(release.join("shards")).expect("a folder");
    let entries: Vec<(Digest, Meta)> = digests
        .iter()
        .zip(1..)
        .map(|((digest, role), number)| {
            let listed = Listed {
                id: EntryId { year: 2026, number },
                role: *role,
                list: List::Block,
                channel: Channel::Stable,
                categories: vec![Category::Cryptominer],
                severity: Severity::Critical,
                confidence: Confidence::Certain,
            };
            (digest.parse().expect("a digest"), Meta::from(&listed))
        })
        .collect();
    for number in 0..=u8::MAX {
        let records = entries.iter().filter(|(digest, _)| digest.as_bytes()[0] == number).copied();
        let name = release.join(format!("shards/{number:02x}.bin"));
        fs::write(name, shard::encode(records.collect())).expect("written");
    }
    let head = format!(r#"{{"sequence":{sequence},"published_at":{NOW}}}"#);
    fs::write(release.join("feed.json"), head).expect("written");
    let next = folder.join("next");
    symlink(&release, &next).expect("a link");
    fs::rename(next, folder.join("current")).expect("switched");
}

/// A server in a thread, until it is dropped.
pub(crate) struct Served {
    /// `127.0.0.1:PORT`.
    pub(crate) host: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    pub(crate) fn start(
        listener: TcpListener,
        serve: impl FnOnce(TcpListener, &AtomicBool) -> std::io::Result<()> + Send + 'static,
    ) -> Self {
        let host = listener.local_addr().expect("bound").to_string();
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let thread = std::thread::spawn(move || serve(listener, &until).expect("it serves"));
        Self { host, stop, thread: Some(thread) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server failed");
        }
    }
}
