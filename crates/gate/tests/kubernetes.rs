//! The doors of Kubernetes with real clients: `curl` over TLS, objects that `kubectl` writes, manifests that it renders, and a
//! scripted registry. No live API server was used.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use feed::{
    Channel, EntryId, List, Role,
    shard::{self, Listed, Meta},
};
use gate::{
    Clock, Engine, Policy, Resolver,
    resolve::{Registries, Remembering},
    serve::{
        self, Workers,
        tls::{Files, Tls},
    },
    webhook::Front,
};
use harbour::{Harbour, Script};
use model::{Category, Confidence, Digest, Severity};
use serde_json::{Value, json};

const NOW: u64 = 1_780_272_000;

/// A gate that listens over TLS on loopback until it is dropped.
struct Gate {
    folder: tempfile::TempDir,
    address: SocketAddr,
    tls: Arc<Tls>,
    engine: Engine,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

impl Gate {
    fn start(listed: &[Digest], policy: &str, resolves: bool, clients_need_certificates: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        certify(folder.path());
        publish(folder.path(), 1, listed);
        let engine = Engine::open(folder.path(), Policy::parse(policy, NOW).expect("a policy")).expect("a feed");
        let clock = Clock { unix_seconds: || NOW, ..Clock::system() };
        let options =
            registry::Options { attempts_max: 1, timeout: Duration::from_secs(1), ..registry::Options::default() };
        let registries: Box<dyn Resolver> = Box::new(Registries::new(options, Vec::new()));
        let resolver = resolves.then(|| Arc::new(Remembering::new(registries, clock.now)));
        let front = Front::new(engine.clone(), resolver, Duration::from_secs(2), clock);
        let place = |name: &str| folder.path().join(name);
        let files = Files {
            certificate: place("tls.crt"),
            key: place("tls.key"),
            client_authority: clients_need_certificates.then(|| place("client.crt")),
        };
        let tls = Arc::new(Tls::open(files).expect("a certificate"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let runtime = serve::runtime(Workers::default()).expect("a runtime");
        runtime.spawn(serve::serve(listener, Some(Arc::clone(&tls)), front.router(), std::future::pending()));
        Self { folder, address, tls, engine, runtime: Some(runtime) }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What curl prints, and how it ends.
    fn curl(&self, path: &str, more: &[&str]) -> (Option<i32>, String) {
        let mut curl = command("curl");
        curl.args(["--silent", "--max-time", "10", "--noproxy", "*", "--cacert"]).arg(self.place("tls.crt"));
        curl.args(["--resolve", &format!("localhost:{0}:127.0.0.1", self.address.port())]).args(more);
        curl.arg(format!("https://localhost:{}{path}", self.address.port()));
        let output = curl.output().expect("curl is there: `make tools`");
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    }

    /// The response to a review of `object`.
    fn review(&self, object: &Value) -> Value {
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {"uid": "u-1", "operation": "CREATE", "object": object, "oldObject": null},
        });
        let body = self.place("review.json");
        fs::write(&body, review.to_string()).expect("written");
        let data = format!("@{}", body.display());
        let (code, said) =
            self.curl("/v1/admit", &["--header", "Content-Type: application/json", "--data-binary", &data]);
        assert_eq!(code, Some(0), "{said}");
        let answer: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(answer["response"]["uid"], "u-1");
        answer["response"].clone()
    }
}

fn command(program: &str) -> Command {
    #[expect(clippy::disallowed_methods, reason = "a real client")]
    Command::new(program)
}

/// A new self-signed certificate for `localhost`, and one for clients.
fn certify(folder: &Path) {
    for (name, host) in [("tls", "localhost"), ("client", "kube-apiserver")] {
        let made = rcgen::generate_simple_self_signed([host.to_owned()]).expect("made");
        for (end, text) in [("key", made.signing_key.serialize_pem()), ("crt", made.cert.pem())] {
            let new = folder.join("new");
            fs::write(&new, text).expect("written");
            fs::rename(new, folder.join(format!("{name}.{end}"))).expect("moved");
        }
    }
}

fn publish(folder: &Path, sequence: u64, digests: &[Digest]) {
    let listed = |number| Listed {
        id: EntryId { year: 2026, number },
        role: Role::Layer,
        list: List::Block,
        channel: Channel::Stable,
        categories: vec![Category::Cryptominer],
        severity: Severity::Critical,
        confidence: Confidence::Certain,
    };
    fs::create_dir_all(folder.join("shards")).expect("made");
    for first in 0..=u8::MAX {
        let records = (1..).zip(digests).filter(|(_, digest)| digest.as_bytes()[0] == first);
        let bytes = shard::encode(records.map(|(number, digest)| (*digest, Meta::from(&listed(number)))).collect());
        fs::write(folder.join(format!("shards/{first:02x}.bin")), bytes).expect("written");
    }
    fs::write(folder.join("feed.json"), format!(r#"{{"sequence":{sequence},"published_at":{NOW}}}"#)).expect("written");
}

/// What `kubectl` writes, as JSON.
fn kubectl(arguments: &[&str], input: Option<&Path>) -> String {
    let mut kubectl = command("kubectl");
    kubectl.args(arguments).env("KUBECONFIG", "/dev/null");
    if let Some(input) = input {
        kubectl.arg("-f").arg(input);
    }
    let output = kubectl.output().expect("kubectl is there: `make tools`");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// One object of every kind that runs something. `IMAGE` stands for the image.
const KINDS: &str = include_str!("kubernetes/kinds.yaml");

#[test]
fn every_kind_that_kubectl_writes_is_decided() {
    let bad = Digest::of(b"bad");
    let gate = Gate::start(&[bad], "", false, false);
    let file = gate.place("kinds.yaml");
    for (image, allowed) in
        [(format!("registry.example.org/a@{bad}"), false), (format!("a@{}", Digest::of(b"good")), true)]
    {
        fs::write(&file, KINDS.replace("IMAGE", &image)).expect("written");
        // Reads, types and writes each object, and asks no server.
        let written = kubectl(&["annotate", "--local", "-o", "json", "a=b"], Some(&file));
        let objects: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&written).into_iter().collect();
        let objects = objects.expect("JSON");
        assert_eq!(objects.len(), KINDS.matches("kind:").count(), "each is written");
        for object in &objects {
            let response = gate.review(object);
            assert_eq!(response["allowed"], json!(allowed), "{}: {response}", object["kind"]);
            let message = response["status"]["message"].as_str().unwrap_or_default();
            assert!(allowed || message.contains("LZ-2026-1 cryptominer"), "{message}");
        }
    }
    let image = format!("a@{bad}");
    for made in [
        vec!["create", "deployment", "a", "--image", &image, "--dry-run=client", "-o", "json"],
        vec!["create", "job", "a", "--image", &image, "--dry-run=client", "-o", "json"],
        vec!["create", "cronjob", "a", "--image", &image, "--schedule", "* * * * *", "--dry-run=client", "-o", "json"],
    ] {
        let object: Value = serde_json::from_str(&kubectl(&made, None)).expect("JSON");
        assert_eq!(gate.review(&object)["allowed"], json!(false), "{made:?}");
    }
}

#[test]
fn a_renewed_certificate_is_served_and_strangers_are_not() {
    let gate = Gate::start(&[], "", false, false);
    assert_eq!(gate.curl("/healthz", &[]), (Some(0), "alive\n".to_owned()));
    certify(gate.folder.path());
    // curl already trusts only the new one.
    assert_eq!(gate.curl("/healthz", &[]).0, Some(60), "the old one is still served");
    assert!(gate.tls.reload().expect("a good pair"));
    assert_eq!(gate.curl("/healthz", &[]).0, Some(0));
    let (code, metrics) = gate.curl("/metrics", &["--header", "Accept: application/openmetrics-text"]);
    assert!(code == Some(0) && metrics.ends_with("# EOF\n"), "{metrics}");

    let closed = Gate::start(&[], "", false, true);
    assert_ne!(closed.curl("/healthz", &[]).0, Some(0), "without a certificate");
    let (crt, key) = (closed.place("client.crt"), closed.place("client.key"));
    let with = ["--cert".as_ref(), crt.as_os_str(), "--key".as_ref(), key.as_os_str()]
        .map(|part| part.to_str().expect("UTF-8"));
    assert_eq!(closed.curl("/healthz", &with).0, Some(0));
}

#[test]
fn a_tag_is_followed_to_the_listed_layer() {
    let harbour = Harbour::start(Script::default());
    let bad = harbour.push_image("team/app", "", &[b"good layer", b"bad layer"]);
    let good = harbour.push_image("team/app", "good", &[b"good layer"]);
    harbour.push_index("team/app", "both", &[good, bad]);
    let pod = |tag: &str| json!({"spec": {"containers": [{"image": format!("{}/team/app:{tag}", harbour.host())}]}});

    let gate = Gate::start(&[Digest::of(b"bad layer")], "", true, false);
    assert_eq!(gate.review(&pod("good"))["allowed"], json!(true));
    let denied = gate.review(&pod("both"));
    assert_eq!(denied["allowed"], json!(false), "one platform of the index holds it: {denied}");
    assert!(denied["status"]["message"].as_str().is_some_and(|message| message.contains("by its layer")), "{denied}");
    let asked = harbour.requests().len();
    gate.review(&pod("both"));
    assert_eq!(harbour.requests().len(), asked, "it is remembered");

    // Kyverno #17173: what was remembered hid that the data had changed. Here it is the digests that are.
    assert_eq!(gate.review(&pod("good"))["allowed"], json!(true));
    let asked = harbour.requests().len();
    publish(gate.folder.path(), 2, &[Digest::of(b"good layer")]);
    assert!(gate.engine.reload().expect("a good feed"));
    assert_eq!(gate.review(&pod("good"))["allowed"], json!(false));
    publish(gate.folder.path(), 3, &[]);
    assert!(gate.engine.reload().expect("a good feed"));
    assert_eq!(gate.review(&pod("both"))["allowed"], json!(true), "withdrawn");
    assert_eq!(harbour.requests().len(), asked, "all of it is remembered");

    let missing = gate.review(&pod("missing"));
    assert_eq!(
        (&missing["allowed"], missing["warnings"].as_array().map(Vec::len)),
        (&json!(true), Some(1)),
        "{missing}"
    );
    let closed = Gate::start(&[], "on_unresolved = \"deny\"", true, false);
    assert_eq!(closed.review(&pod("missing"))["allowed"], json!(false));
    let never = Gate::start(&[Digest::of(b"bad layer")], "resolve = false", true, false);
    let asked = harbour.requests().len();
    assert_eq!(never.review(&pod("both"))["allowed"], json!(true));
    assert_eq!(harbour.requests().len(), asked, "the policy forbids it");
}

#[test]
fn a_registry_that_says_nothing_delays_no_review() {
    // Listens and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let image = format!("{}/a:1", silent.local_addr().expect("an address"));
    let gate = Gate::start(&[], "", true, false);
    let started = (Clock::system().now)();
    let response = gate.review(&json!({"spec": {"containers": [{"image": image}]}}));
    assert_eq!(response["allowed"], json!(true));
    assert!(response["warnings"][0].as_str().is_some_and(|line| line.contains("not resolved")), "{response}");
    // Kubernetes is told to wait for three seconds.
    assert!(started.elapsed() < Duration::from_millis(2_900), "{:?}", started.elapsed());
}

#[test]
fn the_manifests_are_rendered_by_kubectl() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kubernetes");
    let render = |folder: &str| kubectl(&["kustomize", place.join(folder).to_str().expect("UTF-8")], None);
    let overlays = fs::read_dir(place.join("overlays")).expect("overlays").count();
    assert_eq!(overlays, 4, "each is rendered below");

    let base = render("base");
    for needed in [
        "kind: ValidatingWebhookConfiguration",
        "failurePolicy: Ignore",
        "path: /v1/admit",
        "- pods/ephemeralcontainers",
        "timeoutSeconds: 3",
        "sideEffects: None",
        "kind: NetworkPolicy",
        "kind: ClusterRole\n",
        "readOnlyRootFilesystem: true",
        "- --policy=/policy/policy.toml",
    ] {
        assert!(base.contains(needed), "{needed}\n{base}");
    }
    let with_certificate = render("overlays/cert-manager");
    assert!(with_certificate.contains("cert-manager.io/inject-ca-from: lazaret/lazaret-gate"));
    let closed = render("overlays/fail-closed");
    assert!(
        closed.contains("failurePolicy: Fail")
            && closed.contains("replicas: 3")
            && closed.contains("on_stale = \"deny\"")
    );
    assert!(!closed.contains("failurePolicy: Ignore"), "it is replaced");
    for (folder, path) in [("overlays/gatekeeper", "/v1/gatekeeper"), ("overlays/kyverno", "/v1/kyverno")] {
        let text = render(folder);
        assert!(text.contains(path) && !text.contains("ValidatingWebhookConfiguration"), "{folder}");
    }
    for folder in ["base", "overlays/fail-closed"] {
        let text = fs::read_to_string(place.join(folder).join("policy.toml")).expect("read");
        let policy = Policy::parse(&text, NOW).expect("a policy");
        assert!(folder != "base" || policy == Policy::default(), "the base says the defaults");
    }
}
