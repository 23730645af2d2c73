//! The protocol, over a socket on the loopback.

use std::{fs, net::TcpListener, path::Path, sync::Arc, time::Duration};

use super::{Witness, WitnessAddress, WitnessError, cosign, serve};
use crate::{
    client::testing::{NOW, Publisher},
    trust::{
        key::SigningKey,
        note::{Note, VerifierKey},
        proof::LogPolicy,
    },
};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(zeroize::Zeroizing::new([seed; 32])).expect("a key")
}

fn log_of(publisher: &Publisher) -> VerifierKey {
    publisher.keys.log_key().parse().expect("a key")
}

fn witness(folder: &Path, publisher: &Publisher) -> Witness {
    Witness::new("witness.test/w", key(9), folder, vec![log_of(publisher)]).expect("starts")
}

fn note(publisher: &Publisher) -> String {
    fs::read_to_string(publisher.public().join("log/checkpoint")).expect("is there")
}

/// Runs `work` with the witness served.
fn served(witness: Witness, work: impl FnOnce(&WitnessAddress)) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address")).parse().expect("an address");
    let address = WitnessAddress { url, key: witness.verifier() };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let until = async { drop(stopped.await) };
        runtime.block_on(serve(Arc::new(witness), listener, || NOW, until)).expect("serves");
    });
    work(&address);
    drop(stop);
    thread.join().expect("ends");
}

#[test]
fn a_growing_log_is_signed_again_and_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut publisher = Publisher::new();
    publisher.list(300);
    publisher.publish(NOW);
    served(witness(folder.path(), &publisher), |address| {
        for _ in 0..3 {
            let answers = cosign(&publisher.public(), std::slice::from_ref(address), Duration::from_secs(5));
            assert!(answers.expect("a log").iter().all(Result::is_ok));
            let note = note(&publisher);
            let time = Note::parse(&note).expect("a note").verified_by(&address.key);
            assert_eq!(time, Ok(Some(NOW)));
            let policy = LogPolicy { log: log_of(&publisher), witnesses: vec![address.key.clone()], witnesses_min: 1 };
            assert_eq!(policy.check(&note).expect("witnessed").size, publisher.changes.len() as u64);
            publisher.list(100);
            publisher.publish(NOW);
        }
        let hash = model::Digest::of(publisher.keys.origin().as_bytes()).hex();
        let kept = ureq_get(&format!("{}{hash}/checkpoint", address.url));
        let kept = Note::parse(&kept).expect("a note");
        assert!(kept.verified_by(&address.key).is_ok() && kept.verified_by(&log_of(&publisher)).is_ok());
    });
}

#[expect(clippy::disallowed_types, reason = "asks our own server on the loopback")]
fn ureq_get(url: &str) -> String {
    let agent: ureq::Agent = ureq::config::Config::builder().proxy(None).build().into();
    agent.get(url).call().expect("answers").body_mut().with_config().limit(1 << 16).read_to_string().expect("text")
}

/// Two logs by one key, shown to different people: the witness signs one of them.
#[test]
fn a_forked_log_is_not_signed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut publisher = Publisher::new();
    publisher.list(300);
    publisher.publish(NOW);
    served(witness(folder.path(), &publisher), |address| {
        let ask = |publisher: &Publisher| {
            let answers = cosign(&publisher.public(), std::slice::from_ref(address), Duration::from_secs(5));
            answers.expect("a log").pop().expect("an answer")
        };
        ask(&publisher).expect("signed");
        publisher.changes[3].push(b' ');
        publisher.list(5);
        publisher.publish_on(None, None, NOW);
        let refused = ask(&publisher).expect_err("it does not go on");
        assert!(matches!(refused, WitnessError::Refused { status: 422, .. }), "{refused}");
        publisher.changes.truncate(200);
        publisher.publish_on(None, None, NOW);
        let refused = ask(&publisher).expect_err("it became shorter");
        assert!(matches!(refused, WitnessError::Refused { status: 409, .. }), "{refused}");
        let stranger =
            WitnessAddress { key: VerifierKey::of_witness("witness.test/w", key(1).public()), ..address.clone() };
        let mut honest = Publisher::new();
        honest.list(300);
        honest.publish(NOW);
        let wrong = cosign(&honest.public(), &[stranger], Duration::from_secs(5)).expect("a log").pop();
        assert!(matches!(wrong, Some(Err(WitnessError::Signature { .. }))), "{wrong:?}");
    });
}

/// Source: C2SP tlog-witness, "add-checkpoint", the statuses in its order.
#[test]
fn every_refusal_has_its_status() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut publisher = Publisher::new();
    publisher.list(3);
    publisher.publish(NOW);
    let witness = witness(folder.path(), &publisher);
    let three = note(&publisher);
    let status = |request: &str| {
        let answer = witness.add_checkpoint(request, NOW);
        (answer.status, answer.content_type, answer.body)
    };
    for request in ["", "old 0\n", "old 00\n\n", "old -1\n\n", "old 0\nnot base64!\n\n"] {
        assert_eq!(status(&format!("{request}{}", "")).0, 400, "{request:?}");
    }
    assert_eq!(status(&format!("old 4\n\n{three}")).0, 400, "old beyond new");
    let mut other = Publisher::seeded(100);
    other.list(3);
    other.publish(NOW);
    assert_eq!(status(&format!("old 0\n\n{}", note(&other))).0, 403, "another key for this origin");
    let unknown = three.replace("feed.test/images\n3", "feed.test/others\n3");
    assert_eq!(status(&format!("old 0\n\n{unknown}")).0, 404, "another origin");
    assert_eq!(status(&format!("old 0\n{}\n\n{three}", "A".repeat(43) + "=")).0, 422, "a proof where none belongs");
    assert_eq!(status(&format!("old 0\n{}\n{three}", ("A".repeat(43) + "=\n").repeat(64))).0, 400, "too long a proof");
    assert_eq!(status(&format!("old 0\n\n{three}")).0, 200);
    assert_eq!(status(&format!("old 0\n\n{three}")), (409, "text/x.tlog.size", "3\n".to_owned()));
    assert_eq!(status(&format!("old 3\n\n{three}")).0, 200, "the same again");
    // Restarted, it remembers.
    let again = self::witness(folder.path(), &publisher);
    assert_eq!(again.add_checkpoint(&format!("old 0\n\n{three}"), NOW).status, 409);
    fs::write(folder.path().join(format!("{}.checkpoint", model::Digest::of(b"feed.test/images").hex())), "x")
        .expect("writes");
    assert_eq!(again.add_checkpoint(&format!("old 3\n\n{three}"), NOW).status, 500, "an altered memory signs nothing");
}

/// The race the specification spells out: of many states at once, memory never goes back.
#[test]
fn many_at_once_never_set_it_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut publisher = Publisher::new();
    let notes: Vec<_> = (1..=8_u64)
        .map(|size| {
            publisher.list(1);
            publisher.publish(NOW);
            (size, note(&publisher))
        })
        .collect();
    let witness = witness(folder.path(), &publisher);
    let signed: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = notes
            .iter()
            .map(|(size, note)| {
                let witness = &witness;
                scope.spawn(move || (*size, witness.add_checkpoint(&format!("old 0\n\n{note}"), NOW).status))
            })
            .collect();
        asked.into_iter().map(|thread| thread.join().expect("ends")).filter(|(_, status)| *status == 200).collect()
    });
    assert_eq!(signed.len(), 1, "one of them was the first: {signed:?}");
    let answer = witness.add_checkpoint(&format!("old 0\n\n{}", notes[7].1), NOW);
    assert_eq!(answer.body, format!("{}\n", signed[0].0), "and it is what is remembered");
}
