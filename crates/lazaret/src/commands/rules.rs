//! `lazaret rules`: what is looked for.

use clap::Subcommand;
use inspect::detectors::About;
use unicode_width::UnicodeWidthStr;

use crate::{
    exit::{Exit, Failure},
    output::{
        destination::Destination,
        style::{self, DIM, paint},
    },
    surroundings::Surroundings,
};

/// What to show of the rules.
#[derive(Debug, Subcommand)]
pub enum RulesRole {
    /// List the built-in detectors and what they count for
    List,
}

/// Writes the list.
///
/// # Errors
///
/// [`Exit::Output`].
pub fn run(role: &RulesRole, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    match role {
        RulesRole::List => {
            Destination::open(None, surroundings.color)?.write(&list(&inspect::detectors::list()))?;
            Ok(Exit::Below)
        }
    }
}

/// The detectors, one each line: id, severity, category, what it counts for, how far it is trusted, title.
#[must_use]
pub fn list(detectors: &[&About]) -> String {
    let mut sorted = detectors.to_vec();
    sorted.sort_by_key(|about| about.id);
    let widest = |text: fn(&About) -> &'static str| sorted.iter().map(|about| text(about).width()).max().unwrap_or(0);
    let (ids, categories) = (widest(|about| about.id), widest(|about| about.category.word()));
    let mut text = String::new();
    for about in sorted {
        let severity = paint(style::severity(about.severity), format!("{:<8}", about.severity.word()));
        let techniques = about.techniques.join(" ");
        let line = format!(
            "{:<ids$}  {severity}  {:<categories$}  {:<5}  {:<10}  {}  {}",
            about.id,
            about.category.word(),
            about.weight.word(),
            about.maturity.word(),
            about.title,
            paint(DIM, techniques),
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use model::{Category, Confidence, Maturity, Severity, Weight};

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
        miner             high      cryptominer  sign   draft       What was found  T1496
        persistence-cron  high      backdoor     sign   draft       What was found  T1053.003
        ");
    }
}
