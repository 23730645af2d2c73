//! Workflow commands of GitHub Actions: an annotation at the line that names the image.
//!
//! Source: GitHub documentation, "Workflow commands"; escapes as in `actions/toolkit`, `command.ts`.

use super::{Checked, Format, Outcome};
use crate::Effect;

pub(super) const FORMAT: Format = Format { name: "github", help: "Annotations of GitHub Actions", write };

fn write(checked: &Checked<'_>) -> String {
    let mut text = String::new();
    for row in checked.rows.iter().filter(|row| row.matters()) {
        let command = match (row.outcome(), row.decision.effect) {
            (Outcome::Denied, _) | (_, Effect::Deny) => "error",
            (Outcome::Undecided, _) | (_, Effect::Warn) => "warning",
            _ => "notice",
        };
        let mut properties = Vec::new();
        if let Some(file) = row.asked.file.as_deref().filter(|file| *file != "-") {
            properties.push(format!("file={}", property(file)));
            properties.extend(row.asked.line.map(|line| format!("line={line}")));
        }
        properties.push(format!("title={}", property(&format!("{} {}", row.rule(), row.name()))));
        text += &format!("::{command} {}::{}\n", properties.join(","), data(&row.decision.message));
    }
    text
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(&super::shown(text)).replace(':', "%3A").replace(',', "%2C")
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
