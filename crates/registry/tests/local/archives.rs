//! `oci-archive:FILE[:TAG]` and `docker-archive:FILE`, from a file and from a stream.

use std::{fs, io::Write as _, path::Path};

use model::Digest;
use registry::{RegistryError, StreamMember, StreamedImage, read_docker_stream};
use tempfile::TempDir;

use super::support::*;

/// A member of a hand-made archive.
enum Member<'a> {
    File(&'a str, &'a [u8]),
    Symlink(&'a str, &'a str),
    Hardlink(&'a str, &'a str),
}
use Member::{File, Hardlink, Symlink};

fn archive(members: &[Member<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(0);
        let appended = match member {
            File(path, content) => {
                header.set_size(content.len() as u64);
                // Not through `set_path`, which refuses names that climb.
                header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
                header.set_cksum();
                builder.append(&header, *content)
            }
            Symlink(path, target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                builder.append_link(&mut header, path, target)
            }
            Hardlink(path, target) => {
                header.set_entry_type(tar::EntryType::Link);
                builder.append_link(&mut header, path, target)
            }
        };
        appended.expect("in memory");
    }
    builder.into_inner().expect("in memory")
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

/// Large enough that it is not kept in memory.
fn layers() -> [Vec<u8>; 2] {
    let noise: Vec<u8> = (0..400_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    [tarball(&[("etc/one", b"one"), ("noise", &noise)]), tarball(&[("etc/two", b"two")])]
}

fn manifest(config: &str, layers: &[&str]) -> Vec<u8> {
    let image = serde_json::json!([{"Config": config, "RepoTags": ["example.org/a:v1"], "Layers": layers}]);
    image.to_string().into_bytes()
}

/// What a streamed archive gave: its images, and each layer handed over by name.
type Streamed = (Vec<StreamedImage>, Vec<(String, Vec<u8>)>);

fn stream(mut bytes: &[u8]) -> Result<Streamed, RegistryError> {
    let mut seen = Vec::new();
    let images = read_docker_stream(&mut bytes, &mut |StreamMember::Layer { name, content }| {
        let mut layer = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "the tests' own images are small")]
        content.read_to_end(&mut layer).expect("whole");
        seen.push((name.to_owned(), layer));
    })?;
    Ok((images, seen))
}

/// The archive gives this config and these layers, from a file and from a stream, plain and gzipped.
#[track_caller]
fn check_image(archive: &[u8], expected_config: &[u8], expected_layers: &[Vec<u8>]) {
    let folder = tempfile::tempdir().expect("temporary folder");
    for bytes in [archive.to_vec(), gzipped(archive)] {
        let file = folder.path().join("image.tar");
        fs::write(&file, &bytes).expect("writable");
        let locator = format!("docker-archive:{}", file.display());
        let (image, config, layers) = load(&locator);
        assert_eq!((image.manifest, image.index), (None, None));
        assert_eq!(image.reference, format!("{locator}:example.org/a:v1"));
        assert_eq!((image.config.digest, config.as_slice()), (Digest::of(expected_config), expected_config));
        assert!(layers == expected_layers, "layers differ");
        assert_eq!(image.layers[0].digest, Digest::of(&expected_layers[0]));

        let (images, seen) = stream(&bytes).expect("streams");
        assert_eq!((images.len(), images[0].config.as_slice()), (1, expected_config));
        assert_eq!(images[0].reference, "example.org/a:v1");
        let layer = |name: &String| seen.iter().find(|(seen, _)| seen == name).map(|(_, bytes)| bytes.clone());
        let layers: Option<Vec<_>> = images[0].layer_names.iter().map(layer).collect();
        assert!(layers.as_deref() == Some(expected_layers), "streamed layers differ");
    }
}

/// The archive is refused with this message, from a file and from a stream.
#[track_caller]
fn check_refused(bytes: &[u8], part: &str) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("image.tar");
    fs::write(&file, bytes).expect("writable");
    check_error(open(&format!("docker-archive:{}", file.display())), &[part]);
    check_error(stream(bytes), &[part]);
}

#[test]
fn old_docker_archives_are_read() {
    let layers = layers();
    let config = config("amd64", &layers);
    let name = format!("{}.json", Digest::of(&config).hex());
    check_image(
        &archive(&[
            File("aa/VERSION", b"1.0"),
            File("aa/json", b"{}"),
            File("aa/layer.tar", &layers[0]),
            File(&name, &config),
            File("bb/layer.tar", &layers[1]),
            File("manifest.json", &manifest(&name, &["aa/layer.tar", "bb/layer.tar"])),
            File("repositories", b"{}"),
        ]),
        &config,
        &layers,
    );
}

#[test]
fn linked_layers_and_layers_used_twice_are_read() {
    let [one, two] = layers();
    let layers = [one.clone(), two.clone(), one.clone(), one.clone(), two.clone()];
    let config = config("amd64", &layers);
    let names = ["aa/layer.tar", "bb/layer.tar", "cc/layer.tar", "dd/layer.tar", "./bb/layer.tar"];
    check_image(
        &archive(&[
            // Both kinds of link may come before what they lead to.
            Symlink("cc/layer.tar", "../aa/layer.tar"),
            Hardlink("dd/layer.tar", "cc/layer.tar"),
            File("manifest.json", &manifest("config.json", &names)),
            File("config.json", &config),
            File("aa/layer.tar", &one),
            File("bb/layer.tar", &two),
        ]),
        &config,
        &layers,
    );
}

#[test]
fn docker_25_archives_are_read() {
    let layers = layers();
    let packed = layers.each_ref().map(|layer| gzipped(layer));
    let config = config("amd64", &layers);
    let path = |bytes: &[u8]| format!("blobs/sha256/{}", Digest::of(bytes).hex());
    for layers in [&layers, &packed] {
        let names = [path(&config), path(&layers[0]), path(&layers[1])];
        check_image(
            &archive(&[
                File(&names[0], &config),
                File(&names[1], &layers[0]),
                File(&names[2], &layers[1]),
                File("index.json", b"{\"schemaVersion\":2,\"manifests\":[]}"),
                File("manifest.json", &manifest(&names[0], &[&names[1], &names[2]])),
                File("oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}"),
            ]),
            &config,
            layers,
        );
    }
}

#[test]
fn every_image_of_an_archive_is_resolved() {
    let [one, two] = layers();
    let manifest = br#"[{"Config":"c","RepoTags":["a:1"],"Layers":["1.tar"]},{"Config":"c","RepoTags":null,"Layers":["1.tar","2.tar"]}]"#;
    let bytes = archive(&[File("c", b"{}"), File("1.tar", &one), File("2.tar", &two), File("manifest.json", manifest)]);
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    fs::write(file.path(), &bytes).expect("writable");
    let locator = format!("docker-archive:{}", file.path().display());
    let images = resolve(&locator, Some("linux/amd64")).expect("resolves");
    let shapes: Vec<_> = images.iter().map(|image| (image.reference.clone(), image.layers.len())).collect();
    assert_eq!(shapes, [(format!("{locator}:a:1"), 1), (locator, 2)]);
    let (streamed, seen) = stream(&bytes).expect("streams");
    assert_eq!((streamed.len(), streamed[1].reference.as_str(), seen.len()), (2, "docker-archive:-", 2));
}

#[test]
fn names_that_are_digests_must_be_right() {
    let [one, two] = layers();
    let lie = format!("{}.tar", Digest::of(&one).hex());
    let manifest = manifest("c", &[&lie]);
    let bytes = archive(&[File("c", b"{}"), File(&lie, &two), File("manifest.json", &manifest)]);
    check_refused(&bytes, &Digest::of(&two).to_string());
    check_refused(&bytes, &Digest::of(&one).to_string());
}

#[test]
fn broken_archives_are_refused_in_words() {
    let [_, layer] = layers();
    let good = manifest("c", &["1.tar"]);
    let whole = archive(&[File("c", b"{}"), File("1.tar", &layer), File("manifest.json", &good)]);

    check_refused(b"", "is not usable");
    check_refused(&[b'x'; 5_000], "is not usable");
    check_refused(&archive(&[File("1.tar", &layer)]), "no manifest.json");
    check_refused(&archive(&[File("repositories", b"{}")]), "before 1.10");
    check_refused(&archive(&[File("index.json", b"{}"), File("oci-layout", b"{}")]), "oci-archive:FILE");
    check_refused(&archive(&[File("c", b"{}"), File("manifest.json", &good)]), "\"1.tar\", which it does not hold");
    check_refused(&archive(&[File("1.tar", &layer), File("manifest.json", &good)]), "\"c\", which it does not hold");
    check_refused(&whole[..whole.len() / 2], "is not usable");
    check_refused(&gzipped(&whole)[..200], "is not usable");
    check_refused(&archive(&[File("manifest.json", &[b'['; 100_000])]), "manifest.json");
    let twice = archive(&[File("1.tar", &layer), File("c", b"{}"), File("1.tar", b"x"), File("manifest.json", &good)]);
    check_refused(&twice, "two members with the name \"1.tar\"");
    for climbing in ["../c", "/etc/shadow"] {
        let members = [File(climbing, b"{}"), File("1.tar", &layer), File("manifest.json", &good)];
        check_refused(&archive(&members), "is not usable");
        let members = [Symlink("c", climbing), File("1.tar", &layer), File("manifest.json", &good)];
        check_refused(&archive(&members), "is not usable");
        check_refused(&archive(&[File("manifest.json", &manifest(climbing, &[]))]), "outside the archive");
    }
    let looping = archive(&[Symlink("c", "d"), Symlink("d", "c"), File("1.tar", &layer), File("manifest.json", &good)]);
    check_refused(&looping, "is not usable");
}

#[test]
fn layers_are_known_without_magic_too() {
    // The oldest tar has no "ustar", only a checksum; an empty one is zeros.
    let mut header = tar::Header::new_old();
    header.set_path("etc/old").expect("short");
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    let old = [header.as_bytes().as_slice(), &[0; 1_024]].concat();
    assert_ne!(old.get(257..262), Some(b"ustar".as_slice()));
    let layers = [old, vec![0; 1_024]];
    let names = ["1/layer.tar", "2/layer.tar"];
    let manifest = manifest("c", &names);
    let bytes = archive(&[
        File("c", b"{}"),
        File(names[0], &layers[0]),
        File(names[1], &layers[1]),
        File("manifest.json", &manifest),
    ]);
    check_image(&bytes, b"{}", &layers);

    let text = archive(&[
        File("c", b"{}"),
        File(names[0], b"no layer"),
        File(names[1], &layers[1]),
        File("manifest.json", &manifest),
    ]);
    check_error(stream(&text), &["1/layer.tar", "neither tar"]);
}

#[test]
fn json_kept_from_a_stream_has_ceilings() {
    let config = [b"{".as_slice(), &vec![b' '; 9 << 20], b"}"].concat();
    let manifest = manifest("c", &[]);
    let bytes = archive(&[File("c", &config), File("manifest.json", &manifest)]);
    check_error(stream(&bytes), &["config", "too long"]);
}

/// An image as skopeo sees it, for the tools to convert.
fn source() -> (Made, TempDir) {
    let made = Made::new();
    made.set_index(&[tagged(made.image("one", "amd64"), "v1")]);
    (made, tempfile::tempdir().expect("temporary folder"))
}

fn check_same(locator: &str, made: &Made) {
    let (_, _, layers) = load(&format!("{}:v1", made.locator()));
    assert!(load(locator).2 == layers, "{locator}");
}

#[test]
fn archives_of_skopeo_are_read() {
    let (made, folder) = source();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let copy = |to: &str| run("skopeo", &["copy", "--insecure-policy", &format!("{}:v1", made.locator()), to]);

    let docker = format!("docker-archive:{}", path("docker.tar"));
    copy(&format!("{docker}:example.org/a:v1"));
    check_same(&docker, &made);
    let (images, _) = stream(&fs::read(path("docker.tar")).expect("written")).expect("streams");
    assert_eq!((images[0].reference.as_str(), images[0].layer_names.len()), ("example.org/a:v1", 1));

    let oci = format!("oci-archive:{}", path("oci.tar"));
    copy(&format!("{oci}:v1"));
    let copied = format!("oci:{}:v1", path("layout"));
    copy(&copied);
    let (expected, config, layers) = load(&copied);
    for (name, locator) in [("oci.tar", oci.clone()), ("oci.tar", format!("{oci}:v1")), ("gz", String::new())] {
        if name == "gz" {
            fs::write(path("oci.tar"), gzipped(&fs::read(path("oci.tar")).expect("written"))).expect("writable");
        }
        let locator = if locator.is_empty() { oci.clone() } else { locator };
        let found = load(&locator);
        assert_eq!(found.0.manifest, expected.manifest);
        assert!(found.1 == config && found.2 == layers, "{locator}");
    }
    check_error(resolve(&format!("{oci}:v9"), None), &["v9", "v1"]);
    check_error(open(&format!("docker-archive:{}", path("oci.tar"))), &["write oci-archive:FILE"]);
    check_error(open(&format!("oci-archive:{}", path("docker.tar"))), &["docker-archive:FILE"]);
}

#[test]
fn archives_of_podman_are_read() {
    let (made, folder) = source();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let podman = |arguments: &[&str]| {
        let storage = ["--root", &path("root"), "--runroot", &path("run"), "--storage-driver", "vfs"];
        run("podman", &[&storage, arguments].concat());
    };
    let tarred = path("source.tar");
    let to = format!("docker-archive:{tarred}:example.org/a:v1");
    run("skopeo", &["copy", "--insecure-policy", &format!("{}:v1", made.locator()), &to]);
    podman(&["load", "-i", &tarred]);
    podman(&["save", "-o", &path("docker.tar"), "example.org/a:v1"]);
    podman(&["save", "--format", "oci-archive", "-o", &path("oci.tar"), "example.org/a:v1"]);

    check_same(&format!("docker-archive:{}", path("docker.tar")), &made);
    let (image, _, layers) = load(&format!("oci-archive:{}", path("oci.tar")));
    assert_eq!((layers.len(), image.layers.len()), (1, 1));
}

#[test]
fn what_is_no_file_is_refused_with_a_hint() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = |name: &str| format!("docker-archive:{}", Path::join(folder.path(), name).display());
    assert!(matches!(check_error(open(&at("none")), &["check the path"]), RegistryError::NotFound { .. }));
    check_error(open(&at("")), &["oci:FOLDER"]);
    run("mkfifo", &[folder.path().join("pipe").to_str().expect("UTF-8")]);
    check_error(open(&at("pipe")), &["docker-archive:-"]);
    check_error(open("docker-archive:-"), &["streamed"]);
}
