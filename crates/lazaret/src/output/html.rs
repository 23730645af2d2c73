//! One self-contained page: no script, nothing loaded, readable on paper and in the dark.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use model::{Completeness, Concealment, Disposition, Finding, ScanReport, text::visible};

use super::{
    Row,
    deeds::{event_of, moment, told},
    picture::{anchor, picture},
    run_page::{Targets, runs},
    table::serde_word,
    words::{advice, bytes_shown, circumstances, counted, counts, place, symbol, worst_first},
};
use crate::dates;

/// Facts listed; a layer can hold many.
const FACTS_MAX: usize = 500;
/// Nothing may be loaded or run, whatever a report says.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A page with every row; an overview first if there are several.
#[must_use]
pub fn scan(rows: &[Row]) -> String {
    let title = match rows {
        [row] => format!("{} · Lazaret", visible(&row.reference)),
        _ => format!("{} · Lazaret", counted(rows.len(), "image")),
    };
    let body = html! {
        @if rows.len() > 1 {
            (overview(rows, &|number, _| format!("#image-{number}")))
        }
        @for (number, row) in rows.iter().enumerate() {
            @match &row.result {
                Ok(report) => (article(report, number)),
                Err(error) => {
                    article.undetermined id=(format!("image-{number}")) {
                        p.badge { (symbol(Disposition::Undetermined)) " not decided" }
                        h1 { (visible(&row.reference)) }
                        p.advice { (visible(&error.message)) }
                    }
                }
            }
        }
    };
    page(&title, &body)
}

/// The first page of a hunt: an overview whose rows lead to `link(number, row)`.
#[must_use]
pub fn index(rows: &[Row], summary: &str, link: &dyn Fn(usize, &Row) -> String) -> String {
    let body = html! {
        section.card {
            h1 { "Hunt" }
            p.advice { (visible(summary)) }
        }
        (overview(rows, link))
    };
    page("Hunt · Lazaret", &body)
}

fn page(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                header.top { b { "Lazaret" } span { "quarantine station for container images" } }
                main { (body) }
                footer { "Made by lazaret " (env!("CARGO_PKG_VERSION")) ". Everything quoted from an image is its author's text." }
            }
        }
    }
    .into_string()
}

fn overview(rows: &[Row], link: &dyn Fn(usize, &Row) -> String) -> Markup {
    let mut sorted: Vec<_> = rows.iter().enumerate().collect();
    sorted.sort_by_key(|(_, row)| std::cmp::Reverse(row.result.as_ref().ok().map(|it| it.verdict.disposition)));
    html! {
        section.card {
            h2 { (counted(rows.len(), "image")) }
            table {
                thead { tr { th { "Verdict" } th { "Image" } th { "What it is" } } }
                tbody {
                    @for (number, row) in sorted {
                        @match &row.result {
                            Ok(report) => {
                                @let verdict = &report.verdict;
                                tr class=(verdict.disposition.word()) {
                                    td { (symbol(verdict.disposition)) " " (verdict.disposition) }
                                    td {
                                        a href=(link(number, row)) { (visible(&report.image.reference)) }
                                        " " span.soft { (visible(&report.image.platform.to_string())) }
                                    }
                                    td { (categories(report)) }
                                }
                            }
                            Err(error) => {
                                tr.undetermined {
                                    td { (symbol(Disposition::Undetermined)) " not decided" }
                                    td { (visible(&row.reference)) }
                                    td { (visible(&error.message)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn categories(report: &ScanReport) -> String {
    report.verdict.categories.iter().map(|category| category.word()).collect::<Vec<_>>().join(", ")
}

fn article(report: &ScanReport, number: usize) -> Markup {
    let sorted = worst_first(&report.findings);
    let (evidence, facts): (Vec<&Finding>, Vec<&Finding>) = sorted.into_iter().partition(|finding| counts(finding));
    let targets = Targets::of(report, number);
    html! {
        article id=(format!("image-{number}")) class=(report.verdict.disposition.word()) {
            (verdict(report, number))
            // A recording that is judged again has none.
            @if !report.image.layers.is_empty() || report.runs.is_empty() {
                h2 { "Layers " small { "and where the findings in them sit" } }
                (picture(report, number))
            }
            @if !evidence.is_empty() {
                h2 { (counted(evidence.len(), "finding")) " " small { "worst first" } }
                @for finding in &evidence { (finding_card(finding, report, number, &targets)) }
            }
            (runs(report, number))
            (unseen(report))
            @if !facts.is_empty() {
                details {
                    summary { (counted(facts.len(), "fact")) " that did not count" }
                    @for finding in facts.iter().take(FACTS_MAX) { (finding_card(finding, report, number, &targets)) }
                    @if facts.len() > FACTS_MAX {
                        p.soft { "… and " (facts.len() - FACTS_MAX) " more, which --format json lists." }
                    }
                }
            }
            h2 { "Image" }
            (identity(report))
        }
    }
}

fn verdict(report: &ScanReport, number: usize) -> Markup {
    let verdict = &report.verdict;
    html! {
        p.badge { (symbol(verdict.disposition)) " " (verdict.disposition) }
        h1 { (visible(&report.image.reference)) }
        p.advice { (advice(verdict.disposition)) }
        ul.chips {
            @for category in &verdict.categories { li.category { (category) } }
            @if verdict.disposition != Disposition::Clean {
                li { "severity " (verdict.severity) }
                li { "confidence " (verdict.confidence) }
            }
            @match verdict.concealment {
                Some(Concealment::Concealed) => li { "concealed: it does not say what it does" },
                Some(Concealment::Declared) => li { "declared: it says what it does" },
                None => {}
            }
            @if verdict.completeness != Completeness::Complete { li { "not everything was looked at" } }
            @if !report.runs.is_empty() {
                li.category { a href=(format!("#image-{number}-run-1")) { "was run: " (counted(report.runs.len(), "run")) } }
            }
        }
        @if !verdict.reasons.is_empty() {
            h2 { "Why" }
            ul.reasons {
                @for reason in &verdict.reasons {
                    li {
                        (visible(&reason.text)) " "
                        small {
                            @for id in &reason.findings {
                                @let target = report.findings.iter().find(|finding| finding.id == *id);
                                @match target {
                                    Some(finding) => a.mono href=(format!("#{}", anchor(finding, number))) { (visible(id)) },
                                    None => span.mono { (visible(id)) },
                                }
                                " "
                            }
                        }
                    }
                }
            }
        }
    }
}

fn finding_card(finding: &Finding, report: &ScanReport, number: usize, targets: &Targets<'_>) -> Markup {
    let seen = &finding.observation;
    let circumstances = circumstances(finding, &report.image);
    html! {
        div class=(format!("finding {}", seen.severity.word())) id=(anchor(finding, number)) {
            h3 { em { (seen.severity) } (visible(&seen.title)) }
            p.place {
                @match targets.get(finding) {
                    Some(target) => a.mono href=(format!("#{target}")) { (place(finding)) },
                    None => b.mono { (place(finding)) },
                }
                @if let Some((_, event)) = event_of(finding, report) {
                    " " span.soft { (moment(event.at_us)) " in: " }
                    span.mono { (visible(&told(&event.what))) }
                }
                @if !circumstances.is_empty() { " " span.soft { (circumstances.join(" · ")) } }
            }
            @if !seen.summary.is_empty() { pre { (visible(&seen.summary)) } }
            @if !seen.indicators.is_empty() {
                dl.facts {
                    @for indicator in &seen.indicators {
                        dt { (serde_word(&indicator.kind)) }
                        dd.mono { (visible(&indicator.value)) }
                    }
                }
            }
            p.about {
                (visible(&finding.id)) " · " (visible(&seen.detector)) " · " (seen.category) " · "
                (seen.maturity) " " (seen.weight) " · confidence " (seen.confidence)
                @for technique in &seen.techniques { " · " (visible(technique)) }
            }
        }
    }
}

fn unseen(report: &ScanReport) -> Markup {
    html! {
        @if let Completeness::Partial { not_looked_at } = &report.verdict.completeness {
            h2 { "Not looked at" }
            ul.reasons { @for line in not_looked_at { li { (visible(line)) } } }
        }
        @if !report.problems.is_empty() {
            h2 { (counted(report.problems.len(), "problem")) " " small { "ceilings, damage, and what can be read in two ways" } }
            dl.facts {
                @for problem in report.problems.iter().take(FACTS_MAX) {
                    dt { (serde_word(&problem.kind)) }
                    dd {
                        span.mono { (visible(&problem.place)) } ": " (visible(&problem.detail))
                        @if problem.unseen_bytes > 0 { " (" (bytes_shown(problem.unseen_bytes)) " unseen)" }
                    }
                }
            }
        }
    }
}

fn identity(report: &ScanReport) -> Markup {
    let image = &report.image;
    let digest = |name: &str, digest: Option<model::Digest>| {
        html! { @if let Some(digest) = digest { dt { (name) } dd.mono { (digest) } } }
    };
    html! {
        dl.facts {
            dt { "platform" } dd { (visible(&image.platform.to_string())) }
            (digest("index", image.index))
            (digest("manifest", image.manifest))
            (digest("config", Some(image.config)))
            @if !image.command.is_empty() { dt { "runs" } dd.mono { (visible(&image.command.join(" "))) } }
            @if !image.description.is_empty() { dt { "says of itself" } dd { (visible(&image.description)) } }
            @if let Some(created) = &image.created { dt { "made (its author says)" } dd { (visible(created)) } }
            dt { "scanned" }
            dd {
                (dates::shown(report.scanned_at)) ", rules " span.mono { (visible(&report.rule_pack)) }
                @if report.remembered { ", from the catalog" }
            }
        }
        @if !image.layers.is_empty() {
            details {
                summary { (counted(image.layers.len(), "layer digest")) }
                ol.mono { @for layer in &image.layers { li { (layer.digest) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    #[test]
    fn nothing_on_the_page_is_loaded_or_run() {
        let page = scan(&testing::rows());
        assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'"));
        for tag in ["<script", "<img", "<link", "<iframe", "src=", "url(", "@import", " on"] {
            let found = page.match_indices(tag).map(|(at, _)| page.get(at..at + 12).unwrap_or_default());
            let found: Vec<_> = found.filter(|text| !text.starts_with(" on") || text.contains('=')).collect();
            assert!(found.is_empty(), "{tag}: {found:?}");
        }
    }

    #[test]
    fn every_link_has_its_target_and_no_id_is_given_twice() {
        let page = scan(&testing::rows());
        for (at, _) in page.match_indices("href=\"#") {
            let target = page.get(at + 7..).and_then(|rest| rest.split('"').next()).expect("a quoted target");
            assert_eq!(page.matches(&format!(" id=\"{target}\"")).count(), 1, "{target}");
        }
    }
}
