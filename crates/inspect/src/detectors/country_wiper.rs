//! Recognises code that destroys files where the machine is in a certain country.
//!
//! Many programs ask where they are, and many write files. Code that compares the country with one written into it and then writes the
//! same bytes over every file below the root has no other purpose.
//!
//! - Sees: a country that a geolocation service told compared with a written name or code, a walk that starts at the root or parent
//!   folders, and files overwritten or deleted in it, close together in Node, Python or PHP.
//! - Misses: a country told by time zone or keyboard; parts in several files.
//! - False alarms: none known.
//! - Source: CVE-2022-23812 (node-ipc); ATT&CK T1485, T1614.

use std::sync::LazyLock;

use model::{Category, Confidence, Maturity, Severity, Weight};
use regex::bytes::{RegexSet, RegexSetBuilder};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::text;

/// Bytes around the country in which the rest stands.
const NEAR_BYTES: usize = 4 << 10;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "country-wiper",
        title: "Destroys files in a certain country",
        category: Category::Wiper,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1485", "T1614"],
    },
    scope: Scope::Content {
        kinds: text::TEXT_KINDS,
        literals: &["country_name", "country_code", "countryCode", "ipgeolocation.io", "ip-api.com/", "ipinfo.io/"],
    },
    inspect,
};

static PARTS: LazyLock<RegexSet> = LazyLock::new(|| {
    let patterns = [
        // The country is compared with one written here.
        r#"(?i)\bcountry\w*(?:\.\w+\(\))?(?:\.(?:includes|startsWith|indexOf|equals)\(|\s*[!=]==?|\s+in\s+[\[(])\s*['"][a-z]{2,}|['"][a-z]{2,}['"]\s+in\s+\w*country"#,
        // A walk through folders,
        r"readdir(?:Sync)?\(|os\.(?:walk|listdir|scandir)\(|\bglob\(|scandir\(|RecursiveDirectoryIterator",
        // that begins at the root or goes up to it.
        r#"['"]\.\./(?:\.\./)?['"][^\n]{0,40}['"]/['"]|[\[(,=]\s*['"]/['"]\s*[\]),;]"#,
        // Files are overwritten with what does not depend on them, or deleted.
        r#"writeFile(?:Sync)?\(\s*\w+\s*,|unlink(?:Sync)?\(\s*\$?\w+|rm(?:dir)?Sync\(|os\.(?:remove|unlink)\(|open\(\s*\w+\s*,\s*['"]w|file_put_contents\(\s*\$\w+\s*,|shutil\.rmtree\("#,
    ];
    let built = RegexSetBuilder::new(patterns).unicode(false).build();
    built.expect("the patterns are constants, and a test runs them")
});

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut looked_until = 0;
    for hit in sample.hits.iter().take(256) {
        if hit.offset < looked_until {
            continue;
        }
        looked_until = hit.offset + NEAR_BYTES / 2;
        let (_, near) = sample.around(hit.offset, NEAR_BYTES, NEAR_BYTES);
        if PARTS.matches(near).iter().count() == PARTS.len() && !text::is_quoted(sample, hit.offset) {
            return vec![Match::new("asks for the country and overwrites every file from the root", hit.offset)];
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::check;

    #[test]
    fn destroying_by_country_is_seen() {
        check(
            &DETECTOR,
            "x.js",
            b"const fs = require('fs');\nget('https://api.ipgeolocation.io/x', r => {\n  const c = JSON.parse(r).country_name.toLowerCase();\n  if (c) { const country = c; if (country.includes('atlantis')) ['./', '../', '../../', '/'].forEach(wipe); }\n});\nfunction wipe(d) { for (const n of fs.readdirSync(d)) fs.writeFile(n, heart, () => {}); }\n",
            &["asks for the country and overwrites every file from the root"],
        );
    }

    #[test]
    fn a_store_of_places_is_silent() {
        check(
            &DETECTOR,
            "x.js",
            b"const fs = require('fs');\nif (data.country_code === 'US') load('/');\nfor (const n of fs.readdirSync(__dirname)) all.push(n);\n",
            &[],
        );
        check(
            &DETECTOR,
            "x.py",
            b"import os\nfor r, d, f in os.walk(root):\n    if country_code == 'FR':\n        open(path, 'w').write(x)\n",
            &[],
        );
    }
}
