//! `oci:FOLDER[:TAG]`.

use std::{fs, os::unix::fs::symlink};

use model::Digest;
use registry::RegistryError;

use super::support::*;

#[test]
fn a_single_image_needs_no_tag() {
    let made = Made::new();
    let entry = made.image("one", "amd64");
    made.set_index(&[tagged(entry.clone(), "v1")]);

    let (image, config, layers) = load(&made.locator());

    assert_eq!(image.reference, format!("{}:v1", made.locator()));
    assert_eq!((image.index, image.manifest), (None, Some(digest(&entry))));
    assert_eq!((Digest::of(&config), layers.len()), (image.config.digest, 1));
    assert_eq!(Digest::of(&layers[0]), image.layers[0].digest);
    // Listed without a platform, it is taken for any.
    assert_eq!(resolve(&made.locator(), Some("linux/s390x")).expect("resolves").len(), 1);
}

#[test]
fn one_of_several_images_is_chosen_by_tag() {
    let made = Made::new();
    let (one, two, three) = (made.image("one", "amd64"), made.image("two", "amd64"), made.image("three", "amd64"));
    made.set_index(&[tagged(one, "v1"), tagged(two.clone(), "v2"), tagged(three.clone(), "example.org/a/b:v3")]);

    check_error(resolve(&made.locator(), None), &["several images", "example.org/a/b:v3, v1, v2"]);
    let missing = resolve(&format!("{}:v9", made.locator()), None);
    assert!(matches!(check_error(missing, &["v9", "v1, v2"]), RegistryError::NotFound { .. }));
    for (tag, entry) in [("v2", &two), ("v3", &three), (digest(&two).hex().as_str(), &two)] {
        let images = resolve(&format!("{}:{tag}", made.locator()), None).expect("resolves");
        assert_eq!(images[0].manifest, Some(digest(entry)), "{tag}");
    }
}

#[test]
fn a_tag_that_names_two_images_is_refused() {
    let made = Made::new();
    made.set_index(&[tagged(made.image("one", "amd64"), "v1"), tagged(made.image("two", "amd64"), "v1")]);
    check_error(resolve(&format!("{}:v1", made.locator()), None), &["ambiguous", "v1", "2 images"]);
}

#[test]
fn the_platform_is_chosen_and_attestations_are_skipped() {
    let made = Made::new();
    let amd64 = on(made.image("amd64", "amd64"), "linux", "amd64");
    let arm64 = on(made.image("arm64", "arm64"), "linux", "arm64");
    let attestation = on(made.image("attestation", "unknown"), "unknown", "unknown");
    let nested = made.index(&[amd64.clone(), attestation.clone(), arm64.clone()]);
    let outer = made.index(std::slice::from_ref(&nested));

    // The entries as they are in index.json, below an index, and below an index in an index.
    for (entries, index) in [
        (vec![amd64.clone(), attestation, arm64.clone()], None),
        (vec![nested.clone()], Some(digest(&nested))),
        (vec![outer.clone()], Some(digest(&outer))),
    ] {
        made.set_index(&entries);
        let all = resolve(&made.locator(), None).expect("resolves");
        let manifests: Vec<_> = all.iter().map(|image| image.manifest).collect();
        assert_eq!(manifests, [Some(digest(&amd64)), Some(digest(&arm64))]);
        let one = resolve(&made.locator(), Some("linux/arm64")).expect("resolves");
        assert_eq!((one.len(), one[0].manifest, one[0].index), (1, Some(digest(&arm64)), index));
        assert_eq!(one[0].platform, "linux/arm64".parse().ok());
        let none = resolve(&made.locator(), Some("linux/s390x"));
        let error = check_error(none, &["linux/s390x", "linux/amd64, linux/arm64"]);
        assert!(matches!(error, RegistryError::NoPlatform { .. }));
    }
}

#[test]
fn a_platform_that_only_the_config_names_is_found() {
    let made = Made::new();
    let (amd64, arm64) = (made.image("amd64", "amd64"), made.image("arm64", "arm64"));
    made.set_index(&[made.index(&[amd64, arm64.clone()])]);
    let images = resolve(&made.locator(), Some("linux/arm64")).expect("resolves");
    assert_eq!(images[0].manifest, Some(digest(&arm64)));
}

#[test]
fn platforms_that_were_not_copied_cost_only_themselves() {
    let made = Made::new();
    let amd64 = on(made.image("amd64", "amd64"), "linux", "amd64");
    let arm64 = on(made.image("arm64", "arm64"), "linux", "arm64");
    made.set_index(&[made.index(&[arm64.clone(), amd64.clone()])]);
    fs::remove_file(made.blob_path(digest(&arm64))).expect("was there");

    let all = resolve(&made.locator(), None).expect("resolves");
    assert_eq!((all.len(), all[0].manifest), (1, Some(digest(&amd64))));
    let absent = check_error(resolve(&made.locator(), Some("linux/arm64")), &["not complete"]);
    assert!(matches!(absent, RegistryError::NotFound { .. }));
}

#[test]
fn changed_blobs_are_refused_and_both_digests_named() {
    let made = Made::new();
    made.set_index(&[made.image("one", "amd64")]);
    let source = open(&made.locator()).expect("opens");
    let layer = source.resolve(None).expect("resolves")[0].layers[0].clone();
    let good = read(source.as_ref(), &layer).expect("verified");

    let mut flipped = good.clone();
    flipped[100] ^= 1;
    fs::write(made.blob_path(layer.digest), &flipped).expect("writable");
    let found = Digest::of(&flipped);
    let error = check_error(read(source.as_ref(), &layer), &[&layer.digest.to_string(), &found.to_string()]);
    assert!(matches!(error, RegistryError::WrongDigest { .. }));

    for other in [&good[1..], &[&good[..], b"\0"].concat()] {
        fs::write(made.blob_path(layer.digest), other).expect("writable");
        let error = check_error(read(source.as_ref(), &layer), &[&good.len().to_string()]);
        assert!(matches!(error, RegistryError::WrongSize { .. }), "{error}");
    }
}

#[test]
fn links_may_not_lead_outside() {
    let outside = tempfile::NamedTempFile::new().expect("temporary file");
    let made = Made::new();
    let entry = made.image("one", "amd64");
    made.set_index(std::slice::from_ref(&entry));
    let manifest = made.blob_path(digest(&entry));

    // A link that stays inside is followed.
    fs::rename(&manifest, made.path().join("shared")).expect("same folder");
    symlink("../../shared", &manifest).expect("writable");
    assert_eq!(load(&made.locator()).0.manifest, Some(digest(&entry)));

    fs::copy(made.path().join("shared"), outside.path()).expect("readable");
    fs::remove_file(&manifest).expect("was there");
    symlink(outside.path(), &manifest).expect("writable");
    check_error(resolve(&made.locator(), None), &["leads outside"]);

    fs::remove_file(&manifest).expect("was there");
    run("mkfifo", &[manifest.to_str().expect("UTF-8")]);
    check_error(resolve(&made.locator(), None), &["no regular file"]);
}

#[test]
fn what_is_no_layout_is_refused_with_a_hint() {
    let made = Made::new();
    check_error(resolve(&made.locator(), None), &["no file `index.json`"]);
    for (text, part) in [
        ("", "not valid"),
        ("[]", "not valid"),
        (r#"{"schemaVersion":2,"manifests":[]}"#, "lists no image"),
        (r#"{"schemaVersion":2,"manifests":[{"digest":"sha256:../../../etc/passwd","size":1}]}"#, "not valid"),
        (r#"{"schemaVersion":2,"manifests":[{"digest":"sha512:00","size":1}]}"#, "sha512"),
        (&"[".repeat(100_000), "not valid"),
        (&" ".repeat(5 << 20), "longer than"),
    ] {
        fs::write(made.path().join("index.json"), text).expect("writable");
        check_error(resolve(&made.locator(), None), &[part]);
    }
    fs::write(made.path().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).expect("writable");
    check_error(open(&made.locator()), &["2.0.0"]);
    fs::remove_file(made.path().join("oci-layout")).expect("was there");
    check_error(open(&made.locator()), &["no OCI layout"]);
    fs::write(made.path().join("manifest.json"), "[]").expect("writable");
    check_error(open(&made.locator()), &["docker-archive:FILE"]);
    check_error(open(&format!("oci:{}/manifest.json", made.path().display())), &["oci-archive:FILE"]);
    let nothing = check_error(open("oci:/nonexistent/folder"), &["/nonexistent/folder", "check the path"]);
    assert!(matches!(nothing, RegistryError::NotFound { .. }));
}

#[test]
fn confused_and_deep_manifests_are_refused() {
    let made = Made::new();
    let mut lying = made.image("one", "amd64");
    lying["mediaType"] = model::image::INDEX_TYPES[0].into();
    made.set_index(&[lying]);
    check_error(resolve(&made.locator(), None), &["ambiguous"]);

    let mut entry = made.image("two", "amd64");
    for _ in 0..10 {
        entry = made.index(&[entry]);
    }
    made.set_index(&[entry]);
    check_error(resolve(&made.locator(), None), &["indexes lead to it"]);
}

#[test]
fn layouts_of_skopeo_and_umoci_are_read() {
    let made = Made::new();
    made.set_index(&[tagged(made.image("one", "amd64"), "v1")]);
    let other = tempfile::tempdir().expect("temporary folder");
    let copied = format!("oci:{}:copy", other.path().join("skopeo").display());
    run("skopeo", &["copy", "--insecure-policy", &format!("{}:v1", made.locator()), &copied]);
    let (image, _, layers) = load(&copied);
    assert_eq!((image.reference, layers.len()), (copied, 1));

    let folder = other.path().join("umoci").display().to_string();
    run("umoci", &["init", "--layout", &folder]);
    run("umoci", &["new", "--image", &format!("{folder}:empty")]);
    let (image, _, layers) = load(&format!("oci:{folder}"));
    assert_eq!((image.reference, layers.len()), (format!("oci:{folder}:empty"), 0));
}
