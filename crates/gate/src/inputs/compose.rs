//! Compose files: the image of each service, what it is built from, images mounted as volumes, and the files it includes.
//!
//! A service with both `image` and `build` is built, and its image is a name for the result: it is asked about only if a
//! `pull_policy` says that it is pulled. `cache_from` and remote build contexts' Dockerfiles are not read.
//! Source: Compose specification (services, build, include, extends, interpolation).

use std::collections::BTreeMap;

use super::{
    Asked, Follow, Found, How, Input, Kind, Source,
    expand::{Escape, expand},
    tree::{Node, Value},
};

pub(super) const INPUT: Input = Input { name: "compose file", kind: Kind::Any, recognises, read };

fn recognises(source: &Source<'_>) -> bool {
    let is_compose = |node: &Node| {
        matches!(node.get("services").map(|it| &it.value), Some(Value::Map(_))) || node.get("include").is_some()
    };
    source.documents.iter().any(is_compose)
}

fn read(source: &Source<'_>) -> Found {
    let mut found = Found::default();
    for document in source.documents {
        for included in list_of(document, "include") {
            let paths = included.get("path").map_or_else(|| vec![included], |path| one_or_more(path));
            for path in paths {
                follow_compose(source, path, "include", &mut found);
            }
        }
        for (_, services) in document.entries().iter().filter(|(key, _)| key == "services") {
            for (name, service) in services.entries() {
                read_service(source, name, service, &mut found);
            }
        }
    }
    found
}

fn read_service(source: &Source<'_>, name: &str, service: &Node, found: &mut Found) {
    let place = format!("service {name}");
    let build = service.get("build").filter(|build| build.value != Value::Null);
    let pulled = service.text_of("pull_policy").is_some_and(|policy| !matches!(policy, "build" | "never"));
    for (key, node) in service.entries() {
        match (key.as_str(), node.text()) {
            ("image", Some(image)) if build.is_none() || pulled => {
                found.asked.push(ask(source, image, node.line, &place))
            }
            ("volumes", _) => {
                for volume in node.items().iter().filter(|volume| volume.text_of("type") == Some("image")) {
                    if let Some(image) = volume.get("source").and_then(Node::text) {
                        found.asked.push(ask(source, image, volume.line, &format!("{place}, volume")));
                    }
                }
            }
            ("extends", _) => {
                if let Some(file) = node.get("file") {
                    follow_compose(source, file, &place, found);
                }
            }
            _ => {}
        }
    }
    if let Some(build) = build {
        read_build(source, build, &place, found);
    }
}

fn read_build(source: &Source<'_>, build: &Node, place: &str, found: &mut Found) {
    let context = build.text().or_else(|| build.text_of("context")).unwrap_or(".");
    for (key, value) in pairs(build.get("additional_contexts")) {
        if let Some(image) = value.as_deref().and_then(|value| value.strip_prefix("docker-image://")) {
            found.asked.push(ask(source, image, build.line, &format!("{place}, build context {key}")));
        }
    }
    let mut build_args = BTreeMap::new();
    for (name, value) in pairs(build.get("args")) {
        let value = match value {
            Some(text) => expand(&text, Escape::Doubled, &|name| lookup(source, name)).ok(),
            None => lookup(source, &name),
        };
        build_args.extend(value.map(|value| (name, value)));
    }
    if let Some(inline) = build.get("dockerfile_inline") {
        // Compose expands variables in it as everywhere; the text begins on the line after its key.
        let text = inline.text().unwrap_or_default();
        let (line, place) = (inline.line, place.to_owned());
        match expand(text, Escape::Doubled, &|name| lookup(source, name)) {
            Ok(text) => found.follow.push(Follow {
                path: String::new(),
                from: source.file.to_owned(),
                line,
                place,
                how: How::Inline { text, build_args },
            }),
            Err(why) => found.asked.push(source.unresolved("dockerfile_inline", line, place, why)),
        }
        return;
    }
    let dockerfile = build.text_of("dockerfile").unwrap_or("Dockerfile");
    let path = if dockerfile.starts_with('/') { dockerfile.to_owned() } else { format!("{context}/{dockerfile}") };
    match expand(&path, Escape::Doubled, &|name| lookup(source, name)) {
        Ok(path) if is_remote(&path) => {
            let why = "its build context is elsewhere, so its Dockerfile was not read".to_owned();
            found.asked.push(source.unresolved(context, build.line, place, why));
        }
        Ok(path) => {
            let how = How::Dockerfile { build_args };
            let (from, place) = (source.file.to_owned(), place.to_owned());
            found.follow.push(Follow { path: tidy(&path), from, line: build.line, place, how });
        }
        Err(why) => found.asked.push(source.unresolved(&path, build.line, place, why)),
    }
}

fn follow_compose(source: &Source<'_>, path: &Node, place: &str, found: &mut Found) {
    let Some(text) = path.text() else { return };
    match expand(text, Escape::Doubled, &|name| lookup(source, name)) {
        Ok(path_text) if is_remote(&path_text) => {
            let why = "it is elsewhere and was not read".to_owned();
            found.asked.push(source.unresolved(text, path.line, place, why));
        }
        Ok(path_text) => found.follow.push(Follow {
            path: tidy(&path_text),
            from: source.file.to_owned(),
            line: path.line,
            place: place.to_owned(),
            how: How::Compose,
        }),
        Err(why) => found.asked.push(source.unresolved(text, path.line, place, why)),
    }
}

fn ask(source: &Source<'_>, image: &str, line: u32, place: &str) -> Asked {
    match expand(image, Escape::Doubled, &|name| lookup(source, name)) {
        Ok(image) => source.ask(&image, line, place),
        Err(why) => source.unresolved(image, line, place, why),
    }
}

fn lookup(source: &Source<'_>, name: &str) -> Option<String> {
    source.options.variables.get(name).cloned()
}

fn is_remote(path: &str) -> bool {
    path.contains("://") || path.starts_with("git@") || path.starts_with("oci:")
}

/// Without `./`, so that one file has one name.
fn tidy(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| *part != ".").collect();
    parts.join("/")
}

/// A list of `KEY=VALUE` or a map; no value: the key alone.
fn pairs(node: Option<&Node>) -> Vec<(String, Option<String>)> {
    let Some(node) = node else { return Vec::new() };
    let listed = node.items().iter().filter_map(Node::text).map(|text| match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    });
    let mapped = node.entries().iter().map(|(key, value)| (key.clone(), value.text().map(str::to_owned)));
    listed.chain(mapped).collect()
}

fn list_of<'a>(node: &'a Node, key: &str) -> Vec<&'a Node> {
    node.get(key).map_or_else(Vec::new, one_or_more)
}

fn one_or_more(node: &Node) -> Vec<&Node> {
    match &node.value {
        Value::List(items) => items.iter().collect(),
        _ => vec![node],
    }
}

#[cfg(test)]
mod tests {
    use crate::inputs::{Options, testing::said};

    #[track_caller]
    fn check(text: &str, others: &[(&str, &str)], expected: &[&str]) {
        let options = Options { variables: [("TAG".to_owned(), "2".to_owned())].into(), ..Options::default() };
        assert_eq!(said("d/compose.yaml", text, others, &options), expected, "{text}");
    }

    #[test]
    fn every_image_that_is_pulled_is_asked_about() {
        check(
            "x-base: &base\n  image: redis:${TAG}\nservices:\n  cache: *base\n  web:\n    <<: *base\n    image: nginx:${V:-1}\n\
             \x20   volumes:\n      - type: image\n        source: data:1\n  cash:\n    image: ${UNSET}/x$$y\n",
            &[],
            &[
                "2 redis:2 (service cache)",
                "7 nginx:1 (service web)",
                "9 data:1 (service web, volume)",
                "12 ${UNSET}/x$$y (service cash): the variable UNSET is not set",
            ],
        );
    }

    #[test]
    fn what_is_built_is_followed_to_its_dockerfile() {
        check(
            "services:\n  a:\n    image: mine\n    build: ./app\n  b:\n    image: theirs\n    pull_policy: always\n    build:\n      context: app\n\
             \x20     dockerfile: other.df\n      args: [V=$TAG]\n      additional_contexts: {base: docker-image://base:1}\n  c:\n    build:\n\
             \x20     dockerfile_inline: |\n        FROM inline:1\n  d:\n    build: https://git.example/x.git\n  e: {build: gone}\n",
            &[("d/app/Dockerfile", "FROM app:1\n"), ("d/app/other.df", "ARG V\nFROM other:$V\n")],
            &[
                "6 theirs (service b)",
                "9 base:1 (service b, build context base)",
                "18 https://git.example/x.git (service d): its build context is elsewhere, so its Dockerfile was not read",
                "d/app/Dockerfile:1 app:1 (stage 0)",
                "d/app/other.df:2 other:2 (stage 0)",
                "16 inline:1 (stage 0)",
                "19 - (service e): d/gone/Dockerfile: there is no such file",
            ],
        );
    }

    #[test]
    fn included_files_are_read_once() {
        check(
            "include:\n  - more.yaml\n  - path: [more.yaml, ./more.yaml]\n  - oci:elsewhere\nservices: {}\n",
            &[("d/more.yaml", "include: [compose.yaml]\nservices: {x: {image: a}}\n")],
            &["4 oci:elsewhere (include): it is elsewhere and was not read", "d/more.yaml:2 a (service x)"],
        );
    }
}
