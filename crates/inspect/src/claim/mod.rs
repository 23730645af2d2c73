//! What an image claims to be, and whether it holds anything of that.
//!
//! A name is never evidence. A claim only says which project to look for; what counts is that the project is not there.

mod holds;
mod labels;
pub(crate) mod look_alike;
mod projects;

pub use holds::is_own_file;
pub(crate) use holds::{holds, is_run_or_familiar};
use model::{ImageReference, Known, Locator};
use projects::Project;
pub use projects::signs;
pub(crate) use projects::{is_same, popular, projects};

use crate::ImageView;
use look_alike::{Likeness, likeness};

/// Names shorter than this look like too many words.
const NAME_BYTES_MIN: usize = 4;

/// What an image says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The project, by the name that [`signs`] and the known-good set go by.
    pub(crate) project: String,
    /// How it says so, for people.
    pub(crate) how: String,
}

/// Everything the image claims to be: by its repository's name, and by labels that agree with each other.
pub(crate) fn claims(image: &ImageView<'_>) -> Vec<Claim> {
    let mut claims: Vec<Claim> = named(image.reference, image.known).into_iter().collect();
    claims.extend(labels::claims(&image.config.labels, image.known));
    let mut seen = std::collections::BTreeSet::new();
    claims.retain(|claim| seen.insert(claim.project.clone()));
    claims
}

/// Whether the name `reference` claims something: another name of the same image may then be judged otherwise.
#[must_use]
pub fn is_claim(reference: &str, known: &Known) -> bool {
    named(reference, known).is_some() || !resembled(reference, known).is_empty()
}

/// The repository that a reference names; none for archives and folders, whose paths claim nothing.
pub(crate) fn repository(reference: &str) -> Option<ImageReference> {
    match reference.parse() {
        Ok(Locator::Registry(reference)) => Some(reference),
        _ => None,
    }
}

/// What a repository's name claims: its last part is a project's name, or is made to look like one.
fn named(reference: &str, known: &Known) -> Option<Claim> {
    let reference = repository(reference)?;
    let (owner, last) = split(&reference.repository);
    let vouched = || known.images().iter().map(|image| image.name.as_str());
    let exact = projects().iter().find(|project| project.is_called(last)).map(|project| project.name);
    if let Some(project) = exact.or_else(|| vouched().find(|name| *name == last)) {
        // A common word is a claim only where official images are.
        let says = !projects::is_common(last) || matches!(owner, None | Some("library"));
        let how = format!("repository {}", reference.repository);
        return says.then(|| Claim { project: project.to_owned(), how });
    }
    if popular().iter().any(|popular| popular.last == last) {
        return None;
    }
    let names = projects().iter().flat_map(|project| project.names().map(|name| (project.name, name)));
    let target = names
        .chain(vouched().map(|name| (name, name)))
        .filter(|(_, target)| target.len() >= NAME_BYTES_MIN && !projects::is_common(target))
        .find_map(|(project, target)| {
            Some((project, target, likeness(last, target).filter(|likeness| likeness.is_made())?))
        });
    target.map(|(project, target, likeness)| Claim {
        project: project.to_owned(),
        how: format!("repository {} ({likeness} {target})", reference.repository),
    })
}

/// Popular images and publishers that a repository's name resembles without being one of them.
pub(crate) fn resembled(reference: &str, known: &Known) -> Vec<(String, Likeness, String)> {
    let Some(reference) = repository(reference) else { return Vec::new() };
    let (owner, last) = split(&reference.repository);
    let mut found = Vec::new();
    let is_popular = popular().iter().any(|popular| popular.last == last || popular.repository == last);
    let vouched = known.images().iter().map(|image| image.name.as_str());
    if !is_popular && !known.images().iter().any(|image| image.name == last) {
        let official = popular().iter().filter(|popular| !popular.is_common && popular.owner.is_none());
        let ours = official.map(|popular| popular.last).chain(projects().iter().flat_map(Project::names));
        let mut targets: Vec<&str> = vouched.collect();
        for name in ours {
            targets.push(name);
        }
        let target = targets
            .into_iter()
            .filter(|target| target.len() >= NAME_BYTES_MIN && !projects::is_common(target))
            .find_map(|target| Some((target, likeness(last, target)?)));
        found.extend(target.map(|(target, likeness)| (last.to_owned(), likeness, target.to_owned())));
    }
    if let Some(owner) = owner
        && owner != "library"
        && !popular().iter().any(|popular| popular.owner == Some(owner))
    {
        let owners = popular().iter().filter_map(|popular| popular.owner).chain(["library"]);
        let target = owners
            .filter(|target| target.len() > NAME_BYTES_MIN)
            .find_map(|target| Some((target, likeness(owner, target).filter(|likeness| likeness.is_made())?)));
        found.extend(target.map(|(target, likeness)| (owner.to_owned(), likeness, target.to_owned())));
    }
    found
}

/// Owner and last part of a repository.
fn split(repository: &str) -> (Option<&str>, &str) {
    match repository.rsplit_once('/') {
        Some((owner, last)) => (Some(owner.rsplit('/').next().unwrap_or(owner)), last),
        None => (None, repository),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reference: &str, expected: Option<&str>) {
        let claim = named(reference, &Known::default());
        assert_eq!(claim.as_ref().map(|claim| claim.project.as_str()), expected, "{reference}");
    }

    #[test]
    fn a_name_claims_the_project_it_is_or_is_made_to_look_like() {
        check("docker.io/library/nginx:1", Some("nginx"));
        check("registry.example/team/nginx:1", Some("nginx"));
        for name in ["nqinx", "nginx-official", "library-nginx", "ngnix", "nginxx", "nglnx", "ng-inx", "offical-nqinx"]
        {
            check(&format!("docker.io/evil/{name}:1"), Some("nginx"));
        }
        check("docker.io/evil/postgresq1:1", Some("postgres"));
        check("docker.io/evil/pyt0rch", Some("pytorch"));
        check("docker.io/evil/temurin", Some("openjdk"));
    }

    #[test]
    fn helpers_words_and_places_claim_nothing() {
        for reference in [
            "docker.io/nginx/nginx-prometheus-exporter:1",
            "docker.io/a/redis-commander",
            "docker.io/a/mysql-backup",
            "docker.io/a/python-app",
            "docker.io/a/mango",
            "docker.io/postgrest/postgrest",
            "docker.io/a/node",
            "docker.io/a/my-nginx-config",
            "oci:/tmp/x:nginx",
            "docker-archive:/tmp/nginx",
            "oci-archive:nginx.tar:nginx",
            "",
        ] {
            check(reference, None);
        }
    }

    #[test]
    fn no_popular_name_resembles_another() {
        for popular in popular() {
            let reference = match popular.owner {
                Some(_) => format!("docker.io/{}", popular.repository),
                None => format!("docker.io/library/{}", popular.repository),
            };
            assert_eq!(resembled(&reference, &Known::default()), [], "{reference}");
        }
    }

    #[test]
    fn names_that_resemble_are_told() {
        let told = |reference: &str| {
            let found = resembled(reference, &Known::default());
            found.iter().map(|(name, likeness, target)| format!("{name} {likeness} {target}")).collect::<Vec<_>>()
        };
        assert_eq!(told("docker.io/evil/nqinx:1"), ["nqinx has letters that look like those of nginx"]);
        assert_eq!(told("docker.io/bitnarni/app:1"), ["bitnarni has letters that look like those of bitnami"]);
        assert_eq!(told("docker.io/a/mongi"), ["mongi is one letter from mongo"]);
        assert_eq!(told("docker.io/a/quite-another"), [""; 0]);
    }
}
