//! Every way past the proxy that somebody found, as a test. Numbers of issues are those of the projects where users met it.

use feed::Role;
use harbour::{Act, Fault, Harbour, PushedImage, Script, digest_of};

use crate::{
    gates::{Gate, Served},
    http::{Answer, ask, get},
};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &[u8] = b"a layer that is not one, for these tests";

/// A registry with one image, and the proxy before it.
struct Place {
    harbour: Harbour,
    image: PushedImage,
    gate: Gate,
    proxy: Served,
}

/// `listed` says what of the image is.
fn place(listed: impl Fn(&PushedImage) -> Vec<(String, Role)>) -> Place {
    let harbour = Harbour::start(Script::default());
    let image = harbour.push_image("org/app", "v1", &[LAYER]);
    let digests = listed(&image);
    let digests: Vec<_> = digests.iter().map(|(digest, role)| (digest.as_str(), *role)).collect();
    let gate = Gate::new(&digests);
    let proxy = gate.proxy(&[("docker.io", harbour.url())]);
    Place { harbour, image, gate, proxy }
}

fn nothing(_: &PushedImage) -> Vec<(String, Role)> {
    Vec::new()
}

impl Place {
    fn get(&self, target: &str) -> Answer {
        get(&self.proxy.host, target)
    }

    fn ask(&self, method: &str, target: &str) -> Answer {
        ask(&self.proxy.host, method, target, "")
    }

    /// How often the registry was asked for something that begins like this.
    fn asked(&self, method: &str, path: &str) -> usize {
        self.harbour.requests().iter().filter(|asked| asked.method == method && asked.path.starts_with(path)).count()
    }
}

fn is_denied(answer: &Answer, words: &str) {
    assert_eq!(answer.status, 403, "{}", answer.text());
    let text = answer.text();
    assert!(text.contains("\"code\":\"DENIED\"") && text.contains(words), "{words}: {text}");
}

#[test]
fn what_is_not_listed_passes_as_it_is() {
    let place = place(nothing);
    let by_tag = place.get("/v2/org/app/manifests/v1");
    assert_eq!((by_tag.status, &by_tag.body), (200, &place.image.manifest_bytes));
    assert_eq!(by_tag.header("docker-content-digest"), Some(place.image.manifest.as_str()));
    assert_eq!(by_tag.header("content-type"), Some(MANIFEST));
    let head = place.ask("HEAD", "/v2/org/app/manifests/v1");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(place.image.manifest_bytes.len().to_string().as_str()));
    let blob = place.get(&format!("/v2/org/app/blobs/{}", place.image.layers[0]));
    assert_eq!((blob.status, blob.body.as_slice()), (200, LAYER));
    let tags = place.get("/v2/org/app/tags/list");
    assert!(tags.status == 200 && tags.text().contains("v1"), "{}", tags.text());
    assert_eq!((place.get("/v2/").status, place.get("/healthz").status), (200, 200));
}

#[test]
fn a_listed_manifest_is_denied_by_tag_and_digest_for_head_and_get() {
    let place = place(|image| vec![(image.manifest.clone(), Role::Manifest)]);
    let by_digest = format!("/v2/org/app/manifests/{}", place.image.manifest);
    for target in ["/v2/org/app/manifests/v1", &by_digest, "/v2/docker.io/org/app/manifests/v1"] {
        is_denied(&place.get(target), "LZ-2026-1 cryptominer");
        assert_eq!(place.ask("HEAD", target).status, 403, "{target}");
    }
}

/// The first pull through a cache is let through elsewhere: harbor #13242, #16732, #22049.
#[test]
fn the_first_pull_is_decided_before_its_first_byte() {
    let place = place(|image| vec![(image.manifest.clone(), Role::Manifest)]);
    let by_digest = format!("/v2/org/app/manifests/{}", place.image.manifest);
    is_denied(&place.get(&by_digest), "LZ-2026-1");
    assert!(place.harbour.requests().is_empty(), "a listed digest is not even asked for upstream");
}

#[test]
fn a_part_that_is_listed_denies_the_whole() {
    for pick in [|image: &PushedImage| image.config.clone(), |image: &PushedImage| image.layers[0].clone()] {
        let place = place(|image| vec![(pick(image), Role::Layer)]);
        is_denied(&place.get("/v2/org/app/manifests/v1"), "LZ-2026-1");
        is_denied(&place.get(&format!("/v2/org/app/manifests/{}", place.image.manifest)), "LZ-2026-1");
    }
}

#[test]
fn a_listed_blob_is_not_had_past_its_manifest() {
    let place = place(|image| vec![(image.layers[0].clone(), Role::Layer), (image.config.clone(), Role::Config)]);
    for digest in [&place.image.layers[0], &place.image.config] {
        let target = format!("/v2/org/app/blobs/{digest}");
        is_denied(&place.get(&target), "LZ-2026");
        assert_eq!(place.ask("HEAD", &target).status, 403);
        let ranged = ask(&place.proxy.host, "GET", &target, "Range: bytes=1-\r\n");
        is_denied(&ranged, "LZ-2026");
    }
}

/// A manifest is also a blob in many registries.
#[test]
fn a_listed_manifest_is_not_had_as_a_blob() {
    let place = place(|image| vec![(image.manifest.clone(), Role::Manifest)]);
    place.harbour.push_blob(&place.image.manifest_bytes);
    is_denied(&place.get(&format!("/v2/org/app/blobs/{}", place.image.manifest)), "LZ-2026-1");
}

#[test]
fn an_index_is_denied_for_itself_and_for_its_children() {
    let harbour = Harbour::start(Script::default());
    let (good, bad) = (harbour.push_image("org/app", "", &[b"good"]), harbour.push_image("org/app", "", &[b"bad"]));
    let index = harbour.push_index("org/app", "v1", &[good, bad.clone()]);
    for listed in [(index.as_str(), Role::Index), (bad.manifest.as_str(), Role::Manifest)] {
        let gate = Gate::new(&[listed]);
        let proxy = gate.proxy(&[("docker.io", harbour.url())]);
        is_denied(&get(&proxy.host, "/v2/org/app/manifests/v1"), "LZ-2026-1");
        is_denied(&get(&proxy.host, &format!("/v2/org/app/manifests/{index}")), "LZ-2026-1");
    }
    let lenient = Gate::with_policy(&[(bad.manifest.as_str(), Role::Manifest)], "indexes = \"warn\"");
    let proxy = lenient.proxy(&[("docker.io", harbour.url())]);
    let index = get(&proxy.host, "/v2/org/app/manifests/v1");
    assert_eq!(index.status, 200, "the policy lets indexes through");
    assert!(
        index
            .header("warning")
            .is_some_and(|line| line.starts_with("299 - \"warning: docker.io/org/app:v1: LZ-2026-1"))
    );
    is_denied(&get(&proxy.host, &format!("/v2/org/app/manifests/{}", bad.manifest)), "LZ-2026-1");
}

/// A client that has the layers and only asks HEAD went past harbor: #15035.
#[test]
fn a_head_decides_nothing_for_the_get_after_it() {
    let mut place = place(nothing);
    let by_digest = format!("/v2/org/app/manifests/{}", place.image.manifest);
    for target in ["/v2/org/app/manifests/v1", &by_digest] {
        assert_eq!((place.ask("HEAD", target).status, place.get(target).status), (200, 200));
    }
    let digest = place.image.manifest.clone();
    place.gate.list(&[(&digest, Role::Manifest)]);
    for target in ["/v2/org/app/manifests/v1", &by_digest] {
        is_denied(&place.get(target), "LZ-2026-1");
        assert_eq!(place.ask("HEAD", target).status, 403, "kept bytes are decided on anew");
    }
}

#[test]
fn a_tag_that_moves_after_the_head_is_decided_on_by_what_it_is_then() {
    let place = place(nothing);
    assert_eq!(place.ask("HEAD", "/v2/org/app/manifests/v1").status, 200);
    let bad = place.harbour.push_image("org/app", "v1", &[b"another layer"]);
    let gate = Gate::new(&[(&bad.manifest, Role::Manifest)]);
    let proxy = gate.proxy(&[("docker.io", place.harbour.url())]);
    is_denied(&get(&proxy.host, "/v2/org/app/manifests/v1"), "LZ-2026-1");
}

/// The registry says one digest in its headers and sends another image.
#[test]
fn what_a_registry_claims_is_never_believed() {
    let place = place(nothing);
    let bad = place.harbour.push_image("org/app", "bad", &[b"another layer"]);
    let claim = Act::header("docker-content-digest", &place.image.manifest);
    place.harbour.add_fault(Fault::always("/v2/org/app/manifests/bad", claim));
    let answer = place.get("/v2/org/app/manifests/bad");
    assert_eq!(answer.status, 502, "{}", answer.text());
    place.harbour.clear_faults();
    let wrong = Act::Body(bad.manifest_bytes);
    place.harbour.add_fault(Fault::always(&format!("/v2/org/app/manifests/{}", place.image.manifest), wrong));
    let answer = place.get(&format!("/v2/org/app/manifests/{}", place.image.manifest));
    assert_eq!(answer.status, 502, "{}", answer.text());
}

/// The same bytes, two meanings: GHSA-77vh-xpmg-72qh, and Go's readers, which do not mind case.
#[test]
fn a_manifest_that_can_be_read_as_two_things_is_refused() {
    let place = place(nothing);
    let digest = digest_of(b"x");
    let entry = format!(r#"{{"mediaType":"{MANIFEST}","digest":"{digest}","size":1}}"#);
    let both = format!(r#"{{"schemaVersion":2,"config":{entry},"layers":[],"manifests":[{entry}]}}"#);
    let disguised = format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","manifests":[{entry}]}}"#);
    let respelled = format!(r#"{{"schemaVersion":2,"config":{entry},"layers":[],"Layers":[{entry}]}}"#);
    let doubled = format!(r#"{{"schemaVersion":2,"config":{entry},"layers":[],"layers":[{entry}]}}"#);
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{entry}]}}"#);
    let schema_1 = r#"{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"history":[]}"#.to_owned();
    for (name, type_, text) in [
        ("both", MANIFEST, both.as_str()),
        ("disguised", MANIFEST, &disguised),
        ("respelled", MANIFEST, &respelled),
        ("doubled", MANIFEST, &doubled),
        ("mistyped", MANIFEST, &index),
        ("old", "application/vnd.docker.distribution.manifest.v1+json", &schema_1),
        ("text", "text/plain", "hello"),
    ] {
        place.harbour.push_manifest("org/app", name, type_, text.as_bytes());
        is_denied(&place.get(&format!("/v2/org/app/manifests/{name}")), "blocked by Lazaret: manifest");
        assert_eq!(place.ask("HEAD", &format!("/v2/org/app/manifests/{name}")).status, 403, "{name}");
    }
}

/// A name says nothing: the same image elsewhere is the same image. rpardini/docker-registry-proxy #71.
#[test]
fn another_name_for_a_listed_image_does_not_help() {
    let place = place(|image| vec![(image.manifest.clone(), Role::Manifest)]);
    place.harbour.push_manifest("nice/name", "latest", MANIFEST, &place.image.manifest_bytes);
    is_denied(&place.get("/v2/nice/name/manifests/latest"), "LZ-2026-1");
}

#[test]
fn an_upstream_that_is_not_configured_is_not_asked() {
    let place = place(nothing);
    is_denied(&place.get("/v2/org/app/manifests/v1?ns=quay.io"), "does not serve quay.io");
    is_denied(&place.get("/v2/ghcr.io/org/app/manifests/v1"), "does not serve ghcr.io");
    assert_eq!(place.get("/v2/org/app/manifests/v1?ns=docker.io").status, 200);
}

#[test]
fn a_path_written_in_another_way_does_not_help() {
    let place = place(|image| vec![(image.manifest.clone(), Role::Manifest)]);
    for target in [
        "/v2/org%2Fapp/manifests/v1",
        "/v2/org/app/manifests/v%31",
        "/v2//org/app/manifests/v1",
        "/v2/x/../org/app/manifests/v1",
    ] {
        let answer = place.get(target);
        assert!(matches!(answer.status, 400 | 403 | 404), "{target}: {}", answer.status);
    }
    assert_eq!(place.asked("GET", "/v2/org/app/manifests/"), 0);
}

#[test]
fn nothing_is_pushed_through_it() {
    let place = place(nothing);
    for method in ["PUT", "POST", "PATCH", "DELETE"] {
        let answer = place.ask(method, "/v2/org/app/manifests/v1");
        assert_eq!((answer.status, answer.text().contains("UNSUPPORTED")), (405, true), "{method}");
    }
}

#[test]
fn a_withdrawn_entry_is_allowed_again() {
    let mut place = place(|image| vec![(image.manifest.clone(), Role::Manifest)]);
    is_denied(&place.get("/v2/org/app/manifests/v1"), "LZ-2026-1");
    place.gate.list(&[]);
    assert_eq!(place.get("/v2/org/app/manifests/v1").status, 200);
}

#[test]
fn what_the_policy_only_warns_of_says_so_in_a_header() {
    let harbour = Harbour::start(Script::default());
    let image = harbour.push_image("org/app", "v1", &[LAYER]);
    let gate = Gate::with_policy(&[(&image.layers[0], Role::Layer)], "layers = \"warn\"");
    let proxy = gate.proxy(&[("docker.io", harbour.url())]);
    let answer = get(&proxy.host, "/v2/org/app/manifests/v1");
    let warning = answer.header("warning").expect("a warning");
    assert!(answer.status == 200 && warning.contains("LZ-2026-1"), "{warning}");
    assert_eq!(get(&proxy.host, &format!("/v2/org/app/blobs/{}", image.layers[0])).status, 200);
}

#[test]
fn an_unchanged_image_costs_no_pull_upstream() {
    let place = place(nothing);
    assert_eq!(place.get("/v2/org/app/manifests/v1").status, 200);
    let before = place.asked("GET", "/v2/org/app/manifests/");
    assert_eq!(place.ask("HEAD", "/v2/org/app/manifests/v1").status, 200);
    assert_eq!(place.get(&format!("/v2/org/app/manifests/{}", place.image.manifest)).status, 200);
    assert_eq!(place.asked("GET", "/v2/org/app/manifests/"), before, "both came from the kept bytes");
}

#[test]
fn a_blob_that_breaks_off_is_not_taken_for_whole() {
    let place = place(nothing);
    let big = vec![7_u8; 1 << 20];
    let digest = place.harbour.push_blob(&big);
    place.harbour.add_fault(Fault::times("/v2/org/app/blobs/", 1, Act::Truncate(300_000)));
    let target = format!("/v2/org/app/blobs/{digest}");
    let cut = place.get(&target);
    assert!(cut.is_cut && cut.body.len() < big.len(), "{} bytes", cut.body.len());
    let rest = ask(&place.proxy.host, "GET", &target, "Range: bytes=300000-\r\n");
    assert_eq!((rest.status, rest.body.len()), (206, big.len() - 300_000));
    assert_eq!(rest.header("content-range"), Some("bytes 300000-1048575/1048576"));
    let middle = ask(&place.proxy.host, "GET", &target, "Range: bytes=10-19\r\n");
    assert_eq!((middle.status, middle.body.len(), middle.is_cut), (206, 10, false));
    place.harbour.add_fault(Fault::always("/v2/org/app/blobs/", Act::IgnoreRange));
    let whole = ask(&place.proxy.host, "GET", &target, "Range: bytes=10-19\r\n");
    assert_eq!((whole.status, whole.body.len()), (200, big.len()), "the whole is an answer to a range");
}

/// A client that is sent on would need to reach the outside itself.
#[test]
fn a_redirect_is_followed_here_and_never_handed_on() {
    let harbour = Harbour::start(Script { cdn: true, ..Script::default() });
    let image = harbour.push_image("org/app", "v1", &[LAYER]);
    let proxy = Gate::new(&[]).proxy(&[("docker.io", harbour.url())]);
    let blob = get(&proxy.host, &format!("/v2/org/app/blobs/{}", image.layers[0]));
    assert_eq!((blob.status, blob.body.as_slice(), blob.header("location")), (200, LAYER, None));
}

#[test]
fn an_upstream_in_trouble_is_told_from_a_refusal() {
    let place = place(nothing);
    assert_eq!(place.get("/v2/org/app/manifests/none").status, 404);
    let missing = place.get(&format!("/v2/org/app/blobs/{}", digest_of(b"none")));
    assert!(missing.status == 404 && missing.text().contains("BLOB_UNKNOWN"));
    place.harbour.add_fault(Fault::always("/v2/org/app/manifests/", Act::rate_limited("7000")));
    let limited = place.get("/v2/org/app/manifests/v1");
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("7000")));
    place.harbour.clear_faults();
    place.harbour.add_fault(Fault::always("/v2/org/app/manifests/", Act::status(500)));
    assert_eq!(place.get("/v2/org/app/manifests/v1").status, 503);
}

/// What the probe asks for.
#[test]
fn the_canary_is_refused_without_asking_upstream() {
    let place = place(nothing);
    let target = format!("/v2/{}/manifests/{}", gate::canary::REPOSITORY, gate::canary::digest());
    is_denied(&place.get(&target), gate::canary::WORDS);
    assert!(place.harbour.requests().is_empty());
}
