//! A ValidatingAdmissionPolicy, for clusters that want no webhook: `validating-admission-policy/policy.yaml` and config maps of digests
//! as its parameters, `validating-admission-policy/lazaret-digests-*.yaml`. Apply with `kubectl apply --server-side`.
//!
//! A config map has a key for each first byte, whose value is the digests' hex with a space around each; so an expression looks at one
//! 256th of the list, far below the cost that the API server allows. The policy is evaluated once for each config map that has the
//! label. An image named by a tag alone passes: `lazaret gate serve` resolves tags. Source: Kubernetes, "Validating Admission Policy"
//! and "Common Expression Language in Kubernetes".

use std::{collections::BTreeMap, io};

use super::{Form, Sink, State, chunks, text::line, text::quoted};

pub(super) const FORM: Form = Form {
    name: "validating-admission-policy",
    title: "A ValidatingAdmissionPolicy that refuses listed digests without a webhook",
    path: "validating-admission-policy/",
    files,
};

/// 650 kB of digests an object: a config map has at most 1 MiB.
const DIGESTS_MAX: usize = 10_000;

fn files(state: &State<'_>, out: &mut dyn Sink) -> io::Result<()> {
    let feed = format!("{} ({})", line(state.name), line(state.base_url));
    out.file("validating-admission-policy/policy.yaml", policy(&feed).into_bytes())?;
    chunks::write(
        state,
        DIGESTS_MAX,
        out,
        |part| format!("validating-admission-policy/lazaret-digests-{part}.yaml"),
        |part, listed| {
            let mut keys: BTreeMap<String, String> = BTreeMap::new();
            for entry in listed {
                let hex = entry.digest.hex();
                let value = keys.entry(hex[..2].to_owned()).or_insert_with(|| " ".to_owned());
                value.push_str(&hex);
                value.push(' ');
            }
            let data: String = keys.iter().map(|(key, value)| format!("  \"{key}\": {}\n", quoted(value))).collect();
            let text = format!(
                "# kubectl apply --server-side -f .\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: lazaret-digests-{part}\n  \
                 namespace: lazaret\n  labels:\n    app.kubernetes.io/part-of: lazaret\n    lazaret/digests: \"true\"\n\
                 data:\n  about: {}\n{data}",
                quoted(&format!("Digests of malicious images by {feed}")),
            );
            text.into_bytes()
        },
    )
}

/// The feed's name goes into a message that is an expression: as a string of CEL, inside one of YAML.
fn policy(feed: &str) -> String {
    let feed = feed.replace(['\\', '"', '\''], " ");
    let message = format!(
        "\"listed as malicious by {feed}: \" + variables.digests.filter(d, d.substring(0, 2) in params.data && \
         params.data[d.substring(0, 2)].contains(\" \" + d + \" \")).map(d, \"sha256:\" + d).join(\", \")"
    );
    POLICY.replace("MESSAGE", &quoted(&message))
}

/// The policy itself. All kinds of containers, and image volumes; created in a namespace of its own, which has the parameters.
const POLICY: &str = r#"# kubectl apply --server-side -f .   Images named by a tag alone pass: `lazaret gate serve` resolves them.
apiVersion: v1
kind: Namespace
metadata:
  name: lazaret
  labels:
    app.kubernetes.io/part-of: lazaret
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: lazaret-digests
  labels:
    app.kubernetes.io/part-of: lazaret
spec:
  failurePolicy: Fail
  paramKind:
    apiVersion: v1
    kind: ConfigMap
  matchConstraints:
    resourceRules:
      - apiGroups: [""]
        apiVersions: ["v1"]
        operations: [CREATE, UPDATE]
        resources: [pods, pods/ephemeralcontainers]
  variables:
    - name: images
      expression: >-
        object.spec.containers.map(c, c.image)
        + (has(object.spec.initContainers) ? object.spec.initContainers.map(c, c.image) : [])
        + (has(object.spec.ephemeralContainers) ? object.spec.ephemeralContainers.map(c, c.image) : [])
        + (has(object.spec.volumes) ? object.spec.volumes.filter(v, has(v.image) && has(v.image.reference)).map(v, v.image.reference) : [])
    - name: digests
      expression: >-
        variables.images.filter(i, i.matches("@sha256:[0-9a-f]{64}$")).map(i, i.substring(size(i) - 64))
  validations:
    - expression: >-
        variables.digests.all(d, !(d.substring(0, 2) in params.data)
        || !params.data[d.substring(0, 2)].contains(" " + d + " "))
      messageExpression: MESSAGE
      reason: Forbidden
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: lazaret-digests
  labels:
    app.kubernetes.io/part-of: lazaret
spec:
  policyName: lazaret-digests
  validationActions: [Deny]
  paramRef:
    namespace: lazaret
    selector:
      matchLabels:
        lazaret/digests: "true"
    parameterNotFoundAction: Deny
"#;
