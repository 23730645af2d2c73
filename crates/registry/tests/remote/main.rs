//! Reads registries that behave and registries that do not: `harbour` for each misbehaviour, Debian's
//! `docker-registry` with `skopeo` for the real thing.

mod blobs;
mod catalogue;
mod leading;
mod login;
mod manifests;
mod patience;
mod real;

use std::{
    cell::RefCell,
    io::Read,
    time::{Duration, Instant},
};

use harbour::Harbour;
use model::{Descriptor, Locator, Platform};
use registry::{Clock, ImageSource, Options, RegistryError, ResolvedImage};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

thread_local! {
    /// Pauses the client asked for on this thread; none is really slept.
    static PAUSES: RefCell<Vec<Duration>> = const { RefCell::new(Vec::new()) };
}

fn options() -> Options {
    #[expect(clippy::disallowed_methods, reason = "tokens expire by a real clock; pauses are only recorded")]
    let clock = Clock { now: Instant::now, sleep: |pause| PAUSES.with_borrow_mut(|pauses| pauses.push(pause)) };
    Options { clock, timeout: Duration::from_secs(10), ..Options::default() }
}

fn pauses() -> Vec<Duration> {
    PAUSES.take()
}

fn open(harbour: &Harbour, name: &str, options: &Options) -> Box<dyn ImageSource> {
    let locator: Locator = format!("{}/{name}", harbour.host()).parse().expect("a reference");
    registry::open(&locator, options).expect("a registry")
}

fn resolve(harbour: &Harbour, name: &str, platform: Option<&str>) -> Result<Vec<ResolvedImage>, RegistryError> {
    let platform = platform.map(|platform| platform.parse::<Platform>().expect("a platform"));
    open(harbour, name, &options()).resolve(platform.as_ref())
}

/// The bytes of a blob, or the registry's error, also if it only came while reading.
fn read(source: &dyn ImageSource, descriptor: &Descriptor) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "the test knows how much there is")]
    match source.blob(descriptor)?.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(e) => {
            let inner = e.into_inner().expect("an inner error");
            Err(*inner.downcast::<RegistryError>().expect("a registry error"))
        }
    }
}

/// A descriptor for bytes that are on the shelf.
fn descriptor(bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: "application/vnd.oci.image.layer.v1.tar".to_owned(),
        digest: model::Digest::of(bytes),
        size: bytes.len() as u64,
        urls: Vec::new(),
        annotations: std::collections::BTreeMap::new(),
        platform: None,
    }
}

#[test]
fn options_show_no_proxy_password() {
    let proxy = Some(registry::Secret::new("http://keeper:invented@proxy.example:3128"));
    let shown = format!("{:?}", Options { proxy, ..options() });
    assert!(!shown.contains("invented"), "{shown}");
}
