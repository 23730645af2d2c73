//! Measures what SPECIFICATION.md says of the gate: `bench/gate` runs the roles in order.
//!
//! ```text
//! bars make DIR COUNT             a feed of COUNT random digests: releases 1, 2 (every shard changed) and 3 (one entry more)
//! bars decide DIR                 start, memory, decisions; the same while the feed is swapped
//! bars serve DIR ADDRESS          the webhook over TLS, writing its certificate to DIR
//! bars load DIR ADDRESS RATE S    RATE reviews a second, each at its time whatever became of those before
//! ```
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measuring tool: clocks, sockets and figures are its work"
)]

use std::{
    error::Error,
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use feed::{
    Channel, EntryId, List, Role,
    shard::{self, Listed, Meta},
};
use gate::{
    Clock, Engine, Policy, Subject,
    serve::{self, Workers, tls},
    webhook::Front,
};
use model::{Category, Confidence, Digest, Severity};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Digests of an image on eight layers with its index.
const DIGESTS: usize = 11;
/// Connections that the load comes over, as an API server keeps some open.
const CONNECTIONS: usize = 16;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["make", folder, count] => make(Path::new(folder), count.parse()?),
        ["decide", folder] => decide(Path::new(folder)),
        ["serve", folder, address] => serve(Path::new(folder), address.parse()?),
        ["load", folder, address, rate, seconds] => {
            let load = load(Path::new(folder), address.parse()?, rate.parse()?, seconds.parse()?);
            serve::runtime(Workers::default())?.block_on(load)
        }
        _ => Err("see the head of bars.rs".into()),
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same digests each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn digest(&mut self) -> Digest {
        let mut bytes = [0; 32];
        for part in bytes.chunks_exact_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes());
        }
        Digest::from_bytes(bytes)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn make(folder: &Path, count: usize) -> Outcome<()> {
    let mut random = Random(1);
    let mut number = 0_u32;
    for release in 1..=3 {
        fs::create_dir_all(folder.join(format!("releases/{release}/shards")))?;
        let head = format!(r#"{{"sequence":{release},"published_at":{}}}"#, now());
        fs::write(folder.join(format!("releases/{release}/feed.json")), head)?;
    }
    for first in 0..=u8::MAX {
        let mut records = Vec::with_capacity(count / 256 + 2);
        for _ in 0..count / 256 + 2 {
            number += 1;
            let mut bytes = *random.digest().as_bytes();
            bytes[0] = first;
            let listed = Listed {
                id: EntryId { year: 2026, number },
                role: Role::Layer,
                list: List::Block,
                channel: Channel::Stable,
                categories: vec![Category::Cryptominer],
                severity: Severity::High,
                confidence: Confidence::High,
            };
            records.push((Digest::from_bytes(bytes), Meta::from(&listed)));
        }
        let place = |release: u32| folder.join(format!("releases/{release}/shards/{first:02x}.bin"));
        let without = |left_out: usize| shard::encode(records.get(left_out..).unwrap_or_default().to_vec());
        fs::write(place(1), without(2))?;
        fs::write(place(2), without(1))?;
        if first == 7 { fs::write(place(3), without(0))? } else { fs::hard_link(place(2), place(3))? }
    }
    switch(folder, 1)
}

fn switch(folder: &Path, release: u32) -> Outcome<()> {
    std::os::unix::fs::symlink(format!("releases/{release}"), folder.join("new"))?;
    Ok(fs::rename(folder.join("new"), folder.join("current"))?)
}

/// A line of /proc/self/status, in MB (10^6 bytes).
fn memory_mb(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    let kib = line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
    kib * 1_024 / 1_000_000
}

fn shown(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |per_mille: usize| {
        times.get((times.len() * per_mille / 1_000).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    format!(
        "p50 {:.1?}, p99 {:.1?}, p99.9 {:.1?}, most {:.1?} of {}",
        at(500),
        at(990),
        at(999),
        at(1_000),
        times.len()
    )
}

/// Images of nothing that is listed: the usual case, and every digest must be looked up.
fn decisions(engine: &Engine, seed: u64, until: &dyn Fn(usize) -> bool) -> Vec<Duration> {
    let mut random = Random(seed);
    let mut times = Vec::new();
    let now = now();
    while !until(times.len()) {
        let digests = (0..DIGESTS).map(|_| (random.digest(), Some(Role::Layer))).collect();
        let subject = Subject { reference: Some("registry.example.org/a/b:1".to_owned()), digests, unresolved: None };
        let started = Instant::now();
        let decision = engine.decide(&subject, now);
        times.push(started.elapsed());
        assert!(decision.hits.is_empty());
    }
    times
}

fn decide(folder: &Path) -> Outcome<()> {
    switch(folder, 1)?;
    let started = Instant::now();
    let engine = Engine::open(folder, Policy::default())?;
    println!("start: {} digests in {:.2?}", engine.len(), started.elapsed());
    println!("memory: {} MB, peak {} MB", memory_mb("VmRSS"), memory_mb("VmHWM"));
    println!("decision on {DIGESTS} digests: {}", shown(decisions(&engine, 2, &|done| done == 300_000)));
    for (release, what) in [(2, "every shard changed"), (3, "one entry more")] {
        switch(folder, release)?;
        let done = AtomicBool::new(false);
        let (took, times) = std::thread::scope(|scope| -> Outcome<_> {
            let deciding = scope.spawn(|| decisions(&engine, 3, &|_| done.load(Ordering::SeqCst)));
            let started = Instant::now();
            let taken = engine.reload();
            let took = started.elapsed();
            done.store(true, Ordering::SeqCst);
            assert!(taken?);
            Ok((took, deciding.join().map_err(|_| "deciding failed")?))
        })?;
        println!("swap, {what}: {took:.2?}; meanwhile {}", shown(times));
        println!("memory: {} MB, peak {} MB", memory_mb("VmRSS"), memory_mb("VmHWM"));
    }
    let started = Instant::now();
    for _ in 0..1_000 {
        assert!(!engine.reload()?);
    }
    println!("a look at an unchanged feed: {:.1?}", started.elapsed() / 1_000);
    Ok(())
}

fn serve(folder: &Path, address: SocketAddr) -> Outcome<()> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    fs::write(folder.join("tls.crt"), made.cert.pem())?;
    fs::write(folder.join("tls.key"), made.signing_key.serialize_pem())?;
    let files = tls::Files { certificate: folder.join("tls.crt"), key: folder.join("tls.key"), client_authority: None };
    let tls = Arc::new(tls::Tls::open(files)?);
    let front = Front::new(Engine::open(folder, Policy::default())?, None, Duration::from_secs(2), Clock::system());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    serve::runtime(Workers::default())?.block_on(serve::serve(
        listener,
        Some(tls),
        front.router(),
        std::future::pending(),
    ))?;
    Ok(())
}

/// A Deployment of three containers by digest, with the fields that the API server adds.
fn review(random: &mut Random, number: u64) -> String {
    let containers: Vec<String> = (0..3)
        .map(|container| {
            format!(
                r#"{{"name":"c{container}","image":"registry.example.org/team/app-{container}@{}","ports":[{{"containerPort":8080,"protocol":"TCP"}}],"env":[{{"name":"A","value":"{}"}}],"resources":{{"limits":{{"cpu":"1","memory":"1Gi"}}}},"terminationMessagePath":"/dev/termination-log","imagePullPolicy":"IfNotPresent"}}"#,
                random.digest(),
                "x".repeat(500)
            )
        })
        .collect();
    let fields = "\"f:spec\":{\"f:containers\":{}},".repeat(40);
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"{number}","kind":{{"group":"apps","version":"v1","kind":"Deployment"}},"operation":"CREATE","namespace":"default","userInfo":{{"username":"system:admin"}},"object":{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"a","managedFields":[{{{fields}"f:end":{{}}}}]}},"spec":{{"replicas":3,"template":{{"spec":{{"containers":[{}]}}}}}}}},"oldObject":null,"dryRun":false}}}}"#,
        containers.join(",")
    )
}

async fn load(folder: &Path, address: SocketAddr, rate: u64, seconds: u64) -> Outcome<()> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("tls.crt"))?)?;
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let times = Arc::new(Mutex::new(Vec::new()));
    let start = tokio::time::Instant::now() + Duration::from_millis(500);
    let mut connections = tokio::task::JoinSet::new();
    let total = rate * seconds;
    for connection in 0..CONNECTIONS as u64 {
        let (connector, times) = (connector.clone(), Arc::clone(&times));
        connections.spawn(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut stream = connector.connect(ServerName::try_from("localhost")?, stream).await?;
            let mut random = Random(1_000 + connection);
            let mut answer = vec![0; 64 << 10];
            let mut own = Vec::new();
            let mut bytes = 0;
            for number in (connection..total).step_by(CONNECTIONS) {
                let body = review(&mut random, number);
                let head =
                    format!("POST /v1/admit HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
                bytes = body.len();
                // A late answer delays what comes after it, and that counts: then it is measured from when it was due. The
                // client's own timer, which rounds up to a millisecond, does not count.
                let due = start + Duration::from_nanos(number * 1_000_000_000 / rate);
                let mut started = due;
                if tokio::time::Instant::now() < due {
                    tokio::time::sleep_until(due).await;
                    started = tokio::time::Instant::now();
                }
                stream.write_all(format!("{head}{body}").as_bytes()).await?;
                let mut read = 0;
                loop {
                    let more = stream.read(answer.get_mut(read..).unwrap_or_default()).await?;
                    read += more;
                    let text = std::str::from_utf8(answer.get(..read).unwrap_or_default())?;
                    if more == 0 || text.ends_with("}}") || text.ends_with("}}}") {
                        assert!(text.starts_with("HTTP/1.1 200") && text.contains("\"allowed\":true"), "{text}");
                        break;
                    }
                }
                own.push(started.elapsed());
            }
            times.lock().map_err(|_| "a connection failed")?.extend(own);
            Outcome::Ok(bytes)
        });
    }
    let mut bytes = 0;
    while let Some(done) = connections.join_next().await {
        bytes = done??;
    }
    let took = start.elapsed();
    let times = std::mem::take(&mut *times.lock().map_err(|_| "a connection failed")?);
    println!(
        "webhook over TLS, reviews of {bytes} bytes at {rate}/s ({:.0}/s reached): {}",
        times.len() as f64 / took.as_secs_f64(),
        shown(times)
    );
    Ok(())
}
