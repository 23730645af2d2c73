//! A publisher for tests: few entries, real keys, real files. And a web server that does what it is told.

use std::{
    collections::BTreeMap,
    fs, io,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

use model::{Category, Confidence, Digest, Severity};
use tempfile::TempDir;

use super::{FirstTrust, Origin, SyncError, SyncOptions, SyncReport, sync};
use crate::{
    date::rfc3339,
    entry::{Blast, Change, ChangeKind, Channel, Entry, EntryId, List, Role, SCHEMA, Status},
    shard::{self, Listed, Meta},
    trust::{Checkpoint, Cost, Keys, Plan, Secret, TargetFile, write_log, write_tuf},
};

pub(crate) const NOW: u64 = 1_764_000_000;
pub(crate) const DAY: u64 = 86_400;

/// Keys are the same in every run.
pub(crate) fn counting(from: u8) -> impl FnMut(&mut [u8]) -> io::Result<()> {
    let mut next = from;
    move |bytes| {
        next = next.wrapping_add(1);
        bytes.fill(next);
        Ok(())
    }
}

pub(crate) fn passphrase() -> Secret {
    Secret::new("a passphrase made for tests".to_owned())
}

pub(crate) fn entry(number: u32) -> Entry {
    let at = rfc3339(NOW);
    Entry {
        schema: SCHEMA.to_owned(),
        id: EntryId { year: 2026, number },
        digest: Digest::of(&number.to_be_bytes()),
        role: Role::Manifest,
        platform: None,
        list: List::Block,
        channel: Channel::Stable,
        status: Status::Active,
        reason: None,
        superseded_by: None,
        categories: [Category::Cryptominer].into(),
        severity: Severity::High,
        confidence: Confidence::High,
        summary: format!("number {number}"),
        kinds: [].into(),
        evidence: [].into(),
        references: [].into(),
        first_seen: at.clone(),
        listed_at: at.clone(),
        changed_at: at,
        parents: [].into(),
        children: [].into(),
        blast: Blast::default(),
        omitted: Default::default(),
    }
}

/// A feed in the making.
pub(crate) struct Publisher {
    pub(crate) folder: TempDir,
    pub(crate) keys: Keys,
    pub(crate) changes: Vec<Vec<u8>>,
    pub(crate) entries: BTreeMap<(Digest, Role), Entry>,
    releases: u64,
}

impl Publisher {
    pub(crate) fn new() -> Self {
        Self::seeded(0)
    }

    /// Other seeds make other keys.
    pub(crate) fn seeded(seed: u8) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let plan = Plan { cost: Cost { memory_kib: 64, passes: 1 }, ..Plan::new("feed.test/images") };
        let keys = Keys::create(&folder.path().join("keys"), &passphrase(), &plan, &mut counting(seed), NOW);
        let keys = keys.expect("keys");
        Self { folder, keys, changes: Vec::new(), entries: BTreeMap::new(), releases: 0 }
    }

    pub(crate) fn reopen(&mut self) {
        self.keys = Keys::open(&self.folder.path().join("keys"), &passphrase()).expect("opens");
    }

    pub(crate) fn change(&mut self, kind: ChangeKind, entry: Entry) {
        let change = Change { sequence: self.changes.len() as u64, at: rfc3339(NOW), kind, entry };
        self.changes.push(serde_json::to_vec(&change).expect("JSON"));
        self.entries.insert((change.entry.digest, change.entry.role), change.entry);
    }

    /// Lists so many more.
    pub(crate) fn list(&mut self, count: usize) {
        for _ in 0..count {
            let number = u32::try_from(self.changes.len() + 1).expect("few");
            self.change(ChangeKind::Listed, entry(number));
        }
    }

    pub(crate) fn public(&self) -> PathBuf {
        self.folder.path().join("public")
    }

    pub(crate) fn release(&self, number: u64) -> PathBuf {
        self.folder.path().join(format!("releases/{number}"))
    }

    pub(crate) fn publish(&mut self, now: u64) -> PathBuf {
        let previous = (self.releases > 0).then(|| self.release(self.releases));
        self.publish_on(previous.as_deref(), previous.as_deref(), now)
    }

    /// With a log and metadata that go on from these releases.
    pub(crate) fn publish_on(&mut self, log: Option<&Path>, tuf: Option<&Path>, now: u64) -> PathBuf {
        self.releases += 1;
        let release = self.release(self.releases);
        for folder in ["shards", "entries"] {
            fs::create_dir_all(release.join(folder)).expect("makes the folder");
        }
        let checkpoint = write_log(&release, log, &self.changes, &self.keys).expect("writes the log");
        let mut names = vec!["feed.json".to_owned(), "log/checkpoint".to_owned()];
        for number in 0..=u8::MAX {
            let own: Vec<_> = self.entries.values().filter(|entry| entry.digest.as_bytes()[0] == number).collect();
            let lines: Vec<_> = own.iter().map(|entry| serde_json::to_string(entry).expect("JSON") + "\n").collect();
            let active = own.iter().filter(|entry| entry.status == Status::Active);
            let records = active.map(|entry| (entry.digest, Meta::from(&listed(entry)))).collect();
            let files = [
                (format!("shards/{number:02x}.bin"), shard::encode(records)),
                (format!("entries/{number:02x}.jsonl"), lines.concat().into_bytes()),
            ];
            for (name, bytes) in files {
                let same = tuf.map(|tuf| tuf.join(&name)).filter(|old| fs::read(old).is_ok_and(|old| old == bytes));
                match same {
                    Some(old) => fs::hard_link(old, release.join(&name)).expect("links"),
                    None => fs::write(release.join(&name), bytes).expect("writes"),
                }
                names.push(name);
            }
        }
        fs::write(release.join("feed.json"), feed_json(&checkpoint)).expect("writes");
        let targets: Vec<_> = names.into_iter().map(TargetFile).collect();
        write_tuf(&release, tuf, &targets, &self.keys, now).expect("signs");
        let link = self.folder.path().join("public.new");
        symlink(&release, &link).expect("links");
        fs::rename(&link, self.public()).expect("switches");
        release
    }

    pub(crate) fn trust(&self) -> FirstTrust {
        FirstTrust::Root(self.keys.first_root().to_vec())
    }

    pub(crate) fn options(&self) -> SyncOptions {
        SyncOptions { timeout: std::time::Duration::from_secs(5), ..SyncOptions::new(self.trust()) }
    }
}

pub(crate) fn feed_json(checkpoint: &Checkpoint) -> Vec<u8> {
    let (size, root) = (checkpoint.size, checkpoint.root);
    serde_json::to_vec(&serde_json::json!({ "sequence": size, "log": { "size": size, "root": root } })).expect("JSON")
}

fn listed(entry: &Entry) -> Listed {
    Listed {
        id: entry.id,
        role: entry.role,
        list: entry.list,
        channel: entry.channel,
        categories: entry.categories.iter().copied().collect(),
        severity: entry.severity,
        confidence: entry.confidence,
    }
}

/// A client, and what it is served: a copy that an attacker may alter.
pub(crate) struct Victim {
    pub(crate) folder: TempDir,
    pub(crate) options: SyncOptions,
}

impl Victim {
    pub(crate) fn of(publisher: &Publisher) -> Self {
        Self { folder: quick_folder(), options: publisher.options() }
    }

    pub(crate) fn sync(&self, from: &Path, now: u64) -> Result<SyncReport, SyncError> {
        sync(&Origin::Folder(from.to_owned()), self.folder.path(), now, &self.options)
    }

    pub(crate) fn sync_web(&self, server: &Server, now: u64) -> Result<SyncReport, SyncError> {
        sync(&Origin::parse(&server.url).expect("an address"), self.folder.path(), now, &self.options)
    }

    pub(crate) fn current(&self) -> PathBuf {
        fs::canonicalize(self.folder.path().join("current")).expect("a current release")
    }
}

/// A client flushes each of five hundred files to the disk: in memory that takes no time.
fn quick_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

/// A copy with files of its own.
pub(crate) fn copy_of(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    copy_into(folder, copy.path());
    copy
}

fn copy_into(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("makes the folder");
    for item in fs::read_dir(from).expect("lists") {
        let path = item.expect("an item").path();
        let to = to.join(path.file_name().expect("a name"));
        match path.is_dir() {
            true => copy_into(&path, &to),
            false => fs::copy(&path, &to).map(|_| ()).expect("copies"),
        }
    }
}

/// What to answer instead of the file.
pub(crate) type Answer = fn(&str, TcpStream) -> Option<TcpStream>;

/// Serves a folder on the loopback; `instead` may take a request over.
pub(crate) struct Server {
    pub(crate) url: String,
    address: std::net::SocketAddr,
    stop: Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(folder: &Path, instead: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (folder, stopped) = (folder.to_owned(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(std::sync::atomic::Ordering::SeqCst) {
                    return;
                }
                let _ = answer(&folder, stream, instead);
            }
        });
        Self { url: format!("http://{address}"), address, stop, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::SeqCst);
        #[expect(clippy::disallowed_methods, reason = "wakes our own server on the loopback")]
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(folder: &Path, stream: TcpStream, instead: Answer) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
    let Some(mut stream) = instead(&path, stream) else { return Ok(()) };
    match fs::read(folder.join(&path)) {
        Ok(bytes) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len())?;
            stream.write_all(&bytes)
        }
        Err(_) => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    }
}
