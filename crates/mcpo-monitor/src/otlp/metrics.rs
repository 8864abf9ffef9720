//! The registry as OTLP's metrics: the same values as in the text for scrapers, under the names of
//! OpenTelemetry's conventions where there are some. A collector that writes them for Prometheus
//! comes to the same names as our own text has.

use mcpo_upstream::meter::Exemplar as Stands;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1 as otlp;
use otlp::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, exemplar, metric, number_data_point,
};

use super::attributes::{Identity, nanos, text};
use crate::alerts::Alerts;
use crate::picture::Picture;
use crate::registry::{
    self, Distribution, Facts, Kind, Metric, Read, SERVER, Source, TOOL, URL_SCHEME, Unit,
    route_template,
};

/// One message with all metrics.
pub(super) fn request(
    identity: &Identity,
    picture: &Picture,
    alerts: &Alerts,
) -> ExportMetricsServiceRequest {
    let times = Times { start_ns: identity.started_ns, now_ns: nanos(picture.at) };
    let facts = Facts { picture, alerts };
    let metrics = registry::metrics().filter_map(|one| described(one, points(one, facts, times)));
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(identity.resource.clone()),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(identity.scope.clone()),
                metrics: metrics.collect(),
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        }],
    }
}

#[derive(Debug, Clone, Copy)]
struct Times {
    start_ns: u64,
    now_ns: u64,
}

/// Samples of one metric.
#[derive(Debug, Default)]
struct Points {
    numbers: Vec<NumberDataPoint>,
    histograms: Vec<HistogramDataPoint>,
}

fn points(metric: &Metric, facts: Facts<'_>, times: Times) -> Points {
    let mut points = Points::default();
    let picture = facts.picture;
    let labels = metric.labels;
    let tools = || {
        picture
            .servers
            .iter()
            .flat_map(|server| server.tools.iter().map(move |tool| (server.name.as_str(), tool)))
    };
    let mut number = |values: &[&str], value: f64| {
        points.numbers.push(number_point(labels, values, value, times));
    };
    match metric.read {
        Read::Whole(read) => read(facts).into_iter().for_each(|value| number(&[], value)),
        Read::WholeEach(read) => read(facts, &mut number),
        Read::Server(read) => {
            for server in &picture.servers {
                read(server).into_iter().for_each(|value| number(&[&server.name], value));
            }
        }
        Read::ServerEach(read) => {
            for server in &picture.servers {
                read(facts, server, &mut |word, value| number(&[&server.name, word], value));
            }
        }
        Read::Tool(read) => {
            for (server, tool) in tools() {
                read(tool).into_iter().for_each(|value| number(&[server, &tool.tool], value));
            }
        }
        Read::ToolEach(read) => {
            for (server, tool) in tools() {
                read(tool, &mut |word, value| number(&[server, &tool.tool, word], value));
            }
        }
        Read::Requests(read) => {
            for one in &picture.requests {
                let status = one.status.to_string();
                let values = [one.method, route_template(one.route), &status, URL_SCHEME];
                points.histograms.push(histogram_point(labels, &values, &read(one), times));
            }
        }
        Read::ServerHistogram(read) => {
            for server in &picture.servers {
                let values = [server.name.as_str()];
                points.histograms.push(histogram_point(labels, &values, &read(server), times));
            }
        }
        Read::ToolHistogram(word, read) => {
            for (server, tool) in tools() {
                let values = [server, &tool.tool, word];
                points.histograms.push(histogram_point(labels, &values, &read(tool), times));
            }
        }
    }
    points
}

/// The metric with its points; `None` where it has none.
fn described(metric: &Metric, points: Points) -> Option<otlp::Metric> {
    let Points { numbers: data_points, histograms } = points;
    if data_points.is_empty() && histograms.is_empty() {
        return None;
    }
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let data = match metric.kind {
        Kind::Counter => {
            metric::Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: true })
        }
        Kind::Gauge | Kind::Info | Kind::StateSet => metric::Data::Gauge(Gauge { data_points }),
        Kind::Histogram => {
            metric::Data::Histogram(Histogram { data_points: histograms, aggregation_temporality })
        }
    };
    Some(otlp::Metric {
        name: name(metric),
        description: metric.help.to_owned(),
        unit: unit(metric.unit).to_owned(),
        data: Some(data),
        ..otlp::Metric::default()
    })
}

fn number_point(labels: &[&str], values: &[&str], value: f64, times: Times) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(labels, values),
        start_time_unix_nano: times.start_ns,
        time_unix_nano: times.now_ns,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

fn histogram_point(
    labels: &[&str],
    values: &[&str],
    lengths: &Distribution<'_>,
    times: Times,
) -> HistogramDataPoint {
    let mut before = 0;
    let each = |(_, so_far): (Option<f64>, u64)| {
        let count = so_far.saturating_sub(before);
        before = so_far;
        count
    };
    HistogramDataPoint {
        attributes: attributes(labels, values),
        start_time_unix_nano: times.start_ns,
        time_unix_nano: times.now_ns,
        count: lengths.count,
        sum: Some(lengths.sum),
        bucket_counts: lengths.buckets().map(each).collect(),
        explicit_bounds: lengths.bounds.to_vec(),
        exemplars: lengths.exemplars.iter().map(stands).collect(),
        ..HistogramDataPoint::default()
    }
}

fn stands(call: &Stands) -> otlp::Exemplar {
    otlp::Exemplar {
        time_unix_nano: (call.at * 1e9) as u64,
        trace_id: call.trace_id.to_vec(),
        value: Some(exemplar::Value::AsDouble(call.seconds)),
        ..otlp::Exemplar::default()
    }
}

/// The names of labels are those of attributes with `_` for the dots. Without a value there is no
/// attribute, as with labels.
fn attributes(labels: &[&str], values: &[&str]) -> Vec<KeyValue> {
    let pairs = labels.iter().zip(values).filter(|(_, value)| !value.is_empty());
    pairs.map(|(label, value)| text(attribute(label), value)).collect()
}

fn attribute(label: &str) -> &str {
    match label {
        SERVER => "mcpo.server",
        TOOL => "gen_ai.tool.name",
        "mcp_method_name" => "mcp.method.name",
        "http_request_method" => "http.request.method",
        "http_route" => "http.route",
        "http_response_status_code" => "http.response.status_code",
        "url_scheme" => "url.scheme",
        other => other,
    }
}

/// Without what a collector adds again for Prometheus: the unit, and `_total`.
pub(super) fn name(metric: &Metric) -> String {
    if let Source::OpenTelemetry(name) = metric.source {
        return name.to_owned();
    }
    let name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
    let name = metric.unit.name().and_then(|unit| name.strip_suffix(unit)).unwrap_or(name);
    name.trim_end_matches('_').to_owned()
}

/// In the codes of UCUM, as OpenTelemetry has it.
const fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "",
        Unit::Seconds => "s",
        Unit::Bytes => "By",
        Unit::Ratio => "1",
    }
}
