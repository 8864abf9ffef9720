//! Single values.

use std::time::Duration;

use super::{bytes, placeholder, seconds, seconds_or_zero};

#[test]
fn seconds_are_whole_or_decimal_and_bounded() {
    for (text, expected) in [
        ("30", Ok(Duration::from_secs(30))),
        (" 0.5 ", Ok(Duration::from_millis(500))),
        ("1e2", Ok(Duration::from_secs(100))),
        ("86400", Ok(Duration::from_secs(86_400))),
        ("0", Err("must be more than 0 seconds")),
        ("-0", Err("must be more than 0 seconds")),
        ("-1", Err("must not be negative")),
        ("1e-30", Err("is too small")),
        ("nan", Err("is not a number of seconds such as 30 or 0.5")),
        ("inf", Err("is not a number of seconds such as 30 or 0.5")),
        ("30s", Err("is not a number of seconds such as 30 or 0.5")),
        ("", Err("is not a number of seconds such as 30 or 0.5")),
    ] {
        assert_eq!(
            seconds(text).as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|text| *text),
            "{text}"
        );
    }
    assert!(seconds("86400.1").is_err());
    assert_eq!(seconds_or_zero("0"), Ok(Duration::ZERO));
}

#[test]
fn sizes_have_units_and_bounds() {
    for (text, expected) in [
        ("1048576", Some(1 << 20)),
        ("16MiB", Some(16 << 20)),
        ("512k", Some(512 << 10)),
        ("10 MB", Some(10_000_000)),
        ("1g", Some(1 << 30)),
        ("2GiB", None),
        ("1", None),
        ("", None),
        ("MiB", None),
        ("1.5MiB", None),
        ("99999999999999999999", None),
        ("18446744073709551615g", None),
    ] {
        assert_eq!(bytes(text).ok(), expected, "{text}");
    }
}

#[test]
fn a_placeholder_is_found_whole() {
    assert_eq!(placeholder("Bearer ${TOKEN}!"), Some("${TOKEN}"));
    assert_eq!(placeholder("$TOKEN ${"), None);
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_time_or_not(text in "[0-9eE+.-]{0,12}") {
        if let Ok(time) = seconds(&text) {
            proptest::prop_assert!(!time.is_zero() && time <= Duration::from_secs(86_400));
        }
    }
}
