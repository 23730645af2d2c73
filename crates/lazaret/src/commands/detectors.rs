//! `lazaret detectors`: what is looked for, and how often each is wrong.

use anyhow::anyhow;
use clap::Args;
use inspect::measured;
use model::{About, Category};
use serde_json::json;
use unicode_width::UnicodeWidthStr;

use crate::{
    exit::{Exit, Failure, OrExit},
    output::{
        destination::Destination,
        style::{self, BOLD, DIM, paint},
    },
    surroundings::Surroundings,
    words::ListFormat,
};

/// Lists the built-in detectors, rules and behaviours: what each counts for, how far it is trusted, and on how many honest images of the
/// evaluation corpus it raised a sign or a proof. With ids, shows these: what they see, what they miss, their false alarms.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret detectors                          all of them
  lazaret detectors --category cryptominer   one category
  lazaret detectors reverse-shell            what one sees and misses")]
pub struct DetectorsArguments {
    /// Ids to show whole
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// Only these categories
    #[arg(long, value_name = "CATEGORY")]
    pub category: Vec<Category>,
    /// How to write them
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub format: ListFormat,
}

/// Writes the list, or what the named ones say of themselves.
///
/// # Errors
///
/// [`Exit::Usage`] for an id that is none, [`Exit::Output`].
pub fn run(arguments: &DetectorsArguments, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let mut all = inspect::catalogue();
    all.extend(behaviour::catalogue());
    for id in &arguments.ids {
        if !all.iter().any(|about| about.id == id) {
            return Err(anyhow!("no detector has the id {id:?}: `lazaret detectors` lists them")).or_exit(Exit::Usage);
        }
    }
    let wanted = |about: &&About| {
        (arguments.category.is_empty() || arguments.category.contains(&about.category))
            && (arguments.ids.is_empty() || arguments.ids.iter().any(|id| id == about.id))
    };
    let chosen: Vec<_> = all.into_iter().filter(wanted).collect();
    let text = match arguments.format {
        ListFormat::Json => json_list(&chosen),
        ListFormat::Table if arguments.ids.is_empty() => list(&chosen),
        ListFormat::Table => chosen.iter().map(|about| shown(about)).collect::<Vec<_>>().join("\n"),
    };
    Destination::open(None, surroundings.color)?.write(&text)?;
    Ok(Exit::Below)
}

/// `0 of 521`, or a dash for what was never measured.
fn rate(about: &About) -> String {
    measured(about.id).map_or_else(|| "-".to_owned(), |(alarms, images)| format!("{alarms} of {images}"))
}

/// One each line: id, severity, category, what it counts for, how far it is trusted, false alarms, title.
#[must_use]
pub fn list(detectors: &[&About]) -> String {
    let mut sorted = detectors.to_vec();
    sorted.sort_by_key(|about| about.id);
    let widest = |text: fn(&About) -> &'static str| sorted.iter().map(|about| text(about).width()).max().unwrap_or(0);
    let (ids, categories) = (widest(|about| about.id), widest(|about| about.category.word()).max(8));
    let rates = sorted.iter().map(|about| rate(about).width()).max().unwrap_or(0).max(12);
    let head = format!(
        "{:<ids$}  SEVERITY  {:<categories$}  COUNTS  MATURITY    {:<rates$}  TITLE",
        "ID", "CATEGORY", "FALSE ALARMS"
    );
    let mut text = paint(DIM, head.trim_end());
    text.push('\n');
    for about in sorted {
        let severity = paint(style::severity(about.severity), format!("{:<8}", about.severity.word()));
        let line = format!(
            "{:<ids$}  {severity}  {:<categories$}  {:<6}  {:<10}  {:<rates$}  {}  {}",
            about.id,
            about.category.word(),
            about.weight.word(),
            about.maturity.word(),
            rate(about),
            about.title,
            paint(DIM, about.techniques.join(" ")),
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// One detector with its header.
fn shown(about: &About) -> String {
    let mut text = paint(BOLD, format!("{}: {}", about.id, about.title));
    let facts = [
        about.category.word().to_owned(),
        format!("{} {}", about.maturity.word(), about.weight.word()),
        format!("severity {}", about.severity.word()),
        format!("confidence {}", about.confidence.word()),
        format!("false alarms {}", rate(about)),
        about.techniques.join(" "),
    ];
    text.push_str(&format!("\n{}\n\n", paint(DIM, facts.join(" · ").trim_end_matches(" · "))));
    text.push_str(inspect::header(about.id).or_else(|| behaviour::header(about.id)).unwrap_or_default().trim_end());
    text.push('\n');
    text
}

fn json_list(detectors: &[&About]) -> String {
    let entry = |about: &&About| {
        json!({
            "id": about.id, "title": about.title, "category": about.category, "weight": about.weight,
            "severity": about.severity, "confidence": about.confidence, "maturity": about.maturity,
            "techniques": about.techniques,
            "false_alarms": measured(about.id).map(|(alarms, images)| json!({"images": alarms, "of": images})),
        })
    };
    let list = json!({"schema": "lazaret.detectors/1", "detectors": detectors.iter().map(entry).collect::<Vec<_>>()});
    format!("{list:#}\n")
}

#[cfg(test)]
mod tests {
    use model::{Confidence, Maturity, Severity, Weight};

    use super::*;

    #[test]
    fn detectors_are_listed_by_id_in_columns() {
        let about = |id, category, techniques| About {
            id,
            title: "What was found",
            category,
            weight: Weight::Sign,
            severity: Severity::High,
            confidence: Confidence::High,
            maturity: Maturity::Draft,
            techniques,
        };
        let long = about("persistence-cron", Category::Backdoor, &["T1053.003"]);
        let short = about("miner", Category::Cryptominer, &["T1496"]);
        let text = anstream::adapter::strip_str(&list(&[&long, &short])).to_string();
        insta::assert_snapshot!(text, @r"
        ID                SEVERITY  CATEGORY     COUNTS  MATURITY    FALSE ALARMS  TITLE
        miner             high      cryptominer  sign    draft       -             What was found  T1496
        persistence-cron  high      backdoor     sign    draft       -             What was found  T1053.003
        ");
    }

    #[test]
    fn a_shown_detector_says_what_it_sees() {
        let all = inspect::catalogue();
        let about = all.iter().find(|about| about.id == "reverse-shell").expect("is there");
        let text = anstream::adapter::strip_str(&shown(about)).to_string();
        assert!(text.contains("- Sees:") && text.contains("- Misses:"), "{text}");
    }
}
