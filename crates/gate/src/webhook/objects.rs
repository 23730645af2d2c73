//! The images that a Kubernetes object would run.
//!
//! Found by where pod specs stand, not by kind: a custom resource with a pod template is read, too.
//! Source: Kubernetes API reference v1.32, PodSpec, PodTemplateSpec, JobTemplateSpec, ImageVolumeSource.

use serde_json::Value;

/// Where a pod spec may stand: Pod; Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, ReplicationController; CronJob;
/// PodTemplate; and `EphemeralContainers`, what its subresource took before Kubernetes 1.22.
const POD_SPECS: [&str; 5] =
    ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/template/spec", ""];
/// Lists of containers in a pod spec.
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// An image, and the field that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) reference: String,
    pub(super) field: String,
}

/// All images of `object`, at most `max + 1`: the last says that there are too many.
pub(super) fn images(object: &Value, max: usize) -> Vec<Named> {
    let mut found = Vec::new();
    for place in POD_SPECS {
        let Some(spec) = object.pointer(place).filter(|spec| spec.is_object()) else { continue };
        let place = place.trim_start_matches('/').replace('/', ".");
        for list in CONTAINERS {
            collect(spec, &place, list, "/image", "image", &mut found, max);
        }
        collect(spec, &place, "volumes", "/image/reference", "image.reference", &mut found, max);
    }
    found
}

fn collect(spec: &Value, place: &str, list: &str, pointer: &str, field: &str, found: &mut Vec<Named>, max: usize) {
    let items = spec.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (number, item) in items.iter().enumerate() {
        // A template may leave the image to something that fills it in later.
        let Some(reference) = item.pointer(pointer).and_then(Value::as_str).filter(|image| !image.is_empty()) else {
            continue;
        };
        if found.len() > max {
            return;
        }
        let dot = if place.is_empty() { "" } else { "." };
        found.push(Named { reference: reference.to_owned(), field: format!("{place}{dot}{list}[{number}].{field}") });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(object: &Value, expected: &[(&str, &str)]) {
        let found = images(object, 100);
        let found: Vec<_> = found.iter().map(|named| (named.reference.as_str(), named.field.as_str())).collect();
        assert_eq!(found, expected, "{object}");
    }

    #[test]
    fn every_kind_that_runs_something_is_read() {
        let pod = json!({
            "initContainers": [{"image": "a"}],
            "containers": [{"image": "b"}, {"name": "later"}, {"image": ""}],
            "ephemeralContainers": [{"image": "c"}],
            "volumes": [{"emptyDir": {}}, {"image": {"reference": "d"}}],
        });
        check(
            &json!({"spec": pod}),
            &[
                ("a", "spec.initContainers[0].image"),
                ("b", "spec.containers[0].image"),
                ("c", "spec.ephemeralContainers[0].image"),
                ("d", "spec.volumes[1].image.reference"),
            ],
        );
        for (object, field) in [
            (
                json!({"spec": {"template": {"spec": {"containers": [{"image": "b"}]}}}}),
                "spec.template.spec.containers[0].image",
            ),
            (
                json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"image": "b"}]}}}}}}),
                "spec.jobTemplate.spec.template.spec.containers[0].image",
            ),
            (json!({"template": {"spec": {"containers": [{"image": "b"}]}}}), "template.spec.containers[0].image"),
            (json!({"ephemeralContainers": [{"image": "b"}]}), "ephemeralContainers[0].image"),
        ] {
            check(&object, &[("b", field)]);
        }
    }

    #[test]
    fn what_is_no_pod_has_no_images_and_many_are_cut() {
        for object in [
            json!(null),
            json!([]),
            json!({"spec": null}),
            json!({"spec": {"containers": null, "template": "text", "volumes": [1, null, {"image": 7}]}}),
            json!({"spec": {"containers": {"image": "a"}}}),
        ] {
            check(&object, &[]);
        }
        let many = json!({"spec": {"containers": vec![json!({"image": "a"}); 50]}});
        assert_eq!(images(&many, 10).len(), 11);
    }
}
