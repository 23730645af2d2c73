//! Where a feed is fetched from: a web server or a folder.
//!
//! No redirects are followed: a feed's address is what was configured. Nothing longer than allowed is read.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::PathBuf,
    time::Duration,
};

use ureq::{
    config::Config,
    tls::{RootCerts, TlsConfig},
};
use url::Url;

use super::{SyncError, SyncOptions};

/// Slowest a long file may come: bytes a second.
const BYTES_PER_SECOND_MIN: u64 = 1 << 16;

/// Where a feed is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The published folder itself, a copy of it, or a mounted disk.
    Folder(PathBuf),
    /// What serves it.
    Url(Url),
}

impl Origin {
    /// `http://…` and `https://…` are addresses, all else is a folder.
    ///
    /// # Errors
    ///
    /// If an address cannot be read; the text says why.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        let url = Url::parse(text).map_err(|error| format!("{text:?} is no address: {error}"))?;
        match url.query().or(url.fragment()) {
            Some(_) => Err(format!("{text:?}: the address of a feed has no ? and no #")),
            None => Ok(Self::Url(url)),
        }
    }
}

/// How long a file may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    AtMost(u64),
    Exactly(u64),
}

impl Length {
    fn max(self) -> u64 {
        let (Self::AtMost(bytes) | Self::Exactly(bytes)) = self;
        bytes
    }
}

/// An origin that is being read.
pub(super) struct Source {
    place: Place,
    timeout: Duration,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

enum Place {
    Folder(PathBuf),
    #[expect(clippy::disallowed_types, reason = "the feed's client fetches the feed")]
    Web {
        agent: ureq::Agent,
        base: String,
    },
}

impl Source {
    pub(super) fn open(origin: &Origin, options: &SyncOptions) -> Result<Self, SyncError> {
        let place = match origin {
            // `public` is switched to another release while we read: stay with the one we began with.
            Origin::Folder(folder) => Place::Folder(std::fs::canonicalize(folder).map_err(|error| {
                SyncError::Unreachable { file: folder.display().to_string(), why: error.to_string() }
            })?),
            Origin::Url(url) => {
                let proxy = options.proxy.as_deref().map(ureq::Proxy::new).transpose();
                let proxy = proxy
                    .map_err(|error| SyncError::Unreachable { file: "the proxy".to_owned(), why: error.to_string() })?;
                let config = Config::builder()
                    .http_status_as_error(false)
                    .max_redirects(0)
                    .max_redirects_will_error(false)
                    .proxy(proxy)
                    .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
                    .accept_encoding("identity")
                    .user_agent(concat!("lazaret/", env!("CARGO_PKG_VERSION")))
                    .build();
                #[expect(clippy::disallowed_types, reason = "the feed's client fetches the feed")]
                let agent = ureq::Agent::new_with_config(config);
                Place::Web { agent, base: url.as_str().trim_end_matches('/').to_owned() }
            }
        };
        Ok(Self { place, timeout: options.timeout, files: 0, bytes: 0 })
    }

    /// The whole file.
    pub(super) fn get(&mut self, file: &str, length: Length) -> Result<Vec<u8>, SyncError> {
        let mut bytes = Vec::new();
        self.copy(file, length, &mut bytes)?;
        Ok(bytes)
    }

    /// Copies the file as it comes. What `to` got before an error is worth nothing.
    pub(super) fn copy(&mut self, file: &str, length: Length, to: &mut dyn Write) -> Result<(), SyncError> {
        let copied = match &self.place {
            Place::Folder(folder) => match File::open(folder.join(file)) {
                Ok(from) => pour(from, file, length, to),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Err(SyncError::Missing { file: file.to_owned() })
                }
                Err(error) => Err(SyncError::Unreachable { file: file.to_owned(), why: error.to_string() }),
            },
            Place::Web { agent, base } => web(agent, base, file, length, self.timeout, to),
        }?;
        self.files += 1;
        self.bytes += copied;
        Ok(())
    }
}

#[expect(clippy::disallowed_types, reason = "the feed's client fetches the feed")]
fn web(
    agent: &ureq::Agent,
    base: &str,
    file: &str,
    length: Length,
    timeout: Duration,
    to: &mut dyn Write,
) -> Result<u64, SyncError> {
    let failed = |why: String| SyncError::Unreachable { file: file.to_owned(), why };
    let timeout = timeout + Duration::from_secs(length.max() / BYTES_PER_SECOND_MIN);
    let request = agent.get(format!("{base}/{file}")).config().timeout_global(Some(timeout)).build();
    let mut answer = request.call().map_err(|error| failed(error.to_string()))?;
    match answer.status().as_u16() {
        200 => pour(answer.body_mut().as_reader(), file, length, to),
        // A bucket that may not be listed says 403 of what it has not.
        403 | 404 | 410 => Err(SyncError::Missing { file: file.to_owned() }),
        status @ 300..=399 => {
            Err(failed(format!("the server answers {status}; a feed is not followed elsewhere: use its own address")))
        }
        status => Err(failed(format!("the server answers {status}"))),
    }
}

/// Copies no more than allowed, and says whether it was too short or too long.
fn pour(mut from: impl Read, file: &str, length: Length, to: &mut dyn Write) -> Result<u64, SyncError> {
    let bytes_max = length.max();
    let mut copied: u64 = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // The connection ended before the length that was announced.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(SyncError::Unreachable { file: file.to_owned(), why: error.to_string() }),
        };
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        copied += bytes.len() as u64;
        if copied > bytes_max {
            return Err(SyncError::EndlessData { file: file.to_owned(), bytes_max });
        }
        let why = |error: io::Error| SyncError::Unreachable {
            file: file.to_owned(),
            why: format!("cannot be kept: {error}"),
        };
        to.write_all(bytes).map_err(why)?;
    }
    match length {
        Length::Exactly(expected) if copied < expected => {
            Err(SyncError::Truncated { file: file.to_owned(), bytes: copied })
        }
        _ => Ok(copied),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_an_address_or_a_folder() {
        assert_eq!(Origin::parse("/srv/feed"), Ok(Origin::Folder("/srv/feed".into())));
        assert!(matches!(Origin::parse("https://feed.example.org/v1"), Ok(Origin::Url(_))));
        assert!(Origin::parse("https://feed.example.org/?token=1").is_err(), "no secrets in addresses");
        assert!(Origin::parse("https://").is_err());
    }

    #[test]
    fn no_more_is_read_than_allowed() {
        let reason = |length| pour(&[7; 100][..], "f", length, &mut io::sink()).map_err(|error| error.reason());
        assert_eq!(reason(Length::AtMost(100)), Ok(100));
        assert_eq!(reason(Length::AtMost(200)), Ok(100));
        assert_eq!(reason(Length::Exactly(100)), Ok(100));
        assert_eq!(reason(Length::AtMost(99)), Err("endless-data"));
        assert_eq!(reason(Length::Exactly(99)), Err("endless-data"));
        assert_eq!(reason(Length::Exactly(101)), Err("truncated"));
        let endless = pour(io::repeat(1), "f", Length::AtMost(1 << 20), &mut io::sink());
        assert_eq!(endless.map_err(|error| error.reason()), Err("endless-data"));
    }
}
