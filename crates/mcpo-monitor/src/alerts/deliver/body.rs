//! What is sent: our own JSON, what Slack and those after its model take, and Alertmanager's API.

use std::time::{Duration, SystemTime};

use mcpo_config::WebhookFormat;
use serde_json::{Map, Value, json};

use crate::alerts::rules::Rule;
use crate::alerts::{Alert, Phase, Severity};
use crate::faces::rfc_3339;
use crate::picture::epoch_seconds;
use crate::registry::SERVER;

/// An Alertmanager that hears nothing more of an alert takes it for resolved after this: four times
/// what it is told again in, as Prometheus does it.
pub(crate) const FIRES_FOR: Duration = Duration::from_mins(4);

/// A test alert is over by itself after this.
const TEST_FOR: Duration = Duration::from_mins(1);

/// Who tells.
#[derive(Debug)]
pub(super) struct Teller {
    pub(super) instance: String,
}

/// Our own JSON: alerts as `/alerts` has them, and who tells.
pub(super) fn json(teller: &Teller, alerts: &[Alert]) -> Value {
    json!({
        "source": "mcpo",
        "version": env!("CARGO_PKG_VERSION"),
        "instance": teller.instance,
        "test": false,
        "alerts": alerts,
    })
}

/// A message with one attachment for each alert.
pub(super) fn slack(teller: &Teller, alerts: &[Alert]) -> Value {
    let over = alerts.iter().filter(|alert| is_over(alert)).count();
    let text = match (alerts.len() - over, over) {
        (firing, 0) => format!("{firing} firing"),
        (0, over) => format!("{over} resolved"),
        (firing, over) => format!("{firing} firing, {over} resolved"),
    };
    let attachments: Vec<_> = alerts.iter().map(attachment).collect();
    json!({"text": format!("mcpo {}: {text}", escape(&teller.instance)), "attachments": attachments})
}

fn attachment(alert: &Alert) -> Value {
    let (color, word) = match (is_over(alert), alert.severity) {
        (true, _) => ("good", "Resolved"),
        (false, Severity::Warning) => ("warning", "Warning"),
        (false, Severity::Critical) => ("danger", "Critical"),
    };
    let summary = escape(&alert.summary);
    let text = if is_over(alert) { String::new() } else { escape(&alert.fix) };
    let title = format!("{word}: {summary} ({})", escape(&alert.rule));
    json!({"color": color, "fallback": title, "title": title, "text": text})
}

/// Slack's three characters of control as entities (docs.slack.dev, "Formatting message text"), and
/// an `@` that calls nobody where those after its model would.
pub(super) fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('@', "@\u{200b}")
}

/// The body of `POST /api/v2/alerts`. What fires does so until [`FIRES_FOR`] from now.
pub(super) fn alertmanager(teller: &Teller, alerts: &[Alert], now: SystemTime) -> Value {
    alerts.iter().map(|alert| posted(teller, alert, now)).collect()
}

fn posted(teller: &Teller, alert: &Alert, now: SystemTime) -> Value {
    // After the clock was set back the alert may seem to begin in the future.
    let starts = alert.since.min(epoch_seconds(now));
    let ends = match alert.resolved_at {
        Some(resolved) => resolved.clamp(starts, epoch_seconds(now)),
        None => epoch_seconds(now + FIRES_FOR),
    };
    let rule = Rule::named(&alert.rule);
    let alertname = rule.map_or(alert.rule.as_str(), |rule| rule.alertname);
    let mut labels = labels(teller, alertname, alert.severity);
    if let Some(server) = &alert.server {
        labels.insert(SERVER.to_owned(), server.as_str().into());
    }
    let description = rule.map_or("", |rule| rule.description);
    json!({
        "labels": labels,
        "annotations": {"summary": alert.summary, "description": description, "fix": alert.fix},
        "startsAt": written(starts),
        "endsAt": written(ends),
    })
}

fn labels(teller: &Teller, alertname: &str, severity: Severity) -> Map<String, Value> {
    let of = [
        ("alertname", alertname),
        ("severity", severity.name()),
        ("job", "mcpo"),
        ("instance", &teller.instance),
    ];
    of.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// What is sent to see whether it arrives.
pub(super) fn test(teller: &Teller, format: WebhookFormat, now: SystemTime) -> Value {
    let alert = Alert {
        rule: "test".to_owned(),
        server: None,
        severity: Severity::Warning,
        phase: Phase::Firing,
        since: epoch_seconds(now),
        resolved_at: None,
        value: 0.0,
        threshold: 0.0,
        summary: "This is a test of mcpo's alerts. Nothing is wrong.".to_owned(),
        fix: "Nothing is to be done.".to_owned(),
        inhibited_by: None,
    };
    match format {
        WebhookFormat::Json => {
            let mut body = json(teller, std::slice::from_ref(&alert));
            body["test"] = true.into();
            body
        }
        WebhookFormat::Slack => {
            let text = format!("mcpo {}: test. {}", escape(&teller.instance), alert.summary);
            json!({"text": text})
        }
        WebhookFormat::Alertmanager => {
            let mut labels = labels(teller, "McpoTest", alert.severity);
            labels.insert("test".to_owned(), "true".into());
            json!([{
                "labels": labels,
                "annotations": {"summary": alert.summary},
                "startsAt": written(alert.since),
                "endsAt": rfc_3339(now + TEST_FOR),
            }])
        }
    }
}

fn is_over(alert: &Alert) -> bool {
    alert.phase == Phase::Resolved
}

/// A time of an alert, as others write it.
fn written(at: f64) -> String {
    let since = Duration::try_from_secs_f64(at).unwrap_or_default();
    rfc_3339(SystemTime::UNIX_EPOCH + since)
}

#[cfg(test)]
mod tests;
