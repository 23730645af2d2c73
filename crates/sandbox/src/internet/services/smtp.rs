//! SMTP: takes every login and every letter, and delivers none.
//!
//! Source: RFC 5321, RFC 4954.

use base64::prelude::*;

use super::super::service::{Kind, Service, Talk, line};

pub(in super::super) const KIND: Kind = Kind {
    name: "smtp",
    ports: &[25, 465, 587, 2525],
    greets: true,
    insists: false,
    knows: |first| first.starts_with(b"EHLO ") || first.starts_with(b"HELO "),
    open: || Box::new(Server::default()),
};

const LINE_BYTES_MAX: usize = 8_192;
/// Lines of letters that are recorded in one session.
const LINES_MAX: u32 = 128;
const SERVER: &str = "mail.example.net";

#[derive(Default)]
struct Server {
    greeted: bool,
    state: State,
    user: String,
    lines: u32,
}

#[derive(Default, PartialEq, Eq)]
enum State {
    #[default]
    Command,
    User,
    Password,
    Plain,
    Letter,
}

impl Service for Server {
    fn begin(&mut self, talk: &mut Talk<'_>) {
        if !self.greeted {
            self.greeted = true;
            talk.say(format!("220 {SERVER} ESMTP Postfix\r\n"));
        }
    }

    fn read(&mut self, input: &mut Vec<u8>, talk: &mut Talk<'_>) {
        self.begin(talk);
        while let Some(text) = line(input, LINE_BYTES_MAX) {
            self.line(&text, talk);
        }
    }
}

impl Server {
    fn line(&mut self, text: &str, talk: &mut Talk<'_>) {
        match std::mem::take(&mut self.state) {
            State::Letter => {
                if text == "." {
                    talk.say("250 2.0.0 Ok: queued as 4B1F2A0C3D\r\n");
                    return;
                }
                self.state = State::Letter;
                self.record(text, talk);
            }
            State::User => {
                self.user = decoded(text);
                self.state = State::Password;
                talk.say("334 UGFzc3dvcmQ6\r\n");
            }
            State::Password => self.login(&decoded(text), talk),
            State::Plain => self.plain(text, talk),
            State::Command => self.command(text, talk),
        }
    }

    fn command(&mut self, text: &str, talk: &mut Talk<'_>) {
        let upper = text.to_ascii_uppercase();
        if !upper.starts_with("AUTH") {
            self.record(text, talk);
        }
        let word = upper.split([' ', ':']).next().unwrap_or_default().to_owned();
        match word.as_str() {
            "EHLO" => {
                talk.say(format!("250-{SERVER}\r\n250-SIZE 52428800\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n"))
            }
            "AUTH" => {
                let mut words = text.split_ascii_whitespace().skip(1);
                let plain = words.next().is_some_and(|kind| kind.eq_ignore_ascii_case("plain"));
                match (plain, words.next()) {
                    (true, Some(answer)) => self.plain(answer, talk),
                    (true, None) => {
                        self.state = State::Plain;
                        talk.say("334 \r\n");
                    }
                    (false, Some(user)) => {
                        self.user = decoded(user);
                        self.state = State::Password;
                        talk.say("334 UGFzc3dvcmQ6\r\n");
                    }
                    (false, None) => {
                        self.state = State::User;
                        talk.say("334 VXNlcm5hbWU6\r\n");
                    }
                }
            }
            "DATA" => {
                self.state = State::Letter;
                talk.say("354 End data with <CR><LF>.<CR><LF>\r\n");
            }
            "QUIT" => {
                talk.say("221 2.0.0 Bye\r\n");
                *talk.close = true;
            }
            "STARTTLS" => talk.say("454 4.7.0 TLS not available\r\n"),
            _ => talk.say("250 2.1.0 Ok\r\n"),
        }
    }

    fn plain(&mut self, answer: &str, talk: &mut Talk<'_>) {
        let text = decoded(answer);
        let mut parts = text.split('\0').skip(1);
        self.user = parts.next().unwrap_or_default().to_owned();
        let password = parts.next().unwrap_or_default().to_owned();
        self.login(&password, talk);
    }

    fn login(&mut self, password: &str, talk: &mut Talk<'_>) {
        talk.login("smtp", &self.user, password, true);
        talk.say("235 2.7.0 Authentication successful\r\n");
    }

    fn record(&mut self, text: &str, talk: &Talk<'_>) {
        self.lines += 1;
        if self.lines <= LINES_MAX && !text.is_empty() {
            talk.message("smtp", text);
        }
    }
}

fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&BASE64_STANDARD.decode(text.trim()).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use model::What;

    use crate::internet::testing::{python, run};

    #[test]
    fn smtplib_logs_in_and_sends() {
        let (events, _) = run(|_| {
            python(
                "import smtplib\n\
                 s = smtplib.SMTP('mail.example', 587, timeout=10)\n\
                 s.login('user@example.net', 'hunter22')\n\
                 s.sendmail('a@example.net', ['b@example.org'], 'Subject: x\\n\\nstolen things\\n')\n\
                 s.quit()",
            );
        });
        let login = |event: &What| {
            matches!(event, What::Login { service, user, password, accepted: true, .. }
                if service == "smtp" && user == "user@example.net" && password == "hunter22")
        };
        assert!(events.iter().any(login), "{events:#?}");
        assert!(events.iter().any(|event| matches!(event, What::Message { text, .. } if text == "stolen things")));
    }
}
