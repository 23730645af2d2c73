//! npm: `package-lock.json` and `node_modules/.package-lock.json`. Its `integrity` is of tarballs, so only names and
//! versions are taken.
//!
//! Source: docs.npmjs.com, package-lock.json, `lockfileVersion` 2 and 3: `packages` maps `node_modules/NAME` to what is
//! there. Version 1 has `dependencies` by name instead.

use std::collections::BTreeMap;

use model::PackageFacts;
use serde::Deserialize;

use super::{PACKAGES_MAX, package};

/// Longest file read: a parsed one takes several times its size.
const BYTES_MAX: usize = 8 << 20;

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    packages: BTreeMap<String, Locked>,
    #[serde(default)]
    dependencies: BTreeMap<String, Locked>,
}

#[derive(Deserialize)]
struct Locked {
    #[serde(default)]
    version: String,
}

pub(super) fn lock(bytes: &[u8]) -> Result<Vec<PackageFacts>, String> {
    if bytes.len() > BYTES_MAX {
        return Err(format!("it has {} bytes, at most {BYTES_MAX} are read", bytes.len()));
    }
    let lock: Lock = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let named = |(path, locked): (&String, &Locked)| {
        let name = path.rsplit("node_modules/").next().unwrap_or(path);
        (!name.is_empty()).then(|| package(name, &locked.version))
    };
    let listed = if lock.packages.is_empty() { &lock.dependencies } else { &lock.packages };
    Ok(listed.iter().filter_map(named).take(PACKAGES_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_give_names_and_versions() {
        let new = br#"{"packages": {"": {"version": "1"}, "node_modules/@a/b/node_modules/ms": {"version": "2.0.0"}}}"#;
        let old = br#"{"dependencies": {"ms": {"version": "2.0.0", "integrity": "x"}}}"#;
        assert_eq!(lock(new), Ok(vec![package("ms", "2.0.0")]));
        assert_eq!(lock(old), Ok(vec![package("ms", "2.0.0")]));
        assert!(lock(b"[").is_err());
    }
}
