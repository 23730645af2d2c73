//! Reports as a scan would leave them, named instead of hashed.

use model::{
    Category, Completeness, Confidence, Digest, Disposition, Finding, ImageIdentity, LayerSummary, Location, Maturity,
    Observation, Platform, SCHEMA, ScanReport, Severity, Verdict, Weight,
};

pub(crate) fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// A stable proof in a file that the image runs.
pub(crate) fn finding(category: Category, layer: Digest, file: &str) -> Finding {
    finding_by("detector", category, layer, file)
}

pub(crate) fn finding_by(detector: &str, category: Category, layer: Digest, file: &str) -> Finding {
    let observation = Observation {
        detector: detector.to_owned(),
        title: "Miner".to_owned(),
        category,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::Certain,
        maturity: Maturity::Stable,
        techniques: vec![],
        summary: "miner".to_owned(),
        offset: None,
        indicators: vec![],
        inside: None,
    };
    let sha256 = Some(digest(file));
    Finding::new(observation, Location::File { layer, path: file.to_owned(), sha256, hidden: false }, true)
}

/// As [`finding_by`], but only a sign.
pub(crate) fn sign(detector: &str, category: Category, layer: Digest, file: &str) -> Finding {
    let mut finding = finding_by(detector, category, layer, file);
    finding.observation.weight = Weight::Sign;
    finding
}

/// A layer `x` has the digest `x` and the DiffID `x tar`.
pub(crate) fn report(name: &str, disposition: Disposition, layers: &[Digest], findings: Vec<Finding>) -> ScanReport {
    let layer = |digest: &Digest| LayerSummary {
        digest: *digest,
        diff_id: Some(Digest::of(format!("{digest} tar").as_bytes())),
        packed_bytes: 1,
        unpacked_bytes: 1,
        entries: 1,
        history: None,
        findings: 0,
        remembered: false,
    };
    ScanReport {
        schema: SCHEMA.to_owned(),
        image: ImageIdentity {
            reference: format!("registry.test/{name}:latest"),
            index: Some(digest("index")),
            manifest: Some(digest(name)),
            config: digest(&format!("{name} config")),
            config_pins_layers: true,
            platform: Platform { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None },
            created: None,
            command: vec![],
            description: String::new(),
            layers: layers.iter().map(layer).collect(),
        },
        verdict: Verdict {
            disposition,
            categories: findings.iter().map(|finding| finding.observation.category).collect(),
            severity: Severity::High,
            confidence: Confidence::Certain,
            concealment: None,
            reasons: vec![],
            completeness: Completeness::Complete,
        },
        findings,
        problems: vec![],
        runs: vec![],
        rule_pack: "rules".to_owned(),
        scanned_at: 1_709_164_800,
        remembered: false,
    }
}

/// A malicious image with a miner as the file `NAME miner` in `layer`.
pub(crate) fn miner(name: &str, layer: Digest) -> ScanReport {
    let found = finding(Category::Cryptominer, layer, &format!("{name} miner"));
    report(name, Disposition::Malicious, &[layer], vec![found])
}
