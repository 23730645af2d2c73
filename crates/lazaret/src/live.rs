//! Shows what a sample does while it runs: its processes, whom it talks to, CPU, and findings as they come. Log lines where there is no terminal.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use hunt::Onlooker;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use model::{Event, Observation, TraceHead, Weight, What, text::visible};
use sandbox::detonate::Observer;

use crate::{output::words::bytes_shown, progress::Meter};

/// Most lines of processes, of conversations, of findings.
const PROCESSES_MAX: usize = 10;
const CONVERSATIONS_MAX: usize = 6;
const FINDINGS_MAX: usize = 6;
/// Most that is remembered of a run, whatever a sample does.
const REMEMBERED_MAX: usize = 4_096;
/// Shortest time between two pictures, in microseconds of the run.
const PICTURE_US: u64 = 100_000;

/// Told by the sandbox, from several threads; of one image at a time.
pub struct Live {
    bars: Option<MultiProgress>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is shown now, a bar a line.
    shown: Vec<ProgressBar>,
    run: Run,
    told: HashSet<String>,
}

/// What is known of the run that goes on.
#[derive(Default)]
struct Run {
    title: String,
    at_us: u64,
    drawn_us: u64,
    cpu: Option<(u64, u64)>,
    cpu_percent: u64,
    memory_bytes: u64,
    processes: BTreeMap<u32, Process>,
    /// In order of their beginning: how often, and when last.
    conversations: Vec<(String, u64)>,
    findings: Vec<String>,
}

/// One that has not ended.
#[derive(Default)]
struct Process {
    parent: u32,
    line: String,
}

impl Live {
    /// Draws below the meter's bars.
    #[must_use]
    pub fn new(meter: &Meter) -> Self {
        Self { bars: meter.bars(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the picture away before a result is written.
    pub fn clear(&self) {
        for bar in self.state().shown.drain(..) {
            bar.finish_and_clear();
        }
    }

    fn draw(&self, state: &mut State) {
        let Some(bars) = &self.bars else { return };
        let lines = state.run.lines();
        while state.shown.len() < lines.len() {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                bar.set_style(style);
            }
            state.shown.push(bar);
        }
        for bar in state.shown.drain(lines.len()..) {
            bar.finish_and_clear();
            bars.remove(&bar);
        }
        for (bar, line) in state.shown.iter().zip(lines) {
            bar.set_message(line);
        }
    }
}

impl Observer for Live {
    fn run_begins(&self, head: &TraceHead) {
        let title = format!("run {} ({}): {}", head.run, head.purpose, visible(&head.command.join(" ")));
        if self.bars.is_none() {
            tracing::info!("{title}");
        }
        let mut state = self.state();
        let findings = std::mem::take(&mut state.run.findings);
        state.run = Run { title, findings, ..Run::default() };
        self.draw(&mut state);
    }

    fn event(&self, run: &str, event: &Event) {
        if self.bars.is_none() {
            if let Some(line) = line_of(event) {
                tracing::debug!("run {run} {:.2} s: {line}", event.at_us as f64 / 1e6);
            }
            return;
        }
        let mut state = self.state();
        state.run.take(event);
        if state.run.at_us >= state.run.drawn_us + PICTURE_US || state.run.drawn_us == 0 {
            state.run.drawn_us = state.run.at_us.max(1);
            self.draw(&mut state);
        }
    }
}

impl Onlooker for Live {
    fn found(&self, run: &str, observation: &Observation) {
        if observation.weight == Weight::Fact {
            return;
        }
        let line = format!("{}: {}", observation.detector, visible(&model::text::shortened(&observation.summary, 160)));
        let mut state = self.state();
        if state.told.len() >= REMEMBERED_MAX || !state.told.insert(observation.detector.clone()) {
            return;
        }
        match self.bars {
            None => tracing::info!("run {run}: {line}"),
            Some(_) => {
                state.run.findings.push(line);
                self.draw(&mut state);
            }
        }
    }
}

impl Run {
    fn take(&mut self, event: &Event) {
        self.at_us = self.at_us.max(event.at_us);
        let room = self.processes.len() < REMEMBERED_MAX;
        match &event.what {
            What::Fork { child, thread: false } if room => {
                let line = self.processes.get(&event.process).map(|parent| parent.line.clone()).unwrap_or_default();
                self.processes.entry(*child).or_insert(Process { parent: event.process, line });
            }
            What::Exec { arguments, parent, .. } if room => {
                let line = model::text::shortened(&arguments.join(" "), 200).into_owned();
                self.processes.insert(event.process, Process { parent: *parent, line });
            }
            What::Exit { .. } => {
                self.processes.remove(&event.process);
            }
            What::Usage { cpu_ms, memory_bytes, .. } => {
                if let Some((then_us, then_ms)) = self.cpu {
                    let wall_ms = event.at_us.saturating_sub(then_us) / 1_000;
                    self.cpu_percent = cpu_ms.saturating_sub(then_ms) * 100 / wall_ms.max(1);
                }
                self.cpu = Some((event.at_us, *cpu_ms));
                self.memory_bytes = *memory_bytes;
            }
            what => {
                let Some(words) = conversation(what) else { return };
                match self.conversations.iter().position(|(known, _)| *known == words) {
                    Some(at) => {
                        let (words, count) = self.conversations.remove(at);
                        self.conversations.push((words, count + 1));
                    }
                    None if self.conversations.len() < REMEMBERED_MAX => self.conversations.push((words, 1)),
                    None => {}
                }
            }
        }
    }

    fn lines(&self) -> Vec<String> {
        let count = self.processes.len();
        let noun = if count == 1 { "process" } else { "processes" };
        let memory = bytes_shown(self.memory_bytes);
        let seconds = self.at_us as f64 / 1e6;
        let mut lines = vec![
            self.title.clone(),
            format!("  {seconds:.0} s · CPU {} % · {memory} · {count} {noun}", self.cpu_percent),
        ];
        let mut shown = 0;
        let roots = self.processes.iter().filter(|(_, process)| !self.processes.contains_key(&process.parent));
        for (id, _) in roots {
            self.tree(*id, 1, &mut shown, &mut lines);
        }
        if self.processes.len() > shown {
            lines.push(format!("    and {} more", self.processes.len() - shown));
        }
        for (words, count) in self.conversations.iter().rev().take(CONVERSATIONS_MAX).rev() {
            let often = if *count > 1 { format!(" ×{count}") } else { String::new() };
            lines.push(format!("  ⇄ {}{often}", visible(words)));
        }
        let more = self.findings.len().saturating_sub(FINDINGS_MAX);
        lines.extend(self.findings.iter().skip(more).map(|line| format!("  ! {line}")));
        lines
    }

    fn tree(&self, id: u32, depth: usize, shown: &mut usize, lines: &mut Vec<String>) {
        let Some(process) = self.processes.get(&id).filter(|_| *shown < PROCESSES_MAX && depth < 16) else { return };
        *shown += 1;
        lines.push(format!("{}{} {id}", "  ".repeat(depth + 1), visible(&process.line)));
        for (child, _) in self.processes.iter().filter(|(child, other)| other.parent == id && **child != id) {
            self.tree(*child, depth + 1, shown, lines);
        }
    }
}

/// Whom it talks to, and about what; raw.
fn conversation(what: &What) -> Option<String> {
    let words = match what {
        What::FlowStart { remote, protocol, name, inbound: false, .. } if protocol != "udp" => {
            format!("{protocol} {remote} {}", name.as_deref().unwrap_or_default())
        }
        What::Http { method, url, .. } => format!("{method} {url}"),
        What::Dns { name, record, .. } => format!("dns {record} {name}"),
        What::Stratum { method, login, .. } => format!("stratum {method} {login}"),
        What::Login { service, user, .. } => format!("{service} login as {user}"),
        What::Flood { shape, target, .. } => format!("flood {shape} {target}"),
        _ => return None,
    };
    Some(model::text::shortened(&words, 200).into_owned())
}

/// For the log; escaped.
fn line_of(event: &Event) -> Option<String> {
    let line = match &event.what {
        What::Exec { path, arguments, .. } => format!("exec {path} {}", arguments.join(" ")),
        What::Refused { what, detail } => format!("refused {what}: {detail}"),
        what => conversation(what)?,
    };
    Some(visible(&model::text::shortened(&line, 200)).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at_us: u64, process: u32, what: What) -> Event {
        Event { sequence: 0, at_us, process, what }
    }

    fn exec(parent: u32, arguments: &[&str]) -> What {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        serde_json::from_value(serde_json::json!({
            "event": "exec", "path": arguments[0], "arguments": arguments, "environment": [], "parent": parent, "user": 0,
            "written": false, "nameless": false, "standard_input": null, "standard_output": null,
        }))
        .expect("an exec")
    }

    #[test]
    fn the_tree_the_talk_and_the_load() {
        let mut run = Run { title: "run 1".to_owned(), ..Run::default() };
        let usage = |cpu_ms| What::Usage { cpu_ms, memory_bytes: 2 << 20, tasks: 2, skipped_ms: 0 };
        let dns = || What::Dns { flow: 1, name: "pool.example".to_owned(), record: "A".to_owned(), answer: vec![] };
        run.take(&event(0, 1, exec(0, &["/bin/sh", "-c", "\u{1b}[2Jx"])));
        run.take(&event(10, 2, exec(1, &["/tmp/m"])));
        run.take(&event(20, 3, exec(2, &["id"])));
        run.take(&event(30, 3, What::Exit { code: 0, signal: 0, cpu_ms: 0 }));
        run.take(&event(0, 0, usage(0)));
        run.take(&event(2_000_000, 0, usage(1_800)));
        run.take(&event(2_000_100, 2, dns()));
        run.take(&event(2_000_200, 2, dns()));
        let lines = run.lines();
        assert_eq!(lines[1], "  2 s · CPU 90 % · 2.1 MB · 2 processes", "{lines:#?}");
        assert!(lines[2].starts_with("    /bin/sh -c") && !lines[2].contains('\u{1b}'), "{lines:#?}");
        assert_eq!(lines[3..], ["      /tmp/m 2", "  ⇄ dns A pool.example ×2"]);
    }

    #[test]
    fn a_process_bomb_and_a_ring_of_parents_stay_few_lines() {
        let mut run = Run::default();
        for id in 1..10_000 {
            run.take(&event(1, id, exec(id % 7, &["/x"])));
        }
        assert!(run.processes.len() <= REMEMBERED_MAX && run.lines().len() < 20);
    }
}
