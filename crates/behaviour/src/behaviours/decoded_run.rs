//! Sees a script run that was hidden in an encoding.
//!
//! - Sees: `base64 -d | sh` and its likes with other decoders and decrypters; a script file such a tool wrote, given to an interpreter.
//! - Misses: what a program decodes in its own memory.
//! - False alarms: settings that carry a start script in base64 on purpose.
//! - Source: ATT&CK T1027.010, T1140.

use model::{Category, Confidence, Maturity, Severity, Weight};

use crate::{About, Behaviour, Judge, Match, programs::Program, provenance::Provenance, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "decoded-run",
        title: "Runs a script it decoded",
        category: Category::Backdoor,
        weight: Weight::Sign,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1027.010", "T1140"],
    },
    judge: Judge::Run(judge),
};

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found = Vec::new();
    for program in story.programs().filter(Program::is_interpreter) {
        let Some(life) = story.life_at(program.at) else { continue };
        let told =
            |how: &str| Match::new(program.at, format!("{} runs {how}", model::text::shortened(&program.line(), 80)));
        if program.obeys_input()
            && let Some(decoder) = story
                .piped_from(life)
                .into_iter()
                .find_map(|other| story.own_programs(other).find(|other| other.is_decoder() && decodes(other)))
        {
            found.push(told(&format!("what {} decoded", decoder.tool())));
        } else if let Some(path) = program.script().and_then(|script| story.written_path(script))
            && found.len() < 8
            && matches!(story.provenance(path), Provenance::Decoded(_))
        {
            found.push(told("a file that was decoded"));
        }
    }
    found
}

fn decodes(program: &Program<'_>) -> bool {
    match program.tool() {
        "base64" | "base32" | "basenc" => program
            .arguments
            .iter()
            .skip(1)
            .any(|option| option == "--decode" || option.starts_with('-') && option.contains(['d', 'D'])),
        "openssl" => program.has(&["-d"]),
        "xxd" => program.arguments.iter().skip(1).any(|option| option.starts_with('-') && option.contains('r')),
        "od" | "hexdump" => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use model::Stream;

    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_decoder_in_front_of_a_shell() {
        let mut run = Run::new();
        run.spawn_with(1, "/usr/bin/base64", &["base64", "-d"], Stream::Pipe, Stream::Pipe);
        run.spawn_with(1, "/bin/bash", &["bash"], Stream::Pipe, Stream::File);
        hit(&BEHAVIOUR, run, Weight::Sign, "what base64 decoded");
    }

    #[test]
    fn a_decrypted_script() {
        let mut run = Run::new();
        let openssl = run.spawn(1, "/usr/bin/openssl", &["openssl", "enc", "-d", "-out", "/tmp/s"]);
        run.write(openssl, "/tmp/s", b"#!/bin/sh");
        run.spawn(1, "/bin/sh", &["sh", "/tmp/s"]);
        hit(&BEHAVIOUR, run, Weight::Sign, "a file that was decoded");
    }

    #[test]
    fn a_password_that_is_encoded_is_none() {
        let mut run = Run::new();
        run.spawn_with(1, "/usr/bin/openssl", &["openssl", "rand", "-base64", "32"], Stream::File, Stream::Pipe);
        run.spawn_with(1, "/usr/bin/tr", &["tr", "-d", "="], Stream::Pipe, Stream::Pipe);
        run.spawn_with(1, "/usr/bin/base64", &["base64", "-w0"], Stream::Pipe, Stream::Pipe);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn a_decoded_certificate_is_none() {
        let mut run = Run::new();
        let base64 = run.spawn(1, "/usr/bin/base64", &["base64", "-d"]);
        run.write(base64, "/etc/ssl/key.pem", b"-----BEGIN");
        run.spawn(1, "/usr/sbin/nginx", &["nginx", "-g", "daemon off;"]);
        miss(&BEHAVIOUR, run);
    }
}
