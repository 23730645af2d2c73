//! When and how long we wait. No test really waits: pauses are recorded.

use std::time::Duration;

use harbour::{Act, Fault, Harbour, Script};
use registry::{Options, RegistryError, ResolvedImage};

use super::{open, options, pauses, resolve};

const MANIFESTS: &str = "/v2/a/b/manifests/";

fn check(fault: Fault) -> (Result<Vec<ResolvedImage>, RegistryError>, usize) {
    let harbour = Harbour::start(Script { faults: vec![fault], ..Script::default() });
    harbour.push_image("a/b", "v1", &[b"layer"]);
    pauses();
    (resolve(&harbour, "a/b:v1", None), harbour.requests().len())
}

#[test]
fn retry_after_is_waited_for_in_both_forms() {
    let (result, _) = check(Fault::times(MANIFESTS, 1, Act::rate_limited("7")));
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(pauses(), [Duration::from_secs(7)]);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let date = Act::Answer {
        status: 429,
        headers: vec![
            header("Retry-After", "Thu, 01 Jan 2026 00:00:09 GMT"),
            header("Date", "Wed, 31 Dec 2025 23:59:58 GMT"),
        ],
    };
    let (result, _) = check(Fault::times(MANIFESTS, 1, date));
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(pauses(), [Duration::from_secs(11)]);
}

#[test]
fn beyond_our_patience_we_do_not_wait_at_all() {
    let (result, requests) = check(Fault::always(MANIFESTS, Act::rate_limited("21600")));
    let error = result.expect_err("six hours");
    assert!(matches!(error, RegistryError::RateLimited { retry_after_s: 21_600, .. }), "{error}");
    assert_eq!((requests, pauses()), (1, Vec::new()));
}

#[test]
fn the_waits_of_one_request_are_added_up() {
    let (result, requests) = check(Fault::always(MANIFESTS, Act::rate_limited("35")));
    assert!(matches!(result, Err(RegistryError::RateLimited { retry_after_s: 35, .. })), "{result:?}");
    assert_eq!((requests, pauses()), (2, vec![Duration::from_secs(35)]));
}

#[test]
fn a_failing_server_is_asked_again_with_growing_pauses() {
    for status in [500, 502, 503, 504] {
        let (result, requests) = check(Fault::times(MANIFESTS, 2, Act::status(status)));
        assert!(result.is_ok(), "{status}: {result:?}");
        assert_eq!(requests, 3);
        let pauses = pauses();
        let (first, second) = (pauses[0].as_millis(), pauses[1].as_millis());
        assert!((250..=500).contains(&first) && (500..=1_000).contains(&second), "{pauses:?}");
    }
    let (result, requests) = check(Fault::always(MANIFESTS, Act::status(503)));
    let error = result.expect_err("never works").to_string();
    assert!(error.ends_with("could not be reached: the registry answers 503 (3 tries)"), "{error}");
    assert_eq!(requests, 3);
}

#[test]
fn a_cut_manifest_is_asked_for_again() {
    let (result, requests) = check(Fault::times(MANIFESTS, 1, Act::Truncate(20)));
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(requests, 2);
}

#[test]
fn a_client_error_is_not_repeated() {
    let (result, requests) = check(Fault::always(MANIFESTS, Act::status(400)));
    assert!(matches!(result, Err(RegistryError::Invalid { .. })), "{result:?}");
    assert_eq!(requests, 1);
}

#[test]
fn nobody_there_and_the_wrong_protocol_say_what_to_do() {
    let harbour = Harbour::start(Script::default());
    let (host, options) = (harbour.host().to_owned(), Options { attempts_max: 1, ..options() });
    let image = format!("{host}/a/b").parse().expect("a reference");
    let over_tls = registry::open_registry(&format!("https://{host}"), &options).expect("a registry");
    let error = over_tls.image(&image).resolve(None).expect_err("does not speak TLS").to_string();
    assert!(error.contains("it does not speak TLS"), "{error}");
    let gone = open(&harbour, "a/b", &options);
    drop(harbour);
    let error = gone.resolve(None).expect_err("is gone").to_string();
    let expected = format!(
        "manifest latest of {host}/a/b could not be reached: connection refused; is the registry running on that port?"
    );
    assert_eq!(error, expected);
}

#[test]
fn localhost_is_reached_under_each_of_its_addresses() {
    let harbour = Harbour::start(Script::default());
    harbour.push_image("a/b", "v1", &[b"layer"]);
    let locator = format!("{}/a/b:v1", harbour.host().replace("127.0.0.1", "localhost")).parse().expect("a reference");
    let image = registry::open(&locator, &options()).expect("a registry").resolve(None);
    assert!(image.is_ok(), "{image:?}");
}

#[test]
fn a_proxy_is_used_over_tls_alone_and_its_password_is_not_shown() {
    let harbour = Harbour::start(Script::default());
    harbour.push_image("a/b", "v1", &[b"layer"]);
    // Nobody listens there, and no other test of this run may get the port.
    let proxy = Some(registry::Secret::new("http://keeper:invented@127.0.0.1:1"));
    let options = Options { proxy, attempts_max: 1, ..options() };
    let over_tls = registry::open_registry(&format!("https://{}", harbour.host()), &options).expect("a registry");
    let reference = over_tls.reference("a/b", "v1");
    let error = over_tls.image(&reference).resolve(None).expect_err("the proxy is gone");
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("invented"), "{error}");
    assert!(harbour.requests().is_empty(), "nothing may go around the proxy");

    let plain = open(&harbour, "a/b:v1", &options).resolve(None);
    assert!(plain.is_ok(), "loopback needs no proxy: {plain:?}");
}

#[test]
fn a_limited_login_service_is_waited_for() {
    let faults = vec![Fault::times("/token", 1, Act::rate_limited("5"))];
    let script = Script { auth: harbour::Auth::Bearer, anonymous_pull: true, faults, ..Script::default() };
    let harbour = Harbour::start(script);
    harbour.push_image("a/b", "v1", &[b"layer"]);
    pauses();
    assert!(resolve(&harbour, "a/b:v1", None).is_ok());
    assert_eq!(pauses(), [Duration::from_secs(5)]);
}
