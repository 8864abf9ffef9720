//! Every metric there is, as data: its name, what it means, and how it is read from a picture. The
//! exposition, the documentation, the rules for Prometheus and the dashboard for Grafana are made
//! from this, so that none of them names what another does not know.

mod calls;
mod distribution;
mod docs;
mod grafana;
mod itself;
mod load;
mod rules;
mod upstreams;

use crate::alerts::Alerts;
use crate::picture::{Picture, ServerPicture, ToolPicture};
use crate::requests::RequestSeries;

pub use distribution::{BOUNDS_MAX, Distribution};
pub use docs::docs;
pub use grafana::grafana;
pub use itself::{URL_SCHEME, route_template};
pub use rules::prometheus_rules;

/// The label that names an upstream, in every metric that is about one.
pub const SERVER: &str = "mcpo_server";

/// The label that names a tool. Source: OpenTelemetry's conventions for MCP, `gen_ai.tool.name`.
pub const TOOL: &str = "gen_ai_tool_name";

/// One metric: in the words of Prometheus, a family.
#[derive(Debug)]
pub struct Metric {
    /// As it is asked for in PromQL; a histogram's without `_bucket`, `_count` and `_sum`.
    pub name: &'static str,
    /// Which shape its samples have.
    pub kind: Kind,
    /// What its values are measured in.
    pub unit: Unit,
    /// One sentence for people, without a full stop.
    pub help: &'static str,
    /// Its labels, in the order in which they are told: the name of an upstream, then of a tool,
    /// then what [`Metric::read`] tells of each sample.
    pub labels: &'static [&'static str],
    /// Where the name comes from.
    pub source: Source,
    /// How its samples are read.
    pub read: Read,
}

/// The shape of a metric's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that only grows, until the process ends.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// Lengths, counted by size.
    Histogram,
    /// Always 1; its labels are what it says.
    Info,
    /// 1 for the state that holds and 0 for each of the others; the label of the state has the
    /// metric's own name.
    StateSet,
}

/// What values are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things are counted, or there is no unit.
    None,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A share: 1 is all.
    Ratio,
}

/// Where a metric's name comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// OpenTelemetry's semantic conventions, in which it has this name.
    OpenTelemetry(&'static str),
    /// What Prometheus' own client libraries tell of a process.
    Prometheus,
    /// Nobody has a name for it yet.
    Own,
}

/// All that a metric can be read from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What is known.
    pub picture: &'a Picture,
    /// What the rules say of it.
    pub alerts: &'a Alerts,
}

/// Takes samples, each with the values of its labels.
pub type Emit<'e> = &'e mut dyn FnMut(&[&str], f64);

/// Takes samples that have one more label, with its value.
pub type EmitOne<'e> = &'e mut dyn FnMut(&str, f64);

/// How a metric's samples are read, and with it which names of ours they are labelled with. Where
/// there is `None`, there is no sample.
#[derive(Debug, Clone, Copy)]
pub enum Read {
    /// One sample of all.
    Whole(fn(Facts<'_>) -> Option<f64>),
    /// Samples of all, with all of their labels.
    WholeEach(fn(Facts<'_>, Emit<'_>)),
    /// One of each kind of request, with all of its labels.
    Requests(fn(&RequestSeries) -> Distribution<'_>),
    /// One of each upstream.
    Server(fn(&ServerPicture) -> Option<f64>),
    /// Some of each upstream, with one more label.
    ServerEach(fn(Facts<'_>, &ServerPicture, EmitOne<'_>)),
    /// One of each upstream.
    ServerHistogram(fn(&ServerPicture) -> Distribution<'_>),
    /// One of each tool.
    Tool(fn(&ToolPicture) -> Option<f64>),
    /// Some of each tool, with one more label.
    ToolEach(fn(&ToolPicture, EmitOne<'_>)),
    /// One of each tool, with one more label that is the same for all.
    ToolHistogram(&'static str, fn(&ToolPicture) -> Distribution<'_>),
}

/// The metrics by what they are about, in the order of the exposition and of the documentation.
pub const CHAPTERS: [Chapter; 4] =
    [calls::CHAPTER, load::CHAPTER, upstreams::CHAPTER, itself::CHAPTER];

/// Metrics about the same thing.
#[derive(Debug)]
pub struct Chapter {
    /// What they are about.
    pub title: &'static str,
    /// They themselves.
    pub metrics: &'static [Metric],
}

/// All metrics, in order.
pub fn metrics() -> impl Iterator<Item = &'static Metric> {
    CHAPTERS.iter().flat_map(|chapter| chapter.metrics)
}

// === impl Kind ===

impl Kind {
    /// The word for it in OpenMetrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}

// === impl Unit ===

impl Unit {
    /// The word for it, with which a name ends; `None` where there is no unit.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Seconds => Some("seconds"),
            Self::Bytes => Some("bytes"),
            Self::Ratio => Some("ratio"),
        }
    }
}
