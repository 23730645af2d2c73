//! The real client: `skopeo` must be able to push to a harbour and read the same bytes back.

use std::{fs, path::Path, process::Command};

use harbour::{Auth, Harbour, Script, digest_of};

/// Writes an OCI layout with one image; returns the digest of its manifest.
fn write_layout(folder: &Path) -> String {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("temporary folder");
    let put = |bytes: &[u8]| {
        let digest = digest_of(bytes);
        fs::write(blobs.join(digest.trim_start_matches("sha256:")), bytes).expect("temporary folder");
        digest
    };
    // An empty tar: two blocks of zeros and a little more, so that upload happens in more than one piece.
    let layer = vec![0; 1 << 20];
    let layer_digest = put(&layer);
    let config = format!(
        r#"{{"os":"linux","architecture":"amd64","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{layer_digest}"]}}}}"#
    );
    let config_digest = put(config.as_bytes());
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config_digest}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer_digest}","size":{}}}]}}"#,
        config.len(),
        layer.len()
    );
    let digest = put(manifest.as_bytes());
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":{}}}]}}"#,
        manifest.len()
    );
    fs::write(folder.join("index.json"), index).expect("temporary folder");
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("temporary folder");
    digest
}

#[expect(clippy::disallowed_methods, reason = "a test runs the real client")]
fn skopeo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("skopeo").args(arguments).output().expect("skopeo is installed");
    assert!(output.status.success(), "skopeo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn check(script: Script, login: &[&str]) {
    let harbour = Harbour::start(script);
    let folder = tempfile::tempdir().expect("temporary folder");
    let digest = write_layout(folder.path());
    let image = format!("docker://{}/a/b:v1", harbour.host());
    let layout = format!("oci:{}", folder.path().display());

    let credentials: Vec<&str> = login.iter().flat_map(|login| ["--dest-creds", login]).collect();
    let copy = ["--insecure-policy", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false"];
    skopeo(&[&copy[..], &credentials, &[&layout, &image]].concat());
    let credentials: Vec<&str> = login.iter().flat_map(|login| ["--creds", login]).collect();
    let raw = skopeo(&[&["inspect", "--raw", "--tls-verify=false"], &credentials[..], &[&image]].concat());

    assert_eq!(digest_of(&raw), digest);
    assert!(harbour.requests().iter().any(|r| r.method == "PATCH"), "blobs must have been uploaded");
}

#[test]
fn skopeo_pushes_to_an_open_harbour() {
    check(Script::default(), &[]);
}

#[test]
fn skopeo_pushes_through_the_token_flow() {
    let users = vec![("keeper".to_owned(), "invented".to_owned())];
    check(Script { auth: Auth::Bearer, users, ..Script::default() }, &["keeper:invented"]);
}

#[test]
fn skopeo_pushes_with_basic_auth() {
    let users = vec![("keeper".to_owned(), "invented".to_owned())];
    check(Script { auth: Auth::Basic, users, ..Script::default() }, &["keeper:invented"]);
}
