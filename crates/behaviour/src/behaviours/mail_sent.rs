//! Sees mail sent to many.
//!
//! - Sees: many different recipients told to mail servers of others.
//! - Misses: mail through web services.
//! - False alarms: mail servers with a full queue, mailing lists: by their programs one step lower.
//! - Source: RFC 5321; ATT&CK T1566, T1534.

use std::collections::BTreeSet;

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, programs::Program, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "mail-sent",
        title: "Sends mail to many",
        category: Category::Spam,
        weight: Weight::Proof,
        severity: Severity::Medium,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1566"],
    },
    judge: Judge::Run(judge),
};

/// Fewest recipients.
const RECIPIENTS_MIN: usize = 10;
const SERVERS: &[&str] = &[
    "smtp",
    "qmgr",
    "master",
    "exim4",
    "exim",
    "sendmail",
    "smtpd",
    "opensmtpd",
    "qmail-remote",
    "msmtp",
    "postfix",
    "maddy",
    "stalwart",
    "haraka",
    "james",
    "mailman",
    "sympa",
    "listmonk",
    "mlmmj-send",
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut recipients: BTreeSet<&str> = BTreeSet::new();
    let mut hosts: BTreeSet<model::Indicator> = BTreeSet::new();
    let mut last = None;
    for (at, event) in story.events() {
        let What::Message { flow, service, text } = &event.what else { continue };
        if service != "smtp" && service != "submission" && service != "smtps" {
            continue;
        }
        let Some(to) = text.get(..8).filter(|word| word.eq_ignore_ascii_case("RCPT TO:")).and_then(|_| text.get(8..))
        else {
            continue;
        };
        recipients.insert(to.trim());
        last = Some(at);
        if hosts.len() < 32 {
            hosts.extend(story.flow(*flow).map(indicators::host));
        }
    }
    let Some(at) = last.filter(|_| recipients.len() >= RECIPIENTS_MIN) else { return Vec::new() };
    let server = story.programs().any(|program: Program<'_>| program.is(SERVERS) && !program.written);
    let told = Match::new(at, format!("{} recipients at {} mail servers", recipients.len(), hosts.len())).with(hosts);
    vec![if server { told.sign() } else { told }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    fn mails(run: &mut Run, count: usize) {
        for number in 0..count {
            run.messages(
                1,
                &format!("198.51.100.{}:25", number % 5 + 1),
                "smtp",
                &["EHLO x", "MAIL FROM:<a@b.example>", &format!("RCPT TO:<u{number}@c.example>"), "DATA"],
            );
        }
    }

    #[test]
    fn a_script_that_writes_to_many() {
        let mut run = Run::of("/usr/bin/python3", &["python3", "/app/m.py"]);
        mails(&mut run, 30);
        hit(&BEHAVIOUR, run, Weight::Proof, "30 recipients at 5 mail servers");
    }

    #[test]
    fn a_mail_server_one_step_lower() {
        let mut run = Run::of("/usr/lib/postfix/sbin/master", &["master"]);
        mails(&mut run, 12);
        hit(&BEHAVIOUR, run, Weight::Sign, "12 recipients");
    }

    #[test]
    fn a_few_notices_are_none() {
        let mut run = Run::new();
        mails(&mut run, 5);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn one_recipient_again_and_again_is_none() {
        let mut run = Run::new();
        for _ in 0..50 {
            run.messages(1, "198.51.100.1:25", "smtp", &["RCPT TO:<admin@c.example>"]);
        }
        miss(&BEHAVIOUR, run);
    }
}
