use std::collections::HashSet;

use super::*;

#[test]
fn names_have_the_same_number_as_long_as_the_process_lives_and_another_one_in_the_next() {
    let (one, other) = (Names::new(), Names::new());
    assert_eq!(one.number(["time", "now"]), one.number(["time", "now"]));
    assert_ne!(one.number(["time", "now"]), other.number(["time", "now"]));
}

#[test]
fn where_one_name_ends_and_the_next_begins_makes_another_number() {
    let names = Names::new();
    let pairs = [
        ["", "eightlet"],
        ["eightlet", ""],
        ["e", "ightlet"],
        ["eightle", "t"],
        ["eightlet\0", ""],
        ["eightlet", "\0"],
        ["", "eightlet\0"],
        ["", ""],
    ];
    let mut numbers: HashSet<u64> = pairs.into_iter().map(|pair| names.number(pair)).collect();
    numbers.extend(["", "\0", "eightlet", "eightlet\0"].map(|name| names.number([name])));
    assert_eq!(numbers.len(), 12);
}

/// Names that are nearly the same are far apart: in all bits by which buckets are found.
#[test]
fn names_that_differ_little_are_spread_over_all_parts() {
    const NAMES: usize = 1 << 16;
    let names = Names::new();
    let numbers: HashSet<u64> = (0..NAMES)
        .map(|index| names.number(["server", &format!("a_tool_of_many_{index}")]))
        .collect();
    assert_eq!(numbers.len(), NAMES);
    for shift in (0..=60).step_by(4) {
        let mut parts = [0_usize; 16];
        for number in &numbers {
            parts[usize::try_from(number >> shift & 15).unwrap()] += 1;
        }
        let mean = NAMES / parts.len();
        // More than twelve standard deviations to either side.
        let far = parts.iter().any(|part| part.abs_diff(mean) > mean / 5);
        assert!(!far, "bits from {shift}: {parts:?}");
    }
}
