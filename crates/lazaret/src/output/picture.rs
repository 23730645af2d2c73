//! A picture of an image: its layers stacked as a container engine stacks them, base at the bottom, each bar as long
//! as the root of its size, with a mark for every finding that counts.

use std::collections::BTreeMap;

use maud::{Markup, html};
use model::{Finding, ImageIdentity, LayerSummary, Location, ScanReport, text};

use super::words::{bytes_shown, counted, counts, place};

const WIDTH: usize = 960;
const LEFT: usize = 34;
const BAR_WIDTH_MAX: usize = 740;
const BAR_WIDTH_MIN: usize = 14;
const BAR_HEIGHT: usize = 22;
const ROW_HEIGHT: usize = 54;
const HISTORY_CHARS_MAX: usize = 112;
/// Layers drawn; of more, those without a mark are left out first.
const LAYERS_MAX: usize = 48;
/// Marks of one layer; the rest is a number.
const MARKS_MAX: usize = 40;

/// The picture of image `number` of the page with its legend, as SVG that needs no style of its own but the page's colour names.
#[must_use]
pub fn picture(report: &ScanReport, number: usize) -> Markup {
    let id = format!("picture-{number}");
    let image = &report.image;
    let marks = marks(report);
    let layers = chosen(image, &marks);
    let left_out = image.layers.len() - layers.len();
    let image_marks = marks.get(&None).map_or(&[][..], Vec::as_slice);
    let has_image_row = !image_marks.is_empty();
    let rows = layers.len() + usize::from(has_image_row);
    let height = rows * ROW_HEIGHT + 44 + if left_out > 0 { 22 } else { 0 };
    let largest = image.layers.iter().map(|layer| layer.unpacked_bytes).max().unwrap_or(0).max(1);
    let shown = marks.values().map(Vec::len).sum::<usize>();
    let description = format!(
        "{}, base at the bottom, with marks for {} that count for the verdict.",
        counted(image.layers.len(), "layer"),
        counted(shown, "finding"),
    );
    html! {
        svg.picture viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-labelledby=(format!("{id}-title {id}-desc"))
            xmlns="http://www.w3.org/2000/svg" {
            title id=(format!("{id}-title")) { "Layers of " (text::visible(&image.reference)) }
            desc id=(format!("{id}-desc")) { (description) }
            @if has_image_row {
                (image_row(image_marks, number))
            }
            @for (row, (index, layer)) in layers.iter().rev().enumerate() {
                @let marks = marks.get(&Some(*index)).map_or(&[][..], Vec::as_slice);
                @let top = (row + usize::from(has_image_row)) * ROW_HEIGHT;
                (layer_row((*index, layer), marks, number, bar_width(layer.unpacked_bytes, largest), top))
            }
            @if left_out > 0 {
                text.label x=(LEFT) y=(rows * ROW_HEIGHT + 14) {
                    "and " (counted(left_out, "layer")) " without a finding that counts, not drawn"
                }
            }
            (legend(height - 16))
        }
    }
}

/// Findings that count, by layer index (`None`: config, history, the image as a whole), in the order of their paths.
fn marks(report: &ScanReport) -> BTreeMap<Option<usize>, Vec<&Finding>> {
    let index: BTreeMap<_, _> =
        report.image.layers.iter().enumerate().map(|(index, layer)| (layer.digest, index)).collect();
    let mut marks: BTreeMap<Option<usize>, Vec<&Finding>> = BTreeMap::new();
    // What was seen in a run has its marks in that run's picture.
    let at_rest = |it: &&Finding| !matches!(it.location, Location::Captured { .. } | Location::Event { .. });
    for finding in report.findings.iter().filter(|finding| counts(finding)).filter(at_rest) {
        let layer = match &finding.location {
            Location::File { layer, .. } | Location::Layer { layer } => index.get(layer).copied(),
            Location::History { .. }
            | Location::Config { .. }
            | Location::Image
            | Location::Captured { .. }
            | Location::Event { .. } => None,
        };
        marks.entry(layer).or_default().push(finding);
    }
    for findings in marks.values_mut() {
        findings.sort_by(|a, b| path(a).cmp(path(b)).then_with(|| a.id.cmp(&b.id)));
    }
    marks
}

fn path(finding: &Finding) -> &str {
    match &finding.location {
        Location::File { path, .. } => path,
        Location::Config { field } => field,
        Location::History { .. }
        | Location::Layer { .. }
        | Location::Image
        | Location::Captured { .. }
        | Location::Event { .. } => "",
    }
}

/// The layers to draw, lowest first, with their index.
fn chosen<'a>(
    image: &'a ImageIdentity,
    marks: &BTreeMap<Option<usize>, Vec<&Finding>>,
) -> Vec<(usize, &'a LayerSummary)> {
    let mut wanted: Vec<_> = image.layers.iter().enumerate().collect();
    if wanted.len() > LAYERS_MAX {
        // Marked ones first, then large ones.
        wanted.sort_by_key(|(index, layer)| {
            std::cmp::Reverse((marks.contains_key(&Some(*index)), layer.unpacked_bytes, *index))
        });
        wanted.truncate(LAYERS_MAX);
        wanted.sort_by_key(|(index, _)| *index);
    }
    wanted
}

fn bar_width(bytes: u64, largest: u64) -> usize {
    // The root lets a small layer be seen beside a large one; the result lies in 0 to 1.
    let share = (bytes as f64 / largest as f64).sqrt();
    BAR_WIDTH_MIN + (share * (BAR_WIDTH_MAX - BAR_WIDTH_MIN) as f64) as usize
}

fn layer_row(
    (index, layer): (usize, &LayerSummary),
    marks: &[&Finding],
    number: usize,
    width: usize,
    top: usize,
) -> Markup {
    let history = layer.history.as_deref().unwrap_or("(no build step told)");
    let history = text::shortened(history, HISTORY_CHARS_MAX);
    let bar_top = top + 20;
    let middle = bar_top + BAR_HEIGHT / 2;
    let name = format!("layer {}, {}", index + 1, layer.digest);
    let mut size = bytes_shown(layer.unpacked_bytes);
    if layer.remembered {
        size.push_str(" · remembered");
    }
    html! {
        g.layer {
            title { (name) }
            text.number x=(LEFT - 14) y=(middle + 5) text-anchor="end" { (index + 1) }
            text.history x=(LEFT) y=(top + 14) { (text::visible(&history)) }
            rect class=(if layer.remembered { "bar remembered" } else { "bar" })
                x=(LEFT) y=(bar_top) width=(width) height=(BAR_HEIGHT) rx="4" {}
            (row_of_marks(marks, number, width, middle))
            text.label x=(LEFT + width.max(marks_width(marks)) + 10) y=(middle + 4) { (size) }
        }
    }
}

/// Config and history belong to no layer.
fn image_row(marks: &[&Finding], number: usize) -> Markup {
    let bar_top = 20;
    let middle = bar_top + BAR_HEIGHT / 2;
    let width = marks_width(marks).max(160);
    html! {
        g.layer {
            text.history x=(LEFT) y="14" { "image config and history" }
            rect.frame x=(LEFT) y=(bar_top) width=(width) height=(BAR_HEIGHT) rx="4" {}
            (row_of_marks(marks, number, width, middle))
        }
    }
}

const MARK_STEP_MIN: usize = 15;

fn marks_width(marks: &[&Finding]) -> usize {
    marks.len().min(MARKS_MAX) * MARK_STEP_MIN + if marks.len() > MARKS_MAX { 40 } else { 0 }
}

/// Spread over the bar in the order of paths, never so dense that they cover each other.
fn row_of_marks(marks: &[&Finding], image: usize, bar_width: usize, middle: usize) -> Markup {
    let shown = marks.len().min(MARKS_MAX);
    let step = (bar_width / (shown + 1)).max(MARK_STEP_MIN);
    let first = if bar_width / (shown + 1) < MARK_STEP_MIN { MARK_STEP_MIN / 2 } else { step };
    html! {
        @for (number, finding) in marks.iter().take(shown).enumerate() {
            (mark(finding, image, LEFT + first + number * step, middle))
        }
        @if marks.len() > shown {
            text.label x=(LEFT + first + shown * step) y=(middle + 4) { "+" (marks.len() - shown) }
        }
    }
}

fn mark(finding: &Finding, image: usize, x: usize, y: usize) -> Markup {
    let hidden = matches!(finding.location, Location::File { hidden: true, .. });
    let seen = &finding.observation;
    let class = format!("mark {}{}", seen.severity.word(), if hidden { " hollow" } else { "" });
    let told = format!("{}: {} ({})", seen.severity, text::visible(&seen.title), place(finding));
    html! {
        a href=(format!("#{}", anchor(finding, image))) {
            (shape(&class, finding.runs, x, y, Some(&told)))
        }
    }
}

/// A diamond for what the image runs, a circle otherwise.
fn shape(class: &str, runs: bool, x: usize, y: usize, title: Option<&str>) -> Markup {
    html! {
        @if runs {
            path class=(class) d=(format!("M{x} {} L{} {y} L{x} {} L{} {y} Z", y - 8, x + 8, y + 8, x - 8)) {
                @if let Some(title) = title { title { (title) } }
            }
        } @else {
            circle class=(class) cx=(x) cy=(y) r="6" {
                @if let Some(title) = title { title { (title) } }
            }
        }
    }
}

/// The id of a finding's place in the part of the page about image `number`: the same finding can be in two images.
/// Only characters that mean nothing anywhere.
#[must_use]
pub fn anchor(finding: &Finding, number: usize) -> String {
    let plain = |character: &char| character.is_ascii_alphanumeric() || *character == '-';
    format!("image-{number}-{}", finding.id.chars().filter(plain).collect::<String>())
}

fn legend(y: usize) -> Markup {
    let severities = ["critical", "high", "medium", "low", "info"];
    html! {
        g.legend {
            @for (number, severity) in severities.iter().enumerate() {
                (shape(&format!("mark {severity}"), false, LEFT + 6 + number * 82, y, None))
                text.label x=(LEFT + 18 + number * 82) y=(y + 4) { (severity) }
            }
            (shape("mark info", true, LEFT + 432, y, None))
            text.label x=(LEFT + 446) y=(y + 4) { "the image runs it" }
            (shape("mark info hollow", false, LEFT + 574, y, None))
            text.label x=(LEFT + 588) y=(y + 4) { "hidden by a later layer" }
            rect.bar.remembered x=(LEFT + 750) y=(y - 7) width="22" height="14" rx="3" {}
            text.label x=(LEFT + 780) y=(y + 4) { "remembered" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    fn drawn(report: &ScanReport) -> String {
        picture(report, 7).into_string()
    }

    #[test]
    fn every_finding_that_counts_has_its_mark() {
        let report = testing::miner();
        let svg = drawn(&report);
        for finding in &report.findings {
            assert_eq!(svg.contains(&format!("href=\"#image-7-{}\"", finding.id)), counts(finding), "{}", finding.id);
        }
        assert_eq!(svg.matches("hollow\" cx").count(), 2, "one is hidden, one is in the legend");
    }

    #[test]
    fn an_image_of_a_thousand_layers_stays_a_picture() {
        let mut report = testing::miner();
        let layer = report.image.layers[0].clone();
        for number in 0..1_000_u32 {
            let digest = model::Digest::of(&number.to_le_bytes());
            report.image.layers.insert(1, LayerSummary { digest, ..layer.clone() });
        }
        let svg = drawn(&report);
        assert_eq!(svg.matches("<g class=\"layer\"").count(), LAYERS_MAX + 1);
        assert!(svg.contains("and 957 layers without"), "says what it leaves out");
        let marked = svg.matches("class=\"mark ").count();
        assert_eq!(marked, drawn(&testing::miner()).matches("class=\"mark ").count(), "no mark is lost");
    }

    #[test]
    fn sizes_of_nothing_draw_too() {
        let mut report = testing::clean();
        report.image.layers.iter_mut().for_each(|layer| layer.unpacked_bytes = 0);
        assert!(drawn(&report).contains("width=\"14\""));
        report.image.layers.clear();
        assert!(drawn(&report).contains("0 layers"));
    }
}
