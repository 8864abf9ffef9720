//! The picture as text for scrapers: Prometheus' own format and OpenMetrics. Each line comes from
//! the [`registry`], so that none is told that is not documented.

mod label;
mod line;

use crate::alerts::Alerts;
use crate::picture::{Picture, ServerPicture, ToolPicture};
use crate::registry::{self, Facts, Metric, Read, SERVER, TOOL, URL_SCHEME, route_template};
use crate::requests::RequestSeries;
use line::Lines;

pub use label::LABEL_BYTES_MAX;

/// Which text is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, version 0.0.4, which knows no exemplars and no sets of states.
    Prometheus004,
    /// OpenMetrics 1.0.0.
    OpenMetrics100,
}

/// All metrics of one moment, as text.
#[must_use]
pub fn text(picture: &Picture, alerts: &Alerts, format: Format) -> String {
    let names: Vec<_> = picture.servers.iter().map(ServerNames::of).collect();
    let mut lines = Lines::new(format, names.iter().map(ServerNames::bytes_about).sum());
    let facts = Facts { picture, alerts };
    for metric in registry::metrics() {
        lines.head(metric);
        samples(metric, facts, &names, &mut lines);
    }
    lines.end()
}

/// An upstream's label, and those of its tools, ready for lines: each is told many times.
#[derive(Debug)]
struct ServerNames {
    own: String,
    tools: Vec<String>,
}

fn samples(metric: &Metric, facts: Facts<'_>, names: &[ServerNames], lines: &mut Lines) {
    let picture = facts.picture;
    let servers = || picture.servers.iter().zip(names);
    let tools = || servers().flat_map(|(server, names)| server.tools.iter().zip(&names.tools));
    match metric.read {
        Read::Whole(read) => {
            read(facts).into_iter().for_each(|value| lines.sample(metric, "", &[], value));
        }
        Read::WholeEach(read) => {
            read(facts, &mut |values, value| lines.sample(metric, "", values, value));
        }
        Read::Requests(read) => {
            for requests in &picture.requests {
                let RequestSeries { route, method, status, .. } = requests;
                let status = status.to_string();
                let values = [*method, route_template(*route), &status, URL_SCHEME];
                lines.histogram(metric, "", &values, &read(requests));
            }
        }
        Read::Server(read) => {
            for (server, names) in servers() {
                read(server)
                    .into_iter()
                    .for_each(|value| lines.sample(metric, &names.own, &[], value));
            }
        }
        Read::ServerEach(read) => {
            for (server, names) in servers() {
                read(facts, server, &mut |word, value| {
                    lines.sample(metric, &names.own, &[word], value);
                });
            }
        }
        Read::ServerHistogram(read) => {
            for (server, names) in servers() {
                lines.histogram(metric, &names.own, &[], &read(server));
            }
        }
        Read::Tool(read) => {
            for (tool, names) in tools() {
                read(tool).into_iter().for_each(|value| lines.sample(metric, names, &[], value));
            }
        }
        Read::ToolEach(read) => {
            for (tool, names) in tools() {
                read(tool, &mut |word, value| lines.sample(metric, names, &[word], value));
            }
        }
        Read::ToolHistogram(word, read) => {
            for (tool, names) in tools() {
                lines.histogram(metric, names, &[word], &read(tool));
            }
        }
    }
}

// === impl ServerNames ===

impl ServerNames {
    fn of(server: &ServerPicture) -> Self {
        let mut own = String::new();
        label::push(&mut own, SERVER, &server.name);
        let of_tool = |tool: &ToolPicture| {
            let mut names = own.clone();
            label::push(&mut names, TOOL, &tool.tool);
            names
        };
        let tools = server.tools.iter().map(of_tool).collect();
        Self { own, tools }
    }

    /// About how long its lines are together. A text that grows is copied again and again.
    fn bytes_about(&self) -> usize {
        /// Lines of a tool with a histogram, and of a server.
        const LINES: (usize, usize) = (20, 90);
        /// The longest names of metrics and what else stands on their lines.
        const REST: usize = 90;
        let tools: usize = self.tools.iter().map(|names| names.len() + REST).sum();
        tools * LINES.0 + (self.own.len() + REST) * LINES.1
    }
}
