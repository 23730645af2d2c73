//! A network, process tree and file tree of our own, in which real clients and engines run and end with the test.
//!
//! The test starts itself again, alone, under `unshare`: no packet leaves, mounts are not seen outside, and whatever was started is
//! killed with the first process. Only loopback is there, and names resolve only by our own `/etc/hosts`.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use harbour::{Harbour, Script, digest_of};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// Set for a test that is inside.
const INSIDE: &str = "LAZARET_LAB";
/// Longest time one client may take, for `timeout`.
const CLIENT_SECONDS: &str = "60";

/// Runs `body` inside, as the test that calls this.
pub(crate) fn inside(body: impl FnOnce(&Lab)) {
    let thread = std::thread::current();
    let name = thread.name().expect("a test has a name");
    #[expect(clippy::disallowed_methods, reason = "tells which of the two it is")]
    let is_inside = std::env::var(INSIDE).is_ok();
    if is_inside {
        return body(&Lab::enter());
    }
    let this = std::env::current_exe().expect("a program");
    let output = command("timeout")
        .args(["--kill-after=5", "120", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(this)
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("unshare is there");
    let text = both(&output);
    assert!(output.status.success() && text.contains("1 passed"), "{name} inside: {}\n{text}", output.status);
}

#[expect(clippy::disallowed_methods, reason = "a test runs the real clients and engines")]
pub(crate) fn command(program: &str) -> Command {
    Command::new(program)
}

/// What a program said, on either stream.
pub(crate) fn both(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// Everything lies in memory and goes with the namespace.
pub(crate) struct Lab {
    /// A folder to work in.
    pub(crate) folder: PathBuf,
    count: AtomicU32,
}

/// The digests of an image in the lab's registries.
pub(crate) struct Image {
    pub(crate) manifest: String,
    pub(crate) config: String,
    pub(crate) layer: String,
}

impl Lab {
    fn enter() -> Self {
        let run = |line: &str| {
            let done = command("sh").args(["-ec", line]).output().expect("a shell");
            assert!(done.status.success(), "{line}: {}", both(&done));
        };
        // `/etc` is changed on a layer of our own; sockets and folders of engines outside are out of sight.
        run("ip link set lo up
             mount -t tmpfs tmpfs /run
             mkdir -p /run/lab /run/docker/plugins /run/etc/upper /run/etc/work
             mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work /etc
             rm -rf /etc/docker /etc/containerd /etc/containers/registries.conf /etc/containers/registries.conf.d
             mkdir -p /etc/docker /etc/containers /etc/containerd");
        let hosts = "127.0.0.1 localhost registry-1.docker.io docker.io index.docker.io\n";
        fs::write("/etc/hosts", hosts).expect("our own /etc");
        fs::write("/etc/resolv.conf", "nameserver 127.0.0.1\n").expect("our own /etc");
        let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
        fs::write("/etc/containers/policy.json", policy).expect("our own /etc");
        let lab = Self { folder: "/run/lab".into(), count: AtomicU32::new(0) };
        lab.make_certificates();
        lab
    }

    /// An authority that clients here trust, and a certificate of what stands for Docker Hub.
    fn make_certificates(&self) {
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(authority, key).expect("a certificate");
        let key = KeyPair::generate().expect("a key");
        let names = ["registry-1.docker.io", "docker.io", "localhost"].map(str::to_owned);
        let own = CertificateParams::new(names).expect("names").signed_by(&key, &authority).expect("a certificate");
        fs::write(self.folder.join("ca.pem"), authority.pem()).expect("written");
        fs::write(self.folder.join("own.pem"), own.pem()).expect("written");
        fs::write(self.folder.join("own.key"), key.serialize_pem()).expect("written");
    }

    /// A client, whose certificates are ours; Go programs look there.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut client = command("timeout");
        client.args([CLIENT_SECONDS, program]).env("SSL_CERT_FILE", self.folder.join("ca.pem")).env("HOME", &self.folder);
        client
    }

    /// What a client said, and whether it went well. `words` are parted by spaces.
    pub(crate) fn run(&self, words: &str) -> (bool, String) {
        let mut words = words.split(' ');
        let output = self.client(words.next().expect("a program")).args(words).output().expect("it is installed");
        (output.status.success(), both(&output))
    }

    /// Something that runs until the namespace ends; its words go to a file.
    pub(crate) fn start(&self, program: &str, arguments: &[&str]) -> Child {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let log = fs::File::create(self.folder.join(format!("{number}-{program}.log"))).expect("a file");
        command(program)
            .args(arguments)
            .env("SSL_CERT_FILE", self.folder.join("ca.pem"))
            .env("HOME", &self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"))
    }

    /// Debian's registry on `address`, over TLS or not; all share what they store.
    pub(crate) fn registry(&self, address: &str, tls: bool) -> Child {
        let folder = self.folder.display();
        let tls = if tls { format!("  tls: {{ certificate: {folder}/own.pem, key: {folder}/own.key }}\n") } else { String::new() };
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {folder}/storage }} }}\nhttp:\n  addr: '{address}'\n{tls}"
        );
        let file = self.folder.join(format!("registry-{}.yml", address.replace(':', "-")));
        fs::write(&file, config).expect("written");
        let child = self.start("docker-registry", &["serve", &file.display().to_string()]);
        until(|| connects(address), &format!("docker-registry on {address}"));
        child
    }

    /// Pushes a small image that differs by `seed` to `127.0.0.1:5001/library/NAME:1` with skopeo.
    pub(crate) fn push(&self, name: &str, seed: &str) -> Image {
        let harbour = Harbour::start(Script::default());
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(seed.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, "seed", seed.as_bytes()).expect("into memory");
        let layer = tar.into_inner().expect("into memory");
        let image = harbour.push_image("a/b", "1", &[&layer]);
        let (done, said) = self.run(&format!(
            "skopeo copy --src-tls-verify=false --dest-tls-verify=false docker://{}/a/b:1 docker://127.0.0.1:5001/library/{name}:1",
            harbour.host()
        ));
        assert!(done, "{said}");
        assert_eq!(digest_of(&layer), image.layers[0], "it is not compressed on the way");
        Image { manifest: image.manifest, config: image.config, layer: image.layers[0].clone() }
    }

    /// dockerd with `extra` options; its socket is `/run/docker.sock`.
    pub(crate) fn dockerd(&self, extra: &[&str]) -> Child {
        let root = |name: &str| self.folder.join(name).display().to_string();
        let (data, exec, pid) = (root("docker"), root("exec"), root("docker.pid"));
        let mut arguments = vec!["-H", "unix:///run/docker.sock", "--storage-driver", "vfs"];
        arguments.extend(["--iptables=false", "--ip6tables=false", "--bridge=none"]);
        arguments.extend(["--data-root", &data, "--exec-root", &exec, "--pidfile", &pid]);
        arguments.extend(extra);
        let child = self.start("dockerd", &arguments);
        until(|| self.docker("version").0, "dockerd");
        child
    }

    /// The docker client; `words` are parted by spaces.
    pub(crate) fn docker(&self, words: &str) -> (bool, String) {
        self.run(&format!("docker -H unix:///run/docker.sock {words}"))
    }

    /// A file and the folders above it.
    pub(crate) fn write(&self, path: impl AsRef<Path>, text: &str) {
        let path = path.as_ref();
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::File::create(path).and_then(|mut file| file.write_all(text.as_bytes())).expect("written");
    }
}

/// Ends it and waits.
pub(crate) fn stop(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

pub(crate) fn listener(address: &str) -> TcpListener {
    TcpListener::bind(address).expect("a free port: the network is ours")
}

fn connects(address: &str) -> bool {
    #[expect(clippy::disallowed_methods, reason = "waits for a server on loopback")]
    std::net::TcpStream::connect(address).is_ok()
}

/// Waits for at most 30 seconds.
fn until(mut is_up: impl FnMut() -> bool, what: &str) {
    for _ in 0..300 {
        if is_up() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    for entry in fs::read_dir("/run/lab").expect("a folder").flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "log") {
            eprintln!("{}:\n{}", entry.path().display(), fs::read_to_string(entry.path()).unwrap_or_default());
        }
    }
    panic!("{what} did not come up");
}
