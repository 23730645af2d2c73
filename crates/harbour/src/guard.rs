//! Who may pass: basic auth and Docker's token flow.

use std::collections::HashMap;

use axum::http::{HeaderMap, Method, StatusCode, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{Auth, Script, reply::Reply};

/// Tokens given so far.
#[derive(Default)]
pub(crate) struct Guard {
    tokens: HashMap<String, Token>,
    given: u64,
}

struct Token {
    scopes: Vec<String>,
    uses_left: u32,
}

/// What a request needs: `repository:NAME:pull`, as a token's scope says it; None for `/v2/`.
type Need = Option<String>;

impl Guard {
    /// None if the request may pass.
    pub(crate) fn refusal(&mut self, script: &Script, url: &str, headers: &HeaderMap, need: &Need) -> Option<Reply> {
        let challenge = match script.auth {
            Auth::Open => return None,
            Auth::Basic if basic_user_known(script, headers) == Some(true) => return None,
            Auth::Basic => "Basic realm=\"harbour, by the sea\"".to_owned(),
            Auth::Bearer if self.token_is_good(headers, need) => return None,
            Auth::Bearer => {
                let realm = script.realm.clone().unwrap_or_else(|| format!("{url}/token"));
                let scope = need.as_ref().map_or_else(String::new, |need| format!(",scope=\"{need}\""));
                format!("Bearer realm=\"{realm}\",service=\"harbour\"{scope}")
            }
        };
        let mut reply = Reply::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required");
        reply.set("www-authenticate", &challenge);
        Some(reply)
    }

    fn token_is_good(&mut self, headers: &HeaderMap, need: &Need) -> bool {
        let Some(("Bearer", text)) = authorization(headers) else { return false };
        let Some(token) = self.tokens.get_mut(text) else { return false };
        if token.uses_left == 0 {
            return false;
        }
        token.uses_left -= 1;
        need.as_ref().is_none_or(|need| token.scopes.iter().any(|scope| covers(scope, need)))
    }

    /// Answers `/token`: `GET` with basic auth or without, `POST` with a form.
    pub(crate) fn token(
        &mut self,
        script: &Script,
        method: &Method,
        headers: &HeaderMap,
        fields: &[(String, String)],
    ) -> Reply {
        let field = |name: &str| -> Vec<String> {
            fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
        };
        let mut scopes: Vec<String> = field("scope").iter().flat_map(|s| s.split(' ').map(str::to_owned)).collect();
        let refused = || Reply::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "incorrect name or password");
        if *method == Method::POST {
            let known = field("refresh_token").iter().any(|given| script.identity_tokens.contains(given));
            if !known || field("grant_type") != ["refresh_token"] {
                return refused();
            }
        } else {
            match basic_user_known(script, headers) {
                Some(true) => {}
                None if script.anonymous_pull => scopes.retain(|scope| scope.ends_with(":pull")),
                None | Some(false) => return refused(),
            }
        }
        self.given += 1;
        let name = format!("invented-token-{}", self.given);
        let uses_left = script.token_uses_max.unwrap_or(u32::MAX);
        self.tokens.insert(name.clone(), Token { scopes, uses_left });
        let mut answer = json!({ "token": name, "access_token": name });
        if let Some(lifetime) = script.token_lifetime_s {
            answer["expires_in"] = json!(lifetime);
        }
        Reply::json(StatusCode::OK, &answer)
    }
}

/// Scheme and text of the `Authorization` header.
pub(crate) fn authorization(headers: &HeaderMap) -> Option<(&str, &str)> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')
}

/// None if no basic auth was sent.
fn basic_user_known(script: &Script, headers: &HeaderMap) -> Option<bool> {
    let Some(("Basic", text)) = authorization(headers) else { return None };
    Some(script.users.iter().any(|(name, password)| STANDARD.encode(format!("{name}:{password}")) == text))
}

/// Whether a token for `granted` may do `needed`: same resource, all actions.
fn covers(granted: &str, needed: &str) -> bool {
    match (granted.rsplit_once(':'), needed.rsplit_once(':')) {
        (Some((resource, actions)), Some((wanted, needs))) => {
            resource == wanted && needs.split(',').all(|need| actions.split(',').any(|action| action == need))
        }
        _ => false,
    }
}
