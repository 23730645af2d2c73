//! Kyverno cluster policies that refuse pods by digest: `kyverno/lazaret-digests-*.yaml`, cut so that each object stays far below what
//! etcd takes. Apply with `kubectl apply --server-side`: client-side apply would copy each object into an annotation of at most 256 KiB.
//!
//! Kyverno's `images` variable holds a digest only where the reference names one; an image named by a tag alone passes. `lazaret gate
//! serve` resolves tags.

use super::{Form, Sink, State, chunks, text::line, text::quoted};
use std::io;

pub(super) const FORM: Form =
    Form { name: "kyverno", title: "Kyverno policies that refuse listed digests", path: "kyverno/", files };

/// 750 kB of digests an object; etcd takes 1.5 MB.
pub(super) const DIGESTS_MAX: usize = 10_000;

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    chunks::write(
        state,
        DIGESTS_MAX,
        out,
        |part| format!("kyverno/lazaret-digests-{part}.yaml"),
        |part, listed| {
            let mut digests: Vec<_> = listed.iter().map(|entry| quoted(&entry.digest.to_string())).collect();
            if digests.is_empty() {
                digests.push(quoted("none"));
            }
            let message = format!(
                "This image is listed as malicious by {}. What it is and why: {}/entries/",
                line(state.name),
                line(state.base_url)
            );
            let text = format!(
                r#"# kubectl apply --server-side -f .   Images named by a tag alone pass: `lazaret gate serve` resolves them.
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: lazaret-digests-{part}
  labels:
    app.kubernetes.io/part-of: lazaret
  annotations:
    policies.kyverno.io/title: Refuse images listed as malicious
    policies.kyverno.io/category: Supply Chain
    policies.kyverno.io/severity: high
    policies.kyverno.io/subject: Pod
spec:
  validationFailureAction: Enforce
  background: true
  rules:
    - name: listed-digest
      match:
        any:
          - resources:
              kinds: [Pod]
      validate:
        message: {message}
        deny:
          conditions:
            any:
              - key: "{{{{ images.[containers, initContainers, ephemeralContainers][].*.digest[] }}}}"
                operator: AnyIn
                value: [
                  {digests}
                ]
"#,
                message = quoted(&without_braces(&message)),
                digests = digests.join(",\n                  "),
            );
            text.into_bytes()
        },
    )
}

/// Kyverno replaces `{{ … }}` in messages: a feed's name must not be able to.
fn without_braces(text: &str) -> String {
    text.replace("{{", "{ {").replace("}}", "} }")
}
