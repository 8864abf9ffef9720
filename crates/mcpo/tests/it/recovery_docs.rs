//! The tables of docs/recovery.md are made from the code. After a change of the code:
//! `MCPO_WRITE_DOCS=1 cargo nextest run -p mcpo recovery_docs`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcpo_config::PoolSizes;
use mcpo_core::backoff::Backoff;
use mcpo_core::breaker::BreakerPolicy;
use mcpo_core::budget::BudgetPolicy;
use mcpo_core::fault::FaultKind;
use mcpo_core::health::HealthPolicy;
use mcpo_core::hope::{FAILED_STARTS_BRIDGED, TROUBLE_BRIDGED};
use mcpo_core::life::LifePolicy;
use mcpo_core::outcome::OutcomeKind;
use mcpo_core::pool::PoolPolicy;
use mcpo_core::retry::RetryPolicy;
use mcpo_core::traffic::WINDOW;
use mcpo_policy::idempotency::{IdempotencyPolicy, KEY_BYTES_MAX};
use mcpo_upstream::directory::{CALLS_IN_FLIGHT_MAX, CALLS_WAITING_MAX};

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/recovery.md")
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch for whoever runs the test, not for mcpo")]
fn the_tables_are_those_of_the_code() {
    let written = std::fs::read_to_string(page()).unwrap();
    let tables = [("outcomes", outcomes()), ("faults", faults()), ("numbers", numbers())];
    let made = tables.into_iter().fold(written.clone(), |text, (name, table)| {
        replaced(&text, &format!("<!-- {name}: generated -->\n"), &table)
    });
    if std::env::var_os("MCPO_WRITE_DOCS").is_some() {
        std::fs::write(page(), &made).unwrap();
        return;
    }
    assert!(made == written, "docs/recovery.md is not what the code says; {}", cure());
}

fn cure() -> &'static str {
    "run `MCPO_WRITE_DOCS=1 cargo nextest run -p mcpo recovery_docs` and look at what changed"
}

/// Every fault also has a row that says what to do about it.
#[test]
fn every_fault_has_its_advice() {
    let text = std::fs::read_to_string(page()).unwrap();
    let advice = text.split_once("| code | callers see |").unwrap().1;
    for kind in FaultKind::ALL {
        assert!(advice.contains(&format!("\n| `{kind}` |")), "no advice on {kind}");
    }
}

fn replaced(text: &str, start: &str, table: &str) -> String {
    let (before, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start}"));
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}{start}{table}<!-- end -->{after}")
}

fn outcomes() -> String {
    let all =
        [OutcomeKind::Reply, OutcomeKind::NotSent, OutcomeKind::Refused, OutcomeKind::Unknown];
    let rows = all.map(|kind| {
        let meaning = match kind {
            OutcomeKind::Reply => "the server answered, if only with an error",
            OutcomeKind::NotSent => "the server certainly did not act on it",
            OutcomeKind::Refused => "the server said \"not now\" and did not act on it",
            OutcomeKind::Unknown => "the server may have acted on it; nobody can know",
        };
        let again = match (kind.may_be_sent_again(false), kind.may_be_sent_again(true)) {
            (true, _) => "yes, any tool",
            (false, true) => "only an idempotent one",
            (false, false) => "never",
        };
        format!("| `{}` | {meaning} | {again} |\n", kind.name())
    });
    format!("| outcome | meaning | sent again |\n|---|---|---|\n{}", rows.concat())
}

fn faults() -> String {
    let rows = FaultKind::ALL.map(|kind| {
        let (severity, cure) = (kind.severity().name(), kind.cure().name());
        format!("| `{kind}` | `{severity}` | `{cure}` | {} |\n", kind.meaning())
    });
    format!("| code | severity | cure | meaning |\n|---|---|---|---|\n{}", rows.concat())
}

fn numbers() -> String {
    let rows: String = [calls(), breaker(), upstreams(), sessions()]
        .into_iter()
        .flatten()
        .map(|(what, value)| format!("| {what} | {value} |\n"))
        .collect();
    format!("| what | default |\n|---|---|\n{rows}")
}

type Row = (&'static str, String);

fn calls() -> Vec<Row> {
    let RetryPolicy { attempts_max, transient, throttled, retry_after_slack } =
        RetryPolicy::default();
    let budget = BudgetPolicy::default();
    let IdempotencyPolicy { entries_max, bytes_max, ttl } = IdempotencyPolicy::default();
    vec![
        (
            "attempts of a call, the first included (`MCPO_MAX_RECOVERY_ATTEMPTS`)",
            number(attempts_max),
        ),
        ("wait before a call is sent again: random, up to", steps(transient)),
        ("the same after \"not now\"", steps(throttled)),
        ("how much later than a `Retry-After` at most", length(retry_after_slack)),
        ("repeats: the budget's size", number(budget.tokens_max)),
        (
            "what a repeat costs, and after \"not now\"",
            format!("{}, {}", budget.cost_transient, budget.cost_throttled),
        ),
        ("what a call that works at once brings back", number(budget.gain)),
        (
            "repeats within the window, however few the calls; above that, as a share of them",
            format!("{}, {}", budget.reserve, share(budget.ratio)),
        ),
        ("the window of these counts, and of the breaker's", length(WINDOW)),
        (
            "calls in flight to one server; more that wait for that",
            format!("{CALLS_IN_FLIGHT_MAX}, {CALLS_WAITING_MAX}"),
        ),
        (
            "`Idempotency-Key`: length, answers kept, their size, for how long",
            format!("{KEY_BYTES_MAX}, {entries_max}, {} MiB, {}", bytes_max >> 20, length(ttl)),
        ),
    ]
}

fn breaker() -> Vec<Row> {
    let BreakerPolicy { consecutive, success_rate, samples_min, open, open_share } =
        BreakerPolicy::default();
    vec![
        ("failures in a row that open the breaker", number(consecutive)),
        (
            "share of successes below which it opens, once there were so many calls",
            format!("{}, {samples_min}", share(success_rate)),
        ),
        (
            "how long it stays open: a share of how long the trouble has lasted, between two bounds",
            format!("1/{:.0}, {} to {}", 1.0 / open_share, length(open.first), length(open.most)),
        ),
    ]
}

fn upstreams() -> Vec<Row> {
    let LifePolicy { recovery: _, backoff, sustained, crashes_max, crash_window, held_look } =
        LifePolicy::default();
    let crashes = crashes_max.map_or("none".to_owned(), |most| most.to_string());
    vec![
        (
            "failed starts during which calls wait, whatever their length",
            number(FAILED_STARTS_BRIDGED),
        ),
        (
            "how long calls wait for a server whose starts fail more often, or for its breaker",
            length(TROUBLE_BRIDGED),
        ),
        ("wait between attempts to connect", steps(backoff)),
        ("a session that lived so long, or answered a call, was no failure", length(sustained)),
        (
            "crashes of a process that make a crash loop, within",
            format!("{crashes}, {}", length(crash_window)),
        ),
        ("waits before each look at one that is held by its fault", steps(held_look)),
    ]
}

fn sessions() -> Vec<Row> {
    let HealthPolicy { probe_every, probe_timeout, stale } = HealthPolicy::default();
    let PoolPolicy { min: _, max: _, grow_at, idle } = PoolPolicy::default();
    let sizes = |PoolSizes { min, max }| match max {
        max if max == min => max.to_string(),
        max => format!("{min} to {max}"),
    };
    vec![
        (
            "sessions of a command, and of a URL (`pool`)",
            format!("{}, {}", sizes(PoolSizes::STDIO), sizes(PoolSizes::HTTP)),
        ),
        ("calls in flight on each session that make the pool grow", grow_at.to_string()),
        ("a session beyond the least ends after so long without a call", length(idle)),
        (
            "silence after which a session is probed (`MCPO_PROBE_INTERVAL`)",
            probe_every.map_or("never".to_owned(), length),
        ),
        ("how long the answer to a probe may take", length(probe_timeout)),
        ("silence after which a call waits for a probe first", length(stale)),
    ]
}

fn number(value: u32) -> String {
    value.to_string()
}

fn share(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}

fn steps(Backoff { first, most }: Backoff) -> String {
    format!("{}, doubling up to {}", length(first), length(most))
}

fn length(length: Duration) -> String {
    match length.as_millis() {
        millis if millis < 500 => format!("{millis} ms"),
        millis if millis % 60_000 == 0 && millis > 60_000 => format!("{} min", millis / 60_000),
        _longer => format!("{} s", length.as_secs_f64()),
    }
}
