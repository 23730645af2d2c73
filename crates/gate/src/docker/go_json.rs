//! JSON as Go's `encoding/json` takes it: keys of objects match fields whatever their case, and the last one wins.
//!
//! Docker reads requests that way, so a reader that does not would decide on another image than the one that is run. Here every
//! value under every spelling is seen. Source: Go, package `encoding/json`, `Unmarshal`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value; numbers and the like are not of interest.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    /// All members, in order, doubled ones too.
    Object(Vec<(String, Json)>),
    Array(Vec<Json>),
    Text(String),
    Null,
    Other,
}

impl Json {
    /// None if it is no JSON, or has more after it.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Every value that Go could take for the field `name`.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        let members = if let Self::Object(members) = self { members.as_slice() } else { &[] };
        members.iter().filter(move |(key, _)| fold(key) == fold(name)).map(|(_, value)| value)
    }

    pub(super) fn items(&self) -> &[Self] {
        if let Self::Array(items) = self { items } else { &[] }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// Simple case folding: it also makes `ſ` an `s` and the Kelvin sign a `k`.
fn fold(text: &str) -> String {
    text.to_lowercase().replace('\u{17f}', "s")
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let json = Json::parse(text.as_bytes()).expect("JSON");
        let found: Vec<_> = json.all("Image").filter_map(Json::text).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn every_spelling_of_a_field_is_seen() {
        check(r#"{"Image":"a"}"#, &["a"]);
        check(r#"{"Image":"a","image":"b","IMAGE":"c"}"#, &["a", "b", "c"]);
        check(r#"{"Image":"a","Image":"b"}"#, &["a", "b"]);
        check(r#"{"\u0049mage":"a"}"#, &["a"]);
        check(r#"{"Images":"a","Config":{"Image":"b"}}"#, &[]);
    }

    #[test]
    fn what_has_more_after_it_or_is_too_deep_is_none() {
        assert_eq!(Json::parse(b"{} {}"), None);
        assert_eq!(Json::parse(b""), None);
        assert_eq!(Json::parse("[".repeat(100_000).as_bytes()), None);
    }
}
