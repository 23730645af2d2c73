//! A picture of one run: when it ran what, talked to whom, wrote where, and what was found in that.
//!
//! Places along the time are percentages and everything else is pixels: the picture is as wide as the page, and its text stays
//! readable on a phone, without a script.

use maud::{Markup, html};
use model::{Finding, Severity, Trace, What, text};

use super::{
    deeds::{Conversation, conversations, milliseconds, told},
    picture::anchor,
    words::{bytes_shown, counted},
};

/// Processes drawn; those that run what the sample wrote come first, then the longest.
const PROCESSES_MAX: usize = 12;
/// Conversations drawn.
const CONVERSATIONS_MAX: usize = 10;
/// Floods and sweeps drawn.
const FLOODS_MAX: usize = 6;
/// Findings drawn above each other; more of them cover each other.
const LEVELS_MAX: usize = 4;
/// Ticks of one kind: one each so many per mille of the time at most.
const TICK_PER_MILLE: u64 = 4;
/// Seconds of processor use drawn.
const USAGES_MAX: usize = 400;
const LABEL_CHARS_MAX: usize = 90;

const HEAD_HEIGHT: usize = 22;
const ROW_HEIGHT: usize = 20;
const BAR_HEIGHT: usize = 15;
const MARK_HEIGHT: usize = 20;
const FILES_HEIGHT: usize = 16;
const CPU_HEIGHT: usize = 34;

/// The time of one run, as shares of the picture's width.
struct Scale {
    end_us: u64,
}

impl Scale {
    /// In percent, with room for a mark at both ends.
    fn at(&self, us: u64) -> f64 {
        1.2 + 97.6 * (us.min(self.end_us) as f64 / self.end_us as f64)
    }

    fn x(&self, us: u64) -> String {
        format!("{:.2}%", self.at(us))
    }

    fn width(&self, from: u64, to: u64) -> String {
        format!("{:.2}%", (self.at(to) - self.at(from)).max(0.5))
    }

    /// Round times to write below the picture.
    fn ticks(&self) -> Vec<u64> {
        let mut step = 1_000;
        for factor in [2, 5, 2].into_iter().chain([2, 5, 2].into_iter().cycle()) {
            // At most seven fit beside each other on a phone.
            if self.end_us / step < 7 {
                break;
            }
            let digits = if factor == 5 { step / 2 * 5 } else { step * factor };
            step = digits;
        }
        (0..=self.end_us / step).map(|number| number * step).collect()
    }
}

/// The picture of run `place` of image `number`. `findings` are those that name one of its events, with that event's time.
#[must_use]
pub fn timeline(trace: &Trace, findings: &[(u64, &Finding)], number: usize, place: usize) -> Markup {
    let last = trace.events.iter().map(|event| event.at_us).max().unwrap_or(0);
    let scale = Scale { end_us: trace.end.duration_ms.saturating_mul(1_000).max(last).max(1_000) };
    let (mut top, mut lanes) = (0, Vec::new());
    for (drawn, height) in [
        found(findings, &scale, number),
        processes(trace, &scale),
        network(trace, &scale),
        files(trace, &scale),
        processor(trace, &scale),
    ] {
        if height > 0 {
            lanes.push(html! { svg y=(top) width="100%" height=(height) { (drawn) } });
            top += height + 6;
        }
    }
    let ticks = scale.ticks();
    let title = format!("image-{number}-run-{}-timeline", place + 1);
    html! {
        svg.timeline width="100%" height=(top + 20) role="img" aria-labelledby=(title) xmlns="http://www.w3.org/2000/svg" {
            title id=(title) {
                "What run " (place + 1) " did over " (milliseconds(scale.end_us / 1_000)) ": processes, network, files and processor, with "
                (counted(findings.len(), "finding"))
            }
            @for &tick in &ticks {
                line.grid x1=(scale.x(tick)) x2=(scale.x(tick)) y1="0" y2=(top) {}
                text.tick x=(scale.x(tick)) y=(top + 14) text-anchor=(if tick == 0 { "start" } else if scale.at(tick) > 94.0 { "end" } else { "middle" }) {
                    (milliseconds(tick / 1_000))
                }
            }
            @for lane in &lanes { (lane) }
        }
    }
}

fn heading(text: &str) -> Markup {
    html! { text.lane x="0" y="14" { (text) } }
}

/// Diamonds above each other where they are close.
fn found(findings: &[(u64, &Finding)], scale: &Scale, number: usize) -> (Markup, usize) {
    let mut sorted = findings.to_vec();
    sorted.sort_by_key(|(at, finding)| (*at, std::cmp::Reverse(finding.observation.severity)));
    let mut free = [f64::MIN; LEVELS_MAX];
    let mut levels = 0;
    let marks: Vec<_> = sorted
        .iter()
        .map(|(at, finding)| {
            let x = scale.at(*at);
            // 4 % are 12 pixels where the page is 300 wide.
            let level = free.iter().position(|taken| x - taken >= 4.0).unwrap_or(LEVELS_MAX - 1);
            free[level] = x;
            levels = levels.max(level + 1);
            let y = HEAD_HEIGHT + level * MARK_HEIGHT + MARK_HEIGHT / 2;
            let seen = &finding.observation;
            let title = format!("{}: {} ({} in)", seen.severity, text::visible(&seen.title), milliseconds(at / 1_000));
            html! {
                a href=(format!("#{}", anchor(finding, number))) {
                    svg.over x=(scale.x(*at)) y=(y) {
                        path class=(format!("mark {}", seen.severity.word())) d="M0 -8 L8 0 L0 8 L-8 0 Z" { title { (title) } }
                    }
                }
            }
        })
        .collect();
    if marks.is_empty() {
        return (html! {}, 0);
    }
    let worst = sorted.iter().map(|(_, finding)| finding.observation.severity).max().unwrap_or(Severity::Info);
    let words = format!("{}, the worst {worst}", counted(marks.len(), "finding"));
    (html! { (heading(&words)) @for mark in &marks { (mark) } }, HEAD_HEIGHT + levels * MARK_HEIGHT)
}

/// One row: a bar from `from` to `to`, and words at its beginning, or before it where it begins late.
fn bar(row: usize, class: &str, (from, to): (u64, u64), words: &str, ticks: &[u64], scale: &Scale) -> Markup {
    let top = HEAD_HEIGHT + row * ROW_HEIGHT;
    let late = scale.at(from) > 60.0;
    let shown = text::visible(words);
    let shown = text::shortened(&shown, LABEL_CHARS_MAX);
    html! {
        g {
            title { (shown) ", " (milliseconds(from / 1_000)) " to " (milliseconds(to / 1_000)) }
            rect class=(class) x=(scale.x(from)) y=(top) width=(scale.width(from, to)) height=(BAR_HEIGHT) rx="3" {}
            @for tick in ticks {
                rect.moment x=(scale.x(*tick)) y=(top) width="2" height=(BAR_HEIGHT) {}
            }
            text.words x=(scale.x(from)) y=(top + 12) dx=(if late { -5 } else { 5 }) text-anchor=(if late { "end" } else { "start" }) { (shown) }
        }
    }
}

fn processes(trace: &Trace, scale: &Scale) -> (Markup, usize) {
    let tree = behaviour::tree::tree(&trace.events);
    let all = tree.nodes.len() + tree.more;
    let life =
        |node: &behaviour::tree::Node| (node.started_us, node.ended_us.unwrap_or(scale.end_us).max(node.started_us));
    let own = |node: &behaviour::tree::Node| node.programs.iter().any(|ran| ran.written || ran.nameless);
    let mut chosen: Vec<_> = tree.nodes.iter().enumerate().filter(|(_, node)| !node.programs.is_empty()).collect();
    chosen.sort_by_key(|(place, node)| {
        let (from, to) = life(node);
        (std::cmp::Reverse((own(node), *place == 0, to - from)), *place)
    });
    chosen.truncate(PROCESSES_MAX);
    chosen.sort_by_key(|(place, _)| *place);
    if chosen.is_empty() {
        return (html! {}, 0);
    }
    let rest = all.saturating_sub(chosen.len());
    let plural = if all == 1 { "process" } else { "processes" };
    let words = if rest > 0 { format!("{all} {plural}, {rest} not drawn") } else { format!("{all} {plural}") };
    let drawn = html! {
        (heading(&words))
        @for (row, (_, node)) in chosen.iter().enumerate() {
            @let line = node.programs.iter().map(|ran| ran.line.as_str()).collect::<Vec<_>>().join(" → ");
            (bar(row, if own(node) { "bar own" } else { "bar" }, life(node), &format!("{} {line}", node.pid), &[], scale))
        }
    };
    (drawn, HEAD_HEIGHT + chosen.len() * ROW_HEIGHT)
}

fn network(trace: &Trace, scale: &Scale) -> (Markup, usize) {
    let talks = conversations(&trace.events);
    let mut chosen: Vec<&Conversation<'_>> = talks.list.iter().collect();
    chosen.sort_by_key(|talk| {
        (talk.canaries.is_empty(), talk.service == "dns", std::cmp::Reverse(talk.bytes_out), talk.event)
    });
    chosen.truncate(CONVERSATIONS_MAX);
    chosen.sort_by_key(|talk| talk.event);
    let floods: Vec<_> = trace
        .events
        .iter()
        .filter_map(|event| match &event.what {
            What::Flood { over_ms, .. } | What::Sweep { over_ms, .. } => {
                let over = over_ms.saturating_mul(1_000);
                Some(((event.at_us.saturating_sub(over), event.at_us), told(&event.what)))
            }
            _ => None,
        })
        .take(FLOODS_MAX)
        .collect();
    let rows = chosen.len() + floods.len();
    if rows == 0 {
        return (html! {}, 0);
    }
    let drawn_count: usize = chosen.iter().map(|talk| talk.times).sum();
    let rest = talks.count.saturating_sub(drawn_count);
    let mut words = counted(talks.count, "conversation");
    if rest > 0 {
        words.push_str(&format!(", {rest} not drawn"));
    }
    let moment = |sequence: &u64| {
        let at = trace.events.binary_search_by_key(sequence, |event| event.sequence).ok()?;
        trace.events.get(at).map(|event| event.at_us)
    };
    let drawn = html! {
        (heading(&words))
        @for (row, talk) in chosen.iter().enumerate() {
            @let ticks = talk.asked.iter().filter_map(|(sequence, ..)| moment(sequence)).collect::<Vec<_>>();
            @let life = (talk.begun_us, talk.ended_us.unwrap_or(scale.end_us).max(talk.begun_us));
            (bar(row, if talk.canaries.is_empty() { "bar net" } else { "bar own" }, life, &partner(talk), &ticks, scale))
        }
        @for (row, (life, words)) in floods.iter().enumerate() {
            (bar(chosen.len() + row, "bar own", *life, words, &[], scale))
        }
    };
    (drawn, HEAD_HEIGHT + rows * ROW_HEIGHT)
}

fn partner(talk: &Conversation<'_>) -> String {
    let mut words = format!("{} {}", talk.protocol, talk.name.unwrap_or(talk.remote));
    if let (Some(_), Some((_, port))) = (talk.name, talk.remote.rsplit_once(':')) {
        words.push_str(&format!(":{port}"));
    }
    if !talk.service.is_empty() {
        words.push_str(&format!(" · {}", talk.service));
    }
    if talk.times > 1 {
        words.push_str(&format!(" · {} times", talk.times));
    }
    words
}

fn files(trace: &Trace, scale: &Scale) -> (Markup, usize) {
    let (mut written, mut deleted): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
    let bin = (scale.end_us / 1_000 * TICK_PER_MILLE).max(1);
    let mut counts = (0_usize, 0_usize);
    for event in &trace.events {
        let ticks = match &event.what {
            What::Write { .. }
            | What::Rename { result: 0, .. }
            | What::Link { result: 0, .. }
            | What::Chmod { result: 0, .. } => {
                counts.0 += 1;
                &mut written
            }
            What::Unlink { result: 0, .. } => {
                counts.1 += 1;
                &mut deleted
            }
            _ => continue,
        };
        if ticks.last().is_none_or(|last| event.at_us / bin != last / bin) {
            ticks.push(event.at_us);
        }
    }
    if written.is_empty() && deleted.is_empty() {
        return (html! {}, 0);
    }
    let drawn = html! {
        (heading(&format!("files: {} made or changed, {} deleted (lower ticks)", counts.0, counts.1)))
        @for at in &written { rect.wrote x=(scale.x(*at)) y=(HEAD_HEIGHT) width="3" height="10" rx="1" {} }
        @for at in &deleted { rect.deleted x=(scale.x(*at)) y=(HEAD_HEIGHT + 8) width="3" height="7" rx="1" {} }
    };
    (drawn, HEAD_HEIGHT + FILES_HEIGHT)
}

fn processor(trace: &Trace, scale: &Scale) -> (Markup, usize) {
    let usages: Vec<_> = trace
        .events
        .iter()
        .filter_map(|event| match event.what {
            What::Usage { cpu_ms, memory_bytes, .. } => Some((event.at_us, cpu_ms, memory_bytes)),
            _ => None,
        })
        .take(USAGES_MAX)
        .collect();
    let shares: Vec<_> = usages
        .windows(2)
        .filter_map(|pair| {
            let [(from, before, _), (to, after, _)] = pair else { return None };
            let elapsed = to.saturating_sub(*from).max(1) as f64 / 1_000.0;
            Some((*from, *to, after.saturating_sub(*before) as f64 / elapsed * 100.0))
        })
        .collect();
    if shares.is_empty() {
        return (html! {}, 0);
    }
    let most = shares.iter().map(|(.., share)| *share).fold(0.0, f64::max);
    let whole = most.max(100.0);
    let memory = usages.iter().map(|(.., memory)| *memory).max().unwrap_or(0);
    let drawn = html! {
        (heading(&format!("processor: up to {most:.0} % of a core · memory: up to {}", bytes_shown(memory))))
        @for (from, to, share) in &shares {
            @let height = share / whole * CPU_HEIGHT as f64;
            rect.cpu x=(scale.x(*from)) y=(format!("{:.1}", (HEAD_HEIGHT + CPU_HEIGHT) as f64 - height))
                width=(scale.width(*from, *to)) height=(format!("{height:.1}")) {
                title { (format!("{share:.0} %")) }
            }
        }
        line.grid x1="0" x2="100%" y1=(HEAD_HEIGHT + CPU_HEIGHT) y2=(HEAD_HEIGHT + CPU_HEIGHT) {}
    };
    (drawn, HEAD_HEIGHT + CPU_HEIGHT + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    #[test]
    fn every_finding_has_its_mark_and_every_lane_its_words() {
        let report = testing::ran();
        let findings: Vec<_> = report.findings.iter().map(|finding| (2_000_000, finding)).collect();
        let svg = timeline(&report.runs[0], &findings, 3, 0).into_string();
        assert_eq!(svg.matches("class=\"mark ").count(), findings.len());
        for words in ["4 processes", "5 conversations", "files: 2 made", "processor: up to 96 %", "[kworker/u8:2]"] {
            assert!(svg.contains(words), "{words}: {svg}");
        }
    }

    #[test]
    fn an_empty_run_and_an_endless_one_draw_too() {
        let mut trace = testing::ran().runs[0].clone();
        trace.end.duration_ms = u64::MAX;
        trace.events[0].at_us = u64::MAX;
        assert!(timeline(&trace, &[], 0, 0).into_string().matches("class=\"tick\"").count() <= 8);
        trace.events.clear();
        trace.end.duration_ms = 0;
        assert!(timeline(&trace, &[], 0, 0).into_string().contains("<svg"));
    }
}
