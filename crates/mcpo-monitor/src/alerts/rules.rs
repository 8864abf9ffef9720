//! The rules as data: what is looked at, above which value it is an alert, for how long, what is
//! said of it, and the same in Prometheus' words. Documentation, the rules that we ship for
//! Prometheus and the engine are all made from this table.

use std::time::Duration;

use super::Severity;
use super::measure::{self, Sight, Subject};
use super::promql;

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its stable name, in the configuration and in answers.
    pub id: &'static str,
    /// Its name where Prometheus and Alertmanager are told of it.
    pub alertname: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// It holds above this value.
    pub threshold: f64,
    /// What the value is.
    pub unit: Unit,
    /// Once it holds, it does so until the value is no more than this share of the threshold: a
    /// value that wavers about the threshold makes one alert.
    pub calm_share: f64,
    /// For how long it must hold before anybody is told.
    pub hold_for: Duration,
    /// How far its value looks back, at least: so long after an outage it may still be high on
    /// account of it. Zero for what holds now or not.
    pub looks_back: Duration,
    /// What it is looked at for.
    pub scope: Scope,
    /// What it means, in one sentence.
    pub description: &'static str,
    /// What a person can do, in one or two sentences.
    pub fix: &'static str,
    /// What is said when it is over.
    pub calm: &'static str,
    /// See [`Rule::promql`].
    promql: fn(f64) -> String,
    /// The value now; `None` where there is too little to tell.
    pub(super) measure: fn(&Sight<'_>, Subject<'_>) -> Option<f64>,
    /// What is said of a value, without the name of whom it is about.
    pub(super) say: fn(&Sight<'_>, Subject<'_>, f64) -> String,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A share from 0 to 1.
    Share,
    /// Seconds.
    Seconds,
    /// How many.
    Count,
    /// 1 where it is so, 0 where it is not.
    Flag,
    /// How many times faster the error budget is spent than it may be.
    BurnRate,
}

/// What a rule is looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The machine, or the container that we are in.
    Machine,
    /// Each upstream.
    Servers,
    /// Each upstream, and all of them together.
    ServersAndWhole,
}

/// Fewer failed calls than this within five minutes are no error rate: two of three calls that
/// fail at night wake nobody.
pub const FAILURES_LEAST: u64 = 5;

/// Fewer answers than this within five minutes tell nothing of how fast an upstream is.
pub const ANSWERS_LEAST: u64 = 5;

/// Reconnects are counted over this length: as long as a crash counts in an upstream's life.
pub const RECONNECTS_WINDOW: Duration = Duration::from_mins(10);

const CPU_HIGH: Rule = Rule {
    id: "cpu_high",
    alertname: "McpoCpuHigh",
    severity: Severity::Warning,
    threshold: 0.80,
    unit: Unit::Share,
    calm_share: 0.9,
    hold_for: Duration::from_mins(5),
    looks_back: Duration::ZERO,
    scope: Scope::Machine,
    description: "The machine, or the container that mcpo is in, uses nearly all of the processor \
        time that it may.",
    fix: "See which upstream uses it on the dashboard, call it less, or give the machine or the \
        container more processors.",
    calm: "the processors have room again",
    promql: promql::cpu,
    measure: measure::cpu,
    say: measure::say_cpu,
};

const MEMORY_HIGH: Rule = Rule {
    id: "memory_high",
    alertname: "McpoMemoryHigh",
    severity: Severity::Critical,
    threshold: 0.90,
    unit: Unit::Share,
    calm_share: 0.95,
    hold_for: Duration::from_mins(1),
    looks_back: Duration::ZERO,
    scope: Scope::Machine,
    description: "The machine, or the container that mcpo is in, uses nearly all of the memory \
        that it may; beyond, the kernel kills processes.",
    fix: "See which upstream uses it on the dashboard and reconnect that one, or give the machine \
        or the container more memory.",
    calm: "there is free memory again",
    promql: promql::memory,
    measure: measure::memory,
    say: measure::say_memory,
};

const ERROR_RATE: Rule = Rule {
    id: "error_rate",
    alertname: "McpoErrorRate",
    severity: Severity::Warning,
    threshold: 0.05,
    unit: Unit::Share,
    calm_share: 0.8,
    hold_for: Duration::from_mins(2),
    looks_back: Duration::from_mins(5),
    scope: Scope::ServersAndWhole,
    description: "Too many calls of the last five minutes came to no answer. A tool's own error \
        is an answer; fewer than five failed calls are no alert.",
    fix: "Look at the upstream's last fault and at /diagnostics, which names the link that is \
        broken.",
    calm: "calls are answered again",
    promql: promql::error_rate,
    measure: measure::error_rate,
    say: measure::say_error_rate,
};

const SLOW_RESPONSES: Rule = Rule {
    id: "slow_responses",
    alertname: "McpoSlowResponses",
    severity: Severity::Warning,
    threshold: 5.0,
    unit: Unit::Seconds,
    calm_share: 0.8,
    hold_for: Duration::from_mins(2),
    looks_back: Duration::from_mins(5),
    scope: Scope::Servers,
    description: "One in ten calls of the last five minutes took longer than this.",
    fix: "See at /diagnostics where the time goes: if calls wait for a session, raise the \
        upstream's pool; if the upstream has them, look at its own load and at what it calls.",
    calm: "answers come in time again",
    promql: promql::slow,
    measure: measure::slow,
    say: measure::say_slow,
};

const SERVER_DOWN: Rule = Rule {
    id: "server_down",
    alertname: "McpoServerDown",
    severity: Severity::Critical,
    threshold: 0.0,
    unit: Unit::Flag,
    calm_share: 1.0,
    hold_for: Duration::from_mins(1),
    looks_back: Duration::ZERO,
    scope: Scope::Servers,
    description: "The upstream cannot be called. It is tried again by itself. One that is started \
        for the first time counts once that has failed.",
    fix: "Look at /diagnostics, which names the link that is broken and what mends it; then \
        reconnect the upstream, or wait until it is tried again.",
    calm: "it can be called again",
    promql: promql::down,
    measure: measure::down,
    say: measure::say_down,
};

const CRASH_LOOP: Rule = Rule {
    id: "crash_loop",
    alertname: "McpoCrashLoop",
    severity: Severity::Critical,
    threshold: 5.0,
    unit: Unit::Count,
    calm_share: 0.5,
    hold_for: Duration::ZERO,
    looks_back: Duration::ZERO,
    scope: Scope::Servers,
    description: "The upstream went away and was made anew more than this often within ten \
        minutes, or crashed so often that it is held.",
    fix: "Read the last words of its process at /diagnostics; start its command by hand, and \
        mend what it complains of.",
    calm: "it stays",
    promql: promql::crash_loop,
    measure: measure::crash_loop,
    say: measure::say_crash_loop,
};

const HELD: Rule = Rule {
    id: "held",
    alertname: "McpoHeld",
    severity: Severity::Warning,
    threshold: 0.0,
    unit: Unit::Flag,
    calm_share: 1.0,
    hold_for: Duration::from_mins(1),
    looks_back: Duration::ZERO,
    scope: Scope::Servers,
    description: "The upstream is held: nothing is sent to it, since an operator said so or since \
        its fault passes by no new attempt.",
    fix: "Mend what the hold's reason names, then release it: on the dashboard, or in a \
        terminal by: mcpo admin release NAME.",
    calm: "it is not held any more",
    promql: promql::held,
    measure: measure::held,
    say: measure::say_held,
};

const SLO_BURN_FAST: Rule = Rule {
    id: "slo_burn_fast",
    alertname: "McpoSloBurnFast",
    severity: Severity::Critical,
    threshold: 14.4,
    unit: Unit::BurnRate,
    calm_share: 0.9,
    hold_for: Duration::from_mins(2),
    looks_back: Duration::from_mins(5),
    scope: Scope::ServersAndWhole,
    description: "Over the last hour and over the last five minutes, calls failed so often that \
        two hundredths of a month's error budget are spent within an hour.",
    fix: "Act now: look at /diagnostics and mend, hold or replace the upstream that fails most.",
    calm: "the error budget lasts again",
    promql: promql::burn_fast,
    measure: measure::burn_fast,
    say: measure::say_burn_fast,
};

const SLO_BURN_SLOW: Rule = Rule {
    id: "slo_burn_slow",
    alertname: "McpoSloBurnSlow",
    severity: Severity::Warning,
    threshold: 6.0,
    unit: Unit::BurnRate,
    calm_share: 0.9,
    hold_for: Duration::from_mins(15),
    looks_back: Duration::from_mins(30),
    scope: Scope::ServersAndWhole,
    description: "Over the last six hours and over the last half hour, calls failed so often that \
        a twentieth of a month's error budget is spent within six hours.",
    fix: "Look at /diagnostics today, and at which upstream fails most on the dashboard.",
    calm: "the error budget lasts again",
    promql: promql::burn_slow,
    measure: measure::burn_slow,
    say: measure::say_burn_slow,
};

const CALLS_SHED: Rule = Rule {
    id: "calls_shed",
    alertname: "McpoCallsShed",
    severity: Severity::Warning,
    threshold: 0.05,
    unit: Unit::Share,
    calm_share: 0.8,
    hold_for: Duration::from_mins(1),
    looks_back: Duration::from_mins(5),
    scope: Scope::ServersAndWhole,
    description: "Too many calls of the last five minutes were turned away since there was no room \
        for them: of a server those that waited in vain or that too many waited before, of all \
        together also those that mcpo itself had no room or no processor time for. What rates and \
        the bounds of one caller turn away does not count; fewer than five are no alert.",
    fix: "Look at /diagnostics, which names what was full and the setting that bounds it: \
        maxConcurrent, maxWaiting or pool of the server, or MCPO_MAX_CONCURRENT.",
    calm: "there is room for calls again",
    promql: promql::shed,
    measure: measure::shed,
    say: measure::say_shed,
};

/// All rules, in the order in which the configuration lists them. The thresholds and windows of the
/// burn rates are those of "The Site Reliability Workbook", chapter 5, table 5-8.
pub const RULES: [Rule; 10] = [
    CPU_HIGH,
    MEMORY_HIGH,
    ERROR_RATE,
    SLOW_RESPONSES,
    SERVER_DOWN,
    CRASH_LOOP,
    HELD,
    SLO_BURN_FAST,
    SLO_BURN_SLOW,
    CALLS_SHED,
];

// === impl Rule ===

impl Rule {
    /// The rule of that name.
    #[must_use]
    pub fn named(id: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.id == id)
    }

    /// Its expression for Prometheus, with the default threshold and objective: one alert for each
    /// upstream, with the labels of the metrics of `registry`.
    #[must_use]
    pub fn promql(&self) -> String {
        (self.promql)(self.threshold)
    }
}
