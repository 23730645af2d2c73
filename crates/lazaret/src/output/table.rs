//! Reports for people in a terminal: the verdict first, then why, then where.

use model::{
    Completeness, Concealment, Disposition, EndReason, Finding, ScanReport,
    text::{shortened, visible},
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{
    Row,
    deeds::{ended, event_of, figures, moment, purpose, told},
    reports,
    style::{self, BOLD, DIM, paint},
    words::{advice, bytes_shown, circumstances, counted, counts, place, symbol, worst_first},
};
use crate::dates;

/// Narrower than this, lines are left to the terminal.
const WIDTH_MIN: usize = 40;
/// Wider than this, lines are hard to read.
const WIDTH_MAX: usize = 120;
/// Findings of one image shown without `-v`.
const FINDINGS_MAX: usize = 20;
/// Problems of one image shown without `-v`.
const PROBLEMS_MAX: usize = 8;
/// Runs of one image shown.
const RUNS_MAX: usize = 16;
/// Longest name of a run, in characters: ours are numbers, those of recordings may be anything.
const RUN_CHARS_MAX: usize = 16;

/// How a table is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Columns to use.
    pub width: usize,
    /// List facts and every finding too.
    pub verbose: bool,
}

/// Every report in full, then an overview if there are several.
#[must_use]
pub fn scan(rows: &[Row], layout: Layout) -> String {
    let text: String = rows.iter().map(|one| row(one, layout)).collect();
    text + &end(rows, layout)
}

/// One row in full: the report, or why there is none.
#[must_use]
pub fn row(row: &Row, layout: Layout) -> String {
    let mut page = Page::new(layout);
    match &row.result {
        Ok(report) => page.report(report),
        Err(error) => page.failed(&row.reference, &error.message),
    }
    page.text
}

/// What follows the rows: the overview, if there are several.
#[must_use]
pub fn end(rows: &[Row], layout: Layout) -> String {
    if rows.len() > 1 { list(rows, layout) } else { String::new() }
}

/// One report in full.
#[must_use]
pub fn report(report: &ScanReport, layout: Layout) -> String {
    let mut page = Page::new(layout);
    page.report(report);
    page.text
}

/// One line a row, worst first, with what it needs to be understood below; for many images.
#[must_use]
pub fn list(rows: &[Row], layout: Layout) -> String {
    let mut page = Page::new(layout);
    page.overview(rows);
    page.text
}

struct Page {
    text: String,
    width: usize,
    verbose: bool,
}

impl Page {
    fn new(layout: Layout) -> Self {
        let width = if layout.width < WIDTH_MIN { usize::MAX } else { layout.width.min(WIDTH_MAX) };
        Self { text: String::new(), width, verbose: layout.verbose }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn heading(&mut self, text: &str) {
        self.line("");
        self.line(&format!("  {}", paint(BOLD, text)));
    }

    /// `text`, made visible and wrapped, `first` before its first line and as much space before the others.
    fn wrapped(&mut self, first: &str, text: &str, style: anstyle::Style) {
        let indent = anstream::adapter::strip_str(first).to_string().width();
        for (number, line) in wrap(&visible(text), self.width.saturating_sub(indent)).into_iter().enumerate() {
            let line = paint(style, line);
            if number == 0 { self.line(&format!("{first}{line}")) } else { self.line(&format!("{:indent$}{line}", "")) }
        }
    }

    fn failed(&mut self, reference: &str, message: &str) {
        let badge = style::disposition(Disposition::Undetermined);
        self.line(&format!("{} {}", paint(badge, "? NOT DECIDED"), paint(BOLD, visible(reference))));
        self.wrapped("  ", message, anstyle::Style::new());
        self.line("");
    }

    fn report(&mut self, report: &ScanReport) {
        self.verdict(report);
        self.reasons(report);
        self.runs(report);
        self.findings(report);
        self.unseen(report);
        self.layers(report);
        self.line("");
    }

    fn verdict(&mut self, report: &ScanReport) {
        let (image, verdict) = (&report.image, &report.verdict);
        let color = style::disposition(verdict.disposition);
        let badge = format!("{} {}", symbol(verdict.disposition), verdict.disposition.word().to_uppercase());
        let platform = image.platform.to_string();
        let title = paint(BOLD, visible(&image.reference));
        self.line(&format!("{}  {title}  {}", paint(color, badge), paint(DIM, visible(&platform))));
        self.wrapped("  ", advice(verdict.disposition), color);
        let mut words: Vec<String> = verdict.categories.iter().map(ToString::to_string).collect();
        if verdict.disposition != Disposition::Clean {
            words.push(format!("severity {}", verdict.severity));
            words.push(format!("confidence {}", verdict.confidence));
        }
        match verdict.concealment {
            Some(Concealment::Concealed) => words.push("concealed: it does not say what it does".to_owned()),
            Some(Concealment::Declared) => words.push("declared: it says what it does".to_owned()),
            None => {}
        }
        if !words.is_empty() {
            self.wrapped("  ", &words.join(" · "), anstyle::Style::new());
        }
        self.wrapped("  ", &report.image.subject().to_string(), DIM);
        if !image.command.is_empty() {
            self.wrapped(&paint(DIM, "  runs "), &image.command.join(" "), DIM);
        }
    }

    fn reasons(&mut self, report: &ScanReport) {
        if report.verdict.reasons.is_empty() {
            return;
        }
        self.heading("Why");
        for reason in &report.verdict.reasons {
            self.wrapped("  • ", &reason.text, anstyle::Style::new());
            if !reason.findings.is_empty() {
                self.wrapped("    ", &reason.findings.join(" "), DIM);
            }
        }
    }

    /// A line a run: why, how it ended, its figures.
    fn runs(&mut self, report: &ScanReport) {
        if report.runs.is_empty() {
            return;
        }
        self.heading(&format!("{} in the sandbox", counted(report.runs.len(), "run")));
        for trace in report.runs.iter().take(RUNS_MAX) {
            let first = format!("  {} ", visible(&shortened(&trace.head.run, RUN_CHARS_MAX)));
            let mut words = vec![purpose(trace), ended(&trace.end.reason)];
            if !matches!(trace.end.reason, EndReason::NotStarted { .. }) {
                words.extend(figures(trace));
            }
            self.wrapped(&first, &words.join(" · "), anstyle::Style::new());
            let end = &trace.end;
            let mut odd = Vec::new();
            if end.escapes_refused > 0 {
                odd.push(format!("{} refused on the way out", end.escapes_refused));
            }
            if end.events_lost > 0 {
                odd.push(format!("{} of {} events lost", end.events_lost, end.events_seen));
            }
            odd.extend(end.problems.iter().take(PROBLEMS_MAX).cloned());
            if !odd.is_empty() {
                self.wrapped("    ", &odd.join(" · "), DIM);
            }
        }
        if report.runs.len() > RUNS_MAX {
            self.line(&paint(DIM, format!("  … and {} more", report.runs.len() - RUNS_MAX)));
        }
    }

    fn findings(&mut self, report: &ScanReport) {
        let sorted = worst_first(&report.findings);
        let (evidence, facts): (Vec<&Finding>, Vec<&Finding>) = sorted.into_iter().partition(|it| counts(it));
        if !evidence.is_empty() {
            self.heading(&format!("{}, worst first", counted(evidence.len(), "finding")));
            let shown = if self.verbose { evidence.len() } else { FINDINGS_MAX };
            evidence.iter().take(shown).for_each(|finding| self.finding(finding, report));
            if evidence.len() > shown {
                self.line(&paint(DIM, format!("  … and {} more: -v lists them", evidence.len() - shown)));
            }
        }
        if facts.is_empty() {
            return;
        }
        if self.verbose {
            self.heading(&format!("{} that did not count", counted(facts.len(), "fact")));
            facts.iter().for_each(|finding| self.finding(finding, report));
        } else {
            self.line("");
            let hint = format!("  {} that did not count: -v lists them", counted(facts.len(), "fact"));
            self.line(&paint(DIM, hint));
        }
    }

    fn finding(&mut self, finding: &Finding, report: &ScanReport) {
        let seen = &finding.observation;
        let severity = paint(style::severity(seen.severity), format!("{:<8}", seen.severity.word()));
        self.wrapped(&format!("  {severity} "), &seen.title, BOLD);
        self.wrapped("           ", &place(finding), anstyle::Style::new());
        if let Some((_, event)) = event_of(finding, report) {
            let line = format!("{} in: {}", moment(event.at_us), told(&event.what));
            self.wrapped("           ", &line, anstyle::Style::new());
        }
        let circumstances = circumstances(finding, &report.image);
        if !circumstances.is_empty() {
            self.wrapped("           ", &circumstances.join(" · "), anstyle::Style::new());
        }
        self.wrapped("           ", &seen.summary, style::severity(model::Severity::Low));
        for indicator in &seen.indicators {
            let kind = serde_word(&indicator.kind);
            self.wrapped(&format!("           {kind} "), &indicator.value, anstyle::Style::new());
        }
        let mut about = vec![
            finding.id.clone(),
            seen.detector.clone(),
            seen.category.to_string(),
            format!("{} {}", seen.maturity, seen.weight),
            format!("confidence {}", seen.confidence),
        ];
        about.extend(seen.techniques.iter().cloned());
        self.wrapped("           ", &about.join(" · "), DIM);
    }

    fn unseen(&mut self, report: &ScanReport) {
        if let Completeness::Partial { not_looked_at } = &report.verdict.completeness {
            self.heading("Not looked at");
            self.limited(&not_looked_at.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let odd: Vec<_> = report
            .problems
            .iter()
            .map(|problem| format!("{} ({}): {}", problem.place, serde_word(&problem.kind), problem.detail))
            .collect();
        if !odd.is_empty() {
            self.heading(&counted(odd.len(), "problem"));
            self.limited(&odd.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }

    fn limited(&mut self, lines: &[&str]) {
        let shown = if self.verbose { lines.len() } else { PROBLEMS_MAX };
        for line in lines.iter().take(shown) {
            self.wrapped("  • ", line, anstyle::Style::new());
        }
        if lines.len() > shown {
            self.line(&paint(DIM, format!("  … and {} more: -v lists them", lines.len() - shown)));
        }
    }

    fn layers(&mut self, report: &ScanReport) {
        let layers = &report.image.layers;
        let sum = |value: fn(&model::LayerSummary) -> u64| layers.iter().map(value).fold(0, u64::saturating_add);
        let remembered = layers.iter().filter(|layer| layer.remembered).count();
        let source = if report.remembered {
            "verdict from the catalog, no layer read".to_owned()
        } else {
            format!("{} read, {remembered} remembered", layers.len() - remembered)
        };
        self.line("");
        let line = format!(
            "{}: {source} · {} packed, {} unpacked · rules {} · {}",
            counted(layers.len(), "layer"),
            bytes_shown(sum(|layer| layer.packed_bytes)),
            bytes_shown(sum(|layer| layer.unpacked_bytes)),
            report.rule_pack,
            dates::shown(report.scanned_at),
        );
        self.wrapped("  ", &line, DIM);
    }

    /// A line an image, aligned, worst first; failures last.
    fn overview(&mut self, rows: &[Row]) {
        let platforms_differ = {
            let mut platforms: Vec<_> = reports(rows).map(|report| &report.image.platform).collect();
            platforms.dedup();
            platforms.len() > 1
        };
        let mut sorted: Vec<_> = rows.iter().collect();
        sorted.sort_by_key(|row| match &row.result {
            Ok(report) => std::cmp::Reverse(Some(report.verdict.disposition)),
            Err(_) => std::cmp::Reverse(None),
        });
        for row in sorted {
            let (disposition, name, detail) = match &row.result {
                Ok(report) => {
                    let verdict = &report.verdict;
                    let categories: Vec<_> = verdict.categories.iter().map(|it| it.word()).collect();
                    let platform =
                        if platforms_differ { format!(" ({})", report.image.platform) } else { String::new() };
                    (Some(verdict.disposition), format!("{}{platform}", report.image.reference), categories.join(", "))
                }
                Err(error) => (None, row.reference.clone(), error.message.clone()),
            };
            let badge = match disposition {
                Some(disposition) => format!("{} {:<12}", symbol(disposition), disposition.word()),
                None => format!("? {:<12}", "not decided"),
            };
            let color = style::disposition(disposition.unwrap_or(Disposition::Undetermined));
            let first = format!("{} ", paint(color, badge));
            self.wrapped(&first, &name, anstyle::Style::new());
            if !detail.is_empty() {
                self.wrapped("               ", &detail, DIM);
            }
        }
    }
}

/// The word serde writes for a unit variant.
#[must_use]
pub fn serde_word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Lines of at most `width` columns, broken at spaces, or inside a word that is longer than a line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut columns = 0;
    for word in text.split(' ') {
        let word_columns = word.width();
        if columns > 0 && columns + 1 + word_columns > width {
            lines.push(std::mem::take(&mut line));
            columns = 0;
        } else if !line.is_empty() {
            line.push(' ');
            columns += 1;
        }
        for character in word.chars() {
            let more = character.width().unwrap_or(0);
            if columns + more > width {
                lines.push(std::mem::take(&mut line));
                columns = 0;
            }
            line.push(character);
            columns += more;
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    const LAYOUT: Layout = Layout { width: 100, verbose: false };

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn the_table_reads_as_shown() {
        insta::assert_snapshot!(plain(&scan(&testing::rows(), LAYOUT)));
    }

    #[test]
    fn facts_are_counted_and_listed_only_when_asked() {
        let report = testing::miner();
        assert!(plain(&super::report(&report, LAYOUT)).contains("14 facts that did not count"));
        assert!(!super::report(&report, LAYOUT).contains("docs7.example.org"));
        assert!(super::report(&report, Layout { verbose: true, ..LAYOUT }).contains("docs7.example.org"));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [40, 72, 100] {
            let text = plain(&scan(&testing::rows(), Layout { width, verbose: true }));
            // The badge line and the path of a digest may not be broken apart for copying: they are the only ones.
            let wide: Vec<_> =
                text.lines().filter(|line| line.width() > width && !line.contains("  docker.io")).collect();
            assert!(wide.iter().all(|line| line.contains("registry.example.org")), "{width}: {wide:#?}");
        }
    }

    #[test]
    fn words_wrap_by_columns_and_long_ones_break() {
        assert_eq!(wrap("aaaa bbbb cccc", 9), ["aaaa bbbb", "cccc"]);
        assert_eq!(wrap("0123456789ab", 8), ["01234567", "89ab"]);
        assert_eq!(wrap("日本語日本語", 8), ["日本語日", "本語"]);
        assert_eq!(wrap("", 8), [""]);
    }
}
