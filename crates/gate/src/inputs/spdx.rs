//! SPDX 2 and 3 in JSON: the images a document describes or holds, and its files.
//!
//! Source: SPDX 2.3, `packages`, `files`, `checksums`, `externalRefs`, `primaryPackagePurpose`; SPDX 3.0, `@graph`,
//! `software_packageUrl`, `verifiedUsing`, `software_primaryPurpose`.

use super::{
    Found, Input, Kind, Source,
    sbom::{self, Image},
    tree::Node,
};

pub(super) const INPUT: Input = Input {
    name: "SPDX (JSON)",
    kind: Kind::Sbom,
    recognises: |source| {
        let is_spdx = |node: &Node| node.text_of("spdxVersion").is_some() || is_3(node);
        source.documents.first().is_some_and(is_spdx)
    },
    read,
};

fn is_3(node: &Node) -> bool {
    node.get("@graph").is_some() && node.text_of("@context").is_some_and(|context| context.contains("spdx.org"))
}

fn read(source: &Source<'_>) -> Found {
    let mut found = Found::default();
    let Some(document) = source.documents.first() else { return found };
    let graph = document.items_of("@graph");
    let of_type = |end: &'static str| {
        graph.iter().filter(move |node| {
            node.text_of("type").or_else(|| node.text_of("@type")).is_some_and(|it| it.ends_with(end))
        })
    };
    for package in document.items_of("packages").iter().chain(of_type("Package")) {
        let purls = package.items_of("externalRefs").iter().filter(|it| it.text_of("referenceType") == Some("purl"));
        let purls = purls.filter_map(|it| it.text_of("referenceLocator"));
        let purls: Vec<&str> = purls.chain(either(package, "packageUrl")).filter(|purl| sbom::is_image(purl)).collect();
        let purpose = package.text_of("primaryPackagePurpose").or_else(|| either(package, "primaryPurpose"));
        if purls.is_empty() && !purpose.is_some_and(|purpose| purpose.eq_ignore_ascii_case("container")) {
            continue;
        }
        let mut image = Image::default();
        purls.iter().for_each(|purl| image.read_purl(purl));
        let name = package.text_of("name").unwrap_or_default();
        for text in
            [name, package.text_of("versionInfo").or_else(|| either(package, "packageVersion")).unwrap_or_default()]
        {
            image.read(text, None);
        }
        checksums(package).for_each(|digest| image.add(digest, None));
        if image.reference.is_none() && !name.is_empty() {
            image.reference = Some(name.to_owned());
        }
        found.asked.extend(image.asked(source, package.line, format!("package {name}")));
    }
    let files = document.items_of("files").iter().chain(of_type("File")).flat_map(checksums).collect();
    found.asked.extend(sbom::files(source, document.line, files));
    found
}

/// SPDX 3 writes `software_` before the names of its software profile.
fn either<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    node.text_of(&format!("software_{name}")).or_else(|| node.text_of(name))
}

fn checksums(node: &Node) -> impl Iterator<Item = model::Digest> {
    let written = node.items_of("checksums").iter().chain(node.items_of("verifiedUsing"));
    let is_sha256 = |it: &&Node| it.text_of("algorithm").is_some_and(|name| name.eq_ignore_ascii_case("sha256"));
    written
        .filter(is_sha256)
        .filter_map(|it| sbom::sha256(it.text_of("checksumValue").or_else(|| it.text_of("hashValue"))?))
}

#[cfg(test)]
mod tests {
    use model::Digest;

    use crate::inputs::{Options, testing::said};

    #[test]
    fn both_generations_are_read() {
        let (image, file) = (Digest::of(b"image"), Digest::of(b"file"));
        let (i, f) = (&image.hex()[..4], &file.hex()[..4]);
        let old = format!(
            "{{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[\n{{\"name\":\"app\",\"primaryPackagePurpose\":\"CONTAINER\",\"versionInfo\":\"{image}\",\
             \"externalRefs\":[{{\"referenceType\":\"purl\",\"referenceLocator\":\"pkg:oci/app@{image}?repository_url=reg.example/app\"}}]}},\n\
             {{\"name\":\"musl\"}}],\"files\":[{{\"checksums\":[{{\"algorithm\":\"SHA256\",\"checksumValue\":\"{}\"}}]}}]}}",
            file.hex()
        );
        assert_eq!(
            said("a.spdx.json", &old, &[], &Options::default()),
            [format!("2 reg.example/app@{image} {i} (package app)"), format!("1 - {f}=file (1 files)"),]
        );
        let new = format!(
            "{{\"@context\":\"https://spdx.org/rdf/3.0.1/spdx-context.jsonld\",\"@graph\":[\n{{\"type\":\"software_Package\",\"name\":\"app\",\
             \"software_primaryPurpose\":\"container\",\"verifiedUsing\":[{{\"algorithm\":\"sha256\",\"hashValue\":\"{}\"}}]}}]}}",
            image.hex()
        );
        assert_eq!(said("-", &new, &[], &Options::default()), [format!("2 app {i} (package app)")]);
    }
}
