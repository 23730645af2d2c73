//! `lazaret inventory`: what is here and was, and what of it is listed.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::{Args, builder::PossibleValuesParser};
use feed::EntryId;
use gate::{
    Engine,
    inventory::{self, FORMATS, History, Inventory, Seen},
    report::Outcome,
};
use model::{Digest, text};
use registry::{ContainerEngine, Containerd, KubernetesAccess};

use super::gate::{EngineArguments, registry_options};
use crate::{
    arguments::StoreArguments,
    exit::{Exit, Failure, OrExit},
    output::destination::Destination,
    settings::ConfigFile,
    surroundings::Surroundings,
    words::Count,
};

/// Sockets looked at where none is named.
const DOCKER_SOCKET: &str = "/var/run/docker.sock";
const PODMAN_SOCKET: &str = "/run/podman/podman.sock";
const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";
/// Where Kubernetes puts what a pod needs to ask it.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Longest answer for `--kubernetes FILE`.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Time for one answer of an engine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Lists the images that are present and running, by all their digests, and says which of them are listed in the feed.
///
/// Docker, Podman and containerd are asked over their sockets: those that are named, or without any those that are there. A cluster is
/// asked by its API server, or read from what kubectl wrote. What appears and goes is kept in a history, so that an entry listed today
/// says where its image ran before, and since when. Ends with code 1 if a listed image is here that the policy denies.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret inventory                                             this machine
  lazaret inventory --where LZ-2026-17                          where it ran, from the history alone
  lazaret inventory --watch 60                                  tell what changes, with every new feed
  kubectl get pods,nodes -A -o json | lazaret inventory --kubernetes -
  lazaret inventory --kubernetes in-cluster --host prod --format policy-report | kubectl apply -f -")]
pub struct InventoryArguments {
    /// Socket of a Docker engine; may be repeated
    #[arg(long, value_name = "SOCKET", help_heading = "Sources")]
    pub docker: Vec<PathBuf>,
    /// Socket of a Podman service; may be repeated
    #[arg(long, value_name = "SOCKET", help_heading = "Sources")]
    pub podman: Vec<PathBuf>,
    /// Socket of a containerd; may be repeated
    #[arg(long, value_name = "SOCKET", help_heading = "Sources")]
    pub containerd: Vec<PathBuf>,
    /// API server (URL, or `in-cluster` in a pod), or a file that `kubectl get pods,nodes -A -o json` wrote (`-`: standard input)
    #[arg(long, value_name = "URL_OR_FILE", help_heading = "Sources")]
    pub kubernetes: Option<String>,
    /// File with the token for the API server
    #[arg(long, value_name = "FILE", help_heading = "Sources")]
    pub token_file: Option<PathBuf>,
    /// File with the certificates that the API server's must be signed by
    #[arg(long, value_name = "FILE", help_heading = "Sources")]
    pub ca_file: Option<PathBuf>,
    /// What this machine or cluster is called in the result [default: the host's name; the API server's for a cluster]
    #[arg(long, value_name = "NAME", help_heading = "Sources")]
    pub host: Option<String>,
    /// Where a digest or an entry is and was, by the history alone
    #[arg(long = "where", value_name = "DIGEST_OR_ENTRY", help_heading = "History")]
    pub place_of: Option<String>,
    /// File of the history [default: inventory.jsonl in the catalog's folder]
    #[arg(long, value_name = "FILE", env = "LAZARET_INVENTORY", hide_env_values = true, help_heading = "History")]
    pub history: Option<PathBuf>,
    /// Keep no history
    #[arg(long, conflicts_with_all = ["history", "place_of"], help_heading = "History")]
    pub no_history: bool,
    /// How many days what went is remembered, 1 to 3650
    #[arg(long, value_name = "DAYS", default_value = "400", help_heading = "History")]
    pub keep: Count<1, 3650>,
    /// Look again every so many seconds, and at once when the feed changes; write only when something did
    #[arg(long, value_name = "SECONDS", help_heading = "Output")]
    pub watch: Option<Count<1, 86_400>>,
    /// How to write the result
    #[arg(long, value_name = "FORMAT", default_value = "table", help_heading = "Output")]
    #[arg(value_parser = PossibleValuesParser::new(FORMATS.iter().map(|format| format.name)))]
    pub format: String,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// By what is decided.
    #[command(flatten)]
    pub engine: EngineArguments,
}

/// Looks, keeps and tells.
///
/// # Errors
///
/// [`Failure`] of sources that are named, the history, the feed, the policy and the output.
pub fn run(
    arguments: &InventoryArguments,
    config: &ConfigFile,
    surroundings: &Surroundings<'_>,
) -> Result<Exit, Failure> {
    let engine = arguments.engine.open(config, surroundings)?;
    let wanted = arguments.place_of.as_deref().map(wanted).transpose().or_exit(Exit::Usage)?;
    let mut history = open_history(arguments, config, surroundings)?;
    let Some(pause) = arguments.watch else {
        if wanted.is_none() {
            look(arguments, config, surroundings, &mut history)?;
        }
        let mut inventory = decided(&mut history, &engine, surroundings)?;
        if let Some(wanted) = wanted {
            only(&mut inventory, &history, wanted);
        }
        tell(arguments, &inventory, wanted.is_some(), surroundings)?;
        return Ok(surroundings.or_stopped(exit_of(&inventory)));
    };

    let (mut looked_at, mut shown, mut exit) = (None, None, Exit::Below);
    while !surroundings.stop.load(Ordering::SeqCst) {
        let now = (surroundings.now)();
        let is_newer = engine.reload().unwrap_or_else(|error| {
            tracing::error!("{error}");
            false
        });
        let is_due = looked_at.is_none_or(|at: u64| now.saturating_sub(at) >= pause.get());
        if is_newer || is_due {
            if is_due {
                looked_at = Some(now);
                look(arguments, config, surroundings, &mut history)?;
            }
            let inventory = decided(&mut history, &engine, surroundings)?;
            exit = exit_of(&inventory);
            let state = state_of(&inventory);
            if shown.as_ref() != Some(&state) || arguments.output.is_some() {
                tell(arguments, &inventory, false, surroundings)?;
                shown = Some(state);
            }
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(surroundings.or_stopped(exit))
}

/// What a watcher must be told of: which places have which images, and what is listed of them.
fn state_of(inventory: &Inventory) -> Vec<(String, String, String, bool, bool, usize)> {
    let places = inventory.images.iter().flat_map(|image| {
        image.places.iter().map(|span| {
            let seen = &span.seen;
            let place = (image.reference.clone(), seen.host.clone(), seen.place.clone());
            (place.0, place.1, place.2, seen.running, span.gone.is_some(), image.decision.hits.len())
        })
    });
    places.collect()
}

fn exit_of(inventory: &Inventory) -> Exit {
    match inventory.outcome() {
        Outcome::Passed => Exit::Below,
        Outcome::Undecided => Exit::Undecided,
        Outcome::Denied => Exit::Found,
    }
}

fn open_history(
    arguments: &InventoryArguments,
    config: &ConfigFile,
    surroundings: &Surroundings<'_>,
) -> Result<History, Failure> {
    if arguments.no_history {
        return Ok(History::in_memory());
    }
    let path = match &arguments.history {
        Some(path) => path.clone(),
        None => {
            let folder = config.store(&StoreArguments::default(), &surroundings.environment).or_exit(Exit::Usage)?;
            folder.join("inventory.jsonl")
        }
    };
    let keep_from = (surroundings.now)().saturating_sub(arguments.keep.get() * 86_400);
    History::open(&path, keep_from).or_exit(Exit::Internal)
}

fn decided(history: &mut History, engine: &Engine, surroundings: &Surroundings<'_>) -> Result<Inventory, Failure> {
    let now = (surroundings.now)();
    let mut inventory = inventory::decide(history, engine, now);
    (inventory.new, inventory.cleared) = history.judge(now, &inventory.hits()).or_exit(Exit::Internal)?;
    Ok(inventory)
}

fn tell(
    arguments: &InventoryArguments,
    inventory: &Inventory,
    everything: bool,
    surroundings: &Surroundings<'_>,
) -> Result<(), Failure> {
    let format = FORMATS.iter().find(|format| format.name == arguments.format);
    let format = format.ok_or_else(|| anyhow!("no format {}", arguments.format)).or_exit(Exit::Usage)?;
    surroundings.meter.clear();
    let destination = Destination::open(arguments.output.as_deref(), surroundings.color)?;
    destination.write(&(format.write)(inventory, surroundings.verbose || everything))
}

/// What `--where` asks for.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Digest(Digest),
    Entry(EntryId),
}

fn wanted(text: &str) -> anyhow::Result<Wanted> {
    let digest = text.parse().map(Wanted::Digest).ok();
    let wanted = digest.or_else(|| text.parse().map(Wanted::Entry).ok());
    wanted.ok_or_else(|| anyhow!("--where {text:?} is neither a digest sha256:… nor an entry LZ-YEAR-NUMBER"))
}

/// Leaves what concerns it; an entry that was withdrawn is known from the history.
fn only(inventory: &mut Inventory, history: &History, wanted: Wanted) {
    let digests: BTreeSet<Digest> = match wanted {
        Wanted::Digest(digest) => [digest].into(),
        Wanted::Entry(entry) => history.digests_of(entry).collect(),
    };
    inventory.images.retain(|image| {
        image.digests.iter().any(|(digest, _)| digests.contains(digest))
            || image.decision.hits.iter().any(|hit| matches!(wanted, Wanted::Entry(entry) if hit.listed.id == entry))
    });
}

/// Asks every source. One that was named must answer; one that happens to be there may not.
fn look(
    arguments: &InventoryArguments,
    config: &ConfigFile,
    surroundings: &Surroundings<'_>,
    history: &mut History,
) -> Result<(), Failure> {
    let host = arguments.host.clone().unwrap_or_else(host_name);
    let named = [&arguments.docker, &arguments.podman, &arguments.containerd].iter().any(|it| !it.is_empty());
    let by_default = !named && arguments.kubernetes.is_none();
    let options = registry_options(None, config, surroundings)?;
    let found = |given: &[PathBuf], usual: &Path| {
        if by_default && usual.exists() { vec![usual.to_owned()] } else { given.to_vec() }
    };
    let docker_socket =
        if options.docker_socket.exists() { options.docker_socket.clone() } else { DOCKER_SOCKET.into() };

    let mut answered = 0;
    let sources = [
        ("docker", found(&arguments.docker, &docker_socket)),
        ("podman", found(&arguments.podman, Path::new(PODMAN_SOCKET))),
        ("containerd", found(&arguments.containerd, Path::new(CONTAINERD_SOCKET))),
    ];
    for (source, sockets) in sources {
        for (number, socket) in sockets.iter().enumerate() {
            // Several of one kind on a machine are told apart by their sockets.
            let host = if number == 0 { host.clone() } else { format!("{host}:{}", socket.display()) };
            let seen = match source {
                "containerd" => inventory::containerd::look(&Containerd::new(socket, TIMEOUT), &host),
                _ => {
                    let options = registry::Options { docker_socket: socket.clone(), ..options.clone() };
                    inventory::docker::look(&ContainerEngine::new(&options), source, &host)
                }
            };
            match seen {
                Ok(seen) => {
                    answered += 1;
                    keep(history, source, &host, &seen, surroundings)?;
                }
                Err(error) if by_default => tracing::warn!("{source}: {}", text::visible(&error.to_string())),
                Err(error) => return Err(error).with_context(|| source.to_owned()).or_exit(Exit::Undecided),
            }
        }
    }
    if let Some(place) = &arguments.kubernetes {
        let (cluster, seen) = cluster(place, arguments).or_exit(Exit::Undecided)?;
        answered += 1;
        keep(history, "kubernetes", &cluster, &seen, surroundings)?;
    }
    if answered == 0 {
        return Err(anyhow!(
            "no container engine answers here: name one with --docker, --podman, --containerd or --kubernetes"
        ))
        .or_exit(Exit::Undecided);
    }
    Ok(())
}

fn keep(
    history: &mut History,
    source: &str,
    host: &str,
    seen: &[Seen],
    surroundings: &Surroundings<'_>,
) -> Result<(), Failure> {
    let delta =
        history.record((surroundings.now)(), source, &[host.to_owned()].into(), seen).or_exit(Exit::Internal)?;
    tracing::info!(
        appeared = delta.appeared,
        gone = delta.gone,
        "{source} {}: {} places, {} new, {} gone",
        text::visible(host),
        seen.len(),
        delta.appeared,
        delta.gone
    );
    Ok(())
}

/// A cluster's name and all it has.
fn cluster(place: &str, arguments: &InventoryArguments) -> anyhow::Result<(String, Vec<Seen>)> {
    let is_server = place == "in-cluster" || place.starts_with("http://") || place.starts_with("https://");
    let name =
        arguments.host.clone().unwrap_or_else(|| if is_server { place.to_owned() } else { "cluster".to_owned() });
    let mut all = Vec::new();
    if !is_server {
        let object: serde_json::Value =
            serde_json::from_slice(&contents(place)?).with_context(|| format!("{place} is no JSON"))?;
        return Ok((name.clone(), inventory::kubernetes::seen(&object, &name)));
    }
    let account = |file: &str| Some(Path::new(SERVICE_ACCOUNT).join(file)).filter(|_| place == "in-cluster");
    let access = KubernetesAccess {
        url: if place == "in-cluster" { "https://kubernetes.default.svc".to_owned() } else { place.to_owned() },
        token_file: arguments.token_file.clone().or_else(|| account("token")),
        ca_file: arguments.ca_file.clone().or_else(|| account("ca.crt")),
        timeout: TIMEOUT,
    };
    for (path, kind) in [("/api/v1/pods", "Pod"), ("/api/v1/nodes", "Node")] {
        registry::kubernetes_list(&access, path, &mut |mut object| {
            object["kind"] = kind.into();
            all.extend(inventory::kubernetes::seen(&object, &name));
        })?;
    }
    Ok((name, all))
}

fn contents(place: &str) -> anyhow::Result<Vec<u8>> {
    let reader: Box<dyn Read> = match place {
        "-" => Box::new(io::stdin().lock()),
        path => Box::new(fs::File::open(path).with_context(|| path.to_owned())?),
    };
    let mut bytes = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    reader.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(|| place.to_owned())?;
    anyhow::ensure!(bytes.len() as u64 <= FILE_BYTES_MAX, "{place} is longer than {FILE_BYTES_MAX} bytes");
    Ok(bytes)
}

/// As the kernel says; it is asked by a file, because nothing else of ours needs the system call.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Some(name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}
