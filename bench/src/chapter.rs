//! One part of the benchmark as it is kept and shown: samples of every round, and the tables and
//! verdicts that follow from them and from nothing else.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::report::median;

/// One part, with all that somebody needs to judge it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Chapter {
    /// The name of the part, and of its file.
    pub(crate) part: String,
    /// What measures the same again.
    pub(crate) command: String,
    /// When it was measured, in UTC.
    pub(crate) date: String,
    /// Where.
    pub(crate) machine: String,
    pub(crate) sheets: Vec<Sheet>,
    pub(crate) targets: Vec<Target>,
}

/// One table, as samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sheet {
    pub(crate) title: String,
    /// The names of what tells rows apart.
    pub(crate) labels: Vec<String>,
    pub(crate) columns: Vec<Column>,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Digits after the point.
    pub(crate) digits: usize,
    pub(crate) over_rounds: Over,
}

/// What is shown of several rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Over {
    /// The middle one: of times and rates.
    Median,
    /// All together: of counts of what must not be.
    Sum,
    /// The largest: of bounds.
    Largest,
}

/// One row in one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) labels: Vec<String>,
    pub(crate) round: usize,
    /// A value for each column; `None` where there is none.
    pub(crate) values: Vec<Option<f64>>,
}

/// What is asked, and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) asked: String,
    pub(crate) measured: Option<f64>,
    pub(crate) unit: String,
    pub(crate) bound: f64,
    pub(crate) at_least: bool,
}

// === impl Sheet ===

impl Sheet {
    /// `columns` are names with their digits.
    pub(crate) fn new(title: &str, labels: &[&str], columns: &[(&str, usize)]) -> Self {
        let column = |&(name, digits): &(&str, usize)| Column {
            name: name.into(),
            digits,
            over_rounds: Over::Median,
        };
        Self {
            title: title.into(),
            labels: labels.iter().map(|&label| label.into()).collect(),
            columns: columns.iter().map(column).collect(),
            samples: Vec::new(),
        }
    }

    /// With these columns shown over the rounds in another way.
    pub(crate) fn over(mut self, over_rounds: Over, names: &[&str]) -> Self {
        for column in &mut self.columns {
            if names.contains(&column.name.as_str()) {
                column.over_rounds = over_rounds;
            }
        }
        self
    }

    /// Notes one row of one round.
    pub(crate) fn note(&mut self, labels: &[&str], round: usize, values: &[Option<f64>]) {
        debug_assert_eq!((labels.len(), values.len()), (self.labels.len(), self.columns.len()));
        let labels: Vec<String> = labels.iter().map(|&label| label.into()).collect();
        crate::say(&format!(
            "{}: {} #{round}: {}",
            self.title,
            labels.join(" "),
            self.told(values)
        ));
        // JSON has no word for what is no number.
        let values = values.iter().map(|value| value.filter(|value| value.is_finite())).collect();
        self.samples.push(Sample { labels, round, values });
    }

    fn told(&self, values: &[Option<f64>]) -> String {
        let told = self.columns.iter().zip(values);
        told.map(|(column, value)| format!("{} {}", column.name, show(*value, column.digits)))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// What is shown of that column for that row.
    pub(crate) fn value(&self, labels: &[&str], column: &str) -> Option<f64> {
        let at = self.columns.iter().position(|one| one.name == column)?;
        let here = self.samples.iter().filter(|sample| sample.labels == labels);
        let values: Vec<f64> = here.filter_map(|sample| *sample.values.get(at)?).collect();
        self.columns[at].over_rounds.of(values)
    }

    /// The labels of each row, in the order in which they came.
    pub(crate) fn rows(&self) -> Vec<Vec<&str>> {
        let mut rows: Vec<Vec<&str>> = Vec::new();
        for sample in &self.samples {
            let labels: Vec<&str> = sample.labels.iter().map(String::as_str).collect();
            if !rows.contains(&labels) {
                rows.push(labels);
            }
        }
        rows
    }

    fn markdown(&self, text: &mut String) {
        if self.samples.is_empty() {
            return;
        }
        let names = self.columns.iter().map(|column| &column.name);
        let head: Vec<&str> = self.labels.iter().chain(names).map(String::as_str).collect();
        let rule: String =
            head.iter().enumerate().map(|(at, _)| self.alignment(at)).collect::<String>();
        line(text, &format!("\n**{}**\n\n| {} |\n|{rule}", self.title, head.join(" | ")));
        for labels in self.rows() {
            let values = self
                .columns
                .iter()
                .map(|column| show(self.value(&labels, &column.name), column.digits));
            let labelled = labels.iter().map(|label| (*label).to_owned());
            let cells: Vec<String> = labelled.chain(values).collect();
            line(text, &format!("| {} |", cells.join(" | ")));
        }
    }

    /// Numbers stand at the right.
    const fn alignment(&self, column: usize) -> &'static str {
        if column < self.labels.len() { "---|" } else { "---:|" }
    }
}

// === impl Over ===

impl Over {
    fn of(self, values: Vec<f64>) -> Option<f64> {
        match self {
            Self::Median => median(values),
            Self::Sum => (!values.is_empty()).then(|| values.iter().sum()),
            Self::Largest => values.into_iter().max_by(f64::total_cmp),
        }
    }
}

// === impl Target ===

impl Target {
    pub(crate) fn at_least(asked: &str, bound: f64, unit: &str, measured: Option<f64>) -> Self {
        Self { asked: asked.into(), measured, unit: unit.into(), bound, at_least: true }
    }

    pub(crate) fn at_most(asked: &str, bound: f64, unit: &str, measured: Option<f64>) -> Self {
        Self { asked: asked.into(), measured, unit: unit.into(), bound, at_least: false }
    }

    fn verdict(&self) -> &'static str {
        let holds =
            |value: f64| if self.at_least { value >= self.bound } else { value <= self.bound };
        match self.measured {
            None => "not measured",
            Some(value) if holds(value) => "ok",
            Some(_) => "MISSED",
        }
    }

    fn markdown(&self, text: &mut String) {
        let word = if self.at_least { ">=" } else { "<=" };
        let Self { asked, bound, unit, measured, .. } = self;
        let measured = show(*measured, 3);
        line(
            text,
            &format!("| {asked} {word} {bound}{unit} | {measured}{unit} | {} |", self.verdict()),
        );
    }
}

// === impl Chapter ===

impl Chapter {
    /// The tables for people.
    pub(crate) fn markdown(&self) -> String {
        let Self { machine, date, command, .. } = self;
        let mut text = String::new();
        line(&mut text, &format!("{date}, {machine}. Again: `{command}`."));
        for sheet in &self.sheets {
            sheet.markdown(&mut text);
        }
        if !self.targets.is_empty() {
            line(&mut text, "\n| target | measured | |\n|---|---:|---|");
        }
        for target in &self.targets {
            target.markdown(&mut text);
        }
        text
    }
}

fn show(value: Option<f64>, digits: usize) -> String {
    value.filter(|value| value.is_finite()).map_or("-".into(), |value| format!("{value:.digits$}"))
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests;
