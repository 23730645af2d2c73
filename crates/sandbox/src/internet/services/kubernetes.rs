//! A cluster's API and a node's kubelet, as worms and thieves ask them: lets everything be asked and made, records it with the token, and has little.
//!
//! Source: the Kubernetes API reference, 1.28; the kubelet's `/pods`, `/run` and `/exec` (`pkg/kubelet/server`).

use serde_json::json;

use super::{
    super::service::Talk,
    http::{Request, Response},
};

const API_PORTS: [u16; 2] = [6443, 16443];
const KUBELET_PORTS: [u16; 2] = [10250, 10255];

/// Answers on the cluster's ports, and for `kubernetes.default`.
pub(in super::super) fn answer(request: &Request, talk: &mut Talk<'_>) -> Option<Response> {
    let port = talk.flow.remote.port();
    let kubelet = KUBELET_PORTS.contains(&port);
    if !kubelet && !API_PORTS.contains(&port) && !request.host.starts_with("kubernetes") {
        return None;
    }
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    talk.message("kubernetes", &format!("{} {}{query} {body}", request.method, request.path));
    if let Some(token) = request.header("authorization").strip_prefix("Bearer ") {
        talk.login("kubernetes", "bearer", token, true);
    }
    let path = request.path.trim_end_matches('/');
    let pods = || {
        json!({"kind": "PodList", "apiVersion": "v1", "items": [{
            "metadata": {"name": "web-5d9c7b6f4-x2x7k", "namespace": "default", "uid": "0b9e2c1e-6c1f-4a53-9a6e-2f4d1f7c8a11"},
            "spec": {"containers": [{"name": "web", "image": "nginx:1.25"}], "nodeName": "node-1", "serviceAccountName": "default"},
            "status": {"phase": "Running", "podIP": "10.244.1.17"},
        }]})
    };
    let created = |kind: &str| {
        let mut response = Response::json("kubernetes", &json!({"kind": kind, "apiVersion": "v1", "status": {}}));
        response.status = 201;
        response
    };
    Some(match path {
        _ if kubelet && (path == "/pods" || path == "/runningpods") => Response::json("kubernetes", &pods()),
        _ if kubelet && (path.starts_with("/run/") || path.starts_with("/exec/")) => {
            Response::new(200, "kubernetes", "text/plain", "uid=0(root) gid=0(root) groups=0(root)\n")
        }
        "/version" => Response::json(
            "kubernetes",
            &json!({"major": "1", "minor": "28", "gitVersion": "v1.28.4", "goVersion": "go1.20.11", "platform": "linux/amd64"}),
        ),
        "/api" => Response::json("kubernetes", &json!({"kind": "APIVersions", "versions": ["v1"]})),
        "/healthz" | "/livez" | "/readyz" => Response::new(200, "kubernetes", "text/plain", "ok"),
        _ if request.method == "POST" => created("Status"),
        _ if path.ends_with("/pods") => Response::json("kubernetes", &pods()),
        _ if path.ends_with("/secrets") => {
            Response::json("kubernetes", &json!({"kind": "SecretList", "apiVersion": "v1", "items": []}))
        }
        _ if path.ends_with("/namespaces") => Response::json(
            "kubernetes",
            &json!({"kind": "NamespaceList", "apiVersion": "v1", "items": [{"metadata": {"name": "default"}}, {"metadata": {"name": "kube-system"}}]}),
        ),
        _ => Response::json("kubernetes", &json!({"kind": "List", "apiVersion": "v1", "items": []})),
    })
}

#[cfg(test)]
mod tests {
    use model::What;

    use crate::internet::testing::{run, shell};

    #[test]
    fn the_token_and_the_question_are_recorded() {
        let (events, _) = run(|guest| {
            let ca = guest.authority.display();
            let said = shell(&format!(
                "curl -sS --max-time 10 --cacert {ca} -H 'Authorization: Bearer abc.def' https://kubernetes.default.svc.example:6443/api/v1/namespaces/default/pods"
            ));
            assert!(said.contains("PodList"), "{said}");
            let said = shell("curl -sSk --max-time 10 https://10.0.0.7:10250/run/default/web/web -d cmd=id");
            assert!(said.contains("uid=0"), "{said}");
        });
        assert!(events.iter().any(|event| matches!(event, What::Login { service, password, .. } if service == "kubernetes" && password == "abc.def")));
        assert!(events.iter().any(|event| matches!(event, What::Message { text, .. } if text.starts_with("POST /run/default/web/web") && text.ends_with("cmd=id"))), "{events:#?}");
    }
}
