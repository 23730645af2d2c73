//! The server's certificate: PEM files, read anew when they change.
//!
//! Kubernetes swaps the folder of a mounted secret by a link; cert-manager renews long before the end. A pair that cannot be
//! used (half written, or of another key) leaves the old one in use.

use std::{
    fmt, fs,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};

use crate::head::Identity;

/// Longest PEM file.
const BYTES_MAX: u64 = 1 << 20;

/// A certificate that may change, and who may connect.
pub struct Tls {
    files: Files,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

/// Where the PEM files are.
#[derive(Debug, Clone)]
pub struct Files {
    /// The certificate, and those between it and the root.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// If given, only clients whose certificate it has signed are served.
    pub client_authority: Option<PathBuf>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", file.display())]
pub struct TlsError {
    /// Which file.
    pub file: PathBuf,
    /// What is wrong.
    pub cause: String,
}

struct Current(RwLock<(Arc<CertifiedKey>, Option<[Identity; 2]>)>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).0))
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

impl Tls {
    /// Reads the files. TLS 1.2 and 1.3, by `ring`.
    ///
    /// # Errors
    ///
    /// [`TlsError`] for what cannot be read or is no certificate with its key.
    pub fn open(files: Files) -> Result<Self, TlsError> {
        let identity = identity(&files);
        let key = certified(&files)?;
        let current = Arc::new(Current(RwLock::new((Arc::new(key), identity))));
        let provider = Arc::new(ring::default_provider());
        let of_file = |cause: &dyn fmt::Display| TlsError { file: files.certificate.clone(), cause: cause.to_string() };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| of_file(&error))?;
        let builder = match &files.client_authority {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let unusable = |cause: &dyn fmt::Display| TlsError { file: file.clone(), cause: cause.to_string() };
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file)? {
                    roots.add(certificate).map_err(|error| unusable(&error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(|error| unusable(&error))?)
            }
        };
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&current);
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { files, current, config: Arc::new(config) })
    }

    /// For connections; follows every [`Tls::reload`].
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Takes the files if they changed. False if they did not.
    ///
    /// # Errors
    ///
    /// [`TlsError`]; the old certificate stays in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let now = identity(&self.files);
        if now.is_some() && now == self.current.0.read().unwrap_or_else(PoisonError::into_inner).1 {
            return Ok(false);
        }
        let key = certified(&self.files)?;
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = (Arc::new(key), now);
        Ok(true)
    }
}

fn identity(files: &Files) -> Option<[Identity; 2]> {
    let of = |path: &Path| fs::metadata(path).ok().map(|metadata| Identity::of(&metadata));
    Some([of(&files.certificate)?, of(&files.key)?])
}

fn certified(files: &Files) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&files.certificate)?;
    let unusable = |cause: &dyn fmt::Display| TlsError { file: files.key.clone(), cause: cause.to_string() };
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|error| unusable(&error))?;
    let key = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| unusable(&error))?;
    Ok(key)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unusable = |cause: String| TlsError { file: file.to_owned(), cause };
    let bytes = read(file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|error| unusable(error.to_string()))?;
    if chain.is_empty() { Err(unusable("it holds no certificate".to_owned())) } else { Ok(chain) }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let read = || {
        let mut bytes = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "bounded by take")]
        fs::File::open(file)?.take(BYTES_MAX).read_to_end(&mut bytes)?;
        std::io::Result::Ok(bytes)
    };
    read().map_err(|error| TlsError { file: file.to_owned(), cause: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("made");
        // As others do: a new file, moved over the old one.
        for (file, text) in [("tls.crt", made.cert.pem()), ("tls.key", made.signing_key.serialize_pem())] {
            fs::write(folder.join("new"), text).expect("written");
            fs::rename(folder.join("new"), folder.join(file)).expect("moved");
        }
    }

    fn files(folder: &Path) -> Files {
        Files { certificate: folder.join("tls.crt"), key: folder.join("tls.key"), client_authority: None }
    }

    #[test]
    fn a_new_pair_is_taken_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), "one.example.org");
        let tls = Tls::open(files(folder.path())).expect("opened");
        let first = || tls.current.0.read().expect("not poisoned").0.cert[0].clone();
        let old = first();
        assert!(!tls.reload().expect("unchanged"));
        fs::write(folder.path().join("tls.key"), "nonsense").expect("written");
        assert!(tls.reload().is_err());
        assert_eq!(first(), old);
        write(folder.path(), "two.example.org");
        assert!(tls.reload().expect("changed"));
        assert_ne!(first(), old);
    }

    #[test]
    fn what_is_no_pair_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Tls::open(files(folder.path())).is_err_and(|error| error.file.ends_with("tls.crt")));
        write(folder.path(), "one.example.org");
        let key = rcgen::KeyPair::generate().expect("made");
        fs::write(folder.path().join("tls.key"), key.serialize_pem()).expect("written");
        assert!(Tls::open(files(folder.path())).is_err_and(|error| error.file.ends_with("tls.key")), "another's key");
        fs::write(folder.path().join("tls.crt"), "").expect("written");
        assert!(Tls::open(files(folder.path())).is_err_and(|error| error.cause.contains("no certificate")));
    }
}
