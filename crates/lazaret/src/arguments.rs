//! What the command line looks like: the roles, and the options that several of them share.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{ArgAction, Args, Parser, Subcommand, builder::FalseyValueParser};

use crate::{
    commands,
    words::{ColorWhen, Count},
};

/// Inspects container images and hunts registries for malicious ones.
///
/// Lazaret reads every layer of an image, deleted files included, without running anything and without writing any of
/// it to disk, and gives a verdict that shows its evidence.
#[derive(Debug, Parser)]
#[command(name = "lazaret", version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
#[command(after_long_help = AFTER_HELP)]
pub struct Arguments {
    /// For every role.
    #[command(flatten)]
    pub common: CommonArguments,
    /// What to do.
    #[command(subcommand)]
    pub role: Role,
}

/// What a link to this program is called that containerd runs.
pub const IMAGE_VERIFIER: &str = "lazaret-verify-image";

const AFTER_HELP: &str = "\
Examples:
  lazaret scan nginx                                  a public image, for this machine's platform
  docker save app | lazaret scan docker-archive:-     a local image, from a pipe
  lazaret hunt --registry http://localhost:5000       every image of a registry
  lazaret explain sha256:…                            why, offline, from the catalog
  lazaret feed export --format plain                  digests of what is malicious

Settings come from flags, then LAZARET_* variables, then the configuration file, then defaults.
The file is $XDG_CONFIG_HOME/lazaret/config.toml (~/.config/lazaret/config.toml), or --config FILE.

Exit codes:
  0    every image lies below --fail-on        2    malformed command, setting or reference
  1    one lies at or above it                 70   defect of Lazaret, or its catalog failed
  3    none does, but one was not decided      74   output cannot be written
                                               130  interrupted";

/// Options of every role.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub struct CommonArguments {
    /// Configuration file (TOML) [default: lazaret/config.toml in the user's configuration folder, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "LAZARET_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// When to colour [default: auto: on a terminal, unless NO_COLOR is set]
    #[arg(long, global = true, value_name = "WHEN", env = "LAZARET_COLOR", hide_env_values = true)]
    pub color: Option<ColorWhen>,
    /// Say more: list facts too and log steps; twice for more
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Say less: no progress, only results and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// What `lazaret` can do; each is a file in `commands/`.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Inspect images and judge them
    Scan(commands::scan::ScanArguments),
    /// Inspect every image of a registry, going on where an earlier run stopped
    Hunt(commands::hunt::HuntArguments),
    /// Run an image where it cannot leave, and judge what it does
    Detonate(Box<commands::detonate::DetonateArguments>),
    /// Say what this machine gives for running images, and what it lacks
    Doctor(commands::doctor::DoctorArguments),
    /// Show everything the catalog knows about a digest, offline
    Explain(commands::explain::ExplainArguments),
    /// Publish the digests of malicious images, and mirror what others publish
    #[command(subcommand)]
    Feed(commands::feed::FeedRole),
    /// Keep listed images from being run: say whether one may be used, at every door
    #[command(subcommand)]
    Gate(Box<commands::gate::GateRole>),
    /// List what is present and running, and was, and what of it is listed
    Inventory(Box<commands::inventory::InventoryArguments>),
    /// Keep the images that you vouch for, to tell others from them
    #[command(subcommand)]
    Known(commands::known::KnownRole),
    /// Import what others know of hosts and files
    #[command(subcommand)]
    Intel(commands::intel::IntelRole),
    /// Show what is looked for, and how often it is wrong
    Detectors(commands::detectors::DetectorsArguments),
    /// Write completions for a shell
    Completions(commands::completions::CompletionsArguments),
    /// Write the manual page
    Man(commands::man::ManArguments),
}

/// The command line that a link to this program stands for: containerd runs programs of a folder and gives them no role.
#[must_use]
pub fn by_name(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let name = arguments.first().and_then(|name| Path::new(name).file_name()?.to_str());
    if name == Some(IMAGE_VERIFIER) {
        arguments.splice(..1, ["lazaret", "gate", "verify-image"].map(OsString::from));
    }
    arguments
}

/// Where the catalog is.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Catalog")]
pub struct StoreArguments {
    /// Folder of the catalog [default: lazaret in the user's data folder]
    #[arg(long, value_name = "DIR", env = "LAZARET_STORE", hide_env_values = true)]
    pub store: Option<PathBuf>,
}

/// How images are read and inspected: shared by `scan` and `hunt`.
#[derive(Debug, Default, Args)]
pub struct StationArguments {
    /// The catalog.
    #[command(flatten)]
    pub store: StoreArguments,
    /// Remember nothing: neither read nor write the catalog
    #[arg(long, conflicts_with = "store", env = "LAZARET_NO_STORE", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new(), help_heading = "Catalog")]
    pub no_store: bool,
    /// Inspect again what the catalog knows
    #[arg(long, help_heading = "Catalog")]
    pub rescan: bool,
    /// YARA and gitleaks rules to use beside ours: a file, or a folder of .yar, .yara and .toml files; may be repeated
    #[arg(long, value_name = "FILE_OR_DIR", env = "LAZARET_RULES", hide_env_values = true)]
    #[arg(value_delimiter = ',', help_heading = "Inspection")]
    pub rules: Option<Vec<PathBuf>>,
    /// Threads that inspect files, 1 to 256 [default: one for each processor]
    #[arg(long, value_name = "N", env = "LAZARET_WORKERS", hide_env_values = true, help_heading = "Inspection")]
    pub workers: Option<Count<1, 256>>,
    /// Registries (host[:port]) to speak to without TLS; this machine always may; may be repeated
    #[arg(long, value_name = "HOST", env = "LAZARET_INSECURE_REGISTRY", hide_env_values = true)]
    #[arg(value_delimiter = ',', help_heading = "Registries")]
    pub insecure_registry: Option<Vec<String>>,
    /// Ceilings.
    #[command(flatten)]
    pub limits: crate::limits::LimitArguments,
}
