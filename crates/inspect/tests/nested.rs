//! What is inside archives is seen, and said to be there.

use inspect::RulePack;
use model::Observation;

fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[148..156].fill(b' ');
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = [&header, content].concat();
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

/// One stored block.
fn gzip(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short");
    let mut file = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x01".to_vec();
    file.extend(length.to_le_bytes());
    file.extend((!length).to_le_bytes());
    file.extend_from_slice(content);
    file.extend(crc32(content).to_le_bytes());
    file.extend(u32::from(length).to_le_bytes());
    file
}

/// One stored member.
fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let (name_length, length) = ((name.len() as u16).to_le_bytes(), (content.len() as u32).to_le_bytes());
    let common = [&[0; 8], crc32(content).to_le_bytes().as_slice(), &length, &length, &name_length, &[0; 2]].concat();
    let mut file = [b"PK\x03\x04\x14\0", common.as_slice(), name.as_bytes(), content].concat();
    let directory = [b"PK\x01\x02\x14\0\x14\0", common.as_slice(), &[0; 14], name.as_bytes()].concat();
    let starts = (file.len() as u32).to_le_bytes();
    file.extend_from_slice(&directory);
    let sizes = [(directory.len() as u32).to_le_bytes(), starts].concat();
    file.extend([b"PK\x05\x06\0\0\0\0\x01\0\x01\0", sizes.as_slice(), &[0; 2]].concat());
    file
}

fn deb(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = b"!<arch>\n".to_vec();
    for (name, content) in members {
        file.extend(format!("{name:<16}0           0     0     100644  {:<10}`\n", content.len()).into_bytes());
        file.extend_from_slice(content);
        if content.len() % 2 == 1 {
            file.push(b'\n');
        }
    }
    file
}

/// CRC-32 of IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

#[track_caller]
fn check(file: &[u8], detector: &str, place: &str) {
    let facts = RulePack::new(Vec::new()).expect("no user rules").inspector().content(file);
    assert_eq!(facts.problems, []);
    let places: Vec<_> = facts.observations.iter().filter(|seen| seen.detector == detector).map(inside).collect();
    assert_eq!(places, [Some(place.to_owned())], "{:#?}", facts.observations);
}

fn inside(seen: &Observation) -> Option<String> {
    seen.inside.as_ref().map(|inside| inside.path.clone())
}

/// The tar is seen once, although its raw bytes hold what its member holds.
#[test]
fn a_miners_settings_in_a_zip_in_a_tar_are_found_there() {
    let wallet = "44hqffngZapEbtDYXNksSQEbtDYXNksSQEbtDYXNksSQEbtDYXNksSQEbtDYXNksSQEbtDYXNksSQADKevZx";
    let settings = format!(
        "{{\"donate-level\": 0, \"pools\": [{{\"algo\": \"rx/0\", \"url\": \"203.0.113.40:3333\", \"user\": \"{wallet}\"}}]}}"
    );
    let packed = gzip(&tar("opt/a.zip", &zip("etc/config.json", settings.as_bytes())));
    check(&packed, "miner-config", "opt/a.zip!etc/config.json");
    check(&tar("etc/config.json", settings.as_bytes()), "miner-config", "etc/config.json");
}

#[test]
fn a_secret_in_a_package_is_found_there() {
    // Put together at run time, so that no scanner takes this file for a leak.
    let id = ["AKIA", "QNZGKIQY56JQ", "7WML"].concat();
    let secret = ["h8Gk2vQz7LrT", "9wXnB4mYc1Ds6FpJ", "0aEuKqRi3tVo"].concat();
    let settings = format!("aws_access_key_id={id}\naws_secret_access_key={secret}\n");
    let data = gzip(&tar("./root/.aws/credentials", settings.as_bytes()));
    let control = gzip(&tar("./control", b"Package: x\nVersion: 1\n"));
    let package =
        deb(&[("debian-binary", b"2.0\n"), ("control.tar.gz", control.as_slice()), ("data.tar.gz", data.as_slice())]);
    check(&package, "cloud-key", "data.tar.gz!root/.aws/credentials");
}
