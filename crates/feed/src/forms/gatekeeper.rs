//! A Gatekeeper constraint template and constraints that refuse pods by digest: `gatekeeper/template.yaml` and
//! `gatekeeper/lazaret-digests-*.yaml`. Apply with `kubectl apply --server-side`.
//!
//! The digests are the keys of an object, so that a look-up does not read the list, and the values are the entries' ids, so that the
//! refusal names one. An image named by a tag alone passes; `lazaret gate serve` is an external data provider that resolves tags.

use std::io;

use super::{Form, Sink, State, chunks, text::line, text::quoted};

pub(super) const FORM: Form = Form {
    name: "gatekeeper",
    title: "A Gatekeeper template and constraints that refuse listed digests",
    path: "gatekeeper/",
    files,
};

/// 950 kB of digests and ids an object; etcd takes 1.5 MB.
const DIGESTS_MAX: usize = 10_000;

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    out.file("gatekeeper/template.yaml", TEMPLATE.as_bytes().to_vec())?;
    chunks::write(
        state,
        DIGESTS_MAX,
        out,
        |part| format!("gatekeeper/lazaret-digests-{part}.yaml"),
        |part, listed| {
            let digests: Vec<_> = listed
                .iter()
                .map(|entry| format!("{}: {}", quoted(&entry.digest.to_string()), quoted(&entry.id.to_string())))
                .collect();
            let text = format!(
                r#"# kubectl apply --server-side -f .   Images named by a tag alone pass: `lazaret gate serve` resolves them.
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: LazaretDigests
metadata:
  name: lazaret-digests-{part}
  labels:
    app.kubernetes.io/part-of: lazaret
spec:
  enforcementAction: deny
  match:
    kinds:
      - apiGroups: [""]
        kinds: [Pod]
  parameters:
    feed: {feed}
    digests: {{
      {digests}
    }}
"#,
                feed = quoted(&format!("{} ({})", line(state.name), line(state.base_url))),
                digests = digests.join(",\n      "),
            );
            text.into_bytes()
        },
    )
}

/// The policy itself. All kinds of containers, and image volumes.
const TEMPLATE: &str = r#"apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: lazaretdigests
  labels:
    app.kubernetes.io/part-of: lazaret
  annotations:
    metadata.gatekeeper.sh/title: Refuse images listed as malicious
    description: Refuses pods whose images are named by a digest that the feed of malicious images lists.
spec:
  crd:
    spec:
      names:
        kind: LazaretDigests
      validation:
        openAPIV3Schema:
          type: object
          properties:
            feed:
              type: string
            digests:
              description: The id of its entry for each listed digest.
              type: object
              additionalProperties:
                type: string
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package lazaretdigests

        violation[{"msg": msg, "details": {"entry": id}}] {
          image := images[_]
          parts := split(image, "@")
          count(parts) > 1
          digest := parts[count(parts) - 1]
          id := input.parameters.digests[digest]
          msg := sprintf("%v is listed as malicious: %v by %v", [image, id, input.parameters.feed])
        }

        images[image] {
          image := input.review.object.spec.containers[_].image
        }

        images[image] {
          image := input.review.object.spec.initContainers[_].image
        }

        images[image] {
          image := input.review.object.spec.ephemeralContainers[_].image
        }

        images[image] {
          image := input.review.object.spec.volumes[_].image.reference
        }
"#;
