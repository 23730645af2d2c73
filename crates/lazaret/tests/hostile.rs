//! Nothing that an image's author writes reaches a terminal, a page or a log as anything but text.

use lazaret::output::{html, json, sarif, table, testing};
use model::text::visible;

/// Colours, cursor movement, title setting, C1 controls, bidirectional overrides, zero-width and tag characters.
const TERMINAL: &str =
    "\x1b[31m\x1b]0;t\x07\u{9b}2J\u{90}\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}\u{7f}\r\n\x08\t\u{2028}end";
/// Whatever ends a text, an attribute, a comment or a style.
const MARKUP: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)></style>--><svg/onload=x>&";

/// Every line is free of what `visible` would replace, once our own colours are taken out.
#[track_caller]
fn assert_harmless(format: &str, text: &str) {
    for line in text.lines() {
        // Our own are SGR sequences only: ESC [ digits ; m.
        let mut rest = String::new();
        let mut pieces = line.split("\x1b[");
        rest.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let (code, after) = piece.split_once('m').expect("our own sequences end with m");
            assert!(code.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'), "{format}: {piece:?}");
            assert!(code != "31" || !after.is_empty(), "{format}");
            rest.push_str(after);
        }
        assert_eq!(visible(&rest), rest, "{format}");
    }
}

#[test]
fn no_control_character_comes_out_of_any_format() {
    let rows = testing::poisoned(TERMINAL);
    for verbose in [false, true] {
        for width in [0, 41, 100, 500] {
            let layout = table::Layout { width, verbose };
            let text = table::scan(&rows, layout) + &table::list(&rows, layout);
            // Without colours nothing of the kind may be left at all.
            let plain = anstream::adapter::strip_str(&text).to_string();
            assert!(!plain.contains('\x1b'));
            assert!(plain.contains("\\u{1b}[31m"), "the poison is there, as text");
            assert_harmless("table", &text);
        }
    }
    assert_harmless("json", &json::scan(&rows));
    assert_harmless("sarif", &sarif::scan(&rows));
    assert_harmless("html", &html::scan(&rows));
}

/// A hostile sequence must not survive because it looks like one of ours: the table holds exactly as many escape
/// characters as the same table without poison.
#[test]
fn only_our_own_colours_are_in_the_table() {
    let layout = table::Layout { width: 0, verbose: true };
    let escapes = |rows: &[lazaret::output::Row]| table::scan(rows, layout).matches('\x1b').count();
    assert_eq!(escapes(&testing::poisoned(TERMINAL)), escapes(&testing::rows()));
}

#[test]
fn json_and_sarif_stay_json_with_the_same_values() {
    let rows = testing::poisoned(&format!("{TERMINAL}{MARKUP}\0"));
    for text in [json::scan(&rows), sarif::scan(&rows)] {
        let value: serde_json::Value = serde_json::from_str(&text).expect("is JSON");
        assert!(value.is_object());
    }
    let value: serde_json::Value = serde_json::from_str(&json::scan(&rows)).expect("is JSON");
    let reference = rows[0].result.as_ref().map(|report| report.image.reference.as_str()).ok();
    assert_eq!(value.pointer("/results/0/image/reference").and_then(|it| it.as_str()), reference);
}

#[test]
fn no_markup_of_an_image_is_markup_on_the_page() {
    let (clean, hostile) = (html::scan(&testing::rows()), html::scan(&testing::poisoned(MARKUP)));
    assert!(!hostile.contains("<script") && !hostile.contains("<img") && !hostile.contains("<svg/"));
    assert!(hostile.contains("&lt;script&gt;"), "the poison is there, as text");
    // The poison added no tag and no attribute anywhere: it never left the text it is in. What grows is only the
    // number of `<` written by the page itself, which is the same for both.
    let shape = |page: &str| page.matches('<').count();
    let hidden = testing::poisoned("x");
    assert_eq!(shape(&hostile), shape(&html::scan(&hidden)));
    assert!(shape(&clean) <= shape(&hostile));
}
