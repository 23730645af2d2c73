//! Telnet: asks for a login, lets in at the third try, then plays a small shell that records what it is told.
//!
//! Bots tell a device from a trap by how it answers a command that does not exist (`/bin/busybox NAME`): as busybox does.
//! Source: RFC 854; the loader of the published Mirai source asks in this way.

use super::super::service::{Kind, Service, Talk};

pub(in super::super) const KIND: Kind = Kind {
    name: "telnet",
    ports: &[23, 2323, 26, 60023],
    greets: true,
    insists: false,
    knows: super::never,
    open: || Box::new(Server::default()),
};

const LINE_BYTES_MAX: usize = 4_096;
/// The try that is let in.
const TRIES: u32 = 3;
/// Commands of one session that are recorded.
const COMMANDS_MAX: u32 = 256;
const IAC: u8 = 255;
const PROMPT: &str = "# ";

#[derive(Default)]
struct Server {
    greeted: bool,
    text: Vec<u8>,
    user: Option<String>,
    tries: u32,
    inside: bool,
    commands: u32,
}

impl Service for Server {
    fn begin(&mut self, talk: &mut Talk<'_>) {
        if !self.greeted {
            self.greeted = true;
            // WILL ECHO, WILL SUPPRESS-GO-AHEAD.
            talk.say([IAC, 251, 1, IAC, 251, 3]);
            talk.say("\r\nBCM96318 Broadband Router\r\nlogin: ");
        }
    }

    fn read(&mut self, input: &mut Vec<u8>, talk: &mut Talk<'_>) {
        self.begin(talk);
        self.text.extend(text(input));
        while let Some(line) = next_line(&mut self.text) {
            self.line(&line, talk);
        }
    }
}

impl Server {
    fn line(&mut self, text: &str, talk: &mut Talk<'_>) {
        if self.inside {
            self.command(text, talk);
        } else if let Some(user) = self.user.take() {
            self.tries += 1;
            self.inside = self.tries >= TRIES;
            talk.login("telnet", &user, text, self.inside);
            match self.inside {
                true => talk.say(format!("\r\n\r\nBusyBox v1.31.1 built-in shell (ash)\r\n\r\n{PROMPT}")),
                false => talk.say("\r\nLogin incorrect\r\nlogin: "),
            }
        } else if !text.is_empty() {
            self.user = Some(text.to_owned());
            talk.say("\r\nPassword: ");
        }
    }

    fn command(&mut self, text: &str, talk: &mut Talk<'_>) {
        self.commands += 1;
        if self.commands <= COMMANDS_MAX && !text.is_empty() {
            talk.message("telnet", text);
        }
        for command in text.split(';') {
            let answer = answer(command.trim());
            if !answer.is_empty() {
                talk.say(format!("{answer}\r\n"));
            }
        }
        if matches!(text.trim(), "exit" | "quit" | "logout") {
            *talk.close = true;
        } else {
            talk.say(PROMPT);
        }
    }
}

/// What the small shell prints.
fn answer(command: &str) -> String {
    let mut words = command.split_ascii_whitespace().skip_while(|word| word.ends_with("busybox"));
    let called_busybox = command.contains("busybox");
    match words.next().unwrap_or_default() {
        "" | "enable" | "system" | "shell" | "sh" | "linuxshell" | "cd" | "rm" | "chmod" | "export" | "exit" => {
            String::new()
        }
        "id" => "uid=0(root) gid=0(root)".to_owned(),
        "whoami" => "root".to_owned(),
        "uname" => "Linux BCM96318 4.1.52 #1 SMP x86_64 GNU/Linux".to_owned(),
        "pwd" => "/root".to_owned(),
        "ps" => "  PID USER       VSZ STAT COMMAND\r\n    1 root      1500 S    init".to_owned(),
        "echo" => words
            .filter(|word| !word.starts_with('-'))
            .collect::<Vec<_>>()
            .join(" ")
            .trim_matches(['"', '\''])
            .to_owned(),
        "cat" if command.contains("mounts") => "rootfs / rootfs rw 0 0\r\ntmpfs /tmp tmpfs rw,relatime 0 0".to_owned(),
        "cat" if command.contains("cpuinfo") => "model name\t: Intel(R) Atom(TM) CPU".to_owned(),
        "cat" | "cp" | "dd" | "wget" | "tftp" | "curl" | "kill" => String::new(),
        other if called_busybox => format!("{other}: applet not found"),
        other => format!("-sh: {other}: not found"),
    }
}

/// Takes everything out of `input` but what negotiates options; a negotiation that is not whole stays.
fn text(input: &mut Vec<u8>) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest: &[u8] = input;
    while let [first, behind @ ..] = rest {
        if *first != IAC {
            text.push(*first);
            rest = behind;
            continue;
        }
        rest = match behind {
            [250, behind @ ..] => match behind.iter().position(|byte| *byte == 240) {
                Some(end) => behind.get(end + 1..).unwrap_or_default(),
                None => break,
            },
            [251..=254, _, behind @ ..] => behind,
            [] | [251..=254] => break,
            [_, behind @ ..] => behind,
        };
    }
    let left = rest.len();
    input.drain(..input.len() - left);
    text
}

/// The next line; its end is CR LF, CR NUL, or either alone.
fn next_line(text: &mut Vec<u8>) -> Option<String> {
    let end = match text.iter().position(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
        Some(end) => end,
        None if text.len() > LINE_BYTES_MAX => LINE_BYTES_MAX,
        None => return None,
    };
    let line: Vec<u8> = text.drain(..end).collect();
    let ends = if matches!(text.get(..2), Some([b'\r', b'\n' | 0])) { 2 } else { 1 };
    text.drain(..ends.min(text.len()));
    Some(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_no_text() {
        let mut input = b"\xff\xfd\x01\xff\xfa\x18\x00xterm\xff\xf0root\r\0adm\xff\xfd\x03in\r\nrest\xff".to_vec();
        let mut text = text(&mut input);
        assert_eq!(input, b"\xff", "half of something");
        assert_eq!(next_line(&mut text).as_deref(), Some("root"));
        assert_eq!(next_line(&mut text).as_deref(), Some("admin"));
        assert_eq!(next_line(&mut text), None);
        assert_eq!(text, b"rest");
    }

    #[test]
    fn the_shell_answers_as_a_device_does() {
        assert_eq!(answer("/bin/busybox ECCHI"), "ECCHI: applet not found");
        assert_eq!(answer("echo -e hello"), "hello");
        assert_eq!(answer("frob"), "-sh: frob: not found");
    }

    #[test]
    fn the_third_try_is_let_in() {
        use crate::internet::testing::{ask, connect, run};
        let (events, _) = run(|_| {
            let mut device = connect("203.0.113.7:23");
            ask(&mut device, "", "login: ");
            for _ in 0..2 {
                ask(&mut device, "root\r\n", "Password: ");
                ask(&mut device, "xc3511\r\n", "Login incorrect");
            }
            ask(&mut device, "admin\r\n", "Password: ");
            ask(&mut device, "admin\r\n", "# ");
            ask(&mut device, "/bin/busybox NAME\r\n", "NAME: applet not found");
        });
        let tries: Vec<bool> = events
            .iter()
            .filter_map(|event| match event {
                model::What::Login { accepted, .. } => Some(*accepted),
                _ => None,
            })
            .collect();
        assert_eq!(tries, [false, false, true]);
        let command =
            |event: &model::What| matches!(event, model::What::Message { text, .. } if text == "/bin/busybox NAME");
        assert!(events.iter().any(command));
    }
}
