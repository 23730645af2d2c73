//! What containerd's image verifier contract says of an image: arguments in the style of Go's `flag`, a descriptor on standard input.
//!
//! Source: containerd `docs/image-verification.md` and `pkg/imageverifier/bindir`.

use feed::Role;
use model::Digest;
use serde_json::Value;

use crate::{Resolver, Subject, resolve};

/// What containerd asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    name: Option<String>,
    digest: Option<Digest>,
    role: Option<Role>,
    /// Why the digest is not known, if it is not.
    wrong: Option<String>,
}

/// Reads the arguments and what stood on standard input. Flags that are not known are passed over with their value, so that a later
/// containerd can say more; so is a descriptor of a media type that is not known.
///
/// # Errors
///
/// One line if it names no image at all, or names two.
pub fn question(arguments: &[String], stdin: &[u8]) -> Result<Question, String> {
    let mut question = Question { name: None, digest: None, role: None, wrong: None };
    let mut digests = Vec::new();
    let mut arguments = arguments.iter().peekable();
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else { continue };
        let (flag, value) = match flag.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (flag, arguments.next_if(|next| !next.starts_with('-')).cloned()),
        };
        match (flag, value) {
            ("name", Some(value)) => question.name = Some(value),
            ("digest", Some(value)) => digests.push(value),
            _ => {}
        }
    }
    let payload: Value = serde_json::from_slice(stdin).unwrap_or_default();
    // `verify_on_run` wraps the descriptor.
    let descriptor = payload.get("descriptor").unwrap_or(&payload);
    let text = |key: &str| descriptor.get(key).and_then(Value::as_str);
    digests.extend(text("digest").map(str::to_owned));
    question.role = text("mediaType").and_then(role);

    for text in digests {
        match text.parse::<Digest>() {
            Ok(digest) if question.digest.is_none_or(|known| known == digest) => question.digest = Some(digest),
            Ok(_) => return Err("the digest of the arguments is not that of the descriptor".to_owned()),
            Err(error) => question.wrong = Some(format!("its digest is not one we know: {error}")),
        }
    }
    if question.name.is_none() && question.digest.is_none() {
        return Err("containerd's contract needs -name and -digest".to_owned());
    }
    Ok(question)
}

/// Source: OCI image-spec v1.1, "Media Types"; Docker's of manifest version 2, schema 2.
fn role(media_type: &str) -> Option<Role> {
    match media_type {
        "application/vnd.oci.image.index.v1+json" | "application/vnd.docker.distribution.manifest.list.v2+json" => {
            Some(Role::Index)
        }
        "application/vnd.oci.image.manifest.v1+json" | "application/vnd.docker.distribution.manifest.v2+json" => {
            Some(Role::Manifest)
        }
        _ => None,
    }
}

impl Question {
    /// What to decide on. Without `resolver` the digest decides alone.
    #[must_use]
    pub fn subject(&self, resolver: Option<&dyn Resolver>) -> Subject {
        let bare = self.name.as_deref().map(|name| name.split('@').next().unwrap_or(name));
        let (Some(digest), Some(name)) = (self.digest, bare) else {
            let digests = self.digest.map(|digest| (digest, self.role)).into_iter().collect();
            let unresolved = self.wrong.clone().filter(|_| self.digest.is_none());
            let unknown = || "containerd named no digest".to_owned();
            let unresolved = unresolved.or_else(|| self.digest.is_none().then(unknown));
            return Subject { reference: self.name.clone(), digests, unresolved };
        };
        let mut subject =
            Subject { reference: Some(name.to_owned()), digests: vec![(digest, self.role)], unresolved: None };
        if let Some(resolver) = resolver {
            let found = resolve::subject(&format!("{name}@{digest}"), Some(resolver));
            subject.unresolved = found.unresolved;
            subject.digests.extend(found.digests.into_iter().filter(|(known, _)| *known != digest));
        }
        subject
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn descriptor(digest: Digest) -> Vec<u8> {
        format!(r#"{{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"{digest}","size":7}}"#)
            .into_bytes()
    }

    #[test]
    fn every_way_to_write_the_contract_is_read() {
        let digest = Digest::of(b"index");
        let plain = format!(
            "-name docker.io/library/a:1 -digest {digest} -stdin-media-type application/vnd.oci.descriptor.v1+json"
        );
        let with_equals = format!("-new=x -name=docker.io/library/a:1 --digest={digest} -operation run -flag");
        let wrapped = format!(r#"{{"operation":"run","descriptor":{}}}"#, String::from_utf8_lossy(&descriptor(digest)));
        let expected = Subject {
            reference: Some("docker.io/library/a:1".to_owned()),
            digests: vec![(digest, Some(Role::Index))],
            unresolved: None,
        };
        for (text, stdin) in [(&plain, descriptor(digest)), (&with_equals, wrapped.into_bytes())] {
            assert_eq!(question(&arguments(text), &stdin).map(|it| it.subject(None)), Ok(expected.clone()), "{text}");
        }
        let unknown = question(&arguments(&plain), b"\x08\x01").map(|it| it.subject(None).digests);
        assert_eq!(unknown, Ok(vec![(digest, None)]), "a payload of a later version is passed over");
    }

    #[test]
    fn a_contract_that_says_nothing_or_two_things_stops_the_image() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        assert!(question(&arguments("-stdin-media-type x"), b"{}").is_err());
        assert!(question(&arguments(&format!("-name a -digest {one}")), &descriptor(two)).is_err());
        let long = format!("-name a -digest sha512:{}", "0".repeat(128));
        let subject = question(&arguments(&long), b"").map(|it| it.subject(None)).expect("names an image");
        assert!(
            subject.unresolved.is_some_and(|why| why.contains("digest")),
            "a digest of another kind is not decided"
        );
    }

    struct Fixed;

    impl Resolver for Fixed {
        fn resolve(&self, _: &str) -> Result<Vec<(Digest, Role)>, String> {
            Ok(vec![(Digest::of(b"index"), Role::Index), (Digest::of(b"child"), Role::Manifest)])
        }
    }

    #[test]
    fn what_an_index_holds_is_found_if_the_registry_may_be_asked() {
        let digest = Digest::of(b"index");
        let asked = question(&arguments(&format!("-name a:1 -digest {digest}")), &descriptor(digest)).expect("is one");
        let digests = asked.subject(Some(&Fixed)).digests;
        assert_eq!(digests, [(digest, Some(Role::Index)), (Digest::of(b"child"), Some(Role::Manifest))]);
    }
}
