//! What the rest of the web serves, by path and host: harmless, and of the shape that was asked for.
//!
//! A script does nothing, a program exits, an archive holds both; each is different for every URL, so that what was saved or run is known
//! again by its digest.

use serde_json::json;

use super::{
    super::{service::Talk, world::World},
    http::{Request, Response},
};

/// Hosts that say what the asker's address is.
const ADDRESS_HOSTS: [&str; 16] = [
    "ifconfig.me",
    "icanhazip.com",
    "api.ipify.org",
    "api64.ipify.org",
    "ipinfo.io",
    "ip-api.com",
    "checkip.amazonaws.com",
    "ident.me",
    "ifconfig.co",
    "ifconfig.io",
    "ipecho.net",
    "myip.dnsomatic.com",
    "wtfismyip.com",
    "ip.sb",
    "api.ip.sb",
    "ipv4.icanhazip.com",
];

/// Answers everything.
pub(in super::super) fn answer(request: &Request, talk: &mut Talk<'_>) -> Option<Response> {
    let path = request.path.to_ascii_lowercase();
    let file = path.rsplit('/').next().unwrap_or_default();
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    let url = format!("{}{}", request.host, request.path);
    Some(match request.method.as_str() {
        // We are nobody's proxy.
        "CONNECT" => Response::new(403, "empty", "text/plain", ""),
        "POST" | "PUT" | "PATCH" | "DELETE" => Response::json("json", &json!({"status": "ok", "code": 0})),
        "OPTIONS" => Response::new(204, "empty", "text/plain", ""),
        _ if ADDRESS_HOSTS.contains(&request.host.as_str()) => own_address(request, talk.world),
        _ => by_path(&path, file, extension, &url, request, talk.world),
    })
}

fn by_path(path: &str, file: &str, extension: &str, url: &str, request: &Request, world: &World) -> Response {
    let octets = "application/octet-stream";
    let named = |names: &[&str]| names.iter().any(|name| file.contains(name));
    match extension {
        "sh" | "bash" => Response::new(200, "script", "text/x-shellscript", script(world, url)),
        "py" => Response::new(
            200,
            "script",
            "text/x-python",
            format!("# {:016x}\nimport sys\nsys.exit(0)\n", world.draw("script", url)),
        ),
        "pl" => Response::new(
            200,
            "script",
            "text/plain",
            format!("#!/usr/bin/perl\n# {:016x}\nexit 0;\n", world.draw("script", url)),
        ),
        "js" if !file.ends_with(".min.js") => {
            Response::new(200, "script", "application/javascript", format!("// {:016x}\n", world.draw("script", url)))
        }
        "php" => Response::new(200, "text", "text/html", "ok\n"),
        "tgz" | "gz" => Response::new(200, "archive", "application/gzip", archive(world, url, file)),
        "zip" | "jar" => Response::new(200, "archive", "application/zip", zip(world, url)),
        "tar" => Response::new(200, "archive", "application/x-tar", tar(world, url)),
        "json" | "yml" | "yaml" | "conf" | "cfg" | "ini" if extension == "json" || named(&["config"]) => {
            config(world, url)
        }
        "txt" | "lst" | "list" | "csv" | "dat"
            if named(&["target", "host", "ip", "list", "range", "victim", "scan", "proxy", "prox"]) =>
        {
            Response::new(200, "targets", "text/plain", targets(world, url))
        }
        "txt" | "md" => Response::new(200, "text", "text/plain", format!("{:016x}\n", world.draw("text", url))),
        "html" | "htm" => html(request),
        "png" | "jpg" | "gif" | "ico" | "css" | "svg" | "woff2" => Response::new(404, "empty", "text/plain", ""),
        "deb" | "rpm" | "apk" | "whl" | "xz" | "bz2" | "pem" | "crt" | "asc" | "gpg" | "sig" => {
            Response::new(404, "empty", "text/plain", "not found\n")
        }
        "so" | "bin" | "elf" | "x86" | "x86_64" | "x64" | "i686" | "arm" | "arm7" | "mips" | "mpsl" | "exe" | "out"
        | "ko" => Response::new(200, "elf", octets, elf(world, url)),
        _ if named(&["target", "victims", "hosts", "ranges", "iplist"]) => {
            Response::new(200, "targets", "text/plain", targets(world, url))
        }
        _ if path.contains("/raw/") || path.starts_with("/raw") || request.host.contains("paste") => {
            Response::new(200, "text", "text/plain", format!("{:016x}\n", world.draw("text", url)))
        }
        _ if path == "/" || path.is_empty() => front(request, world, url),
        _ if path.contains("/api/") || path.starts_with("/v1") || path.starts_with("/v2") => {
            Response::json("json", &json!({"status": "ok", "data": []}))
        }
        // `curl -s https://x/install | sh`
        _ if named(&["install", "setup", "get-", "bootstrap", "init", "update.", "run"]) && extension.is_empty() => {
            Response::new(200, "script", "text/x-shellscript", script(world, url))
        }
        // A bare name fetched by a downloader is a program.
        _ if extension.is_empty() && !file.is_empty() && downloader(request) => {
            Response::new(200, "elf", octets, elf(world, url))
        }
        _ if file.ends_with(".x") || named(&["linux", "amd64", "xmrig", "miner", "kinsing"]) => {
            Response::new(200, "elf", octets, elf(world, url))
        }
        _ => html(request),
    }
}

fn downloader(request: &Request) -> bool {
    let agent = request.header("user-agent").to_ascii_lowercase();
    agent.is_empty()
        || ["curl", "wget", "busybox", "python", "go-http", "libwww", "fetch"].iter().any(|known| agent.contains(known))
}

/// `curl -s host | sh` asks for nothing but the root.
fn front(request: &Request, world: &World, url: &str) -> Response {
    let agent = request.header("user-agent").to_ascii_lowercase();
    if (agent.starts_with("curl") || agent.starts_with("wget")) && request.host.starts_with("get.") {
        return Response::new(200, "script", "text/x-shellscript", script(world, url));
    }
    html(request)
}

fn html(request: &Request) -> Response {
    let host: String = request
        .host
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-'))
        .take(64)
        .collect();
    let body =
        format!("<!DOCTYPE html>\n<html><head><title>{host}</title></head><body><h1>It works!</h1></body></html>\n");
    Response::new(200, "html", "text/html", body)
}

/// An address as a home or an office would have it, of a range for documentation.
fn own_address(request: &Request, world: &World) -> Response {
    let address = format!("203.0.113.{}", world.draw("own", "address") % 200 + 20);
    let json = json!({
        "ip": address, "query": address, "status": "success", "hostname": format!("host-{}.example.net", address.replace('.', "-")),
        "city": "Frankfurt am Main", "region": "Hesse", "regionName": "Hesse", "country": "DE", "countryCode": "DE",
        "loc": "50.1155,8.6842", "lat": 50.1155, "lon": 8.6842, "org": "AS64500 Example Networks GmbH", "isp": "Example Networks GmbH",
        "as": "AS64500 Example Networks GmbH", "postal": "60306", "timezone": "Europe/Berlin",
    });
    let wants_json = request.path.contains("json")
        || request.query.contains("json")
        || request.header("accept").contains("json")
        || matches!(request.host.as_str(), "ipinfo.io" | "ip-api.com");
    match request.path.as_str() {
        "/country" => Response::new(200, "json", "text/plain", "DE\n"),
        "/ip" | "/line" => Response::new(200, "json", "text/plain", format!("{address}\n")),
        _ if wants_json => Response::json("json", &json),
        _ if request.host == "api.ipify.org" => Response::new(200, "json", "text/plain", address),
        _ => Response::new(200, "json", "text/plain", format!("{address}\n")),
    }
}

fn config(world: &World, url: &str) -> Response {
    let id = format!("{:016x}", world.draw("config", url));
    Response::json(
        "json",
        &json!({
            "version": 1, "id": id, "interval": 30, "enabled": true, "server": "update.example.net", "port": 443, "tasks": [],
            "pools": [{"url": "pool.example.net:3333", "user": "worker", "pass": "x", "keepalive": true}],
        }),
    )
}

/// What a scanner or flooder is told to aim at: addresses for documentation only.
fn targets(world: &World, url: &str) -> String {
    let drawn = world.draw("targets", url);
    (0..24).map(|n| format!("{}.{}\n", ["192.0.2", "198.51.100", "203.0.113"][n % 3], (drawn >> n) % 250 + 2)).collect()
}

pub(in super::super) fn script(world: &World, url: &str) -> String {
    format!("#!/bin/sh\n# {:016x}\nset -e\nexit 0\n", world.draw("script", url))
}

/// A whole program for x86-64 Linux: asks for its memory, as every program does at its start, and ends; behind it what tells it from others.
pub(in super::super) fn elf(world: &World, url: &str) -> Vec<u8> {
    const START: u64 = 0x40_0000;
    const HEADERS_BYTES: u64 = 64 + 56;
    // xor edi, edi; mov eax, 12 (brk); syscall; and the same with 231 (exit_group)
    let call = |number: u8| [0x31, 0xff, 0xb8, number, 0, 0, 0, 0x0f, 0x05];
    let code = [call(12), call(231)].concat();
    let mark = format!("\0build {:016x}\0", world.draw("elf", url));
    let size = HEADERS_BYTES + code.len() as u64 + mark.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // Executable, x86-64, version 1.
    file.extend_from_slice(&[2, 0, 62, 0, 1, 0, 0, 0]);
    for number in [START + HEADERS_BYTES, 64, 0] {
        file.extend_from_slice(&number.to_le_bytes());
    }
    // Flags; sizes and counts of headers.
    file.extend_from_slice(&[0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    // One segment: loaded, readable and executable.
    file.extend_from_slice(&[1, 0, 0, 0, 5, 0, 0, 0]);
    for number in [0, START, START, size, size, 0x1000] {
        file.extend_from_slice(&number.to_le_bytes());
    }
    file.extend_from_slice(&code);
    file.extend_from_slice(mark.as_bytes());
    file
}

/// `x.tar.gz` is an archive, `x.gz` one file.
fn archive(world: &World, url: &str, file: &str) -> Vec<u8> {
    if file.ends_with(".tar.gz") || file.ends_with(".tgz") { gzip(&tar(world, url)) } else { gzip(&elf(world, url)) }
}

fn tar(world: &World, url: &str) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, bytes) in [("install.sh", script(world, url).into_bytes()), ("bin/agent", elf(world, url))] {
        let mut header = [0_u8; 512];
        let mut put = |at: usize, text: &str| {
            for (to, from) in header.iter_mut().skip(at).zip(text.bytes()) {
                *to = from;
            }
        };
        put(0, name);
        put(100, "0000755\0");
        put(108, "0000000\0");
        put(116, "0000000\0");
        put(124, &format!("{:011o}\0", bytes.len()));
        put(136, &format!("{:011o}\0", world.date()));
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        for (to, from) in header.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
            *to = from;
        }
        archive.extend_from_slice(&header);
        archive.extend_from_slice(&bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// RFC 1952 around stored blocks: nothing is gained by compressing.
pub(in super::super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let mut pieces = bytes.chunks(0xffff).peekable();
    while let Some(piece) = pieces.next() {
        let length = piece.len() as u16;
        file.push(u8::from(pieces.peek().is_none()));
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(&(!length).to_le_bytes());
        file.extend_from_slice(piece);
    }
    file.extend_from_slice(&crc32(bytes).to_le_bytes());
    file.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    file
}

/// Stored entries, their directory, its end (APPNOTE 6.3, sections 4.3.7 to 4.3.16).
fn zip(world: &World, url: &str) -> Vec<u8> {
    let entries = [("install.sh", script(world, url).into_bytes()), ("bin/agent", elf(world, url))];
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in &entries {
        let offset = file.len() as u32;
        let (sum, size) = (crc32(bytes).to_le_bytes(), (bytes.len() as u32).to_le_bytes());
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x58];
        common.extend_from_slice(&[sum, size, size].concat());
        common.extend_from_slice(&(name.len() as u16).to_le_bytes());
        common.extend_from_slice(&[0, 0]);
        file.extend_from_slice(b"PK\x03\x04");
        file.extend_from_slice(&common);
        file.extend_from_slice(name.as_bytes());
        file.extend_from_slice(bytes);
        directory.extend_from_slice(b"PK\x01\x02\x14\x03");
        directory.extend_from_slice(&common);
        // No comment, first disk; a regular file, executable.
        directory.extend_from_slice(&[0; 6]);
        directory.extend_from_slice(&(0o100_755_u32 << 16).to_le_bytes());
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let (start, size) = (file.len() as u32, directory.len() as u32);
    file.extend_from_slice(&directory);
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    file.extend_from_slice(&[entries.len() as u8, 0, entries.len() as u8, 0]);
    file.extend_from_slice(&[size.to_le_bytes(), start.to_le_bytes()].concat());
    file.extend_from_slice(&[0, 0]);
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

/// Seconds since 1970 as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
pub(in super::super) fn http_date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days to a date of the Gregorian calendar, years from March on (Hinnant, `civil_from_days`).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let part = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * part + 2) / 5 + 1;
    let month = if part < 10 { part + 3 } else { part - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"].get((days % 7) as usize).unwrap_or(&"Thu");
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.get(month as usize - 1).unwrap_or(&"Jan");
    format!("{weekday}, {day:02} {month} {year} {:02}:{:02}:{:02} GMT", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use layer::{Compression, InflateEnd, NestedLimits, inflate};
    use model::Canary;

    use super::*;
    use crate::{Recorder, internet::Authority};

    fn world() -> World {
        let authority = Authority::new(1_700_000_000).expect("an authority");
        World::new(3, 1_700_000_000, Vec::<Canary>::new(), authority, Arc::new(Recorder::new(None)))
    }

    #[test]
    fn archives_hold_the_script_and_the_program() {
        let world = world();
        let inflated = inflate(Compression::Gzip, &gzip(&[7; 200_000]), 1 << 20);
        assert_eq!((inflated.bytes.len(), inflated.end), (200_000, InflateEnd::Complete));
        for archive in [tar(&world, "x/a.tar"), zip(&world, "x/a.tar")] {
            let mut found = Vec::new();
            let problems = layer::expand(&archive, &NestedLimits::default(), &mut |path, bytes| {
                found.push((path.to_owned(), bytes.to_vec()));
            });
            assert!(problems.is_empty(), "{problems:?}");
            assert_eq!(found.len(), 2, "{found:?}");
            assert!(found.iter().any(|(path, bytes)| path.ends_with("bin/agent") && bytes.starts_with(b"\x7fELF")));
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the program is ours: it exits")]
    fn the_program_runs_and_exits() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("agent");
        std::fs::write(&path, elf(&world(), "x/agent")).expect("writes");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
        let status = std::process::Command::new(&path).status().expect("it is a program");
        assert_eq!(status.code(), Some(0));
    }

    #[test]
    fn dates_are_those_of_the_standard() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
    }
}
