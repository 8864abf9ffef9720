//! How a server of the file is treated: how long its calls may take, how many sessions it has,
//! which of its tools are served and how.

use std::collections::BTreeMap;
use std::time::Duration;

use mcpo_core::catalog::{CatalogPolicy, ToolPolicy};

use crate::check::settings::Settings;
use crate::check::settings::load::ServerDefaults;
use crate::check::settings::recovery::{PoolSaid, pool_size};
use crate::check::{keys, load, values};
use crate::field::{Field, Table};
use crate::report::Report;

/// `timeout` of a server or of a tool.
pub(super) fn timeout(
    table: &Table<'_>,
    longest: Duration,
    report: &mut Report,
) -> Option<Duration> {
    let field = table.get("timeout")?;
    let text = field.number(report)?;
    let wrong = match values::seconds(text) {
        Ok(timeout) if timeout <= longest => return Some(timeout),
        Ok(_) => format!(
            "is longer than the longest timeout, {} s (`--max-tool-timeout`)",
            longest.as_secs_f64()
        ),
        Err(wrong) => wrong,
    };
    report.push(
        field
            .error(format!("`{text}` {wrong}"))
            .cure("seconds, such as 30 or 0.5 (not milliseconds)"),
    );
    None
}

/// What `pool` says.
pub(super) fn pool(table: &Table<'_>, report: &mut Report) -> PoolSaid {
    let Some(inside) = table.get("pool").and_then(|pool| pool.table(report)) else {
        return PoolSaid::default();
    };
    keys::report_unknown(&inside, &keys::POOL, report);
    let mut size = |key: &str| {
        let field = inside.get(key)?;
        let text = field.number(report)?;
        match pool_size(text) {
            Ok(size) => Some(size),
            Err(wrong) => {
                let problem = field.error(format!("`{text}` {wrong}"));
                report.push(problem.cure(r#"a number of sessions, as in `{"min": 1, "max": 4}`"#));
                None
            }
        }
    };
    let said = PoolSaid { min: size("min"), max: size("max") };
    match (said.contradiction(), inside.get("min")) {
        (Some(contradiction), Some(min)) => {
            report.push(min.error(contradiction).cure("lower `min` or raise `max`"));
            PoolSaid::default()
        }
        (Some(_) | None, _) => said,
    }
}

/// How the tools of a server are read of which nothing is said.
pub(super) fn usual(defaults: &ServerDefaults) -> CatalogPolicy {
    let ServerDefaults { tool_rate: rate, coalesce, cache, .. } = defaults.clone();
    CatalogPolicy { rate, coalesce, cache, ..CatalogPolicy::default() }
}

/// How the tools are read.
pub(super) fn catalog(
    table: &Table<'_>,
    settings: &Settings,
    report: &mut Report,
) -> CatalogPolicy {
    let trust = table.get("trustAnnotations").and_then(|trust| trust.boolean(report));
    let (camel, snake) = (table.get("disabledTools"), table.get("disabled_tools"));
    if let (Some(_), Some(snake)) = (camel, snake) {
        let problem = snake.key_error("both `disabledTools` and `disabled_tools` are set");
        report.push(problem.cure("keep `disabledTools`"));
    }
    let disabled = camel.or(snake).and_then(|tools| tools.texts(report)).unwrap_or_default();
    let tools = tools(table, &disabled, settings, report);
    let defaults = &settings.server;
    let coalesce = table.get("coalesce").and_then(|coalesce| coalesce.boolean(report));
    CatalogPolicy {
        trust_annotations: trust.unwrap_or(true),
        disabled_tools: disabled.into_iter().map(str::to_owned).collect(),
        tools,
        rate: defaults.tool_rate,
        coalesce: coalesce.unwrap_or(defaults.coalesce),
        cache: load::cache_of_server(table, defaults, report),
        cache_as_told: !load::is_switched_off(table, "cache"),
    }
}

/// What `tools` says of single tools.
fn tools(
    table: &Table<'_>,
    disabled: &[&str],
    settings: &Settings,
    report: &mut Report,
) -> BTreeMap<String, ToolPolicy> {
    let mut tools = BTreeMap::new();
    let Some(field) = table.get("tools") else { return tools };
    if field.value.as_array().is_some() {
        // GitHub's coding agent wants such a list in every server of the same file.
        let problem = field
            .key_warning("a list of `tools` is a setting of other programs and does nothing here");
        report.push(problem.cure(
            "to leave tools out, set `disabledTools`; `tools` says how single tools are treated",
        ));
        return tools;
    }
    let Some(inside) = field.table(report) else { return tools };
    for (name, field) in &inside.fields {
        let is_comment = keys::is_comment(name) && field.value.as_object().is_none();
        if is_comment || field.value.as_null_keyword().is_some() {
            continue;
        }
        if disabled.contains(&name.as_str()) {
            let problem =
                field.key_warning(format!("`{name}` is disabled, so what is said here is idle"));
            report.push(problem.cure("remove it here or from `disabledTools`"));
        }
        if let Some(policy) = tool(field, settings, report) {
            tools.insert(name.clone(), policy);
        }
    }
    tools
}

/// What is said of one tool; the longest timeout bounds its own.
fn tool(field: &Field<'_>, settings: &Settings, report: &mut Report) -> Option<ToolPolicy> {
    let table = field.table(report)?;
    keys::report_unknown(&table, &keys::TOOL, report);
    let mut switch = |key: &str| table.get(key).and_then(|field| field.boolean(report));
    let (idempotent, retry) = (switch("idempotent"), switch("retry"));
    let (read_only, coalesce) = (switch("readOnly"), switch("coalesce"));
    Some(ToolPolicy {
        idempotent,
        retry: retry.unwrap_or(true),
        timeout: timeout(&table, settings.limits.max_tool_timeout, report),
        read_only,
        coalesce,
        cache: load::cache_of_tool(&table, &settings.server, report),
        max_concurrent: load::at_once(&table, "maxConcurrent", report),
        rate: load::rate_of(&table, report),
    })
}
