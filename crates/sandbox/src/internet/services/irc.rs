//! IRC: welcomes, joins to any channel, records what is said. Bots wait there for orders; none come.
//!
//! Source: RFC 2812.

use super::super::service::{Kind, Service, Talk, line};

pub(in super::super) const KIND: Kind = Kind {
    name: "irc",
    ports: &[194, 6660, 6661, 6662, 6663, 6664, 6665, 6666, 6667, 6668, 6669, 6697],
    greets: false,
    insists: false,
    knows: |first| [&b"NICK "[..], b"USER ", b"CAP LS", b"PASS "].iter().any(|word| first.starts_with(word)),
    open: || Box::new(Server::default()),
};

const LINE_BYTES_MAX: usize = 2_048;
const LINES_MAX: u32 = 512;
const SERVER: &str = "irc.example.net";
/// Seconds of silence after which a server asks whether somebody is there.
const QUIET_BEFORE_PING: u32 = 90;

#[derive(Default)]
struct Server {
    nick: String,
    password: String,
    user: String,
    welcomed: bool,
    lines: u32,
    quiet: u32,
}

impl Service for Server {
    fn read(&mut self, input: &mut Vec<u8>, talk: &mut Talk<'_>) {
        self.quiet = 0;
        while let Some(text) = line(input, LINE_BYTES_MAX) {
            self.lines += 1;
            if self.lines <= LINES_MAX && !text.is_empty() {
                talk.message("irc", &text);
            }
            self.line(&text, talk);
        }
    }

    fn quiet(&mut self, talk: &mut Talk<'_>) {
        self.quiet += 1;
        if self.welcomed && self.quiet.is_multiple_of(QUIET_BEFORE_PING) {
            talk.say(format!("PING :{SERVER}\r\n"));
        }
    }
}

impl Server {
    fn line(&mut self, text: &str, talk: &mut Talk<'_>) {
        let (command, rest) = text.split_once(' ').unwrap_or((text, ""));
        let first = rest.split(' ').next().unwrap_or_default().trim_start_matches(':');
        match command.to_ascii_uppercase().as_str() {
            "PASS" => self.password = first.to_owned(),
            "NICK" => self.nick = first.to_owned(),
            "USER" => self.user = first.to_owned(),
            "CAP" if rest.starts_with("LS") => talk.say(format!(":{SERVER} CAP * LS :\r\n")),
            "PING" => talk.say(format!(":{SERVER} PONG {SERVER} :{first}\r\n")),
            "JOIN" => {
                let nick = self.nick.clone();
                for channel in first.split(',').take(16) {
                    talk.say(format!(
                        ":{nick}!{nick}@host JOIN {channel}\r\n:{SERVER} 332 {nick} {channel} :.\r\n:{SERVER} 353 {nick} = {channel} :{nick} @op\r\n:{SERVER} 366 {nick} {channel} :End of /NAMES list.\r\n"
                    ));
                }
            }
            "QUIT" => *talk.close = true,
            _ => {}
        }
        if !self.welcomed && !self.nick.is_empty() && !self.user.is_empty() {
            self.welcomed = true;
            talk.login("irc", &self.nick, &self.password, true);
            let nick = &self.nick;
            talk.say(format!(
                ":{SERVER} 001 {nick} :Welcome to the network {nick}\r\n:{SERVER} 002 {nick} :Your host is {SERVER}\r\n:{SERVER} 003 {nick} :This server was created in 2019\r\n\
                 :{SERVER} 004 {nick} {SERVER} InspIRCd-3 iow biklmnopstv\r\n:{SERVER} 422 {nick} :MOTD File is missing\r\n"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use model::What;

    use crate::internet::testing::{ask, connect, run};

    #[test]
    fn a_bot_is_welcomed_and_joins() {
        let (events, _) = run(|_| {
            let mut server = connect("203.0.113.7:7001");
            ask(&mut server, "NICK bot7\r\nUSER x 0 * :x\r\n", " 001 bot7 ");
            ask(&mut server, "JOIN #orders key\r\n", "366 bot7 #orders");
            ask(&mut server, "PING :1\r\n", "PONG");
        });
        assert!(
            events
                .iter()
                .any(|event| matches!(event, What::Login { service, user, .. } if service == "irc" && user == "bot7"))
        );
        assert!(
            events.iter().any(|event| matches!(event, What::Message { text, .. } if text == "JOIN #orders key")),
            "{events:#?}"
        );
    }
}
