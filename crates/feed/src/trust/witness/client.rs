//! Asks witnesses to sign the log's new checkpoint.

use std::{fmt::Write as _, io::Read as _, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use ureq::{
    config::Config,
    tls::{RootCerts, TlsConfig},
};
use url::Url;

use super::SIZE_TYPE;
use crate::trust::{
    files::{self, FileError},
    merkle::prove_consistency,
    note::{Checkpoint, NOTE_BYTES_MAX, Note, NoteError, VerifierKey, decimal},
    proof::read_tile,
    tiles::{NoTile, TileNodes, tile_path},
};

/// Where a witness is asked, and what its signature is checked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessAddress {
    /// Its submission prefix: `add-checkpoint` is asked below it.
    #[serde(with = "as_text")]
    pub url: Url,
    /// Its key.
    #[serde(with = "as_text")]
    pub key: VerifierKey,
}

/// As its text, in both directions.
mod as_text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// Why a witness did not sign.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// It was not reached.
    #[error("{url}: no answer: {why}")]
    Unreachable {
        /// Where.
        url: Url,
        /// Why.
        why: String,
    },
    /// It refuses: it was shown another log.
    #[error("{url}: it refuses with {status}: {why}")]
    Refused {
        /// Where.
        url: Url,
        /// HTTP status.
        status: u16,
        /// What it says: outside text, cut and escaped.
        why: String,
    },
    /// Its answer is no signature of its key.
    #[error("{url}: its answer: {why}")]
    Signature {
        /// Where.
        url: Url,
        /// Why not.
        why: NoteError,
    },
    /// The log to be signed.
    #[error("the log to be signed: {0}")]
    Log(#[source] NoteError),
    /// A tile of the log is missing.
    #[error(transparent)]
    Tile(#[from] NoTile),
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Asks each witness to sign `public/log/checkpoint`, and adds the signatures to that file. Call it after
/// [`write_log`](crate::trust::write_log) and before [`write_tuf`](crate::trust::write_tuf). Returns an answer a witness; one that fails costs
/// its own signature.
///
/// # Errors
///
/// [`WitnessError::Log`] and [`WitnessError::File`]: of our own log.
pub fn cosign(
    public: &Path,
    witnesses: &[WitnessAddress],
    timeout: Duration,
) -> Result<Vec<Result<(), WitnessError>>, WitnessError> {
    let log = public.join("log");
    let bytes = files::read(&log.join("checkpoint"), NOTE_BYTES_MAX as u64)?.unwrap_or_default();
    let mut note = String::from_utf8(bytes).map_err(|_| WitnessError::Log(NoteError::Malformed("it is not UTF-8")))?;
    let text = Note::parse(&note).map_err(WitnessError::Log)?.text.to_owned();
    let checkpoint = Checkpoint::parse(&text).map_err(WitnessError::Log)?;
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .timeout_global(Some(timeout))
        .accept_encoding("identity")
        .build();
    #[expect(clippy::disallowed_types, reason = "the feed speaks to its witnesses")]
    let agent = ureq::Agent::new_with_config(config);
    let ask = |witness: &WitnessAddress, body: &str| ask(&agent, &witness.url, body);
    let mut answers = Vec::new();
    for witness in witnesses {
        let line = sign(&log, &checkpoint, &note, witness, &ask);
        answers.push(line.map(|line| note.push_str(&line)));
    }
    files::write(&log.join("checkpoint"), note.as_bytes())?;
    Ok(answers)
}

/// Status, content type, body.
type Asked = (u16, String, String);

fn sign(
    log: &Path,
    checkpoint: &Checkpoint,
    note: &str,
    witness: &WitnessAddress,
    ask: &dyn Fn(&WitnessAddress, &str) -> Result<Asked, WitnessError>,
) -> Result<String, WitnessError> {
    // Not knowing what it has, guess that it is new to us: it says so if not.
    let (mut status, mut kind, mut answer) = ask(witness, &request(log, checkpoint, 0, note)?)?;
    if status == 409
        && kind == SIZE_TYPE
        && let Some(old) = answer.strip_suffix('\n').and_then(decimal)
        && old <= checkpoint.size
    {
        (status, kind, answer) = ask(witness, &request(log, checkpoint, old, note)?)?;
    }
    if status != 200 {
        let _ = kind;
        let why = answer.chars().take(200).flat_map(char::escape_debug).collect();
        return Err(WitnessError::Refused { url: witness.url.clone(), status, why });
    }
    let lines = answer.lines().map(|line| format!("{line}\n"));
    let mut why = NoteError::Unsigned { name: witness.key.name.clone() };
    for line in lines {
        match Note::parse(&format!("{}\n{line}", checkpoint.text())).and_then(|note| note.verified_by(&witness.key)) {
            Ok(_) => return Ok(line),
            Err(error) => why = error,
        }
    }
    Err(WitnessError::Signature { url: witness.url.clone(), why })
}

fn request(log: &Path, checkpoint: &Checkpoint, old: u64, note: &str) -> Result<String, WitnessError> {
    let mut body = format!("old {old}\n");
    if old > 0 && old < checkpoint.size {
        let mut nodes = TileNodes::new(checkpoint.size, |level, index, width| -> Result<Vec<u8>, WitnessError> {
            let missing = || NoTile { path: tile_path(Some(level), index, width), width };
            Ok(read_tile(log, Some(level), index, width)?.ok_or_else(missing)?)
        });
        for hash in prove_consistency(&mut nodes, old, checkpoint.size)? {
            let _ = writeln!(body, "{}", STANDARD.encode(hash.as_bytes()));
        }
    }
    Ok(body + "\n" + note)
}

#[expect(clippy::disallowed_types, reason = "the feed speaks to its witnesses")]
fn ask(agent: &ureq::Agent, url: &Url, body: &str) -> Result<Asked, WitnessError> {
    let failed = |why: String| WitnessError::Unreachable { url: url.clone(), why };
    let target = format!("{}/add-checkpoint", url.as_str().trim_end_matches('/'));
    let mut answer = agent.post(&target).send(body).map_err(|error| failed(error.to_string()))?;
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let mut text = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    let read = answer.body_mut().as_reader().take(NOTE_BYTES_MAX as u64).read_to_end(&mut text);
    read.map_err(|error| failed(error.to_string()))?;
    Ok((status, kind, String::from_utf8_lossy(&text).into_owned()))
}
