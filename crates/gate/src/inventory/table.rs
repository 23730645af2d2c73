//! For people: what is listed and where it is or was, what changed, and how much there is.

use anstyle::{AnsiColor, Color, Style};
use model::text::visible;

use super::{Format, Image, Inventory, Span, date};
use crate::{Effect, report::Outcome};

pub(super) const FORMAT: Format = Format { name: "table", write };

/// Most places of one image shown.
const PLACES_MAX: usize = 20;

const fn style(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color))).bold()
}

fn write(inventory: &Inventory, verbose: bool) -> String {
    let mut text = String::new();
    for image in &inventory.images {
        if verbose || image.decision.effect != Effect::Allow || !image.decision.hits.is_empty() {
            text += &show(image, inventory);
        }
    }
    for (entry, digest) in &inventory.cleared {
        text += &format!("no longer listed: {entry} ({digest})\n");
    }
    text + &summary(inventory)
}

fn show(image: &Image, inventory: &Inventory) -> String {
    let (style, word) = match (image.outcome(), image.decision.effect) {
        (Outcome::Denied, _) => (style(AnsiColor::Red), "✖ DENIED   "),
        (Outcome::Undecided, _) => (style(AnsiColor::Cyan), "? UNDECIDED"),
        (_, Effect::Warn) => (style(AnsiColor::Yellow), "▲ WARNING  "),
        _ => (style(AnsiColor::Green), "✔ allowed  "),
    };
    let mut text = format!("{style}{word}{style:#} {}\n", image.name());
    for hit in image.decision.hits.iter().take(5) {
        let categories: Vec<_> = hit.listed.categories.iter().map(|category| category.word()).collect();
        let new = if inventory.new.contains(&(hit.listed.id, hit.digest)) { "new: " } else { "" };
        text += &format!(
            "            {new}{} {}: {} {} ({}, {})\n",
            hit.listed.id,
            categories.join(", "),
            hit.listed.role.word(),
            hit.digest,
            hit.listed.severity,
            hit.listed.channel
        );
    }
    text += &image.decision.undecided.as_deref().map_or(String::new(), |why| format!("            {}\n", visible(why)));
    for span in image.places.iter().take(PLACES_MAX) {
        text += &format!("            {}\n", place(span));
    }
    if image.places.len() > PLACES_MAX {
        text += &format!("            and {} more places (--format json has all)\n", image.places.len() - PLACES_MAX);
    }
    text
}

/// `runs on docker h, container web, since 2026-01-02T03:04:05Z`.
fn place(span: &Span) -> String {
    let seen = &span.seen;
    let verb = match (span.gone.is_some(), seen.running, seen.place.is_empty()) {
        (false, true, _) => "runs on",
        (false, false, false) => "stopped on",
        (false, false, true) => "present on",
        (true, true, _) => "ran on",
        (true, ..) => "was on",
    };
    let place = if seen.place.is_empty() { String::new() } else { format!(", {}", visible(&seen.place)) };
    // The engine may know an earlier time than our first look.
    let since = if seen.since > 0 { seen.since.min(span.first) } else { span.first };
    let until = match span.gone {
        Some(gone) => format!(", last seen {}, gone by {}", date(span.last), date(gone)),
        None => String::new(),
    };
    format!("{verb} {} {}{place}, since {}{until}", visible(&seen.source), visible(&seen.host), date(since))
}

fn summary(inventory: &Inventory) -> String {
    let here: Vec<&Image> = inventory.images.iter().filter(|image| image.is_here()).collect();
    let count = |fits: &dyn Fn(&Image) -> bool| here.iter().filter(|image| fits(image)).count();
    let denied = |image: &Image| image.outcome() == Outcome::Denied;
    let share = inventory.share();
    let percent = share.public_permille().map_or_else(
        || "no image says where it is from".to_owned(),
        |permille| {
            let known = share.public + share.private;
            format!("{} of {known} ({}.{} %) from public registries", share.public, permille / 10, permille % 10)
        },
    );
    let unknown = if share.unknown > 0 { format!(", {} of unknown origin", share.unknown) } else { String::new() };
    format!(
        "{} images here, {} running: {} denied, {} of them running; {} newly listed; {percent}{unknown} (feed change {})\n",
        here.len(),
        count(&Image::runs),
        count(&denied),
        count(&|image| denied(image) && image.runs()),
        inventory.new.len(),
        inventory.sequence,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::testing;

    #[test]
    fn it_reads_as_shown() {
        let text = anstyle_free(&write(&testing::inventory(), true));
        insta::assert_snapshot!(text);
    }

    fn anstyle_free(text: &str) -> String {
        let parts = text
            .split('\x1b')
            .map(|part| part.strip_prefix('[').and_then(|it| it.split_once('m')).map_or(part, |it| it.1));
        parts.collect()
    }
}
