//! What is known is not fetched, and not matched again; what depends on its place is looked at in every place.

use std::fs;

use harbour::{Harbour, Script};

use crate::support::{Home, Layer, MINER, blobs_asked, file, finding, image, image_of};

#[test]
fn a_second_scan_fetches_no_blob_and_a_second_image_only_its_new_layer() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    let base = Layer::gzip(&[file("opt/start", MINER)]);
    let top = Layer::gzip(&[file("opt/other", b"harmless")]);
    harbour.push_parts("one", "v1", &image(&[&base]));
    let two = harbour.push_parts("two", "v1", &image(&[&base, &top]));
    let one = format!("{}/one:v1", harbour.host());

    let first = home.scan(&[&one]);
    assert_eq!(first.code, 1, "{first:?}");
    let asked = harbour.requests().len();
    let again = home.scan(&[&one]);
    assert_eq!(blobs_asked(&harbour, asked), Vec::<String>::new());
    assert_eq!((again.code, &again.result()["remembered"]), (1, &true.into()));
    assert_eq!(again.result()["findings"], first.result()["findings"]);

    let asked = harbour.requests().len();
    let other = home.scan(&[&format!("{}/two:v1", harbour.host())]);
    assert_eq!(blobs_asked(&harbour, asked), [two.config, top.digest()]);
    assert_eq!(other.code, 1, "the finding in the shared layer is remembered: {other:?}");
    let layers = other.result()["image"]["layers"].clone();
    assert_eq!((&layers[0]["remembered"], &layers[1]["remembered"]), (&true.into(), &false.into()));
    assert_eq!(layers[0]["findings"], first.result()["image"]["layers"][0]["findings"]);

    // Without a catalog, or when told so, everything is read.
    for flag in ["--no-store", "--rescan"] {
        let asked = harbour.requests().len();
        assert_eq!(home.scan(&[flag, &one]).code, 1);
        assert_eq!(blobs_asked(&harbour, asked).len(), 2, "{flag}");
    }
}

#[test]
fn a_changed_rule_pack_looks_again() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    harbour.push_parts("one", "v1", &image_of("opt/start", b"a new-threat-0815"));
    let one = format!("{}/one:v1", harbour.host());
    assert_eq!(home.scan(&[&one]).code, 0);

    let rules = fs::read_to_string(home.join("rules.yar")).expect("is there");
    let changed = rules.replace("invented-miner-4711", "new-threat-0815");
    fs::write(home.join("new.yar"), changed).expect("writes");
    let asked = harbour.requests().len();
    let ended = home.scan(&["--rules", "new.yar", &one]);

    assert_eq!(blobs_asked(&harbour, asked).len(), 2, "config and layer");
    assert_eq!(ended.code, 1, "{ended:?}");
    // Both answers are kept, each under its rules.
    let asked = harbour.requests().len();
    assert_eq!((home.scan(&[&one]).code, home.scan(&["--rules", "new.yar", &one]).code), (0, 1));
    assert_eq!(blobs_asked(&harbour, asked), Vec::<String>::new());
}

/// The same bytes in a harmless place and in one where they matter.
#[test]
fn known_content_in_a_new_place_is_a_finding_of_that_place() {
    const LIST: &[u8] = b"/usr/local/lib/libprocesshider.so\n";
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    harbour.push_parts("harmless", "v1", &image_of("usr/share/doc/x", LIST));
    harbour.push_parts("preload", "v1", &image_of("etc/ld.so.preload", LIST));
    let both = [Layer::gzip(&[file("usr/share/doc/x", LIST)]), Layer::gzip(&[file("etc/ld.so.preload", LIST)])];
    harbour.push_parts("both", "v1", &image(&[&both[0], &both[1]]));
    let scan = |name: &str| home.scan(&[&format!("{}/{name}:v1", harbour.host())]).result();

    let harmless = scan("harmless");
    assert!(finding(&harmless, "ld-preload", "usr/share/doc/x").is_none());
    for name in ["preload", "both"] {
        let report = scan(name);
        assert!(finding(&report, "ld-preload", "etc/ld.so.preload").is_some(), "{name}: {report}");
        assert!(finding(&report, "ld-preload", "usr/share/doc/x").is_none(), "{name}");
    }
}
