//! Recognises what takes files or databases away and offers them back for money.
//!
//! Backup programs walk folders and encrypt; none removes the originals and leaves a note with a wallet. Database ransom needs no
//! encryption: the tables are dropped and a table with a note is made.
//!
//! - Sees: scripts and source that walk folders, encrypt and replace the originals, with the words of a ransom note or a telling
//!   extension; scripts that drop databases (SQL, MongoDB, Elasticsearch, Redis) and leave such a note; programs that hold a note beside
//!   their cryptography; the notes themselves.
//! - Misses: programs whose note is encrypted; notes in languages other than English.
//! - False alarms: reports about ransomware that quote a whole note (a sign at most), exercises.
//! - Source: ransom notes as published in incident reports; ATT&CK T1486, T1490, T1485.

use std::sync::LazyLock;

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};
use regex::bytes::{RegexSet, RegexSetBuilder};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::{
    clues::{Clue, Clues, Group},
    code::is_code,
    text,
};

/// Longest note.
const NOTE_BYTES_MAX: usize = 16 << 10;
/// Bytes around a note's words in a larger file.
const NEAR_BYTES: usize = 3 << 10;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "ransomware",
        title: "Takes files or databases away for ransom",
        category: Category::Ransomware,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1486", "T1490"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Script, FileKind::Text, FileKind::Utf16, FileKind::Elf, FileKind::Pe, FileKind::Binary],
        literals: &[
            "encrypted",
            "decrypt",
            "ransom",
            "bitcoin",
            "your files",
            "your data",
            "your database",
            "README_TO_",
            "HOW_TO_",
            "RECOVER_YOUR",
            "os.walk(",
            "rglob(",
            "glob.glob(",
            "filepath.Walk",
            "WalkDir",
            "readdirSync",
            "find / ",
            "find /",
            "find \"$",
            "find $",
            "find . ",
            "RecursiveDirectoryIterator",
            "Files.walk",
            "Fernet(",
            "AES.new",
            "AESGCM",
            "Cipher(",
            "ChaCha20",
            "SecretBox(",
            "openssl enc",
            "openssl aes",
            "gpg -",
            "gpg --",
            "createCipheriv",
            "cipher.New",
            "openssl_encrypt",
            "EVP_Encrypt",
            "pyAesCrypt",
            ".locked",
            ".encrypted",
            ".crypt",
            "os.remove(",
            "os.rename(",
            "DROP DATABASE",
            "DROP TABLE",
            "dropDatabase",
            "drop_database",
            "flushall",
            "-XDELETE",
            "-X DELETE",
            "zfs destroy",
            "subvolume delete",
            "lvremove ",
            "delete shadows",
        ],
    },
    inspect,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Walk,
    Encrypt,
    /// Removes or overwrites the originals, or gives them another name.
    Replace,
    /// An extension that only hostages have.
    Extension,
    /// Destroys databases.
    Drop,
    /// The name of a note.
    NoteName,
    /// Destroys what the files could be restored from.
    Snapshots,
}

const CLUES: &[Clue<Role>] = &[
    (
        Role::Walk,
        "walks folders",
        r"\bos\.(?:walk|scandir|listdir)\(|\.rglob\(|glob\.i?glob\(|filepath\.Walk|WalkDir|readdirSync\(|readdir\(|\bfind\s+[\x22']?[/~$.][^\n]*-type\s+f|RecursiveDirectoryIterator|Files\.walk|nftw\(|Get-ChildItem[^\n]*-Recurse|Dir\.glob|File::Find|\bfind\s+[\x22']?[/~$.][^\n]*\|\s*(?:while|xargs)",
    ),
    (
        Role::Encrypt,
        "encrypts",
        r"\bFernet\(|AES\.new\(|AESGCM\(|Cipher\(\s*algorithms|ChaCha20(?:Poly1305)?(?:\.new)?\(|SecretBox\(|SealedBox\(|PKCS1_OAEP|\bopenssl\s+(?:enc\b|aes-|des|rsautl\s+-encrypt|smime\s+-encrypt)[^\n]*|\bgpg2?\s[^\n]*(?:--symmetric|-c\b|--encrypt|-e\b|-er\b)|createCipheriv\(|cipher\.New(?:GCM|CTR|CBC\w*|CFB\w*|OFB)\(|openssl_encrypt\(|EVP_Encrypt\w+\(|pyAesCrypt\.encrypt|\bage\s+-(?:r|p|e)\b|\b7z[a]?\s+a\s[^\n]*-p\S|\bzip\s[^\n]*(?:-P|-e|--password)\b|Cipher\.getInstance\(|CryptEncrypt\(|crypto_secret\w+\(|XORKeyStream\(",
    ),
    (
        Role::Replace,
        "replaces the originals",
        r"\bos\.(?:remove|unlink|rename|replace)\(|\.unlink\(|\.rename\(|unlinkSync\(|renameSync\(|os\.Rename\(|os\.Remove\(|\bshred\s|\brm\s+(?:-\w+\s+)*(?:--\s+)?[\x22']?(?:\$|\{\})|\bmv\s+(?:-\w+\s+)*[\x22']?\$|\bunlink\(|Files\.delete|open\(\s*\w+\s*,\s*[\x22'](?:wb|rb\+|r\+b)[\x22']|srm\s|Remove-Item",
    ),
    (
        Role::Extension,
        "under an extension of hostages",
        r"[\x22'\w}*)/]\.(?:locked|lock(?:bit|y)|encrypted|encrypt|crypt(?:ed|o)?|crypted|enc(?:rypted)?|pay(?:me|2\w+)?|ransom\w*|wncry|wcry|hostage|rekt|kraken|pwned|hacked|l0cked)(?:[\x22'`\s;)]|$)",
    ),
    (
        Role::Drop,
        "drops databases",
        r"(?i)\bdrop\s+(?:database|schema)\s+(?:if\s+exists\s+)?[`\x22'%{$\w\\]|\bdrop\s+table\s+(?:if\s+exists\s+)?[`\x22'%{$\\]|dropDatabase\(|drop_database\(|\.drop\(\)|\bflushall\b|-X\s?DELETE[^\n]*:9200|indices\.delete\(",
    ),
    (
        Role::NoteName,
        "leaves a note",
        r"(?i)(?:READ_?ME|HOW)[_\- ]?(?:TO)?[_\- ]?(?:RECOVER|DECRYPT|RESTORE|RETURN|UNLOCK|GET_?BACK|FOR_DECRYPT)\w*|RECOVER[_\- ](?:YOUR|MY)[_\- ](?:DATA|FILES)|(?:DECRYPT|RESTORE|UNLOCK)[_\- ](?:INSTRUCTIONS?|FILES|YOUR)|RANSOM[_\- ]?NOTE|YOUR_FILES_ARE|WARNING[_ ](?:YOUR|READ)|PLEASE_READ\w*|!+_?READ_?ME|READ_ME_TO|RECOVER-FILES",
    ),
    (
        Role::Snapshots,
        "destroys snapshots",
        r"\bzfs\s+list\b[^\n]*snapshot[^\n]*zfs\s+destroy|\bbtrfs\s+subvolume\s+list\b[^\n]*subvolume\s+delete|\blvremove\s[^\n]*\$\(\s*lvs\b|vssadmin(?:\.exe)?\s+delete\s+shadows|vmsvc/snapshot\.removeall|\bwbadmin\s+delete",
    ),
];

static TABLE: LazyLock<Clues<Role>> = LazyLock::new(|| Clues::new(CLUES));

/// What a note says: that something was taken, what is wanted, how to answer, and a threat. In the order of [`Note`]. The last
/// two rows are weaker words for the first, and what only coins are: together they say it as well.
static WORDS: LazyLock<RegexSet> = LazyLock::new(|| {
    let patterns = [
        r"(?i)\b(?:all\s+(?:of\s+)?)?your\s+(?:\w+\s+){0,4}(?:files|data|databases?|documents|network|systems?|servers?|volumes?|backups|tables|machine|collections|disks?|repositories)\b[^.!\n]{0,80}\b(?:been|is|are|was|were|got)\s+(?:\w+\s+){0,2}(?:encrypt|lock|backed\s+up|stolen|taken|download|copied|moved|deleted|dropped|wiped|hacked)|\b(?:we|i)\s+(?:have\s+|'ve\s+)?(?:encrypted|locked|backed\s*up|downloaded|taken|stolen|exfiltrated)\s+(?:\w+\s+){0,3}(?:your|all)\b",
        r"(?i)\b(?:send|pay|transfer|deposit|payment\s+of|price\s+(?:is|for)|ransom\s+(?:of|is|amount)|buy|purchase|cost)\b[^\n]{0,100}(?:\b(?:btc|bitcoins?|xmr|monero|eth(?:ereum)?|usdt|ltc|crypto(?:currency)?|decrypt(?:ion|or)|key)\b|\$\s?\d|\d\s?(?:USD|EUR)\b)|\b(?:btc|bitcoins?|monero|xmr|usdt)\b[^\n]{0,80}\b(?:address|wallet|to\s+(?:this|the\s+following|our))|\b(?:address|wallet)\b[^\n]{0,60}\b(?:bc1q|[13][1-9A-HJ-NP-Za-km-z]{25,34}\b|[48][1-9A-HJ-NP-Za-km-z]{94}|0x[0-9a-fA-F]{40})",
        r"(?i)[a-z2-7]{16,56}\.onion|[\w.+-]+@(?:proton(?:mail)?|tuta(?:nota)?|cock|onionmail|mail2tor|airmail|firemail|aol|keemail|msgsafe|cyberfear|dnmx|secmail)\.\w+|\btor\s+browser\b|\b(?:contact|e-?mail|write(?:\s+to)?)\s+(?:us|me|to)\b|\b(?:contact|e-?mail)\b[^\n]{0,40}[\w.+-]+@[\w-]+\.\w+|\b(?:session|tox|jabber|telegram|qtox)\s*(?:id)?\s*[:@]|\bbc1q[02-9ac-hj-np-z]{38,58}\b|\b[13][1-9A-HJ-NP-Za-km-z]{25,34}\b|\b[48][1-9A-HJ-NP-Za-km-z]{94}\b|\b0x[0-9a-fA-F]{40}\b",
        r"(?i)\b(?:within|in|after|before|have)\s+(?:\w+\s+)?(?:\d+|two|three|seven|ten)\s*(?:hours?|days?|h)\b|\b(?:will|would)\s+be\s+(?:\w+\s+){0,3}(?:leaked|published|sold|destroyed|deleted|lost|doubled|public|exposed)|\bdo\s+not\s+(?:try|attempt|rename|delete|modify|contact|shut)|\b(?:military|unbreakable|strong(?:est)?)[- ](?:grade\s+)?(?:encryption|algorithm)|\b(?:only\s+way|cannot|can\s+not|impossible|unable)\b[^\n]{0,60}\b(?:recover|decrypt|restore)|\bto\s+(?:recover|decrypt|restore|get\s+(?:them|it|your\s+\w+)?\s*back|unlock)\b|\bget\s+your\s+(?:files|data)\s+back",
        r"(?i)\b(?:all\s+)?(?:of\s+)?your\s+(?:\w+,?\s+){0,4}(?:files|data|databases?|documents|servers?|volumes?|backups|disks?)\b[^.!\n]{0,60}\b(?:been|are|is|was|were)\s+(?:\w+\s+){0,1}[a-z]{3,}(?:ed|en)\b|\ball\s+files\s+on\s+this\s+(?:server|machine)\s+(?:were|are|have been)\s+[a-z]{3,}(?:ed|en)\b",
        r"(?i)\b\d[\d.,]*\s?(?:BTC|XMR|ETH|LTC|USDT|bitcoins?|monero)\b|\$\s?\d[\d,]*\s+(?:worth\s+)?(?:of|in)\s+\w+\s+to\s|\d+\s+(?:USD|EUR)\s+in\s+(?:bitcoin|monero)",
    ];
    let built = RegexSetBuilder::new(patterns).unicode(false).build();
    built.expect("the patterns are constants, and a test runs them")
});

/// The words of a note that were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Note {
    /// Something was taken.
    taken: bool,
    /// Money is wanted.
    wants: bool,
    /// Someone is to be written to, or paid.
    answer: bool,
    /// A threat or a promise.
    presses: bool,
    offset: usize,
}

impl Note {
    fn is_whole(&self) -> bool {
        self.taken && self.wants && (self.answer || self.presses)
    }
}

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let note = note(sample);
    if text::is_program(sample) || sample.kind == FileKind::Binary {
        return note
            .filter(|note| note.is_whole() && note.answer)
            .and_then(|note| program(sample, note))
            .into_iter()
            .collect();
    }
    let mut found: Vec<Match> =
        TABLE.groups(sample).into_iter().filter_map(|group| judged(sample, &group, note.as_ref())).take(4).collect();
    if found.is_empty()
        && let Some(note) = note
        && note.is_whole()
        && note.answer
        && note.presses
        && sample.bytes.len() <= NOTE_BYTES_MAX
        && !is_code(sample)
        && !is_report(sample)
    {
        let mut one = Match::new("a note that asks for ransom", note.offset);
        (one.weight, one.severity) = (Some(Weight::Sign), Some(Severity::High));
        found.push(one);
    }
    found
}

/// Looks for a note around the first words that could be one's.
fn note(sample: &Sample<'_>) -> Option<Note> {
    let words = sample.hits.iter().filter(|hit| hit.literal < NOTE_LITERALS);
    // `encrypted` and `decrypt` alone are in every library that does it.
    let mut different = [false; NOTE_LITERALS];
    words.clone().for_each(|hit| different[hit.literal] = true);
    let named = different.iter().skip(CRYPTO_LITERALS).any(|seen| *seen);
    let both = different.iter().filter(|seen| **seen).count() >= 2;
    if !named && (!both || text::is_program(sample)) {
        return None;
    }
    let mut best: Option<Note> = None;
    let mut looked_until = 0;
    for hit in words.take(256) {
        if hit.offset < looked_until {
            continue;
        }
        let (_, near) = sample.around(hit.offset, NEAR_BYTES / 2, NEAR_BYTES);
        looked_until = hit.offset + NEAR_BYTES / 2;
        let matched = WORDS.matches(near);
        let has = |row| matched.matched(row);
        let note = Note {
            taken: has(0) || has(4) && has(5),
            wants: has(1) || has(5),
            answer: has(2),
            presses: has(3),
            offset: hit.offset,
        };
        let score = |note: &Note| {
            usize::from(note.taken) * 2
                + usize::from(note.wants) * 2
                + usize::from(note.answer)
                + usize::from(note.presses)
        };
        if score(&note) > 1 && best.as_ref().is_none_or(|best| score(&note) > score(best)) {
            best = Some(note);
        }
    }
    best
}

/// How many of the literals are a note's; they come first.
const NOTE_LITERALS: usize = 10;
/// The first of them, which say nothing of ransom.
const CRYPTO_LITERALS: usize = 2;

fn judged(sample: &Sample<'_>, group: &Group<Role>, note: Option<&Note>) -> Option<Match> {
    let has = |role| group.has(role);
    let takes = has(Role::Walk) && has(Role::Encrypt);
    let demands = note
        .is_some_and(|note| note.taken && (note.wants || note.answer) || note.wants && (note.answer || note.presses));
    let asks = demands || has(Role::NoteName) && note.is_some();
    let replaces = has(Role::Replace);
    let weight = match () {
        () if takes && asks => Weight::Proof,
        () if takes && replaces && has(Role::Snapshots) => Weight::Proof,
        () if has(Role::Drop) && demands => Weight::Proof,
        () if has(Role::Drop) && has(Role::NoteName) => Weight::Sign,
        () if takes && replaces && (has(Role::NoteName) || has(Role::Extension)) => Weight::Sign,
        () if has(Role::Encrypt) && replaces && demands => Weight::Proof,
        () => return None,
    };
    let weight = if is_code(sample) { weight } else { weight.min(Weight::Sign) };
    let mut found = group.found(weight);
    if asks {
        found = Match { summary: Match::new(format!("{}; asks for ransom", found.summary), None).summary, ..found };
    }
    Some(found)
}

/// A program that holds a note, and encrypts.
fn program(sample: &Sample<'_>, note: Note) -> Option<Match> {
    let marks: &[&[u8]] = &[
        b"EVP_Encrypt",
        b"AES_",
        b"aes",
        b"chacha",
        b"ChaCha",
        b"salsa20",
        b"crypto/aes",
        b"crypto_secret",
        b"RSA_public_encrypt",
        b"expand 32-byte k",
        b"Fernet",
    ];
    let walks: &[&[u8]] = &[
        b"readdir",
        b"opendir",
        b"nftw",
        b"WalkDir",
        b"filepath.Walk",
        b"getdents",
        b"FindFirstFile",
        b"os.walk",
        b"walkdir",
        b"find %s",
    ];
    let has = |marks: &[&[u8]]| marks.iter().any(|mark| memchr::memmem::find(sample.bytes, mark).is_some());
    let both = has(marks) && has(walks);
    let mut found = Match::new("program with a note that asks for ransom", note.offset);
    found.weight = Some(if both && note.presses && text::is_program(sample) { Weight::Proof } else { Weight::Sign });
    both.then_some(found)
}

/// Whether a text tells about ransom notes rather than being one.
fn is_report(sample: &Sample<'_>) -> bool {
    let lower = sample.bytes.to_ascii_lowercase();
    let marks: &[&[u8]] = &[
        b"ransomware",
        b"malware",
        b"yara",
        b"sha256",
        b"attackers",
        b"threat actor",
        b"victims",
        b"](http",
        b"cve-",
        b"alert tcp",
        b"\"rule",
    ];
    marks.iter().filter(|mark| memchr::memmem::find(&lower, mark).is_some()).count() >= 2
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::{DETECTOR, NOTE_LITERALS, Scope};
    use crate::detectors::testing::run;

    #[track_caller]
    fn check(text: &str, expected: Option<Weight>) {
        let found = run(&DETECTOR, "x", 0o644, text.as_bytes());
        assert_eq!(found.first().map(|found| found.weight.unwrap_or(Weight::Proof)), expected, "{text}: {found:?}");
    }

    #[test]
    fn the_words_of_notes_come_first() {
        let Scope::Content { literals, .. } = DETECTOR.scope else { panic!("it looks at content") };
        assert_eq!(literals[NOTE_LITERALS - 1], "RECOVER_YOUR");
    }

    const NOTE: &str = "All your files have been encrypted. Send 0.1 BTC to bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq within 3 days. Contact us: x@proton.example";

    #[test]
    fn taking_and_asking_is_ransomware() {
        check(
            &format!(
                "#!/bin/bash\nfind /data -type f | while read f; do\n  openssl enc -aes-256-cbc -in \"$f\" -out \"$f.locked\" -k $K\n  rm -f \"$f\"\ndone\necho '{NOTE}' > /data/README\n"
            ),
            Some(Weight::Proof),
        );
        check(
            &format!(
                "import os\nfrom cryptography.fernet import Fernet\nf = Fernet(key)\nfor r, d, n in os.walk('/home'):\n    for x in n:\n        data = f.encrypt(open(x,'rb').read())\n        os.remove(x)\nN = '''{NOTE}'''\n"
            ),
            Some(Weight::Proof),
        );
        check(
            "import os\nfrom cryptography.fernet import Fernet\nf = Fernet(key)\nfor r, d, n in os.walk('/home'):\n    for x in n:\n        open(x + '.locked', 'wb').write(f.encrypt(open(x,'rb').read()))\n        os.remove(x)\n",
            Some(Weight::Sign),
        );
        check(
            "import pymongo\nc = pymongo.MongoClient(h)\nfor d in c.list_database_names():\n    c.drop_database(d)\nc['READ__ME_TO_RECOVER_YOUR_DATA']['README'].insert_one({'content': 'All your data is backed up. You must pay 0.01 BTC to bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq In 48 hours, your data will be publicly disclosed and deleted.'})\n",
            Some(Weight::Proof),
        );
        check(
            "#!/bin/sh\nzfs list -H -t snapshot -o name | xargs -n1 zfs destroy\nfind /srv -type f | while read -r f; do\n  gpg --batch -r 0123456789abcdef -o \"$f.gpg\" -e \"$f\" && rm -f \"$f\"\ndone\n",
            Some(Weight::Proof),
        );
        // Other words for the same demand.
        check(
            "All files on this server were transformed. To restore them send 0.5 XMR and write to us: x@proton.example. Your documents have been moved, HOW_TO_ANSWER.txt tells how. Do not contact the police.\n",
            Some(Weight::Sign),
        );
        check(&format!("{NOTE}. Do not try to decrypt them yourself.\n"), Some(Weight::Sign));
    }

    #[test]
    fn backups_and_migrations_are_silent() {
        for text in [
            "#!/bin/bash\nfind /data -type f | while read f; do gpg -e -r me \"$f\"; done\n",
            "DROP DATABASE IF EXISTS test;\nCREATE DATABASE test;\n",
            "import os\nfor r, d, n in os.walk('.'):\n    os.remove(n)\n",
            "To pay with bitcoin, send it to our wallet address shown in the shop.\n",
        ] {
            check(text, None);
        }
    }
}
