//! FTP: takes every login, hands out files as the web does, takes what is put. Data connections come to us (passive) only.
//!
//! Source: RFC 959, RFC 2428.

use std::net::{IpAddr, SocketAddr};

use super::{
    super::service::{Kind, Service, Talk, line},
    content,
};

pub(in super::super) const KIND: Kind = Kind {
    name: "ftp",
    ports: &[21, 2121],
    greets: true,
    insists: false,
    knows: super::never,
    open: || Box::new(Server::default()),
};

/// The other connection, on the ports that passive replies name.
pub(in super::super) const DATA: Kind = Kind {
    name: "ftp-data",
    ports: &[50_010, 50_011, 50_012, 50_013, 50_014, 50_015, 50_016, 50_017],
    greets: true,
    insists: false,
    knows: super::never,
    open: || Box::new(Data),
};

const LINE_BYTES_MAX: usize = 4_096;

#[derive(Default)]
struct Server {
    greeted: bool,
    user: String,
    passive: u16,
}

impl Service for Server {
    fn begin(&mut self, talk: &mut Talk<'_>) {
        if !self.greeted {
            self.greeted = true;
            talk.say("220 (vsFTPd 3.0.5)\r\n");
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
        let (command, argument) = text.split_once(' ').unwrap_or((text, ""));
        let command = command.to_ascii_uppercase();
        if command != "PASS" {
            talk.message("ftp", text);
        }
        match command.as_str() {
            "USER" => {
                self.user = argument.to_owned();
                talk.say("331 Please specify the password.\r\n");
            }
            "PASS" => {
                talk.login("ftp", &self.user, argument, true);
                talk.say("230 Login successful.\r\n");
            }
            "SYST" => talk.say("215 UNIX Type: L8\r\n"),
            "PWD" => talk.say("257 \"/\" is the current directory\r\n"),
            "FEAT" => talk.say("211-Features:\r\n EPSV\r\n PASV\r\n SIZE\r\n211 End\r\n"),
            "SIZE" | "MDTM" => talk.say("550 Could not get file size.\r\n"),
            "PASV" | "EPSV" => self.passive(command == "EPSV", talk),
            "RETR" | "LIST" | "NLST" => {
                let url = format!("ftp {}/{argument}", talk.flow.remote.ip());
                let bytes = match command.as_str() {
                    "RETR" if argument.ends_with(".sh") => content::script(talk.world, &url).into_bytes(),
                    "RETR" => content::elf(talk.world, &url),
                    _ => b"-rw-r--r--    1 0        0             153 Jan 10 10:00 agent\r\n".to_vec(),
                };
                if command == "RETR" {
                    talk.served(&bytes);
                }
                let port = self.port();
                talk.world.transfer(SocketAddr::new(talk.flow.remote.ip(), port), bytes);
                talk.say("150 Opening BINARY mode data connection.\r\n226 Transfer complete.\r\n");
            }
            "STOR" | "APPE" => talk.say("150 Ok to send data.\r\n226 Transfer complete.\r\n"),
            "PORT" | "EPRT" => talk.say("500 Illegal PORT command.\r\n"),
            "QUIT" => {
                talk.say("221 Goodbye.\r\n");
                *talk.close = true;
            }
            _ => talk.say("200 Command okay.\r\n"),
        }
    }

    fn port(&self) -> u16 {
        50_010 + self.passive % 8
    }

    fn passive(&mut self, extended: bool, talk: &mut Talk<'_>) {
        self.passive = self.passive.wrapping_add(1);
        let port = self.port();
        match (talk.flow.remote.ip(), extended) {
            (IpAddr::V4(address), false) => {
                let [a, b, c, d] = address.octets();
                talk.say(format!("227 Entering Passive Mode ({a},{b},{c},{d},{},{}).\r\n", port >> 8, port & 255));
            }
            _ => talk.say(format!("229 Entering Extended Passive Mode (|||{port}|)\r\n")),
        }
    }
}

/// Hands out what was asked for over the first connection, or takes what comes.
struct Data;

impl Service for Data {
    fn begin(&mut self, talk: &mut Talk<'_>) {
        self.quiet(talk);
    }

    fn read(&mut self, input: &mut Vec<u8>, _talk: &mut Talk<'_>) {
        input.clear();
    }

    fn quiet(&mut self, talk: &mut Talk<'_>) {
        if let Some(bytes) = talk.world.transfers.remove(&talk.flow.remote) {
            talk.say(bytes);
            *talk.close = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use model::What;

    use crate::internet::testing::{python, run};

    #[test]
    fn ftplib_fetches_and_puts() {
        let (events, counts) = run(|_| {
            let size = python(
                "import ftplib, io\n\
                 f = ftplib.FTP('ftp.example', timeout=10)\n\
                 f.login('bot', 'secret1')\n\
                 got = io.BytesIO()\n\
                 f.retrbinary('RETR agent', got.write)\n\
                 f.storbinary('STOR loot.txt', io.BytesIO(b'loot loot'))\n\
                 f.quit()\n\
                 print(len(got.getvalue()))",
            );
            assert_eq!(size.trim(), "162");
        });
        let login =
            |event: &What| matches!(event, What::Login { service, user, .. } if service == "ftp" && user == "bot");
        assert!(events.iter().any(login), "{events:#?}");
        let data =
            events.iter().filter(|event| matches!(event, What::FlowEnd { service, .. } if service == "ftp-data"));
        assert_eq!(data.count(), 2, "{events:#?}");
        assert!(counts.downloads.iter().any(|(_, bytes)| bytes.starts_with(b"\x7fELF")));
    }
}
