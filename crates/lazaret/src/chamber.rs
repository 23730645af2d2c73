//! Opens what running images needs: where layers are unpacked, how much a run may take, who is told.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use hunt::{Detonating, Onlooker, UntilCertain, Unwatched};
use model::Trace;
use sandbox::{
    detonate::{Detonation, Observer, Options, warm},
    launch::{Isolation, Limits, Store, is_root, sweep},
};
use serde::Deserialize;

use crate::{
    exit::{Exit, Failure, OrExit},
    live::Live,
    surroundings::Surroundings,
    words::Count,
};

/// Seconds for all runs of an image without `--budget`.
const BUDGET_S: u64 = 60;
/// Folder of unpacked layers, in the catalog's.
const UNPACKED: &str = "unpacked";

/// How images are run: shared by `detonate`, `scan --detonate` and `hunt --detonate`.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Runs")]
pub struct RunArguments {
    /// Seconds for all runs of an image [default: 60]
    #[arg(long, value_name = "SECONDS", env = "LAZARET_BUDGET", hide_env_values = true)]
    pub budget: Option<Count<2, 86_400>>,
    /// Which kind of sandbox [default: namespace as root, else rootless]
    #[arg(long, value_name = "KIND", env = "LAZARET_ISOLATION", hide_env_values = true)]
    pub isolation: Option<IsolationChoice>,
    /// Memory of a run, in bytes [default: 2_147_483_648]
    #[arg(long, value_name = "BYTES", env = "LAZARET_RUN_MEMORY", hide_env_values = true)]
    pub run_memory: Option<Count<{ 16 << 20 }, { 1 << 40 }>>,
    /// Let samples sleep as long as they want
    #[arg(long)]
    pub no_skip_sleeps: bool,
    /// No second run with the date moved on
    #[arg(long)]
    pub no_shift_date: bool,
    /// Run also what attacks the kernel, which every sandbox here shares with this machine
    #[arg(long)]
    pub force: bool,
    /// Folder for unpacked layers [default: `unpacked` in the catalog's folder]
    #[arg(long, value_name = "DIR", env = "LAZARET_UNPACKED", hide_env_values = true)]
    pub unpacked: Option<PathBuf>,
}

/// Kinds of sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IsolationChoice {
    /// Namespaces, cgroup and BPF sensor; needs root.
    Namespace,
    /// A user namespace and the seccomp sensor; needs no privilege.
    Rootless,
}

/// What is kept of the runs besides the verdict.
#[derive(Default)]
struct Kept {
    traces: Vec<Trace>,
    packets: Vec<(String, Vec<u8>)>,
}

/// Settings with everything opened.
pub struct Chamber {
    store: Store,
    options: Options,
    observer: Arc<dyn Observer>,
    live: Option<Arc<Live>>,
    force: bool,
    kept: Arc<Mutex<Kept>>,
    keep: Box<dyn Fn(&Detonation) + Sync>,
}

impl Chamber {
    /// Opens the folder of unpacked layers and removes what a killed Lazaret left there. `wants_all` keeps traces and packets for
    /// [`Chamber::take_traces`] and [`Chamber::take_packets`]; `watched` shows the runs, which are then of one image at a time.
    ///
    /// # Errors
    ///
    /// [`Exit::Internal`] if the folder cannot be made.
    pub fn open(
        arguments: &RunArguments,
        catalog: Option<&Path>,
        wants_traces: bool,
        wants_packets: bool,
        watched: bool,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, Failure> {
        let folder = match (&arguments.unpacked, catalog) {
            (Some(folder), _) => folder.clone(),
            (None, Some(catalog)) => catalog.join(UNPACKED),
            (None, None) => std::env::temp_dir().join("lazaret-unpacked"),
        };
        let context = || format!("unpack layers into {}", folder.display());
        fs::create_dir_all(&folder).with_context(context).or_exit(Exit::Internal)?;
        let store = Store::open(&folder).with_context(context).or_exit(Exit::Internal)?;
        let swept = sweep(&folder);
        tracing::debug!("swept {swept:?}");
        let isolation = match arguments.isolation {
            Some(IsolationChoice::Namespace) => Isolation::Namespace,
            Some(IsolationChoice::Rootless) => Isolation::Rootless,
            None if is_root() => Isolation::Namespace,
            None => Isolation::Rootless,
        };
        let limits = Limits {
            memory_bytes: arguments.run_memory.map_or(Limits::default().memory_bytes, Count::get),
            ..Limits::default()
        };
        let options = Options {
            isolation,
            budget_ms: arguments.budget.map_or(BUDGET_S, Count::get) * 1_000,
            limits,
            now: 0,
            seed: 0,
            skip_sleeps: !arguments.no_skip_sleeps,
            shift_clock: !arguments.no_shift_date,
            capture_packets: wants_packets,
            without_bpf: false,
        };
        warm(&options);
        let kept = Arc::new(Mutex::new(Kept::default()));
        let keep = {
            let kept = Arc::clone(&kept);
            move |detonation: &Detonation| {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if wants_traces {
                    kept.traces.extend(detonation.traces.iter().cloned());
                }
                kept.packets.extend(detonation.packets.iter().cloned());
            }
        };
        let live = watched.then(|| Arc::new(Live::new(surroundings.meter)));
        let observer: Arc<dyn Observer> = match &live {
            Some(live) => Arc::new(UntilCertain(Arc::clone(live) as Arc<dyn Onlooker>)),
            None => Arc::new(UntilCertain(Arc::new(Unwatched))),
        };
        Ok(Self { store, options, observer, live, force: arguments.force, kept, keep: Box::new(keep) })
    }

    /// Takes the picture of the runs away before a result is written.
    pub fn clear(&self) {
        self.live.iter().for_each(|live| live.clear());
    }

    /// What the pipeline needs. `again`: run also what the catalog has a report on.
    #[must_use]
    pub fn detonating(&self, again: bool) -> Detonating<'_> {
        Detonating {
            store: &self.store,
            options: &self.options,
            observer: &self.observer,
            force: self.force,
            again,
            keep: &*self.keep,
        }
    }

    /// Everything recorded so far.
    #[must_use]
    pub fn take_traces(&self) -> Vec<Trace> {
        std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner).traces)
    }

    /// The packets so far, each run a `pcapng` of its own.
    #[must_use]
    pub fn take_packets(&self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner).packets)
    }
}
