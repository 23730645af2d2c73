//! Which tool a program is: by its path, by `argv[0]` where one binary is many tools, without version or target in its name.
//!
//! A name only *excuses* (an installer may write programs) or says what to look for; what is found is always something that was done.

use model::{Event, Stream, What};

/// A program a process ran, as an `exec` event tells it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program<'a> {
    /// Position of the event.
    pub(crate) at: usize,
    pub(crate) path: &'a str,
    pub(crate) arguments: &'a [String],
    pub(crate) written: bool,
    pub(crate) nameless: bool,
    tool: &'a str,
    pub(crate) input: Option<Stream>,
    pub(crate) output: Option<Stream>,
}

/// Names that go on with a version only: `python3.11`, `gcc-12`, `php8.2`.
const VERSIONED: &[&str] = &[
    "python", "perl", "php-fpm", "php-cgi", "php", "ruby", "lua", "luajit", "gcc", "g++", "clang++", "clang", "tclsh",
    "node", "java", "pip", "ld.lld", "cpp", "gfortran", "ksh", "bash",
];
/// One binary, many tools.
const MULTI: &[&str] = &["busybox", "toybox", "coreutils", "busybox.static", "busybox-static", "toolbox", "sbase-box"];

pub(crate) const SHELLS: &[&str] =
    &["sh", "bash", "dash", "ash", "zsh", "ksh", "csh", "tcsh", "fish", "mksh", "rbash", "hush", "lksh"];
const INTERPRETERS: &[&str] = &[
    "python",
    "pypy",
    "perl",
    "ruby",
    "php",
    "node",
    "nodejs",
    "lua",
    "luajit",
    "tclsh",
    "awk",
    "gawk",
    "deno",
    "bun",
    "osascript",
];
const DOWNLOADERS: &[&str] = &[
    "curl",
    "wget",
    "aria2c",
    "axel",
    "fetch",
    "tftp",
    "ftp",
    "ftpget",
    "lftp",
    "ncftpget",
    "http",
    "httpie",
    "xh",
    "lwp-download",
    "lynx",
];
const NETCATS: &[&str] =
    &["nc", "ncat", "netcat", "nc.openbsd", "nc.traditional", "socat", "telnet", "openssl", "cryptcat"];
const COMPILERS: &[&str] = &[
    "gcc",
    "cc",
    "g++",
    "c++",
    "cc1",
    "cc1plus",
    "as",
    "ld",
    "ld.bfd",
    "ld.gold",
    "ld.lld",
    "lld",
    "collect2",
    "clang",
    "clang++",
    "tcc",
    "go",
    "compile",
    "link",
    "asm",
    "rustc",
    "cargo",
    "ghc",
    "nim",
    "zig",
    "dmd",
    "ldc2",
    "fpc",
    "gfortran",
    "swiftc",
    "ocamlopt",
    "lto1",
    "lto-wrapper",
    "musl-gcc",
    "cpp",
    "nasm",
    "yasm",
    "gccgo",
    "f951",
    "crystal",
    "v",
    "mold",
    "objcopy",
    "strip",
    "install-name-tool",
    "patchelf",
    "wasm-ld",
];
/// Copy what they read.
const COPIERS: &[&str] =
    &["cp", "mv", "install", "cat", "dd", "tee", "ln", "rsync", "head", "tail", "cpio", "sponge", "cut", "tr"];
const DECODERS: &[&str] = &[
    "base64", "base32", "openssl", "gpg", "gpg2", "xxd", "uudecode", "age", "ccrypt", "mcrypt", "rev", "od", "hexdump",
    "basenc",
];
const UNPACKERS: &[&str] = &[
    "tar", "bsdtar", "unzip", "gzip", "gunzip", "zcat", "xz", "unxz", "xzcat", "bzip2", "bunzip2", "7z", "7za", "7zr",
    "zstd", "unzstd", "unrar", "upx", "ar",
];
/// Put what a distribution or a registry of packages ships in place.
const INSTALLERS: &[&str] = &[
    "apt",
    "apt-get",
    "aptitude",
    "dpkg",
    "dpkg-deb",
    "dpkg-split",
    "rpm",
    "rpm2cpio",
    "yum",
    "dnf",
    "microdnf",
    "zypper",
    "apk",
    "pacman",
    "opkg",
    "emerge",
    "xbps-install",
    "snap",
    "flatpak",
    "unattended-upgrade",
    "update-alternatives",
    "debconf",
    "dpkg-preconfigure",
    "dpkg-trigger",
    "update-rc.d",
    "deb-systemd-helper",
    "dpkg-maintscript-helper",
    "tdnf",
    "guix",
    "nix",
    "nix-env",
    "nix-build",
];
/// Install only with one of these words among their arguments.
const INSTALLERS_BY_VERB: &[&str] = &[
    "pip",
    "pipx",
    "uv",
    "poetry",
    "npm",
    "npx",
    "yarn",
    "pnpm",
    "corepack",
    "bun",
    "gem",
    "bundle",
    "bundler",
    "composer",
    "conda",
    "mamba",
    "micromamba",
    "rustup",
    "luarocks",
    "cpan",
    "cpanm",
    "mvn",
    "gradle",
    "pecl",
    "pear",
    "helm",
    "brew",
    "nuget",
    "dotnet",
    "virtualenv",
    "venv",
    "ensurepip",
    "easy_install",
    "playwright",
    "puppeteer",
];
const INSTALL_VERBS: &[&str] = &[
    "install",
    "ci",
    "i",
    "add",
    "update",
    "upgrade",
    "rebuild",
    "sync",
    "create",
    "download",
    "restore",
    "require",
    "build",
    "exec",
    "dlx",
    "wheel",
    "package",
    "toolchain",
    "publish",
    "pack",
    "venv",
    "ensurepip",
    "virtualenv",
    "easy_install",
    "npx",
];

impl<'a> Program<'a> {
    /// Of an `exec` event; none of another.
    pub(crate) fn of(at: usize, event: &'a Event) -> Option<Self> {
        let What::Exec { path, arguments, written, nameless, standard_input: input, standard_output: output, .. } =
            &event.what
        else {
            return None;
        };
        let (written, nameless, input, output) = (*written, *nameless, *input, *output);
        Some(Self { at, path, arguments, written, nameless, tool: tool(path, arguments), input, output })
    }

    /// The name of the tool.
    pub(crate) fn tool(&self) -> &'a str {
        self.tool
    }

    pub(crate) fn is(&self, tools: &[&str]) -> bool {
        tools.contains(&self.tool())
    }

    pub(crate) fn is_shell(&self) -> bool {
        self.is(SHELLS)
    }

    pub(crate) fn is_interpreter(&self) -> bool {
        self.is_shell() || self.is(INTERPRETERS)
    }

    pub(crate) fn is_downloader(&self) -> bool {
        self.is(DOWNLOADERS) || self.is_netcat()
    }

    pub(crate) fn is_netcat(&self) -> bool {
        self.is(NETCATS) && (self.tool() != "openssl" || self.has(&["s_client"]))
    }

    pub(crate) fn is_compiler(&self) -> bool {
        self.is(COMPILERS)
    }

    pub(crate) fn is_copier(&self) -> bool {
        self.is(COPIERS)
    }

    pub(crate) fn is_decoder(&self) -> bool {
        self.is(DECODERS)
    }

    pub(crate) fn is_unpacker(&self) -> bool {
        self.is(UNPACKERS)
    }

    /// Whether it installs packages, and was asked to.
    pub(crate) fn installs(&self) -> bool {
        if self.is(INSTALLERS) || self.path.contains("/apt/methods/") || self.path.contains("/dpkg/info/") {
            return true;
        }
        let named = |name: &str| {
            let name =
                name.trim_end_matches(".js").trim_end_matches(".py").trim_end_matches("-cli").trim_end_matches(".phar");
            INSTALLERS_BY_VERB.contains(&plain(name))
        };
        // `node /usr/lib/node_modules/npm/bin/npm-cli.js ci`, `python3 -m pip install`, `/usr/bin/pip install`.
        let first = self.arguments.iter().take(4).any(|argument| named(base(argument)));
        (named(self.tool()) || (self.is_interpreter() && first)) && self.has(INSTALL_VERBS)
    }

    /// Whether one of the arguments behind `argv[0]` is one of `words`.
    pub(crate) fn has(&self, words: &[&str]) -> bool {
        self.arguments.iter().skip(1).any(|argument| words.contains(&argument.as_str()))
    }

    /// The script an interpreter was given, as written.
    pub(crate) fn script(&self) -> Option<&'a str> {
        if !self.is_interpreter() || self.inline().is_some() {
            return None;
        }
        let mut arguments = self.arguments.iter().skip(1).map(String::as_str).peekable();
        if MULTI.contains(&self.arguments.first().map_or("", |argument| base(argument))) {
            arguments.next();
        }
        while let Some(argument) = arguments.next() {
            match argument {
                "-o" | "+o" | "-O" | "-W" | "-X" | "-I" | "-r" | "--require" => {
                    arguments.next();
                }
                "-" | "-s" | "-m" => return None,
                _ if argument.starts_with(['-', '+']) => {}
                _ => return Some(argument),
            }
        }
        None
    }

    /// The commands given with `-c` or `-e`.
    pub(crate) fn inline(&self) -> Option<&'a str> {
        if !self.is_interpreter() {
            return None;
        }
        let shell = self.is_shell();
        let mut arguments = self.arguments.iter().skip(1);
        while let Some(argument) = arguments.next() {
            let Some(letters) = argument.strip_prefix('-') else {
                if MULTI.contains(&self.arguments.first().map_or("", |argument| base(argument)))
                    && SHELLS.contains(&argument.as_str())
                {
                    continue;
                }
                return None;
            };
            let letter = match self.tool() {
                _ if shell => 'c',
                "python" | "pypy" => 'c',
                "php" => 'r',
                _ => 'e',
            };
            if !letters.starts_with('-') && letters.len() <= 8 && letters.ends_with(letter) {
                return arguments.next().map(String::as_str);
            }
        }
        None
    }

    /// Whether a shell or an interpreter takes its commands from standard input, or from a pipe given as a file.
    pub(crate) fn obeys_input(&self) -> bool {
        self.is_interpreter()
            && self.inline().is_none()
            && match self.script() {
                None => !self.has(&["-m", "--version", "-V", "-v", "-h", "--help"]) || self.has(&["-i", "-s"]),
                Some(script) => {
                    script.starts_with("/dev/fd/") || script.starts_with("/proc/self/fd/") || script == "/dev/stdin"
                }
            }
    }

    /// Whether it is a shell with nothing but how it is to behave: it is told what to do by somebody.
    pub(crate) fn is_bare_shell(&self) -> bool {
        let how =
            ["-i", "-l", "-li", "-il", "--login", "--norc", "--noprofile", "-p", "-ip", "-pi", "sh", "bash", "ash"];
        self.is_shell() && self.arguments.iter().skip(1).all(|argument| how.contains(&argument.as_str()))
    }

    /// Its arguments as one line.
    pub(crate) fn line(&self) -> String {
        let mut line = String::new();
        for argument in self.arguments {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(argument);
            if line.len() > LINE_BYTES_MAX {
                break;
            }
        }
        if line.is_empty() { self.path.to_owned() } else { line }
    }
}

fn tool<'a>(path: &'a str, arguments: &'a [String]) -> &'a str {
    let name = base(path);
    if !MULTI.contains(&name) {
        return plain(name);
    }
    let first = arguments.first().map_or("", |argument| base(argument).trim_start_matches('-'));
    if !MULTI.contains(&first) && !first.is_empty() {
        return plain(first);
    }
    arguments.get(1).map_or(name, |argument| plain(base(argument)))
}

/// Longest command line that is looked at, in bytes; the last argument may go beyond.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// The last part of a path.
pub(crate) fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Without target (`x86_64-linux-gnu-gcc-12`) and version.
fn plain(name: &str) -> &str {
    let name = name.split_once("-linux-").map_or(name, |(_, rest)| rest.split_once('-').map_or(name, |(_, tool)| tool));
    for stem in VERSIONED {
        if let Some(rest) = name.strip_prefix(stem)
            && rest.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
        {
            return stem;
        }
    }
    match name {
        "mawk" | "original-awk" => "awk",
        "nodejs" => "node",
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use model::What;

    use super::*;

    fn exec(path: &str, arguments: &[&str]) -> Event {
        let what = What::Exec {
            path: path.to_owned(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            environment: Vec::new(),
            parent: 0,
            user: 0,
            written: false,
            nameless: false,
            standard_input: None,
            standard_output: None,
        };
        Event { sequence: 1, at_us: 0, process: 1, what }
    }

    #[test]
    fn one_binary_is_many_tools() {
        let tool =
            |path: &str, arguments: &[&str]| Program::of(0, &exec(path, arguments)).expect("exec").tool().to_owned();
        assert_eq!(tool("/bin/busybox", &["/bin/sh", "-c", "x"]), "sh");
        assert_eq!(tool("/bin/busybox", &["busybox", "wget", "u"]), "wget");
        assert_eq!(tool("/usr/bin/python3.11", &["python3"]), "python");
        assert_eq!(tool("/usr/bin/x86_64-linux-gnu-gcc-12", &["gcc"]), "gcc");
        assert_eq!(tool("/usr/bin/base64", &["base64"]), "base64");
        assert_eq!(tool("/usr/bin/mawk", &["awk"]), "awk");
    }

    #[test]
    fn a_shell_is_told_what_to_do_in_three_ways() {
        let check = |path: &str, arguments: &[&str], script: Option<&str>, inline: Option<&str>, input: bool| {
            let event = exec(path, arguments);
            let program = Program::of(0, &event).expect("exec");
            assert_eq!(
                (program.script(), program.inline(), program.obeys_input()),
                (script, inline, input),
                "{arguments:?}"
            );
        };
        check("/bin/sh", &["sh", "/x.sh", "a"], Some("/x.sh"), None, false);
        check("/bin/sh", &["sh", "-ec", "id"], None, Some("id"), false);
        check("/bin/bash", &["bash", "-i"], None, None, true);
        check("/bin/bash", &["bash", "/dev/fd/63"], Some("/dev/fd/63"), None, true);
        check("/bin/busybox", &["busybox", "sh", "/x"], Some("/x"), None, false);
        check("/usr/bin/python3", &["python3", "-m", "http.server"], None, None, false);
        check("/usr/bin/python3", &["python3", "-c", "1"], None, Some("1"), false);
    }

    #[test]
    fn an_installer_must_be_asked_to_install() {
        let installs =
            |path: &str, arguments: &[&str]| Program::of(0, &exec(path, arguments)).expect("exec").installs();
        assert!(installs("/usr/bin/node", &["node", "/usr/lib/node_modules/npm/bin/npm-cli.js", "ci"]));
        assert!(!installs("/usr/bin/node", &["npm", "start"]));
        assert!(installs("/usr/bin/python3", &["python3", "-m", "pip", "install", "x"]));
        assert!(installs("/usr/lib/apt/methods/http", &["http"]));
        assert!(!installs("/usr/bin/python3", &["python3", "/app/install.py"]));
    }
}
