//! Lines of the exposition.

use std::fmt::Write;

use mcpo_upstream::meter::Exemplar;

use super::{Format, label};
use crate::registry::{Distribution, Kind, Metric};

/// Whole numbers up to here are exact.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The bound of the last bucket.
const END: &str = "+Inf\"} ";

/// Text in the making.
#[derive(Debug)]
pub(super) struct Lines {
    format: Format,
    text: String,
    /// The labels of the sample that is being told.
    labels: String,
    /// What the lines of the histogram that is being told begin with, up to the bound.
    start: String,
    /// Its bounds, and each as text, up to the count.
    bounds: &'static [f64],
    ends: Vec<String>,
}

// === impl Lines ===

impl Lines {
    pub(super) fn new(format: Format, bytes: usize) -> Self {
        let text = String::with_capacity(bytes);
        let (labels, start) = (String::new(), String::new());
        Self { format, text, labels, start, bounds: &[], ends: Vec::new() }
    }

    /// What a metric is.
    pub(super) fn head(&mut self, metric: &Metric) {
        let Metric { name, kind, unit, help, .. } = metric;
        let text = &mut self.text;
        match self.format {
            Format::Prometheus004 => {
                add(text, format_args!("# HELP {name} {help}.\n"));
                add(text, format_args!("# TYPE {name} {}\n", old_kind(*kind)));
            }
            Format::OpenMetrics100 => {
                let name = family(metric);
                add(text, format_args!("# TYPE {name} {}\n", kind.name()));
                if let Some(unit) = unit.name() {
                    add(text, format_args!("# UNIT {name} {unit}\n"));
                }
                add(text, format_args!("# HELP {name} {help}.\n"));
            }
        }
    }

    /// One sample. `names` are labels that are ready, `values` those of the metric's last labels.
    pub(super) fn sample(&mut self, metric: &Metric, names: &str, values: &[&str], value: f64) {
        self.label(metric, names, values);
        self.text.push_str(metric.name);
        self.push_labels();
        self.text.push(' ');
        push_number(&mut self.text, value);
        self.text.push('\n');
    }

    /// One sample of a histogram; names and values are the same.
    pub(super) fn histogram(
        &mut self,
        metric: &Metric,
        names: &str,
        values: &[&str],
        distribution: &Distribution<'_>,
    ) {
        self.label(metric, names, values);
        self.set_bounds(distribution.bounds);
        self.set_start(metric.name);
        let mut above = f64::NEG_INFINITY;
        for (place, (bound, count)) in distribution.buckets().enumerate() {
            self.text.push_str(&self.start);
            self.text.push_str(self.ends.get(place).map_or(END, String::as_str));
            push_count(&mut self.text, count);
            let bound = bound.unwrap_or(f64::INFINITY);
            self.push_exemplar(distribution.exemplars, above, bound);
            self.text.push('\n');
            above = bound;
        }
        self.text.push_str(metric.name);
        self.text.push_str("_count");
        self.push_labels();
        self.text.push(' ');
        push_count(&mut self.text, distribution.count);
        self.text.push('\n');
        self.text.push_str(metric.name);
        self.text.push_str("_sum");
        self.push_labels();
        self.text.push(' ');
        push_number(&mut self.text, distribution.sum);
        self.text.push('\n');
    }

    pub(super) fn end(mut self) -> String {
        match self.format {
            Format::Prometheus004 => {}
            Format::OpenMetrics100 => self.text.push_str("# EOF\n"),
        }
        self.text
    }

    fn label(&mut self, metric: &Metric, names: &str, values: &[&str]) {
        self.labels.clear();
        self.labels.push_str(names);
        let (_, last) = metric.labels.split_at(metric.labels.len() - values.len());
        for (name, value) in last.iter().zip(values) {
            label::push(&mut self.labels, name, value);
        }
    }

    fn push_labels(&mut self) {
        if !self.labels.is_empty() {
            self.text.push('{');
            self.text.push_str(&self.labels);
            self.text.push('}');
        }
    }

    /// Both formats get the numbers as OpenMetrics wants them, with a point: a series is the same
    /// however it was scraped.
    fn set_bounds(&mut self, bounds: &'static [f64]) {
        if self.bounds != bounds {
            self.bounds = bounds;
            self.ends = bounds.iter().map(|bound| format!("{bound:?}\"}} ")).collect();
        }
    }

    /// Nearly all lines are those of buckets, and differ by little.
    fn set_start(&mut self, name: &str) {
        self.start.clear();
        self.start.push_str(name);
        self.start.push_str("_bucket{");
        self.start.push_str(&self.labels);
        self.start.push_str(if self.labels.is_empty() { "le=\"" } else { ",le=\"" });
    }

    /// The newest one that lies in the bucket.
    fn push_exemplar(&mut self, exemplars: &[Exemplar], above: f64, bound: f64) {
        match self.format {
            Format::Prometheus004 => return,
            Format::OpenMetrics100 => {}
        }
        let inside = |one: &&Exemplar| above < one.seconds && one.seconds <= bound;
        let newest = exemplars.iter().filter(inside).max_by(|a, b| a.at.total_cmp(&b.at));
        if let Some(Exemplar { seconds, at, trace_id }) = newest {
            let id = u128::from_be_bytes(*trace_id);
            add(&mut self.text, format_args!(" # {{trace_id=\"{id:032x}\"}} {seconds} {at:.3}"));
        }
    }
}

/// OpenMetrics names a family without what its kind adds to the names of its samples.
fn family(metric: &Metric) -> &'static str {
    let suffix = match metric.kind {
        Kind::Counter => "_total",
        Kind::Info => "_info",
        Kind::Gauge | Kind::Histogram | Kind::StateSet => "",
    };
    metric.name.strip_suffix(suffix).unwrap_or(metric.name)
}

/// The kinds that the older format knows.
const fn old_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter | Kind::Gauge | Kind::Histogram => kind.name(),
        Kind::Info | Kind::StateSet => Kind::Gauge.name(),
    }
}

fn push_number(text: &mut String, value: f64) {
    if value.fract() == 0.0 && (0.0..EXACT_MAX).contains(&value) {
        push_count(text, value as u64);
    } else if value.is_infinite() {
        text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        add(text, format_args!("{value}"));
    }
}

/// As the standard formatting has it, in a third of the time.
fn push_count(text: &mut String, mut count: u64) {
    /// As many as the greatest number has.
    const DIGITS_MAX: usize = 20;
    let mut digits = [b'0'; DIGITS_MAX];
    let mut first = DIGITS_MAX - 1;
    loop {
        digits[first] += (count % 10) as u8;
        count /= 10;
        if count == 0 {
            break;
        }
        first -= 1;
    }
    text.push_str(std::str::from_utf8(&digits[first..]).expect("digits are ASCII"));
}

fn add(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("a string takes whatever is written to it");
}
