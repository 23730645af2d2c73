//! A registry for tests: the OCI distribution API in memory, whose misbehaviour is scripted.
//!
//! Not a registry to rely on: it forgets everything, keeps whole blobs in memory and does not check that what a
//! manifest names is there. [`Harbour::start`] serves on a free loopback port until the value is dropped.
//!
//! | module | what it does |
//! |---|---|
//! | `serve` | routes and answers |
//! | `guard` | basic auth and Docker's token flow |
//! | `shelf` | what is stored |
//! | `reply` | an answer that faults can spoil |
//! | `image` | builds small images |

mod guard;
mod image;
mod layout;
mod reply;
mod script;
mod serve;
mod shelf;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use axum::{Router, body::Bytes};
use tokio::{net::TcpListener, runtime::Builder, sync::oneshot};

pub use image::{ImageParts, PushedImage};
pub use script::{Act, Auth, Fault, Script};
pub use shelf::digest_of;

use shelf::{Shelf, StoredManifest};

/// A registry that runs until it is dropped.
pub struct Harbour {
    world: Arc<World>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Which of the two ports was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The registry.
    Registry,
    /// What blobs are redirected to.
    Cdn,
}

/// A request as it came, and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Which port it came to.
    pub server: Server,
    /// `GET`.
    pub method: String,
    /// Without query.
    pub path: String,
    /// After `?`; empty if there is none.
    pub query: String,
    /// Scheme of the `Authorization` header: `Basic`, `Bearer`.
    pub authorization: Option<String>,
    /// The `Range` header.
    pub range: Option<String>,
    /// Of the answer.
    pub status: u16,
}

struct World {
    url: String,
    cdn_url: Option<String>,
    script: Script,
    faults: Mutex<Vec<Fault>>,
    shelf: Mutex<Shelf>,
    guard: Mutex<guard::Guard>,
    log: Mutex<Vec<Logged>>,
}

impl Harbour {
    /// Serves on a free loopback port.
    ///
    /// # Panics
    ///
    /// If no port can be bound.
    #[must_use]
    pub fn start(script: Script) -> Self {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0)), script).expect("loopback has a free port")
    }

    /// Serves on `address`; the CDN, if scripted, on a free port beside it.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound.
    pub fn start_on(address: SocketAddr, script: Script) -> std::io::Result<Self> {
        let bind = |address: SocketAddr| {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let url = format!("http://{}", listener.local_addr()?);
            std::io::Result::Ok((listener, url))
        };
        let (listener, url) = bind(address)?;
        let cdn = script.cdn.then(|| bind(SocketAddr::new(address.ip(), 0))).transpose()?;
        let (cdn_listener, cdn_url) = cdn.unzip();
        let faults = Mutex::new(script.faults.clone());
        let world = Arc::new(World {
            url,
            cdn_url,
            script,
            faults,
            shelf: Mutex::default(),
            guard: Mutex::default(),
            log: Mutex::default(),
        });
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&world);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    result = serve_all(served, listener, cdn_listener) => result.expect("a bound listener serves"),
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Ok(Self { world, stop: Some(stop), thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.world.url
    }

    /// `127.0.0.1:PORT`, as it stands in a reference.
    #[must_use]
    pub fn host(&self) -> &str {
        self.world.url.trim_start_matches("http://")
    }

    /// Everything asked so far, in order of the answers.
    #[must_use]
    pub fn requests(&self) -> Vec<Logged> {
        lock(&self.world.log).clone()
    }

    /// Adds a fault from now on.
    pub fn add_fault(&self, fault: Fault) {
        lock(&self.world.faults).push(fault);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        lock(&self.world.faults).clear();
    }

    /// Stores a blob; returns its digest.
    pub fn push_blob(&self, bytes: &[u8]) -> String {
        self.world.shelf().add_blob(Bytes::copy_from_slice(bytes))
    }

    /// Stores a manifest or index as it is, under a tag or (empty) only by its digest; returns the digest.
    pub fn push_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        let stored = StoredManifest { media_type: media_type.to_owned(), bytes: Bytes::copy_from_slice(bytes) };
        self.world.shelf().add_manifest(repository, tag, stored)
    }
}

async fn serve_all(
    world: Arc<World>,
    registry: std::net::TcpListener,
    cdn: Option<std::net::TcpListener>,
) -> std::io::Result<()> {
    if let Some(cdn) = cdn {
        let router = Router::new().fallback(serve::cdn).with_state(Arc::clone(&world));
        let listener = TcpListener::from_std(cdn)?;
        tokio::spawn(async move { axum::serve(listener, router).await });
    }
    axum::serve(TcpListener::from_std(registry)?, Router::new().fallback(serve::registry).with_state(world)).await
}

impl Drop for Harbour {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl World {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        lock(&self.shelf)
    }

    fn guard(&self) -> MutexGuard<'_, guard::Guard> {
        lock(&self.guard)
    }

    fn log(&self, logged: Logged) {
        lock(&self.log).push(logged);
    }

    /// What the script does to this request; counts it.
    fn acts_for(&self, path: &str) -> Vec<Act> {
        let mut acts = Vec::new();
        for fault in lock(&self.faults).iter_mut().filter(|fault| path.starts_with(&fault.path_prefix)) {
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.times > 0 {
                fault.times -= u32::from(fault.times != u32::MAX);
                acts.push(fault.act.clone());
            }
        }
        acts
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
