//! A published folder to serve, without sockets.

use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::json;
use tempfile::TempDir;

use super::{
    Served,
    answer::{Answer, Content},
    asked::Asked,
};
use crate::{date::rfc3339, forms::testing::*, trust::tiles::tile_path};

/// A feed that is published and served.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) folder: TempDir,
    pub(crate) served: Arc<Served>,
    now: Arc<AtomicU64>,
    releases: u32,
}

/// An answer, read whole.
pub(crate) struct Got {
    pub(crate) status: u16,
    headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Got {
    /// Empty if it has none of that name.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }
}

impl Site {
    /// With `count` entries, all of them listed.
    pub(crate) fn of(count: usize) -> Self {
        let mut world = World::of(count);
        world.change_all();
        Self::with(world)
    }

    pub(crate) fn with(world: World) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let now = Arc::new(AtomicU64::new(NOW));
        let clock = now.clone();
        let served = Served::new(&folder.path().join("public"), Arc::new(move || clock.load(Ordering::Relaxed)));
        let mut site = Self { world, folder, served: Arc::new(served), now, releases: 0 };
        site.publish();
        site
    }

    /// Where `public` leads.
    pub(crate) fn public(&self) -> PathBuf {
        self.folder.path().join("public")
    }

    /// Another release, switched to.
    pub(crate) fn publish(&mut self) {
        self.releases += 1;
        let release = self.folder.path().join("releases").join(self.releases.to_string());
        fs::create_dir_all(&release).expect("makes it");
        let link = self.folder.path().join("link");
        symlink(&release, &link).expect("links");
        fs::rename(link, self.public()).expect("switches");
        self.write();
    }

    /// Writes the forms into the release that is shown.
    pub(crate) fn write(&self) {
        let world = &self.world;
        let head = json!({
            "schema": "lazaret.feed-info/1", "name": world.name, "sequence": world.sequence, "entries": world.entries.len(),
            "block": world.entries.iter().filter(|entry| entry.blocks()).count(), "advise": 0,
            "published_at": rfc3339(world.now), "expires_at": rfc3339(world.now + 86_400),
        });
        let mut files = world.write().files;
        files.insert("feed.json".to_owned(), head.to_string().into_bytes());
        self.put(files);
    }

    /// Writes the changes as a log's bundles, and a checkpoint without signature or true root.
    pub(crate) fn write_log(&self) {
        let leaves: Vec<Vec<u8>> =
            self.world.changes.iter().map(|change| serde_json::to_vec(change).expect("JSON")).collect();
        let bundles = leaves.chunks(256).enumerate().map(|(index, leaves)| {
            let length = |leaf: &Vec<u8>| u16::try_from(leaf.len()).expect("short").to_be_bytes();
            let bytes = leaves.iter().flat_map(|leaf| [length(leaf).to_vec(), leaf.clone()].concat()).collect();
            (format!("log/{}", tile_path(None, index as u64, leaves.len() as u64)), bytes)
        });
        let root = "A".repeat(43) + "=";
        let checkpoint = format!("feed.example.org\n{}\n{root}\n", leaves.len());
        self.put(bundles.chain([("log/checkpoint".to_owned(), checkpoint.into_bytes())]));
    }

    fn put(&self, files: impl IntoIterator<Item = (String, Vec<u8>)>) {
        for (path, bytes) in files {
            let path = self.public().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("makes it");
            fs::write(path, bytes).expect("writes");
        }
    }

    /// Sets the clock.
    pub(crate) fn at(&self, now: u64) {
        self.now.store(now, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, target: &str, headers: &[(&str, &str)]) -> Got {
        self.ask("GET", target, headers)
    }

    pub(crate) fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Got {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Answer { status, headers, content } =
            self.served.answer(&Asked::new(method, path, query, headers.iter().copied()));
        let body = match content {
            Content::Nothing => Vec::new(),
            Content::Bytes(bytes) => bytes.to_vec(),
            Content::File { file, from, bytes } => {
                let mut body = vec![0; usize::try_from(bytes).expect("small")];
                std::os::unix::fs::FileExt::read_exact_at(&file, &mut body, from).expect("reads");
                body
            }
            Content::Pieces(pieces) => (0..).map_while(|number| pieces(number).expect("reads")).flatten().collect(),
        };
        Got { status, headers, body }
    }
}
