//! Recognises programs and commands that give a shell to whoever connects.
//!
//! A port that answers with a shell needs no password. Servers for remote shells (SSH, telnet, container agents) ask who is there.
//!
//! - Sees: netcat, socat and ncat that listen and execute a shell; Python, Perl, Ruby, PHP, Node, Go, C source that accept a
//!   connection and start a shell on it.
//! - Misses: compiled forms; listeners whose shell is started by another program; shells behind a password.
//! - False alarms: exercises and honeypots; debugging helpers in development images.
//! - Source: nc(1) `-e`, socat(1) EXEC; ATT&CK T1059.004, T1571.

use std::sync::LazyLock;

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};
use regex::bytes::{Regex, RegexBuilder};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::{clues::is_script, text};

/// Bytes looked at before and after a literal.
const NEAR_BYTES: usize = 900;
/// Longer scripts are test suites and collections.
const SCRIPT_BYTES_MAX: usize = 128 << 10;
/// Most places looked at in one file.
const PLACES_MAX: usize = 256;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "bind-shell",
        title: "Gives a shell to whoever connects",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1059.004", "T1571"],
    },
    scope: Scope::Content {
        kinds: text::TEXT_KINDS,
        literals: &[
            "nc -",
            "ncat ",
            "netcat ",
            "socat ",
            ".listen(",
            ".accept(",
            "SOMAXCONN",
            "net.Listen(",
            "accept(",
            "TCPServer",
            "createServer(",
            "socket_accept",
            "stream_socket_server",
            "SO_REUSEADDR",
            "Listen =>",
            "telnetd -",
            "ServerSocket(",
        ],
    },
    inspect,
};

static WAYS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    [
        (
            "netcat listens and executes a shell",
            r"\b(?:nc|ncat|netcat|nc\.traditional|nc\.openbsd|busybox nc)\s(?:[^\n;|&]*\s)?(?:-\w*l\w*|--listen)\b(?:[^\n;|&]*\s)?(?:-\w*[ec]\s*|--(?:sh-)?exec[= ])\s*[\x22']?(?:/\S*/)?(?:ba|da|z|k)?sh\b",
        ),
        (
            "netcat listens and executes a shell",
            r"\b(?:nc|ncat|netcat|nc\.traditional)\s(?:[^\n;|&]*\s)?(?:-\w*[ec]\s+|--(?:sh-)?exec[= ])\s*[\x22']?(?:/\S*/)?(?:ba|da|z|k)?sh\b[^\n;|&]*\s(?:-\w*l\w*|--listen)\b",
        ),
        (
            "netcat listens, and a fifo joins it to a shell",
            r"(?s)mk(?:fifo|nod)\s.{0,200}?\|\s*(?:/\S*/)?(?:ba|da|z|k)?sh\b[^\n]{0,40}\|\s*(?:nc|ncat|netcat|busybox nc)\s[^\n|;]{0,40}-\w*l|(?s)mk(?:fifo|nod)\s.{0,200}?\b(?:nc|ncat|netcat)\s[^\n|;]{0,60}-\w*l[^\n]{0,60}\|\s*(?:/\S*/)?(?:ba|da|z|k)?sh\b",
        ),
        (
            "socat listens and executes a shell",
            r"(?i)\bsocat\b[^\n]*\b(?:tcp[46]?|openssl|ssl|udp[46]?|sctp)-(?:l|listen):[^\n]*\b(?:exec|system):[\x22']?(?:/\S*/)?(?:ba|da|z|k)?sh(?:\s+-\w+)*(?:[\x22',\s]|$)",
        ),
        ("telnet server without login", r"\btelnetd\s[^\n;|]*-l\s*[\x22']?(?:/\S*/)?(?:ba|da|z|k)?sh\b"),
        (
            "Python accepts a connection and starts a shell on it",
            r"(?s)\.(?:listen|accept)\(.{0,600}?(?:os\.dup2\(.{0,400}?(?:sh[\x22']|spawn)|pty\.spawn\(\s*[\x22'\[]|(?:Popen|call|run)\(\s*\[?\s*[\x22'](?:/bin/)?(?:ba)?sh[\x22'].{0,120}?std(?:in|out)\s*=\s*\w+(?:\.fileno\(\)|\s*[,)]))",
        ),
        (
            "Python accepts a connection and runs what it hears",
            r"(?s)\.accept\(\).{0,500}?\.recv\(\s*\d+.{0,300}?(?:shell\s*=\s*True|os\.popen\(|os\.system\(|getoutput\()",
        ),
        (
            "Perl accepts a connection and starts a shell on it",
            r"(?s)(?:SOMAXCONN|Listen\s*=>).{0,600}?(?:open\s*\(?\s*STD(?:IN|OUT)\s*,\s*[\x22']?[<>+]*&|STDIN->fdopen).{0,300}?(?:exec|system)[\s({]*[\x22'][^\x22'\n]{0,20}sh\b",
        ),
        (
            "Ruby accepts a connection and runs what it hears",
            r"(?s)TCPServer\.(?:new|open).{0,300}?\.accept.{0,400}?(?:IO\.popen\(|exec\s|`\#\{|exec\(|\$stdin\.reopen|spawn\()",
        ),
        (
            "PHP accepts a connection and runs what it hears",
            r"(?s)(?:socket_accept|stream_socket_accept)\(.{0,500}?(?:shell_exec|popen|proc_open|exec|system)\s*\(\s*(?:\$|[\x22'][^\x22'\n]{0,20}sh)",
        ),
        (
            "Node accepts a connection and starts a shell on it",
            r"(?s)net[\x22']?\)?\.createServer\(.{0,400}?spawn\(\s*[\x22'][^\x22'\n]{0,20}sh[\x22'].{0,300}?\.pipe\(|(?s)spawn\(\s*[\x22'][^\x22'\n]{0,20}sh[\x22'].{0,200}?\.createServer\(|createServer\(.{0,300}?spawn\(\s*[\x22'][^\x22'\n]{0,20}sh[\x22'].{0,200}?\.pipe\(\s*\w+\.stdin",
        ),
        (
            "Go accepts a connection and starts a shell on it",
            r"(?s)net\.Listen\(\s*\x22tcp.{0,500}?\.Accept\(\).{0,600}?exec\.Command\(\s*\x22[^\x22\n]*sh\x22.{0,200}?\.Stdin\s*=\s*\w+",
        ),
        (
            "C accepts a connection and starts a shell on it",
            r"(?s)\blisten\s*\(.{0,400}?\baccept\s*\(.{0,400}?dup2\s*\(.{0,300}?(?:exec[lv]p?e?|system)\s*\([^;\n]{0,30}sh\x22",
        ),
        (
            "Java accepts a connection and starts a shell on it",
            r"(?s)new\s+(?:java\.net\.)?ServerSocket\(.{0,400}?\.accept\(\).{0,500}?(?:ProcessBuilder\(|\.exec\()[^;\n]{0,40}[\x22'](?:/bin/)?(?:ba)?sh[\x22']",
        ),
    ]
    .into_iter()
    .map(|(way, pattern)| {
        let built = RegexBuilder::new(pattern).unicode(false).size_limit(32 << 20).build();
        (way, built.expect("the pattern is a constant, and a test runs it"))
    })
    .collect()
});

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    let mut looked_until = 0;
    let mut places = 0;
    for hit in sample.hits {
        if hit.offset < looked_until || places == PLACES_MAX {
            continue;
        }
        places += 1;
        looked_until = hit.offset + NEAR_BYTES / 4;
        let (start, near) = sample.around(hit.offset, 200, NEAR_BYTES);
        for (way, pattern) in WAYS.iter() {
            if found.iter().any(|known| known.summary == *way) {
                continue;
            }
            if let Some(at) = pattern.find(near)
                && !text::is_quoted(sample, start + at.start())
            {
                found.push(Match::new(*way, start + at.start()));
            }
        }
    }
    // More are a cheat sheet or a generator.
    if found.len() > 4 {
        return Vec::new();
    }
    let is_code = is_script(sample) && sample.bytes.len() <= SCRIPT_BYTES_MAX;
    for one in &mut found {
        // A command in source code may be an example; it is none where it is started.
        let line = one.offset.map(|offset| sample.line(offset, 400).1).unwrap_or_default();
        let starts = ["system", "exec", "popen", "Popen", "subprocess", "spawn", "shell"];
        let is_command = ["netcat", "socat", "telnet"].iter().any(|tool| one.summary.starts_with(tool));
        let is_started = starts.iter().any(|start| memchr::memmem::find(line, start.as_bytes()).is_some());
        if is_command && is_code && sample.kind != FileKind::Script && !is_started {
            (one.weight, one.severity) = (Some(Weight::Fact), Some(Severity::Info));
        } else if !is_code {
            (one.weight, one.severity) = (Some(Weight::Sign), Some(Severity::Medium));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::DETECTOR;
    use crate::detectors::testing::run;

    #[track_caller]
    fn check(text: &str, expected: bool) {
        let found = run(&DETECTOR, "x", 0o644, text.as_bytes());
        assert_eq!(!found.is_empty(), expected, "{text}: {found:?}");
    }

    #[test]
    fn each_form_is_seen() {
        for text in [
            "#!/bin/sh\nnc -l -p 4444 -e /bin/sh\n",
            "#!/bin/sh\nnc -e /bin/sh -lvnp 4444\n",
            "#!/bin/sh\nncat -lk 4444 --sh-exec /bin/bash\n",
            "#!/bin/sh\nrm -f /tmp/f; mkfifo /tmp/f; cat /tmp/f | /bin/sh -i 2>&1 | nc -l 0.0.0.0 4444 > /tmp/f\n",
            "#!/bin/sh\nsocat TCP-LISTEN:4444,reuseaddr,fork EXEC:/bin/sh,pty,stderr\n",
            "#!/bin/sh\nbusybox telnetd -p 4444 -l /bin/sh\n",
            "import socket,os,pty\ns=socket.socket()\ns.bind(('',4444))\ns.listen(1)\nc,a=s.accept()\nos.dup2(c.fileno(),0)\npty.spawn('/bin/sh')\n",
            "#include <x.h>\nint main(){ bind(s,0,0); listen(s,1); int c=accept(s,0,0); dup2(c,0); dup2(c,1); execve(\"/bin/sh\",0,0); }\n",
            "package main\nfunc main(){ l,_:=net.Listen(\"tcp\",\":4444\"); for { c,_:=l.Accept(); x:=exec.Command(\"/bin/sh\"); x.Stdin=c; x.Run() } }\n",
        ] {
            check(text, true);
        }
    }

    #[test]
    fn servers_are_silent() {
        for text in [
            "#!/bin/sh\nnc -l -p 8080 < page.html\nsh x\n",
            "#!/bin/sh\nsocat TCP-LISTEN:80,fork TCP:db:5432\n",
            "import socket\ns.listen(5)\nc, a = s.accept()\nc.recv(1024)\nsubprocess.run(['ls'])\n",
            "Try:\n\n```\nnc -l -p 4444 -e /bin/sh\n```\n",
        ] {
            check(text, false);
        }
    }
}
