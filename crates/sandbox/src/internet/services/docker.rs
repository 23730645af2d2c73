//! A container engine's API without TLS, as worms look for it: lets containers be made and started, records how, and has none.
//!
//! Source: the Docker Engine API, version 1.43.

use serde_json::json;

use super::{
    super::service::Talk,
    http::{Request, Response},
};

const PORTS: [u16; 4] = [2375, 2376, 4243, 4244];

/// Answers on the engine's ports only.
pub(in super::super) fn answer(request: &Request, talk: &mut Talk<'_>) -> Option<Response> {
    if !PORTS.contains(&talk.flow.remote.port()) {
        return None;
    }
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    let body = String::from_utf8_lossy(&request.body).into_owned();
    talk.message("docker", &format!("{} {}{query} {body}", request.method, request.path));
    if !request.header("x-registry-auth").is_empty() {
        talk.login("docker", "", request.header("x-registry-auth"), true);
    }
    // `/v1.43/containers/json` and `/containers/json` are one.
    let path = match request.path.strip_prefix("/v1.").and_then(|rest| rest.split_once('/')) {
        Some((_, rest)) => format!("/{rest}"),
        None => request.path.clone(),
    };
    let id: String =
        (0..4).map(|n| format!("{:016x}", talk.world.draw("container", &format!("{} {n}", body.len())))).collect();
    let get = request.method == "GET" || request.method == "HEAD";
    Some(match path.as_str() {
        "/_ping" => {
            let mut response = Response::new(200, "docker", "text/plain", "OK");
            response.headers = vec![("Api-Version", "1.43".to_owned()), ("Ostype", "linux".to_owned())];
            response
        }
        "/version" => Response::json(
            "docker",
            &json!({"Version": "24.0.7", "ApiVersion": "1.43", "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64", "KernelVersion": "5.15.0-91-generic"}),
        ),
        "/info" => Response::json(
            "docker",
            &json!({"ID": "7TRN:IPZB:QYBB:VPBQ", "Containers": 2, "ContainersRunning": 1, "Images": 4, "Driver": "overlay2", "NCPU": 8, "MemTotal": 33_567_449_088_u64,
                "OperatingSystem": "Ubuntu 22.04.3 LTS", "ServerVersion": "24.0.7", "Name": "build-01", "Swarm": {"LocalNodeState": "inactive"}}),
        ),
        "/containers/json" => Response::json(
            "docker",
            &json!([{"Id": "c0ffee00".repeat(8), "Names": ["/web"], "Image": "nginx:latest", "State": "running", "Status": "Up 12 days"}]),
        ),
        "/images/json" => Response::json(
            "docker",
            &json!([{"Id": format!("sha256:{id}"), "RepoTags": ["alpine:latest", "ubuntu:22.04"], "Size": 7_340_000}]),
        ),
        "/containers/create" => {
            let mut response = Response::json("docker", &json!({"Id": id, "Warnings": []}));
            response.status = 201;
            response
        }
        "/images/create" => Response::json("docker", &json!({"status": "Status: Image is up to date"})),
        _ if path.ends_with("/exec") && !get => {
            let mut response = Response::json("docker", &json!({"Id": id}));
            response.status = 201;
            response
        }
        _ if path.ends_with("/wait") => Response::json("docker", &json!({"StatusCode": 0})),
        _ if path.ends_with("/logs") => Response::new(200, "docker", "application/vnd.docker.raw-stream", ""),
        _ if path.ends_with("/json") => {
            Response::json("docker", &json!({"Id": id, "State": {"Running": true, "ExitCode": 0, "Pid": 4_211}}))
        }
        _ if get => Response::json("docker", &json!([])),
        _ => Response::new(204, "docker", "application/json", ""),
    })
}

#[cfg(test)]
mod tests {
    use model::What;

    use crate::internet::testing::{run, shell};

    #[test]
    fn a_container_is_made_and_recorded() {
        let (events, _) = run(|_| {
            shell("curl -sS --max-time 10 http://203.0.113.7:2375/version | grep -q ApiVersion");
            shell(
                "curl -sS --max-time 10 -X POST -H 'Content-Type: application/json' -d '{\"Image\":\"alpine\",\"Cmd\":[\"sh\"],\"Binds\":[\"/:/mnt\"]}' http://203.0.113.7:2375/v1.24/containers/create | grep -q '\"Id\"'",
            );
        });
        let made = |event: &What| {
            matches!(event, What::Message { service, text, .. }
                if service == "docker" && text.starts_with("POST /v1.24/containers/create") && text.contains("/:/mnt"))
        };
        assert!(events.iter().any(made), "{events:#?}");
    }
}
