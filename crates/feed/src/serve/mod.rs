//! Serves a published folder over HTTP: its files as any web server would, and what files alone cannot answer.
//!
//! | path | answer |
//! |---|---|
//! | any file | with ETag, 304, ranges, zstd or gzip |
//! | `/v1/changes?since=N&limit=M` | changes from number N on, from the transparency log |
//! | `/v1/range/{2 to 5 hex digits}` | listed digests that begin so, without that beginning: nobody tells what they run |
//! | `/v1/feed.csv` | the shards of the CSV as one table |
//! | `/taxii2/` | read-only TAXII 2.1 |
//! | `/healthz` | 200 while the feed can be read and has not expired |
//! | `/metrics` | Prometheus or OpenMetrics text, with the feed's age |
//!
//! A request is answered from one release: the folder's link is followed once. Nothing is ever written, no request has a body that is
//! read, and everything a client chooses has a ceiling. TLS is a reverse proxy's.
//!
//! | module | what it does |
//! |---|---|
//! | [`connection`] | accepts, bounds and ends connections |
//! | [`asked`], [`answer`] | a request and its answer as plain data |
//! | [`conditional`], [`encoding`] | what headers ask for |
//! | [`release`] | the folder |
//! | the rest | one endpoint each |

mod answer;
mod asked;
mod changes;
#[cfg(test)]
mod clients;
mod conditional;
mod connection;
mod encoding;
mod health;
mod metrics;
mod range;
mod release;
mod statics;
mod table;
mod taxii;
#[cfg(test)]
mod testing;

use std::{
    io,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
};

use answer::Answer;
use asked::Asked;
use release::Release;

pub use connection::terminated;

/// How to serve.
#[derive(Clone)]
pub struct Options {
    /// Seconds since 1970.
    pub clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Threads that speak to clients. Reading and compressing files has others.
    pub workers: usize,
    /// Connections at once; more wait.
    pub connections_max: usize,
}

impl Options {
    /// Two threads, and as many connections as the usual 1,024 descriptors of a process allow, each with an open file.
    #[must_use]
    pub fn new(clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), workers: 2, connections_max: 400 }
    }
}

/// Serves the folder `public` (a link to the newest release, or a folder) until `stop` is ready; requests under way are answered
/// first, for at most five seconds. [`terminated`] is a `stop` for a program of its own.
///
/// # Errors
///
/// If the listener or the threads cannot be had. A folder that cannot be read is told to clients and in `/healthz`, not here.
pub fn serve(
    public: &Path,
    listener: TcpListener,
    options: Options,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let served = Arc::new(Served::new(public, options.clock));
    connection::run(served, listener, options.workers, options.connections_max, stop)
}

/// What requests share.
pub(crate) struct Served {
    public: PathBuf,
    clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    tags: release::Tags,
    compressed: encoding::Compressed,
    objects: taxii::Objects,
    pub(crate) metrics: metrics::Metrics,
}

impl Served {
    pub(crate) fn new(public: &Path, clock: Arc<dyn Fn() -> u64 + Send + Sync>) -> Self {
        Self {
            public: public.to_owned(),
            clock,
            tags: release::Tags::default(),
            compressed: encoding::Compressed::default(),
            objects: taxii::Objects::default(),
            metrics: metrics::Metrics::default(),
        }
    }

    /// The answer to one request. Blocks: it reads files.
    pub(crate) fn answer(&self, asked: &Asked) -> Answer {
        let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
        if let ["taxii2", rest @ ..] = parts.as_slice() {
            return taxii::answer(self, asked, rest);
        }
        if !asked.reads() {
            return Answer::error(405, "only GET and HEAD are answered here").header("allow", "GET, HEAD");
        }
        match parts.as_slice() {
            ["healthz"] => health::answer(self),
            ["metrics"] => metrics::answer(self, asked),
            ["v1", "changes"] => self.released(|release| changes::answer(self, asked, release)),
            ["v1", "range", prefix] => self.released(|release| range::answer(self, asked, release, prefix)),
            ["v1", "feed.csv"] => self.released(|release| table::answer(self, asked, release)),
            ["v1", ..] => Answer::error(404, "there is /v1/changes, /v1/range/{prefix} and /v1/feed.csv"),
            _ => self.released(|release| statics::answer(self, asked, release)),
        }
    }

    /// `answer` of the newest release, if there is one.
    fn released(&self, answer: impl FnOnce(&Release) -> io::Result<Answer>) -> Answer {
        match Release::open(&self.public).and_then(|release| answer(&release)) {
            Ok(answer) => answer,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Answer::error(404, "there is no such file in this feed")
            }
            Err(error) => Answer::error(503, &format!("the feed cannot be read: {error}")).header("retry-after", "10"),
        }
    }

    fn now(&self) -> u64 {
        (self.clock)()
    }
}
