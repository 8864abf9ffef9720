//! Reads an exposition back, strictly: whatever is not of the formats' grammar panics.

use std::collections::{BTreeMap, BTreeSet};

/// One line with a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
    /// The labels and the value of its exemplar.
    pub(crate) exemplar: Option<(BTreeMap<String, String>, f64)>,
}

/// What a text holds.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// Families and their kinds, in order.
    pub(crate) families: Vec<(String, String)>,
    pub(crate) samples: Vec<Sample>,
}

impl Read {
    /// The samples of that name.
    pub(crate) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.name == name)
    }

    /// The only sample with that name and this label.
    pub(crate) fn one(&self, name: &str, label: (&str, &str)) -> f64 {
        let is_it = |one: &&Sample| one.labels.get(label.0).is_some_and(|value| value == label.1);
        let mut found = self.of(name).filter(is_it);
        let first = found.next().unwrap_or_else(|| panic!("no {name} with {label:?}"));
        assert_eq!(found.next(), None, "more than one {name} with {label:?}");
        first.value
    }
}

/// Reads either format. A series, and a family's head, may come once only, and all lines of a
/// family come together.
pub(crate) fn read(text: &str) -> Read {
    let mut read = Read::default();
    let mut seen = BTreeSet::new();
    assert!(text.ends_with('\n'), "the last line has no end");
    for line in text.strip_suffix('\n').unwrap().split('\n') {
        if let Some(comment) = line.strip_prefix("# ") {
            head(comment, &mut read);
            continue;
        }
        let sample = sample(line);
        let (family, _) = read.families.last().expect("a family has a head");
        let suffix = sample.name.strip_prefix(family.as_str());
        let suffix = suffix.unwrap_or_else(|| panic!("{} is not of {family}", sample.name));
        assert!(["", "_total", "_info", "_bucket", "_count", "_sum"].contains(&suffix), "{line}");
        let series = format!("{}{:?}", sample.name, sample.labels);
        assert!(seen.insert(series), "told twice: {line}");
        read.samples.push(sample);
    }
    read
}

fn head(comment: &str, read: &mut Read) {
    let mut words = comment.splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some("TYPE"), Some(name), Some(kind)) => {
            assert!(!read.families.iter().any(|(known, _)| known == name), "{name} comes twice");
            read.families.push((name.to_owned(), kind.to_owned()));
        }
        (Some("HELP"), Some(_), Some(help)) => assert!(!help.contains(['\\', '"']), "{help}"),
        (Some("UNIT"), Some(name), Some(unit)) => assert!(name.ends_with(unit), "{name}: {unit}"),
        (Some("EOF"), None, None) => {}
        _other => panic!("no comment of these formats: {comment}"),
    }
}

fn sample(line: &str) -> Sample {
    let (before, exemplar) = match line.split_once(" # ") {
        // A value of a label may hold these three characters, too.
        Some((before, exemplar)) if before.ends_with(|last: char| last.is_ascii_digit()) => {
            (before, Some(exemplar))
        }
        Some(_) | None => (line, None),
    };
    let place = before.find(['{', ' ']).expect("a value follows a name");
    let (name, rest) = before.split_at(place);
    let is_of_name = |one: char| one.is_ascii_alphanumeric() || one == '_';
    assert!(!name.is_empty() && name.chars().all(is_of_name), "{line}");
    let (labels, value) = labels_and(rest, line);
    let exemplar = exemplar.map(|text| {
        let (labels, rest) = labels_and(text, line);
        (labels, rest.split(' ').next().unwrap().parse().unwrap())
    });
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().unwrap_or_else(|_| panic!("no number: {line}")),
    };
    Sample { name: name.to_owned(), labels, value, exemplar }
}

/// The labels, and what follows them after a space.
fn labels_and<'t>(text: &'t str, line: &str) -> (BTreeMap<String, String>, &'t str) {
    let mut labels = BTreeMap::new();
    let Some(mut rest) = text.strip_prefix('{') else {
        return (labels, text.strip_prefix(' ').unwrap());
    };
    loop {
        let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
        let (value, after) = quoted(after, line);
        assert!(labels.insert(name.to_owned(), value).is_none(), "a label twice: {line}");
        match after.split_at(1) {
            (",", after) => rest = after,
            ("}", after) => return (labels, after.strip_prefix(' ').unwrap()),
            _other => panic!("after a label: {line}"),
        }
    }
}

/// What stands before the closing quote, and what follows it.
fn quoted<'t>(text: &'t str, line: &str) -> (String, &'t str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((place, one)) = characters.next() {
        match one {
            '"' => return (value, &text[place + 1..]),
            '\\' => match characters.next().map(|(_, escaped)| escaped) {
                Some('n') => value.push('\n'),
                Some(escaped @ ('\\' | '"')) => value.push(escaped),
                other => panic!("no escape {other:?}: {line}"),
            },
            plain => value.push(plain),
        }
    }
    panic!("no closing quote: {line}")
}
