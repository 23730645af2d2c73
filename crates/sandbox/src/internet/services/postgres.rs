//! PostgreSQL: asks for the password in the clear, records it, and says no.
//!
//! Source: PostgreSQL documentation, "Message Formats".

use super::super::service::{Kind, Service, Talk};

pub(in super::super) const KIND: Kind = Kind {
    name: "postgres",
    ports: &[5432, 5433],
    greets: false,
    insists: true,
    knows: |first| matches!(first.get(4..8), Some([0, 3, 0, 0] | [4, 210, 22, 47])) && first.first() == Some(&0),
    open: || Box::new(Server { user: None }),
};

const MESSAGE_BYTES_MAX: usize = 16 << 10;
/// The request for TLS: a version that is none.
const TLS_REQUEST: [u8; 4] = [4, 210, 22, 47];

struct Server {
    user: Option<String>,
}

impl Service for Server {
    fn read(&mut self, input: &mut Vec<u8>, talk: &mut Talk<'_>) {
        loop {
            // The first message has no type before its length.
            let typed = usize::from(self.user.is_some());
            let Some(length) =
                input.get(typed..).and_then(<[u8]>::first_chunk).map(|length| u32::from_be_bytes(*length))
            else {
                return;
            };
            let whole = length as usize + typed;
            if !(8..MESSAGE_BYTES_MAX).contains(&whole) && typed == 0 || whole > MESSAGE_BYTES_MAX || length < 4 {
                *talk.close = true;
                return;
            }
            let Some(message) = input.get(..whole).map(<[u8]>::to_vec) else { return };
            input.drain(..whole);
            let body = message.get(typed + 4..).unwrap_or_default();
            match &self.user {
                None if body.starts_with(&TLS_REQUEST) => talk.say("N"),
                None => {
                    let words: Vec<String> = body
                        .get(4..)
                        .unwrap_or_default()
                        .split(|byte| *byte == 0)
                        .map(|word| String::from_utf8_lossy(word).into_owned())
                        .collect();
                    let user = words.chunks(2).find(|pair| pair.first().is_some_and(|key| key == "user"));
                    self.user = Some(user.and_then(|pair| pair.get(1)).cloned().unwrap_or_default());
                    talk.say(b"R\0\0\0\x08\0\0\0\x03");
                }
                Some(user) => {
                    let password = String::from_utf8_lossy(body.strip_suffix(&[0]).unwrap_or(body)).into_owned();
                    talk.login("postgres", user, &password, false);
                    let error = b"SFATAL\0C28P01\0Mpassword authentication failed\0\0";
                    talk.say(b"E");
                    talk.say((error.len() as u32 + 4).to_be_bytes());
                    talk.say(error);
                    *talk.close = true;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::What;

    use crate::internet::testing::{ask, connect, run};

    #[test]
    fn user_and_password_are_recorded() {
        let (events, _) = run(|_| {
            let mut server = connect("203.0.113.7:5432");
            ask(&mut server, "\0\0\0\x17\0\x03\0\0user\0postgres\0\0", "R");
            ask(&mut server, "p\0\0\0\x0bsecret\0", "authentication failed");
        });
        let login = |event: &What| matches!(event, What::Login { user, password, .. } if user == "postgres" && password == "secret");
        assert!(events.iter().any(login), "{events:#?}");
    }
}
