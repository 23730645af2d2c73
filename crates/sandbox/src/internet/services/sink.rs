//! Any other TCP service: hears what comes, and gives a shell that was connected to us a few harmless commands to answer.
//!
//! A reverse shell shows itself by answering `id`; a bot with a protocol of its own only gets a line it does not know.

use super::super::service::{Service, Talk};

/// What is asked, one after the other: it reads, and changes nothing.
const COMMANDS: [&str; 4] = ["id\n", "uname -a\n", "pwd\n", "ls -la /\n"];
/// Pieces of what was said that are recorded one by one.
const PIECES_MAX: usize = 64;

/// One connection to nobody in particular.
#[derive(Default)]
pub(in super::super) struct Sink {
    asked: usize,
    recorded: usize,
}

impl Sink {
    fn ask(&mut self, talk: &mut Talk<'_>) {
        if let Some(command) = COMMANDS.get(self.asked) {
            self.asked += 1;
            talk.say(command);
        }
    }
}

impl Service for Sink {
    fn begin(&mut self, talk: &mut Talk<'_>) {
        self.ask(talk);
    }

    fn read(&mut self, input: &mut Vec<u8>, talk: &mut Talk<'_>) {
        let text = String::from_utf8_lossy(input).into_owned();
        input.clear();
        if self.recorded < PIECES_MAX {
            self.recorded += 1;
            // What answers a command is a shell's; the rest is of a protocol we do not know.
            let service = if self.asked > 0 { "shell" } else { "sink" };
            talk.message(service, &text);
        }
        let prompt = text.trim_end_matches(' ');
        if self.asked == 0 && (prompt.ends_with('$') || prompt.ends_with('#') || text.contains("sh: ")) {
            self.ask(talk);
        }
    }

    fn quiet(&mut self, talk: &mut Talk<'_>) {
        self.ask(talk);
    }
}
