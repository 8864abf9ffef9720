//! Places and excerpts.

use jsonc_parser::common::Range;

use super::{EXCERPT_CHARS_MAX, Marked, Source, excerpt};
use crate::problem::Place;

/// The excerpt with its mark below, for the `needle` in the line.
fn shown(line: &str, needle: &str, marked: Marked) -> String {
    let start = line.find(needle).expect("the needle is in the line");
    let excerpt = excerpt(line, start, start + needle.len(), marked);
    format!(
        "{}\n{}{}",
        excerpt.text,
        " ".repeat(excerpt.mark_start),
        "^".repeat(excerpt.mark_width)
    )
}

#[test]
fn only_keys_structure_and_the_marked_value_are_seen() {
    let line = r#"  "env": {"A": "hunter2", "B": 12345, "C": true}, // hunter2"#;
    assert_eq!(
        shown(line, "12345", Marked::Shown),
        "  \"env\": {\"A\": \"…\", \"B\": 12345, \"C\": true},\n                         ^^^^^"
    );
    assert_eq!(
        shown(line, "12345", Marked::Hidden),
        "  \"env\": {\"A\": \"…\", \"B\": …, \"C\": true},\n                         ^"
    );
    assert_eq!(
        shown(line, "\"B\"", Marked::Shown),
        "  \"env\": {\"A\": \"…\", \"B\": …, \"C\": true},\n                    ^^^"
    );
}

#[test]
fn what_is_no_json_is_not_seen_either() {
    assert_eq!(
        shown("\"a\": hunter2, 'hunter3': 'hunter2", "a", Marked::Hidden).lines().next(),
        Some("\"a\": …, 'hunter3': \"…\"")
    );
    assert_eq!(shown("/* hunter2 */ \"a\": 1", "\"a\"", Marked::Shown), " \"a\": …\n ^^^");
    assert_eq!(shown("\"a\": \"x\\\"hunter2\"", "\"a\"", Marked::Shown), "\"a\": \"…\"\n^^^");
}

#[test]
fn a_long_line_is_cut_around_the_mark() {
    let line = format!("{}\"needle\": 1, {}", "\"k\": 1, ".repeat(50), "\"k\": 1, ".repeat(50));
    let start = line.find("\"needle\"").expect("it is there");
    let cut = excerpt(&line, start, start + 8, Marked::Shown);
    assert!(cut.text.chars().count() <= EXCERPT_CHARS_MAX + 6);
    let marked: String = cut.text.chars().skip(cut.mark_start).take(cut.mark_width).collect();
    assert_eq!(marked, "\"needle\"");
}

#[test]
fn lines_and_columns_count_from_one_and_in_characters() {
    let source = Source::new("f", "{\r\n\t\"é\": \"ü\", \"x\": 1\r\n}");
    let start = source.text.find("\"x\"").expect("it is there");
    let Place::File { line, column, excerpt, .. } =
        source.place(Range { start, end: start + 3 }, Marked::Shown)
    else {
        panic!("it is a place in a file")
    };
    assert_eq!((line, column), (2, 12));
    let excerpt = excerpt.expect("there is an excerpt");
    assert_eq!((excerpt.text.as_str(), excerpt.mark_start), (" \"é\": \"…\", \"x\": …", 11));
}

#[test]
fn a_mark_in_blanks_that_are_cut_off_stands_at_the_end_of_the_rest() {
    for (line, at, text) in [("\u{a0}//", 2, ""), ("1,   ", 4, "…,")] {
        let cut = excerpt(line, at, at, Marked::Hidden);
        assert_eq!((cut.text.as_str(), cut.mark_start), (text, text.chars().count()), "{line:?}");
    }
}

proptest::proptest! {
    #[test]
    fn a_mark_is_inside_its_excerpt(line in "\\PC{0,150}", start in 0usize..200, width in 0usize..50) {
        let boundary = |mut at: usize| { at = at.min(line.len()); while !line.is_char_boundary(at) { at -= 1; } at };
        let (start, end) = (boundary(start), boundary(start + width));
        let cut = excerpt(&line, start, end, Marked::Shown);
        proptest::prop_assert!(cut.mark_width >= 1);
        proptest::prop_assert!(cut.mark_start <= cut.text.chars().count());
    }
}
