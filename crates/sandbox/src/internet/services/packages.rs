//! Registries of packages and images: there, and without what is asked for, so that an installer ends with its own clear error.
//!
//! Serving real packages would need the outside; serving invented ones would make a benign installer run them.

use serde_json::json;

use super::{
    super::service::Talk,
    http::{Request, Response},
};

/// Answers for the registries' hosts, and for the paths that only they have.
pub(in super::super) fn answer(request: &Request, _talk: &mut Talk<'_>) -> Option<Response> {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return None;
    }
    let (host, path) = (request.host.as_str(), request.path.as_str());
    let missing = |text: &str| Response::new(404, "package", "text/plain", text.to_owned());
    if path == "/v2/" || path == "/v2" {
        let mut response = Response::json("registry", &json!({}));
        response.headers.push(("Docker-Distribution-Api-Version", "registry/2.0".to_owned()));
        return Some(response);
    }
    if path.starts_with("/v2/") && (path.contains("/manifests/") || path.contains("/blobs/") || path.contains("/tags/"))
    {
        let mut response = Response::json(
            "registry",
            &json!({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}),
        );
        response.status = 404;
        return Some(response);
    }
    Some(match host {
        "pypi.org" | "pypi.python.org" if path.starts_with("/simple/") => {
            let name: String = path
                .split('/')
                .nth(2)
                .unwrap_or_default()
                .chars()
                .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-')
                .collect();
            let body = format!(
                "<!DOCTYPE html><html><head><title>Links for {name}</title></head><body><h1>Links for {name}</h1></body></html>\n"
            );
            Response::new(200, "package", "text/html", body)
        }
        "registry.npmjs.org" | "registry.yarnpkg.com" => {
            let mut response = Response::json("package", &json!({"error": "Not found"}));
            response.status = 404;
            response
        }
        "index.crates.io"
        | "static.crates.io"
        | "proxy.golang.org"
        | "sum.golang.org"
        | "repo.maven.apache.org"
        | "repo1.maven.org"
        | "rubygems.org"
        | "files.pythonhosted.org" => missing("not found\n"),
        _ if path.contains("/dists/")
            || path.contains("/repodata/")
            || path.ends_with("/APKINDEX.tar.gz")
            || path.contains("/pool/") =>
        {
            missing("not found\n")
        }
        _ => return None,
    })
}
