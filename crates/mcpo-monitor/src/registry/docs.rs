//! docs/metrics.md, made from the table.

use mcpo_core::fault::FaultKind;
use mcpo_core::load::ShedReason;
use mcpo_upstream::meter::{CallResult, OTHER, TOOLS_IN_ALL_MAX, TOOLS_MAX};

use super::{CHAPTERS, Chapter, Kind, Metric, SERVER, Source, TOOL};
use crate::exposition::LABEL_BYTES_MAX;

/// The whole page.
#[must_use]
pub fn docs() -> String {
    let chapters: String = CHAPTERS.iter().map(chapter).collect();
    format!("{HEAD}{chapters}{}{}", labels(), bounds())
}

const HEAD: &str = "# Metrics

This page is made from the code; see the end of it.

`GET /metrics` answers a Prometheus scraper in OpenMetrics or in Prometheus' own text format, by the
`Accept` that it sends; `?format=openmetrics` and `?format=prometheus` ask for one by name. Everybody
else gets JSON. Where an API key is set, a scraper needs it:

```yaml
scrape_configs:
  - job_name: mcpo
    authorization:
      credentials: the API key
    static_configs:
      - targets: [\"localhost:8000\"]
```

[Rules](prometheus/mcpo.rules.yml) and [a dashboard for Grafana](grafana/mcpo.json) come with it. The
rules are those that mcpo looks at itself; where both run, one of them should tell people.

Names are those of OpenTelemetry's semantic conventions for MCP and HTTP, and of Prometheus' client
libraries, as far as these have one. Counters count from the start of the process. In OpenMetrics,
buckets of calls carry exemplars with the id of a trace, where callers send one. In Prometheus' own
format sets of states are gauges, and there are no exemplars.

The outcome of a call is a label of the counters alone and not of the histogram, other than the
conventions have it (`error.type`): each tool has one distribution of all calls that ended and were
not turned away. Waits, the time at the server and bytes are sums of the same calls: divide them by the
histogram's `_count`, not by `mcpo_calls_total`.
";

fn chapter(chapter: &Chapter) -> String {
    let rows: String = chapter.metrics.iter().map(row).collect();
    let title = chapter.title;
    format!("\n## {title}\n\n| metric | kind | labels | what it tells |\n|---|---|---|---|\n{rows}")
}

fn row(metric: &Metric) -> String {
    let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
    let kind = match metric.kind {
        Kind::StateSet => "set of states",
        Kind::Counter | Kind::Gauge | Kind::Histogram | Kind::Info => metric.kind.name(),
    };
    let source = match metric.source {
        Source::OpenTelemetry(name) => format!(" OpenTelemetry's `{name}`."),
        Source::Prometheus => " As Prometheus' client libraries have it.".to_owned(),
        Source::Own => String::new(),
    };
    let Metric { name, help, .. } = metric;
    format!("| `{name}` | {kind} | {} | {help}.{source} |\n", labels.join(", "))
}

fn labels() -> String {
    let words =
        |all: &[&str]| all.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ");
    let rows = [
        (SERVER, "the server's name in the configuration".to_owned()),
        (TOOL, format!("the tool's name; `{OTHER}` for all beyond the bounds below")),
        ("mcp_method_name", "always `tools/call`".to_owned()),
        ("outcome", words(&CallResult::ALL.map(CallResult::name))),
        ("error_type", words(&FaultKind::ALL.map(FaultKind::name))),
        ("reason", words(&ShedReason::ALL.map(ShedReason::name))),
        ("held_by", words(&["operator", "fault"])),
        ("window", words(&["5m", "30m", "1h", "6h"])),
        ("http_request_method", "a standard method, or `_OTHER`".to_owned()),
        (
            "http_route",
            "the path that stands for all like it; none where no route was found".to_owned(),
        ),
        ("http_response_status_code", "the status".to_owned()),
        ("url_scheme", "`http`: a proxy in front of mcpo may speak TLS, mcpo does not".to_owned()),
        ("rule", "the rule's name: see [alerts](alerts.md)".to_owned()),
        ("severity", words(&["warning", "critical"])),
        ("phase", words(&["pending", "firing"])),
        ("result", words(&["sent", "failed", "dropped"])),
        ("version", "mcpo's version".to_owned()),
    ];
    let rows: String =
        rows.iter().map(|(label, meaning)| format!("| `{label}` | {meaning} |\n")).collect();
    format!(
        "\n## Labels\n\n| label | values |\n|---|---|\n{rows}\nA set of states has a label of its own name.\n"
    )
}

fn bounds() -> String {
    format!(
        "
## Bounds

Labels have values from closed sets, or names. Tools are counted by name up to {TOOLS_MAX} of one
server and {TOOLS_IN_ALL_MAX} in all, and only once they were called; those beyond are counted
together. A name of more than {LABEL_BYTES_MAX} bytes is cut, and ends in a hash of all of it. A
server has about 90 series, a dozen more where answers of it are kept or shared, and a tool that was called about 20.

After a change of the code, `MCPO_WRITE_DOCS=1 cargo nextest run -p mcpo-monitor --test metrics`
writes this page, the rules and the dashboard anew.
"
    )
}
