//! Finds what an expression in PromQL names.

use std::collections::BTreeSet;

/// Names in an expression.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Named {
    pub(crate) metrics: BTreeSet<String>,
    pub(crate) labels: BTreeSet<String>,
}

/// Words that stand between expressions.
const OPERATORS: [&str; 7] = ["and", "or", "unless", "bool", "offset", "group_left", "group_right"];
/// Words that a list of labels follows.
const BEFORE_LABELS: [&str; 4] = ["by", "without", "on", "ignoring"];

/// What the expression names. Functions are words that a bracket or `by` follows.
pub(crate) fn named(expression: &str) -> Named {
    let mut named = Named::default();
    let mut words = words(expression).into_iter().peekable();
    let mut in_labels = false;
    let mut list_follows = false;
    while let Some(word) = words.next() {
        let next = words.peek().map_or("", String::as_str);
        match &*word {
            "{" => in_labels = true,
            "(" if list_follows => (in_labels, list_follows) = (true, false),
            "}" | ")" => in_labels = false,
            name if !name.starts_with(|first: char| first.is_ascii_alphabetic()) => {}
            name if BEFORE_LABELS.contains(&name) => list_follows = true,
            name if in_labels => {
                named.labels.insert(name.to_owned());
            }
            name if OPERATORS.contains(&name) => {}
            _function if next == "(" || BEFORE_LABELS.contains(&next) => {}
            name => {
                named.metrics.insert(name.to_owned());
            }
        }
    }
    named
}

/// Names, numbers and single signs; strings and ranges are left out.
fn words(expression: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut closing = None;
    let mut is_open = false;
    for one in expression.chars() {
        match closing {
            Some(end) if one == end => closing = None,
            Some(_) => {}
            None if one == '"' => (closing, is_open) = (Some('"'), false),
            None if one == '[' => (closing, is_open) = (Some(']'), false),
            None if one.is_ascii_alphanumeric() || "_:.$".contains(one) => match words.last_mut() {
                Some(word) if is_open => word.push(one),
                Some(_) | None => {
                    words.push(one.to_string());
                    is_open = true;
                }
            },
            None => {
                is_open = false;
                if !one.is_whitespace() {
                    words.push(one.to_string());
                }
            }
        }
    }
    words
}

#[test]
fn names_are_told_from_all_else() {
    let expression = "histogram_quantile(0.9, sum by (le, a) (rate(x_bucket{b=~\"c|d\"}[5m]))) > 5 \
         and max without (e) (y:z) and on (f) w";
    let all = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let expected =
        Named { metrics: all(&["x_bucket", "y:z", "w"]), labels: all(&["le", "a", "b", "e", "f"]) };
    assert_eq!(named(expression), expected);
}
