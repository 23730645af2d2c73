//! The part of a page about what an image did when it ran.

use std::collections::{HashMap, HashSet};

use maud::{Markup, html};
use model::{CapturedFile, Event, Finding, Location, ScanReport, Trace, What, text};

use super::{
    deeds::{Conversation, conversations, ended, exited, figures, head_shown, milliseconds, moment, purpose, told},
    picture::anchor,
    table::serde_word,
    timeline::timeline,
    words::{bytes_shown, counted, counts},
};

/// Runs shown; a recording can hold many.
const RUNS_MAX: usize = 16;
/// Processes of one run listed.
const PROCESSES_MAX: usize = 200;
/// Events of one run listed: those that findings name, then the first.
const EVENTS_MAX: usize = 400;
/// Files of one run listed.
const FILES_MAX: usize = 200;
/// Lines of any other list.
const LINES_MAX: usize = 50;
/// Longest text of a cell, in characters.
const CELL_CHARS_MAX: usize = 400;

/// Text of a sample: visible, bounded.
fn shown(text: &str) -> String {
    text::shortened(&text::visible(text), CELL_CHARS_MAX).into_owned()
}

fn event_anchor(number: usize, place: usize, sequence: u64) -> String {
    format!("image-{number}-run-{}-event-{sequence}", place + 1)
}

fn file_anchor(number: usize, place: usize, row: usize) -> String {
    format!("image-{number}-run-{}-file-{}", place + 1, row + 1)
}

/// Where the page shows the event or the file that a finding is about.
pub struct Targets<'a> {
    events: HashMap<(&'a str, u64), String>,
    files: HashMap<(&'a str, &'a str), String>,
}

impl<'a> Targets<'a> {
    /// Of image `number` of the page.
    #[must_use]
    pub fn of(report: &'a ScanReport, number: usize) -> Self {
        let mut targets = Self { events: HashMap::new(), files: HashMap::new() };
        for (place, trace) in report.runs.iter().take(RUNS_MAX).enumerate() {
            let run = trace.head.run.as_str();
            let evidence = evidence(report, trace);
            for line in lines(trace, &evidence).0.iter().filter(|line| evidence.contains_key(&line.event.sequence)) {
                let sequence = line.event.sequence;
                targets.events.entry((run, sequence)).or_insert_with(|| event_anchor(number, place, sequence));
            }
            for (row, file) in trace.end.files.iter().take(FILES_MAX).enumerate() {
                targets.files.entry((run, &file.path)).or_insert_with(|| file_anchor(number, place, row));
            }
        }
        targets
    }

    /// The id of that place, if the page has it.
    #[must_use]
    pub fn get<'b>(&'b self, finding: &'b Finding) -> Option<&'b str> {
        match &finding.location {
            Location::Event { run, sequence } => self.events.get(&(run.as_str(), *sequence)).map(String::as_str),
            Location::Captured { run, path, .. } => self.files.get(&(run.as_str(), path.as_str())).map(String::as_str),
            _ => None,
        }
    }
}

/// The findings that name an event of `trace`, by its number.
fn evidence<'a>(report: &'a ScanReport, trace: &Trace) -> HashMap<u64, Vec<&'a Finding>> {
    let mut found: HashMap<u64, Vec<&Finding>> = HashMap::new();
    for finding in &report.findings {
        if let Location::Event { run, sequence } = &finding.location
            && *run == trace.head.run
        {
            found.entry(*sequence).or_default().push(finding);
        }
    }
    found
}

/// Every run, in order.
#[must_use]
pub fn runs(report: &ScanReport, number: usize) -> Markup {
    html! {
        @for (place, trace) in report.runs.iter().take(RUNS_MAX).enumerate() {
            (run(report, trace, number, place))
        }
        @if report.runs.len() > RUNS_MAX {
            p.soft { "… and " (counted(report.runs.len() - RUNS_MAX, "run")) " more, which --format json lists." }
        }
    }
}

fn run(report: &ScanReport, trace: &Trace, number: usize, place: usize) -> Markup {
    let found = evidence(report, trace);
    let at = |sequence: &u64| {
        let index = trace.events.binary_search_by_key(sequence, |event| event.sequence).ok()?;
        trace.events.get(index).map(|event| event.at_us)
    };
    let marks: Vec<(u64, &Finding)> = found
        .iter()
        .filter_map(|(sequence, findings)| at(sequence).map(|at| (at, findings)))
        .flat_map(|(at, findings)| findings.iter().filter(|finding| counts(finding)).map(move |&finding| (at, finding)))
        .collect();
    html! {
        section.run id=(format!("image-{number}-run-{}", place + 1)) {
            h2 { "Run " (place + 1) " " small { (shown(&purpose(trace))) } }
            p { code { (shown(&trace.head.command.join(" "))) } " " (shown(&ended(&trace.end.reason))) "." }
            @if !trace.events.is_empty() {
                (chips(trace))
                (timeline(trace, &marks, number, place))
                (tree(trace))
                (talks(trace))
                (files(report, trace, number, place))
                (events(trace, &found, number, place))
            }
            (limits(trace))
        }
    }
}

fn chips(trace: &Trace) -> Markup {
    let (head, end) = (&trace.head, &trace.end);
    html! {
        ul.chips {
            @for figure in figures(trace) { li { (figure) } }
            li { (milliseconds(end.cpu_ms)) " of processor time" }
            li { (end.packets_out) " packets out, " (end.packets_in) " in" }
            li { (shown(&format!("{} sandbox, {} sensor, {} network", head.isolation, head.sensor, head.network))) }
            @if head.sleeps_skipped { li { "sleeps cut short" } }
            @if end.escapes_refused > 0 { li.bad { (end.escapes_refused) " refused on the way out" } }
            @if end.events_lost > 0 { li { (end.events_lost) " of " (end.events_seen) " events lost" } }
        }
    }
}

/// One line of the tree: a process, or several alike that follow each other.
struct Branch<'a> {
    node: &'a behaviour::tree::Node,
    times: usize,
}

fn tree(trace: &Trace) -> Markup {
    let tree = behaviour::tree::tree(&trace.events);
    let mut branches: Vec<Branch<'_>> = Vec::new();
    let mut left_out = tree.more;
    for node in &tree.nodes {
        let alike = |known: &behaviour::tree::Node| {
            let lines =
                |node: &behaviour::tree::Node| node.programs.iter().map(|ran| ran.line.clone()).collect::<Vec<_>>();
            known.depth == node.depth && known.exit == node.exit && lines(known) == lines(node)
        };
        let repeated = branches.last_mut().filter(|last| alike(last.node));
        if let Some(last) = repeated {
            last.times += 1;
        } else if branches.len() < PROCESSES_MAX {
            branches.push(Branch { node, times: 1 });
        } else {
            left_out += 1;
        }
    }
    html! {
        @if !branches.is_empty() {
            h3 { "Processes" }
            div.scroll {
                ul.tree {
                    @for Branch { node, times } in &branches {
                        li style=(format!("--depth:{}", node.depth.min(24))) {
                            span.pid { (node.pid) } " "
                            @if node.programs.is_empty() { span.soft { "a copy of its parent" } }
                            @for (number, ran) in node.programs.iter().enumerate() {
                                @if number > 0 { span.soft { " then " } }
                                code { (shown(if ran.line.is_empty() { &ran.path } else { &ran.line })) }
                                @if ran.written { " " b.tag { "written in the run" } }
                                @if ran.nameless { " " b.tag { "in no folder" } }
                            }
                            @if *times > 1 { " " b { "× " (times) } }
                            " " span.soft { (life(node)) }
                        }
                    }
                    @if left_out > 0 { li.soft { "… and " (left_out) " more" } }
                }
            }
        }
    }
}

fn life(node: &behaviour::tree::Node) -> String {
    let begun = milliseconds(node.started_us / 1_000);
    match (node.ended_us, node.exit) {
        (Some(end), Some(exit)) => {
            let (code, signal) = if exit < 0 { (0, exit.saturating_neg()) } else { (exit, 0) };
            let lasted = milliseconds(end.saturating_sub(node.started_us) / 1_000);
            if exit == 0 {
                format!("at {begun} for {lasted}")
            } else {
                format!("at {begun} for {lasted}, {}", exited(code, signal))
            }
        }
        _ => format!("at {begun}"),
    }
}

fn talks(trace: &Trace) -> Markup {
    let talks = conversations(&trace.events);
    html! {
        @if !talks.list.is_empty() {
            h3 { "Network " small { "all of it simulated: nothing left this machine" } }
            table.wide {
                thead { tr { th { "At" } th { "With" } th { "Bytes" } th { "What was said" } } }
                tbody { @for talk in &talks.list { (conversation(talk)) } }
            }
            @if talks.more > 0 { p.soft { "… and " (counted(talks.more, "conversation")) " more." } }
        }
    }
}

fn conversation(talk: &Conversation<'_>) -> Markup {
    let head = head_shown(talk.head);
    html! {
        tr {
            td.soft { (moment(talk.begun_us)) }
            td {
                @if let Some(name) = talk.name { b.mono { (shown(name)) } br; }
                span.mono { (shown(talk.protocol)) " " (shown(talk.remote)) }
                @if !talk.service.is_empty() { br; span.tag { (shown(talk.service)) } }
                @if talk.inbound { " " span.soft { "we called" } }
                @if !talk.accepted { " " span.soft { "closed port" } }
                @if talk.times > 1 { " " b { "× " (talk.times) } }
            }
            td.soft { (bytes_shown(talk.bytes_out)) " out" br; (bytes_shown(talk.bytes_in)) " in" }
            td {
                @if !talk.canaries.is_empty() {
                    p { b.tag.bad { "decoys stolen" } " " (shown(&talk.canaries.iter().copied().collect::<Vec<_>>().join(", "))) }
                }
                @for (_, line, times) in &talk.asked {
                    p.mono { (shown(line)) @if *times > 1 { " " b { "× " (times) } } }
                }
                @if talk.asked_more > 0 { p.soft { "… and " (talk.asked_more) " more" } }
                @if !head.is_empty() && talk.service != "dns" { pre.head { (shown_lines(&head)) } }
            }
        }
    }
}

/// The same with its line breaks.
fn shown_lines(text: &str) -> String {
    let cut = text::shortened(text, CELL_CHARS_MAX);
    cut.lines().map(text::visible).collect::<Vec<_>>().join("\n")
}

fn files(report: &ScanReport, trace: &Trace, number: usize, place: usize) -> Markup {
    let files = &trace.end.files;
    let mut found: HashMap<&str, Vec<&Finding>> = HashMap::new();
    for finding in report.findings.iter().filter(|finding| counts(finding)) {
        if let Location::Captured { run, path, .. } = &finding.location
            && *run == trace.head.run
        {
            found.entry(path).or_default().push(finding);
        }
    }
    let mut told = HashSet::new();
    html! {
        @if !files.is_empty() {
            h3 { "Files it wrote or ran" }
            table.wide {
                thead { tr { th { "File" } th { "Size" } th { "SHA-256" } th { "Found in it" } } }
                tbody {
                    @for (row, file) in files.iter().take(FILES_MAX).enumerate() {
                        tr id=(file_anchor(number, place, row)) {
                            td { b.mono { (shown(&file.path)) } (fate(file)) }
                            td.soft { (bytes_shown(file.size)) br; (format!("{:o}", file.mode)) }
                            td.mono { (file.sha256.hex()) }
                            td {
                                @if told.insert(file.path.as_str()) {
                                    @for finding in found.get(file.path.as_str()).into_iter().flatten().take(LINES_MAX) { (link(finding, number)) }
                                }
                            }
                        }
                    }
                }
            }
            @if files.len() > FILES_MAX { p.soft { "… and " (counted(files.len() - FILES_MAX, "file")) " more." } }
        }
    }
}

fn fate(file: &CapturedFile) -> Markup {
    html! {
        @if file.executed { " " b.tag.bad { "run" } }
        @if file.deleted { " " span.tag { "deleted" } }
        @if let Some(cut) = &file.cut { " " span.tag { "cut: " (serde_word(cut)) } }
    }
}

fn link(finding: &Finding, number: usize) -> Markup {
    let seen = &finding.observation;
    html! {
        p class=(seen.severity.word()) {
            a.found href=(format!("#{}", anchor(finding, number))) { (shown(&seen.title)) }
        }
    }
}

/// One line of the list of events: one, or several alike that follow each other.
struct Line<'a> {
    event: &'a Event,
    words: String,
    times: usize,
}

/// The lines to show, and how many were left out.
fn lines<'a>(trace: &'a Trace, evidence: &HashMap<u64, Vec<&Finding>>) -> (Vec<Line<'a>>, usize) {
    let decoys: HashSet<&str> = trace.head.canaries.iter().filter_map(|canary| canary.path.as_deref()).collect();
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut ids = HashSet::new();
    for event in &trace.events {
        let is_evidence = evidence.contains_key(&event.sequence);
        // A recording from elsewhere may give a number twice.
        if !is_evidence && is_dull(&event.what, &decoys) || !ids.insert(event.sequence) {
            continue;
        }
        let words = told(&event.what);
        match lines.last_mut() {
            Some(last)
                if !is_evidence
                    && !evidence.contains_key(&last.event.sequence)
                    && last.event.process == event.process
                    && last.words == words =>
            {
                last.times += 1;
            }
            _ => lines.push(Line { event, words, times: 1 }),
        }
    }
    let all = lines.len();
    let mut room = EVENTS_MAX.saturating_sub(evidence.len().min(EVENTS_MAX));
    let mut of_evidence = EVENTS_MAX;
    lines.retain(|line| {
        let counter = if evidence.contains_key(&line.event.sequence) { &mut of_evidence } else { &mut room };
        let fits = *counter > 0;
        *counter = counter.saturating_sub(1);
        fits
    });
    let left_out = all - lines.len();
    (lines, left_out)
}

/// What every program does, and what another event tells better.
fn is_dull(what: &What, decoys: &HashSet<&str>) -> bool {
    match what {
        What::Open { path, write: false, .. } => !decoys.contains(path.as_str()),
        What::Clock { .. } | What::Usage { .. } | What::Socket { .. } | What::Fork { .. } | What::FlowEnd { .. } => {
            true
        }
        What::Open { .. } | What::Exit { .. } | What::SendTo { .. } | What::ExecFailed { result: -2, .. } => true,
        What::Connect { result, .. } => *result >= 0 || *result == -115,
        What::Sleep { asked_ms, .. } => *asked_ms < 1_000,
        _ => false,
    }
}

fn events(trace: &Trace, evidence: &HashMap<u64, Vec<&Finding>>, number: usize, place: usize) -> Markup {
    let (lines, left_out) = lines(trace, evidence);
    html! {
        @if !lines.is_empty() {
            h3 { "What happened " small { "evidence is marked; " code { "--record" } " writes all of it" } }
            div.scroll {
                table.events {
                    tbody {
                        @for line in &lines {
                            @let found = evidence.get(&line.event.sequence);
                            tr id=(event_anchor(number, place, line.event.sequence)) class=[found.map(|_| "evidence")] {
                                td.soft { (line.event.sequence) }
                                td.soft { (moment(line.event.at_us)) }
                                td.soft { @if line.event.process > 0 { (line.event.process) } }
                                td {
                                    span.mono { (shown(&line.words)) }
                                    @if line.times > 1 { " " b { "× " (line.times) } }
                                    @for finding in found.into_iter().flatten().take(LINES_MAX) { (link(finding, number)) }
                                }
                            }
                        }
                    }
                }
            }
            @if left_out > 0 { p.soft { "… and " (left_out) " more." } }
        }
    }
}

/// What a reader must know to trust the rest.
fn limits(trace: &Trace) -> Markup {
    let end = &trace.end;
    let mut lines: Vec<String> = end.problems.clone();
    if end.events_lost > 0 {
        lines.push(format!("{} of {} events were lost on the way", end.events_lost, end.events_seen));
    }
    if end.packets_lost > 0 {
        lines.push(format!("{} packets were lost in the queue", end.packets_lost));
    }
    if end.events_folded > 0 {
        lines.push(format!("{} repetitions were counted and not kept one by one", end.events_folded));
    }
    lines.extend(trace.head.blind_spots.iter().cloned());
    html! {
        @if !lines.is_empty() {
            details {
                summary { "What this run could not see (" (lines.len()) ")" }
                ul { @for line in lines.iter().take(LINES_MAX) { li { (shown(line)) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    #[test]
    fn the_page_of_a_run_reads_as_shown() {
        let page = runs(&testing::ran(), 0).into_string();
        insta::assert_snapshot!(page.replace("><", ">\n<"));
    }

    #[test]
    fn a_finding_leads_to_its_event_and_its_file() {
        let report = testing::ran();
        let targets = Targets::of(&report, 4);
        let ids: Vec<_> = report.findings.iter().map(|finding| targets.get(finding)).collect();
        assert_eq!(ids[0], None, "that one is in a layer");
        assert_eq!(ids[1], Some("image-4-run-1-event-18"));
        assert_eq!(ids[4], Some("image-4-run-1-file-1"));
        let page = runs(&report, 4).into_string();
        for id in ids.into_iter().flatten() {
            assert_eq!(page.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}");
        }
    }

    #[test]
    fn two_hundred_thousand_events_stay_a_page() {
        let mut report = testing::ran();
        let template = report.runs[0].events[13].clone();
        report.runs[0].events = (1..=200_000)
            .map(|sequence| {
                let what = What::Unlink { path: format!("/x/{sequence}"), result: 0 };
                Event { sequence, what, ..template.clone() }
            })
            .collect();
        let page = runs(&report, 0).into_string();
        assert!(page.len() < 400_000, "{}", page.len());
        assert!(page.contains("image-0-run-1-event-32\""), "evidence stays");
    }
}
