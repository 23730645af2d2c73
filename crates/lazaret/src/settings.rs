//! The configuration file and its place in the order: flag, then `LAZARET_*` (clap reads both), then file, then default.

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow};
use model::Platform;
use serde::Deserialize;

use crate::{
    arguments::{CommonArguments, StationArguments, StoreArguments},
    limits::{self, LimitSection},
    words::{ColorWhen, Count, FailOn, Format, PlatformChoice},
};

/// Longest configuration file read.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// What `main` read from the environment besides what clap does. Nothing else reads it.
#[derive(Debug, Default, Clone)]
pub struct Environment {
    /// `$HOME`.
    pub home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`.
    pub config_home: Option<PathBuf>,
    /// `$XDG_DATA_HOME`.
    pub data_home: Option<PathBuf>,
    /// `$DOCKER_CONFIG`.
    pub docker_config: Option<PathBuf>,
    /// `$DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `$HTTPS_PROXY`, else `$https_proxy`.
    pub proxy: Option<registry::Secret>,
    /// `$LAZARET_FEED_PASSPHRASE`.
    pub feed_passphrase: Option<feed::trust::Secret>,
    /// `$NO_COLOR` is set to something.
    pub no_color: bool,
    /// Processors this process may use.
    pub processors: usize,
}

impl Environment {
    /// `folder` of the XDG base directory specification (relative ones are to be ignored), else `fallback` in the home.
    fn folder(&self, folder: Option<&PathBuf>, fallback: &str) -> Option<PathBuf> {
        let given = folder.filter(|folder| folder.is_absolute()).cloned();
        given.or_else(|| self.home.as_ref().map(|home| home.join(fallback))).map(|folder| folder.join("lazaret"))
    }
}

/// The configuration file. Every key is optional; an unknown one is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ConfigFile {
    store: Option<PathBuf>,
    color: Option<ColorWhen>,
    workers: Option<Count<1, 256>>,
    rules: Option<Vec<PathBuf>>,
    insecure_registries: Option<Vec<String>>,
    docker_socket: Option<PathBuf>,
    scan: ScanSection,
    hunt: HuntSection,
    network: NetworkSection,
    limits: LimitSection,
}

/// `[scan]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ScanSection {
    /// As `--platform`.
    pub platform: Option<PlatformChoice>,
    /// As `--format`.
    pub format: Option<Format>,
    /// As `--fail-on`.
    pub fail_on: Option<FailOn>,
}

/// `[hunt]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct HuntSection {
    /// As `--platform`.
    pub platforms: Option<Vec<PlatformChoice>>,
    /// As `--tags-max`.
    pub tags_max: Option<Count<1, 100_000>>,
    /// As `--repositories-max`.
    pub repositories_max: Option<Count<1, 100_000_000>>,
    /// As `--at-once`.
    pub at_once: Option<Count<1, 64>>,
}

/// `[network]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct NetworkSection {
    attempts_max: Option<Count<1, 20>>,
    retry_wait_max_s: Option<Count<0, 86_400>>,
    timeout_s: Option<Count<1, 3_600>>,
}

impl ConfigFile {
    /// Reads `--config`, else the user's file if there is one.
    ///
    /// # Errors
    ///
    /// One line that names the file, the line and the key.
    pub fn read(common: &CommonArguments, environment: &Environment) -> anyhow::Result<Self> {
        let usual = environment.folder(environment.config_home.as_ref(), ".config").map(|it| it.join("config.toml"));
        let (path, asked_for) = match (&common.config, usual) {
            (Some(path), _) => (path.clone(), true),
            (None, Some(path)) => (path, false),
            (None, None) => return Ok(Self::default()),
        };
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !asked_for => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(|| format!("read configuration file {}", path.display())),
        };
        let mut text = String::new();
        #[expect(clippy::disallowed_methods, reason = "bounded by `take` in the same line")]
        file.take(CONFIG_BYTES_MAX)
            .read_to_string(&mut text)
            .with_context(|| format!("read configuration file {}", path.display()))?;
        let mut config =
            Self::parse(&text).map_err(|detail| anyhow!("configuration file {}, {detail}", path.display()))?;
        config.anchor(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = 1 + before.bytes().filter(|&byte| byte == b'\n').count();
            let key =
                text.lines().nth(line - 1).and_then(|line| line.split_once('=')).map_or("", |(key, _)| key.trim());
            let message = error.message().replace('\n', " ");
            if key.is_empty() || message.contains(key) {
                format!("line {line}: {message}")
            } else {
                format!("line {line}, {key}: {message}")
            }
        })
    }

    /// Paths in the file are relative to it.
    fn anchor(&mut self, folder: &Path) {
        let paths = self.store.iter_mut().chain(self.rules.iter_mut().flatten()).chain(self.docker_socket.iter_mut());
        for path in paths {
            *path = folder.join(&path);
        }
    }

    /// `[scan]`.
    #[must_use]
    pub const fn scan(&self) -> &ScanSection {
        &self.scan
    }

    /// `[hunt]`.
    #[must_use]
    pub const fn hunt(&self) -> &HuntSection {
        &self.hunt
    }

    /// When to colour, as far as flags, variables and the file say.
    #[must_use]
    pub fn color(&self, common: &CommonArguments) -> ColorWhen {
        common.color.or(self.color).unwrap_or_default()
    }

    /// Where the catalog is.
    ///
    /// # Errors
    ///
    /// If neither a folder is given nor a home is known.
    pub fn store(&self, arguments: &StoreArguments, environment: &Environment) -> anyhow::Result<PathBuf> {
        let given = arguments.store.clone().or_else(|| self.store.clone());
        given
            .or_else(|| environment.folder(environment.data_home.as_ref(), ".local/share"))
            .ok_or_else(|| anyhow!("there is no place for the catalog because HOME is not set: give --store DIR"))
    }

    /// Everything `scan` and `hunt` need.
    ///
    /// # Errors
    ///
    /// If there is no place for the catalog.
    pub fn station(&self, arguments: &StationArguments, environment: &Environment) -> anyhow::Result<StationSettings> {
        let store = if arguments.no_store { None } else { Some(self.store(&arguments.store, environment)?) };
        let seconds = |value: u64| Duration::from_secs(value);
        let home = environment.home.as_ref();
        let socket_of_host = environment.docker_host.as_deref().and_then(|host| host.strip_prefix("unix://"));
        Ok(StationSettings {
            store,
            rescan: arguments.rescan,
            rules: arguments.rules.clone().or_else(|| self.rules.clone()).unwrap_or_default(),
            workers: arguments.workers.or(self.workers).map_or(environment.processors.clamp(1, 256), Count::size),
            limits: limits::merge(&arguments.limits, &self.limits),
            registry: registry::Options {
                insecure_registries: arguments
                    .insecure_registry
                    .clone()
                    .or_else(|| self.insecure_registries.clone())
                    .unwrap_or_default(),
                docker_config_folder: environment.docker_config.clone().or_else(|| home.map(|it| it.join(".docker"))),
                docker_socket: self
                    .docker_socket
                    .clone()
                    .or_else(|| socket_of_host.map(PathBuf::from))
                    .unwrap_or_else(|| PathBuf::from("/var/run/docker.sock")),
                attempts_max: self.network.attempts_max.map_or(4, |it| u32::try_from(it.get()).unwrap_or(4)),
                retry_wait_max: seconds(self.network.retry_wait_max_s.map_or(60, Count::get)),
                timeout: seconds(self.network.timeout_s.map_or(30, Count::get)),
                user_agent: concat!("lazaret/", env!("CARGO_PKG_VERSION"), " (container image security scanner)")
                    .to_owned(),
                proxy: environment.proxy.clone(),
                ..registry::Options::default()
            },
        })
    }
}

/// What `scan` and `hunt` need, merged: a struct that cannot be wrong.
#[derive(Debug)]
pub struct StationSettings {
    /// Folder of the catalog; none: remember nothing.
    pub store: Option<PathBuf>,
    /// Ask everything again.
    pub rescan: bool,
    /// The user's rule files and folders.
    pub rules: Vec<PathBuf>,
    /// Threads that inspect.
    pub workers: usize,
    /// Ceilings of a layer.
    pub limits: layer::Limits,
    /// How to talk to registries.
    pub registry: registry::Options,
}

/// The one platform a scan means; none: each one there is.
#[must_use]
pub fn one_platform(flag: Option<&PlatformChoice>, file: Option<&PlatformChoice>) -> Option<Platform> {
    match flag.or(file) {
        None => Some(Platform::host()),
        Some(PlatformChoice::All) => None,
        Some(PlatformChoice::One(platform)) => Some(platform.clone()),
    }
}

/// The platforms a hunt means; empty: each one there is.
#[must_use]
pub fn platforms(flags: Option<Vec<PlatformChoice>>, file: Option<&Vec<PlatformChoice>>) -> Vec<Platform> {
    let chosen = flags.or_else(|| file.cloned()).unwrap_or_default();
    let one = |choice| match choice {
        PlatformChoice::All => None,
        PlatformChoice::One(platform) => Some(platform),
    };
    // One `all` among others means all, so the list of single ones is dropped.
    chosen.into_iter().map(one).collect::<Option<Vec<_>>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment { home: Some("/home/a".into()), processors: 2, ..Environment::default() }
    }

    #[test]
    fn a_wrong_file_names_line_and_key() {
        let error = |text: &str| ConfigFile::parse(text).expect_err("must be refused");
        let unknown = error("workers = 2\nworkerz = 3");
        assert!(unknown.starts_with("line 2: unknown field `workerz`"), "{unknown}");
        assert_eq!(error("workers = 0"), "line 1, workers: 0 is not in 1 to 256");
        assert!(error("[scan]\nfail-on = \"terrible\"").starts_with("line 2, fail-on: unknown variant `terrible`"));
        assert!(!error("store = ").contains('\n'));
    }

    #[test]
    fn the_documented_example_is_read_and_says_the_defaults() {
        let page = include_str!("../../../docs/configuration.md");
        let example = page.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
        let config = ConfigFile::parse(example).expect("is read");
        let default = ConfigFile::default();
        let shown = |config: &ConfigFile| {
            let mut station = config.station(&StationArguments::default(), &environment()).expect("fine");
            station.registry.insecure_registries.clear();
            format!("{:?} {:?}", station.limits, station.registry)
        };
        assert_eq!(shown(&config), shown(&default));
    }

    #[test]
    fn folders_follow_the_base_directory_specification() {
        let config = ConfigFile::default();
        let store = |environment: &Environment| config.store(&StoreArguments::default(), environment).ok();
        assert_eq!(store(&environment()), Some("/home/a/.local/share/lazaret".into()));
        let given = Environment { data_home: Some("/data".into()), ..environment() };
        assert_eq!(store(&given), Some("/data/lazaret".into()));
        let relative = Environment { data_home: Some("data".into()), ..environment() };
        assert_eq!(store(&relative), Some("/home/a/.local/share/lazaret".into()), "relative folders are ignored");
        assert_eq!(store(&Environment::default()), None);
    }

    #[test]
    fn paths_in_a_file_are_relative_to_it() {
        let mut config = ConfigFile::parse("store = \"catalog\"\nrules = [\"mine.yar\", \"/abs.yar\"]").expect("fine");
        config.anchor(Path::new("/etc/lazaret"));
        let station = config.station(&StationArguments::default(), &environment()).expect("fine");
        assert_eq!(station.store, Some("/etc/lazaret/catalog".into()));
        assert_eq!(station.rules, [PathBuf::from("/etc/lazaret/mine.yar"), "/abs.yar".into()]);
    }

    #[test]
    fn a_flag_stands_before_the_file_before_the_default() {
        let config = ConfigFile::parse("workers = 3\ninsecure-registries = [\"a:1\"]").expect("fine");
        let flags = StationArguments { workers: "4".parse().ok(), ..StationArguments::default() };
        let station = config.station(&flags, &environment()).expect("fine");
        assert_eq!((station.workers, station.registry.insecure_registries), (4, vec!["a:1".to_owned()]));
        let station = config.station(&StationArguments::default(), &environment()).expect("fine");
        assert_eq!(station.workers, 3);
        let station = ConfigFile::default().station(&StationArguments::default(), &environment()).expect("fine");
        assert_eq!(station.workers, 2);
    }

    #[test]
    fn all_platforms_swallow_single_ones() {
        let choices = |texts: &[&str]| Some(texts.iter().filter_map(|text| text.parse().ok()).collect());
        assert_eq!(platforms(choices(&["linux/arm64", "all"]), None), []);
        assert_eq!(platforms(choices(&["linux/arm64"]), None).len(), 1);
        assert_eq!(one_platform(None, None), Some(Platform::host()));
        assert_eq!(one_platform(Some(&PlatformChoice::All), None), None);
    }
}
