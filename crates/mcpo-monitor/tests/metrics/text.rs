//! What scrapers get.

use std::collections::BTreeSet;

use mcpo_core::fault::FaultKind;
use mcpo_monitor::exposition::{Format, LABEL_BYTES_MAX, text};
use mcpo_monitor::picture::{Picture, Tally};
use mcpo_monitor::registry;
use mcpo_upstream::meter::{CallResult, Exemplar};

use crate::fixture::{no_alerts, picture, server, small, tool};
use crate::read::{Read, read};

const BOTH: [Format; 2] = [Format::Prometheus004, Format::OpenMetrics100];

fn told(picture: &Picture) -> [Read; 2] {
    BOTH.map(|format| read(&text(picture, &no_alerts(), format)))
}

#[test]
fn one_of_everything_for_prometheus() {
    let (picture, alerts) = small();
    insta::assert_snapshot!(text(&picture, &alerts, Format::Prometheus004));
}

#[test]
fn one_of_everything_for_openmetrics() {
    let (picture, alerts) = small();
    insta::assert_snapshot!(text(&picture, &alerts, Format::OpenMetrics100));
}

#[test]
fn both_formats_tell_the_same_series() {
    let (picture, alerts) = small();
    let [old, new] = BOTH.map(|format| read(&text(&picture, &alerts, format)).samples);
    let plain = |samples: Vec<crate::read::Sample>| -> Vec<_> {
        samples.into_iter().map(|one| (one.name, one.labels, one.value)).collect()
    };
    assert_eq!(plain(old), plain(new));
}

#[test]
fn every_metric_has_a_sample_where_there_is_one_of_everything() {
    let (picture, alerts) = small();
    let read = read(&text(&picture, &alerts, Format::Prometheus004));
    let told: BTreeSet<_> = read
        .samples
        .iter()
        .map(|one| {
            ["_bucket", "_count", "_sum"]
                .iter()
                .fold(&*one.name, |name, suffix| name.strip_suffix(suffix).unwrap_or(name))
        })
        .collect();
    let known: BTreeSet<_> = registry::metrics().map(|metric| metric.name).collect();
    assert_eq!(told, known);
}

#[test]
fn openmetrics_ends_where_it_ends_and_is_whole_without_any_upstream() {
    let text = text(&picture(Vec::new()), &no_alerts(), Format::OpenMetrics100);
    assert_eq!(text.matches("# EOF").count(), 1);
    assert!(text.ends_with("\n# EOF\n"));
    assert_eq!(read(&text).families.len(), registry::metrics().count());
}

/// Names come from configuration files and from upstreams, and these say what they like.
#[test]
fn hostile_names_stay_inside_their_quotes() {
    let long = "x".repeat(10_000);
    let other_long = format!("{}y", "x".repeat(9_999));
    let names = [
        "two\nlines",
        "a \"quote\"",
        "back\\slash",
        "\\",
        "\\n",
        "\"",
        "} 1\nmcpo_server_up 1",
        "grüße 🦀 \u{202e}",
        " # {trace_id=\"1\"} 1",
        "a,b=\"c\"",
        "\r\t\0",
    ];
    let servers = names.map(|name| {
        let mut server = server(name);
        server.tools = names.iter().map(|name| tool(name, &[0.1])).collect();
        server
    });
    let mut picture = picture(servers.to_vec());
    picture.servers[0].tools.extend([tool(&long, &[0.1]), tool(&other_long, &[0.1])]);
    for read in told(&picture) {
        let ups: Vec<_> = read.of("mcpo_server_up").map(|one| &one.labels["mcpo_server"]).collect();
        assert_eq!(ups, names);
        let tools: Vec<_> = read
            .of("mcpo_tool_calls_total")
            .map(|one| one.labels["gen_ai_tool_name"].clone())
            .collect();
        assert_eq!(tools[..names.len()], names);
        assert!(tools.iter().all(|name| name.len() <= LABEL_BYTES_MAX));
        assert!(tools[names.len()].starts_with("xxx") && tools[names.len() + 1].starts_with("xxx"));
    }
}

#[test]
fn a_name_is_cut_between_characters() {
    let name = "🦀".repeat(100);
    let read = &told(&picture(vec![server(&name)]))[0];
    let label = &read.of("mcpo_server_up").next().unwrap().labels["mcpo_server"];
    assert!(label.len() <= LABEL_BYTES_MAX && label.starts_with("🦀"), "{label}");
}

#[test]
fn a_histogram_counts_what_is_no_longer_than_each_bound() {
    let mut server = server("time");
    server.tools = vec![tool("now", &[0.001, 0.011, 0.015, 0.3, 4.9, 290.0, 310.0, 4000.0])];
    for read in told(&picture(vec![server])) {
        let name = "mcp_client_operation_duration_seconds_bucket";
        let at_most = |bound| read.one(name, ("le", bound));
        let bounds = ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1.0", "2.0", "5.0"];
        assert_eq!(bounds.map(at_most), [1.0, 3.0, 3.0, 3.0, 3.0, 4.0, 4.0, 4.0, 5.0]);
        assert_eq!(["120.0", "300.0", "+Inf"].map(at_most), [5.0, 6.0, 8.0]);
    }
}

/// An exemplar lies in the bucket on whose line it stands, and the newest is told.
#[test]
fn exemplars_stand_in_their_buckets() {
    let exemplar = |seconds, at, id| Exemplar { seconds, at, trace_id: [id; 16] };
    let mut server = server("time");
    let mut tool = tool("now", &[0.03, 0.04, 0.05, 900.0]);
    tool.calls.exemplars = vec![
        exemplar(0.04, 20.0, 2),
        exemplar(0.03, 10.0, 1),
        exemplar(0.05, 15.0, 3),
        exemplar(900.0, 30.0, 4),
    ];
    server.tools = vec![tool];
    let [old, new] = told(&picture(vec![server]));
    assert!(old.samples.iter().all(|one| one.exemplar.is_none()));
    let with: Vec<_> = new.samples.iter().filter(|one| one.exemplar.is_some()).collect();
    assert_eq!(with.iter().map(|one| &*one.labels["le"]).collect::<Vec<_>>(), ["0.05", "+Inf"]);
    let (labels, seconds) = with[0].exemplar.as_ref().unwrap();
    assert_eq!((&*labels["trace_id"], *seconds), (&*"02".repeat(16), 0.04));
}

/// Rates need a counter's beginning: one that appears only with its first event loses that one.
#[test]
fn failures_of_an_upstream_are_counted_from_zero() {
    for read in told(&picture(vec![server("new")])) {
        assert_eq!(read.of("mcpo_calls_total").count(), CallResult::ALL.len());
        assert_eq!(read.of("mcpo_errors_total").count(), FaultKind::ALL.len());
        assert!(read.of("mcpo_calls_total").all(|one| one.value == 0.0));
    }
}

#[test]
fn a_burn_rate_is_the_share_of_failures_in_budgets() {
    let mut picture = picture(vec![server("time")]);
    picture.servers[0].burn.half_hour = Tally { good: 86, bad: 14 };
    let read = &told(&picture)[0];
    let rate = read.one("mcpo_server_slo_burn_rate", ("window", "30m"));
    assert!((rate - 14.0).abs() < 1e-9, "{rate}");
    assert_eq!(read.one("mcpo_server_slo_burn_rate", ("window", "5m")), 0.0);
}

/// Of each set of states exactly one holds.
#[test]
fn a_set_of_states_has_one_that_holds() {
    let (picture, alerts) = small();
    let read = read(&text(&picture, &alerts, Format::OpenMetrics100));
    for (name, _) in read.families.iter().filter(|(_, kind)| kind == "stateset") {
        for server in ["time", "broken"] {
            let of_server = read.of(name).filter(|one| one.labels["mcpo_server"] == server);
            let holding: f64 = of_server.map(|one| one.value).sum();
            assert_eq!(holding, 1.0, "{name} of {server}");
        }
    }
}

#[test]
fn counts_are_told_to_the_last_digit() {
    for count in [0, 9, 10, 99, 100, 9_007_199_254_740_993, u64::MAX] {
        let mut tool = tool("now", &[]);
        tool.calls.duration.add_many(0, count);
        let mut server = server("time");
        server.tools = vec![tool];
        let told = text(&picture(vec![server]), &no_alerts(), Format::OpenMetrics100);
        let line = told
            .lines()
            .find(|line| line.starts_with("mcp_client_operation_duration_seconds_count"))
            .unwrap();
        assert_eq!(line.rsplit(' ').next().unwrap(), count.to_string());
    }
}

/// docs/metrics.md says how many series a server and a tool come to.
#[test]
fn servers_and_tools_have_as_many_series_as_is_said() {
    let samples = |picture: &Picture| told(picture)[0].samples.len();
    let none = samples(&picture(Vec::new()));
    let (mut whole, _) = small();
    whole.servers.truncate(1);
    whole.servers[0].tools.clear();
    (whole.process, whole.machine, whole.requests) = (None, None, Vec::new());
    whole.watch.history_bytes = None;
    let server = samples(&whole) - none;
    assert!((96..106).contains(&server), "{server}");
    let mut with_tool = whole.clone();
    with_tool.servers[0].tools = vec![tool("now", &[0.1])];
    let tool = samples(&with_tool) - samples(&whole);
    assert!((17..23).contains(&tool), "{tool}");
}
