//! `gate check` and `gate verify-image`: names, files and archives against a feed.

use std::{fs, io::Write, os::unix::fs::symlink, process::Stdio};

use harbour::{Harbour, Script};

use crate::{
    listed_feed::{listed, write_feed},
    support::{Ended, Home, Layer, file, image},
};

/// Runs with `stdin`.
fn fed(mut command: std::process::Command, stdin: &str) -> Ended {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    // It may end without having read all.
    let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
    child.wait_with_output().expect("ends").into()
}

#[test]
fn a_listed_config_is_met_under_any_name_and_in_any_file() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    let bad = Layer::gzip(&[file("opt/start", b"bad")]);
    let good = Layer::gzip(&[file("opt/start", b"good")]);
    let pushed = harbour.push_parts("shop/app", "1", &image(&[&bad]));
    harbour.push_parts("shop/fine", "1", &image(&[&good]));
    write_feed(&home.path().join("feed"), 7, &[(pushed.config.as_str(), listed(17, feed::Role::Config))]);
    let (bad, fine) = (format!("{}/shop/app:1", harbour.host()), format!("{}/shop/fine:1", harbour.host()));
    let check = |arguments: &[&str]| home.run(&[&["gate", "check", "--quiet", "--feed", "feed"], arguments].concat());

    let denied = check(&[&bad, &fine]);
    assert_eq!((denied.code, denied.stderr.as_str()), (1, ""), "{denied:?}");
    assert!(denied.stdout.contains("LZ-2026-17") && denied.stdout.contains("2 images: 1 denied"), "{}", denied.stdout);
    assert_eq!(check(&[&fine]).code, 0);
    let missing = check(&[&fine, &format!("{}/shop/none:1", harbour.host())]);
    assert_eq!(missing.code, 3, "{missing:?}");
    assert_eq!(check(&["--offline", &fine]).code, 3, "a tag alone decides nothing");
    check(&["Upper/Case"]).refused(2, &["Upper/Case"]);
    check(&["-f", "nowhere.yaml"]).refused(2, &["nowhere.yaml"]);
    check(&[]).refused(2, &["--file"]);
    home.run(&["gate", "check", "--quiet", "--feed", "nowhere", &fine]).refused(3, &["nowhere", "feed sync"]);

    // Files of every kind, and the place in them.
    let pod = format!("kind: Pod\napiVersion: v1\nspec:\n  containers:\n  - image: {bad}\n");
    fs::create_dir(home.path().join("k8s")).expect("a folder");
    fs::write(home.path().join("k8s/pod.yaml"), &pod).expect("writes");
    fs::write(home.path().join(".env"), "TAG=1\n").expect("writes");
    fs::write(
        home.path().join("compose.yaml"),
        format!("services:\n  web: {{image: '{}/shop/app:${{TAG}}'}}\n", harbour.host()),
    )
    .expect("writes");
    fs::write(home.path().join("Dockerfile"), format!("ARG V\nFROM {}/shop/app:$V\n", harbour.host())).expect("writes");
    let bill = format!(
        "{{\"bomFormat\":\"CycloneDX\",\"components\":[{{\"type\":\"container\",\"name\":\"x\",\"version\":\"{}\"}}]}}",
        pushed.config
    );
    fs::write(home.path().join("bill.json"), bill).expect("writes");
    for (arguments, place) in [
        (&["-f", "k8s"][..], "k8s/pod.yaml:5"),
        (&["-f", "compose.yaml"], "compose.yaml:2, service web"),
        (&["--dockerfile", "Dockerfile", "--build-arg", "V=1"], "Dockerfile:2"),
        (&["--sbom", "bill.json"], "bill.json:1"),
    ] {
        let ended = check(arguments);
        assert!(ended.code == 1 && ended.stdout.contains(place), "{arguments:?}: {ended:?}");
    }
    let rendered = fed(
        home.lazaret(&["gate", "check", "--quiet", "--feed", "feed", "-f", "-"]),
        &format!("---\n# Source: a\n{pod}"),
    );
    assert!(rendered.code == 1 && rendered.stdout.contains("-:7"), "{rendered:?}");

    // Archives and layouts, without a registry.
    home.skopeo(&[], &format!("docker://{bad}"), "docker-archive:app.tar:app:1");
    home.skopeo(&[], &format!("docker://{bad}"), "oci:layout:1");
    drop(harbour);
    for arguments in [&["--docker-archive", "app.tar"][..], &["--oci-layout", "layout"], &["oci:layout:1"]] {
        let ended = check(&[&["--offline"], arguments].concat());
        assert!(ended.code == 1 && ended.stdout.contains("LZ-2026-17"), "{arguments:?}: {ended:?}");
    }
    for format in ["json", "sarif", "junit", "github", "gitlab"] {
        let ended = check(&["--offline", "--format", format, "--output", "out", "oci:layout"]);
        let written = fs::read_to_string(home.path().join("out")).expect("written");
        assert!(ended.code == 1 && written.contains("LZ-2026-17"), "{format}: {written}");
    }
}

#[test]
fn a_stale_feed_and_an_exemption_do_what_the_policy_says() {
    let home = Home::new();
    let digest = harbour::digest_of(b"bad");
    write_feed(&home.path().join("feed"), 7, &[(digest.as_str(), listed(17, feed::Role::Manifest))]);
    let image = format!("lab.example/a@{digest}");
    let check = |policy: &str, image: &str| {
        fs::write(home.path().join("policy.toml"), policy).expect("writes");
        home.run(&["gate", "check", "--quiet", "--offline", "--feed", "feed", "--policy", "policy.toml", image])
    };
    assert_eq!(check("", &image).code, 1);
    let exempt = "[[exempt]]\nentry = \"LZ-2026-17\"\nowner = \"a\"\nreason = \"b\"\nuntil = \"2020-01-01\"\n";
    assert_eq!(check(exempt, &image).code, 1, "an exemption ends");
    assert_eq!(check("channel = 7", &image).code, 2);

    let text = fs::read_to_string(home.path().join("feed/feed.json")).expect("reads");
    let at = text.find("\"published_at\":").expect("is there");
    fs::write(home.path().join("feed/feed.json"), format!("{}\"published_at\":1000}}", &text[..at])).expect("writes");
    let other = format!("lab.example/b@{}", harbour::digest_of(b"other"));
    assert_eq!(check("on_stale = \"allow\"", &other).code, 0);
    let stopped = check("on_stale = \"deny\"", &other);
    assert!(stopped.code == 3 && stopped.stdout.contains("STOPPED"), "{stopped:?}");
    assert_eq!(check("on_stale = \"deny\"", &image).code, 1, "what is listed is denied all the same");
}

/// containerd's contract, as its documentation has it; Debian's containerd is older than the plugin.
#[test]
fn containerd_is_answered_by_its_own_contract() {
    let home = Home::new();
    let (bad, good) = (harbour::digest_of(b"bad"), harbour::digest_of(b"good"));
    write_feed(&home.path().join("feed"), 7, &[(bad.as_str(), listed(17, feed::Role::Index))]);
    symlink(env!("CARGO_BIN_EXE_lazaret"), home.path().join("lazaret-verify-image")).expect("a link");
    let media = "application/vnd.oci.descriptor.v1+json";
    let ask = |digest: &str, more: &[&str], stdin: &str| {
        let arguments = ["-name", "docker.io/library/a:1", "-digest", digest, "-stdin-media-type", media];
        let mut command = home.command(&home.join("lazaret-verify-image"), &[&arguments, more].concat());
        command.env("LAZARET_FEED", home.join("feed"));
        fed(command, stdin)
    };
    let descriptor = |digest: &str| {
        format!("{{\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"digest\":\"{digest}\",\"size\":1}}")
    };

    let denied = ask(&bad, &[], &descriptor(&bad));
    assert_eq!(denied.code, 1, "{denied:?}");
    assert!(denied.stdout.contains("denied: docker.io/library/a:1: LZ-2026-17") && denied.stdout.lines().count() == 1);
    let allowed = ask(&good, &["-operation", "run"], &descriptor(&good));
    assert!(allowed.code == 0 && allowed.stdout.starts_with("allowed: "), "{allowed:?}");
    let two = ask(&good, &[], &descriptor(&bad));
    assert!(two.code == 2 && two.stdout.starts_with("denied: "), "{two:?}");
    let unknown = ask(&format!("sha512:{}", "0".repeat(128)), &[], "");
    assert!(
        unknown.code == 0 && unknown.stdout.starts_with("warning: "),
        "by default what is unknown is let through: {unknown:?}"
    );

    fs::remove_dir_all(home.path().join("feed")).expect("removed");
    let open = ask(&good, &[], &descriptor(&good));
    assert!(open.code == 0 && open.stdout.contains("without a feed"), "{open:?}");
    fs::write(home.path().join("policy.toml"), "on_stale = \"deny\"\n").expect("writes");
    let arguments =
        ["gate", "verify-image", "--feed", "feed", "--policy", "policy.toml", "-name", "a", "-digest", &good];
    let closed = fed(home.lazaret(&arguments), &descriptor(&good));
    assert!(closed.code == 3 && closed.stdout.starts_with("denied: "), "{closed:?}");
}
