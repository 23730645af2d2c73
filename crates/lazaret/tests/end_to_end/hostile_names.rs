//! What an image's author writes into paths, commands and history stays text in every format.

use harbour::{Harbour, Script};
use serde_json::json;

use crate::support::{Home, Layer, MINER, file, image};

const NAMES: &[&str] = &[
    "opt/\u{1b}[31mred\u{1b}]0;title\u{7}",
    "opt/\u{202e}gnp.exe",
    "opt/two\nlines\r",
    "opt/<script>alert(1)</script>",
    "opt/<img src=x onerror=alert(1)>\"'&",
    "opt/\u{9b}2J\u{7f}\u{200b}",
];

#[test]
fn names_in_a_layer_are_text_in_table_and_page() {
    let home = Home::new();
    let harbour = Harbour::start(Script::default());
    let members: Vec<_> = NAMES.iter().map(|name| file(name, MINER)).collect();
    let mut parts = image(&[&Layer::gzip(&members)]);
    parts.config = json!({ "Cmd": [NAMES[0], NAMES[3]], "Labels": { "description": NAMES[0] } });
    parts.history = vec![json!({ "created_by": NAMES.join(" ") })];
    harbour.push_parts("a/b", "v1", &parts);
    let place = format!("{}/a/b:v1", harbour.host());
    let written = |format: &str| {
        let ended = home.run(&["scan", "-v", "--rules", "rules.yar", "--format", format, &place]);
        assert_eq!(ended.code, 1, "{ended:?}");
        for text in [&ended.stdout, &ended.stderr] {
            let control = |c: char| (c.is_control() && c != '\n') || ['\u{202e}', '\u{200b}'].contains(&c);
            let found = text.chars().find(|c| control(*c));
            assert!(format == "html" && found.is_none() || found.is_none(), "{format}: {found:?}");
        }
        ended
    };
    let table = written("table").stdout;
    assert!(table.contains("\\u{1b}[31mred"), "the name is there, as text: {table}");
    let page = written("html").stdout;
    assert!(page.contains("&lt;script&gt;"), "the name is there, as text");
    assert!(!page.contains("<script") && !page.contains("<img"), "no markup of the image is markup");
    let report = written("json").result();
    let paths: Vec<_> =
        report["findings"].as_array().expect("findings").iter().map(|f| &f["location"]["path"]).collect();
    for name in NAMES {
        assert!(paths.contains(&&json!(name)), "{name:?} keeps its value in JSON: {paths:?}");
    }
    written("sarif");
    // From the catalog, and from a pipe that asks for colours.
    let explained =
        home.run(&["explain", "-q", "--color", "never", report["image"]["config"].as_str().expect("a digest")]);
    assert!(explained.code == 0 && !explained.stdout.contains('\u{1b}'), "{explained:?}");
}
