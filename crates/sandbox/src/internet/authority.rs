//! The certificate authority of a run: made anew each time, put into the image's trust stores, forgotten afterwards.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use thiserror::Error;

/// Names that have a certificate of their own; later ones share the one for all.
const LEAVES_MAX: usize = 1_024;
/// For clients that name no server.
const NAMELESS: &str = "localhost";

/// Why no certificate could be made.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// Making a key or signing failed.
    #[error("make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// TLS refuses what was made.
    #[error("use a certificate")]
    Tls(#[from] rustls::Error),
}

/// The CA of one run, or of several of one image.
#[derive(Clone)]
pub struct Authority {
    pem: String,
    server: Arc<ServerConfig>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// `now` is in seconds since 1970 as the samples see it; certificates are valid five years before to fifteen after it, so that a
    /// process that still sees the real clock takes them too. The names in it are
    /// those of a public CA that does not exist.
    ///
    /// # Errors
    ///
    /// Where keys cannot be made.
    pub fn new(now: u64) -> Result<Self, AuthorityError> {
        let year = 1970 + i32::try_from(now / 31_556_952).unwrap_or(0).min(7_900);
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = subject("Meridian Trust Root CA R4");
        params.not_before = date_time_ymd(year - 5, 1, 1);
        params.not_after = date_time_ymd(year + 15, 1, 1);
        let certificate = params.self_signed(&key)?;
        let leaves = Leaves {
            pem_chain: certificate.clone(),
            issuer: Issuer::new(params, key),
            key: KeyPair::generate()?,
            year,
            known: Mutex::default(),
        };
        let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(leaves));
        // One conversation, one handshake: a resumed session would hide the server's name.
        server.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        // No protocol is chosen (ALPN): who offers only ones we do not know would be refused.
        Ok(Self { pem: certificate.pem(), server: Arc::new(server) })
    }

    /// The root certificate, for the trust stores.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, "US");
    subject.push(DnType::OrganizationName, "Meridian Trust Services");
    subject.push(DnType::CommonName, name);
    subject
}

/// Certificates for names, made when first asked for.
struct Leaves {
    pem_chain: Certificate,
    issuer: Issuer<'static, KeyPair>,
    key: KeyPair,
    year: i32,
    known: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl fmt::Debug for Leaves {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Leaves").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Leaves {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or(NAMELESS).to_ascii_lowercase();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = known.get(&name) {
            return Some(Arc::clone(leaf));
        }
        let leaf = self.leaf(if known.len() < LEAVES_MAX { &name } else { NAMELESS }).ok()?;
        if known.len() < LEAVES_MAX {
            known.insert(name, Arc::clone(&leaf));
        }
        Some(leaf)
    }
}

impl Leaves {
    fn leaf(&self, name: &str) -> Result<Arc<CertifiedKey>, AuthorityError> {
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name.chars().take(64).collect::<String>());
        params.not_before = date_time_ymd(self.year - 5, 1, 1);
        params.not_after = date_time_ymd(self.year + 15, 1, 1);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&self.key, &self.issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let key = ring::sign::any_supported_type(&key)?;
        Ok(Arc::new(CertifiedKey::new(vec![leaf.der().clone(), self.pem_chain.der().clone()], key)))
    }
}
