//! A drop-in for podman, skopeo, buildah and CRI-O that blocks listed images by name and digest:
//! `registries.conf.d/lazaret.conf`, to be put into `/etc/containers/registries.conf.d/`.
//!
//! Here a digest can be blocked only under a name, so it stops the names an image was seen under, pulled by digest. A pull by tag, or
//! under another name, passes: `lazaret gate proxy` stops those. Names that are no repository's are left out, the rest cannot hold a
//! quote. Source: containers-registries.conf(5), `prefix` and `blocked`.

use std::{collections::BTreeSet, fmt::Write as _, io};

use model::{ImageReference, reference::DOCKER_HUB};

use super::{Form, Sink, State, surely_blocked, text::line, text::quoted};

pub(super) const FORM: Form = Form {
    name: "registries-conf",
    title: "registries.conf blocks for podman, skopeo, buildah and CRI-O",
    path: "registries.conf.d/",
    files,
};

/// Most names: they are tried one by one for each pull.
const NAMES_MAX: usize = 20_000;

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    let path = "registries.conf.d/lazaret.conf";
    if out.keep(path, "")? {
        return Ok(());
    }
    let mut names = BTreeSet::new();
    for entry in surely_blocked(state.entries) {
        let parsed = entry.references.iter().filter_map(|reference| reference.parse::<ImageReference>().ok());
        names.extend(parsed.filter(is_plain).map(|image| format!("{}@{}", image.name(), entry.digest)));
    }
    let mut text = format!(
        "# {}: names under which malicious images were seen, blocked by digest.\n\
         # A pull by tag, or of the same image under another name, passes: `lazaret gate proxy` stops those.\n",
        line(state.name)
    );
    if names.len() > NAMES_MAX {
        let _ = writeln!(text, "# {} more names are left out.", names.len() - NAMES_MAX);
    }
    for name in names.iter().take(NAMES_MAX) {
        let _ = write!(text, "\n[[registry]]\nprefix = {}\nblocked = true\n", quoted(name));
    }
    out.file(path, text.into_bytes())
}

/// Whether the registry is a host that podman takes for one; brackets and the like make it refuse the whole file.
fn is_plain(image: &ImageReference) -> bool {
    let (host, port) = image.registry.split_once(':').map_or((image.registry.as_str(), None), |(h, p)| (h, Some(p)));
    let labels = host.split('.').all(|label| {
        let edges = [label.bytes().next(), label.bytes().next_back()];
        edges.into_iter().all(|edge| edge.is_some_and(|byte| byte.is_ascii_alphanumeric()))
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    let port = port.is_none_or(|port| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()));
    labels
        && port
        && (image.registry == DOCKER_HUB || host.contains('.') || host == "localhost" || image.registry.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[test]
    fn hosts_that_are_none_are_left_out() {
        for (reference, plain) in [
            ("evil/miner:1", true),
            ("ghcr.io/a/b", true),
            ("localhost:5000/a", true),
            ("-x.io/a/b", false),
            ("[::1]:5000/a", false),
            ("a..b/c", false),
            ("x.io:/c", false),
        ] {
            let image = reference.parse::<ImageReference>().ok();
            assert_eq!(image.is_some_and(|image| is_plain(&image)), plain, "{reference}");
        }
    }

    #[test]
    fn no_hostile_reference_gets_in() {
        let text = World::hostile().write().text("registries.conf.d/lazaret.conf");
        let values: toml::Table = toml::from_str(&text).expect("TOML");
        let registries = values["registry"].as_array().expect("some");
        assert!(!registries.is_empty());
        for registry in registries {
            let prefix = registry["prefix"].as_str().expect("a name");
            let image: ImageReference = prefix.parse().expect("a reference");
            assert!(image.digest.is_some() && registry["blocked"].as_bool() == Some(true), "{prefix}");
        }
    }
}
