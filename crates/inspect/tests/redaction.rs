//! No secret leaves: what observations say of a secret cannot be used as one.

use std::{fs, path::Path};

use base64::Engine as _;
use inspect::{Place, RuleFile, RulePack, detectors::About};
use model::{ImageConfig, Observation};

/// Detectors whose samples hold secrets.
const OF_SECRETS: [&str; 6] =
    ["cloud-key", "credential-file", "env-secret", "private-key", "private-key-file", "service-token"];
/// So many characters of a secret in a row are too many.
const RUN_BYTES: usize = 12;

/// Runs that look drawn at random: letters and digits mixed, of the alphabets that secrets use.
fn secret_runs(bytes: &[u8]) -> Vec<&[u8]> {
    let looks_drawn = |run: &&[u8]| {
        let of_a_secret = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/_-".contains(byte);
        run.iter().all(of_a_secret)
            && run.iter().filter(|byte| byte.is_ascii_digit()).count() >= 3
            && run.iter().filter(|byte| byte.is_ascii_alphabetic()).count() >= 3
    };
    bytes.windows(RUN_BYTES).filter(looks_drawn).collect()
}

fn said(observations: &[Observation]) -> String {
    let texts = observations.iter().flat_map(|seen| {
        let values = seen.indicators.iter().map(|indicator| indicator.value.as_str());
        [seen.summary.as_str(), seen.title.as_str()].into_iter().chain(values)
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn look(pack: &RulePack, name: &str, bytes: &[u8]) -> Vec<Observation> {
    if name.ends_with(".config.json") {
        let config = ImageConfig::parse(bytes).expect("a config");
        return pack.config(&config).into_iter().map(|finding| finding.observation).collect();
    }
    let mut inspector = pack.inspector();
    let facts = inspector.content(bytes);
    let path = name.rsplit(',').next().unwrap_or(name).replace("%2F", "/");
    let place =
        Place { path: path.trim_start_matches('/'), mode: 0o644, uid: 0, kind: facts.kind, size: bytes.len() as u64 };
    let placed = inspector.place(&place, bytes);
    facts.observations.into_iter().chain(placed).collect()
}

/// Fails if what is said repeats a run of `bytes`; how many runs were compared.
fn compare(name: &str, bytes: &[u8], observations: &[Observation]) -> usize {
    let said = said(observations);
    let runs = secret_runs(bytes);
    for run in &runs {
        let run = String::from_utf8_lossy(run);
        assert!(!said.contains(run.as_ref()), "{name}: {run:?} is in\n{said}");
    }
    runs.len()
}

/// Every example of every rule of ours, by our detectors and by the same file as a user's.
#[test]
fn no_rule_for_secrets_repeats_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules/secrets");
    let mut runs_compared = 0;
    for entry in fs::read_dir(folder).expect("our rules") {
        let file = entry.expect("listed").path();
        if file.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("our rules");
        let rules: toml::Table = text.parse().expect("TOML");
        let pack = RulePack::new(vec![RuleFile { name: "user.toml".to_owned(), text }]).expect("loads as a user's");
        let mut inspector = pack.inspector();
        for rule in rules["rules"].as_array().expect("rules") {
            let id = rule["id"].as_str().expect("an id");
            for example in rule["lazaret"]["examples"].as_array().expect("examples") {
                let example = example.as_str().expect("base64");
                let bytes = base64::engine::general_purpose::STANDARD.decode(example).expect("base64");
                let observations = inspector.content(&bytes).observations;
                let found = |detector: &str| observations.iter().any(|seen| seen.detector == detector);
                assert!(found("service-token") && found(&format!("secrets:user.{id}")), "{id}: {observations:#?}");
                runs_compared += compare(id, &bytes, &observations);
            }
        }
    }
    assert!(runs_compared > 10_000, "{runs_compared} runs of secrets are too few to prove anything");
}

#[test]
fn no_observation_repeats_a_secret() {
    let pack = RulePack::new(Vec::new()).expect("no user rules");
    let known: Vec<_> = inspect::catalogue().into_iter().map(|About { id, .. }| *id).collect();
    let mut runs_compared = 0;
    for id in OF_SECRETS {
        assert!(known.contains(&id), "{id} is gone: its samples are not looked at");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus").join(id).join("hits");
        for entry in fs::read_dir(folder).expect("samples") {
            let file = entry.expect("listed").path();
            let mut name = file.file_name().expect("a file").to_string_lossy().into_owned();
            let mut bytes = fs::read(&file).expect("a sample");
            if let Some(plain) = name.strip_suffix(".b64") {
                bytes.retain(|byte| !byte.is_ascii_whitespace());
                bytes = base64::engine::general_purpose::STANDARD.decode(&bytes).expect("base64");
                name = plain.to_owned();
            } else if let Some(plain) = name.strip_suffix(".hex") {
                bytes.retain(|byte| !byte.is_ascii_whitespace());
                bytes = hex::decode(&bytes).expect("hex");
                name = plain.to_owned();
            }
            let observations = look(&pack, &name, &bytes);
            assert!(!observations.is_empty(), "{} gives nothing to compare", file.display());
            runs_compared += compare(&file.display().to_string(), &bytes, &observations);
        }
    }
    assert!(runs_compared > 1_000, "{runs_compared} runs of secrets are too few to prove anything");
}
