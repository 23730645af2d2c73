//! The witness: remembers one checkpoint of each log, and signs only what goes on from it.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path as UrlPath, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Digest;

use super::{REQUEST_BYTES_MAX, SIZE_TYPE};
use crate::trust::{
    files::{self, FileError},
    key::SigningKey,
    merkle::{PROOF_MAX, check_consistency, empty_root},
    note::{Checkpoint, NOTE_BYTES_MAX, Note, NoteError, VerifierKey, cosign, decimal},
};

/// A witness of some logs. What it has signed is in a folder, a file a log.
pub struct Witness {
    name: String,
    key: SigningKey,
    folder: PathBuf,
    logs: BTreeMap<String, VerifierKey>,
    /// Comparing and remembering are one step, or an older state could come back.
    step: Mutex<()>,
}

/// Why a witness does not start.
#[derive(Debug, thiserror::Error)]
pub enum WitnessFault {
    /// The name cannot stand in a signature.
    #[error("{0:?} is no name for a key: no blanks, no +")]
    Name(String),
    /// The folder cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What is answered to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Answer {
    fn text(status: u16, body: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: format!("{body}\n") }
    }
}

impl Witness {
    /// A witness called `name`, of `logs`; `folder` remembers what it signed, and must never be set back.
    ///
    /// # Errors
    ///
    /// [`WitnessFault`].
    pub fn new(name: &str, key: SigningKey, folder: &Path, logs: Vec<VerifierKey>) -> Result<Self, WitnessFault> {
        if !crate::trust::note::is_name(name) {
            return Err(WitnessFault::Name(name.to_owned()));
        }
        std::fs::create_dir_all(folder).map_err(FileError::of(folder, "make the folder"))?;
        let logs = logs.into_iter().map(|log| (log.name.clone(), log)).collect();
        Ok(Self { name: name.to_owned(), key, folder: folder.to_owned(), logs, step: Mutex::new(()) })
    }

    /// What others know it by.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey::of_witness(&self.name, self.key.public())
    }

    /// Answers `POST /add-checkpoint` at `now`. The new state is on the disk before the signature is given.
    #[must_use]
    pub fn add_checkpoint(&self, request: &str, now: u64) -> Answer {
        match self.add(request, now) {
            Ok(answer) | Err(answer) => answer,
        }
    }

    fn add(&self, request: &str, now: u64) -> Result<Answer, Answer> {
        let malformed = |what: &str| Answer::text(400, what);
        let (old, proof, note) = read_request(request).map_err(malformed)?;
        let parsed = Note::parse(note).map_err(|error| malformed(&error.to_string()))?;
        let checkpoint = Checkpoint::parse(parsed.text).map_err(|error| malformed(&error.to_string()))?;
        let log = self.logs.get(&checkpoint.origin).ok_or_else(|| Answer::text(404, "this log is not known here"))?;
        parsed.verified_by(log).map_err(|error: NoteError| Answer::text(403, &error.to_string()))?;
        if old > checkpoint.size {
            return Err(malformed("the old size is beyond the checkpoint's"));
        }
        let _step = self.step.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let path = self.path(&Digest::of(checkpoint.origin.as_bytes()).hex());
        let broken = |_| Answer::text(500, "the witness cannot use its memory");
        let last = match files::read(&path, NOTE_BYTES_MAX as u64).map_err(broken)? {
            None => Checkpoint { origin: checkpoint.origin.clone(), size: 0, root: empty_root() },
            Some(bytes) => {
                let last = String::from_utf8(bytes).ok().and_then(|text| Checkpoint::parse(&text).ok());
                last.ok_or_else(|| Answer::text(500, "the witness cannot read its memory"))?
            }
        };
        if old != last.size {
            return Err(Answer { status: 409, content_type: SIZE_TYPE, body: format!("{}\n", last.size) });
        }
        if !check_consistency(last.size, &last.root, checkpoint.size, &checkpoint.root, &proof)
            || (checkpoint.size == 0 && checkpoint.root != empty_root())
        {
            return Err(Answer::text(422, "the checkpoint does not go on from the one this witness signed"));
        }
        let line = cosign(parsed.text, &self.name, &self.key, now);
        let own = note.lines().skip_while(|line| !line.is_empty()).find(|line| {
            Note::parse(&format!("{}\n{line}\n", parsed.text)).is_ok_and(|note| note.verified_by(log).is_ok())
        });
        let kept = format!("{}\n{}\n{line}", parsed.text, own.unwrap_or_default());
        files::write(&path, kept.as_bytes()).map_err(broken)?;
        Ok(Answer { status: 200, content_type: "text/plain; charset=utf-8", body: line })
    }

    /// Answers `GET /ORIGIN-HASH/checkpoint`.
    #[must_use]
    pub fn checkpoint(&self, origin_hash: &str) -> Answer {
        let known = self.logs.keys().any(|origin| Digest::of(origin.as_bytes()).hex() == origin_hash);
        let kept = known.then(|| files::read(&self.path(origin_hash), NOTE_BYTES_MAX as u64).ok()).flatten().flatten();
        match kept.and_then(|bytes| String::from_utf8(bytes).ok()) {
            Some(body) => Answer { status: 200, content_type: "text/plain; charset=utf-8", body },
            None => Answer::text(404, "no checkpoint of this log was signed here"),
        }
    }

    fn path(&self, origin_hash: &str) -> PathBuf {
        self.folder.join(format!("{origin_hash}.checkpoint"))
    }
}

/// Old size, proof, checkpoint.
fn read_request(request: &str) -> Result<(u64, Vec<Digest>, &str), &'static str> {
    let (head, note) = request.split_once("\n\n").ok_or("there is no checkpoint")?;
    let mut lines = head.lines();
    let old =
        lines.next().and_then(|line| line.strip_prefix("old ")).and_then(decimal).ok_or("there is no old size")?;
    let proof = lines
        .take(PROOF_MAX + 1)
        .map(|line| STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok()).map(Digest::from_bytes));
    let proof: Vec<_> = proof.collect::<Option<_>>().ok_or("a line of the proof is no hash")?;
    if proof.len() > PROOF_MAX {
        return Err("the proof is too long");
    }
    Ok((old, proof, note))
}

/// What the time is: seconds since 1970.
type Clock = fn() -> u64;

/// Serves the witness until `stop` is done. `clock` gives seconds since 1970.
///
/// # Errors
///
/// If the socket cannot be served.
pub async fn serve(
    witness: Arc<Witness>,
    listener: std::net::TcpListener,
    clock: Clock,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin_hash}/checkpoint", get(checkpoint))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state((witness, clock));
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

async fn add_checkpoint(State((witness, clock)): State<(Arc<Witness>, Clock)>, body: Bytes) -> Response {
    let answered = tokio::task::spawn_blocking(move || match std::str::from_utf8(&body) {
        Ok(request) => witness.add_checkpoint(request, clock()),
        Err(_) => Answer::text(400, "the request is not UTF-8"),
    });
    respond(answered.await.unwrap_or_else(|_| Answer::text(500, "the witness failed")))
}

async fn checkpoint(
    State((witness, _)): State<(Arc<Witness>, Clock)>,
    UrlPath(origin_hash): UrlPath<String>,
) -> Response {
    let answered = tokio::task::spawn_blocking(move || witness.checkpoint(&origin_hash));
    respond(answered.await.unwrap_or_else(|_| Answer::text(500, "the witness failed")))
}

fn respond(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, answer.content_type)], answer.body).into_response()
}
