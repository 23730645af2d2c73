//! The table of DESIGN.md, "Vocabulary", row by row. Where DESIGN is silent, the comment says what was chosen and why.

use model::{Category, Disposition};

use crate::evidence::Strength;

/// What a category alone makes of an image: `runs` if the image runs what was found, `concealed` if it does not admit it.
pub(crate) fn disposition(category: Category, strength: Strength, runs: bool, concealed: bool) -> Disposition {
    use Category as C;
    use Disposition::{Clean, Malicious, Risky, Suspicious};
    use Strength::{Proof, Sign};
    match (category, strength) {
        // "Miner, proxyware that does not say what it is: malicious; openly declared: risky." It need not be run: an image
        // has no honest reason to carry what it does not name.
        (C::Cryptominer | C::Proxyware, Proof) if concealed => Malicious,
        // One sign (a pool's host name, say) is also in block lists and documents: only in what runs is it suspicious.
        (C::Cryptominer | C::Proxyware, Sign) if concealed && runs => Suspicious,
        (C::Cryptominer | C::Proxyware, _) => Risky,

        // "DDoS tool with targets built in or fetched, declared or not." Tools without targets are `hacking-tool`.
        (C::Ddos, Proof) => Malicious,
        // As for miners.
        (C::Ddos, Sign) if runs => Suspicious,
        (C::Ddos, Sign) => Risky,

        // "Load or stress tool without targets; scanners, crackers, exploit kits as tools; VPN, Tor, tunnels: risky."
        (C::HackingTool | C::ProxyAvoidance, _) => Risky,

        // "In what the image runs: malicious; merely present: suspicious." A sign alone is suspicious, as the planted key's
        // row says; the second sign that makes it malicious may be of another category: lib.rs looks for it.
        (C::Backdoor | C::Worm | C::CredentialTheft | C::Ransomware | C::Wiper | C::ContainerEscape, Proof) if runs => {
            Malicious
        }
        (C::Backdoor | C::Worm | C::CredentialTheft | C::Ransomware | C::Wiper | C::ContainerEscape, _) => Suspicious,

        // "Leaked secret: risky." One sign is a word that looks like a secret: noted, not counted.
        (C::EmbeddedSecret, Proof) => Risky,
        (C::EmbeddedSecret, Sign) => Clean,

        // "Known malicious URL or domain contacted or started by what runs: malicious; merely present: suspicious." A sign
        // is a weaker match (the domain of a bad URL, say) and stands one step lower.
        (C::MaliciousWebsite, Proof) if runs => Malicious,
        (C::MaliciousWebsite, Proof) => Suspicious,
        (C::MaliciousWebsite, Sign) if runs => Suspicious,
        (C::MaliciousWebsite, Sign) => Risky,

        // "Newly registered domain, dynamic DNS in what runs: suspicious; merely present: risky."
        (C::NewlyRegisteredDomain | C::DynamicDns, _) if runs => Suspicious,
        (C::NewlyRegisteredDomain | C::DynamicDns, _) => Risky,

        // "Impersonation alone: suspicious." What it makes of other categories is in lib.rs.
        (C::Impersonation, _) => Suspicious,

        // "Repository without image: phishing, search spam: malicious / suspicious." In an image one sign of either stands
        // one step lower.
        (C::Phishing, Proof) => Malicious,
        (C::Phishing, Sign) | (C::Spam, Proof) => Suspicious,
        (C::Spam, Sign) => Risky,

        // None of the known threats: a person should know.
        (C::Other, _) => Risky,
    }
}

/// Attacks on whoever runs the image. There is no honest way to do them, so they cannot be declared.
pub(crate) const fn is_attack(category: Category) -> bool {
    matches!(
        category,
        Category::Backdoor
            | Category::Worm
            | Category::CredentialTheft
            | Category::Ransomware
            | Category::Wiper
            | Category::ContainerEscape
    )
}

/// Categories whose signs may be the second sign beside an attack's.
pub(crate) const fn is_malice(category: Category) -> bool {
    is_attack(category)
        || matches!(
            category,
            Category::Cryptominer
                | Category::Ddos
                | Category::Proxyware
                | Category::MaliciousWebsite
                | Category::Phishing
        )
}
