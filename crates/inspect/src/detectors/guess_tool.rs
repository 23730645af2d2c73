//! Recognises programs that guess passwords, over the network or from hashes, by what they do.
//!
//! - Sees: options for lists of logins and passwords, the services that are tried, rates of tries, words for what was found, kinds
//!   of hashes and masks, in programs; in scripts the loop over a list that logs in until it succeeds.
//! - Misses: a guesser with two passwords built in (`worm` knows those); packed programs.
//! - False alarms: libraries of password hashes and log-in clients have one or two of these.
//! - Source: the manuals of hydra, medusa, hashcat and john; ATT&CK T1110.

use std::sync::LazyLock;

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::tells::{Tool, Tools};

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "guess-tool",
        title: "Guesses passwords",
        category: Category::HackingTool,
        weight: Weight::Proof,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1110"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Elf, FileKind::Pe, FileKind::Script, FileKind::Text, FileKind::Binary],
        literals: &[
            "-l LOGIN",
            "login: %s",
            "tries/min",
            "passwords/s",
            "login tries",
            "rockyou",
            "krb5tgs",
            "Guess.Mask",
            "hash.mode",
            "WPA-PBKDF2",
            "passlist",
            "password list",
            "password_list",
            "passwords.txt",
            "pass.txt",
            "wordlist",
            "brute",
            "AuthenticationException",
            "Login incorrect",
        ],
    },
    inspect,
};

static TOOLS: LazyLock<Tools> = LazyLock::new(|| Tools::new(KINDS));

const KINDS: &[Tool] = &[
    Tool {
        name: "password guesser",
        must: &[],
        also_min: 4,
        also: &[
            (
                "options for lists of logins and passwords",
                r"-l LOGIN\|-L FILE|-p PASS\|-P FILE|(?i)--(?:user|pass)(?:name|word)?s?[-_]?(?:list|file)\b[^\n]{0,200}--(?:user|pass)|--wordlist\b|login:pass format",
            ),
            (
                "what was found",
                r"(?i)login: ?%s\s+pass(?:word)?: ?%s|password found|valid (?:passwords?|credentials?) (?:found|pair)|account found|recovered\.{2,}|key found",
            ),
            (
                "rates of tries",
                r"(?i)\btries/min|\b(?:tries|attempts|passwords|guesses|candidates|keys)/s|login tr(?:ies|y)?\b|\b[ckm]?h/s\b",
            ),
            (
                "services to log in to",
                r"(?i)\b(?:(?:ftp|ssh|telnet|mysql|rdp|smb|vnc|imap|smtp|pop3|postgres|redis|snmp|ldap[23]?|rlogin|http-(?:get|post|form))(?:\[s\]|[a-z-]{0,8})?[ ,|/]+(?:https?\S*[ ,|/]+)*){5}",
            ),
            (
                "kinds of hashes",
                r"(?i)\b\d{1,5} \| (?:ntlm|md5|sha|wpa|bcrypt|kerberos)|hash\.?mode\.|\$krb5tgs\$|\bsha512crypt\b|pbkdf2-pmkid",
            ),
            ("masks and rules", r"(?i)guess\.mask|\bmask attack|--rules\b|--increment\b|\?[lud]\?[lud]\?[lud]"),
            ("a well-known list of words", r"(?i)\brockyou\b|10k-most-common|darkweb2017|xato-net"),
            ("a help text for targets", r"(?i)server service \[OPT\]|-M FILE\b|\bTASKS\b"),
        ],
    },
    Tool {
        name: "password guesser as a script",
        must: &[
            (
                "logs in",
                r"(?i)paramiko\.SSHClient|ftplib\.FTP\(|telnetlib\.Telnet|\bpxssh|sshpass -p|Net::(?:FTP|SSH|Telnet)|(?:requests|session|s)\.post\([^\n]*pass|smtplib\.SMTP|pymysql\.connect\(|auth=\(|new (?:Client|SSHClient)\(\)|--user \S*:\$",
            ),
            (
                "over a list of passwords",
                r"(?i)for \(?(?:my |const |let |var )?\$?\(?(?:\w+, ?)?\w*(?:pass|pwd|pw|word|cred)\w*\)? (?:in|of) [^\n]*(?:open|list|words|lines|file|cat |\.txt|passwords|passes|creds|product)|while (?:IFS= )?read (?:-r )?\w*(?:pass|pwd|pw|word)\b|foreach my \$\w*(?:pass|pwd|word)\w* \(",
            ),
        ],
        also_min: 2,
        also: &[
            (
                "until one is right",
                r"(?i)(?:password|login|cred\w*)[^\n]{0,20}\b(?:found|correct|cracked|valid|success\w*)|\[\+\][^\n]{0,60}(?:pass|login|found|success)|\bfound\b[^\n]{0,20}(?:password|credential)",
            ),
            (
                "goes on when refused",
                r"(?i)AuthenticationException|error_perm|login incorrect|status_code\s*(?:!=|==)\s*(?:401|200|302)|access denied|permission denied",
            ),
            (
                "a list from a file",
                r"(?i)(?:wordlist|passlist|pass(?:word)?s?_?(?:list|file)|rockyou|pass(?:words?)?\.txt|userlist|users?\.txt)",
            ),
            (
                "guesses",
                r"(?i)brute[_ -]?force|\bbruter?\b|\bdictionary attack|\btrying\b[^\n]{0,30}\b(?:pass|pwd|login)|credential stuffing|password spray",
            ),
        ],
    },
];

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    TOOLS.found(sample)
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::{check, run};

    #[test]
    fn a_loop_over_passwords_guesses_and_one_log_in_does_not() {
        let guess = "import paramiko, sys\nclient = paramiko.SSHClient()\nfor password in open(sys.argv[2] or 'passwords.txt'):\n    try:\n        client.connect(sys.argv[1], username='root', password=password.strip())\n        print('password found', password)\n    except paramiko.AuthenticationException:\n        continue\n";
        assert_eq!(run(&DETECTOR, "x.py", 0o644, guess.as_bytes()).len(), 1);
        let login = "import paramiko\nclient = paramiko.SSHClient()\ntry:\n    client.connect(host, password=open('pass.txt').read())\nexcept paramiko.AuthenticationException:\n    print('wrong password')\n";
        check(&DETECTOR, "x.py", login.as_bytes(), &[]);
    }

    #[test]
    fn a_program_is_known_whatever_it_is_called() {
        let strings = "\x7fELF\x02\x01\x01\0usage: logins [[[-l LOGIN|-L FILE] [-p PASS|-P FILE]] server service [OPT]\0%d login tries\0login: %s   password: %s\0";
        assert_eq!(run(&DETECTOR, "usr/bin/x", 0o755, strings.as_bytes()).len(), 1);
        let client = "\x7fELF\x02\x01\x01\0login: %s password: %s\0wordlist\0rockyou\0";
        check(&DETECTOR, "usr/bin/x", client.as_bytes(), &[]);
    }
}
