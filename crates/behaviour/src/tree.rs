//! The tree of processes of a run, for the live view and pages. Bounded; every text in it is hostile.

use std::collections::HashMap;

use model::{Event, What, text::shortened};

/// Most processes of a tree; the rest is counted.
const NODES_MAX: usize = 2_000;
/// Deepest level; what is deeper is shown at it.
const DEPTH_MAX: usize = 40;
/// Longest command line, in characters.
const LINE_CHARS_MAX: usize = 300;
/// Most programs of one process that are named.
const PROGRAMS_MAX: usize = 8;

/// The processes of a run, parents before their children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// In the order to show them.
    pub nodes: Vec<Node>,
    /// Processes that are not shown, because there were too many.
    pub more: usize,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// As the sample sees it.
    pub pid: u32,
    /// How deep, from 0.
    pub depth: usize,
    /// Event that shows it first.
    pub event: u64,
    /// When, in microseconds since the start.
    pub started_us: u64,
    /// When it ended, if it did.
    pub ended_us: Option<u64>,
    /// What it ran, in order; empty if it only was made by its parent. At most a few.
    pub programs: Vec<Ran>,
    /// Exit code, or the negative number of the signal that ended it.
    pub exit: Option<i32>,
}

/// A program that a process ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Event number.
    pub event: u64,
    /// Its path.
    pub path: String,
    /// Its arguments in one line, shortened.
    pub line: String,
    /// Whether it was made or changed during the run.
    pub written: bool,
    /// Whether it has no name in any folder.
    pub nameless: bool,
}

/// Builds the tree from the events so far. Takes time linear in them.
#[must_use]
pub fn tree(events: &[Event]) -> Tree {
    let mut lives: Vec<(Node, Vec<usize>, bool)> = Vec::new();
    let mut current: HashMap<u32, usize> = HashMap::new();
    let mut more = 0;
    for event in events.iter().filter(|event| event.process != 0) {
        let mut make = |pid: u32, lives: &mut Vec<(Node, Vec<usize>, bool)>| {
            if lives.len() >= NODES_MAX {
                more += 1;
                return None;
            }
            let node = Node {
                pid,
                depth: 0,
                event: event.sequence,
                started_us: event.at_us,
                ended_us: None,
                programs: Vec::new(),
                exit: None,
            };
            lives.push((node, Vec::new(), false));
            Some(lives.len() - 1)
        };
        match &event.what {
            What::Fork { child, thread: false } => {
                let known = current.get(child).filter(|life| lives[**life].0.ended_us.is_none()).copied();
                let made = known.or_else(|| make(*child, &mut lives));
                let Some(made) = made else {
                    current.remove(child);
                    continue;
                };
                current.insert(*child, made);
                let parent = current.get(&event.process).copied();
                attach(&mut lives, parent, made);
            }
            What::Exec { path, arguments, parent, written, nameless, .. } => {
                let known = current.get(&event.process).filter(|life| lives[**life].0.ended_us.is_none()).copied();
                let Some(life) = known.or_else(|| make(event.process, &mut lives)) else { continue };
                current.insert(event.process, life);
                let parent = current.get(parent).copied();
                attach(&mut lives, parent, life);
                let programs = &mut lives[life].0.programs;
                if programs.len() < PROGRAMS_MAX {
                    let line = arguments
                        .iter()
                        .take(64)
                        .map(|argument| shortened(argument, LINE_CHARS_MAX))
                        .collect::<Vec<_>>();
                    programs.push(Ran {
                        event: event.sequence,
                        path: path.clone(),
                        line: shortened(&line.join(" "), LINE_CHARS_MAX).into_owned(),
                        written: *written,
                        nameless: *nameless,
                    });
                }
            }
            What::Exit { code, signal, .. } => {
                if let Some(life) = current.get(&event.process) {
                    let node = &mut lives[*life].0;
                    node.ended_us = Some(event.at_us);
                    node.exit = Some(if *signal == 0 { *code } else { -signal });
                }
            }
            _ => {}
        }
    }
    let mut nodes = Vec::with_capacity(lives.len());
    let mut open: Vec<(usize, usize)> =
        (0..lives.len()).filter(|life| !lives[*life].2).rev().map(|life| (life, 0)).collect();
    while let Some((life, depth)) = open.pop() {
        let mut node = lives[life].0.clone();
        node.depth = depth.min(DEPTH_MAX);
        nodes.push(node);
        open.extend(lives[life].1.iter().rev().map(|child| (*child, depth + 1)));
    }
    Tree { nodes, more }
}

/// Makes `child` a child of `parent`, unless it has one or stands above it: a parent is always made first.
fn attach(lives: &mut [(Node, Vec<usize>, bool)], parent: Option<usize>, child: usize) {
    let Some(parent) = parent.filter(|parent| *parent < child) else { return };
    if !lives[child].2 {
        lives[child].2 = true;
        lives[parent].1.push(child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Run;

    #[test]
    fn children_stand_below_their_parents() {
        let mut run = Run::new();
        let first = run.spawn(1, "/bin/a", &["a"]);
        let second = run.spawn(1, "/bin/b", &["b", "-x"]);
        run.spawn(first, "/bin/c", &["c"]);
        run.exit(second);
        let tree = tree(&run.done().events);
        let shape: Vec<_> = tree
            .nodes
            .iter()
            .map(|node| (node.depth, node.programs.first().map_or("", |ran| ran.line.as_str())))
            .collect();
        assert_eq!(shape, [(0, "/bin/sh /entrypoint.sh"), (1, "a"), (2, "c"), (1, "b -x")]);
        assert_eq!(tree.nodes[3].exit, Some(0));
    }

    #[test]
    fn a_fork_bomb_is_counted() {
        let mut run = Run::new();
        for pid in 0..5_000 {
            run.fork(1, 10 + pid);
        }
        let tree = tree(&run.done().events);
        assert_eq!((tree.nodes.len(), tree.more), (NODES_MAX, 5_000 + 1 - NODES_MAX));
    }
}
