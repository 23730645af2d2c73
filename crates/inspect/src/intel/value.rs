//! Brings domains, URLs, addresses and hashes into the one form they are compared in, however they are written.

use std::net::{IpAddr, Ipv6Addr};

use model::{Digest, IntelValue};

/// Longest value that is read.
const VALUE_BYTES_MAX: usize = 2048;

/// Reads a value as feeds, people and programs write it: with or without scheme, port, path, and defanged
/// (`hxxp://bad[.]example`). 64 hex digits are the SHA-256 of a file. A path without a scheme makes a URL, a final `*` one
/// that goes on.
///
/// # Errors
///
/// Why it is none, in a few words. A name whose suffix is not on the public suffix list, or that is nothing but a public
/// suffix (`github.io`), is no domain.
pub fn read(written: &str) -> Result<IntelValue, &'static str> {
    let text = written.trim().trim_matches(['"', '\'']);
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > VALUE_BYTES_MAX {
        return Err("it is too long");
    }
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) && !hex.bytes().all(|byte| byte.is_ascii_digit()) {
        return match hex.len() {
            64 => format!("sha256:{}", hex.to_ascii_lowercase())
                .parse::<Digest>()
                .map(IntelValue::File)
                .map_err(|_| "it is no SHA-256"),
            32 | 40 => Err("MD5 and SHA-1 are of no use here: files are known by SHA-256"),
            _ => Err("it is no SHA-256"),
        };
    }
    let text = refanged(text);
    match text.split_once("://") {
        Some((scheme, rest))
            if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) =>
        {
            url(&scheme.to_ascii_lowercase(), rest)
        }
        _ => host_or_more(&text),
    }
}

/// The domain that somebody registered: the public suffix of `host` and one label more. None where the suffix is unknown.
#[must_use]
pub fn registrable(host: &str) -> Option<&str> {
    let domain = psl::domain(host.as_bytes())?;
    if !domain.suffix().is_known() {
        return None;
    }
    let start = host.len().checked_sub(domain.as_bytes().len())?;
    host.get(start..)
}

/// `hxxp://a[.]b` as `http://a.b`.
fn refanged(text: &str) -> String {
    let mut plain = text.to_owned();
    if plain.contains(['[', '(', '{']) {
        for (dot, meant) in [("[.]", "."), ("(.)", "."), ("{.}", "."), ("[dot]", "."), ("(dot)", "."), ("[:]", ":")] {
            plain = plain.replace(dot, meant);
        }
        plain = plain.replace("[://]", "://");
    }
    for (defanged, meant) in [("hxxp", "http"), ("hXXp", "http"), ("HXXP", "http"), ("fxp:", "ftp:")] {
        if let Some(rest) = plain.strip_prefix(defanged) {
            return format!("{meant}{rest}");
        }
    }
    plain
}

fn url(scheme: &str, rest: &str) -> Result<IntelValue, &'static str> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).ok_or("it is no URL")?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = split_port(authority)?;
    let host = match host.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host_name(host)?,
    };
    let usual = match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        "ftp" => Some(21),
        _ => None,
    };
    let authority = match port.filter(|port| Some(*port) != usual) {
        Some(port) => format!("{host}:{port}"),
        None => host,
    };
    let path = path.split('#').next().unwrap_or_default();
    Ok(match path.strip_suffix('*') {
        Some(start) => IntelValue::UrlPrefix(format!("{authority}{start}").trim_end_matches('/').to_owned()),
        None if path.is_empty() || path == "/" => IntelValue::Url(authority),
        None => IntelValue::Url(format!("{authority}{path}")),
    })
}

fn host_or_more(text: &str) -> Result<IntelValue, &'static str> {
    if let Some((address, bits)) = text.split_once('/')
        && let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse::<u8>())
    {
        let most = if address.is_ipv4() { 32 } else { 128 };
        return match bits {
            // Nobody means an eighth of the internet.
            0..8 => Err("the network is too wide: /8 is the widest"),
            bits if bits == most => Ok(IntelValue::Address(address, None)),
            bits if bits < most => Ok(IntelValue::Network(masked(address, bits), bits)),
            _ => Err("it is no network"),
        };
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IntelValue::Address(address, None));
    }
    if text.contains(['/', '?']) {
        return url("", text);
    }
    let (host, port) = split_port(text)?;
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(IntelValue::Address(address, port));
    }
    host_name(host.strip_prefix("*.").or_else(|| host.strip_prefix('.')).unwrap_or(host)).map(IntelValue::Domain)
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`; the host without brackets.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or("a bracket is not closed")?;
        (host, port.strip_prefix(':').unwrap_or_default())
    } else {
        authority.split_once(':').unwrap_or((authority, ""))
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    port.parse().map(|port| (host, Some(port))).map_err(|_| "it has no valid port")
}

/// Lower case, without a final dot: a name with a registrable domain, or an address.
pub(crate) fn host_name(host: &str) -> Result<String, &'static str> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_') || !b.is_ascii())
    };
    if name.len() > 253 || !name.contains('.') || !name.split('.').all(is_label) {
        return Err("it is neither domain, URL, address nor SHA-256");
    }
    match registrable(&name) {
        Some(_) => Ok(name),
        None if psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.is_known()) => {
            Err("it is a public suffix: many people have names under it")
        }
        None => Err("its suffix is not on the public suffix list"),
    }
}

/// The network that `address` lies in.
pub(crate) fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits.into())).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits.into())).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

/// As people write it; a URL without its scheme.
#[must_use]
pub fn shown(value: &IntelValue) -> String {
    match value {
        IntelValue::Domain(text) | IntelValue::Url(text) | IntelValue::Exactly(text) | IntelValue::Holding(text) => {
            text.clone()
        }
        IntelValue::UrlPrefix(text) => format!("{text}/*"),
        IntelValue::Address(address, None) => address.to_string(),
        IntelValue::Address(address, Some(port)) if address.is_ipv6() => format!("[{address}]:{port}"),
        IntelValue::Address(address, Some(port)) => format!("{address}:{port}"),
        IntelValue::Network(address, bits) => format!("{address}/{bits}"),
        IntelValue::File(digest) => digest.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, expected: &str) {
        match read(written) {
            Ok(value) => assert_eq!(format!("{value:?}"), expected, "{written}"),
            Err(error) => assert_eq!(error, expected, "{written}"),
        }
    }

    #[test]
    fn every_way_of_writing_becomes_one() {
        check("Bad-Host.COM.", "Domain(\"bad-host.com\")");
        check("*.bad.co.uk", "Domain(\"bad.co.uk\")");
        check("bad.com:8080", "Domain(\"bad.com\")");
        check("hxxps://bad[.]com:443/A?b=C#d", "Url(\"bad.com/A?b=C\")");
        check("fxp://bad[.]com/x", "Url(\"bad.com/x\")");
        check("http://user:secret@bad.com:8080", "Url(\"bad.com:8080\")");
        check("http://bad.com/", "Url(\"bad.com\")");
        check("bad.com/drop/*", "UrlPrefix(\"bad.com/drop\")");
        check("http://[2001:db8::1]:81/i", "Url(\"[2001:db8::1]:81/i\")");
        check("198.51.100.7:4444", "Address(198.51.100.7, Some(4444))");
        check("[2001:db8::1]:4444", "Address(2001:db8::1, Some(4444))");
        check("198.51.100.77/24", "Network(198.51.100.0, 24)");
        check("198.51.100.77/32", "Address(198.51.100.77, None)");
        check(&"A1".repeat(32), &format!("File(sha256:{})", "a1".repeat(32)));
    }

    #[test]
    fn what_says_nothing_or_too_much_is_refused() {
        check("github.io", "it is a public suffix: many people have names under it");
        check("com", "it is neither domain, URL, address nor SHA-256");
        check("host.notatld", "its suffix is not on the public suffix list");
        check("0.0.0.0/0", "the network is too wide: /8 is the widest");
        check(&"a1".repeat(16), "MD5 and SHA-1 are of no use here: files are known by SHA-256");
        check("http://", "it is neither domain, URL, address nor SHA-256");
        check("http://bad.com:99999/", "it has no valid port");
        check("two words.com", "it is neither domain, URL, address nor SHA-256");
        check("", "it is empty");
    }

    #[test]
    fn the_registrable_domain_is_one_label_more_than_the_suffix() {
        assert_eq!(registrable("a.b.bad.co.uk"), Some("bad.co.uk"));
        assert_eq!(registrable("x.github.io"), Some("x.github.io"));
        assert_eq!(registrable("co.uk"), None);
        assert_eq!(registrable("a.notatld"), None);
    }
}
