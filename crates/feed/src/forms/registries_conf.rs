//! A drop-in for podman, skopeo, buildah and CRI-O: `registries.conf.d/lazaret.conf`, to be put into
//! `/etc/containers/registries.conf.d/`. It blocks whole *repositories* in which a listed image was seen.
//!
//! Its readers look a name up without tag and digest, whatever the manual says of `prefix` (seen with skopeo 1.9 and podman 4.3, and in
//! containers/image, `docker_image_src.go`), so nothing finer can be blocked here: whoever wants digests takes
//! [`containers_policy`](super::containers_policy), or `lazaret gate proxy`. The file says so, and names the entries behind each block.
//! Docker's official images are left out, as are names that are no repository's; the rest cannot hold a quote.
//! Source: containers-registries.conf(5).

use std::{collections::BTreeMap, fmt::Write as _, io};

use model::{ImageReference, reference::DOCKER_HUB};

use super::{Form, Sink, State, surely_blocked, text::line, text::quoted};
use crate::entry::{Entry, EntryId};

pub(super) const FORM: Form = Form {
    name: "registries-conf",
    title: "registries.conf blocks of whole repositories, for podman, skopeo, buildah and CRI-O",
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
    let mut names: BTreeMap<String, Vec<EntryId>> = BTreeMap::new();
    for entry in surely_blocked(state.entries) {
        for image in plain_references(entry).filter(|image| !is_official(image)) {
            let ids = names.entry(image.name()).or_default();
            if !ids.contains(&entry.id) && ids.len() < IDS_MAX {
                ids.push(entry.id);
            }
        }
    }
    let mut text = format!(
        "# {}: repositories in which malicious images were seen. Whole repositories, honest tags too: this file cannot name a digest.\n\
         # containers-policy/policy.json refuses the listed digests alone.\n",
        line(state.name)
    );
    if names.len() > NAMES_MAX {
        let _ = writeln!(text, "# {} more repositories are left out.", names.len() - NAMES_MAX);
    }
    for (name, ids) in names.iter().take(NAMES_MAX) {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        // skopeo 1.9 refuses a prefix without a location.
        let name = quoted(name);
        let _ =
            write!(text, "\n# {}\n[[registry]]\nprefix = {name}\nlocation = {name}\nblocked = true\n", ids.join(" "));
    }
    out.file(path, text.into_bytes())
}

/// Most entries that are named behind one repository.
const IDS_MAX: usize = 10;

/// The references of an entry that name a repository on a host.
pub(super) fn plain_references(entry: &Entry) -> impl Iterator<Item = ImageReference> {
    entry.references.iter().filter_map(|reference| reference.parse().ok()).filter(is_plain)
}

fn is_official(image: &ImageReference) -> bool {
    image.registry == DOCKER_HUB && image.repository.starts_with("library/")
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
            assert!(image.name() == prefix && registry["blocked"].as_bool() == Some(true), "{prefix}");
        }
    }
}
