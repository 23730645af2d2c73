//! Blobs over bad connections.

use std::time::Duration;

use harbour::{Act, Fault, Harbour, Script};
use registry::{Options, RegistryError};

use super::{descriptor, open, options, pauses, read};

const BLOBS: &str = "/v2/a/b/blobs/";

/// 100 kB that differ at every place.
fn content() -> Vec<u8> {
    (0_u32..25_000).flat_map(u32::to_le_bytes).collect()
}

/// Reads the content from a harbour with `faults`; returns what came and the ranges asked for.
fn check(faults: Vec<Fault>) -> (Result<Vec<u8>, RegistryError>, Vec<Option<String>>) {
    let harbour = Harbour::start(Script { faults, ..Script::default() });
    harbour.push_blob(&content());
    let source = open(&harbour, "a/b:v1", &options());
    let result = read(source.as_ref(), &descriptor(&content()));
    (result, harbour.requests().into_iter().map(|request| request.range).collect())
}

fn is_content(result: &Result<Vec<u8>, RegistryError>) -> bool {
    result.as_ref().is_ok_and(|bytes| *bytes == content())
}

#[test]
fn a_blob_is_read_whole() {
    let (result, ranges) = check(Vec::new());
    assert!(is_content(&result));
    assert_eq!(ranges, [None]);
}

#[test]
fn a_dropped_connection_is_continued_where_it_stopped() {
    let (result, ranges) = check(vec![Fault::times(BLOBS, 2, Act::Truncate(30_000))]);
    assert!(is_content(&result), "{result:?}");
    assert_eq!(ranges, [None, Some("bytes=30000-".to_owned()), Some("bytes=60000-".to_owned())]);
    assert_eq!(pauses().len(), 2);
}

#[test]
fn a_server_without_ranges_is_read_from_the_start_again() {
    let (result, ranges) =
        check(vec![Fault::times(BLOBS, 1, Act::Truncate(30_000)), Fault::always(BLOBS, Act::IgnoreRange)]);
    assert!(is_content(&result), "{result:?}");
    assert_eq!(ranges.len(), 2);
}

#[test]
fn another_range_than_asked_for_is_not_taken() {
    let lie = Act::header("content-range", "bytes 0-69999/100000");
    let (result, ranges) =
        check(vec![Fault::times(BLOBS, 1, Act::Truncate(30_000)), Fault::times(BLOBS, 1, lie).after(1)]);
    assert!(is_content(&result), "{result:?}");
    assert_eq!(ranges, [None, Some("bytes=30000-".to_owned()), None]);
}

#[test]
fn a_connection_that_always_drops_ends() {
    let (result, ranges) = check(vec![Fault::always(BLOBS, Act::Truncate(10))]);
    let error = result.expect_err("never ends").to_string();
    assert!(error.contains("closed before the end (3 tries)"), "{error}");
    assert_eq!(ranges.len(), 3);
}

#[test]
fn a_changed_byte_is_an_error_that_names_both_digests() {
    let (result, _) = check(vec![Fault::always(BLOBS, Act::Flip)]);
    let Err(RegistryError::WrongDigest { expected, found, .. }) = result else { panic!("{result:?}") };
    assert_eq!(expected, descriptor(&content()).digest);
    assert_ne!(found, expected);
}

#[test]
fn longer_and_shorter_than_said_are_errors() {
    let (result, _) = check(vec![Fault::always(BLOBS, Act::Body([content(), vec![0; 10]].concat()))]);
    assert!(matches!(result, Err(RegistryError::WrongSize { expected: 100_000, .. })), "{result:?}");
    let (result, _) = check(vec![Fault::always(BLOBS, Act::Body(content()[..50_000].to_vec()))]);
    assert!(result.is_err(), "{result:?}");
}

#[test]
fn a_slow_body_arrives_and_a_silent_one_ends() {
    let slow = |millis| Act::Slow { piece_bytes: 40_000, pause: Duration::from_millis(millis) };
    let (result, _) = check(vec![Fault::always(BLOBS, slow(20))]);
    assert!(is_content(&result));
    let harbour = Harbour::start(Script { faults: vec![Fault::always(BLOBS, slow(5_000))], ..Script::default() });
    harbour.push_blob(&content());
    let options = Options { timeout: Duration::from_millis(100), attempts_max: 2, ..options() };
    let error = read(open(&harbour, "a/b:v1", &options).as_ref(), &descriptor(&content())).expect_err("is silent");
    assert!(error.to_string().contains("no answer in time"), "{error}");
}

#[test]
fn foreign_addresses_are_not_followed() {
    let (harbour, foreign) = (Harbour::start(Script::default()), Harbour::start(Script::default()));
    let mut layer = descriptor(b"layer");
    layer.urls = vec![format!("{}/v2/x/blobs/{}", foreign.url(), foreign.push_blob(b"layer"))];
    let result = read(open(&harbour, "a/b:v1", &options()).as_ref(), &layer);
    assert!(matches!(result, Err(RegistryError::NotFound { .. })), "{result:?}");
    assert!(foreign.requests().is_empty());
}
