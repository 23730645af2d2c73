//! Which names there are, and the addresses they lead to.
//!
//! Every plausible name exists. A name that looks drawn by chance does not, so that an algorithm that generates names is seen walking through
//! them; one that is asked for again and again is not generated, and exists from the third time on.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::world::draw;

/// Remembered names; later ones resolve and are not linked to their addresses.
const NAMES_MAX: usize = 50_000;
/// Top-level domains that do not exist, or never on the internet.
const NOWHERE: [&str; 8] = ["onion", "invalid", "localdomain", "lan", "home", "arpa", "i2p", "bit"];
/// Names that lead to the metadata of a cloud.
const METADATA: [&str; 2] = ["metadata.google.internal", "instance-data.ec2.internal"];
/// Registered labels that exist although they hardly read as words.
const WELL_KNOWN: [&str; 8] =
    ["jsdelivr", "dwarfpool", "supportxmr", "cdnjs", "githubusercontent", "xmrpool", "gstatic", "msftconnecttest"];
/// Common pairs of letters in the names people choose.
const PAIRS: &str = "th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io le ve co me de hi ri ro ic ne ea ra ce li ch ll be ma si om ur \
    ca el ta la ns di fo ho pe ec pr no ct us ac ot il tr ly nc et ut ss so rs un lo wa ge ie wh ee wi em ad ol rt po we na ul ni ts mo ow pa im mi ai sh ir su id os iv ia am fi ci vi pl ig tu ev ld \
    ry mp fe bl ab gh ty op wo sa ay ex ke fr oo av ag if ap gr od bo sp rd do uc bu ei ov by rm ep tt oc fa ef cu rn sc gi da yo cr cl du ga qu ue ff ba ey ls va um pp ua up lu go ht ru ug ds \
    lt pi rc rr eg au ck ew mu br bi pt ak pu ui rg ib tl ny ki rk ys ob mm fu ph og ms ye ud mb ip ub oi rl gu dr hr cc tw ft wn nu af hu nn eo vo rv nf xp gn sm fl iz ok nl my gl aw ju oa eq sy sl \
    ps jo lf nv je nk kn gs dy hy ze ks xt bs ik dd pt mn";

/// Names and addresses of one run.
#[derive(Debug)]
pub(super) struct Names {
    seed: u64,
    by_address: HashMap<IpAddr, String>,
    /// How often a name that does not exist was asked for.
    missed: HashMap<String, u32>,
}

impl Names {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, by_address: HashMap::new(), missed: HashMap::new() }
    }

    /// The name that led to this address.
    pub(super) fn name_of(&self, address: IpAddr) -> Option<String> {
        self.by_address.get(&address).cloned()
    }

    /// Whether a name (lower case, no dot at its end) exists; asking counts.
    pub(super) fn exists(&mut self, name: &str) -> bool {
        if plausible(name) {
            return true;
        }
        if self.missed.len() >= NAMES_MAX && !self.missed.contains_key(name) || !worldly(name) {
            return false;
        }
        let missed = self.missed.entry(name.to_owned()).or_default();
        *missed = missed.saturating_add(1);
        *missed >= 3
    }

    /// Its address: stable for a seed, of a range kept for benchmarks (RFC 2544), which leads nowhere anywhere.
    pub(super) fn v4(&mut self, name: &str) -> Ipv4Addr {
        if METADATA.contains(&name) {
            return Ipv4Addr::new(169, 254, 169, 254);
        }
        let mut number = draw(self.seed, "v4", name);
        loop {
            let [a, b, ..] = number.to_be_bytes();
            let address = Ipv4Addr::new(198, 18 | (a & 1), b, (number % 253) as u8 + 1);
            if self.took(address.into(), name) {
                return address;
            }
            number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7) ^ 1;
        }
    }

    /// Its IPv6 address; a third of all names have one.
    pub(super) fn v6(&mut self, name: &str) -> Option<Ipv6Addr> {
        let number = draw(self.seed, "v6", name);
        if !number.is_multiple_of(3) || METADATA.contains(&name) {
            return None;
        }
        // RFC 5180: the benchmark range of IPv6.
        let [a, b, c, d, ..] = number.to_be_bytes();
        let address = Ipv6Addr::new(0x2001, 2, 0, u16::from(a), u16::from(b), u16::from(c), u16::from(d), 0x10);
        self.took(address.into(), name).then_some(address)
    }

    fn took(&mut self, address: IpAddr, name: &str) -> bool {
        if let Some(owner) = self.by_address.get(&address) {
            return owner == name;
        }
        if self.by_address.len() < NAMES_MAX {
            self.by_address.insert(address, name.to_owned());
        }
        true
    }
}

/// Whether it could exist on the internet at all.
fn worldly(name: &str) -> bool {
    let mut labels = name.rsplit('.');
    let top = labels.next().unwrap_or_default();
    labels.next().is_some_and(|label| !label.is_empty())
        && top.len() >= 2
        && !NOWHERE.contains(&top)
        && top.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit())
        && !top.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether somebody would have chosen the name. Only the registered label counts: below it services generate names of their own.
fn plausible(name: &str) -> bool {
    if !worldly(name) || name.len() > 253 {
        return false;
    }
    let labels: Vec<&str> = name.rsplit('.').collect();
    let registered = match labels[..] {
        // `example.co.uk`
        [top, second, third, ..] if top.len() == 2 && second.len() <= 3 => third,
        [_, second, ..] => second,
        _ => return false,
    };
    !drawn(registered)
}

/// Whether a label looks drawn by chance: long, with letters that do not follow each other in words.
fn drawn(label: &str) -> bool {
    if label.starts_with("xn--") || WELL_KNOWN.contains(&label) {
        return false;
    }
    let letters: Vec<u8> = label.bytes().filter(u8::is_ascii_lowercase).collect();
    let digits = label.bytes().filter(u8::is_ascii_digit).count();
    if label.len() < 8 {
        return false;
    }
    // Digits between letters, as in hexadecimal; `host2024` and `360buy` have one group.
    let groups =
        label.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    if digits >= 3 && groups >= 4 && !label.contains('-') {
        return true;
    }
    let pairs = letters.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let common = letters
        .windows(2)
        .filter(|pair| pair[0] != pair[1])
        .filter(|pair| PAIRS.split_ascii_whitespace().any(|known| known.as_bytes() == *pair))
        .count();
    let vowels = letters.iter().filter(|letter| b"aeiouy".contains(letter)).count();
    let run = letters.split(|letter| b"aeiouy".contains(letter)).map(<[u8]>::len).max().unwrap_or(0);
    let rare = pairs >= 7 && common * 100 < pairs * 60;
    rare || run >= 6 || letters.len() >= 10 && vowels * 6 < letters.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_names_exist() {
        let mut names = Names::new(1);
        for name in [
            "github.com",
            "raw.githubusercontent.com",
            "registry.npmjs.org",
            "pypi.org",
            "files.pythonhosted.org",
            "deb.debian.org",
            "archive.ubuntu.com",
            "pool.supportxmr.com",
            "xmr-eu1.nanopool.org",
            "gulf.moneroocean.stream",
            "pool.example",
            "c2.example.test",
            "d1a2b3c4d5e6f7.cloudfront.net",
            "api.ipify.org",
            "ifconfig.me",
            "checkip.amazonaws.com",
            "storage.googleapis.com",
            "hooks.slack.com",
            "discord.com",
            "api.telegram.org",
            "dl-cdn.alpinelinux.org",
            "packages.microsoft.com",
            "production.cloudflare.docker.com",
            "bbc.co.uk",
            "proxy.golang.org",
            "crates.io",
            "pastebin.com",
            "transfer.sh",
            "update-server24.net",
            "mining-pool.example",
            "cdn.jsdelivr.net",
            "repo.maven.apache.org",
            "security.debian.org",
            "letsencrypt.org",
            "kubernetes.default.svc.cluster.local",
            "rubygems.org",
            "nodejs.org",
            "hub.docker.com",
            "quay.io",
            "dlcdn.apache.org",
            "download.docker.com",
        ] {
            assert!(names.exists(name), "{name}");
        }
    }

    #[test]
    fn names_drawn_by_chance_do_not_until_they_are_insisted_on() {
        let mut names = Names::new(1);
        for name in [
            "xkqzjvwpltrb.com",
            "qwzxvbnmkjhg.net",
            "a8f3k2m9x1q7.info",
            "vbhgtrfdcxsw.biz",
            "pqlwxzmvkrtd.org",
            "f3a9c1e7b2d4.ru",
            "kjhsdfgkjhsdf.cc",
            "localhost.localdomain",
            "abcdefabcdef.onion",
            "gateway",
            "10.in-addr.arpa",
        ] {
            assert!(!names.exists(name), "{name}");
        }
        assert!(!names.exists("xkqzjvwpltrb.com"));
        assert!(names.exists("xkqzjvwpltrb.com"));
    }

    /// Letters drawn with equal chance, as simple generators do.
    #[test]
    fn most_generated_names_do_not_exist() {
        let mut missing = 0;
        for number in 0..500 {
            let mut drawn = draw(7, "dga", &number.to_string());
            let label: String = (0..13)
                .map(|_| {
                    let letter = char::from(b'a' + (drawn % 26) as u8);
                    drawn /= 26;
                    letter
                })
                .collect();
            missing += usize::from(!plausible(&format!("{label}.com")));
        }
        assert!(missing >= 450, "{missing} of 500");
    }

    #[test]
    fn addresses_are_stable_and_lead_back() {
        let (mut one, mut two) = (Names::new(5), Names::new(5));
        let address = one.v4("pool.example");
        assert_eq!(address, two.v4("pool.example"));
        assert_ne!(address, one.v4("c2.example"));
        assert_eq!(one.name_of(address.into()).as_deref(), Some("pool.example"));
        assert_eq!(address.octets()[0], 198);
    }
}
