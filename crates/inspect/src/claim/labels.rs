//! What an image's labels claim. Labels are inherited from base images, so a derivative claims what its base is; that claim
//! holds, because the base is in it.

use std::collections::BTreeMap;

use model::Known;

use super::{
    Claim, NAME_BYTES_MIN,
    look_alike::{likeness, skeleton},
    projects::{is_common, projects},
};

/// Longest label looked at, in bytes.
const LABEL_BYTES_MAX: usize = 1_000;
const TITLES: &[&str] = &["org.opencontainers.image.title", "org.label-schema.name", "name", "title"];
/// Who a title's claim must agree with.
const ORIGINS: &[&str] = &[
    "org.opencontainers.image.vendor",
    "org.opencontainers.image.authors",
    "org.opencontainers.image.source",
    "org.opencontainers.image.url",
    "org.opencontainers.image.documentation",
    "org.label-schema.vendor",
    "org.label-schema.vcs-url",
    "org.label-schema.url",
    "maintainer",
    "vendor",
];
const DESCRIPTIONS: &[&str] =
    &["org.opencontainers.image.description", "org.label-schema.description", "description", "summary"];
const MAINTAINERS: &[&str] = &["maintainer", "org.opencontainers.image.authors"];
/// What follows it in `official nginx image`; also nothing.
const THINGS: &[&str] = &["image", "images", "docker", "container", "build", "server", "release", "database"];

/// What the labels claim: a title with an origin that agrees or in letters of another script, a maintainer who is the project, "the official …".
pub(super) fn claims(labels: &BTreeMap<String, String>, known: &Known) -> Vec<Claim> {
    let mut claims = Vec::new();
    for name in
        projects().iter().map(|project| project.name).chain(known.images().iter().map(|image| image.name.as_str()))
    {
        if !is_common(name)
            && let Some(how) = claim(labels, name)
        {
            claims.push(Claim { project: name.to_owned(), how });
        }
    }
    claims
}

fn claim(labels: &BTreeMap<String, String>, name: &str) -> Option<String> {
    let texts = |keys: &'static [&'static str]| {
        let found = keys.iter().filter_map(|key| Some((*key, labels.get(*key)?.as_str())));
        found.filter(|(_, text)| text.len() <= LABEL_BYTES_MAX)
    };
    if let Some((key, title)) = texts(TITLES).find(|(_, title)| is_disguised(title, name)) {
        return Some(format!("label {key}={title}, in letters of another script"));
    }
    let titled = texts(TITLES).find(|(_, title)| is_title(title, name));
    if let Some((key, title)) = titled
        && let Some((origin, _)) = texts(ORIGINS).find(|(_, text)| words(text).iter().any(|word| means(word, name)))
    {
        return Some(format!("label {key}={title} and {origin}"));
    }
    let maintained = texts(MAINTAINERS).find(|(_, text)| {
        let words = words(text);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // As official images have it. A company or a team makes helpers, too.
        match words.as_slice() {
            [first, "maintainers", ..] | [first, "docker", "maintainers" | "team", ..] => means(first, name),
            _ => false,
        }
    });
    if let Some((key, text)) = maintained {
        return Some(format!("label {key}={text}"));
    }
    let official = texts(DESCRIPTIONS).find(|(_, text)| {
        let words = words(text);
        let rest: Vec<&str> =
            words.iter().map(String::as_str).skip_while(|word| matches!(*word, "the" | "this" | "is")).collect();
        match rest.as_slice() {
            ["official", word] => means(word, name),
            ["official", word, thing, ..] => means(word, name) && THINGS.contains(thing),
            _ => false,
        }
    });
    official.map(|(key, text)| format!("label {key}={text}"))
}

fn is_title(title: &str, name: &str) -> bool {
    let lower = title.trim().to_lowercase();
    let joined = lower.replace(' ', "-");
    // `mysql-server` is MySQL itself, `mysql-exporter` is not.
    let is_thing = |rest: &str| rest.strip_prefix('-').is_some_and(|thing| THINGS.contains(&thing));
    lower == name
        || joined.strip_prefix(name).is_some_and(is_thing)
        || likeness(&joined, name).is_some_and(super::Likeness::is_made)
}

/// Whether a title is the name with Greek or Cyrillic letters in it. Nobody mixes scripts in a word by accident, so it needs no
/// origin that agrees, and the letters need not look quite alike.
fn is_disguised(title: &str, name: &str) -> bool {
    let lower = title.trim().to_lowercase();
    let foreign = lower.chars().filter(|letter| ('\u{370}'..='\u{52f}').contains(letter)).count();
    let reads_alike = lower.chars().count() == name.len()
        && lower.chars().zip(name.chars()).all(|(letter, wanted)| letter == wanted || !letter.is_ascii());
    name.len() >= NAME_BYTES_MIN && foreign > 0 && foreign * 2 <= name.len() && reads_alike
}

/// Whether a word is the name, however it is spelled.
fn means(word: &str, name: &str) -> bool {
    word == name || (name.len() >= 5 && skeleton(word) == skeleton(name))
}

/// In lower case; `docker-nginx` and `nginx.com` are two words each.
fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(labels: &[(&str, &str)], expected: &[&str]) {
        let map = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let claims = claims(&map, &Known::default());
        let found: Vec<_> = claims.iter().map(|claim| claim.project.as_str()).collect();
        assert_eq!(found, expected, "{labels:?}");
    }

    #[test]
    fn labels_that_agree_claim() {
        let title = "org.opencontainers.image.title";
        let source = "org.opencontainers.image.source";
        check(&[(title, "Nginx"), (source, "https://github.com/nginxinc/docker-nginx")], &["nginx"]);
        check(&[(title, "Ngіnx"), ("maintainer", "NGINX people")], &["nginx"]);
        check(&[(title, "ubуntu"), ("vendor", "Cаnonical Ltd.")], &["ubuntu"]);
        check(&[(title, "mysql-server"), ("maintainer", "Oracle MySQL Product Engineering Team")], &["mysql"]);
        check(&[("maintainer", "NGINX Docker Maintainers <docker-maint@nginx.com>")], &["nginx"]);
        check(&[("org.opencontainers.image.description", "The official Redis image")], &["redis"]);
    }

    #[test]
    fn helpers_and_mentions_claim_nothing() {
        let title = "org.opencontainers.image.title";
        check(&[(title, "nginx")], &[]);
        check(&[(title, "убунту")], &[]);
        check(&[(title, "mysql-server")], &[]);
        check(&[(title, "mysql-backup"), ("vendor", "MySQL friends")], &[]);
        check(&[(title, "nginx-prometheus-exporter"), ("vendor", "NGINX Inc")], &[]);
        check(&[("org.opencontainers.image.description", "Exporter for the official nginx image")], &[]);
        check(&[("org.opencontainers.image.description", "Unofficial redis image")], &[]);
        check(&[("org.opencontainers.image.description", "official redis exporter")], &[]);
        check(&[("maintainer", "Redis Exporter Team")], &[]);
    }
}
