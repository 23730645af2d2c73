//! Credentials as `docker login` keeps them: `config.json` and credential helpers.
//!
//! Sources: Docker CLI reference, "Credential stores" and "Credential helpers"; docker-credential-helpers, README.

use std::{
    collections::HashMap,
    fmt, fs,
    io::{Read, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::reference::DOCKER_HUB;
use serde::Deserialize;

/// Longest `config.json` and helper answer read.
const BYTES_MAX: u64 = 1 << 20;
/// How long a helper may take: some ask a cloud service.
const HELPER_TIME_MAX: Duration = Duration::from_secs(20);
/// What Docker files its Hub's credentials under.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// Text that must not be shown: it has no `Display`, and its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into hiding.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// How to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    Password {
        user: String,
        password: Secret,
    },
    /// A refresh token, changed for access tokens.
    Identity(Secret),
}

impl Credentials {
    /// The `Authorization` header of basic auth.
    pub(crate) fn basic(&self) -> Option<Secret> {
        match self {
            Self::Password { user, password } => {
                Some(Secret(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.0)))))
            }
            Self::Identity(_) => None,
        }
    }

    fn new(user: &str, password: Secret) -> Option<Self> {
        match (user, password.0.is_empty()) {
            (_, true) | ("", _) => None,
            ("<token>", _) => Some(Self::Identity(password)),
            _ => Some(Self::Password { user: user.to_owned(), password }),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: HashMap<String, Entry>,
    cred_helpers: HashMap<String, String>,
    creds_store: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
    identitytoken: Option<Secret>,
}

/// What `docker login` knows of `registry` (`host[:port]`), or None. The helper named for the registry comes first,
/// then the general one, then what is in the file.
///
/// # Errors
///
/// One line that says which file or helper is wrong, without its content.
pub(crate) fn find(folder: &Path, registry: &str) -> Result<Option<Credentials>, String> {
    let path = folder.join("config.json");
    let config = match read_config(&path) {
        Ok(None) => return Ok(None),
        Ok(Some(config)) => config,
        Err(detail) => return Err(format!("{} cannot be used: {detail}", path.display())),
    };
    let named = config.cred_helpers.iter().find(|(key, _)| is_for(key, registry)).map(|(_, helper)| helper);
    let helper = named.or(Some(&config.creds_store)).filter(|helper| !helper.is_empty());
    if let Some(helper) = helper {
        let name_is_plain = helper.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !name_is_plain {
            return Err(format!("{} names a credential helper that is not a plain name", path.display()));
        }
        let program = format!("docker-credential-{helper}");
        #[expect(clippy::disallowed_methods, reason = "a credential helper, named by the user's own config.json")]
        let command = Command::new(&program);
        let server = if registry == DOCKER_HUB { DOCKER_HUB_KEY } else { registry };
        let found = ask_helper(command, server, HELPER_TIME_MAX).map_err(|e| format!("{program} {e}"))?;
        if found.is_some() || named.is_some() {
            return Ok(found);
        }
    }
    let entry = config.auths.into_iter().find(|(key, _)| is_for(key, registry)).map(|(_, entry)| entry);
    entry.map_or(Ok(None), |entry| {
        entry.credentials().ok_or_else(|| format!("{}: `auth` of {registry} is not user:password", path.display()))
    })
}

fn read_config(path: &Path) -> Result<Option<Config>, String> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.to_string()),
    };
    let bytes = read_bounded(file).map_err(|e| e.to_string())?;
    // The parser's own message could quote a secret.
    serde_json::from_slice(&bytes).map(Some).map_err(|e| format!("not valid in line {}", e.line()))
}

#[expect(clippy::disallowed_methods, reason = "bounded by `take`")]
fn read_bounded(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Entry {
    /// `Some(None)` for an entry without anything, as a credential store leaves behind.
    fn credentials(self) -> Option<Option<Credentials>> {
        if let Some(token) = self.identitytoken.filter(|token| !token.0.is_empty()) {
            return Some(Some(Credentials::Identity(token)));
        }
        if let Some(auth) = self.auth.filter(|auth| !auth.0.is_empty()) {
            let text = String::from_utf8(STANDARD.decode(auth.0.trim()).ok()?).ok()?;
            let (user, password) = text.split_once(':')?;
            return Some(Credentials::new(user, Secret::new(password.trim_end_matches('\0'))));
        }
        Some(self.password.and_then(|password| Credentials::new(&self.username.unwrap_or_default(), password)))
    }
}

/// Whether a key of `config.json` (a host, or a URL as older versions wrote) means `registry`.
fn is_for(key: &str, registry: &str) -> bool {
    let host = key.trim_start_matches("https://").trim_start_matches("http://");
    let host = host.split('/').next().unwrap_or(host);
    let canonical = |host: &str| match host {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_owned(),
        other => other.to_ascii_lowercase(),
    };
    canonical(host) == canonical(registry)
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: Secret,
}

/// Runs `command get`. None if the helper has nothing for `server`.
fn ask_helper(mut command: Command, server: &str, time_max: Duration) -> Result<Option<Credentials>, String> {
    let mut child = command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("could not be started: {e}"))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    if let Some(mut input) = input {
        // A helper that does not read its question will not answer either.
        let _ = writeln!(input, "{server}");
    }
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(output.map_or(Ok(Vec::new()), read_bounded)));
    let answer = receiver.recv_timeout(time_max);
    if answer.is_err() {
        let _ = child.kill();
    }
    // After its output ended, a helper that does not end itself is ended.
    let ended = (0..100).any(|_| {
        let ended = !matches!(child.try_wait(), Ok(None));
        if !ended {
            thread::sleep(Duration::from_millis(10));
        }
        ended
    });
    if !ended {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|e| format!("was lost: {e}"))?;
    let output = match answer {
        Err(_) => return Err(format!("gave no answer within {} s", time_max.as_secs_f32())),
        Ok(read) => read.map_err(|e| format!("could not be read: {e}"))?,
    };
    if !status.success() {
        // The protocol says this with a fixed text on standard output.
        return match String::from_utf8_lossy(&output).contains("credentials not found") {
            true => Ok(None),
            false => Err(format!("failed ({status}); try `docker login` again")),
        };
    }
    let answer: Answer = serde_json::from_slice(&output).map_err(|_| "gave no JSON that could be used".to_owned())?;
    Ok(Credentials::new(&answer.username, answer.secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &str, registry: &str) -> Result<Option<Credentials>, String> {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::write(folder.path().join("config.json"), config).expect("temporary folder");
        find(folder.path(), registry)
    }

    fn password(user: &str, password: &str) -> Option<Credentials> {
        Some(Credentials::Password { user: user.to_owned(), password: Secret::new(password) })
    }

    #[test]
    fn hosts_are_found_in_every_spelling() {
        let auth = STANDARD.encode("keeper:in:vented");
        let hub = format!(r#"{{"auths":{{"https://index.docker.io/v1/":{{"auth":"{auth}"}}}}}}"#);
        assert_eq!(check(&hub, "docker.io"), Ok(password("keeper", "in:vented")));
        assert_eq!(check(&hub, "quay.io"), Ok(None));
        let other = format!(r#"{{"auths":{{"http://Reg.example:5000/v2/":{{"auth":"{auth}"}}}}}}"#);
        assert_eq!(check(&other, "reg.example:5000"), Ok(password("keeper", "in:vented")));
        assert_eq!(check(&other, "reg.example"), Ok(None));
        let token = r#"{"auths":{"a.b":{"auth":"","identitytoken":"invented"}}}"#;
        assert_eq!(check(token, "a.b"), Ok(Some(Credentials::Identity(Secret::new("invented")))));
        assert_eq!(check(r#"{"auths":{"a.b":{}}}"#, "a.b"), Ok(None));
    }

    #[test]
    fn a_broken_config_is_named_without_its_content() {
        for config in [r#"{"auths":{"a.b":{"auth":17,"x":"c2VjcmV0"}}}"#, r#"{"auths":{"a.b":{"auth":"c2VjcmV0"}}}"#] {
            let error = check(config, "a.b").expect_err("must not be accepted");
            assert!(error.contains("config.json") && !error.contains("c2VjcmV0"), "{error}");
        }
        let error = check(r#"{"credsStore":"../x"}"#, "a.b").expect_err("must not be run");
        assert!(error.contains("plain name"), "{error}");
        let error = check(r#"{"credHelpers":{"a.b":"not-installed-anywhere"}}"#, "a.b").expect_err("is not there");
        assert!(error.contains("docker-credential-not-installed-anywhere could not be started"), "{error}");
    }

    #[test]
    fn secrets_do_not_show() {
        let shown = format!("{:?}", password("keeper", "invented"));
        assert!(shown.contains("keeper") && !shown.contains("invented"), "{shown}");
    }

    fn helper(script: &str, time_max: Duration) -> Result<Option<Credentials>, String> {
        #[expect(clippy::disallowed_methods, reason = "stands in for a credential helper")]
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "docker-credential-test"]);
        ask_helper(command, "a.b", time_max)
    }

    #[test]
    fn helpers_are_asked_and_bounded() {
        let patient = Duration::from_secs(10);
        let answers = r#"read server; test "$1" = get && echo "{\"Username\":\"$server\",\"Secret\":\"invented\"}""#;
        assert_eq!(helper(answers, patient), Ok(password("a.b", "invented")));
        let token = r#"read x; echo '{"ServerURL":"x","Username":"<token>","Secret":"t"}'"#;
        assert_eq!(helper(token, patient), Ok(Some(Credentials::Identity(Secret::new("t")))));
        assert_eq!(helper("echo credentials not found in native keychain; exit 1", patient), Ok(None));
        assert!(helper("echo secret; exit 1", patient).is_err_and(|e| !e.contains("secret")));
        assert!(helper("exec sleep 60", Duration::from_millis(50)).is_err_and(|e| e.contains("no answer")));
        assert!(helper("exec yes", patient).is_err_and(|e| e.contains("failed")), "endless output must end");
    }
}
