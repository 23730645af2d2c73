//! One trace, indexed once: lives of processes (ids are used again), conversations and who held them, files and who wrote them.
//!
//! Positions are indices into [`Trace::events`]. Building takes time linear in the events; so does every question, or it has a ceiling.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use model::{CapturedFile, Digest, Event, Stream, Trace, What};

use crate::{Context, programs::Program};

/// Deepest chain of parents that is climbed.
const DEPTH_MAX: usize = 64;
/// Most programs of one life that are asked about.
const PROGRAMS_MAX: usize = 32;
const NONE: u32 = u32::MAX;

/// A run, ready to be asked.
pub(crate) struct Story<'a> {
    pub(crate) trace: &'a Trace,
    pub(crate) context: &'a Context,
    /// What was run, in order.
    programs: Vec<Program<'a>>,
    lives: Vec<Life>,
    life_at: Vec<u32>,
    /// Position of the `exec` whose program did what is at a position.
    image_at: Vec<u32>,
    flows: HashMap<u64, Flow<'a>>,
    flow_order: Vec<u64>,
    files: HashMap<&'a str, FileStory<'a>>,
    /// Last part of the path of written files → the paths.
    written_names: HashMap<&'a str, Vec<&'a str>>,
    /// What we answered with → the request.
    answers: HashMap<Digest, usize>,
    captured: HashMap<&'a str, &'a CapturedFile>,
    /// When the first pipe with a name was made.
    pub(crate) first_fifo: Option<usize>,
}

/// One process from its birth to its end.
#[derive(Default)]
pub(crate) struct Life {
    pub(crate) pid: u32,
    pub(crate) parent: Option<usize>,
    pub(crate) children: Vec<usize>,
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) ended: bool,
    /// What it ran, after what it was born with.
    pub(crate) execs: Vec<usize>,
    /// The `exec` of its parent when it was made.
    inherited: Option<usize>,
    /// Connections it asked for on the network, and that were not refused by the kernel.
    pub(crate) connects: Vec<usize>,
    pub(crate) accepts: Vec<usize>,
    /// Sockets put in the place of standard streams.
    pub(crate) redirects: Vec<usize>,
    /// Files opened for reading.
    pub(crate) reads: Vec<usize>,
    /// Files opened for writing, or written.
    pub(crate) writes: Vec<usize>,
    pub(crate) flows: Vec<u64>,
    pub(crate) requests: Vec<usize>,
    /// Whether it, or what started it, installs packages.
    pub(crate) installs: bool,
}

/// A conversation.
#[derive(Default)]
pub(crate) struct Flow<'a> {
    pub(crate) start: usize,
    pub(crate) end: Option<usize>,
    pub(crate) protocol: &'a str,
    pub(crate) remote: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) accepted: bool,
    pub(crate) inbound: bool,
    pub(crate) service: &'a str,
    pub(crate) bytes_out: u64,
    pub(crate) bytes_in: u64,
    pub(crate) head: &'a str,
    pub(crate) canaries: &'a [String],
    pub(crate) requests: Vec<usize>,
    pub(crate) life: Option<usize>,
}

/// What happened to a path.
#[derive(Default)]
pub(crate) struct FileStory<'a> {
    /// First write of each life in a row.
    pub(crate) writes: Vec<usize>,
    /// Under which name it was before, and when that changed.
    pub(crate) before: Option<(&'a str, usize)>,
    pub(crate) unlinked: Option<usize>,
    /// When it was first made or written by the run.
    pub(crate) made: Option<usize>,
}

impl<'a> Story<'a> {
    pub(crate) fn new(trace: &'a Trace, context: &'a Context) -> Self {
        let count = trace.events.len();
        let mut story = Self {
            trace,
            context,
            programs: trace.events.iter().enumerate().filter_map(|(at, event)| Program::of(at, event)).collect(),
            lives: Vec::new(),
            life_at: vec![NONE; count],
            image_at: vec![NONE; count],
            flows: HashMap::new(),
            flow_order: Vec::new(),
            files: HashMap::new(),
            written_names: HashMap::new(),
            answers: HashMap::new(),
            first_fifo: None,
            captured: trace.end.files.iter().map(|file| (file.path.as_str(), file)).collect(),
        };
        story.live();
        story.converse();
        story.touch();
        story
    }

    pub(crate) fn events(&self) -> impl DoubleEndedIterator<Item = (usize, &'a Event)> + use<'a> {
        self.trace.events.iter().enumerate()
    }

    pub(crate) fn event(&self, at: usize) -> Option<&'a Event> {
        self.trace.events.get(at)
    }

    pub(crate) fn what(&self, at: usize) -> Option<&'a What> {
        self.event(at).map(|event| &event.what)
    }

    /// Every program that was run.
    pub(crate) fn programs(&self) -> impl Iterator<Item = Program<'a>> {
        self.programs.iter().copied()
    }

    /// The program that did what is at this position.
    pub(crate) fn program(&self, at: usize) -> Option<Program<'a>> {
        let image = *self.image_at.get(at)?;
        self.program_of_exec(usize::try_from(image).ok()?)
    }

    fn program_of_exec(&self, at: usize) -> Option<Program<'a>> {
        let index = self.programs.binary_search_by_key(&at, |program| program.at).ok()?;
        self.programs.get(index).copied()
    }

    /// Index of the life an event belongs to.
    pub(crate) fn life_at(&self, at: usize) -> Option<usize> {
        self.life_at.get(at).filter(|life| **life != NONE).map(|life| *life as usize)
    }

    pub(crate) fn life(&self, life: usize) -> Option<&Life> {
        self.lives.get(life)
    }

    pub(crate) fn lives(&self) -> &[Life] {
        &self.lives
    }

    /// It, its parent, and so on.
    pub(crate) fn line_of(&self, life: usize) -> impl Iterator<Item = usize> {
        let mut next = Some(life);
        std::iter::from_fn(move || {
            let this = next?;
            next = self.lives.get(this)?.parent;
            Some(this)
        })
        .take(DEPTH_MAX)
    }

    /// The programs a life had: what it was born with, and what it ran, the last [`PROGRAMS_MAX`].
    pub(crate) fn programs_of(&self, life: usize) -> impl Iterator<Item = Program<'a>> {
        let of = self.lives.get(life);
        let born = of.and_then(|life| life.inherited);
        let execs = of.map_or(&[][..], |life| last(&life.execs));
        born.into_iter().chain(execs.iter().copied()).filter_map(|at| self.program_of_exec(at))
    }

    /// What a life ran itself; what it was born with only if it ran nothing.
    pub(crate) fn own_programs(&self, life: usize) -> impl Iterator<Item = Program<'a>> {
        let of = self.lives.get(life);
        let born = of.filter(|life| life.execs.is_empty()).and_then(|life| life.inherited);
        let execs = of.map_or(&[][..], |life| last(&life.execs));
        born.into_iter().chain(execs.iter().copied()).filter_map(|at| self.program_of_exec(at))
    }

    /// What `life` ran last, or was born with.
    pub(crate) fn last_program(&self, life: usize) -> Option<Program<'a>> {
        let of = self.lives.get(life)?;
        of.execs.last().copied().or(of.inherited).and_then(|at| self.program_of_exec(at))
    }

    /// The lives made by the same parent, at most `around` before and after.
    pub(crate) fn neighbours(&self, life: usize, around: usize) -> impl Iterator<Item = usize> {
        let parent = self.lives.get(life).and_then(|of| of.parent).and_then(|parent| self.lives.get(parent));
        let siblings = parent.map_or(&[][..], |parent| parent.children.as_slice());
        let here = siblings.partition_point(|sibling| *sibling < life);
        siblings
            .iter()
            .skip(here.saturating_sub(around))
            .take(2 * around + 1)
            .copied()
            .filter(move |other| *other != life)
    }

    /// The program of the one who started `life`.
    pub(crate) fn parent_program(&self, life: usize) -> Option<Program<'a>> {
        self.lives.get(life)?.inherited.and_then(|at| self.program_of_exec(at))
    }

    pub(crate) fn flow(&self, flow: u64) -> Option<&Flow<'a>> {
        self.flows.get(&flow)
    }

    /// In the order in which they began.
    pub(crate) fn flows(&self) -> impl Iterator<Item = &Flow<'a>> {
        self.flow_order.iter().filter_map(|flow| self.flows.get(flow))
    }

    pub(crate) fn file(&self, path: &str) -> Option<&FileStory<'a>> {
        self.files.get(path)
    }

    /// The file taken from `path`.
    pub(crate) fn captured(&self, path: &str) -> Option<&'a CapturedFile> {
        self.captured.get(path).copied()
    }

    /// The request that was answered with this content.
    pub(crate) fn answer(&self, content: &Digest) -> Option<usize> {
        self.answers.get(content).copied()
    }

    /// Whether the image has a file there, as far as known.
    pub(crate) fn is_in_image(&self, path: &str) -> bool {
        self.context.files.contains(path)
    }

    /// All files that were touched.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&'a str, &FileStory<'a>)> {
        self.files.iter().map(|(path, file)| (*path, file))
    }

    /// Whether the run made or changed the file of this name before `at`.
    pub(crate) fn was_made(&self, path: &str, at: usize) -> bool {
        self.files.get(path).and_then(|file| file.made).is_some_and(|made| made < at)
    }

    /// The written file that `script` names, which may be relative to a folder nobody knows.
    pub(crate) fn written_path(&self, script: &str) -> Option<&'a str> {
        if let Some((path, file)) = self.files.get_key_value(script) {
            return (file.made.is_some()).then_some(*path);
        }
        if script.starts_with('/') {
            return None;
        }
        let tail = script.trim_start_matches("./");
        let known = self.written_names.get(crate::programs::base(tail))?;
        known
            .iter()
            .copied()
            .find(|path| path.strip_suffix(tail).is_some_and(|folder| folder.is_empty() || folder.ends_with('/')))
    }

    fn live(&mut self) {
        let mut current: HashMap<u32, usize> = HashMap::new();
        for (at, event) in self.trace.events.iter().enumerate() {
            if event.process == 0 {
                continue;
            }
            let known = current.get(&event.process).copied();
            let born = |lives: &mut Vec<Life>, pid: u32, parent: Option<usize>| {
                let inherited = parent
                    .and_then(|parent: usize| lives.get(parent))
                    .and_then(|life| life.execs.last().copied().or(life.inherited));
                let installs = parent.and_then(|parent| lives.get(parent)).is_some_and(|life| life.installs);
                lives.push(Life { pid, parent, first: at, last: at, inherited, installs, ..Life::default() });
                let life = lives.len() - 1;
                if let Some(parent) = parent.and_then(|parent| lives.get_mut(parent)) {
                    parent.children.push(life);
                }
                life
            };
            let is_exec = matches!(event.what, What::Exec { .. });
            let life = match known {
                Some(life) if !(is_exec && self.lives[life].ended) => life,
                _ => {
                    let parent = match event.what {
                        What::Exec { parent, .. } => current.get(&parent).copied(),
                        _ => None,
                    };
                    let life = born(&mut self.lives, event.process, parent);
                    current.insert(event.process, life);
                    life
                }
            };
            self.life_at[at] = u32::try_from(life).unwrap_or(NONE);
            self.lives[life].last = at;
            match &event.what {
                What::Exec { parent, .. } => {
                    if self.lives[life].parent.is_none()
                        && let Some(parent) = current.get(parent).copied()
                        && parent != life
                        && self.line_of(parent).all(|above| above != life)
                    {
                        self.adopt(life, parent);
                    }
                    self.lives[life].execs.push(at);
                    if Program::of(at, event).is_some_and(|program| program.installs()) {
                        self.lives[life].installs = true;
                    }
                }
                What::Fork { child, thread } => match current.get(child).copied() {
                    // Told after the child's first own event.
                    Some(early) if !self.lives[early].ended && self.lives[early].parent.is_none() && early != life => {
                        if self.line_of(life).all(|above| above != early) {
                            self.adopt(early, life);
                        }
                    }
                    _ if *thread => {
                        current.insert(*child, life);
                    }
                    _ => {
                        let made = born(&mut self.lives, *child, Some(life));
                        current.insert(*child, made);
                    }
                },
                What::Exit { .. } => self.lives[life].ended = true,
                What::Connect { to, result } | What::SendTo { to, result } if reached(*result) && is_inet(to) => {
                    self.lives[life].connects.push(at);
                }
                // Of the network, or of who did not want to know.
                What::Accept { from, result } if *result >= 0 && !from.starts_with(['/', '@']) => {
                    self.lives[life].accepts.push(at);
                }
                What::Redirect { stream: Stream::Socket, .. } => self.lives[life].redirects.push(at),
                What::Open { read, write, create, result, .. } if *result >= 0 => {
                    if *write || *create {
                        self.lives[life].writes.push(at);
                    }
                    if *read && !*write {
                        self.lives[life].reads.push(at);
                    }
                }
                What::Write { .. } => self.lives[life].writes.push(at),
                _ => {}
            }
            let image = self.lives[life].execs.last().copied().or(self.lives[life].inherited);
            self.image_at[at] = image.and_then(|image| u32::try_from(image).ok()).unwrap_or(NONE);
        }
    }

    fn adopt(&mut self, child: usize, parent: usize) {
        let of = &self.lives[parent];
        let (inherited, installs) = (of.execs.last().copied().or(of.inherited), of.installs);
        let children = &mut self.lives[parent].children;
        let place = children.partition_point(|known| *known < child);
        children.insert(place, child);
        let life = &mut self.lives[child];
        life.parent = Some(parent);
        life.inherited = life.inherited.or(inherited);
        life.installs |= installs;
    }

    fn converse(&mut self) {
        // Where a socket was asked to go, and when: the wire does not always tell whose packet it is.
        let mut asked: HashMap<Cow<'a, str>, Vec<usize>> = HashMap::new();
        for life in &self.lives {
            for &at in &life.connects {
                if let Some(What::Connect { to, .. } | What::SendTo { to, .. }) =
                    self.trace.events.get(at).map(|event| &event.what)
                {
                    asked.entry(unmapped(to)).or_default().push(at);
                }
            }
        }
        asked.values_mut().for_each(|positions| positions.sort_unstable());
        for (at, event) in self.trace.events.iter().enumerate() {
            let flow = match &event.what {
                What::Dns { flow, .. }
                | What::FlowStart { flow, .. }
                | What::FlowEnd { flow, .. }
                | What::Http { flow, .. }
                | What::Tls { flow, .. }
                | What::Stratum { flow, .. }
                | What::Login { flow, .. }
                | What::Message { flow, .. } => *flow,
                _ => continue,
            };
            if !self.flows.contains_key(&flow) {
                self.flow_order.push(flow);
            }
            let known = self.flows.entry(flow).or_insert_with(|| Flow { start: at, ..Flow::default() });
            if known.life.is_none() && event.process != 0 {
                known.life = self.life_at.get(at).filter(|life| **life != NONE).map(|life| *life as usize);
            }
            match &event.what {
                What::FlowStart { protocol, remote, name, accepted, inbound, .. } => {
                    (known.protocol, known.remote, known.name) = (protocol, remote, name.as_deref().or(known.name));
                    (known.accepted, known.inbound) = (*accepted, *inbound);
                    if known.life.is_none() && !inbound {
                        let near = asked.get(unmapped(remote).as_ref()).and_then(|positions| nearest(positions, at));
                        known.life = near
                            .and_then(|near| self.life_at.get(near))
                            .filter(|life| **life != NONE)
                            .map(|life| *life as usize);
                    }
                }
                What::FlowEnd { service, bytes_out, bytes_in, head, canaries, .. } => {
                    (known.service, known.head, known.canaries) = (service, head, canaries);
                    (known.bytes_out, known.bytes_in, known.end) = (*bytes_out, *bytes_in, Some(at));
                }
                What::Http { answer, .. } => {
                    known.requests.push(at);
                    if let Some(answer) = answer.filter(|answer| *answer != Digest::of(b"")) {
                        self.answers.entry(answer).or_insert(at);
                    }
                }
                What::Tls { server, .. } if !server.is_empty() => known.name = known.name.or(Some(server)),
                _ => {}
            }
            if self.life_at[at] == NONE
                && let Some(life) = known.life
            {
                self.life_at[at] = u32::try_from(life).unwrap_or(NONE);
                let of = &self.lives[life];
                let image =
                    of.execs.partition_point(|exec| *exec < at).checked_sub(1).and_then(|index| of.execs.get(index));
                self.image_at[at] =
                    image.copied().or(of.inherited).and_then(|image| u32::try_from(image).ok()).unwrap_or(NONE);
            }
        }
        for id in &self.flow_order {
            let Some(flow) = self.flows.get(id) else { continue };
            let Some(life) = flow.life.and_then(|life| self.lives.get_mut(life)) else { continue };
            life.flows.push(*id);
            life.requests.extend(&flow.requests);
        }
    }

    fn touch(&mut self) {
        let mut named: HashSet<&'a str> = HashSet::new();
        for (at, event) in self.trace.events.iter().enumerate() {
            match &event.what {
                What::Open { path, write, create, truncate, result, .. } if *result >= 0 && (*write || *create) => {
                    let file = self.files.entry(path).or_default();
                    wrote(file, &self.life_at, at);
                    if *create || *truncate || *write {
                        file.made = file.made.or(Some(at));
                    }
                    named.insert(path);
                }
                What::Write { path, .. } if path.starts_with('/') => {
                    let file = self.files.entry(path).or_default();
                    wrote(file, &self.life_at, at);
                    file.made = file.made.or(Some(at));
                    named.insert(path);
                }
                What::Rename { from, to, result } | What::Link { target: from, path: to, result, .. }
                    if *result >= 0 =>
                {
                    let was_made = self.files.get(from.as_str()).is_some_and(|file| file.made.is_some());
                    let file = self.files.entry(to).or_default();
                    file.before = Some((from, at));
                    if was_made {
                        file.made = file.made.or(Some(at));
                        named.insert(to);
                    }
                }
                What::Make { what, result: 0.., .. } if what == "pipe" => {
                    self.first_fifo.get_or_insert(at);
                }
                What::Unlink { path, result } if *result >= 0 => {
                    self.files.entry(path).or_default().unlinked.get_or_insert(at);
                }
                _ => {}
            }
        }
        for path in named {
            self.written_names.entry(crate::programs::base(path)).or_default().push(path);
        }
    }
}

impl<'a> Flow<'a> {
    /// The name that was asked for, or the address without its port.
    pub(crate) fn host(&self) -> &'a str {
        self.name.unwrap_or_else(|| host_of(self.remote))
    }

    pub(crate) fn port(&self) -> u16 {
        self.remote.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0)
    }

    /// Whether it goes where strangers are.
    pub(crate) fn is_public(&self) -> bool {
        crate::indicators::is_public(host_of(self.remote))
    }
}

/// The address of `address:port` or `[address]:port`.
pub(crate) fn host_of(remote: &str) -> &str {
    let host = match remote.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None if remote.matches(':').count() == 1 => remote.split(':').next().unwrap_or(remote),
        None => remote,
    };
    host.strip_prefix("::ffff:").filter(|host| host.contains('.')).unwrap_or(host)
}

/// Whether a connect was under way: done, or `EINPROGRESS`.
fn reached(result: i64) -> bool {
    result >= 0 || result == -115
}

/// Whether `to` is an address with a port, and not this machine's own.
fn is_inet(to: &str) -> bool {
    !to.starts_with(['/', '@']) && to.contains(':') && !crate::indicators::is_loopback(host_of(to))
}

/// `[::ffff:192.0.2.1]:80` is `192.0.2.1:80`.
fn unmapped(address: &str) -> Cow<'_, str> {
    match address.strip_prefix("[::ffff:").and_then(|rest| rest.split_once(']')) {
        Some((host, port)) if host.contains('.') => Cow::Owned(format!("{host}{port}")),
        _ => Cow::Borrowed(address),
    }
}

fn last(execs: &[usize]) -> &[usize] {
    execs.get(execs.len().saturating_sub(PROGRAMS_MAX)..).unwrap_or_default()
}

fn nearest(positions: &[usize], at: usize) -> Option<usize> {
    let behind = positions.partition_point(|position| *position < at);
    let before = behind.checked_sub(1).and_then(|index| positions.get(index));
    let after = positions.get(behind);
    [before, after].into_iter().flatten().copied().min_by_key(|position| position.abs_diff(at))
}

fn wrote(file: &mut FileStory<'_>, life_at: &[u32], at: usize) {
    /// Most writers of one file that are remembered.
    const WRITERS_MAX: usize = 64;
    let same = file.writes.last().is_some_and(|last| life_at.get(*last) == life_at.get(at));
    if !same && file.writes.len() < WRITERS_MAX {
        file.writes.push(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Run;

    #[test]
    fn a_process_id_used_again_is_another_life() {
        let mut run = Run::new();
        let first = run.spawn(1, "/usr/bin/curl", &["curl"]);
        run.exit(first);
        run.fork(1, first);
        run.exec(first, "/bin/ls", &["ls"]);
        run.unlink(first, "/x");
        let (trace, context) = (run.done(), Context::default());
        let story = Story::new(&trace, &context);
        assert_eq!(story.lives().len(), 3);
        let last = trace.events.len() - 1;
        assert_eq!(story.program(last).expect("a program").tool(), "ls");
        assert_eq!(story.parent_program(2).expect("a parent").tool(), "dash");
    }

    #[test]
    fn a_fork_told_late_still_tells_the_parent() {
        let mut run = Run::new();
        run.unlink(9, "/x");
        run.fork(1, 9);
        let (trace, context) = (run.done(), Context::default());
        let story = Story::new(&trace, &context);
        assert_eq!(story.life(1).expect("the child").parent, Some(0));
    }

    #[test]
    fn a_conversation_belongs_to_who_asked_for_it() {
        let mut run = Run::new();
        let curl = run.spawn(1, "/usr/bin/curl", &["curl"]);
        run.http(curl, "GET", "http://files.example/x", "elf");
        let (trace, context) = (run.done(), Context::default());
        let story = Story::new(&trace, &context);
        let flow = story.flows().find(|flow| !flow.requests.is_empty()).expect("a flow");
        assert_eq!(flow.life, Some(1));
        assert_eq!(flow.host(), "files.example");
        assert_eq!(story.life(1).expect("curl").requests.len(), 1);
    }

    #[test]
    fn addresses_without_port() {
        assert_eq!(host_of("192.0.2.1:80"), "192.0.2.1");
        assert_eq!(host_of("[2001:db8::1]:80"), "2001:db8::1");
        assert_eq!(host_of("[::ffff:192.0.2.1]:80"), "192.0.2.1");
        assert_eq!(host_of("2001:db8::1"), "2001:db8::1");
    }
}
