//! Popular images (`rules/intel/popular_images.txt`) and what a project's image must hold (`rules/intel/project_signs.txt`).

use std::sync::OnceLock;

/// A repository that many people pull.
#[derive(Debug)]
pub(crate) struct Popular {
    /// As Docker writes it.
    pub(crate) repository: &'static str,
    /// None for Docker's official images.
    pub(crate) owner: Option<&'static str>,
    /// The last part.
    pub(crate) last: &'static str,
    /// Whether its name is also a word or a language.
    pub(crate) is_common: bool,
}

/// A project and the pieces of paths, one of which its image holds.
#[derive(Debug)]
pub(crate) struct Project {
    /// As images are called.
    pub(crate) name: &'static str,
    aliases: Vec<&'static str>,
    signs: Vec<&'static str>,
}

impl Project {
    /// Everything it goes by.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Whether it goes by this name.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}

/// All of them.
pub(crate) fn popular() -> &'static [Popular] {
    static POPULAR: OnceLock<Vec<Popular>> = OnceLock::new();
    POPULAR.get_or_init(|| {
        let line = |line: &'static str| {
            let (line, is_common) = line.strip_prefix('~').map_or((line, false), |line| (line, true));
            let (owner, last) = line.split_once('/').map_or((None, line), |(owner, last)| (Some(owner), last));
            Popular { repository: line, owner, last, is_common }
        };
        lines(include_str!("../../../../rules/intel/popular_images.txt")).map(line).collect()
    })
}

/// All of them, by name.
pub(crate) fn projects() -> &'static [Project] {
    static PROJECTS: OnceLock<Vec<Project>> = OnceLock::new();
    PROJECTS.get_or_init(|| {
        let line = |line: &'static str| {
            let (name, rest) = line.split_once(':').unwrap_or((line, ""));
            let (signs, aliases) = rest.split_once('=').unwrap_or((rest, ""));
            let (signs, aliases) = (signs.split_whitespace().collect(), aliases.split_whitespace().collect());
            Project { name, aliases, signs }
        };
        lines(include_str!("../../../../rules/intel/project_signs.txt")).map(line).collect()
    })
}

/// Whether two names are of one project: `postgres` and `postgresql`.
pub(crate) fn is_same(name: &str, other: &str) -> bool {
    name == other || projects().iter().any(|project| project.is_called(name) && project.is_called(other))
}

/// Whether a name is also a word or a language.
pub(crate) fn is_common(name: &str) -> bool {
    popular().iter().any(|popular| popular.is_common && popular.owner.is_none() && popular.last == name)
}

/// The pieces of paths, in lower case, that show that a project is there; its name is the first.
#[must_use]
pub fn signs(project: &str) -> Vec<String> {
    let listed = projects().iter().find(|other| other.is_called(project));
    let more =
        listed.iter().flat_map(|listed| std::iter::once(&listed.name).chain(&listed.aliases).chain(&listed.signs));
    let mut signs = vec![project.to_ascii_lowercase()];
    signs.extend(more.filter(|sign| **sign != project).map(|sign| (*sign).to_owned()));
    signs
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_lists_are_well_formed() {
        let is_name = |name: &str| name.split('/').all(model::known::is_name);
        let names: BTreeSet<_> = popular().iter().map(|popular| popular.repository).collect();
        assert_eq!(names.len(), popular().len(), "a name is listed twice");
        assert!(names.iter().all(|name| is_name(name)), "{names:?}");
        let official = popular().iter().filter(|popular| popular.owner.is_none()).count();
        assert!(official >= 150 && names.len() - official >= 300, "{official} of {}", names.len());

        let mut called = BTreeSet::new();
        for project in projects() {
            for name in std::iter::once(&project.name).chain(&project.aliases) {
                assert!(is_name(name) && called.insert(*name), "{name}");
                assert!(!is_common(name), "{name} is a word");
            }
            for sign in &project.signs {
                assert!(sign.len() >= 3 && *sign == sign.to_ascii_lowercase(), "{}: {sign}", project.name);
            }
        }
        assert!(projects().len() >= 120);
    }

    #[test]
    fn signs_begin_with_the_name() {
        assert_eq!(signs("pytorch"), ["pytorch", "torch"]);
        assert_eq!(signs("our-base"), ["our-base"]);
        assert!(signs("temurin").contains(&"jvm".to_owned()));
        assert!(is_same("postgresql", "postgres") && is_same("a", "a") && !is_same("a", "b"));
    }
}
