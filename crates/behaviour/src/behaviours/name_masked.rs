//! Sees a process that calls itself what it is not, or hides.
//!
//! - Sees: a program whose `argv[0]` is that of a kernel thread; a written program called like one, or like a service of the system; a folder of `/proc` covered.
//! - Misses: a name set later from within (the kernel keeps no event of its text).
//! - False alarms: login shells (`-bash`) and service managers that give `argv[0]` a title of the same program.
//! - Source: ATT&CK T1036.004, T1036.005, T1564.013.

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{
    About, Behaviour, Judge, Match,
    programs::{Program, base},
    story::Story,
};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "name-masked",
        title: "Runs under a false name",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::High,
        confidence: Confidence::High,
        maturity: Maturity::Stable,
        techniques: &["T1036.004", "T1036.005", "T1564.013"],
    },
    judge: Judge::Run(judge),
};

const THREADS: &[&str] = &[
    "kworker",
    "ksoftirqd",
    "kthreadd",
    "kswapd",
    "migration",
    "rcu_sched",
    "rcu_preempt",
    "rcu_gp",
    "watchdog",
    "kdevtmpfs",
    "kauditd",
    "khugepaged",
    "kcompactd",
    "kintegrityd",
    "kblockd",
    "jbd2",
    "ext4-rsv-conver",
    "scsi_eh",
    "cpuhp",
    "netns",
    "kpsmoused",
    "bioset",
    "md",
    "edac-poller",
    "devfreq_wq",
    "oom_reaper",
    "writeback",
    "crypto",
    "ata_sff",
    "irq",
    "idle_inject",
    "mm_percpu_wq",
    "xfsaild",
    "loop",
    "kthrotld",
    "kstrp",
    "zswap",
    "charger_manager",
    "khungtaskd",
    "kinsmod",
    "kdmflush",
    "nfsd",
    "events",
    "slub_flushwq",
    "flush",
    "bdi",
    "sync_supers",
];
/// Services whose names a stranger's program has no reason to bear.
const SERVICES: &[&str] = &[
    "systemd",
    "systemd-journald",
    "systemd-logind",
    "systemd-udevd",
    "sshd",
    "crond",
    "cron",
    "rsyslogd",
    "dbus-daemon",
    "init",
    "nginx",
    "apache2",
    "httpd",
    "dockerd",
    "containerd",
    "kubelet",
    "agetty",
    "auditd",
    "chronyd",
    "udevd",
    "polkitd",
    "udisksd",
    "irqbalance",
    "atd",
    "named",
    "mysqld",
    "postgres",
    "php-fpm",
    "redis-server",
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut found = Vec::new();
    for program in story.programs() {
        let Some(first) = program.arguments.first() else { continue };
        if found.len() >= 16 {
            break;
        }
        if let Some(thread) = thread(first) {
            found.push(Match::new(program.at, format!("{} calls itself {thread}", program.path)));
        } else if let Some((what, grave)) = stolen(&program, first) {
            let seen = Match::new(program.at, what);
            found.push(if grave { seen.sign() } else { seen.sign().draft() });
        }
    }
    for (at, event) in story.events() {
        if let What::Mount { target, call, .. } = &event.what
            && let Some(pid) = target.strip_prefix("/proc/")
            && (pid == "self" || pid.bytes().all(|byte| byte.is_ascii_digit()) && !pid.is_empty())
            && !call.contains("umount")
        {
            found.push(Match::new(at, format!("covers {target}, so that the process is not seen")));
        }
    }
    found
}

/// `[kworker/0:1]`, as only the kernel's own are shown.
fn thread(first: &str) -> Option<&str> {
    let name = first.strip_prefix('[')?.strip_suffix(']')?;
    let stem =
        name.split(['/', ':', '-']).next().unwrap_or(name).trim_end_matches(|letter: char| letter.is_ascii_digit());
    (name.len() > 2 && (THREADS.contains(&stem) || THREADS.contains(&name))).then_some(first)
}

/// A written program with the name of a thread or a service.
fn stolen(program: &Program<'_>, first: &str) -> Option<(String, bool)> {
    if !program.written && !program.nameless {
        return None;
    }
    let (own, called) = (base(program.path), base(first));
    let stem = |name: &str| {
        name.split(['/', ':', '_', '-', '.'])
            .next()
            .unwrap_or("")
            .trim_end_matches(|letter: char| letter.is_ascii_digit())
            .to_owned()
    };
    if program.path.starts_with("/usr/") || program.path.starts_with("/bin/") || program.path.starts_with("/sbin/") {
        return None;
    }
    if [own, called].iter().any(|name| name.starts_with('k') && THREADS.contains(&stem(name).as_str())) {
        return Some((format!("{} is called like a thread of the kernel", program.path), true));
    }
    if SERVICES.contains(&called) && called != own {
        return Some((format!("{} calls itself {called}", program.path), true));
    }
    (SERVICES.contains(&own)).then(|| (format!("{} is called like a service of the system", program.path), false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn a_program_that_calls_itself_a_kernel_thread() {
        let mut run = Run::new();
        run.spawn(1, "/usr/lib/x/helper", &["[kworker/u8:2-ev]"]);
        hit(&BEHAVIOUR, run, Weight::Proof, "/usr/lib/x/helper calls itself [kworker/u8:2-ev]");
    }

    #[test]
    fn a_written_program_with_a_services_name() {
        let mut run = Run::new();
        run.spawn_written(1, "/tmp/.a", &["sshd: root@notty", "x"]);
        run.spawn_written(1, "/tmp/kdevtmpfsi", &["/tmp/kdevtmpfsi"]);
        run.spawn_written(1, "/tmp/a", &["nginx"]);
        hit(&BEHAVIOUR, run, Weight::Sign, "/tmp/a calls itself nginx");
    }

    #[test]
    fn a_covered_process() {
        let mut run = Run::new();
        run.push(
            1,
            What::Mount {
                call: "mount".into(),
                source: "/tmp/e".into(),
                target: "/proc/7".into(),
                filesystem: String::new(),
                result: 0,
            },
        );
        hit(&BEHAVIOUR, run, Weight::Proof, "covers /proc/7");
    }

    #[test]
    fn login_shells_and_tests_in_brackets_are_none() {
        let mut run = Run::new();
        run.spawn(1, "/bin/bash", &["-bash"]);
        run.spawn(1, "/usr/bin/[", &["[", "-f", "/x", "]"]);
        run.spawn(1, "/bin/busybox", &["[", "-n", "x", "]"]);
        run.spawn(1, "/usr/sbin/nginx", &["nginx: master process nginx"]);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn an_upgraded_service_is_none() {
        let mut run = Run::new();
        run.spawn_written(1, "/usr/sbin/nginx", &["nginx", "-g", "daemon off;"]);
        run.push(
            1,
            What::Mount {
                call: "mount".into(),
                source: "proc".into(),
                target: "/proc".into(),
                filesystem: "proc".into(),
                result: 0,
            },
        );
        miss(&BEHAVIOUR, run);
    }
}
