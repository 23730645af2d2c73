//! JUnit XML: a test case an image, for CI servers that show tests.
//!
//! Undecided images are errors, denied ones failures; a warning is a case that passes with text. Source: the schema that Jenkins
//! (`jenkins-junit.xsd`) and GitLab read.

use super::{Checked, Format, Outcome};
use crate::Effect;

pub(super) const FORMAT: Format = Format { name: "junit", help: "JUnit XML, a test case an image", write };

fn write(checked: &Checked<'_>) -> String {
    let count = |outcome| checked.rows.iter().filter(|row| row.outcome() == outcome).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"lazaret gate\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n",
        checked.rows.len(),
        count(Outcome::Denied),
        count(Outcome::Undecided),
    );
    text += &format!("<properties><property name=\"feed_sequence\" value=\"{}\"/></properties>\n", checked.sequence);
    for row in checked.rows {
        let file = row.asked.file.as_deref().unwrap_or("command line");
        let place = row.place();
        let name = if place.is_empty() { row.name() } else { format!("{} ({place})", row.name()) };
        let message = escaped(&row.decision.message);
        text += &format!("<testcase classname=\"{}\" name=\"{}\"", escaped(file), escaped(&name));
        text += &match (row.outcome(), row.decision.effect) {
            (Outcome::Denied, _) => {
                format!("><failure type=\"{}\" message=\"{message}\"/></testcase>\n", escaped(&row.rule()))
            }
            (Outcome::Undecided, _) => format!("><error type=\"undecided\" message=\"{message}\"/></testcase>\n"),
            (Outcome::Passed, Effect::Warn) => format!("><system-out>{message}</system-out></testcase>\n"),
            _ => "/>\n".to_owned(),
        };
    }
    text + "</testsuite>\n</testsuites>\n"
}

/// For text and attributes in double quotes. What XML 1.0 cannot hold is gone: `visible` replaced it.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in model::text::visible(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn the_shape_is_the_promised_one() {
        insta::assert_snapshot!(write(&Checked { rows: &testing::rows(), sequence: 7, age_s: 60, verbose: false }));
    }
}
