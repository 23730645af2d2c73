//! Joins a finding with how it came there: which build step added the file, which layer hides it, and by which way the
//! image comes to run it.

use std::collections::HashMap;

use model::{Digest, EntryKind, Finding, ImageConfig, LayerRecord, Location, Origin, text};

use crate::{
    overlay::{At, Overlay},
    reach::Reach,
};

/// Longest history line quoted.
const STEP_CHARS_MAX: usize = 200;

/// Tells every finding in a file how the file came there.
pub(crate) fn trace(
    findings: &mut [Finding],
    config: &ImageConfig,
    records: &[&LayerRecord],
    overlay: &Overlay<'_>,
    reached: &Reach,
) {
    let numbers: HashMap<Digest, usize> = records.iter().enumerate().map(|(number, it)| (it.digest, number)).collect();
    let steps: Vec<&str> =
        config.history.iter().filter(|line| !line.empty_layer).map(|line| line.created_by.as_str()).collect();
    // A history with another number of lines than layers tells nothing about any of them.
    let steps = if steps.len() == config.diff_ids.len() && steps.len() == records.len() { steps } else { Vec::new() };
    let chains: HashMap<(usize, &str), At> =
        reached.entries.iter().map(|&at| ((at.0, overlay.entry(at).path.as_str()), at)).collect();
    let hiders = hiders(findings, records, &numbers);
    for finding in findings {
        let Location::File { layer, path, hidden, .. } = &finding.location else { continue };
        let Some(&number) = numbers.get(layer) else { continue };
        let mut run_by = Vec::new();
        if finding.runs
            && let Some(&at) = chains.get(&(number, path.as_str()))
        {
            let (start, files) = reached.chain(at);
            run_by.push(start.to_owned());
            run_by.extend(files.into_iter().map(|at| format!("/{}", overlay.entry(at).path)));
        }
        let step = steps.get(number).filter(|step| !step.is_empty());
        finding.origin = Some(Origin {
            created_by: step.map(|step| text::shortened(step, STEP_CHARS_MAX).into_owned()),
            hidden_by: hidden.then(|| hiders.get(&(number, path.clone()))).flatten().copied(),
            run_by,
        });
    }
}

/// The lowest layer above each hidden file that deletes or replaces it. Time is linear in the entries.
fn hiders(
    findings: &[Finding],
    records: &[&LayerRecord],
    numbers: &HashMap<Digest, usize>,
) -> HashMap<(usize, String), Digest> {
    // By path, the hidden files under it; a whiteout of a folder hides what is in it.
    let mut below: HashMap<&str, Vec<(usize, &str)>> = HashMap::new();
    for finding in findings {
        let Location::File { layer, path, hidden: true, .. } = &finding.location else { continue };
        let Some(&number) = numbers.get(layer) else { continue };
        let folders = path.match_indices('/').filter_map(|(end, _)| path.get(..end));
        for place in folders.chain([path.as_str()]) {
            let files = below.entry(place).or_default();
            if files.last() != Some(&(number, path.as_str())) {
                files.push((number, path));
            }
        }
    }
    let mut hiders = HashMap::new();
    for (number, layer) in records.iter().enumerate() {
        for entry in &layer.entries {
            let Some(files) = below.get(entry.path.as_str()) else { continue };
            for &(file, path) in files.iter().filter(|(file, _)| *file < number) {
                let covers = match entry.kind {
                    EntryKind::Whiteout => true,
                    EntryKind::Opaque => path != entry.path,
                    EntryKind::Folder => false,
                    _ => path == entry.path,
                };
                if covers {
                    hiders.entry((file, path.to_owned())).or_insert(layer.digest);
                }
            }
        }
    }
    hiders
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use EntryKind::{File, Whiteout};
    use model::{
        Category, Confidence, Digest, EntryKind, Finding, ImageConfig, Location, Maturity, Observation, Severity,
        Weight,
    };

    use super::trace;
    use crate::{
        overlay::{Overlay, tests::layer},
        reach::reach,
    };

    fn finding(layer: Digest, path: &str, hidden: bool) -> Finding {
        let seen = Observation {
            detector: "x".to_owned(),
            title: String::new(),
            category: Category::Other,
            weight: Weight::Sign,
            severity: Severity::Low,
            confidence: Confidence::Low,
            maturity: Maturity::Stable,
            techniques: Vec::new(),
            summary: String::new(),
            offset: None,
            indicators: Vec::new(),
            inside: None,
        };
        Finding::new(seen, Location::File { layer, path: path.to_owned(), sha256: None, hidden }, !hidden)
    }

    #[test]
    fn a_finding_knows_its_step_its_way_and_who_hides_it() {
        let mut lower = layer(&[("start.sh", File), ("opt/x", File), ("opt/gone", File)]);
        let mut upper = layer(&[("opt/gone", Whiteout)]);
        (lower.digest, upper.digest) = (Digest::of(b"lower"), Digest::of(b"upper"));
        let config = format!(
            r#"{{"config":{{"Entrypoint":["/start.sh"]}},"rootfs":{{"diff_ids":["{0}","{0}"]}},
            "history":[{{"created_by":"COPY x"}},{{"created_by":"ENV A=1","empty_layer":true}},{{"created_by":"RUN rm"}}]}}"#,
            Digest::of(b"")
        );
        let config = ImageConfig::parse(config.as_bytes()).expect("valid");
        let (layers, words) = ([&lower, &upper], vec!["/opt/x".to_owned()]);
        let overlay = Overlay::new(&layers);
        let reached = reach(&config, &overlay, &HashMap::from([((0, 0), words.as_slice())]));
        let mut findings = [finding(lower.digest, "opt/x", false), finding(lower.digest, "opt/gone", true)];
        trace(&mut findings, &config, &layers, &overlay, &reached);

        let [run, gone] = findings.map(|finding| finding.origin.expect("in a file"));
        assert_eq!(run.run_by, ["ENTRYPOINT", "/start.sh", "/opt/x"]);
        assert_eq!(run.created_by.as_deref(), Some("COPY x"));
        assert_eq!((run.hidden_by, gone.hidden_by), (None, Some(upper.digest)));
        assert!(gone.run_by.is_empty());
    }
}
