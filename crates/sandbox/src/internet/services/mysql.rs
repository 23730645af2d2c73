//! MySQL: greets, records who wants in, and says no. The password comes hashed and is not kept.
//!
//! Source: the MySQL client/server protocol, `HandshakeV10` and `HandshakeResponse41`.

use super::super::service::{Kind, Service, Talk};

pub(in super::super) const KIND: Kind = Kind {
    name: "mysql",
    ports: &[3306, 33060],
    greets: true,
    insists: false,
    knows: super::never,
    open: || Box::new(Server { greeted: false }),
};

struct Server {
    greeted: bool,
}

impl Service for Server {
    fn begin(&mut self, talk: &mut Talk<'_>) {
        if !self.greeted {
            self.greeted = true;
            let mut body = b"\x0a8.0.36\0\x2a\0\0\0saltsalt\0".to_vec();
            // Capabilities without TLS, latin1, autocommit, more capabilities, 21 bytes of salt in all.
            body.extend_from_slice(&[0xff, 0xf7, 8, 2, 0, 0xff, 0x81, 21]);
            body.extend_from_slice(&[0; 10]);
            body.extend_from_slice(b"saltsaltsalt\0mysql_native_password\0");
            talk.say(packet(0, &body));
        }
    }

    fn read(&mut self, input: &mut Vec<u8>, talk: &mut Talk<'_>) {
        self.begin(talk);
        let Some([a, b, c, sequence]) = input.first_chunk().copied() else { return };
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        let Some(body) = input.get(4..4 + length).map(<[u8]>::to_vec) else { return };
        input.drain(..4 + length);
        // Capabilities, longest packet, character set and filler come before the user.
        let user = body.get(32..).and_then(|rest| rest.split(|byte| *byte == 0).next()).unwrap_or_default();
        let user = String::from_utf8_lossy(user).into_owned();
        talk.login("mysql", &user, "", false);
        let error = b"\xff\x15\x04#28000Access denied for user";
        talk.say(packet(sequence.wrapping_add(1), error));
        *talk.close = true;
    }
}

fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = (body.len() as u32).to_le_bytes();
    [&[a, b, c, sequence], body].concat()
}

#[cfg(test)]
mod tests {
    use model::What;

    use crate::internet::testing::{ask, connect, run};

    #[test]
    fn the_user_is_recorded() {
        let (events, _) = run(|_| {
            let mut server = connect("203.0.113.7:3306");
            ask(&mut server, "", "mysql_native_password");
            let response = format!("\x25\0\0\x01{}root\0", "\0".repeat(32));
            ask(&mut server, &response, "Access denied");
        });
        assert!(
            events.iter().any(
                |event| matches!(event, What::Login { service, user, .. } if service == "mysql" && user == "root")
            ),
            "{events:#?}"
        );
    }
}
