//! `lazaret.scan/1` and `lazaret.hunt/1`. Documented in docs/json.md; a change of shape raises the number.

use std::{borrow::Cow, io};

use model::{SCHEMA, ScanReport, text::visible};
use serde::Serialize;
use serde_json::{
    Value,
    ser::{CharEscape, Formatter, PrettyFormatter, Serializer},
};

use super::{Row, RowError};

/// Name and version of what `lazaret hunt --format json` writes.
pub const HUNT_SCHEMA: &str = "lazaret.hunt/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'a str,
    results: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<Value>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Report(&'a ScanReport),
    Error { reference: &'a str, error: ErrorEntry<'a> },
}

#[derive(Serialize)]
struct ErrorEntry<'a> {
    kind: &'a str,
    message: &'a str,
}

/// The result of `lazaret scan`, one entry a row.
#[must_use]
pub fn scan(rows: &[Row]) -> String {
    written(&Document { schema: SCHEMA, results: entries(rows), summary: None })
}

/// The result of `lazaret hunt`.
#[must_use]
pub fn hunt(rows: &[Row], summary: Value) -> String {
    written(&Document { schema: HUNT_SCHEMA, results: entries(rows), summary: Some(summary) })
}

fn entries(rows: &[Row]) -> Vec<Entry<'_>> {
    rows.iter()
        .map(|row| match &row.result {
            Ok(report) => Entry::Report(report),
            Err(RowError { kind, message }) => {
                Entry::Error { reference: &row.reference, error: ErrorEntry { kind, message } }
            }
        })
        .collect()
}

/// Indented JSON that is safe to look at in a terminal: besides what JSON demands, every character that could move
/// the cursor or reorder a line is written as `\uXXXX`. The values stay what they are.
#[must_use]
pub fn written(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Safe(PrettyFormatter::new()));
    value.serialize(&mut serializer).expect("strings, numbers and lists always serialise into memory");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("serde_json writes UTF-8")
}

/// Indents as usual, escapes more than usual.
struct Safe(PrettyFormatter<'static>);

impl Formatter for Safe {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if matches!(visible(fragment), Cow::Borrowed(_)) {
            return writer.write_all(fragment.as_bytes());
        }
        for character in fragment.chars() {
            let mut bytes = [0; 4];
            let text = character.encode_utf8(&mut bytes);
            if matches!(visible(text), Cow::Borrowed(_)) {
                writer.write_all(text.as_bytes())?;
            } else {
                // Two escapes for what lies beyond the basic plane, as RFC 8259, 7 asks.
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        self.0.write_char_escape(writer, escape)
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_changes_no_value() {
        let hostile = "a\x1b[31m\u{9b}1m\u{202e}\u{e0041}\u{7f}\"\\ü";
        let json = written(&hostile);
        assert_eq!(json.trim_end(), r#""a\u001b[31m\u009b1m\u202e\udb40\udc41\u007f\"\\ü""#);
        assert_eq!(serde_json::from_str::<String>(&json).ok().as_deref(), Some(hostile));
    }

    #[test]
    fn the_shape_is_the_promised_one() {
        insta::assert_snapshot!(scan(&crate::output::testing::rows()));
    }

    #[test]
    fn a_report_comes_back_as_it_was() {
        let rows = crate::output::testing::rows();
        let document: Value = serde_json::from_str(&scan(&rows)).expect("is JSON");
        let first = document.pointer("/results/0").cloned().expect("has a first result");
        assert_eq!(serde_json::from_value::<ScanReport>(first).ok().as_ref(), rows[0].result.as_ref().ok());
    }
}
