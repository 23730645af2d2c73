//! Reads images and metadata: OCI/Docker registries, `docker save` archives, OCI layouts, the Docker daemon.
//!
//! The only code of Lazaret that speaks to registries and container engines. Every blob is verified against its
//! digest and size while it streams.

mod credentials;
mod http;
mod http_address;
mod http_retry;
mod kubernetes;
mod local;
mod remote;
mod verify;

use std::{io::Read, time::Duration};

use model::{Descriptor, Digest, ImageReference, Locator, Platform};

pub use credentials::Secret;
pub use http_retry::Clock;
pub use kubernetes::{KubernetesAccess, kubernetes_list};
pub use local::containerd::{Containerd, ContainerdContainer, ContainerdContent, ContainerdImage, ContainerdState};
pub use local::engine::{ContainerEngine, EngineImage, EngineInfo};
pub use local::engine_containers::EngineContainer;
pub use remote::upstream::{Passing, RawManifest, Upstream};

/// How to talk to registries.
#[derive(Debug, Clone)]
pub struct Options {
    /// Hosts (`host[:port]`) spoken to without TLS; loopback always may.
    pub insecure_registries: Vec<String>,
    /// Where `config.json` with credentials is: `$DOCKER_CONFIG` or `~/.docker`. None: anonymous only.
    pub docker_config_folder: Option<std::path::PathBuf>,
    /// Socket of the Docker engine, for example `/var/run/docker.sock`.
    pub docker_socket: std::path::PathBuf,
    /// Tries for one request, the first counted.
    pub attempts_max: u32,
    /// Longest total wait for `Retry-After` of one request.
    pub retry_wait_max: Duration,
    /// Time to connect, and longest silence while reading.
    pub timeout: Duration,
    /// Pause before the second try of a request; doubled before each further one.
    pub retry_pause: Duration,
    /// `User-Agent`, with a contact.
    pub user_agent: String,
    /// Proxy for registries spoken to over TLS, `http://[USER:PASSWORD@]HOST:PORT`. None: none, whatever the environment says.
    pub proxy: Option<Secret>,
    /// Pauses and token lifetimes.
    pub clock: Clock,
}

/// Anonymous, without proxy, three tries, a minute of patience.
impl Default for Options {
    fn default() -> Self {
        Self {
            insecure_registries: Vec::new(),
            docker_config_folder: None,
            docker_socket: "/var/run/docker.sock".into(),
            attempts_max: 3,
            retry_wait_max: Duration::from_secs(60),
            timeout: Duration::from_secs(30),
            retry_pause: Duration::from_millis(500),
            user_agent: concat!("lazaret/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxy: None,
            clock: Clock::system(),
        }
    }
}

/// What went wrong, split by what a caller can do. Messages name the reference or digest, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No such image, tag, file.
    #[error("{what} does not exist: {hint}")]
    NotFound {
        /// What was asked for.
        what: String,
        /// What to check.
        hint: String,
    },
    /// Login missing or refused.
    #[error("{registry} refused access to {what}: {hint}")]
    Denied {
        /// The registry host.
        registry: String,
        /// What was asked for.
        what: String,
        /// What to do, for example `docker login`.
        hint: String,
    },
    /// Refused connection, DNS, TLS, timeouts, 5xx after all tries: may work later.
    #[error("{what} could not be reached: {detail}")]
    Unreachable {
        /// What was asked for.
        what: String,
        /// The cause.
        detail: String,
    },
    /// 429 beyond the patience given.
    #[error("{registry} limits the rate: try again in {retry_after_s} s")]
    RateLimited {
        /// The registry host.
        registry: String,
        /// As the server says.
        retry_after_s: u64,
    },
    /// Bytes that are not what their digest says.
    #[error("{what} has digest {found}, expected {expected}")]
    WrongDigest {
        /// What was read.
        what: String,
        /// What it should be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// Longer or shorter than its descriptor says.
    #[error("{what} has {found} bytes, expected {expected}")]
    WrongSize {
        /// What was read.
        what: String,
        /// What it should be.
        expected: u64,
        /// What was read, at least.
        found: u64,
    },
    /// Not a manifest, archive or layout we accept.
    #[error("{what} is not usable: {detail}")]
    Invalid {
        /// What was read.
        what: String,
        /// Why.
        detail: String,
    },
    /// The image has no manifest for the platform; lists those it has.
    #[error("{what} has no image for {wanted}; it has {available}")]
    NoPlatform {
        /// What was asked for.
        what: String,
        /// The platform wanted.
        wanted: String,
        /// Those there are.
        available: String,
    },
}

/// An image, resolved: what to fetch for one platform.
#[derive(Debug, Clone)]
pub struct ResolvedImage {
    /// As the user named it, completed.
    pub reference: String,
    /// The name that an archive or layout says it goes by, `registry/repository:tag`: its author's claim. For a registry
    /// that is `reference`, and none here.
    pub claimed: Option<String>,
    /// The index it was chosen from.
    pub index: Option<Digest>,
    /// None for a `docker save` archive, where config and layers are named without a manifest.
    pub manifest: Option<Digest>,
    /// From the index entry; else from the config, once read.
    pub platform: Option<Platform>,
    /// Its config.
    pub config: Descriptor,
    /// Its layers, lowest first. In a `docker save` archive these are the uncompressed tars, by the digest *we* computed.
    pub layers: Vec<Descriptor>,
}

/// Something images are read from. Shared between threads.
pub trait ImageSource: Send + Sync {
    /// The images to scan: one for `wanted`, or all of an index for `None` (attestation entries skipped).
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`].
    fn resolve(&self, wanted: Option<&Platform>) -> Result<Vec<ResolvedImage>, RegistryError>;

    /// Streams a blob. Digest and size are verified while it is read: at the end the reader returns an
    /// `std::io::Error` whose inner error is a [`RegistryError`] if they do not hold.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`].
    fn blob<'a>(&'a self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + 'a>, RegistryError>;
}

/// Opens any place but standard input.
///
/// # Errors
///
/// [`RegistryError::NotFound`] or [`RegistryError::Invalid`] for local places that cannot be read. Registries are
/// first spoken to in [`ImageSource::resolve`].
pub fn open(locator: &Locator, options: &Options) -> Result<Box<dyn ImageSource>, RegistryError> {
    match locator {
        Locator::Registry(reference) => remote::open(reference, options),
        local => local::open(local),
    }
}

/// A registry's catalogue and tags, for hunting.
pub trait Catalogue: Send + Sync {
    /// Hands every repository name to `visit`, following `Link` paging, at most `repositories_max`.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`].
    fn repositories(&self, repositories_max: usize, visit: &mut dyn FnMut(String)) -> Result<(), RegistryError>;

    /// Tags of one repository, at most `tags_max`, following `Link` paging.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`].
    fn tags(&self, repository: &str, tags_max: usize) -> Result<Vec<String>, RegistryError>;

    /// How a tag of this registry is written.
    fn reference(&self, repository: &str, tag: &str) -> ImageReference;

    /// The image source for one of them.
    fn image(&self, reference: &ImageReference) -> Box<dyn ImageSource>;
}

/// Opens a registry by URL or host: `http://localhost:5000`, `registry.example.org`.
///
/// # Errors
///
/// [`RegistryError::Invalid`] if `url` is not one.
pub fn open_registry(url: &str, options: &Options) -> Result<Box<dyn Catalogue>, RegistryError> {
    remote::open_registry(url, options)
}

/// One member of a streamed `docker save` archive (standard input), for [`read_docker_stream`].
pub enum StreamMember<'a> {
    /// Something that sniffs as a layer (tar, gzip, zstd). Read it to its end; `name` is its path in the archive.
    Layer {
        /// Path in the archive.
        name: &'a str,
        /// Its bytes.
        content: &'a mut (dyn Read + Send),
    },
}

/// What a streamed archive holds, known only at its end.
pub struct StreamedImage {
    /// The first repository tag, or `docker-archive:-`.
    pub reference: String,
    /// The config's bytes.
    pub config: Vec<u8>,
    /// Names of the layers, lowest first, as given to `visit`.
    pub layer_names: Vec<String>,
}

/// Reads a `docker save` archive from a stream that cannot be sought, once, in the order it comes.
///
/// # Errors
///
/// [`RegistryError::Invalid`] if it is not such an archive; what was visited stays valid evidence about the layers.
pub fn read_docker_stream(
    stream: &mut (dyn Read + Send),
    visit: &mut dyn FnMut(StreamMember<'_>),
) -> Result<Vec<StreamedImage>, RegistryError> {
    local::docker_stream::read(stream, visit)
}

/// Asks the Docker engine for an image, as the archive that `docker save` writes; for [`read_docker_stream`].
///
/// `reference` is a name or an image id, as the engine knows it. The engine prepares the archive before its first
/// byte: its answer is waited for at least ten minutes. An archive that ends early is an error of the reader.
///
/// # Errors
///
/// [`RegistryError::NotFound`] if the engine has no such image, [`RegistryError::Unreachable`] or
/// [`RegistryError::Denied`] if it does not answer on `options.docker_socket`.
pub fn docker_daemon_stream(reference: &str, options: &Options) -> Result<Box<dyn Read + Send>, RegistryError> {
    local::daemon::stream(reference, options)
}
