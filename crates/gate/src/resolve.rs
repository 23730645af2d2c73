//! From a name to all digests of what it means.

use feed::Role;
use model::{Digest, ImageReference};

use crate::Subject;

/// Follows names: tag, index, manifest, config, layers.
pub trait Resolver: Send + Sync {
    /// All digests of what `reference` means now, for every platform there is.
    ///
    /// # Errors
    ///
    /// Why it could not be followed, in one line.
    fn resolve(&self, reference: &str) -> Result<Vec<(Digest, Role)>, String>;
}

/// What is known of a name: the digest it carries, and what `resolver` finds, if one may be asked.
///
/// A name with a digest is decided by it even if it could not be followed further; that is said in `unresolved`. Without a
/// resolver a name without a digest is unresolved.
#[must_use]
pub fn subject(reference: &str, resolver: Option<&dyn Resolver>) -> Subject {
    let mut subject = Subject { reference: Some(reference.to_owned()), ..Subject::default() };
    let parsed = match reference.parse::<ImageReference>() {
        Ok(parsed) => parsed,
        Err(error) => return Subject { unresolved: Some(error.to_string()), ..subject },
    };
    subject.digests.extend(parsed.digest.map(|digest| (digest, None)));
    match resolver.map(|resolver| resolver.resolve(reference)) {
        Some(Ok(found)) => {
            subject.digests.retain(|(known, _)| !found.iter().any(|(digest, _)| digest == known));
            subject.digests.extend(found.into_iter().map(|(digest, role)| (digest, Some(role))));
        }
        Some(Err(why)) => subject.unresolved = Some(why),
        None if subject.digests.is_empty() => {
            subject.unresolved = Some("it names no digest, and no registry may be asked".to_owned());
        }
        None => {}
    }
    subject
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Result<Vec<(Digest, Role)>, String>);

    impl Resolver for Fixed {
        fn resolve(&self, _: &str) -> Result<Vec<(Digest, Role)>, String> {
            self.0.clone()
        }
    }

    #[test]
    fn a_digest_in_the_name_counts_whatever_the_registry_says() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let named = format!("a@{one}");
        let offline = subject(&named, None);
        assert_eq!((offline.digests, offline.unresolved), (vec![(one, None)], None));
        let found = subject(&named, Some(&Fixed(Ok(vec![(one, Role::Manifest), (two, Role::Config)]))));
        assert_eq!(found.digests, [(one, Some(Role::Manifest)), (two, Some(Role::Config))]);
        let failed = subject(&named, Some(&Fixed(Err("down".to_owned()))));
        assert_eq!((failed.digests, failed.unresolved), (vec![(one, None)], Some("down".to_owned())));
        assert!(subject("a:1", None).unresolved.is_some());
        assert!(subject("a b", Some(&Fixed(Ok(vec![])))).unresolved.is_some());
    }
}
