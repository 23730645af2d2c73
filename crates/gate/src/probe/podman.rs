//! Podman, Buildah, skopeo, CRI-O: what `registries.conf` makes them do.
//!
//! A mirror that refuses is followed by the registry itself; a `location` that is the gate is not. Source:
//! containers-registries.conf(5).

use std::{fs, path::PathBuf};

use toml::Value;

use super::{
    Plan, base,
    finding::{Finding, State},
    read,
};

/// Files of one folder that are read.
const FILES_MAX: usize = 100;

/// What the system's settings make them do.
pub(super) fn probe(plan: &Plan) -> Vec<Finding> {
    let files = files(plan);
    if files.is_empty() {
        return Vec::new();
    }
    let mut tables = Vec::new();
    for file in &files {
        match read(file)
            .and_then(|text| text.parse::<toml::Table>().map_err(|_| format!("{}: no TOML", file.display())))
        {
            Ok(table) => {
                let registries = table.get("registry").and_then(Value::as_array).cloned().unwrap_or_default();
                // A later file replaces the registries with the same prefix.
                for registry in registries.iter().filter_map(Rule::read) {
                    tables.retain(|known: &Rule| known.prefix != registry.prefix);
                    tables.push(registry);
                }
            }
            Err(error) => {
                return vec![Finding::new("podman", "its settings", State::Unknown, &error, "correct the file")];
            }
        }
    }
    let proxy = plan.proxy.as_deref();
    let find = |registry: &String| {
        let (state, proof) = judge(&tables, registry, proxy);
        let gate = proxy.map_or_else(|| "THE-GATE:5000".to_owned(), base);
        let fix = format!(
            "in /etc/containers/registries.conf.d/lazaret.conf:\n[[registry]]\nprefix = \"{registry}\"\nlocation = \"{gate}/{registry}\"{}",
            if proxy.is_some_and(|proxy| proxy.starts_with("https:")) { "" } else { "\ninsecure = true" }
        );
        Finding::new("podman", &format!("pulls from {registry}"), state, &proof, &fix)
    };
    plan.registries.iter().map(find).collect()
}

fn files(plan: &Plan) -> Vec<PathBuf> {
    let folder = plan.etc.join("containers/registries.conf.d");
    let mut files: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .take(FILES_MAX)
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    files.sort();
    files.insert(0, plan.etc.join("containers/registries.conf"));
    files.retain(|file| file.exists());
    files
}

/// One `[[registry]]`.
struct Rule {
    prefix: String,
    location: String,
    is_blocked: bool,
    mirrors: usize,
}

impl Rule {
    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let location = text("location");
        let prefix = text("prefix").filter(|prefix| !prefix.is_empty()).or_else(|| location.clone())?;
        Some(Self {
            location: location.unwrap_or_else(|| prefix.clone()),
            prefix,
            is_blocked: value.get("blocked").and_then(Value::as_bool).unwrap_or(false),
            mirrors: value.get("mirror").and_then(Value::as_array).map_or(0, Vec::len),
        })
    }

    /// How much of `registry` the prefix says, if it is one.
    fn fits(&self, registry: &str) -> Option<usize> {
        let is_under = |wildcard: &str| registry.ends_with(wildcard) && registry.len() > wildcard.len();
        let fits = self.prefix == registry || self.prefix.strip_prefix('*').is_some_and(is_under);
        fits.then_some(self.prefix.len())
    }
}

fn judge(rules: &[Rule], registry: &str, proxy: Option<&str>) -> (State, String) {
    let own = rules.iter().filter_map(|rule| Some((rule.fits(registry)?, rule))).max_by_key(|(length, _)| *length);
    let Some((_, own)) = own else {
        return (State::Open, format!("no [[registry]] has the prefix {registry}: it goes there directly"));
    };
    let leads_around = |rule: &Rule| !rule.is_blocked && proxy.is_none_or(|proxy| !is_at(&rule.location, proxy));
    // What is said of a part of the registry is more special.
    let part = rules.iter().find(|rule| rule.prefix.starts_with(&format!("{registry}/")) && leads_around(rule));
    match part {
        Some(part) => (State::Open, format!("{} leads to {}", part.prefix, part.location)),
        None if own.is_blocked => (State::Closed, format!("{registry} is blocked")),
        None if !leads_around(own) => (State::Closed, format!("{registry} leads to the gate alone")),
        None if own.mirrors > 0 => (State::Open, format!("after its mirrors, {} itself is asked", own.location)),
        None => (State::Open, format!("{registry} leads to {}", own.location)),
    }
}

/// `HOST[:PORT]/…` of a URL.
fn is_at(location: &str, proxy: &str) -> bool {
    location.split('/').next().unwrap_or_default() == base(proxy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: State) {
        let table: toml::Table = text.parse().expect("TOML");
        let rules: Vec<_> = table["registry"].as_array().expect("a list").iter().filter_map(Rule::read).collect();
        let (state, proof) = judge(&rules, "docker.io", Some("http://gate:5000"));
        assert_eq!(state, expected, "{text}: {proof}");
    }

    #[test]
    fn a_location_holds_and_a_mirror_does_not() {
        check("[[registry]]\nprefix='docker.io'\nlocation='gate:5000/docker.io'", State::Closed);
        check("[[registry]]\nlocation='docker.io'\nblocked=true", State::Closed);
        check("[[registry]]\nlocation='docker.io'\n[[registry.mirror]]\nlocation='gate:5000/docker.io'", State::Open);
        check("[[registry]]\nlocation='quay.io'\nblocked=true", State::Open);
        check("[[registry]]\nprefix='*.io'\nblocked=true", State::Closed);
        check("[[registry]]\nprefix='docker.io'\nlocation='gate:5000.evil.example'", State::Open);
        let part = "[[registry]]\nprefix='docker.io'\nlocation='gate:5000/docker.io'\n[[registry]]\nprefix='docker.io/evil'\nlocation='docker.io/evil'";
        check(part, State::Open);
    }
}
