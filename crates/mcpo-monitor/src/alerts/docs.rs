//! docs/alerts.md: made from the rules, what explains what, the bounds of delivery and the bodies
//! that are sent, with text around them.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::deliver::{
    ALERTS_MAX, BACKOFF_MAX, BACKOFF_MIN, BATCH_MAX, GIVE_UP_AFTER, REQUEST_TIMEOUT, RESEND_EVERY,
    RETRY_AFTER_MAX, bodies,
};
use super::engine::{CALM, CALM_MAX, CULPRITS, FLAP_WINDOW, INHIBITIONS, SYMPTOMS, When};
use super::rules::{RULES, Rule, Scope, Unit};
use super::{Alert, Phase};

const STRING: &str = "writing to a string cannot fail";

/// The page, whole.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    table(&mut page);
    page.push_str(AFTER_TABLE);
    RULES.iter().for_each(|rule| section(&mut page, rule));
    life(&mut page);
    inhibitions(&mut page);
    page.push_str(CONFIGURATION);
    webhooks(&mut page);
    delivery(&mut page);
    page.push_str(TAIL);
    page
}

const HEAD: &str = "\
<!-- Made from the rules: MCPO_WRITE_DOCS=1 cargo nextest run -p mcpo-monitor --test alerts_docs -->
# Alerts

mcpo looks at ten rules every few seconds. What they find is in the log, at `GET /alerts`, on the
dashboard, in `mcpo_alert_firing` for Prometheus, and sent to webhooks. Each alert says in plain
words what is wrong, with the figures, and what you can do about it.

## Rules

| rule | about | fires above | for | severity | over at or below |
|---|---|---|---|---|---|
";

const AFTER_TABLE: &str = "
Rules that fire above 0 are yes or no: 1 is yes. To be without one, switch it off (`enabled`) rather than
raise its threshold. The objective of the burn rates is `slo.objective`
(0.99): of a hundred calls one may fail.

A call has failed that came to no answer, also one that was turned away since too many wait for its server
or since it would have been too late (`server_full`, `too_late`). Those that mcpo turns away at its door
are in no error rate and spend no error budget: `process_full` and `process_slow` are told of by
`calls_shed`, and `identity_full` and `rate_limited` are as ordered.
";

fn table(page: &mut String) {
    for rule in RULES {
        let Rule { id, unit, threshold, .. } = rule;
        let (about, value, length) =
            (about(rule.scope), value(unit, threshold), length(rule.hold_for));
        let calm = calm(&rule);
        let severity = rule.severity.name();
        writeln!(page, "| [`{id}`](#{id}) | {about} | {value} | {length} | {severity} | {calm} |")
            .expect(STRING);
    }
}

const fn about(scope: Scope) -> &'static str {
    match scope {
        Scope::Machine => "the machine or container",
        Scope::Servers => "each server",
        Scope::ServersAndWhole => "each server, and all together",
    }
}

fn value(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Share => format!("{} ({:.0} %)", rounded(value), value * 100.0),
        Unit::Seconds => format!("{} s", rounded(value)),
        Unit::Count | Unit::Flag => rounded(value).to_string(),
        Unit::BurnRate => format!("{} times", rounded(value)),
    }
}

/// Without the noise of a product of two fractions.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn calm(rule: &Rule) -> String {
    value(rule.unit, rule.threshold * rule.calm_share)
}

fn length(length: Duration) -> String {
    match length.as_secs() {
        0 => "at once".to_owned(),
        seconds if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        seconds if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

fn section(page: &mut String, rule: &Rule) {
    let Rule { id, description, fix, .. } = rule;
    let promql = rule.promql();
    write!(page, "\n### {id}\n\n{description}\n\n*What you can do.* {fix}\n").expect(STRING);
    write!(page, "\nIn Prometheus:\n\n```promql\n{promql}\n```\n").expect(STRING);
}

fn life(page: &mut String) {
    let (calm, flap, most) = (length(CALM), length(FLAP_WINDOW), length(CALM_MAX));
    write!(
        page,
        "
## From pending to resolved

An alert is *pending* as long as its condition holds, but not yet for as long as its rule asks. Then
it *fires*, and people are told once. It is *resolved* when its value was at or below the last column
of the table for as long as it must have been high, but {calm} at most; people are told of that, too.

- A value that wavers about its threshold is one alert, since it ends below where it begins.
- What fires again within {flap} after it was resolved must be calm for twice as long each time, up to
  {most}: what flaps becomes one alert.
- Lengths are measured by a clock that nobody sets: a wall clock that jumps neither fires nor resolves.
- A server that is taken out of the configuration resolves its alerts, and so does a rule that is
  switched off.
- Alerts are not kept over a restart of mcpo: what still holds fires again.
- A reload takes other rules and webhooks over at once: an alert that is none any more is over, and a
  new webhook is told of what fires.
"
    )
    .expect(STRING);
}

fn inhibitions(page: &mut String) {
    page.push_str(
        "
## What explains what

One server that is down is one message, not one for each rule that sees it. An alert that another one
explains is shown (`inhibited_by`), but nobody is told of it, unless it still holds when the other one
is over.

| alert | explains, of the same server | when |
|---|---|---|
",
    );
    for inhibition in &INHIBITIONS {
        let when = match inhibition.when {
            When::Always => "always",
            When::OperatorHolds => "an operator holds it",
            When::FaultHolds => "its own fault holds it",
        };
        let by = inhibition.by;
        writeln!(page, "| `{by}` | {} | {when} |", list(inhibition.of)).expect(STRING);
    }
    let (symptoms, culprits) = (list(&SYMPTOMS), list(&CULPRITS));
    write!(
        page,
        "
- An alert explains none that is more severe than itself, except an operator's own hold: who wants to
  hear of critical ones alone hears of all of them.
- {symptoms} look back over minutes: they stay explained for as long as that after the outage.
- Of all servers together they are explained by {culprits} of single servers, if the other servers by
  themselves are below the threshold.
"
    )
    .expect(STRING);
}

const CONFIGURATION: &str = r#"
## Configuration

In the configuration file, beside `mcpServers`; what is not said is as in the table above:

```json
{
  "mcpServers": {},
  "monitor": {
    "slo": {"objective": 0.99},
    "alerts": {
      "rules": {
        "error_rate": {"threshold": 0.1, "for": 300, "severity": "critical"},
        "cpu_high": {"enabled": false}
      },
      "webhooks": [
        {"url": "https://hooks.example.com/services/T0/B0/KEY", "format": "slack", "min_severity": "critical"},
        {"url": "http://127.0.0.1:9093", "format": "alertmanager"},
        {"url": "https://example.com/alerts", "headers": {"Authorization": "Bearer KEY"}}
      ]
    }
  }
}
```

`threshold` is in the rule's own unit (shares from 0 to 1, times in seconds), `for` in seconds. A rule
needs more than its threshold: five failed calls within the window for error and burn rates, five
answers for `slow_responses`, so that a quiet night with two failures wakes nobody.

`mcpo alerts test --config FILE` sends an alert that is marked as a test to each webhook and says what
came of it.
"#;

fn webhooks(page: &mut String) {
    let [json, slack, alertmanager] = bodies(&example(), SystemTime::UNIX_EPOCH + EXAMPLE_AT);
    let resend = length(RESEND_EVERY);
    write!(
        page,
        "
## Webhooks

Alerts that begin to fire or are resolved at the same time are one request, of {BATCH_MAX} alerts at most.
Every answer from 200 to 299 counts as taken.

`json` is a POST of:

```json
{json:#}
```

`phase` is `firing` or `resolved`; times are in seconds since 1970. `instance`, here and below, is the
machine's name with the port of mcpo.

`slack` is what Slack's incoming webhooks take, and those after their model (Mattermost, Rocket.Chat,
Discord with `/slack` after its address):

```json
{slack:#}
```

`alertmanager` is a POST to `/api/v2/alerts` below `url`, the base address of an Alertmanager. Its
labels are those that Prometheus would give with [our rules](prometheus/mcpo.rules.yml), so that routes
and silences hold for both. What fires is sent again every {resend}, and lapses if mcpo is gone:

```json
{alertmanager:#}
```
"
    )
    .expect(STRING);
}

fn delivery(page: &mut String) {
    let (request, give_up) = (length(REQUEST_TIMEOUT), length(GIVE_UP_AFTER));
    let (wait_min, wait_max) = (length(BACKOFF_MIN), length(BACKOFF_MAX));
    let asked_max = length(RETRY_AFTER_MAX);
    write!(
        page,
        "
## Delivery

- Each webhook has a queue and a task of its own: one that hangs delays neither the others nor mcpo.
- The newest state of an alert replaces older ones. The end of an alert is sent only to who was told,
  or may have been told, of its beginning; what began and ended while a webhook was away is not sent.
- A request may take {request}. After a failure (no connection, no answer in time, 408, 425, 429, 5xx) it
  is sent again after {wait_min}, then twice as long each time up to {wait_max}, less up to half of it by
  chance; `Retry-After` is honoured up to {asked_max}. After {give_up} it is given up. An alert can so
  arrive twice; rule, server and `since` tell.
- Any other answer is final: a redirect is not followed, since the alert is meant for the address in the
  configuration, and what is refused would be refused again.
- At most {ALERTS_MAX} alerts are known of each webhook; beyond, new ones are dropped and counted.
- When mcpo stops, what is queued has one more second.
- A proxy is used where `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say so, but never for loopback.
- Addresses and headers are secrets: neither the log nor any page shows them. A webhook is called by its
  place and format, as `2:alertmanager`. `GET /alerts` (`webhooks`) and `mcpo_alert_deliveries_total` say
  how much was sent, failed or dropped, and why the last attempt failed.
"
    )
    .expect(STRING);
}

/// When the example is sent: 2026-01-02 03:04:05.
const EXAMPLE_AT: Duration = Duration::from_secs(1_767_323_045);

/// One alert of each phase.
fn example() -> [Alert; 2] {
    let now = EXAMPLE_AT.as_secs_f64();
    let rule = |id| Rule::named(id).expect("the rule is in the table");
    let alert = |rule: &Rule, summary: &str, resolved_at: Option<f64>| Alert {
        rule: rule.id.to_owned(),
        server: Some("search".to_owned()),
        severity: rule.severity,
        phase: if resolved_at.is_some() { Phase::Resolved } else { Phase::Firing },
        since: now - 60.0,
        resolved_at,
        value: if resolved_at.is_some() { 0.004 } else { 1.0 },
        threshold: rule.threshold,
        summary: summary.to_owned(),
        fix: rule.fix.to_owned(),
        inhibited_by: None,
    };
    let down = "search: it cannot be called: it cannot be reached";
    let calm = format!("search: {}", rule("error_rate").calm);
    [alert(rule("server_down"), down, None), alert(rule("error_rate"), &calm, Some(now))]
}

const TAIL: &str = "
## With Prometheus

[prometheus/mcpo.rules.yml](prometheus/mcpo.rules.yml) has the same rules for a Prometheus that scrapes
mcpo, with the default thresholds and per server. Use one or the other to tell people: both together
tell twice.
";

/// `a`, `b` and `c`.
fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
