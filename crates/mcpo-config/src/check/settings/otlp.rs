//! Where traces and metrics are sent, by the variables that OpenTelemetry's specification names
//! (configuration/sdk-environment-variables, protocol/exporter). As it asks for, a value that makes
//! no sense is warned of and counts as not set: a platform may have set it for all its programs.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::{Reader, Typed};
use crate::check::server::url;
use crate::monitoring::Otlp;
use crate::problem::Problem;
use crate::secret::Secret;

/// `OTEL_EXPORTER_OTLP_TIMEOUT` by default.
const TIMEOUT: Duration = Duration::from_secs(10);
/// `OTEL_METRIC_EXPORT_INTERVAL` by default.
const METRICS_EVERY: Duration = Duration::from_secs(60);
/// An export more often than that would be all we do.
const METRICS_EVERY_MIN: Duration = Duration::from_secs(1);
/// The name that we go by.
const SERVICE_NAME: &str = "mcpo";

/// One of the two kinds of things that are sent.
struct Signal {
    endpoint: &'static str,
    exporter: &'static str,
    path: &'static str,
}

const TRACES: Signal = Signal {
    endpoint: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    exporter: "OTEL_TRACES_EXPORTER",
    path: "v1/traces",
};
const METRICS: Signal = Signal {
    endpoint: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    exporter: "OTEL_METRICS_EXPORTER",
    path: "v1/metrics",
};

// === impl Reader ===

impl Reader<'_> {
    /// `None` unless an endpoint is named.
    pub(super) fn otlp(&mut self) -> Option<Otlp> {
        let is_off = self.variable("OTEL_SDK_DISABLED");
        if is_off.is_some_and(|typed| typed.text.trim().eq_ignore_ascii_case("true")) {
            return None;
        }
        let (traces_url, metrics_url) = (self.signal(&TRACES), self.signal(&METRICS));
        if traces_url.is_none() && metrics_url.is_none() {
            return None;
        }
        self.protocol();
        let (sample_ratio, parent_based) = self.sampler();
        Some(Otlp {
            traces_url,
            metrics_url,
            headers: self.otlp_headers(),
            timeout: self.millis("OTEL_EXPORTER_OTLP_TIMEOUT").unwrap_or(TIMEOUT),
            metrics_every: self
                .millis("OTEL_METRIC_EXPORT_INTERVAL")
                .map_or(METRICS_EVERY, |every| every.max(METRICS_EVERY_MIN)),
            sample_ratio,
            parent_based,
            resource: self.resource(),
        })
    }

    /// Where one kind is sent: its own endpoint as it stands, or its path behind the common one.
    fn signal(&mut self, signal: &Signal) -> Option<Secret> {
        let exporter = self.variable(signal.exporter);
        if exporter.is_some_and(|typed| typed.text.trim().eq_ignore_ascii_case("none")) {
            return None;
        }
        if let Some(own) = self.variable(signal.endpoint) {
            return self.otlp_url(own, "");
        }
        let common = self.variable("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        self.otlp_url(common, signal.path)
    }

    fn otlp_url(&mut self, Typed { text, place }: Typed, path: &str) -> Option<Secret> {
        let text = text.trim();
        let whole = match path {
            "" => text.to_owned(),
            path => format!("{}/{path}", text.trim_end_matches('/')),
        };
        match url(&whole) {
            Ok(url) => Some(Secret::new(url)),
            Err(wrong) => {
                let problem = Problem::warning(place, format!("the URL {wrong}; nothing is sent"));
                self.report.push(problem.cure("for example `http://127.0.0.1:4318`"));
                None
            }
        }
    }

    fn protocol(&mut self) {
        let Some(typed) = self.variable("OTEL_EXPORTER_OTLP_PROTOCOL") else { return };
        if typed.text.trim() != "http/protobuf" {
            let message = format!("`{}` is not spoken; http/protobuf is", typed.text);
            let cure = "collectors take http/protobuf at port 4318";
            self.report.push(Problem::warning(typed.place, message).cure(cure));
        }
    }

    /// `key=value` with commas between, percent-encoded (W3C Baggage). Those of one kind are sent
    /// with both: a collector leaves what it does not know alone.
    fn otlp_headers(&mut self) -> Vec<(String, Secret)> {
        let mut headers: Vec<(String, Secret)> = Vec::new();
        for variable in [
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
            "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
            "OTEL_EXPORTER_OTLP_HEADERS",
        ] {
            for (name, value) in self.pairs(variable) {
                let is_header = http::HeaderName::from_bytes(name.as_bytes()).is_ok()
                    && http::HeaderValue::from_str(&value).is_ok();
                if is_header && !headers.iter().any(|(known, _)| *known == name) {
                    headers.push((name, Secret::new(value)));
                }
            }
        }
        headers
    }

    fn resource(&mut self) -> Vec<(String, String)> {
        let mut all = self.pairs("OTEL_RESOURCE_ATTRIBUTES");
        if let Some(name) = self.variable("OTEL_SERVICE_NAME") {
            all.retain(|(key, _)| key != "service.name");
            all.push(("service.name".to_owned(), name.text));
        } else if !all.iter().any(|(key, _)| key == "service.name") {
            all.push(("service.name".to_owned(), SERVICE_NAME.to_owned()));
        }
        all
    }

    fn pairs(&mut self, variable: &str) -> Vec<(String, String)> {
        let Some(Typed { text, place }) = self.variable(variable) else { return Vec::new() };
        let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8_lossy().into_owned();
        let mut pairs = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            match part.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() => {
                    pairs.push((decoded(name), decoded(value)));
                }
                Some(_) | None => {
                    let message = "a part of it is not `key=value` and does nothing";
                    let cure = "write `key=value,key2=value2`";
                    self.report.push(Problem::warning(place.clone(), message).cure(cure));
                }
            }
        }
        pairs
    }

    /// The share of traces that are sampled, and whether a caller's decision comes first.
    fn sampler(&mut self) -> (f64, bool) {
        let ratio = self.variable("OTEL_TRACES_SAMPLER_ARG");
        let ratio = ratio.and_then(|typed| match typed.text.trim().parse::<f64>() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Some(ratio),
            Ok(_) | Err(_) => {
                let message = format!("`{}` is no share from 0 to 1; all are sampled", typed.text);
                self.report.push(Problem::warning(typed.place, message));
                None
            }
        });
        let Some(typed) = self.variable("OTEL_TRACES_SAMPLER") else { return (1.0, true) };
        match typed.text.trim() {
            "always_on" => (1.0, false),
            "always_off" => (0.0, false),
            "traceidratio" => (ratio.unwrap_or(1.0), false),
            "parentbased_always_on" => (1.0, true),
            "parentbased_always_off" => (0.0, true),
            "parentbased_traceidratio" => (ratio.unwrap_or(1.0), true),
            other => {
                let message = format!("`{other}` is no sampler of ours; all traces are sampled");
                let cure = "one of always_on, always_off, traceidratio, each also with parentbased_ in front";
                self.report.push(Problem::warning(typed.place, message).cure(cure));
                (1.0, true)
            }
        }
    }

    fn millis(&mut self, variable: &str) -> Option<Duration> {
        let Typed { text, place } = self.variable(variable)?;
        match text.trim().parse::<u32>() {
            Ok(millis) if millis > 0 => Some(Duration::from_millis(millis.into())),
            Ok(_) | Err(_) => {
                let message = format!("`{text}` is no number of milliseconds and does nothing");
                self.report.push(Problem::warning(place, message));
                None
            }
        }
    }
}
