//! Whether an image admits what it does: only where its name or description *and* its entry point say it. Where the entry
//! point is a start script, or nothing, a file that shows it may say it by its name.
//!
//! Attackers write both, so an admission lowers one row only (a declared miner is risky) and every doubt counts as
//! concealed: a denial ("not a miner"), a neighbour that turns the meaning ("miner detector"), letters that only look right.

use model::Category;

/// Words of which one admits the category. Each is compared with a whole word, in lower case.
const fn words(category: Category) -> &'static [&'static str] {
    match category {
        Category::Cryptominer => &[
            "miner",
            "miners",
            "mining",
            "cryptominer",
            "cryptomining",
            "cpuminer",
            "minerd",
            "xmrig",
            "xmr",
            "monero",
            "ccminer",
            "ethminer",
            "cgminer",
            "bfgminer",
            "nbminer",
            "lolminer",
            "teamredminer",
            "phoenixminer",
            "srbminer",
            "gminer",
            "stratum",
            "randomx",
            "nicehash",
            "nanominer",
            "bzminer",
            "minero",
            "kawpow",
            "ethash",
        ],
        Category::Proxyware => &[
            "proxyware",
            "bandwidth",
            "earn",
            "passive",
            "income",
            "earnapp",
            "honeygain",
            "peer2profit",
            "iproyal",
            "pawns",
            "packetstream",
            "traffmonetizer",
            "repocket",
            "bitping",
            "proxyrack",
            "earnfm",
            "packetshare",
            "mysterium",
            "nodepay",
            "grass",
            "getgrass",
            "speedshare",
            "gaganode",
            "proxylite",
            "proxybase",
            "wipter",
            "urnetwork",
            "antgain",
            "blockmesh",
        ],
        Category::Ddos => &["ddos", "dos", "flood", "flooder", "stresser", "booter", "botnet"],
        _ => &[],
    }
}

/// Words that turn the meaning when they stand up to [`REACH`] words before.
const DENIALS: &[&str] = &[
    "no", "not", "non", "isn", "doesn", "don", "never", "without", "anti", "against", "detect", "detects", "block",
    "blocks", "stop", "stops", "prevent", "prevents",
];
/// Words that turn the meaning when they stand right behind.
const DEFENCES: &[&str] =
    &["detector", "detection", "scanner", "blocker", "blocking", "protection", "prevention", "free"];
/// What a miner's author says "no" to without denying the miner: "no dev fee xmrig".
const FEES: &[&str] = &["dev", "donate", "donation", "fee", "fees"];
/// How many words a denial reaches over: "does not contain any miner".
const REACH: usize = 4;

/// Whether `claims` (name, labels, description) name the category and none denies it, and `command` or one of `paths` (of
/// the files that show it) names it too.
pub(crate) fn declares(category: Category, claims: &[String], command: &[String], paths: &[&str]) -> bool {
    let words = words(category);
    let whole_command = command.join(" ");
    // The command must not vouch for itself by standing among the claims too.
    let claims = claims.iter().filter(|claim| **claim != whole_command && !command.contains(claim));
    let mut named = false;
    for claim in claims {
        match admission(claim, words) {
            Admission::Denied => return false,
            Admission::Named => named = true,
            Admission::Silent => {}
        }
    }
    let says = |text: &str| admission(text, words) == Admission::Named;
    let file = |path: &&str| path.rsplit('/').next().is_some_and(says);
    named && (command.iter().any(|part| says(part)) || paths.iter().any(file))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admission {
    Silent,
    Named,
    Denied,
}

fn admission(text: &str, words: &[&str]) -> Admission {
    let lower = text.to_lowercase();
    let tokens: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|token| !token.is_empty()).collect();
    let mut admission = Admission::Silent;
    for (at, token) in tokens.iter().enumerate() {
        if !words.contains(token) {
            continue;
        }
        let before = tokens.get(at.saturating_sub(REACH)..=at).unwrap_or_default();
        let denied = before.windows(2).any(|pair| DENIALS.contains(&pair[0]) && !FEES.contains(&pair[1]))
            || tokens.get(at + 1).is_some_and(|token| DEFENCES.contains(token));
        if denied {
            return Admission::Denied;
        }
        admission = Admission::Named;
    }
    admission
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(claims: &[&str], command: &[&str], expected: bool) {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let declared = declares(Category::Cryptominer, &owned(claims), &owned(command), &[]);
        assert_eq!(declared, expected, "{claims:?} {command:?}");
    }

    #[test]
    fn the_files_may_say_it_in_place_of_a_start_script() {
        let declared = |claim: &str, paths: &[&str]| {
            declares(Category::Cryptominer, &[claim.to_owned()], &["/start.sh".to_owned()], paths)
        };
        assert!(declared("docker.io/a/gpu-miner:1", &["usr/bin/gpu-miner"]));
        assert!(declared("docker.io/a/gpu-miner:1", &["usr/bin/gpu-miner", "start.sh"]));
        assert!(!declared("docker.io/a/gpu-miner:1", &["opt/miner/helper"]));
        assert!(!declared("docker.io/a/pytorch:2", &["usr/bin/xmrig"]));
    }

    #[test]
    fn both_must_say_it() {
        check(&["docker.io/a/xmrig:6"], &["/usr/bin/xmrig", "-o"], true);
        check(&["docker.io/a/tool:1", "A Monero MINER"], &["./miner.sh"], true);
        check(&["docker.io/a/xmrig:6"], &["/bin/sh", "-c", "./start.sh"], false);
        check(&["docker.io/a/miner:1", "no dev fee xmrig"], &["xmrig"], true);
        check(&["docker.io/a/pytorch:2"], &["/usr/bin/xmrig"], false);
        check(&[], &["xmrig"], false);
    }

    #[test]
    fn the_command_does_not_vouch_for_itself() {
        check(&["docker.io/a/b:1", "xmrig"], &["xmrig"], false);
        check(&["docker.io/a/b:1", "xmrig -o pool"], &["xmrig", "-o", "pool"], false);
    }

    #[test]
    fn a_denial_is_no_admission() {
        for claim in ["not a miner", "isn't a miner", "anti-miner", "contains no hidden monero miner", "miner detector"]
        {
            check(&["docker.io/a/miner:1", claim], &["xmrig"], false);
        }
    }

    #[test]
    fn parts_of_words_do_not_count() {
        check(&["docker.io/a/mineral-determiner:1"], &["xmrig"], false);
        check(&["docker.io/a/mіner:1"], &["xmrig"], false); // a Cyrillic letter in it
    }
}
