//! Manifests and indexes: which image is meant, and whether it is what it says.

use harbour::{Act, Fault, Harbour, ImageParts, PushedImage, Script, digest_of};
use registry::RegistryError;
use serde_json::json;

use super::{INDEX, MANIFEST, resolve};

fn detail(result: Result<Vec<registry::ResolvedImage>, RegistryError>) -> String {
    match result {
        Err(RegistryError::Invalid { detail, .. }) => detail,
        other => panic!("{other:?}"),
    }
}

fn push_for(harbour: &Harbour, platform: &str) -> PushedImage {
    let layers = vec![platform.as_bytes().to_vec()];
    harbour.push_parts("a/b", "", &ImageParts { platform: platform.to_owned(), layers, ..ImageParts::default() })
}

#[test]
fn an_image_is_found_by_tag_and_by_digest() {
    let harbour = Harbour::start(Script::default());
    let pushed = harbour.push_image("a/b", "v1", &[b"one", b"two"]);
    for name in ["a/b:v1".to_owned(), format!("a/b@{}", pushed.manifest), format!("a/b:gone@{}", pushed.manifest)] {
        let images = resolve(&harbour, &name, Some("linux/amd64")).expect("is there");
        let [image] = &images[..] else { panic!("{images:?}") };
        assert_eq!(image.manifest.map(|d| d.to_string()), Some(pushed.manifest.clone()), "{name}");
        assert_eq!(image.config.digest.to_string(), pushed.config);
        let layers: Vec<String> = image.layers.iter().map(|layer| layer.digest.to_string()).collect();
        assert_eq!(layers, pushed.layers);
        assert_eq!(image.index, None);
    }
}

#[test]
fn an_index_gives_the_wanted_platform_or_all_but_attestations() {
    let harbour = Harbour::start(Script::default());
    let images = ["unknown/unknown", "linux/arm/v6", "linux/arm/v7", "linux/amd64"].map(|p| push_for(&harbour, p));
    let index = harbour.push_index("a/b", "v1", &images);
    let chosen = |platform: Option<&str>| -> Vec<String> {
        let found = resolve(&harbour, "a/b:v1", platform).expect("is there");
        assert!(found.iter().all(|image| image.index.is_some_and(|found| found.to_string() == index)));
        found.iter().map(|image| image.platform.as_ref().map_or(String::new(), ToString::to_string)).collect()
    };
    assert_eq!(chosen(Some("linux/arm/v7")), ["linux/arm/v7"]);
    assert_eq!(chosen(Some("linux/arm")), ["linux/arm/v6"]);
    assert_eq!(chosen(Some("linux/amd64")), ["linux/amd64"]);
    assert_eq!(chosen(None), ["linux/arm/v6", "linux/arm/v7", "linux/amd64"]);
}

#[test]
fn a_missing_platform_names_those_there_are() {
    let harbour = Harbour::start(Script::default());
    let images = ["unknown/unknown", "linux/arm64/v8"].map(|platform| push_for(&harbour, platform));
    harbour.push_index("a/b", "v1", &images);
    let error = resolve(&harbour, "a/b:v1", Some("linux/s390x")).expect_err("is not there");
    let expected = format!("{}/a/b:v1 has no image for linux/s390x; it has linux/arm64/v8", harbour.host());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn an_index_in_an_index_is_refused() {
    let harbour = Harbour::start(Script::default());
    let image = harbour.push_image("a/b", "", &[b"layer"]);
    let inner = harbour.push_index("a/b", "inner", &[image]);
    let size = resolve_bytes(&harbour);
    for media_type in [INDEX, MANIFEST] {
        let entry = json!({ "mediaType": media_type, "digest": inner, "size": size });
        let outer = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] }).to_string();
        harbour.push_manifest("a/b", "v1", INDEX, outer.as_bytes());
        let detail = detail(resolve(&harbour, "a/b:v1", None));
        assert!(detail.contains("is an index again"), "{detail}");
    }
}

/// Size of the one index under `inner`: it has one entry with a manifest of known shape.
fn resolve_bytes(harbour: &Harbour) -> usize {
    let image = harbour.push_image("a/b", "", &[b"layer"]);
    let platform = json!({ "os": "linux", "architecture": "amd64" });
    let size = image.manifest_bytes.len();
    let entry = json!({ "mediaType": MANIFEST, "digest": image.manifest, "size": size, "platform": platform });
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] }).to_string().len()
}

#[test]
fn an_index_that_lists_what_is_not_there_gives_the_rest() {
    let harbour = Harbour::start(Script::default());
    let there = push_for(&harbour, "linux/amd64");
    let gone =
        PushedImage { manifest: digest_of(b"gone"), platform: "linux/arm64".to_owned(), ..push_for(&harbour, "a/b") };
    harbour.push_index("a/b", "v1", &[gone.clone(), there.clone()]);
    let found = resolve(&harbour, "a/b:v1", None).expect("one is there");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].manifest.map(|d| d.to_string()), Some(there.manifest));
    harbour.push_index("a/b", "v2", &[gone]);
    assert!(matches!(resolve(&harbour, "a/b:v2", None), Err(RegistryError::NotFound { .. })));
}

#[test]
fn a_changed_manifest_is_an_error_that_names_both_digests() {
    let harbour = Harbour::start(Script::default());
    let pushed = harbour.push_image("a/b", "v1", &[b"layer"]);
    harbour.add_fault(Fault::always("/v2/a/b/manifests/", Act::Flip));
    let by_digest = resolve(&harbour, &format!("a/b@{}", pushed.manifest), None).expect_err("was changed");
    assert!(
        matches!(&by_digest, RegistryError::WrongDigest { expected, .. } if expected.to_string() == pushed.manifest)
    );
    assert_eq!(by_digest.to_string().matches("sha256:").count(), 3, "{by_digest}");
    let by_tag = resolve(&harbour, "a/b:v1", None).expect_err("differs from Docker-Content-Digest");
    assert!(matches!(by_tag, RegistryError::WrongDigest { .. }), "{by_tag}");
}

#[test]
fn without_a_digest_header_the_bytes_decide() {
    let harbour = Harbour::start(Script::default());
    let pushed = harbour.push_image("a/b", "v1", &[b"layer"]);
    harbour.add_fault(Fault::always("/v2/a/b/manifests/", Act::without_header("docker-content-digest")));
    let found = resolve(&harbour, "a/b:v1", None).expect("is there");
    assert_eq!(found[0].manifest.map(|d| d.to_string()), Some(pushed.manifest));
}

#[test]
fn a_content_type_of_another_kind_is_refused() {
    let harbour = Harbour::start(Script::default());
    harbour.push_image("a/b", "v1", &[b"layer"]);
    harbour.add_fault(Fault::always("/v2/a/b/manifests/", Act::header("content-type", INDEX)));
    let detail = detail(resolve(&harbour, "a/b:v1", None));
    assert!(detail.contains("ambiguous") && detail.contains("Content-Type"), "{detail}");
}

#[test]
fn an_endless_manifest_is_not_read() {
    let harbour = Harbour::start(Script::default());
    harbour.push_image("a/b", "v1", &[b"layer"]);
    harbour.add_fault(Fault::always("/v2/a/b/manifests/", Act::Body(vec![b' '; 5 << 20])));
    let detail = detail(resolve(&harbour, "a/b:v1", None));
    assert!(detail.contains("longer than 4194304 bytes"), "{detail}");
}

fn push_with(harbour: &Harbour, tag: &str, config_type: &str, artifact_type: &str) {
    let config = harbour.push_blob(b"{}");
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": { "mediaType": config_type, "digest": config, "size": 2 },
        "layers": [],
    });
    harbour.push_manifest("a/b", tag, MANIFEST, manifest.to_string().as_bytes());
}

#[test]
fn an_artifact_is_named_but_an_image_cannot_pose_as_one() {
    let harbour = Harbour::start(Script::default());
    push_with(&harbour, "chart", "application/vnd.oci.empty.v1+json", "application/vnd.cncf.helm");
    let detail = detail(resolve(&harbour, "a/b:chart", None));
    assert_eq!(detail, "it is an artifact of type application/vnd.cncf.helm, not a container image");
    push_with(&harbour, "pose", "application/vnd.oci.image.config.v1+json", "application/vnd.cncf.helm");
    assert!(resolve(&harbour, "a/b:pose", None).is_ok(), "a runtime would run it");
}

#[test]
fn what_is_not_there_says_what_to_check() {
    let harbour = Harbour::start(Script::default());
    harbour.push_image("a/b", "v1", &[b"layer"]);
    let error = resolve(&harbour, "a/b:v2", None).expect_err("is not there").to_string();
    assert_eq!(error, format!("manifest v2 of {}/a/b does not exist: check the name and the tag", harbour.host()));
}
