//! What python-dotenv reads, we read.

use super::parse;
use crate::environment::Environment;

fn values(text: &str) -> Vec<(String, String)> {
    let (entries, bad) = parse(text, &Environment::of(&[("HOME", "/home/me")]));
    assert_eq!(bad, [], "{text}");
    entries.into_iter().map(|entry| (entry.name, entry.value)).collect()
}

#[test]
fn values_are_bare_or_quoted() {
    for (line, value) in [
        ("A=1", "1"),
        ("  export A = 1  ", "1"),
        ("A=", ""),
        ("A=a b # comment", "a b"),
        ("A=a#b", "a#b"),
        ("A=# all comment", ""),
        ("A='a # $b \\n'", "a # $b \\n"),
        (r#"A="a\nb \"c\"" # comment"#, "a\nb \"c\""),
        ("A=\"two\nlines\"", "two\nlines"),
        ("A=x=y", "x=y"),
        ("A=${HOME}/x", "/home/me/x"),
        ("A=${NOPE}x", "x"),
        ("A=${NOPE:-default}", "default"),
        ("A=${open", "${open"),
        ("A=1\r", "1"),
    ] {
        assert_eq!(values(line), [("A".to_owned(), value.to_owned())], "{line}");
    }
}

#[test]
fn later_lines_see_earlier_ones() {
    let text = "# comment\n\nA=1\nB=${A}2\nA=3\nC=\"${A}\"\n";
    let values = values(text);
    assert_eq!(values.last().map(|(_, value)| value.as_str()), Some("3"));
    assert_eq!(values[1].1, "12");
}

#[test]
fn a_bad_line_does_not_hide_the_others() {
    let (entries, bad) = parse("A=1\nnonsense\n=x\nB=\"open\nC=2\n", &Environment::default());
    let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["A", "C"]);
    let offsets: Vec<_> = bad.iter().map(|line| line.offset).collect();
    assert_eq!(offsets, [4, 13, 16]);
}

proptest::proptest! {
    #[test]
    fn any_text_comes_to_an_end(text in "[A-C='\"\\\\$\\{\\}\n #]{0,80}") {
        let _ = parse(&text, &Environment::default());
    }
}
