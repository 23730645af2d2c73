//! `lazaret gate check`: images, and files that name some, against the feed.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::anyhow;
use clap::{Args, builder::PossibleValuesParser};
use gate::{
    Resolver,
    inputs::{self, Asked, File, Kind},
    report::{self, Checked, FORMATS, Outcome, Row},
    resolve::Registries,
};
use model::{Locator, text};

use super::arguments::{EngineArguments, registry_options};
use crate::{
    exit::{Exit, Failure, OrExit},
    output::destination::Destination,
    settings::ConfigFile,
    surroundings::Surroundings,
    words::PlatformChoice,
};

/// Says whether images are listed in the feed, and ends with code 1 if one is denied.
///
/// An image is a name, a digest `sha256:…`, or `oci:FOLDER[:TAG]`, `oci-archive:FILE`, `docker-archive:FILE`. Names are
/// followed to all digests behind them: index, manifests, configs, layers. Files are taken for what they look like: compose
/// files, Kubernetes manifests (also rendered ones on standard input), Dockerfiles, bills of materials (CycloneDX or SPDX).
/// What cannot be followed to a digest is told, and ends with code 3 where nothing is denied.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret gate check nginx:1.27 ghcr.io/a/b@sha256:…
  lazaret gate check -f compose.yaml -f k8s/
  helm template chart | lazaret gate check -f -
  lazaret gate check --dockerfile Dockerfile --build-arg VERSION=3
  lazaret gate check --sbom app.cdx.json --format sarif --output gate.sarif
  docker save app -o app.tar && lazaret gate check --offline --docker-archive app.tar")]
pub struct CheckArguments {
    /// Images to check
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Files that name images, or folders of .yaml, .yml and .json files; `-` is standard input; may be repeated
    #[arg(short, long, value_name = "FILE", help_heading = "Inputs")]
    pub file: Vec<PathBuf>,
    /// Dockerfiles, whatever they are called
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    pub dockerfile: Vec<PathBuf>,
    /// Bills of materials, CycloneDX (JSON) or SPDX
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    pub sbom: Vec<PathBuf>,
    /// OCI image layouts in folders
    #[arg(long, value_name = "DIR", help_heading = "Inputs")]
    pub oci_layout: Vec<PathBuf>,
    /// What `docker save` or `podman save` wrote
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    pub docker_archive: Vec<PathBuf>,
    /// Build argument of Dockerfiles
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, help_heading = "Inputs")]
    pub build_arg: Vec<(String, String)>,
    /// Variable of compose files, before those of the .env file beside the first one
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, help_heading = "Inputs")]
    pub env: Vec<(String, String)>,
    /// Ask no registry: decide by the digests that are named
    #[arg(long, help_heading = "Registries")]
    pub offline: bool,
    /// Follow only this platform of an index [default: all]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", env = "LAZARET_PLATFORM", hide_env_values = true)]
    #[arg(help_heading = "Registries")]
    pub platform: Option<PlatformChoice>,
    /// Registries (host[:port]) to speak to without TLS; this machine always may; may be repeated
    #[arg(long, value_name = "HOST", env = "LAZARET_INSECURE_REGISTRY", hide_env_values = true)]
    #[arg(value_delimiter = ',', help_heading = "Registries")]
    pub insecure_registry: Option<Vec<String>>,
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

/// Checks everything that is named.
///
/// # Errors
///
/// [`Failure`] for what concerns the whole run: a file that does not open, the feed, the policy, the output.
pub fn run(arguments: &CheckArguments, config: &ConfigFile, surroundings: &Surroundings<'_>) -> Result<Exit, Failure> {
    let format = FORMATS.iter().find(|format| format.name == arguments.format);
    let format = format.ok_or_else(|| anyhow!("no format {}", arguments.format)).or_exit(Exit::Usage)?;
    let options = registry_options(arguments.insecure_registry.as_ref(), config, surroundings)?;
    let mut asked = asked(arguments, &options)?;
    let engine = arguments.engine.open(config, surroundings)?;
    let destination = Destination::open(arguments.output.as_deref(), surroundings.color)?;

    let platforms = match &arguments.platform {
        Some(PlatformChoice::One(platform)) => vec![platform.clone()],
        _ => Vec::new(),
    };
    let resolver = Registries::new(options, platforms);
    inputs::resolve(&mut asked, if arguments.offline { None } else { Some(&resolver as &dyn Resolver) });

    let now = (surroundings.now)();
    let rows: Vec<Row> = asked
        .into_iter()
        .map(|asked| {
            let decision = engine.decide(&asked.subject, now);
            Row { asked, decision }
        })
        .collect();
    let checked = Checked {
        rows: &rows,
        sequence: engine.sequence(),
        age_s: engine.age_seconds(now),
        verbose: surroundings.verbose,
    };
    surroundings.meter.clear();
    destination.write(&(format.write)(&checked))?;
    Ok(surroundings.or_stopped(match report::outcome(&rows) {
        Outcome::Passed => Exit::Below,
        Outcome::Undecided => Exit::Undecided,
        Outcome::Denied => Exit::Found,
    }))
}

/// Everything that is named, not yet followed to its digests.
fn asked(arguments: &CheckArguments, options: &registry::Options) -> Result<Vec<Asked>, Failure> {
    let mut asked = Vec::new();
    let mut locals = Vec::new();
    for image in &arguments.images {
        match image.parse::<Locator>() {
            Ok(Locator::DockerArchive(None) | Locator::DockerDaemon(_)) => {
                let hint = "save it first (docker save NAME -o FILE), then --docker-archive FILE";
                return Err(anyhow!("{}: {hint}", text::visible(image))).or_exit(Exit::Usage);
            }
            Ok(local) if !matches!(local, Locator::Registry(_)) => locals.push(local),
            _ => asked.push(inputs::ask_name(image).map_err(|error| anyhow!(error)).or_exit(Exit::Usage)?),
        }
    }
    locals.extend(arguments.oci_layout.iter().map(|folder| Locator::OciLayout { folder: folder.clone(), tag: None }));
    locals.extend(arguments.docker_archive.iter().map(|file| Locator::DockerArchive(Some(file.clone()))));

    let mut files = Vec::new();
    for path in &arguments.file {
        files.extend(listed(path).or_exit(Exit::Usage)?.into_iter().map(|path| file(&path, Kind::Any)));
    }
    files.extend(arguments.dockerfile.iter().map(|path| file(path, Kind::Dockerfile)));
    files.extend(arguments.sbom.iter().map(|path| file(path, Kind::Sbom)));
    if asked.is_empty() && locals.is_empty() && files.is_empty() {
        return Err(anyhow!(
            "name images, or files with --file, --dockerfile, --sbom, --oci-layout or --docker-archive"
        ))
        .or_exit(Exit::Usage);
    }
    if files.iter().filter(|file| file.path.is_none()).count() > 1 {
        return Err(anyhow!("standard input holds one file: name - once")).or_exit(Exit::Usage);
    }

    let named: Vec<PathBuf> = files.iter().filter_map(|file| file.path.clone()).collect();
    let settings = inputs::Options {
        build_args: arguments.build_arg.iter().cloned().collect(),
        variables: variables(arguments, named.first().map(PathBuf::as_path)),
    };
    let mut open = |path: Option<&Path>| open(path, &named);
    asked.extend(inputs::read(files, &settings, &mut open).map_err(|error| anyhow!(error)).or_exit(Exit::Usage)?);
    for local in locals {
        match inputs::ask_local(&local, options) {
            Ok(images) => asked.extend(images),
            Err(error @ registry::RegistryError::NotFound { .. }) => return Err(anyhow!(error)).or_exit(Exit::Usage),
            Err(error) => asked.push(Asked {
                subject: gate::Subject {
                    reference: Some(local.to_string()),
                    unresolved: Some(error.to_string()),
                    ..gate::Subject::default()
                },
                ..Asked::default()
            }),
        }
    }
    Ok(asked)
}

fn file(path: &Path, kind: Kind) -> File {
    File { path: Some(path.to_owned()).filter(|path| path != Path::new("-")), kind }
}

/// A file itself; of a folder the manifests in it, by name.
fn listed(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let context = |error| anyhow!("{}: {error}", path.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(context)? {
        let file = entry.map_err(context)?.path();
        let end = file.extension().and_then(|end| end.to_str()).unwrap_or_default();
        if matches!(end, "yaml" | "yml" | "json") && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(anyhow!("{} holds no .yaml, .yml or .json file", path.display()));
    }
    files.sort();
    Ok(files)
}

/// Those of the command line, then those of the `.env` file that compose would read.
fn variables(arguments: &CheckArguments, first: Option<&Path>) -> BTreeMap<String, String> {
    let beside = first.map(|file| file.parent().unwrap_or(Path::new("")).join(".env"));
    let text = beside.and_then(|path| open(Some(&path), &[]).ok()).unwrap_or_default();
    let mut variables = inputs::env_file(&text);
    variables.extend(arguments.env.iter().cloned());
    variables
}

/// The text of a file. What a file names must be a regular one: nobody may make us wait for a pipe or read a device.
fn open(path: Option<&Path>, named: &[PathBuf]) -> Result<String, String> {
    let reader: Box<dyn Read> = match path {
        None => Box::new(io::stdin().lock()),
        Some(path) => {
            let is_file = fs::metadata(path).map_err(|error| error.to_string())?.is_file();
            if !is_file && !named.iter().any(|known| known == path) {
                return Err("it is no regular file".to_owned());
            }
            Box::new(fs::File::open(path).map_err(|error| error.to_string())?)
        }
    };
    let mut bytes = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    reader.take(inputs::FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > inputs::FILE_BYTES_MAX {
        return Err(format!("it is longer than {} bytes", inputs::FILE_BYTES_MAX));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}
