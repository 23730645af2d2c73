//! CycloneDX in JSON: the images a bill is of or holds, and its files.
//!
//! Syft and Trivy put digests of the image, its config and its layers into `properties` (`…RepoDigest`, `…ImageID`, `…DiffID`,
//! `syft:location:0:layerID`); each is asked about. CycloneDX in XML is not read: convert it (`cyclonedx convert`).
//! Source: CycloneDX 1.6, `metadata.component`, `components`, `hashes`, `properties`.

use feed::Role;

use super::{
    Found, Input, Kind, Source,
    sbom::{self, Image},
    tree::Node,
};

pub(super) const INPUT: Input = Input {
    name: "CycloneDX (JSON)",
    kind: Kind::Sbom,
    recognises: |source| source.documents.first().is_some_and(|node| node.text_of("bomFormat") == Some("CycloneDX")),
    read,
};

fn read(source: &Source<'_>) -> Found {
    let mut found = Found::default();
    let Some(bill) = source.documents.first() else { return found };
    let subject = bill.at(&["metadata", "component"]);
    let mut components = Vec::new();
    components.extend(subject);
    collect(bill, &mut components);

    let mut files = Vec::new();
    // Layers that files are said to be in belong to the image that the bill is of.
    let mut layers = Vec::new();
    for component in &components {
        let purl = component.text_of("purl").unwrap_or_default();
        let is_subject = subject.is_some_and(|subject| std::ptr::eq(subject, *component));
        if component.text_of("type") == Some("container") || sbom::is_image(purl) {
            let mut image = Image::default();
            image.read_purl(purl);
            let name = component.text_of("name").unwrap_or_default();
            if image.reference.is_none() && !name.is_empty() {
                image.reference = Some(name_of(name, component.text_of("version")));
            }
            image.read(component.text_of("version").unwrap_or_default(), None);
            image.read(name, None);
            hashes(component).for_each(|digest| image.add(digest, None));
            properties(component).for_each(|(name, value)| image.read(value, role(name)));
            if is_subject {
                properties(bill.get("metadata").unwrap_or(bill))
                    .for_each(|(name, value)| image.read(value, role(name)));
            }
            found.asked.extend(image.asked(source, component.line, format!("component {name}")));
            continue;
        }
        if component.text_of("type") == Some("file") {
            files.extend(hashes(component));
        }
        layers.extend(
            properties(component)
                .filter(|(name, _)| role(name) == Some(Role::Layer))
                .flat_map(|(_, value)| sbom::digests_in(value)),
        );
    }
    layers.sort_unstable();
    layers.dedup();
    let mut rest = Image::default();
    layers.into_iter().for_each(|layer| rest.add(layer, Some(Role::Layer)));
    found.asked.extend(rest.asked(source, bill.line, "layers that components are said to be in".to_owned()));
    found.asked.extend(sbom::files(source, bill.line, files));
    found
}

/// A name and version that are no package URL: the version is a tag, a digest or nothing of use.
fn name_of(name: &str, version: Option<&str>) -> String {
    match version {
        Some(version) if !name.contains('@') && version.starts_with("sha256:") => format!("{name}@{version}"),
        Some(version) if !name.contains([':', '@']) && super::is_tag(version) => format!("{name}:{version}"),
        _ => name.to_owned(),
    }
}

fn collect<'a>(node: &'a Node, into: &mut Vec<&'a Node>) {
    for component in node.items_of("components") {
        into.push(component);
        collect(component, into);
    }
}

fn hashes(component: &Node) -> impl Iterator<Item = model::Digest> {
    let is_sha256 = |hash: &&Node| hash.text_of("alg") == Some("SHA-256");
    component.items_of("hashes").iter().filter(is_sha256).filter_map(|hash| sbom::sha256(hash.text_of("content")?))
}

fn properties(node: &Node) -> impl Iterator<Item = (&str, &str)> {
    node.items_of("properties").iter().filter_map(|it| Some((it.text_of("name")?, it.text_of("value")?)))
}

fn role(property: &str) -> Option<Role> {
    let name = property.rsplit(':').next().unwrap_or_default().to_ascii_lowercase();
    match name.as_str() {
        "imageid" => Some(Role::Config),
        "diffid" | "layerid" | "layerdigest" | "layerdiffid" => Some(Role::Layer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use model::Digest;

    use crate::inputs::{Options, testing::said};

    #[test]
    fn image_layers_and_files_of_a_bill_are_asked_about() {
        let digest = |of: &str| Digest::of(of.as_bytes());
        let (image, config, layer, file) = (digest("image"), digest("config"), digest("layer"), digest("file"));
        let text = format!(
            "{{\"bomFormat\":\"CycloneDX\",\n\"metadata\":{{\"component\":\n{{\"type\":\"container\",\"name\":\"reg.example/app\",\"version\":\"{image}\",\n\
             \"properties\":[{{\"name\":\"aquasecurity:trivy:ImageID\",\"value\":\"{config}\"}}]}}}},\n\"components\":[\n\
             {{\"type\":\"library\",\"name\":\"x\",\"properties\":[{{\"name\":\"syft:location:0:layerID\",\"value\":\"{layer}\"}}],\"components\":[\n\
             {{\"type\":\"file\",\"hashes\":[{{\"alg\":\"SHA-1\",\"content\":\"00\"}},{{\"alg\":\"SHA-256\",\"content\":\"{}\"}}]}},\n\
             {{\"type\":\"application\",\"purl\":\"pkg:oci/b@{image}\"}}]}}]}}",
            file.hex().to_uppercase()
        );
        let short = |digest: Digest| digest.hex()[..4].to_owned();
        assert_eq!(
            said("bom.json", &text, &[], &Options::default()),
            [
                format!(
                    "3 reg.example/app@{image} {} {}=config (component reg.example/app)",
                    short(image),
                    short(config)
                ),
                format!("8 b@{image} {} (component )", short(image)),
                format!("1 - {}=layer (layers that components are said to be in)", short(layer)),
                format!("1 - {}=file (1 files)", short(file)),
            ]
        );
    }
}
