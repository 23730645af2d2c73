//! `lazaret doctor`: what this machine gives for running images.

use std::fmt::Write as _;

use clap::Args;
use sandbox::{launch, sensor};
use serde_json::json;

use crate::{
    exit::{Exit, Failure},
    output::destination::Destination,
    settings::ConfigFile,
    surroundings::Surroundings,
};

/// Tries what running images needs (sandbox, sensors, network) and says what works here, and what would help where it does not.
///
/// Ends with 0 if images can be run at all, with 3 if not.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// Write JSON
    #[arg(long)]
    pub json: bool,
}

/// Tries and says.
///
/// # Errors
///
/// [`Exit::Output`] if it cannot be written.
pub fn run(
    arguments: &DoctorArguments,
    _config: &ConfigFile,
    surroundings: &Surroundings<'_>,
) -> Result<Exit, Failure> {
    let folder = std::env::temp_dir().join(format!("lazaret-doctor-{}", std::process::id()));
    let mut checks = launch::doctor(&folder);
    let _ = std::fs::remove_dir_all(&folder);
    checks.extend(sensor::doctor());
    let can_run = checks.iter().any(|check| check.name.starts_with("isolation") && check.works);
    let text = if arguments.json {
        let rows: Vec<_> = checks
            .iter()
            .map(|check| json!({"name": check.name, "works": check.works, "detail": check.detail, "remedy": check.remedy}))
            .collect();
        format!("{:#}\n", json!({"schema": "lazaret.doctor/1", "can_run": can_run, "checks": rows}))
    } else {
        let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        let mut text = String::new();
        for check in &checks {
            let mark = if check.works { "yes" } else { "no " };
            let _ = writeln!(text, "{mark}  {:width$}  {}", check.name, check.detail);
            if !check.works && !check.remedy.is_empty() {
                let _ = writeln!(text, "     {:width$}  try: {}", "", check.remedy);
            }
        }
        let end = if can_run { "Images can be run here." } else { "Images cannot be run here." };
        let _ = writeln!(text, "\n{end}");
        text
    };
    Destination::open(None, surroundings.color)?.write(&text)?;
    Ok(if can_run { Exit::Below } else { Exit::Undecided })
}
