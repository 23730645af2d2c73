//! Images named on the command line, and names followed to their digests.

use std::collections::HashMap;

use model::{Digest, ImageReference};

use super::Asked;
use crate::{Resolver, Subject};

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
    // `sha256` could be a repository, and what is left of a digest its tag: nobody means that.
    if text.starts_with("sha256:") {
        return Err(format!("{text:?} is no digest: sha256: and 64 hexadecimal digits"));
    }
    let name = text.strip_prefix("docker://").unwrap_or(text);
    let reference: ImageReference = name.parse().map_err(|error: model::ReferenceError| error.to_string())?;
    let digests = reference.digest.map(|digest| (digest, None)).into_iter().collect();
    let subject = Subject { reference: Some(name.to_owned()), digests, unresolved: None };
    Ok(Asked { subject, ..Asked::default() })
}

/// Follows every reference to the digests behind it, each name once. `resolver` asks a registry; without one, a tag stays
/// unresolved and a digest decides alone.
pub fn resolve(asked: &mut [Asked], resolver: Option<&dyn Resolver>) {
    let mut known: HashMap<String, Subject> = HashMap::new();
    for Asked { subject, .. } in asked {
        let reference = subject.reference.as_deref().and_then(|text| text.parse::<ImageReference>().ok());
        let Some(reference) = reference.filter(|_| subject.unresolved.is_none()) else { continue };
        // What was read of an archive or a bill of materials is not asked for again.
        if subject.digests.iter().any(|(digest, _)| Some(*digest) != reference.digest) {
            continue;
        }
        let name = reference.to_string();
        let found = known.entry(name).or_insert_with_key(|name| crate::resolve::subject(name, resolver));
        subject.digests.clone_from(&found.digests);
        subject.unresolved.clone_from(&found.unresolved);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use feed::Role;

    use super::*;

    fn digest(of: &str) -> Digest {
        Digest::of(of.as_bytes())
    }

    struct Known(Mutex<usize>);

    impl Resolver for Known {
        fn resolve(&self, reference: &str) -> Result<Vec<(Digest, Role)>, String> {
            *self.0.lock().expect("fine") += 1;
            if reference.contains("gone") {
                return Err("there is no such tag".to_owned());
            }
            Ok(vec![(digest("index"), Role::Index), (digest("manifest"), Role::Manifest)])
        }
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
        let names = ["nginx", "docker.io/library/nginx:latest", "gone", &pinned];
        let mut asked: Vec<_> = names.iter().map(|it| ask_name(it).expect("fine")).collect();
        let resolver = Known(Mutex::new(0));
        resolve(&mut asked, Some(&resolver));
        assert_eq!(*resolver.0.lock().expect("fine"), 3);
        let both = vec![(digest("index"), Some(Role::Index)), (digest("manifest"), Some(Role::Manifest))];
        assert_eq!((&asked[0].subject.digests, &asked[1].subject.digests), (&both, &both));
        assert_eq!(asked[0].subject.reference.as_deref(), Some("nginx"), "people see what they wrote");
        assert_eq!(asked[2].subject.unresolved.as_deref(), Some("there is no such tag"));
        assert_eq!(asked[3].subject.digests, both, "the digest of the name now has its role");
    }

    #[test]
    fn without_a_registry_a_tag_is_unresolved_and_a_digest_decides() {
        let mut asked = vec![ask_name("nginx").expect("fine"), ask_name(&format!("a@{}", digest("x"))).expect("fine")];
        resolve(&mut asked, None);
        assert!(asked[0].subject.unresolved.is_some());
        assert_eq!(asked[1].subject.unresolved, None);
    }
}
