//! What the file says of monitoring: what calls are held to, which alerts there are and who is told.

use std::time::Duration;

use crate::check::keys;
use crate::check::server::{placeholder_warning, url};
use crate::check::values::{self, Header};
use crate::field::{Field, Table};
use crate::monitoring::{
    ALERT_RULES, AlertRule, AlertSeverity, Alerts, Monitoring, WEBHOOKS_MAX, Webhook, WebhookFormat,
};
use crate::report::Report;
use crate::secret::Secret;

/// What the file says of monitoring.
#[derive(Debug, Default)]
pub(super) struct MonitorSaid {
    slo_objective: Option<f64>,
    alerts: Alerts,
}

// === impl MonitorSaid ===

impl MonitorSaid {
    /// What `monitor` of the whole file says.
    pub(super) fn read(top: &Table<'_>, report: &mut Report) -> Self {
        let Some(table) = top.get("monitor").and_then(|field| field.table(report)) else {
            return Self::default();
        };
        keys::report_unknown(&table, &keys::MONITOR, report);
        Self { slo_objective: objective(&table, report), alerts: alerts(&table, report) }
    }

    /// Puts what was said over `base`.
    pub(super) fn over(self, base: Monitoring) -> Monitoring {
        Monitoring {
            slo_objective: self.slo_objective.unwrap_or(base.slo_objective),
            alerts: self.alerts,
            ..base
        }
    }
}

fn objective(table: &Table<'_>, report: &mut Report) -> Option<f64> {
    let slo = table.get("slo")?.table(report)?;
    keys::report_unknown(&slo, &keys::SLO, report);
    let field = slo.get("objective")?;
    let text = field.number(report)?;
    let objective = text.parse::<f64>().ok().filter(|share| 0.0 < *share && *share < 1.0);
    if objective.is_none() {
        let problem = field.error(format!("`{text}` is no share of the calls"));
        report.push(problem.cure("above 0 and below 1, as 0.99 for 99 of 100"));
    }
    objective
}

fn alerts(table: &Table<'_>, report: &mut Report) -> Alerts {
    let Some(inside) = table.get("alerts").and_then(|field| field.table(report)) else {
        return Alerts::default();
    };
    keys::report_unknown(&inside, &keys::ALERTS, report);
    Alerts { rules: rules(&inside, report), webhooks: webhooks(&inside, report) }
}

fn rules(table: &Table<'_>, report: &mut Report) -> Vec<(String, AlertRule)> {
    let Some(rules) = table.get("rules").and_then(|field| field.table(report)) else {
        return Vec::new();
    };
    let mut read = Vec::new();
    for (name, field) in &rules.fields {
        if keys::is_comment(name) || field.value.as_null_keyword().is_some() {
            continue;
        }
        if !ALERT_RULES.contains(&name.as_str()) {
            let problem = field.key_error(format!("there is no rule `{name}`"));
            report.push(match keys::closest(name, &ALERT_RULES) {
                Some(meant) => problem.cure(format!("did you mean `{meant}`?")),
                None => problem.cure(format!("the rules are `{}`", ALERT_RULES.join("`, `"))),
            });
        } else if let Some(rule) = rule(field, report) {
            read.push((name.clone(), rule));
        }
    }
    read
}

fn rule(field: &Field<'_>, report: &mut Report) -> Option<AlertRule> {
    let table = field.table(report)?;
    keys::report_unknown(&table, &keys::ALERT_RULE, report);
    Some(AlertRule {
        enabled: table.get("enabled").and_then(|enabled| enabled.boolean(report)),
        threshold: table.get("threshold").and_then(|threshold| positive(threshold, report)),
        hold_for: table.get("for").and_then(|hold_for| seconds(hold_for, report)),
        severity: table.get("severity").and_then(|severity| severity_of(severity, report)),
    })
}

fn positive(field: &Field<'_>, report: &mut Report) -> Option<f64> {
    let text = field.number(report)?;
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0);
    if value.is_none() {
        let problem = field.error(format!("`{text}` is no threshold"));
        report.push(problem.cure("0 or more; shares are from 0 to 1, times in seconds"));
    }
    value
}

fn seconds(field: &Field<'_>, report: &mut Report) -> Option<Duration> {
    let text = field.number(report)?;
    match values::seconds_or_zero(text) {
        Ok(duration) => Some(duration),
        Err(wrong) => {
            report.push(field.error(format!("`{text}` {wrong}")).cure("seconds, such as 120"));
            None
        }
    }
}

fn severity_of(field: &Field<'_>, report: &mut Report) -> Option<AlertSeverity> {
    let text = field.text(report)?;
    match text {
        "warning" => Some(AlertSeverity::Warning),
        "critical" => Some(AlertSeverity::Critical),
        _ => {
            let problem = field.error(format!("`{text}` is no severity of an alert"));
            report.push(problem.cure("`warning` or `critical`"));
            None
        }
    }
}

fn webhooks(table: &Table<'_>, report: &mut Report) -> Vec<Webhook> {
    let Some(field) = table.get("webhooks") else { return Vec::new() };
    let items = field.list(report).unwrap_or_default();
    if items.len() > WEBHOOKS_MAX {
        let problem = field.error(format!("more than {WEBHOOKS_MAX} webhooks"));
        report.push(problem.cure("send to an Alertmanager, which tells the others"));
    }
    items.iter().filter_map(|item| webhook(item, report)).collect()
}

fn webhook(field: &Field<'_>, report: &mut Report) -> Option<Webhook> {
    let table = field.table(report)?;
    keys::report_unknown(&table, &keys::WEBHOOK, report);
    let format = table.get("format").and_then(|format| format_of(format, report));
    let least = table.get("min_severity").and_then(|severity| severity_of(severity, report));
    let headers = headers(&table, report);
    let Some(url) = table.get("url") else {
        let problem = field.error("a webhook needs a `url`");
        report.push(problem.cure(r#"as in `{"url": "https://host/path"}`"#));
        return None;
    };
    Some(Webhook {
        url: webhook_url(url, report)?,
        format: format.unwrap_or_default(),
        headers,
        min_severity: least.unwrap_or(AlertSeverity::Warning),
    })
}

/// Hidden, since the paths of webhooks are keys.
fn webhook_url(field: &Field<'_>, report: &mut Report) -> Option<Secret> {
    let field = field.hidden();
    let text = field.text(report)?;
    placeholder_warning(&field, text, report);
    match url(text) {
        Ok(url) => Some(Secret::new(url)),
        Err(wrong) => {
            let problem = field.error(format!("the URL {wrong}"));
            report.push(problem.cure("for example `https://hooks.example.com/...`"));
            None
        }
    }
}

fn format_of(field: &Field<'_>, report: &mut Report) -> Option<WebhookFormat> {
    let text = field.text(report)?;
    match text {
        "json" => Some(WebhookFormat::Json),
        "slack" => Some(WebhookFormat::Slack),
        "alertmanager" => Some(WebhookFormat::Alertmanager),
        _ => {
            let problem = field.error(format!("`{text}` is no format of a webhook"));
            report.push(problem.cure("`json`, `slack` or `alertmanager`"));
            None
        }
    }
}

fn headers(table: &Table<'_>, report: &mut Report) -> Vec<(String, Secret)> {
    let fields = table.get("headers").and_then(|headers| headers.hidden().table(report));
    let mut headers = Vec::new();
    for (name, field) in fields.iter().flat_map(|table| &table.fields) {
        let Some(value) = field.text(report) else { continue };
        placeholder_warning(field, value, report);
        match values::header(name, value) {
            Ok(Header::Sent(name)) => headers.push((name.to_string(), Secret::new(value))),
            Ok(Header::Own(name)) => report.push(
                field.key_warning(format!("header `{name}` is left out: mcpo sets it itself")),
            ),
            Err(wrong) => report.push(field.key_error(format!("header `{name}` {wrong}"))),
        }
    }
    headers
}
