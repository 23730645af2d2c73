//! What is published is believed: by the client, through rotations, with witnesses, entry by entry.

use std::{net::TcpListener, sync::Arc};

use feed::{
    client::{FirstTrust, Origin, SyncOptions, SyncReport, VerifyOptions, VerifyReport, sync, verify},
    trust::{
        Keys, Secret,
        note::VerifierKey,
        proof::{LogPolicy, check_own, last_change, prove},
        rotate,
        witness::{Witness, WitnessAddress, own_key, serve},
    },
};
use tempfile::TempDir;

use super::{NOW, Station};

impl Station {
    fn root(&self) -> FirstTrust {
        FirstTrust::Root(self.keys.first_root().to_vec())
    }

    #[track_caller]
    fn verified(&self, now: u64) -> VerifyReport {
        let options = VerifyOptions { root: Some(self.root()), ..VerifyOptions::default() };
        verify(&self.public(), now, &options).expect("is believed")
    }

    fn log_key(&self) -> VerifierKey {
        self.keys.log_key().parse().expect("a key")
    }
}

/// A consumer's folder.
struct Consumer {
    folder: TempDir,
    options: SyncOptions,
}

impl Consumer {
    fn of(station: &Station) -> Self {
        let folder = tempfile::tempdir_in(station.at.path()).expect("a folder");
        Self { folder, options: SyncOptions { audit: true, ..SyncOptions::new(station.root()) } }
    }

    fn sync(&self, station: &Station, now: u64) -> Result<SyncReport, &'static str> {
        let from = Origin::Folder(station.public());
        sync(&from, self.folder.path(), now, &self.options).map_err(|error| error.reason())
    }
}

fn counting(mut next: u8) -> impl FnMut(&mut [u8]) -> std::io::Result<()> {
    move |bytes| {
        next = next.wrapping_add(1);
        bytes.fill(next);
        Ok(())
    }
}

#[test]
fn a_published_feed_is_believed_and_every_signature_in_it_holds() {
    let station = Station::with(&["a", "b"]);
    station.publish(NOW);
    let report = station.verified(NOW);
    assert_eq!((report.sequence, report.changes), (report.sequence, Some(report.sequence)));
    assert!(report.sequence > 0 && report.files >= 514 && report.signatures > 514, "{report:?}");
    let consumer = Consumer::of(&station);
    assert_eq!(consumer.sync(&station, NOW).map(|report| report.sequence), Ok(report.sequence));
}

/// What was signed with a key that is no longer ours is signed again, also where nothing else changed.
#[test]
fn after_every_key_was_replaced_all_of_it_is_believed_still() {
    let mut station = Station::with(&["a"]);
    station.publish(NOW);
    let consumer = Consumer::of(&station);
    consumer.sync(&station, NOW).expect("believed");
    let keys = station.folder.keys();
    let secret = Secret::new("not a secret".to_owned());
    let all = ["root", "targets", "snapshot", "timestamp", "log", "minisign"];
    rotate(&keys, &keys, &secret, &all, &mut counting(60), NOW).expect("rotates");
    station.keys = Keys::open(&keys, &secret).expect("opens");
    station.publish(NOW + 60);
    assert!(station.verified(NOW + 60).signatures > 514);
    assert_eq!(consumer.sync(&station, NOW + 60).map(|report| report.root_version), Ok(2));
}

#[test]
fn every_entry_has_a_proof_that_needs_nothing_else() {
    let station = Station::with(&["a", "b"]);
    station.publish(NOW);
    let policy = LogPolicy::of_log(station.log_key());
    for entry in station.entries().values() {
        let index = last_change(&station.public(), entry.id).expect("reads").expect("was logged");
        let proof = prove(&station.public(), index).expect("a proof");
        let (change, _) = check_own(&proof, &policy).expect("holds");
        assert_eq!(change.entry, *entry);
    }
    assert_eq!(last_change(&station.public(), "LZ-2026-9999".parse().expect("an id")).expect("reads"), None);
}

#[test]
fn witnesses_are_asked_and_one_that_is_away_does_not_stop_a_publication() {
    let mut station = Station::with(&["a"]);
    let memory = tempfile::tempdir_in(station.at.path()).expect("a folder");
    let key = own_key(memory.path(), &Secret::new("another".to_owned()), &mut counting(9)).expect("a key");
    let witness = Witness::new("witness.test/w", key, memory.path(), vec![station.log_key()]).expect("starts");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address")).parse().expect("an address");
    let verifier = witness.verifier();
    station.folder.settings.witnesses = vec![WitnessAddress { url, key: verifier.clone() }];
    let mut consumer = Consumer::of(&station);
    consumer.options.witnesses = vec![verifier];
    consumer.options.witnesses_min = 1;

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(serve(Arc::new(witness), listener, || NOW, async { drop(stopped.await) })).expect("serves");
    });
    for now in [NOW, NOW + 60] {
        assert_eq!(station.publish(now).release.unsigned, Vec::<String>::new());
        consumer.sync(&station, now).expect("the witness has seen it");
        station.scanned(&["b"]);
    }
    drop(stop);
    serving.join().expect("ends");

    station.scanned(&["c"]);
    let alone = station.publish(NOW + 120);
    assert_eq!(alone.release.unsigned.len(), 1, "{:?}", alone.release.unsigned);
    assert_eq!(consumer.sync(&station, NOW + 120), Err("unwitnessed"), "this consumer insists");
    assert!(Consumer::of(&station).sync(&station, NOW + 120).is_ok(), "others do not");
}

/// Settings are written and read as text.
#[test]
fn a_witness_in_the_settings_is_read_as_it_is_written() {
    let text = "name = \"feed.test\"\nbase-url = \"https://feed.test\"\n\n[[witnesses]]\nurl = \"https://witness.test/w\"\nkey = \"KEY\"\n";
    let station = Station::new();
    let as_witness = VerifierKey::of_witness("witness.test/w", station.log_key().key).to_string();
    let text = text.replace("KEY", &as_witness);
    let settings: feed::folder::Settings = toml::from_str(&text).expect("settings");
    assert_eq!(settings.witnesses.len(), 1);
    let written = toml::to_string(&settings).expect("TOML");
    assert_eq!(toml::from_str::<feed::folder::Settings>(&written).expect("settings"), settings);
    assert!(toml::from_str::<feed::folder::Settings>(&text.replace("test/w+", "test/x+")).is_err(), "another name");
}
