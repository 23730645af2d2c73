//! Looks at image configs and histories.

use std::panic::{AssertUnwindSafe, catch_unwind};

use model::{Finding, ImageConfig, Location, Observation};

use crate::{
    Inspector, RulePack,
    detectors::{self, Match},
    inspector::Answers,
    observe::{failed, observation},
};

/// Fields of the config that start something.
const RUNS: [&str; 3] = ["config.Entrypoint", "config.Cmd", "config.Healthcheck"];

impl RulePack {
    /// Looks at the image config and history; the findings have their place.
    ///
    /// Every text of it (environment, command, labels, history lines, …) is looked at by the content detectors as a
    /// text file would be; then come the detectors of configs. What the image starts (entry point, command, health
    /// check) `runs`.
    #[must_use]
    pub fn config(&self, config: &ImageConfig) -> Vec<Finding> {
        let mut inspector = self.inspector();
        let mut findings = Vec::new();
        for (location, text) in texts(config) {
            add(&mut inspector, location, &text, &mut findings);
        }
        for detector in detectors::ALL_CONFIG {
            match catch_unwind(AssertUnwindSafe(|| (detector.inspect)(config))) {
                Ok(found) => {
                    findings.extend(
                        found.into_iter().map(|(location, found)| place(observation_of(detector, found), location)),
                    );
                }
                Err(_) => findings.push(place(failed(&detector.about), Location::Image)),
            }
        }
        findings
    }
}

fn observation_of(detector: &detectors::ConfigDetector, found: Match) -> Observation {
    let offset = found.offset.map(|offset| offset as u64);
    observation(&detector.about, found, offset)
}

fn add(inspector: &mut Inspector<'_>, location: Location, text: &str, findings: &mut Vec<Finding>) {
    if text.is_empty() {
        return;
    }
    let Answers { observations, problems, .. } = inspector.text(text);
    let missing = problems.iter().any(|problem| problem.unseen_bytes > 0);
    findings.extend(observations.into_iter().map(|seen| place(seen, location.clone())));
    if missing {
        findings.push(place(failed(&crate::catalogue::ENGINE), location));
    }
}

fn place(seen: Observation, location: Location) -> Finding {
    let runs = matches!(&location, Location::Config { field } if RUNS.iter().any(|run| field.starts_with(run)));
    Finding::new(seen, location, runs)
}

/// Every text of the config with its place.
fn texts(config: &ImageConfig) -> Vec<(Location, String)> {
    let field = |field: String, text: &str| (Location::Config { field }, text.to_owned());
    let mut texts = vec![
        field("config.Entrypoint".to_owned(), &config.entrypoint.join(" ")),
        field("config.Cmd".to_owned(), &config.cmd.join(" ")),
        field("config.Healthcheck.Test".to_owned(), &config.healthcheck.join(" ")),
        field("config.User".to_owned(), &config.user),
        field("config.WorkingDir".to_owned(), &config.working_dir),
        field("config.ExposedPorts".to_owned(), &config.exposed_ports.join(" ")),
    ];
    for (index, text) in config.env.iter().enumerate() {
        texts.push(field(format!("config.Env[{index}]"), text));
    }
    for (key, value) in &config.labels {
        texts.push(field(format!("config.Labels[{key:?}]"), &format!("{key}={value}")));
    }
    for (index, text) in config.on_build.iter().enumerate() {
        texts.push(field(format!("config.OnBuild[{index}]"), text));
    }
    for (line, history) in config.history.iter().enumerate() {
        texts.push((Location::History { line }, history.created_by.clone()));
        texts.push((Location::History { line }, history.comment.clone()));
    }
    texts
}
