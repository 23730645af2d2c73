//! Lists of a Kubernetes API server, page by page, reading only.
//!
//! Source: Kubernetes API concepts, "Retrieving large results sets in chunks" (`limit`, `continue`).

use std::{io::Read, path::PathBuf, time::Duration};

use serde_json::Value;
use ureq::{
    config::Config,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::{RegistryError, Secret};

/// Objects of one page.
const PAGE_OBJECTS: usize = 500;
/// Most pages of one list.
const PAGES_MAX: usize = 400;
/// Longest page read.
const PAGE_BYTES_MAX: u64 = 256 << 20;
/// Longest file of a token or certificates.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where an API server is and how it lets us in.
#[derive(Debug, Clone)]
pub struct KubernetesAccess {
    /// For example `https://10.96.0.1`, or `http://127.0.0.1:8001` of `kubectl proxy`.
    pub url: String,
    /// A file with a bearer token, read for each list: tokens of service accounts are renewed on disk.
    pub token_file: Option<PathBuf>,
    /// A file with the certificates its own must be signed by; else those of this machine.
    pub ca_file: Option<PathBuf>,
    /// For each page.
    pub timeout: Duration,
}

/// Hands every object of the list at `path` (for example `/api/v1/pods`) to `visit`.
///
/// # Errors
///
/// [`RegistryError`], with what to do. What was visited before is valid.
pub fn kubernetes_list(
    access: &KubernetesAccess,
    path: &str,
    visit: &mut dyn FnMut(Value),
) -> Result<(), RegistryError> {
    let what = format!("{}{path}", access.url.trim_end_matches('/'));
    let unreachable = |detail: String| RegistryError::Unreachable { what: what.clone(), detail };
    let invalid = |detail: String| RegistryError::Invalid { what: what.clone(), detail };
    let roots = match &access.ca_file {
        None => RootCerts::PlatformVerifier,
        Some(file) => {
            let pem = read(file)?;
            let certificates = parse_pem(&pem).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate.to_owned()),
                _ => None,
            });
            RootCerts::from(certificates.collect::<Vec<Certificate<'static>>>())
        }
    };
    let token = access.token_file.as_ref().map(read).transpose()?;
    let token = token.map(|bytes| Secret::new(String::from_utf8_lossy(&bytes).trim().to_owned()));
    let plain_to_others = access.url.starts_with("http://")
        && !["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|here| access.url.starts_with(here));
    if token.is_some() && plain_to_others {
        return Err(invalid("a token is not sent without TLS".to_owned()));
    }
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .timeout_global(Some(access.timeout))
        .build();
    #[expect(clippy::disallowed_types, reason = "this is the crate that speaks to the outside")]
    let agent = ureq::Agent::new_with_config(config);

    let mut go_on = String::new();
    for _ in 0..PAGES_MAX {
        let mut request =
            agent.get(&what).query("limit", PAGE_OBJECTS.to_string()).header("Accept", "application/json");
        if !go_on.is_empty() {
            request = request.query("continue", &go_on);
        }
        if let Some(token) = &token {
            request = request.header("Authorization", format!("Bearer {}", token.reveal()));
        }
        let mut answer = request.call().map_err(|error| unreachable(error.to_string()))?;
        match answer.status().as_u16() {
            200 => {}
            status @ (401 | 403) => {
                return Err(RegistryError::Denied {
                    registry: "Kubernetes".to_owned(),
                    what,
                    hint: format!("it answers {status}: grant `list` on pods and nodes (deploy/ has the role)"),
                });
            }
            status => return Err(unreachable(format!("it answers {status}"))),
        }
        let mut bytes = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "bounded by take")]
        answer
            .body_mut()
            .as_reader()
            .take(PAGE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unreachable(error.to_string()))?;
        if bytes.len() as u64 > PAGE_BYTES_MAX {
            return Err(invalid(format!("a page is longer than {PAGE_BYTES_MAX} bytes")));
        }
        let mut page: Value = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        match page.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items.into_iter().for_each(&mut *visit),
            _ => return Err(invalid("it is no list".to_owned())),
        }
        match page.pointer("/metadata/continue").and_then(Value::as_str) {
            Some(next) if !next.is_empty() => next.clone_into(&mut go_on),
            _ => return Ok(()),
        }
    }
    Err(invalid(format!("it has more than {PAGES_MAX} pages")))
}

fn read(path: &PathBuf) -> Result<Vec<u8>, RegistryError> {
    let unreadable = |error: std::io::Error| RegistryError::Invalid {
        what: path.display().to_string(),
        detail: format!("cannot be read: {error}"),
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_sent_in_clear() {
        let folder = tempfile::tempdir().expect("a folder");
        let token = folder.path().join("token");
        std::fs::write(&token, "invented").expect("written");
        let access = KubernetesAccess {
            url: "http://192.0.2.1".to_owned(),
            token_file: Some(token),
            ca_file: None,
            timeout: Duration::from_secs(1),
        };
        let error = kubernetes_list(&access, "/api/v1/pods", &mut |_| ()).expect_err("is refused");
        assert!(error.to_string().contains("without TLS"), "{error}");
    }
}
