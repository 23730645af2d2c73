//! For people: what is stopped, warned of or undecided, then one line that counts.

use anstyle::{AnsiColor, Color, Style};

use super::{Checked, Format, Outcome, Row};
use crate::Effect;

pub(super) const FORMAT: Format = Format { name: "table", help: "For people", write };

const fn style(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color))).bold()
}

fn write(checked: &Checked<'_>) -> String {
    let mut text = String::new();
    for row in checked.rows.iter().filter(|row| checked.verbose || row.matters()) {
        let (style, word) = match (row.outcome(), row.decision.effect) {
            (Outcome::Denied, _) => (style(AnsiColor::Red), "✖ DENIED   "),
            (Outcome::Undecided, Effect::Deny) => (style(AnsiColor::Cyan), "? STOPPED  "),
            (Outcome::Undecided, _) => (style(AnsiColor::Cyan), "? UNDECIDED"),
            (_, Effect::Warn) => (style(AnsiColor::Yellow), "▲ WARNING  "),
            _ => (style(AnsiColor::Green), "✔ allowed  "),
        };
        text += &format!("{style}{word}{style:#} {}\n", row.name());
        let place = row.place();
        if !place.is_empty() {
            text += &format!("            at {place}\n");
        }
        for line in reasons(row) {
            text += &format!("            {line}\n");
        }
    }
    text + &summary(checked)
}

fn reasons(row: &Row) -> Vec<String> {
    let mut lines: Vec<_> = row
        .decision
        .hits
        .iter()
        .take(5)
        .map(|hit| {
            let listed = &hit.listed;
            let categories: Vec<_> = listed.categories.iter().map(|category| category.word()).collect();
            let exempted = hit.exempted.as_deref().map_or(String::new(), |line| format!("; {}", super::shown(line)));
            format!(
                "{} {}: {} {} ({}, confidence {}, {}{exempted})",
                listed.id,
                categories.join(", "),
                super::role_word(listed.role),
                hit.digest,
                listed.severity,
                listed.confidence,
                listed.channel,
            )
        })
        .collect();
    let more = row.decision.hits.len().saturating_sub(lines.len());
    if more > 0 {
        lines.push(format!("and {more} more listed digests"));
    }
    lines.extend(row.decision.undecided.as_deref().map(super::shown));
    lines
}

fn summary(checked: &Checked<'_>) -> String {
    let count = |outcome: Outcome| checked.rows.iter().filter(|row| row.outcome() == outcome).count();
    let warned =
        checked.rows.iter().filter(|row| row.outcome() == Outcome::Passed && row.decision.effect == Effect::Warn);
    let images = if checked.rows.len() == 1 { "image" } else { "images" };
    format!(
        "{} {images}: {} denied, {} warned of, {} undecided (feed change {}, {} old)\n",
        checked.rows.len(),
        count(Outcome::Denied),
        warned.count(),
        count(Outcome::Undecided),
        checked.sequence,
        age(checked.age_s),
    )
}

fn age(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn it_reads_as_shown() {
        let text = write(&Checked { rows: &testing::rows(), sequence: 7, age_s: 60, verbose: true });
        let plain: String = text
            .split('\x1b')
            .map(|part| part.strip_prefix('[').and_then(|it| it.split_once('m')).map_or(part, |it| it.1))
            .collect();
        insta::assert_snapshot!(plain);
    }

    #[test]
    fn what_is_allowed_is_only_counted() {
        let rows = testing::rows();
        let text = write(&Checked { rows: &rows, sequence: 7, age_s: 60, verbose: false });
        assert!(!text.contains("nginx") && text.contains("5 images: 1 denied, 1 warned of, 2 undecided"), "{text}");
    }
}
