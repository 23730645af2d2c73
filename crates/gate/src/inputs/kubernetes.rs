//! Kubernetes manifests, one or many in a file: also what `helm template` and `kubectl get -o json` write.
//!
//! Images are looked for everywhere, not only where today's workload kinds have them: a custom resource (Argo, Tekton, Knative, an
//! operator's own) has pods inside as well. So every `image` that is text is asked about, and every image volume. Outside the known
//! places only what reads as a reference counts, since others use the word for pictures.
//! Source: Kubernetes API reference v1.33, `Container.image`, `ImageVolumeSource.reference`; kustomize, `images`.

use super::{
    Found, Input, Kind, Source,
    tree::{Node, Value},
};

pub(super) const INPUT: Input = Input { name: "Kubernetes manifest", kind: Kind::Any, recognises, read };

/// Lists and maps of containers, in core kinds and in the best-known others.
const CONTAINERS: &[&str] = &[
    "containers",
    "initContainers",
    "ephemeralContainers",
    "container",
    "script",
    "steps",
    "stepTemplate",
    "sidecars",
];

fn recognises(source: &Source<'_>) -> bool {
    source.documents.iter().any(|node| node.text_of("kind").is_some() && node.text_of("apiVersion").is_some())
        || source.documents.iter().any(is_kustomization)
}

fn is_kustomization(node: &Node) -> bool {
    node.get("resources").is_some() && node.items_of("images").iter().any(|image| image.get("newTag").is_some())
}

fn read(source: &Source<'_>) -> Found {
    let mut found = Found::default();
    for document in source.documents {
        if document.text_of("kind") == Some("Kustomization") || is_kustomization(document) {
            read_kustomization(source, document, &mut found);
        } else {
            read_object(source, document, &mut found);
        }
    }
    found
}

/// An object, or a list of them.
fn read_object(source: &Source<'_>, object: &Node, found: &mut Found) {
    let items = object.items_of("items");
    if !items.is_empty() && object.get("spec").is_none() {
        items.iter().for_each(|item| read_object(source, item, found));
        return;
    }
    let kind = object.text_of("kind").unwrap_or("object");
    let name = object.at(&["metadata", "name"]).and_then(Node::text).unwrap_or("?");
    let place = match object.at(&["metadata", "namespace"]).and_then(Node::text) {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    };
    for (key, node) in object.entries() {
        // What ran is not what is asked for, and a schema describes images without naming any.
        if !matches!(key.as_str(), "status" | "metadata") && kind != "CustomResourceDefinition" {
            walk(source, node, &place, false, found);
        }
    }
}

fn walk(source: &Source<'_>, node: &Node, place: &str, in_container: bool, found: &mut Found) {
    let own = node.text_of("name").filter(|_| in_container);
    let place = &own.map_or_else(|| place.to_owned(), |name| format!("{place}, container {name}"));
    for (key, value) in node.entries() {
        match (key.as_str(), value.text()) {
            ("image", Some(image)) if in_container || reads_as_image(image) => {
                found.asked.push(source.ask(image, value.line, place.as_str()));
            }
            // `volumes[].image.reference`
            ("image", None) => {
                if let Some(reference) = value.get("reference").filter(|it| it.text().is_some()) {
                    let volume = node.text_of("name").unwrap_or("?");
                    let place = format!("{place}, volume {volume}");
                    found.asked.push(source.ask(reference.text().unwrap_or_default(), reference.line, place));
                }
                walk(source, value, place, false, found);
            }
            (key, _) if CONTAINERS.contains(&key) => match &value.value {
                Value::List(items) => items.iter().for_each(|item| walk(source, item, place, true, found)),
                _ => walk(source, value, place, true, found),
            },
            _ => walk(source, value, place, false, found),
        }
    }
    node.items().iter().for_each(|item| walk(source, item, place, false, found));
}

/// Not a picture, a path or a word.
fn reads_as_image(text: &str) -> bool {
    let is_picture = [".png", ".svg", ".jpg", ".jpeg", ".gif", ".ico"].iter().any(|end| text.ends_with(end));
    !is_picture && text.contains([':', '/', '@']) && text.parse::<model::ImageReference>().is_ok()
}

/// Kustomize puts these names in place of others.
fn read_kustomization(source: &Source<'_>, document: &Node, found: &mut Found) {
    for image in document.items_of("images") {
        let Some(name) = image.text_of("newName").or_else(|| image.text_of("name")) else { continue };
        let tag = image.text_of("newTag").map_or(String::new(), |tag| format!(":{tag}"));
        let digest = image.text_of("digest").map_or(String::new(), |digest| format!("@{digest}"));
        found.asked.push(source.ask(&format!("{name}{tag}{digest}"), image.line, "kustomization"));
    }
}

#[cfg(test)]
mod tests {
    use crate::inputs::{Options, testing::said};

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(said("-", text, &[], &Options::default()), expected, "{text}");
    }

    #[test]
    fn every_container_of_every_workload_is_asked_about() {
        check(
            "# Source: chart/templates/a.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: n}\nspec:\n  initContainers:\n\
             \x20 - {name: i, image: init}\n  containers:\n  - name: c\n    image: app:1\n  ephemeralContainers: [{name: e, image: debug}]\n\
             \x20 volumes:\n  - name: v\n    image:\n      reference: data:1\n---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: j}\n\
             spec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          containers:\n          - {name: c, image: job:1}\n",
            &[
                "7 init (Pod n/p, container i)",
                "10 app:1 (Pod n/p, container c)",
                "11 debug (Pod n/p, container e)",
                "15 data:1 (Pod n/p, volume v)",
                "26 job:1 (CronJob j, container c)",
            ],
        );
    }

    #[test]
    fn lists_and_custom_resources_hold_images_too() {
        check(
            "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"d\"},\
             \"spec\":{\"template\":{\"spec\":{\"containers\":[\n{\"name\":\"c\",\"image\":\"a:1\"}]}}},\"status\":{\"image\":\"b:1\"}}]}",
            &["3 a:1 (Deployment d, container c)"],
        );
        check(
            "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: w}\nspec:\n  templates:\n  - container: {image: a}\n\
             \x20 - script: {image: b}\n  icon: {image: logo.png}\n  agent: {image: 'quay.io/c:1'}\n  shown: {image: word}\n",
            &["6 a (Workflow w)", "7 b (Workflow w)", "9 quay.io/c:1 (Workflow w)"],
        );
        check(
            "resources: [a.yaml]\nimages:\n- {name: app, newName: reg.example/app, newTag: v2}\n",
            &["3 reg.example/app:v2 (kustomization)"],
        );
    }

    #[test]
    fn a_template_that_was_not_rendered_is_unresolved() {
        let said = said(
            "-",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{image: '{{ .Values.image }}'}]}\n",
            &[],
            &Options::default(),
        );
        assert!(said[0].starts_with("4 {{ .Values.image }} (Pod p): "), "{said:?}");
    }
}
