//! `/metrics`: JSON for people and scripts, text for scrapers.

use http::header::{ACCEPT, HeaderValue, VARY};
use http::{HeaderMap, StatusCode};
use mcpo_monitor::exposition::{self, Format};
use mcpo_monitor::faces;
use mcpo_monitor::monitor::Monitor;

use crate::answer::{Answer, answer as whole, json};
use crate::problem::Problem;
use crate::query::Query;

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The shape of the answer; `None` is JSON.
type Shape = Option<Format>;

/// The figures of this moment, in the shape that is asked for.
pub(super) fn answer(
    monitor: &Monitor,
    sent: Option<&str>,
    headers: &HeaderMap,
) -> Result<Answer, Problem> {
    let shape = match Query::read(sent, &["format"])?.text("format") {
        Some(name) => named(name)?,
        None => accepted(headers),
    };
    let picture = monitor.picture();
    let mut told = match shape {
        None => json(&faces::metrics(&picture)),
        Some(format) => {
            let alerts = monitor.alerts().borrow().clone();
            let text = exposition::text(&picture, &alerts, format);
            whole(StatusCode::OK, content_type(format), text)
        }
    };
    told.headers_mut().insert(VARY, HeaderValue::from(ACCEPT));
    Ok(told)
}

const fn content_type(format: Format) -> HeaderValue {
    match format {
        Format::Prometheus004 => HeaderValue::from_static(PROMETHEUS),
        Format::OpenMetrics100 => HeaderValue::from_static(OPENMETRICS),
    }
}

fn named(name: &str) -> Result<Shape, Problem> {
    match name {
        "json" => Ok(None),
        "prometheus" => Ok(Some(Format::Prometheus004)),
        "openmetrics" => Ok(Some(Format::OpenMetrics100)),
        _ => {
            let why = "`format` must be json, prometheus or openmetrics".to_owned();
            Err(Problem::BadQuery { why })
        }
    }
}

/// What the downstream likes best of what it names; JSON for those who name nothing of ours, as
/// browsers and curl do.
fn accepted(headers: &HeaderMap) -> Shape {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let mut best: (f32, Shape) = (0.0, None);
    for kind in lines.flat_map(|line| line.split(',')) {
        let (shape, quality) = read(kind);
        if let Some(shape) = shape
            && quality > best.0
        {
            best = (quality, shape);
        }
    }
    best.1
}

/// One kind of an `Accept`, if it is one of ours, and how much it is liked.
fn read(kind: &str) -> (Option<Shape>, f32) {
    let mut pieces = kind.split(';').map(str::trim);
    let shape = match pieces.next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "application/json" => Some(None),
        "text/plain" => Some(Some(Format::Prometheus004)),
        "application/openmetrics-text" => Some(Some(Format::OpenMetrics100)),
        _ => None,
    };
    let quality = pieces.find_map(|piece| piece.strip_prefix("q=")?.parse().ok());
    (shape, quality.unwrap_or(1.0))
}

#[cfg(test)]
mod tests;
