//! Images named on the command line, and names followed to their digests.

use std::collections::HashMap;

use feed::Role;
use model::{Digest, ImageReference};

use super::Asked;
use crate::Subject;

/// Asks about what a user typed: a bare digest `sha256:…`, or a reference (also with `docker://` in front).
///
/// # Errors
///
/// One line if it is neither.
pub fn ask_name(text: &str) -> Result<Asked, String> {
    if let Ok(digest) = text.parse::<Digest>() {
        let subject = Subject { digests: vec![(digest, None)], ..Subject::default() };
        return Ok(Asked { subject, ..Asked::default() });
    }
    let name = text.strip_prefix("docker://").unwrap_or(text);
    let reference: ImageReference = name.parse().map_err(|error: model::ReferenceError| error.to_string())?;
    let digests = reference.digest.map(|digest| (digest, None)).into_iter().collect();
    let subject = Subject { reference: Some(name.to_owned()), digests, unresolved: None };
    Ok(Asked { subject, ..Asked::default() })
}

/// Follows every reference to the digests behind it, each name once. `resolver` asks a registry; without one, a tag stays
/// unresolved and a digest decides alone.
pub fn resolve<E: std::fmt::Display>(
    asked: &mut [Asked],
    resolver: Option<&dyn Fn(&ImageReference) -> Result<Vec<(Digest, Role)>, E>>,
) {
    let mut known: HashMap<String, Result<Vec<(Digest, Role)>, String>> = HashMap::new();
    for Asked { subject, .. } in asked {
        let reference = subject.reference.as_deref().and_then(|text| text.parse::<ImageReference>().ok());
        let Some(reference) = reference.filter(|_| subject.unresolved.is_none()) else { continue };
        // What was read of an archive or a bill of materials is not asked for again.
        if subject.digests.iter().any(|(digest, _)| Some(*digest) != reference.digest) {
            continue;
        }
        let Some(resolver) = resolver else {
            if reference.digest.is_none() {
                subject.unresolved = Some("its tag was not followed: no registry may be asked".to_owned());
            }
            continue;
        };
        let answer = known
            .entry(reference.to_string())
            .or_insert_with(|| resolver(&reference).map_err(|error| error.to_string()));
        match answer {
            Ok(digests) => {
                for (digest, role) in digests.iter() {
                    match subject.digests.iter_mut().find(|(known, _)| known == digest) {
                        Some((_, known)) => *known = Some(*role),
                        None => subject.digests.push((*digest, Some(*role))),
                    }
                }
            }
            Err(error) => subject.unresolved = Some(error.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn digest(of: &str) -> Digest {
        Digest::of(of.as_bytes())
    }

    #[test]
    fn a_digest_alone_is_an_image_and_a_misspelt_name_is_none() {
        let asked = ask_name(&digest("a").to_string()).expect("is one");
        assert_eq!((asked.subject.reference, asked.subject.digests), (None, vec![(digest("a"), None)]));
        assert_eq!(ask_name("docker://nginx").expect("is one").subject.reference.as_deref(), Some("nginx"));
        assert!(ask_name("Upper/Case").is_err());
        assert!(ask_name("sha256:12").is_err());
    }

    #[test]
    fn each_name_is_asked_for_once_and_a_failure_is_kept() {
        let pinned = format!("a@{}", digest("index"));
        let mut asked: Vec<_> =
            ["nginx", "docker.io/library/nginx:latest", "gone", &pinned].iter().map(|it| ask_name(it).expect("fine")).collect();
        let count = Cell::new(0);
        let resolver = |reference: &ImageReference| {
            count.set(count.get() + 1);
            match reference.repository.as_str() {
                "library/gone" => Err("there is no such tag"),
                _ => Ok(vec![(digest("index"), Role::Index), (digest("manifest"), Role::Manifest)]),
            }
        };
        resolve(&mut asked, Some(&resolver));
        assert_eq!(count.get(), 3);
        let both = vec![(digest("index"), Some(Role::Index)), (digest("manifest"), Some(Role::Manifest))];
        assert_eq!((&asked[0].subject.digests, &asked[1].subject.digests), (&both, &both));
        assert_eq!(asked[2].subject.unresolved.as_deref(), Some("there is no such tag"));
        assert_eq!(asked[3].subject.digests, both, "the digest of the name now has its role");
    }

    #[test]
    fn without_a_registry_a_tag_is_unresolved_and_a_digest_decides() {
        let mut asked = vec![ask_name("nginx").expect("fine"), ask_name(&format!("a@{}", digest("x"))).expect("fine")];
        resolve::<String>(&mut asked, None);
        assert!(asked[0].subject.unresolved.is_some());
        assert_eq!(asked[1].subject.unresolved, None);
    }
}
