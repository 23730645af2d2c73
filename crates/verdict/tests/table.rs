//! DESIGN.md, "Vocabulary", row by row, and what must hold for any findings.

use std::collections::BTreeSet;

use model::{
    Category, Category as C, Completeness, Concealment, Confidence, Digest, Disposition,
    Disposition::{Clean, Malicious, Risky, Suspicious, Undetermined},
    Finding, Location, Maturity, Observation, Problem, ProblemKind, Severity, Verdict, Weight,
};
use proptest::prelude::*;
use verdict::{Subject, judge};

/// A stable finding in a file that nothing runs; the methods make it another.
fn found(category: Category, weight: Weight, detector: &str) -> Finding {
    let observation = Observation {
        detector: detector.to_owned(),
        title: "title".to_owned(),
        category,
        weight,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: vec![],
        summary: "summary".to_owned(),
        offset: None,
        indicators: vec![],
        inside: None,
    };
    let place = Location::File {
        layer: Digest::of(b"layer"),
        path: "usr/bin/httpd".to_owned(),
        sha256: Some(Digest::of(b"file")),
        hidden: false,
    };
    Finding::new(observation, place, false)
}

fn proof(category: Category) -> Finding {
    found(category, Weight::Proof, "a")
}

fn sign(category: Category) -> Finding {
    found(category, Weight::Sign, "a")
}

fn run(finding: Finding) -> Finding {
    Finding::new(finding.observation, finding.location, true)
}

fn draft(mut finding: Finding) -> Finding {
    finding.observation.maturity = Maturity::Draft;
    Finding::new(finding.observation, finding.location, finding.runs)
}

fn by(detector: &str, mut finding: Finding) -> Finding {
    finding.observation.detector = detector.to_owned();
    Finding::new(finding.observation, finding.location, finding.runs)
}

fn hidden(mut finding: Finding) -> Finding {
    if let Location::File { hidden, .. } = &mut finding.location {
        *hidden = true;
    }
    Finding::new(finding.observation, finding.location, finding.runs)
}

fn planted_key() -> Finding {
    let mut key = found(C::Backdoor, Weight::Sign, "planted-ssh-key");
    key.observation.techniques = vec!["T1098.004".to_owned()];
    Finding::new(key.observation, key.location, false)
}

fn judged(findings: &[Finding], claims: &[&str], command: &[&str], problems: &[(Problem, bool)]) -> Verdict {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let (claims, command) = (owned(claims), owned(command));
    judge(findings, &Subject { claims: &claims, command: &command, problems, unpacked_bytes: 100_000 })
}

fn check(row: &str, findings: &[Finding], expected: Disposition) {
    let verdict = judged(findings, &["docker.io/library/httpd:2"], &["httpd", "-D"], &[]);
    assert_eq!(verdict.disposition, expected, "{row}: {:#?}", verdict.reasons);
}

fn problem(unseen_bytes: u64) -> Problem {
    let (place, detail) = ("a.zip".to_owned(), "encrypted".to_owned());
    Problem { kind: ProblemKind::Encrypted, place, detail, unseen_bytes }
}

#[test]
fn miners_and_proxyware() {
    for category in [C::Cryptominer, C::Proxyware] {
        check("does not say what it is", &[proof(category)], Malicious);
        check("two signs", &[sign(category), by("b", sign(category))], Malicious);
        check("two signs of one detector", &[sign(category), sign(category)], Risky);
        check("one sign in what runs", &[run(sign(category))], Suspicious);
        check("one sign", &[sign(category)], Risky);
    }
    let verdict = judged(&[run(proof(C::Cryptominer))], &["docker.io/a/xmrig:6"], &["/usr/bin/xmrig"], &[]);
    assert_eq!((verdict.disposition, verdict.concealment), (Risky, Some(Concealment::Declared)));
    let verdict = judged(&[proof(C::Cryptominer)], &["docker.io/a/pytorch:2"], &["python"], &[]);
    assert_eq!((verdict.disposition, verdict.concealment), (Malicious, Some(Concealment::Concealed)));
}

#[test]
fn flooders_and_tools() {
    check("DDoS tool with targets", &[proof(C::Ddos)], Malicious);
    let declared = judged(&[proof(C::Ddos)], &["docker.io/a/ddos:1"], &["ddos"], &[]);
    assert_eq!(declared.disposition, Malicious, "declared or not");
    check("one sign in what runs", &[run(sign(C::Ddos))], Suspicious);
    check("one sign", &[sign(C::Ddos)], Risky);
    for category in [C::HackingTool, C::ProxyAvoidance] {
        check("tool", &[run(proof(category)), run(by("b", proof(category)))], Risky);
        check("tool", &[sign(category)], Risky);
    }
}

#[test]
fn attacks() {
    for category in [C::Backdoor, C::Worm, C::CredentialTheft, C::Ransomware, C::Wiper, C::ContainerEscape] {
        check("in what the image runs", &[run(proof(category))], Malicious);
        check("merely present", &[proof(category)], Suspicious);
        check("merely present, seen by two", &[proof(category), by("b", proof(category))], Suspicious);
        check("hidden in a lower layer", &[hidden(run(proof(category)))], Suspicious);
        check("one sign", &[run(sign(category))], Suspicious);
        check("two signs in what runs", &[run(sign(category)), by("b", sign(category))], Malicious);
        check("a second sign elsewhere", &[run(sign(category)), by("b", sign(C::Cryptominer))], Malicious);
        check(
            "a leaked secret is no second sign",
            &[run(sign(category)), by("b", proof(C::EmbeddedSecret))],
            Suspicious,
        );
    }
}

#[test]
fn planted_keys() {
    check("alone", &[planted_key()], Suspicious);
    check("with any second sign", &[planted_key(), sign(C::Cryptominer)], Malicious);
    check("with a second sign of its own category", &[planted_key(), sign(C::Backdoor)], Malicious);
    check("a draft may be the second sign", &[planted_key(), draft(sign(C::Worm))], Malicious);
    check("the same detector twice", &[planted_key(), planted_key()], Suspicious);
    check("a fact is no sign", &[planted_key(), found(C::Worm, Weight::Fact, "b")], Suspicious);
}

#[test]
fn secrets_and_sites() {
    check("leaked secret", &[run(proof(C::EmbeddedSecret))], Risky);
    check("what could be a secret", &[run(sign(C::EmbeddedSecret))], Clean);
    check("bad site contacted", &[run(proof(C::MaliciousWebsite))], Malicious);
    check("bad site named", &[proof(C::MaliciousWebsite)], Suspicious);
    for category in [C::NewlyRegisteredDomain, C::DynamicDns] {
        check("in what runs", &[run(sign(category))], Suspicious);
        check("merely present", &[sign(category)], Risky);
    }
}

#[test]
fn pretenders_and_the_rest() {
    check("impersonation alone", &[proof(C::Impersonation)], Suspicious);
    check("with an attack that lies there", &[proof(C::Impersonation), by("b", proof(C::Backdoor))], Malicious);
    let miner = [proof(C::Impersonation), by("b", proof(C::Cryptominer))];
    let verdict = judged(&miner, &["docker.io/a/xmrig:6"], &["xmrig"], &[]);
    assert_eq!((verdict.disposition, verdict.concealment), (Malicious, Some(Concealment::Concealed)));
    check("phishing", &[proof(C::Phishing)], Malicious);
    check("spam", &[proof(C::Spam)], Suspicious);
    check("other", &[proof(C::Other)], Risky);
    check("nothing", &[], Clean);
    for category in Category::ALL {
        check("a fact", &[run(found(*category, Weight::Fact, "a"))], Clean);
    }
}

#[test]
fn drafts_alone_are_risky_at_most() {
    for category in Category::ALL {
        let drafts = [draft(run(proof(*category))), by("b", draft(run(proof(*category))))];
        assert!(judged(&drafts, &[], &[], &[]).disposition <= Risky, "{category}");
    }
    check(
        "beside a stable sign a draft is the second",
        &[sign(C::Cryptominer), by("b", draft(sign(C::Cryptominer)))],
        Malicious,
    );
    check(
        "a draft impersonation lifts nothing",
        &[draft(proof(C::Impersonation)), by("b", proof(C::Wiper))],
        Suspicious,
    );
}

#[test]
fn what_was_not_looked_at_can_matter() {
    let disposition =
        |findings: &[Finding], problems: &[(Problem, bool)]| judged(findings, &[], &[], problems).disposition;
    assert_eq!(disposition(&[], &[(problem(1), false)]), Clean);
    assert_eq!(disposition(&[], &[(problem(1), true)]), Undetermined, "the image runs it");
    assert_eq!(disposition(&[], &[(problem(1_000), false)]), Clean, "1 % is not more than 1 %");
    assert_eq!(disposition(&[], &[(problem(999), false), (problem(2), false)]), Undetermined);
    assert_eq!(disposition(&[], &[(problem(u64::MAX), false), (problem(u64::MAX), false)]), Undetermined);
    assert_eq!(disposition(&[proof(C::Impersonation)], &[(problem(0), true)]), Undetermined);
    assert_eq!(disposition(&[proof(C::Cryptominer)], &[(problem(0), true)]), Malicious, "malicious stands");
    let odd = Problem { kind: ProblemKind::Ambiguous, ..problem(1_000_000) };
    let verdict = judged(&[], &[], &[], &[(odd, true)]);
    assert_eq!((verdict.disposition, verdict.completeness), (Clean, Completeness::Complete), "odd, but seen");

    let problems: Vec<_> = (0..80).map(|_| (problem(1), false)).collect();
    let nothing = Subject { claims: &[], command: &[], problems: &problems, unpacked_bytes: 0 };
    let verdict = judge(&[], &nothing);
    assert_eq!(verdict.disposition, Undetermined, "nothing unpacked");
    let Completeness::Partial { not_looked_at } = verdict.completeness else { panic!("must be partial") };
    assert_eq!(not_looked_at.len(), 51);
    assert_eq!(not_looked_at.first().map(String::as_str), Some("a.zip: encrypted (1 bytes)"));
    assert_eq!(not_looked_at.last().map(String::as_str), Some("and 30 more"));
}

#[test]
fn a_verdict_says_why_and_how_sure() {
    let mut weak = sign(C::EmbeddedSecret);
    weak.observation.severity = Severity::Critical;
    let miner = run(found(C::Cryptominer, Weight::Proof, "miner-binary"));
    let verdict = judged(&[weak, proof(C::Other), miner.clone()], &[], &[], &[(problem(5), true)]);
    assert_eq!((verdict.severity, verdict.confidence), (Severity::High, Confidence::High), "of what carries it");
    assert_eq!(verdict.categories, BTreeSet::from([C::Cryptominer, C::Other]));
    let lines: Vec<_> = verdict.reasons.iter().map(|reason| reason.text.as_str()).collect();
    assert_eq!(
        lines,
        [
            "cryptominer: miner-binary (stable) in usr/bin/httpd, run by the image",
            "other: a (stable) in usr/bin/httpd",
            "embedded-secret: a (stable) in usr/bin/httpd",
            "embedded-secret: one sign alone does not count",
        ]
    );
    assert_eq!(verdict.reasons[0].findings, [miner.id]);
}

#[test]
fn reasons_stay_few_and_short() {
    let findings: Vec<_> = (0..5_000)
        .map(|number| {
            let detector = format!("yara:{}.{}", number % 100, "x".repeat(1_000));
            let mut finding = found(C::Other, Weight::Sign, &detector);
            finding.observation.offset = Some(number);
            Finding::new(finding.observation, finding.location, false)
        })
        .collect();
    let verdict = judged(&findings, &[], &[], &[]);
    assert_eq!(verdict.reasons.len(), 41);
    assert_eq!(verdict.reasons.last().map(|reason| reason.text.as_str()), Some("and 60 more"));
    assert!(verdict.reasons.iter().all(|reason| reason.text.len() < 500 && reason.findings.len() <= 50));
}

fn any_finding() -> impl Strategy<Value = Finding> {
    let category = prop::sample::select(Category::ALL);
    let weight = prop::sample::select(Weight::ALL);
    let maturity = prop::sample::select(Maturity::ALL);
    let detector = prop::sample::select(vec!["a", "b", "planted"]);
    (category, weight, maturity, detector, any::<bool>(), any::<bool>(), 0..4_u64).prop_map(
        |(category, weight, maturity, detector, runs, hide, offset)| {
            let mut finding = found(category, weight, detector);
            finding.observation.maturity = maturity;
            finding.observation.offset = Some(offset);
            if detector == "planted" {
                finding.observation.techniques.push("T1098.004".to_owned());
            }
            let finding = Finding::new(finding.observation, finding.location, runs);
            if hide { hidden(finding) } else { finding }
        },
    )
}

fn any_problem() -> impl Strategy<Value = (Problem, bool)> {
    (any::<u64>(), any::<bool>()).prop_map(|(bytes, reached)| (problem(bytes), reached))
}

/// How bad for whoever acts on it: what is undetermined may still turn out malicious.
fn rank(disposition: Disposition) -> u8 {
    match disposition {
        Clean => 0,
        Risky => 1,
        Suspicious => 2,
        Undetermined => 3,
        Malicious => 4,
    }
}

proptest! {
    #[test]
    fn order_does_not_matter(
        (findings, shuffled) in prop::collection::vec(any_finding(), 0..12)
            .prop_flat_map(|findings| (Just(findings.clone()), Just(findings).prop_shuffle())),
        (problems, mixed) in prop::collection::vec(any_problem(), 0..4)
            .prop_flat_map(|problems| (Just(problems.clone()), Just(problems).prop_shuffle())),
    ) {
        prop_assert_eq!(judged(&findings, &[], &[], &problems), judged(&shuffled, &[], &[], &mixed));
    }

    #[test]
    fn more_evidence_never_lowers(
        findings in prop::collection::vec(any_finding(), 0..8),
        more in any_finding(),
        claims in prop::sample::select(vec!["docker.io/a/xmrig:1", "docker.io/a/b:1", "not a miner"]),
        problems in prop::collection::vec(any_problem(), 0..2),
    ) {
        let before = judged(&findings, &[claims], &["xmrig"], &problems);
        let mut with_more = findings;
        with_more.push(more);
        let after = judged(&with_more, &[claims], &["xmrig"], &problems);
        prop_assert!(rank(after.disposition) >= rank(before.disposition), "{before:#?} {after:#?}");

        with_more.push(proof(C::Ddos));
        prop_assert_eq!(judged(&with_more, &[claims], &["xmrig"], &problems).disposition, Malicious);
    }

    #[test]
    fn hostile_text_harms_nothing(claims in prop::collection::vec(any::<String>(), 0..4), command in any::<String>()) {
        let subject = Subject { claims: &claims, command: &[command], problems: &[], unpacked_bytes: 1 };
        prop_assert_eq!(judge(&[proof(C::Ddos)], &subject).disposition, Malicious);
    }
}
