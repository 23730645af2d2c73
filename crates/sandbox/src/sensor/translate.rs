//! A call and what is known of it, to an event. Both sensors come through here, so that the same call gives the same event.

use std::net::{Ipv4Addr, Ipv6Addr};

use model::{What, trace::EVENT_TEXT_BYTES_MAX, trace::Stream};

use super::calls::Call;

/// An open file that a call is about.
#[derive(Debug, Clone, Default)]
pub(super) struct FileSeen {
    /// Names it while it is open.
    pub(super) id: u64,
    pub(super) path: String,
    /// `st_mode`.
    pub(super) mode: u32,
    /// Of a socket.
    pub(super) family: u32,
}

/// One call, as a sensor saw it.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) call: &'static Call,
    pub(super) arguments: [u64; 6],
    pub(super) result: i64,
    /// The two parts its interest names.
    pub(super) parts: [&'a [u8]; 2],
    /// What those are relative to, if they are paths; absolute.
    pub(super) folders: [String; 2],
    /// The type of a file system to mount.
    pub(super) filesystem: &'a [u8],
    pub(super) file: Option<FileSeen>,
}

/// What a call says. Writes and listens are left to the caller's memory: see `state`.
pub(super) fn translate(asked: &Asked<'_>) -> Option<What> {
    let [first, second, third, fourth, ..] = asked.arguments;
    let result = asked.result;
    let name = asked.call.name;
    let path = |which| asked.path(which);
    let call = || name.to_owned();
    Some(match name {
        "execve" | "execveat" => What::ExecFailed { path: path(0), result },
        "open" => asked.open(second),
        "openat" => asked.open(third),
        "openat2" => asked.open(number(asked.parts[1])),
        "creat" => asked.open(flags(libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC)),
        "truncate" => What::Open { path: path(0), read: false, write: true, create: false, truncate: true, result },
        "rename" | "renameat" | "renameat2" => What::Rename { from: path(0), to: path(1), result },
        "unlink" | "unlinkat" | "rmdir" => What::Unlink { path: path(0), result },
        "link" | "linkat" => What::Link { target: path(0), path: path(1), symbolic: false, result },
        "symlink" | "symlinkat" => What::Link { target: text(asked.parts[0]), path: path(1), symbolic: true, result },
        "chmod" => What::Chmod { path: path(0), mode: Some(mode(second)), result },
        "fchmod" => What::Chmod { path: asked.file_path(), mode: Some(mode(second)), result },
        "fchmodat" | "fchmodat2" => What::Chmod { path: path(0), mode: Some(mode(third)), result },
        "chown" | "lchown" | "fchownat" => What::Chmod { path: path(0), mode: None, result },
        "fchown" => What::Chmod { path: asked.file_path(), mode: None, result },
        "mkdir" | "mkdirat" => What::Make { path: path(0), what: "folder".to_owned(), device: None, result },
        "mknod" => make(path(0), second, third, result),
        "mknodat" => make(path(0), third, fourth, result),
        "memfd_create" => What::Memfd { name: text(asked.parts[0]), result },
        "mprotect" | "pkey_mprotect" | "mmap" => {
            let call = if name == "mmap" { name } else { "mprotect" };
            What::ExecutableMemory { call: call.to_owned(), bytes: second, result: result.clamp(-4095, 0) }
        }
        "socket" => What::Socket { family: family(first), kind: kind(second), protocol: low(third), result },
        "connect" => What::Connect { to: address(asked.parts[0])?, result },
        "bind" => What::Bind { to: address(asked.parts[0])?, result },
        "accept" | "accept4" => What::Accept { from: address(asked.parts[0]).unwrap_or_default(), result },
        "sendto" | "sendmsg" | "sendmmsg" => What::SendTo { to: address(asked.parts[0])?, result },
        "dup" | "dup2" | "dup3" | "fcntl" => {
            let file = asked.file.as_ref()?;
            let stream = stream(file.mode, file.family)?;
            if !matches!(stream, Stream::Socket | Stream::UnixSocket) {
                return None;
            }
            What::Redirect { onto: i32::try_from(result).ok()?, stream }
        }
        "kill" | "tkill" | "rt_sigqueueinfo" => What::Kill { target: low(first).into(), signal: low(second), result },
        "tgkill" => What::Kill { target: low(first).into(), signal: low(third), result },
        "pidfd_send_signal" => What::Kill { target: 0, signal: low(second), result },
        "ptrace" => What::Trace { call: call(), target: low(second).into(), request: first, result },
        "process_vm_readv" | "process_vm_writev" | "pidfd_getfd" => {
            What::Trace { call: call(), target: low(first).into(), request: 0, result }
        }
        "setuid" | "setgid" | "setfsuid" | "setfsgid" => identity(name, &[first], result),
        "setreuid" | "setregid" => identity(name, &[first, second], result),
        "setresuid" | "setresgid" => identity(name, &[first, second, third], result),
        "setgroups" => identity(name, &[first], result),
        "capset" => identity(name, &[], result),
        "prctl" => identity(name, &[first, second], result),
        "mount" => mount(name, text(asked.parts[0]), path(1), text(asked.filesystem), result),
        "umount2" | "fspick" | "open_tree" | "mount_setattr" => {
            mount(name, String::new(), path(0), String::new(), result)
        }
        "fsopen" => mount(name, String::new(), String::new(), text(asked.parts[0]), result),
        "fsconfig" => mount(name, text(asked.parts[0]), String::new(), String::new(), result),
        "fsmount" => mount(name, String::new(), String::new(), String::new(), result),
        "move_mount" => mount(name, path(0), path(1), String::new(), result),
        "pivot_root" | "chroot" => What::Namespace { call: call(), flags: 0, result },
        "setns" => What::Namespace { call: call(), flags: second, result },
        "unshare" | "clone" => What::Namespace { call: call(), flags: first, result },
        "clone3" => What::Namespace { call: call(), flags: number(asked.parts[0]), result },
        // Until a moment: how long that is, is not known when it returns.
        "clock_nanosleep" if second & 1 != 0 => return None,
        "nanosleep" | "clock_nanosleep" => {
            let asked_ms = milliseconds(asked.parts[0]);
            if asked_ms < SLEEP_MS_MIN {
                return None;
            }
            What::Sleep { call: call(), asked_ms, skipped: false }
        }
        "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" | "sendfile" | "copy_file_range" | "splice"
        | "listen" => return None,
        _ => What::Kernel { call: call(), arguments: vec![first, second, third], result },
    })
}

/// Sleeps shorter than this are not recorded.
pub(super) const SLEEP_MS_MIN: u64 = 100;

impl Asked<'_> {
    fn open(&self, flags: u64) -> What {
        let flags = low(flags);
        let access = flags & libc::O_ACCMODE;
        let only_named = flags & libc::O_PATH != 0;
        What::Open {
            path: match &self.file {
                Some(file) if self.result >= 0 && !file.path.is_empty() => file.path.clone(),
                _ => self.path(0),
            },
            read: access != libc::O_WRONLY && !only_named,
            write: access != libc::O_RDONLY && !only_named,
            create: flags & libc::O_CREAT != 0,
            truncate: flags & libc::O_TRUNC != 0,
            result: self.result,
        }
    }

    /// One of the parts as an absolute path.
    pub(super) fn path(&self, which: usize) -> String {
        absolute(&self.folders[which], &text(self.parts[which]))
    }

    fn file_path(&self) -> String {
        self.file.as_ref().map(|file| file.path.clone()).unwrap_or_default()
    }
}

fn make(path: String, mode: u64, device: u64, result: i64) -> What {
    let (what, device) = match low(mode).cast_unsigned() & libc::S_IFMT {
        libc::S_IFCHR | libc::S_IFBLK => ("device", Some(device)),
        libc::S_IFIFO => ("pipe", None),
        libc::S_IFSOCK => ("socket", None),
        _ => return What::Open { path, read: false, write: false, create: true, truncate: false, result },
    };
    What::Make { path, what: what.to_owned(), device, result }
}

fn identity(call: &str, arguments: &[u64], result: i64) -> What {
    let arguments = arguments.iter().map(|argument| i64::from(low(*argument))).collect();
    What::Identity { call: call.to_owned(), arguments, result }
}

fn mount(call: &str, source: String, target: String, filesystem: String, result: i64) -> What {
    What::Mount { call: call.to_owned(), source, target, filesystem, result }
}

/// An argument that is an `int`.
fn low(argument: u64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "the kernel looks at these bits only")]
    let low = argument as u32;
    low.cast_signed()
}

fn flags(flags: i32) -> u64 {
    u64::from(flags.cast_unsigned())
}

fn mode(argument: u64) -> u32 {
    low(argument).cast_unsigned() & 0o7777
}

/// The first eight bytes as a number.
pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}

/// A `struct timespec` in milliseconds.
pub(super) fn milliseconds(timespec: &[u8]) -> u64 {
    let nanoseconds = timespec.get(8..).map_or(0, number);
    number(timespec).saturating_mul(1_000).saturating_add(nanoseconds / 1_000_000)
}

/// What a file of this mode is as a standard stream; none for what is not there.
pub(super) fn stream(mode: u32, family: u32) -> Option<Stream> {
    Some(match mode & libc::S_IFMT {
        libc::S_IFSOCK if family == libc::AF_UNIX.cast_unsigned() => Stream::UnixSocket,
        libc::S_IFSOCK => Stream::Socket,
        libc::S_IFIFO => Stream::Pipe,
        libc::S_IFREG | libc::S_IFCHR | libc::S_IFBLK | libc::S_IFDIR => Stream::File,
        _ => return None,
    })
}

/// Up to its zero, as text, shortened to what an event keeps.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    shortened(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

/// Shortened to what an event keeps.
pub(super) fn shortened(mut text: String) -> String {
    if text.len() > EVENT_TEXT_BYTES_MAX {
        let end = text.floor_char_boundary(EVENT_TEXT_BYTES_MAX - '…'.len_utf8());
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Strings with a zero behind each.
pub(super) fn strings(bytes: &[u8], most: usize) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|byte| *byte == 0).take(most).map(text).collect()
}

/// A path without `.`, `..` and doubled slashes, put behind its folder where it is relative. Links are not followed.
pub(super) fn absolute(folder: &str, path: &str) -> String {
    let clean =
        path.starts_with('/') && path.len() > 1 && !path.ends_with('/') && !path.contains("//") && !path.contains("/.");
    if clean {
        return path.to_owned();
    }
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{folder}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    // Without its folder a path stays relative: better than a wrong one.
    let rooted = path.starts_with('/') || folder.starts_with('/');
    let root = if rooted { "/" } else { "" };
    shortened(format!("{root}{}", parts.join("/")))
}

/// A `struct sockaddr`, as text: `address:port`, `[address]:port`, a path, `@name`, or the family's number.
pub(super) fn address(bytes: &[u8]) -> Option<String> {
    let family = i32::from(u16::from_ne_bytes(*bytes.first_chunk()?));
    let port = || Some(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?));
    Some(match family {
        libc::AF_INET => {
            let address: [u8; 4] = *bytes.get(4..)?.first_chunk()?;
            format!("{}:{}", Ipv4Addr::from(address), port()?)
        }
        libc::AF_INET6 => {
            let address: [u8; 16] = *bytes.get(8..)?.first_chunk()?;
            format!("[{}]:{}", Ipv6Addr::from(address), port()?)
        }
        libc::AF_UNIX => match bytes.get(2..)? {
            [] => "@".to_owned(),
            [0, name @ ..] => {
                let end = name.iter().rposition(|byte| *byte != 0).map_or(0, |end| end + 1);
                format!("@{}", String::from_utf8_lossy(&name[..end]))
            }
            path => text(path),
        },
        other => format!("{}:", self::family(u64::from(other.cast_unsigned()))),
    })
}

fn family(number: u64) -> String {
    match low(number) {
        libc::AF_INET => "inet".to_owned(),
        libc::AF_INET6 => "inet6".to_owned(),
        libc::AF_UNIX => "unix".to_owned(),
        libc::AF_PACKET => "packet".to_owned(),
        libc::AF_NETLINK => "netlink".to_owned(),
        other => other.to_string(),
    }
}

fn kind(number: u64) -> String {
    match low(number) & 0xf {
        libc::SOCK_STREAM => "stream".to_owned(),
        libc::SOCK_DGRAM => "datagram".to_owned(),
        libc::SOCK_RAW => "raw".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute_and_plain() {
        assert_eq!(absolute("/tmp", "x"), "/tmp/x");
        assert_eq!(absolute("/tmp/a", "../x/./y//z"), "/tmp/x/y/z");
        assert_eq!(absolute("", "/etc/../etc/./shadow"), "/etc/shadow");
        assert_eq!(absolute("/", "../../etc"), "/etc");
        assert_eq!(absolute("", "x/../y"), "y", "of an unknown folder");
        assert_eq!(absolute("/a", "/"), "/");
    }

    #[test]
    fn addresses_of_all_families_are_read_and_damage_is_not() {
        let inet = [2, 0, 0x0d, 0x05, 198, 51, 100, 7, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(address(&inet).as_deref(), Some("198.51.100.7:3333"));
        let mut inet6 = vec![10, 0, 0, 80, 0, 0, 0, 0];
        inet6.extend([0; 15]);
        inet6.push(1);
        assert_eq!(address(&inet6).as_deref(), Some("[::1]:80"));
        assert_eq!(address(b"\x01\x00/run/x\0rest").as_deref(), Some("/run/x"));
        assert_eq!(address(b"\x01\x00\0name").as_deref(), Some("@name"));
        assert_eq!(address(&inet[..6]), None);
        assert_eq!(address(b""), None);
    }

    #[test]
    fn text_is_bounded_whatever_its_bytes() {
        let long = vec![0xff; EVENT_TEXT_BYTES_MAX];
        assert!(text(&long).len() <= EVENT_TEXT_BYTES_MAX);
        assert_eq!(text(b"a\0b"), "a");
        assert_eq!(strings(b"sh\0-c\0\0", 9), ["sh", "-c", ""]);
        assert!(strings(b"", 9).is_empty());
    }
}
