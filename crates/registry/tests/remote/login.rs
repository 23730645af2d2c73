//! Getting in: tokens, passwords, identity tokens; and never showing them.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use harbour::{Auth, Harbour, Script};
use registry::{Options, RegistryError};

use super::{descriptor, open, options, read};

const PASSWORD: &str = "invented-password";

fn script(auth: Auth) -> Script {
    Script { auth, users: vec![("keeper".to_owned(), PASSWORD.to_owned())], ..Script::default() }
}

/// Pulls an image and its layer, with `entry` (an `auths` value) as the stored login.
fn pull(harbour: &Harbour, entry: Option<&str>) -> Result<(), RegistryError> {
    harbour.push_image("a/b", "v1", &[b"layer"]);
    let folder = tempfile::tempdir().expect("temporary folder");
    let options = with_login(folder.path(), harbour, entry);
    let source = open(harbour, "a/b:v1", &options);
    let images = source.resolve(None)?;
    read(source.as_ref(), &images[0].config)?;
    read(source.as_ref(), &descriptor(b"layer")).map(|_| ())
}

fn with_login(folder: &Path, harbour: &Harbour, entry: Option<&str>) -> Options {
    if let Some(entry) = entry {
        let config = format!(r#"{{"auths":{{"{}":{entry}}}}}"#, harbour.host());
        fs::write(folder.join("config.json"), config).expect("temporary folder");
    }
    Options { docker_config_folder: Some(folder.to_owned()), ..options() }
}

fn entry(password: &str) -> String {
    format!(r#"{{"auth":"{}"}}"#, STANDARD.encode(format!("keeper:{password}")))
}

fn count(harbour: &Harbour, path: &str) -> usize {
    harbour.requests().iter().filter(|request| request.path == path).count()
}

#[test]
fn an_anonymous_token_is_fetched_once_for_many_requests() {
    let harbour = Harbour::start(Script { anonymous_pull: true, ..script(Auth::Bearer) });
    pull(&harbour, None).expect("anybody may pull");
    assert_eq!(count(&harbour, "/token"), 1);
    let token = harbour.requests().into_iter().find(|request| request.path == "/token").expect("was asked");
    assert_eq!(token.query, "service=harbour&scope=repository%3Aa%2Fb%3Apull");
    assert_eq!(token.authorization, None);
    let blobs: Vec<_> = harbour.requests().into_iter().filter(|r| r.path.contains("/blobs/")).collect();
    assert!(blobs.iter().all(|request| request.authorization.as_deref() == Some("Bearer")), "{blobs:?}");
}

#[test]
fn a_password_gets_a_token() {
    let harbour = Harbour::start(script(Auth::Bearer));
    pull(&harbour, Some(&entry(PASSWORD))).expect("the login is right");
    let basic: Vec<_> =
        harbour.requests().into_iter().filter(|r| r.authorization.as_deref() == Some("Basic")).collect();
    assert!(basic.iter().all(|request| request.path == "/token"), "{basic:?}");
    assert_eq!(basic.len(), 1);
}

#[test]
fn a_worn_out_token_is_renewed() {
    let harbour = Harbour::start(Script { token_uses_max: Some(1), ..script(Auth::Bearer) });
    pull(&harbour, Some(&entry(PASSWORD))).expect("the login is right");
    assert_eq!(count(&harbour, "/token"), 3);
}

#[test]
fn a_token_is_not_used_after_its_time() {
    let harbour = Harbour::start(Script { token_lifetime_s: Some(0), ..script(Auth::Bearer) });
    pull(&harbour, Some(&entry(PASSWORD))).expect("the login is right");
    assert_eq!(count(&harbour, "/token"), 3);
}

#[test]
fn an_identity_token_is_changed_for_a_token() {
    let identity_tokens = vec!["invented-identity".to_owned()];
    let harbour = Harbour::start(Script { identity_tokens, ..script(Auth::Bearer) });
    pull(&harbour, Some(r#"{"auth":"","identitytoken":"invented-identity"}"#)).expect("the login is right");
    assert!(harbour.requests().iter().any(|request| request.method == "POST" && request.path == "/token"));
}

#[test]
fn a_password_is_enough_for_basic_auth() {
    let harbour = Harbour::start(script(Auth::Basic));
    pull(&harbour, Some(&entry(PASSWORD))).expect("the login is right");
    let refused = harbour.requests().into_iter().filter(|request| request.status == 401).count();
    assert_eq!(refused, 1, "after the first refusal the password is sent at once");
}

#[test]
fn a_refused_login_says_what_to_do_and_shows_no_secret() {
    for auth in [Auth::Basic, Auth::Bearer] {
        let harbour = Harbour::start(script(auth));
        let error = pull(&harbour, Some(&entry("wrong-secret"))).expect_err("the login is wrong");
        let shown = format!("{error} {error:?}");
        assert!(matches!(error, RegistryError::Denied { .. }), "{shown}");
        assert!(shown.contains(&format!("try `docker login {}` again", harbour.host())), "{shown}");
        assert!(!shown.contains("wrong-secret") && !shown.contains(&STANDARD.encode("keeper:wrong-secret")), "{shown}");
        assert!(harbour.requests().len() <= 3, "a wrong login is not tried again and again");
    }
}

#[test]
fn a_missing_login_says_what_to_do() {
    for auth in [Auth::Basic, Auth::Bearer] {
        let harbour = Harbour::start(script(auth));
        let error = pull(&harbour, None).expect_err("there is no login").to_string();
        let host = harbour.host();
        let expected = format!(
            "{host} refused access to manifest v1 of {host}/a/b: check the name; if it is private, run `docker login {host}`"
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn a_broken_login_does_not_hide_public_images() {
    let folder = tempfile::tempdir().expect("temporary folder");
    fs::write(folder.path().join("config.json"), r#"{"credsStore":"was-removed"}"#).expect("temporary folder");
    for anonymous_pull in [true, false] {
        let harbour = Harbour::start(Script { anonymous_pull, ..script(Auth::Bearer) });
        harbour.push_image("a/b", "v1", &[b"layer"]);
        let options = Options { docker_config_folder: Some(folder.path().to_owned()), ..options() };
        match (anonymous_pull, open(&harbour, "a/b:v1", &options).resolve(None)) {
            (true, Ok(_)) => {}
            (false, Err(e)) => {
                let error = e.to_string();
                assert!(error.contains("docker-credential-was-removed could not be started"), "{error}");
            }
            (_, other) => panic!("{other:?}"),
        }
    }
}
