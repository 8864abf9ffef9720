//! Patterns of names.

use super::matches;

#[test]
fn a_pattern_fits_the_whole_name() {
    for (pattern, name, fits) in [
        ("get_time", "get_time", true),
        ("get_time", "get_times", false),
        ("get_*", "get_time", true),
        ("get_*", "get_", true),
        ("get_*", "forget_time", false),
        ("*", "anything", true),
        ("*_time", "get_time", true),
        ("*_time", "get_time_zone", false),
        ("g*t*e", "get_time", true),
        ("a*a", "a", false),
        ("a*b*c", "a-c-b", false),
        ("", "x", false),
    ] {
        assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
    }
}
