//! The values that flags, environment and configuration file share: each is parsed by one function into a type that
//! cannot be wrong.

use std::{fmt, str::FromStr};

use clap::ValueEnum;
use model::{Disposition, Platform};
use serde::{Deserialize, Deserializer, de::Error as _};

/// A number between `MIN` and `MAX`, both allowed. `_` may separate digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Count<MIN, MAX> {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number, for counting things in memory.
    #[must_use]
    pub fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    fn checked(value: u64) -> Result<Self, String> {
        if (MIN..=MAX).contains(&value) { Ok(Self(value)) } else { Err(format!("{value} is not in {MIN} to {MAX}")) }
    }
}

impl<const MIN: u64, const MAX: u64> FromStr for Count<MIN, MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let value = text.replace('_', "").parse().map_err(|_| format!("{text:?} is not a number"))?;
        Self::checked(value)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Count<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).and_then(|value| Self::checked(value).map_err(D::Error::custom))
    }
}

/// Which platforms of an index are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlatformChoice {
    /// Each one it has.
    All,
    /// This one.
    One(Platform),
}

impl FromStr for PlatformChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" { Ok(Self::All) } else { text.parse().map(Self::One) }
    }
}

impl<'de> Deserialize<'de> for PlatformChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// From which disposition on an image fails the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailOn {
    /// Any image that could be decided.
    Clean,
    /// Risky or worse.
    Risky,
    /// Suspicious or worse.
    Suspicious,
    /// Malicious only.
    Malicious,
}

impl FailOn {
    /// The lowest disposition that fails.
    #[must_use]
    pub const fn threshold(self) -> Disposition {
        match self {
            Self::Clean => Disposition::Clean,
            Self::Risky => Disposition::Risky,
            Self::Suspicious => Disposition::Suspicious,
            Self::Malicious => Disposition::Malicious,
        }
    }
}

/// How reports are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// For people in a terminal.
    Table,
    /// `lazaret.scan/1`, see docs/json.md.
    Json,
    /// SARIF 2.1.0, for code scanning services.
    Sarif,
    /// One self-contained page with a picture of the layers.
    Html,
}

/// How lists are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ListFormat {
    /// For people in a terminal.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Never.
    Never,
}

/// A registry to hunt: `http://host:port`, `https://host` or a bare host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryUrl(String);

impl FromStr for RegistryUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
        let host = host.strip_suffix('/').unwrap_or(host);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        if host.is_empty() || !host.bytes().all(fits) || !host.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            return Err(format!(
                "{text:?} is no registry: write a URL or host without a path, as in http://localhost:5000"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_bounds() {
        assert_eq!("1_000".parse::<Count<1, 1_000>>().map(Count::get), Ok(1_000));
        assert_eq!("0".parse::<Count<1, 9>>(), Err("0 is not in 1 to 9".to_owned()));
        assert_eq!("-1".parse::<Count<0, 9>>(), Err("\"-1\" is not a number".to_owned()));
    }

    #[test]
    fn a_registry_has_a_host_and_no_path() {
        for text in ["http://localhost:5000", "https://registry.example.org/", "[::1]:5000", "registry.example.org"] {
            assert!(text.parse::<RegistryUrl>().is_ok(), "{text}");
        }
        for text in ["", "http://", "ftp://a", "host/path", "http://a b", "http://user@host", "::"] {
            assert!(text.parse::<RegistryUrl>().is_err(), "{text}");
        }
    }
}
