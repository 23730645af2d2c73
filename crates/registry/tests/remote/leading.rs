//! Where a registry may send us, and what we carry there.

use harbour::{Act, Auth, Fault, Harbour, Script, Server};
use registry::RegistryError;

use super::{descriptor, open, options, read};

fn bearer() -> Script {
    Script { auth: Auth::Bearer, anonymous_pull: true, ..Script::default() }
}

#[test]
fn a_content_network_serves_blobs_but_gets_no_authorization() {
    let harbour =
        Harbour::start(Script { cdn: true, faults: vec![Fault::times("/cdn/", 1, Act::Truncate(3))], ..bearer() });
    harbour.push_image("a/b", "v1", &[b"layer"]);
    let source = open(&harbour, "a/b:v1", &options());
    assert_eq!(read(source.as_ref(), &descriptor(b"layer")).expect("is there"), b"layer");
    let requests = harbour.requests();
    let (cdn, registry): (Vec<_>, Vec<_>) = requests.iter().partition(|request| request.server == Server::Cdn);
    assert_eq!(cdn.len(), 2, "one was cut off");
    assert_eq!(cdn[1].range.as_deref(), Some("bytes=3-"));
    assert!(cdn.iter().all(|request| request.authorization.is_none()), "{cdn:?}");
    assert!(registry.iter().any(|request| request.authorization.is_some()), "there must have been one to lose");
}

#[test]
fn a_way_back_carries_no_authorization_either() {
    let harbour = Harbour::start(Script { cdn: true, ..bearer() });
    let pushed = harbour.push_image("a/b", "v1", &[b"layer"]);
    let back = format!("{}/v2/other/manifests/v1", harbour.url());
    harbour.add_fault(Fault::always("/cdn/", Act::redirect(&back)));
    let result = read(open(&harbour, "a/b:v1", &options()).as_ref(), &descriptor(b"layer"));
    assert!(matches!(result, Err(RegistryError::Denied { .. })), "{result:?}");
    let asked: Vec<_> = harbour.requests().into_iter().filter(|r| r.path == "/v2/other/manifests/v1").collect();
    assert!(!asked.is_empty() && asked[0].authorization.is_none(), "{asked:?}");
    assert!(pushed.layers[0].starts_with("sha256:"));
}

fn check_refused(target: &str, reason: &str) {
    let harbour = Harbour::start(Script { faults: vec![Fault::always("/v2/a/b/", Act::redirect(target))], ..bearer() });
    let error = open(&harbour, "a/b:v1", &options()).resolve(None).expect_err(target).to_string();
    assert!(error.contains(reason), "{target}: {error}");
}

#[test]
fn bad_redirects_are_refused() {
    check_refused("http://192.0.2.1/x", "neither TLS nor loopback");
    check_refused("https://169.254.169.254/latest/meta-data", "nearer to us");
    check_refused("https://keeper:invented@cdn.example/", "with a password in it");
    check_refused("file:///etc/passwd", "not http or https");
    check_refused("/v2/a/b/manifests/v1", "more than 5 times");
    check_refused("http://[", "not a URL");
}

fn check_realm(realm: &str, reason: &str) {
    let harbour = Harbour::start(Script { realm: Some(realm.to_owned()), ..bearer() });
    let error = open(&harbour, "a/b:v1", &options()).resolve(None).expect_err(realm);
    assert!(matches!(&error, RegistryError::Invalid { .. }), "{error}");
    assert!(error.to_string().contains(reason), "{realm}: {error}");
}

#[test]
fn bad_login_services_are_refused_before_anything_is_sent() {
    check_realm("http://192.0.2.1/token", "neither TLS nor loopback");
    check_realm("https://169.254.169.254/token", "nearer to us");
    check_realm("https://a:b@login.example/token", "with a password in it");
    check_realm("no address", "not a URL");
}

#[test]
fn a_login_service_that_redirects_is_not_followed() {
    let elsewhere = Harbour::start(Script::default());
    let lead = Act::redirect(&format!("{}/token", elsewhere.url()));
    let harbour = Harbour::start(Script { faults: vec![Fault::always("/token", lead)], ..bearer() });
    let error = open(&harbour, "a/b:v1", &options()).resolve(None).expect_err("no token").to_string();
    assert!(error.contains("answers with status 307"), "{error}");
    assert!(elsewhere.requests().is_empty());
}
