//! GitLab's Code Quality report: its merge requests show it beside the line that names the image.
//!
//! Source: GitLab documentation, "Code Quality report format".

use model::{Digest, Severity};
use serde_json::json;

use super::{Checked, Format, Outcome};
use crate::Effect;

pub(super) const FORMAT: Format = Format { name: "gitlab", help: "Code Quality report of GitLab", write };

fn write(checked: &Checked<'_>) -> String {
    let issues: Vec<_> = checked
        .rows
        .iter()
        .filter(|row| row.matters())
        .map(|row| {
            let listed = row.decision.hits.first().map(|hit| hit.listed.severity);
            let severity = match (row.outcome(), row.decision.effect, listed) {
                (Outcome::Denied, _, Some(Severity::Critical)) => "blocker",
                (Outcome::Denied, ..) => "critical",
                (Outcome::Undecided, Effect::Deny, _) => "major",
                (Outcome::Undecided, ..) | (_, Effect::Warn, _) => "minor",
                _ => "info",
            };
            // GitLab takes only relative paths; a fingerprint that stays while lines move.
            let path = row.asked.file.as_deref().filter(|file| *file != "-").unwrap_or("command-line");
            let path = super::shown(path.trim_start_matches(['/', '.']));
            let print = Digest::of(format!("{}\n{path}\n{}\n{}", row.rule(), row.asked.place, row.name()).as_bytes());
            json!({
                "description": row.decision.message,
                "check_name": row.rule(),
                "fingerprint": print.hex(),
                "severity": severity,
                "location": { "path": path, "lines": { "begin": row.asked.line.unwrap_or(1) } },
            })
        })
        .collect();
    super::pretty(&json!(issues))
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
