//! How figures and places are put into words, the same in the table and on pages.

use model::{
    Digest, Disposition, Finding, ImageIdentity, InsideLevel, Location, Severity, Weight,
    text::{shortened, visible},
};

/// Longest build step shown beside a finding, in characters.
const STEP_CHARS_MAX: usize = 100;

/// `1.2 GB`: decimal units, as registries count.
#[must_use]
pub fn bytes_shown(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in UNITS {
        // 999.95 would be shown as `1000.0`.
        if value < 999.95 {
            break;
        }
        value /= 1_000.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

/// `1 layer`, `2 layers`; for nouns with a regular plural.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// `3.2 s`, `2 min 5 s`.
#[must_use]
pub fn duration_shown(seconds: f64) -> String {
    // Below zero and not-a-number become 0, as `as` promises.
    let whole = seconds as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3_600, whole / 60 % 60),
    }
}

/// A mark that says the disposition without colour.
#[must_use]
pub const fn symbol(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Clean => "✔",
        Disposition::Risky => "▲",
        Disposition::Suspicious => "◆",
        Disposition::Malicious => "✖",
        Disposition::Undetermined => "?",
    }
}

/// What the disposition means for somebody who wants to run the image.
#[must_use]
pub const fn advice(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Clean => "Nothing found that matters.",
        Disposition::Risky => "Dual use, declared, or leaky: a person should know before it runs.",
        Disposition::Suspicious => "Signs of malice that do not suffice alone: do not run it unexamined.",
        Disposition::Malicious => "Evidence that stands: do not run it.",
        Disposition::Undetermined => "Something that could matter was not looked at: this is not a clean bill.",
    }
}

/// Where a finding is, safe to show: `usr/bin/x › inner.txt › base64 from byte 100 at byte 12`.
#[must_use]
pub fn place(finding: &Finding) -> String {
    let mut place = match &finding.location {
        Location::File { path, .. } => format!("/{}", visible(path)),
        Location::Config { field } => visible(field).into_owned(),
        Location::History { line } => format!("history line {line}"),
        Location::Layer { layer } => format!("layer {layer}"),
        Location::Image => "the image as a whole".to_owned(),
        Location::Captured { run, path, .. } => format!("{}, written in run {}", visible(path), visible(run)),
        Location::Event { run, sequence } => format!("run {}, event {sequence}", visible(run)),
    };
    if let Some(inside) = &finding.observation.inside {
        let mut was_member = false;
        for level in inside.levels() {
            let is_member = matches!(level, InsideLevel::Member(_));
            place.push_str(if was_member && is_member { "!" } else { " › " });
            match level {
                InsideLevel::Member(path) => place.push_str(&visible(path)),
                InsideLevel::Decoded { how, offset } => {
                    place.push_str(&format!("{} from byte {offset}", visible(how)));
                }
            }
            was_member = is_member;
        }
    }
    if let Some(offset) = finding.observation.offset {
        place.push_str(&format!(" at byte {offset}"));
    }
    place
}

/// What is special about the place: which layer, whether it runs, whether it is hidden.
#[must_use]
pub fn circumstances(finding: &Finding, image: &ImageIdentity) -> Vec<String> {
    let mut words = Vec::new();
    if let Location::File { layer, hidden, .. } = &finding.location {
        words.push(match number_of(*layer, image) {
            Some(number) => format!("layer {number} of {}", image.layers.len()),
            None => format!("layer {}", layer.short()),
        });
        let origin = finding.origin.as_ref();
        if *hidden {
            let number = origin.and_then(|origin| origin.hidden_by).and_then(|by| number_of(by, image));
            words.push(
                number.map_or("hidden by a later layer".to_owned(), |number| format!("hidden by layer {number}")),
            );
        }
        if let Some(step) = origin.and_then(|origin| origin.created_by.as_ref()) {
            words.push(format!("added by `{}`", shortened(&visible(step), STEP_CHARS_MAX)));
        }
    }
    if let Some(inside) = &finding.observation.inside {
        let is_decoded = |level| matches!(level, InsideLevel::Decoded { .. });
        if inside.levels().any(is_decoded) {
            words.push("encoded".to_owned());
        }
        if !inside.levels().all(is_decoded) {
            words.push("inside an archive".to_owned());
        }
    }
    // What a run shows needs no word that it runs.
    if finding.runs && !matches!(finding.location, Location::Event { .. }) {
        let way = finding.origin.iter().flat_map(|origin| &origin.run_by).map(|step| visible(step));
        let way = way.collect::<Vec<_>>().join(" → ");
        words.push(if way.is_empty() { "the image runs it".to_owned() } else { format!("run by {way}") });
    }
    words
}

/// A layer's number as people count, the lowest first.
fn number_of(layer: Digest, image: &ImageIdentity) -> Option<usize> {
    image.layers.iter().position(|known| known.digest == layer).map(|index| index + 1)
}

/// Whether a finding counts for the verdict; the others are facts.
#[must_use]
pub fn counts(finding: &Finding) -> bool {
    finding.observation.weight != Weight::Fact
}

/// Evidence first, facts last; then worst, surest, and by id, so that equal reports look equal.
#[must_use]
pub fn worst_first(findings: &[Finding]) -> Vec<&Finding> {
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by_key(|finding| {
        let seen = &finding.observation;
        let worst = (counts(finding), seen.severity, finding.runs, seen.weight, seen.confidence);
        (std::cmp::Reverse(worst), &finding.id)
    });
    sorted
}

/// GitHub's `security-severity`: a CVSS-like figure from 0.0 to 10.0.
#[must_use]
pub const fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "0.0",
        Severity::Low => "3.0",
        Severity::Medium => "5.5",
        Severity::High => "8.0",
        Severity::Critical => "9.5",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_round_to_what_people_say() {
        assert_eq!(bytes_shown(999), "999 B");
        assert_eq!(bytes_shown(1_000), "1.0 kB");
        assert_eq!(bytes_shown(999_999), "1.0 MB");
        assert_eq!(bytes_shown(u64::MAX), "18.4 EB");
        assert_eq!(duration_shown(3.24), "3.2 s");
        assert_eq!(duration_shown(125.0), "2 min 5 s");
        assert_eq!(duration_shown(f64::NAN), "NaN s");
        assert_eq!(counted(1, "layer"), "1 layer");
        assert_eq!(counted(0, "layer"), "0 layers");
    }

    #[test]
    fn evidence_comes_before_facts_however_severe() {
        let report = super::super::testing::miner();
        let sorted = worst_first(&report.findings);
        let first_fact = sorted.iter().position(|finding| !counts(finding)).expect("has facts");
        assert!(sorted.iter().skip(first_fact).all(|finding| !counts(finding)));
        assert!(sorted.iter().take(first_fact).is_sorted_by_key(|it| std::cmp::Reverse(it.observation.severity)));
    }
}
