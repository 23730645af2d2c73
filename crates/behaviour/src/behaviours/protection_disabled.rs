//! Sees protections switched off: SELinux, firewalls, security agents.
//!
//! - Sees: `setenforce 0`, firewalls stopped and flushed, agents of security vendors stopped, killed or removed, core protections of the kernel off: two kinds are a
//!   sign, one a sign of a draft.
//! - Misses: agents unknown to the list.
//! - False alarms: VPN and router images flush and set up their own firewall rules (a fact).
//! - Source: TeamTNT's and 8220's scripts as published; ATT&CK T1562.001, T1562.004.

use model::{Category, Confidence, Maturity, Severity, Weight, What};

use crate::{About, Behaviour, Judge, Match, programs::Program, story::Story};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    about: About {
        id: "protection-disabled",
        title: "Switches protections off",
        category: Category::Backdoor,
        weight: Weight::Sign,
        severity: Severity::High,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1562.001", "T1562.004"],
    },
    judge: Judge::Run(judge),
};

const AGENTS: &[&str] = &[
    "aliyun",
    "aegis",
    "alisecguard",
    "cloudmonitor",
    "qcloud",
    "yunjing",
    "ydservice",
    "bcm-agent",
    "hostguard",
    "falcon-sensor",
    "crowdstrike",
    "osqueryd",
    "ossec",
    "wazuh",
    "auditd",
    "clamd",
    "clamav",
    "falco",
    "sysdig",
    "tetragon",
    "apparmor",
    "selinux",
    "tripwire",
    "rkhunter",
    "chkrootkit",
    "fail2ban",
    "tracee",
    "defender",
    "mdatp",
    "carbonblack",
    "cbagentd",
    "sentinelone",
    "ds_agent",
    "twistlock",
    "qualys",
    "aquasec",
    "lacework",
    "datadog-agent",
];

fn judge(story: &Story<'_>) -> Vec<Match> {
    let mut kinds: Vec<(&str, usize, String)> = Vec::new();
    let mut facts: Vec<Match> = Vec::new();
    for (at, event) in story.events() {
        let seen = match &event.what {
            What::Exec { .. } => story.program(at).and_then(|program| switched(&program)),
            What::Open { path, write: true, .. }
                if path.ends_with("/selinux/enforce") || path == "/sys/fs/selinux/enforce" =>
            {
                Some(("SELinux", format!("writes {path}")))
            }
            What::Write { path, head, .. }
                if path == "/etc/selinux/config" && crate::payload::text(head).contains("SELINUX=disabled") =>
            {
                Some(("SELinux", "disables SELinux".to_owned()))
            }
            What::Unlink { path, result: 0.. } | What::Open { path, write: true, truncate: true, result: 0.., .. } => {
                removed(path)
            }
            _ => None,
        };
        let Some((kind, what)) = seen else { continue };
        let installs = story.life_at(at).and_then(|life| story.life(life)).is_some_and(|life| life.installs);
        if installs {
            continue;
        }
        if kind == "a rule" {
            if facts.is_empty() {
                facts.push(Match::new(at, what).fact());
            }
        } else if kinds.iter().all(|(known, _, told)| *known != kind || *told != what) && kinds.len() < 16 {
            kinds.push((kind, at, what));
        }
    }
    let Some((_, at, _)) = kinds.first() else { return facts };
    let lines: Vec<_> = kinds.iter().map(|(_, _, what)| what.as_str()).collect();
    let told = Match::new(*at, lines.join(", "));
    vec![if kinds.len() >= 2 || !facts.is_empty() && kinds[0].0 == "an agent" { told } else { told.draft() }]
}

/// An agent that a path belongs to.
fn removed(path: &str) -> Option<(&'static str, String)> {
    let inside = ["/usr/local/", "/opt/", "/etc/systemd/", "/usr/lib/systemd/", "/lib/systemd/"];
    if !inside.iter().any(|folder| path.starts_with(folder)) {
        return None;
    }
    let parts = || path.split('/').map(|part| part.trim_end_matches(".service"));
    let agent = AGENTS.iter().find(|agent| parts().any(|part| part == **agent))?;
    Some(("an agent", format!("removes {agent}")))
}

fn switched(program: &Program<'_>) -> Option<(&'static str, String)> {
    let line = program.line();
    let short = || model::text::shortened(&line, 80).into_owned();
    match program.tool() {
        "setenforce" if program.has(&["0", "Permissive", "permissive"]) => Some(("SELinux", short())),
        "ufw" if program.has(&["disable", "--force", "reset"]) && !program.has(&["enable"]) => {
            Some(("a firewall", short()))
        }
        "iptables" | "ip6tables" | "nft" | "iptables-legacy" | "iptables-nft"
            if program.has(&["-F", "--flush", "flush"]) =>
        {
            Some(("a rule", short()))
        }
        "systemctl" | "service" | "rc-service" | "chkconfig" | "update-rc.d" | "initctl" => {
            let stops = program.has(&["stop", "disable", "mask", "off", "remove", "kill"]);
            let firewall = ["firewalld", "iptables", "ufw", "nftables", "csf"].iter().any(|name| line.contains(name));
            let agent = AGENTS.iter().any(|agent| line.contains(agent));
            (stops && (firewall || agent)).then(|| (if agent { "an agent" } else { "a firewall" }, short()))
        }
        "pkill" | "killall" | "apt-get" | "yum" | "rpm" | "dpkg" => {
            let removes =
                program.is(&["pkill", "killall"]) || program.has(&["remove", "purge", "-e", "erase", "--purge"]);
            (removes && AGENTS.iter().any(|agent| line.contains(agent))).then(|| ("an agent", short()))
        }
        "sh" | "bash"
            if line.contains("/aegis/uninstall")
                || line.contains("uninstall.sh") && AGENTS.iter().any(|agent| line.contains(agent)) =>
        {
            Some(("an agent", short()))
        }
        "sysctl"
            if line.contains("kernel.randomize_va_space=0")
                || line.contains("kernel.yama.ptrace_scope=0")
                || line.contains("kernel.unprivileged_bpf_disabled=0") =>
        {
            Some(("the kernel", short()))
        }
        "aa-teardown" | "aa-disable" | "aa-complain" => Some(("AppArmor", short())),
        "auditctl" if program.has(&["-D", "-e", "0"]) => Some(("auditing", short())),
        "swapoff" => None,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, hit, miss};

    #[test]
    fn several_at_once() {
        let mut run = Run::new();
        run.spawn(1, "/usr/sbin/setenforce", &["setenforce", "0"]);
        run.spawn(1, "/usr/sbin/ufw", &["ufw", "disable"]);
        run.spawn(1, "/usr/bin/pkill", &["pkill", "-f", "aliyun-service"]);
        hit(&BEHAVIOUR, run, Weight::Sign, "setenforce 0, ufw disable, pkill -f aliyun-service");
    }

    #[test]
    fn an_agent_and_the_rules() {
        let mut run = Run::new();
        run.spawn(1, "/usr/sbin/iptables", &["iptables", "-F"]);
        run.spawn(1, "/bin/systemctl", &["systemctl", "stop", "falco"]);
        hit(&BEHAVIOUR, run, Weight::Sign, "systemctl stop falco");
    }

    #[test]
    fn a_router_that_sets_up_its_rules_is_none() {
        let mut run = Run::new();
        run.spawn(1, "/usr/sbin/xtables-nft-multi", &["iptables", "-F"]);
        run.spawn(1, "/usr/sbin/iptables", &["iptables", "-F"]);
        run.spawn(1, "/sbin/sysctl", &["sysctl", "-w", "net.ipv4.ip_forward=1"]);
        miss(&BEHAVIOUR, run);
    }

    #[test]
    fn restarting_a_service_is_none() {
        let mut run = Run::new();
        run.spawn(1, "/usr/sbin/service", &["service", "nginx", "stop"]);
        run.spawn(1, "/usr/bin/pkill", &["pkill", "nginx"]);
        run.spawn(1, "/usr/sbin/ufw", &["ufw", "enable"]);
        miss(&BEHAVIOUR, run);
    }
}
