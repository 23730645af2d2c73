//! What the doors did, as OpenMetrics or Prometheus text.
//!
//! Names follow the OpenMetrics conventions (seconds, `_total`); `promtool check metrics` reads the Prometheus form in the tests.
//! No label holds a text from outside.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{Decision, Effect, Engine};

/// `Content-Type` of [`Metrics::openmetrics`].
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// `Content-Type` of [`Metrics::prometheus`].
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

model::words! {
    /// Where a question comes in.
    Door {
        /// Kubernetes' ValidatingAdmissionWebhook.
        Kubernetes = "kubernetes",
        /// Gatekeeper's external data.
        Gatekeeper = "gatekeeper",
        /// Kyverno's service call.
        Kyverno = "kyverno",
        /// The registry proxy.
        Proxy = "proxy",
        /// Docker's authorization plugin.
        Docker = "docker",
    }
}

model::words! {
    /// How a name was followed.
    Following {
        /// From memory.
        Remembered = "remembered",
        /// A registry answered.
        Followed = "followed",
        /// None did, or it took too long.
        Failed = "failed",
    }
}

const DOORS: usize = Door::ALL.len();
const EFFECTS: usize = Effect::ALL.len();
/// Upper bounds of the histogram, in microseconds and as text in seconds.
const BUCKETS: [(u64, &str); 12] = [
    (50, "5e-05"),
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_000, "0.002"),
    (5_000, "0.005"),
    (20_000, "0.02"),
    (100_000, "0.1"),
    (500_000, "0.5"),
    (1_000_000, "1.0"),
    (3_000_000, "3.0"),
];

/// Counters of all doors of one process.
#[derive(Debug, Default)]
pub struct Metrics {
    decisions: [[AtomicU64; EFFECTS]; DOORS],
    undecided: [AtomicU64; DOORS],
    requests: [Histogram; DOORS],
    followings: [AtomicU64; Following::ALL.len()],
    malformed: AtomicU64,
    reloads: AtomicU64,
    reload_failures: AtomicU64,
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Metrics {
    /// An image was decided on.
    pub fn decided(&self, door: Door, decision: &Decision) {
        add(&self.decisions[door as usize][decision.effect as usize]);
        if decision.undecided.is_some() {
            add(&self.undecided[door as usize]);
        }
    }

    /// A request was answered, whatever it took.
    pub fn answered(&self, door: Door, took: Duration) {
        let histogram = &self.requests[door as usize];
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(number) = BUCKETS.iter().position(|(bound_us, _)| took_us <= *bound_us) {
            add(&histogram.buckets[number]);
        }
        add(&histogram.count);
        histogram.sum_us.fetch_add(took_us, Ordering::Relaxed);
    }

    /// A name was followed, or not.
    pub fn followed(&self, how: Following) {
        add(&self.followings[how as usize]);
    }

    /// A request was not understood.
    pub fn malformed(&self) {
        add(&self.malformed);
    }

    /// Feed, policy or certificate were read anew, or could not be.
    pub fn reloaded(&self, is_good: bool) {
        add(if is_good { &self.reloads } else { &self.reload_failures });
    }

    /// For `Accept: application/openmetrics-text`.
    #[must_use]
    pub fn openmetrics(&self, engine: &Engine, now: u64) -> String {
        self.text(engine, now, Text { body: String::new(), is_openmetrics: true })
    }

    /// For everybody else.
    #[must_use]
    pub fn prometheus(&self, engine: &Engine, now: u64) -> String {
        self.text(engine, now, Text { body: String::new(), is_openmetrics: false })
    }

    fn text(&self, engine: &Engine, now: u64, mut text: Text) -> String {
        text.counter("decisions", "Images decided on.");
        for door in Door::ALL {
            for effect in Effect::ALL {
                let count = read(&self.decisions[*door as usize][*effect as usize]);
                text.line(&format!("decisions_total{{door=\"{door}\",effect=\"{effect}\"}}"), count);
            }
        }
        text.counter("undecided", "Images that evidence could not decide: stale feed or unresolved name.");
        for door in Door::ALL {
            text.line(&format!("undecided_total{{door=\"{door}\"}}"), read(&self.undecided[*door as usize]));
        }
        text.head("request_seconds", "histogram", "Time from a whole request to its answer.");
        for door in Door::ALL {
            self.requests[*door as usize].lines(*door, &mut text);
        }
        text.counter("resolutions", "Names followed to digests.");
        for how in Following::ALL {
            text.line(&format!("resolutions_total{{result=\"{how}\"}}"), read(&self.followings[*how as usize]));
        }
        text.counter("malformed_requests", "Requests that were not understood.");
        text.line("malformed_requests_total", read(&self.malformed));
        text.counter("reloads", "Feeds, policies and certificates read anew.");
        text.line("reloads_total{result=\"good\"}", read(&self.reloads));
        text.line("reloads_total{result=\"failed\"}", read(&self.reload_failures));
        text.gauge("feed_age_seconds", "Time since the feed in use was published.", engine.age_seconds(now));
        text.gauge("feed_sequence", "Changes that led to the feed in use.", engine.sequence());
        text.gauge(
            "feed_stale",
            "1 if the feed in use is older than the policy allows.",
            engine.stale(now).is_some().into(),
        );
        text.gauge("listed", "Digests and roles that are listed.", engine.len() as u64);
        let policy = engine.policy();
        let ended = policy.ended(now).count();
        text.head("exemptions", "gauge", "Exemptions of the policy.");
        text.line("exemptions{state=\"active\"}", (policy.exempt.len() - ended) as u64);
        text.line("exemptions{state=\"ended\"}", ended as u64);
        text.head("build_info", "gauge", "The version in use.");
        text.line(concat!("build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1);
        if text.is_openmetrics {
            text.body.push_str("# EOF\n");
        }
        text.body
    }
}

impl Histogram {
    fn lines(&self, door: Door, text: &mut Text) {
        let mut sum = 0;
        for (bucket, (_, bound)) in self.buckets.iter().zip(BUCKETS) {
            sum += read(bucket);
            text.line(&format!("request_seconds_bucket{{door=\"{door}\",le=\"{bound}\"}}"), sum);
        }
        // Read last: it must not be less than a bucket.
        let count = read(&self.count).max(sum);
        text.line(&format!("request_seconds_bucket{{door=\"{door}\",le=\"+Inf\"}}"), count);
        text.line(&format!("request_seconds_count{{door=\"{door}\"}}"), count);
        let sum_us = read(&self.sum_us);
        let _ = writeln!(
            text.body,
            "lazaret_gate_request_seconds_sum{{door=\"{door}\"}} {}.{:06}",
            sum_us / 1_000_000,
            sum_us % 1_000_000
        );
    }
}

struct Text {
    body: String,
    is_openmetrics: bool,
}

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.body, "# HELP lazaret_gate_{name} {help}\n# TYPE lazaret_gate_{name} {kind}\n");
    }

    /// OpenMetrics names the family, Prometheus its one series.
    fn counter(&mut self, name: &str, help: &str) {
        let suffix = if self.is_openmetrics { "" } else { "_total" };
        self.head(&format!("{name}{suffix}"), "counter", help);
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "gauge", help);
        self.line(name, value);
    }

    fn line(&mut self, name: &str, value: u64) {
        let _ = writeln!(self.body, "lazaret_gate_{name} {value}");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };

    use super::*;
    use crate::{Policy, Subject};

    /// `promtool check metrics` also complains of style; all of it counts.
    #[test]
    fn promtool_finds_nothing_to_complain_of() {
        let engine = Engine::test(&[], Policy::default(), 100);
        let metrics = Metrics::default();
        metrics.decided(Door::Kubernetes, &engine.decide(&Subject::default(), 200));
        for took_us in [10, 1_500, 9_000_000] {
            metrics.answered(Door::Kubernetes, Duration::from_micros(took_us));
        }
        let text = metrics.prometheus(&engine, 160);
        assert!(text.contains("decisions_total{door=\"kubernetes\",effect=\"warn\"} 1\n"), "{text}");
        assert!(text.contains("request_seconds_bucket{door=\"kubernetes\",le=\"0.002\"} 2\n"), "{text}");
        assert!(text.contains("request_seconds_sum{door=\"kubernetes\"} 9.001510\n"), "{text}");
        assert!(text.contains("lazaret_gate_feed_age_seconds 60\n"), "{text}");

        #[expect(clippy::disallowed_methods, reason = "a real reader of metrics")]
        let promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut promtool = promtool.expect("promtool is there: `make tools`");
        promtool.stdin.take().expect("piped").write_all(text.as_bytes()).expect("written");
        let output = promtool.wait_with_output().expect("it ends");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
    }

    #[test]
    fn openmetrics_names_the_family_and_ends() {
        let text = Metrics::default().openmetrics(&Engine::test(&[], Policy::default(), 0), 0);
        assert!(text.contains("# TYPE lazaret_gate_decisions counter\n") && text.ends_with("# EOF\n"), "{text}");
        assert!(text.contains("lazaret_gate_decisions_total{"), "{text}");
    }
}
