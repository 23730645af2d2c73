//! What a sandbox uses where no cgroup counts it.

use std::{
    fs, io,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{Plan, Usage, below::read_text, sys};

/// Where no cgroup limits memory: adds up what all processes of the sandbox use, and ends them when it is too much.
pub(super) struct MemoryWatch {
    pub(super) bytes: Arc<AtomicU64>,
    pub(super) tasks: Arc<AtomicU64>,
    pub(super) cpu_ms: Arc<AtomicU64>,
    pub(super) over: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MemoryWatch {
    pub(super) fn begin(first: &OwnedFd, pid: i32, plan: &Plan) -> io::Result<Self> {
        let first = first.try_clone()?;
        let [bytes, tasks, cpu_ms] = [0; 3].map(|_: u8| Arc::new(AtomicU64::new(0)));
        let [over, stop] = [0; 2].map(|_: u8| Arc::new(AtomicBool::new(false)));
        let mut watch = Self { bytes, tasks, cpu_ms, over, stop, thread: None };
        let (bytes, tasks, cpu_ms) = (Arc::clone(&watch.bytes), Arc::clone(&watch.tasks), Arc::clone(&watch.cpu_ms));
        let (over, stop) = (Arc::clone(&watch.over), Arc::clone(&watch.stop));
        let most = plan.limits.memory_bytes;
        watch.thread = Some(thread::Builder::new().name("memory".to_owned()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let used = usage_of_namespace(pid);
                bytes.store(used.memory_bytes, Ordering::Relaxed);
                tasks.store(used.tasks, Ordering::Relaxed);
                cpu_ms.fetch_max(used.cpu_ms, Ordering::Relaxed);
                if used.memory_bytes > most {
                    over.store(true, Ordering::Relaxed);
                    let _ = sys::kill(&first);
                }
                thread::sleep(Duration::from_millis(50));
            }
        })?);
        Ok(watch)
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What all processes in the process namespace of `first` use.
fn usage_of_namespace(first: i32) -> Usage {
    let Ok(namespace) = fs::read_link(format!("/proc/{first}/ns/pid")) else { return Usage::default() };
    let mut usage = Usage::default();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = entry.path();
        if !entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit)
            || fs::read_link(path.join("ns/pid")).ok().as_ref() != Some(&namespace)
        {
            continue;
        }
        let field =
            |text: &str, at: usize| text.split_ascii_whitespace().nth(at).and_then(|field| field.parse::<u64>().ok());
        let memory = read_text(path.join("statm")).unwrap_or_default();
        let private = field(&memory, 1).unwrap_or(0).saturating_sub(field(&memory, 2).unwrap_or(0));
        usage.memory_bytes += private * sys::page_bytes();
        let stat = read_text(path.join("stat")).unwrap_or_default();
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        // proc_pid_stat(5): user and system time in hundredths of a second, with those of ended children, then threads.
        let ticks: u64 = (11..15).filter_map(|at| field(after, at)).sum();
        usage.cpu_ms += ticks * 10;
        usage.tasks += field(after, 17).unwrap_or(1);
    }
    usage
}
