//! A Falco list of the digests and a rule that alerts when one of them starts a container: `falco/lazaret_rules.yaml`.
//!
//! `container.image.digest` is the digest the image was pulled by (index or manifest). It alerts and does not block, so it holds both
//! channels. Source: Falco's "Supported Fields for Conditions and Outputs".

use std::io;

use super::{Form, Sink, State, text::line, text::quoted};

pub(super) const FORM: Form =
    Form { name: "falco", title: "A Falco list and rule: alert on a listed container", path: "falco/", files };

/// What no image has, so that the list is never empty: some releases refuse an empty `in ()`.
const NOTHING: &str = "none";

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    let path = "falco/lazaret_rules.yaml";
    if out.keep(path, "")? {
        return Ok(());
    }
    let mut digests: Vec<_> =
        state.entries.iter().filter(|entry| entry.blocks() && entry.is_pulled()).map(|entry| entry.digest).collect();
    digests.dedup();
    let mut items: Vec<String> = digests.iter().map(|digest| quoted(&digest.to_string())).collect();
    if items.is_empty() {
        items.push(quoted(NOTHING));
    }
    let text = format!(
        r#"# {name}: digests of malicious images, and a rule that alerts when one of them runs.
# An image that was built or loaded here has no digest of a registry: `lazaret inventory` finds it by its config.
- list: lazaret_digests
  items: [
    {items}
  ]

- rule: Listed container image started
  desc: A container runs an image whose digest is in the feed of malicious images.
  condition: >
    ((evt.type = container) or (evt.type in (execve, execveat) and proc.vpid = 1))
    and container.image.digest in (lazaret_digests)
  output: "A malicious image runs (image=%container.image.repository:%container.image.tag digest=%container.image.digest container=%container.id name=%container.name command=%proc.cmdline pod=%k8s.pod.name namespace=%k8s.ns.name)"
  priority: CRITICAL
  source: syscall
  tags: [container, lazaret, mitre_execution, T1204.003]
"#,
        name = line(state.name),
        items = items.join(",\n    "),
    );
    out.file(path, text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn an_empty_list_is_still_a_list() {
        let text = World::of(0).write().text("falco/lazaret_rules.yaml");
        assert!(text.contains("    \"none\"\n  ]"), "{text}");
    }

    #[test]
    fn layers_and_withdrawn_images_are_not_in_it() {
        let world = World::hostile();
        let text = world.write().text("falco/lazaret_rules.yaml");
        for entry in &world.entries {
            let others = world.entries.iter().any(|o| o.digest == entry.digest && o.blocks() && o.is_pulled());
            assert_eq!(text.contains(&entry.digest.to_string()), others, "{entry:?}");
        }
    }
}
