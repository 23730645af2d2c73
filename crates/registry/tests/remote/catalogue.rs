//! Names and tags, page by page.

use harbour::{Act, Fault, Harbour, Script};
use registry::{Catalogue, RegistryError, open_registry};

use super::options;

fn catalogue(harbour: &Harbour) -> Box<dyn Catalogue> {
    open_registry(harbour.url(), &options()).expect("a registry")
}

fn names(harbour: &Harbour, max: usize) -> Result<Vec<String>, RegistryError> {
    let mut names = Vec::new();
    catalogue(harbour).repositories(max, &mut |name| names.push(name)).map(|()| names)
}

fn with_page(body: &str) -> Harbour {
    let faults = vec![Fault::always("/v2/_catalog", Act::Body(body.as_bytes().to_vec()))];
    Harbour::start(Script { faults, ..Script::default() })
}

#[test]
fn all_pages_are_walked_and_no_more_than_wanted() {
    let harbour = Harbour::start(Script { page_max: Some(2), ..Script::default() });
    let all = ["a", "b/c", "d", "e", "f"];
    for name in all {
        for tag in ["v1", "v2", "v3"] {
            harbour.push_image(name, tag, &[b"layer"]);
        }
    }
    assert_eq!(names(&harbour, 100).expect("is open"), all);
    assert_eq!(harbour.requests().len(), 3);
    assert_eq!(names(&harbour, 3).expect("is open"), &all[..3]);
    assert_eq!(catalogue(&harbour).tags("b/c", 100).expect("is open"), ["v1", "v2", "v3"]);
    assert_eq!(catalogue(&harbour).tags("b/c", 1).expect("is open"), ["v1"]);
    let gone = catalogue(&harbour).tags("gone", 1);
    assert!(matches!(gone, Err(RegistryError::NotFound { .. })), "{gone:?}");
}

#[test]
fn images_share_the_session_of_their_catalogue() {
    let harbour = Harbour::start(Script::default());
    harbour.push_image("a", "v1", &[b"layer"]);
    let reference = format!("{}/a:v1", harbour.host()).parse().expect("a reference");
    assert_eq!(catalogue(&harbour).image(&reference).resolve(None).expect("is there").len(), 1);
}

#[test]
fn names_that_are_none_are_left_out() {
    let harbour = with_page(r#"{"repositories":["good","../../etc","UPPER","a?b","a b","\u001b[31mred","also/good"]}"#);
    assert_eq!(names(&harbour, 100).expect("is open"), ["good", "also/good"]);
}

#[test]
fn null_is_an_empty_page_and_nonsense_is_refused() {
    assert!(names(&with_page(r#"{"repositories":null}"#), 9).expect("is a page").is_empty());
    for body in ["", "[]", r#"{"repositories":[1]}"#, "<html>"] {
        let result = names(&with_page(body), 9);
        assert!(matches!(result, Err(RegistryError::Invalid { .. })), "{body}: {result:?}");
    }
}

#[test]
fn a_next_page_elsewhere_is_refused_and_a_circle_ends() {
    let harbour = Harbour::start(Script::default());
    harbour.push_image("a", "v1", &[b"layer"]);
    harbour.add_fault(Fault::times(
        "/v2/_catalog",
        1,
        Act::header("link", "<https://evil.example/v2/x>; rel=\"next\""),
    ));
    let result = names(&harbour, 9);
    assert!(matches!(&result, Err(RegistryError::Invalid { detail, .. }) if detail.contains("another place")));
    harbour.clear_faults();
    harbour.add_fault(Fault::always("/v2/_catalog", Act::header("link", "</v2/_catalog?n=1&last=z>; rel=\"next\"")));
    assert_eq!(names(&harbour, 9).expect("ends"), ["a"]);
    assert!(harbour.requests().len() < 20, "a circle must end");
}

#[test]
fn a_registry_without_catalogue_says_so() {
    let faults = vec![Fault::always("/v2/_catalog", Act::status(404))];
    let harbour = Harbour::start(Script { faults, ..Script::default() });
    let error = names(&harbour, 9).expect_err("has none").to_string();
    assert!(error.contains("shows no catalogue; name the repositories"), "{error}");
}
