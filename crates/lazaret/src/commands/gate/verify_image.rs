//! `lazaret gate verify-image`: containerd's image verifier.
//!
//! containerd 2 runs every program in a folder before it pulls an image (and, with `verify_on_run`, before it starts one), with `-name`,
//! `-digest`, `-stdin-media-type` and perhaps `-operation`; a descriptor stands on standard input, the reason goes to standard output, and
//! code 0 lets the image through. A link named `lazaret-verify-image` to this program is one such program; so is a script of one line.
//!
//! Source: containerd `docs/image-verification.md`; `docs/containerd-verifier.md` here says how to set it up.

use std::io::{self, Read, Write};

use anyhow::{Context, anyhow};
use clap::Args;
use gate::{Effect, Policy, Resolver, Subject, engine::Engine, resolve};
use model::text;

use super::arguments::{EngineArguments, registry_options};
use crate::{
    exit::{Exit, Failure, OrExit},
    settings::ConfigFile,
    surroundings::Surroundings,
};

/// Longest descriptor read: containerd's own are a few hundred bytes.
const STDIN_BYTES_MAX: u64 = 1 << 20;

/// Says whether containerd may pull or start an image: the reason on standard output, and code 0 to let it through.
///
/// Put a link to this program, named `lazaret-verify-image`, or a script that calls it into the folder `bin_dir` of containerd's
/// plugin `io.containerd.image-verifier.v1.bindir`. Containerd names the image's digest; with --resolve the registry is asked for what
/// it holds as well, which finds listed images behind an index that is not listed itself.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lazaret gate verify-image -name docker.io/library/nginx:1 -digest sha256:… -stdin-media-type application/vnd.oci.descriptor.v1+json

  #!/bin/sh
  exec /usr/local/bin/lazaret gate verify-image --feed /var/lib/lazaret/feed --policy /etc/lazaret/policy.toml \"$@\"")]
pub struct VerifyImageArguments {
    /// By what is decided.
    #[command(flatten)]
    pub engine: EngineArguments,
    /// Ask the registry what the image holds
    #[arg(long, env = "LAZARET_VERIFY_RESOLVE", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    #[arg(help_heading = "Registries")]
    pub resolve: bool,
    /// What containerd says: -name, -digest, -stdin-media-type, -operation
    #[arg(value_name = "CONTAINERD", trailing_var_arg = true, allow_hyphen_values = true)]
    pub contract: Vec<String>,
}

/// Answers one question of containerd.
///
/// # Errors
///
/// [`Failure`] for a malformed call or policy: that stops the image, too.
pub fn run(
    arguments: &VerifyImageArguments,
    config: &ConfigFile,
    surroundings: &Surroundings<'_>,
) -> Result<Exit, Failure> {
    let mut bytes = Vec::new();
    let stdin = io::stdin().lock().take(STDIN_BYTES_MAX + 1);
    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    { stdin }.read_to_end(&mut bytes).context("read the descriptor from standard input").or_exit(Exit::Undecided)?;
    // Containerd shows people what stands on standard output, so what stops an image is said there as well.
    let told = |failure: Failure| match say(&format!("denied: {:#}", failure.error)) {
        Ok(()) => failure,
        Err(unsaid) => unsaid,
    };
    let question = gate::image_verifier::question(&arguments.contract, &bytes).map_err(|why| anyhow!(why));
    let question = question.or_exit(Exit::Usage).map_err(told)?;

    let (policy, _) = arguments.engine.policy(surroundings).map_err(told)?;
    let folder = arguments.engine.folder(config, surroundings).or_exit(Exit::Usage)?;
    let engine = match Engine::open(&folder, policy.clone()) {
        Ok(engine) => engine,
        Err(error) => return say_without_feed(&policy, &error.to_string()),
    };
    let resolver = match arguments.resolve {
        true => Some(resolve::Registries::new(registry_options(None, config, surroundings)?, Vec::new())),
        false => None,
    };
    let subject: Subject = question.subject(resolver.as_ref().map(|resolver| resolver as &dyn Resolver));
    let decision = engine.decide(&subject, (surroundings.now)());
    say(&decision.message)?;
    Ok(match (decision.effect, &decision.undecided) {
        (Effect::Deny, Some(_)) if decision.hits.iter().all(|hit| hit.effect != Effect::Deny) => Exit::Undecided,
        (Effect::Deny, _) => Exit::Found,
        _ => Exit::Below,
    })
}

/// No feed is the stalest feed: the policy says whether that stops an image.
fn say_without_feed(policy: &Policy, why: &str) -> Result<Exit, Failure> {
    let stops = policy.on_stale == Effect::Deny;
    say(&format!("{}: {why}", if stops { "denied" } else { "allowed without a feed" }))?;
    tracing::error!("{}", text::visible(why));
    Ok(if stops { Exit::Undecided } else { Exit::Below })
}

fn say(message: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text::visible(message))
        .and_then(|()| out.flush())
        .context("write the reason")
        .or_exit(Exit::Output)
}
