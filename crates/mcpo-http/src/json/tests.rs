use proptest::prelude::*;

use super::*;

#[test]
fn json_is_told_from_text() {
    for text in [
        "1",
        "-0",
        "0.5",
        "1e5",
        "1E-5",
        " 42 ",
        "\n[]\t",
        "{}",
        "null",
        "true",
        "\"a\"",
        "[1,[2,{\"a\":[]}]]",
        "{\"a\":1,\"a\":2}",
        "\"\\ud800\"",
        "123456789012345678901234567890",
        "1e-400",
        "\"\u{7f}\u{2028}\"",
    ] {
        assert!(is_readable(text), "{text}");
    }
    for text in [
        "",
        " ",
        "007",
        "+1",
        "1.",
        ".5",
        "1e",
        "01",
        "-",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "[1e400]",
        "-1.5e999",
        "{\"a\":1",
        "[1,]",
        "[,1]",
        "{,}",
        "{\"a\"}",
        "{a:1}",
        "{\"a\":1,}",
        "1 2",
        "[1}",
        "{\"a\":1]",
        "\"a\nb\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"",
        "\u{feff}1",
        "True",
        "nul",
        "tru",
        "\u{a0}1",
    ] {
        assert!(!is_readable(text), "{text}");
    }
}

#[test]
fn depth_is_bounded_without_a_stack() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(is_readable(&nested(128)));
    assert!(!is_readable(&nested(129)));
    assert!(!is_readable(&nested(1_000_000)));
    assert!(!is_readable(&"{\"a\":".repeat(1_000_000)));
}

proptest! {
    #[test]
    fn whatever_is_written_as_json_is_readable(text in "[ -~\n]{0,40}", number in any::<f64>(), depth in 0_usize..100) {
        let written = serde_json::json!([text, number, {"k": [null, true]}]).to_string();
        prop_assert!(is_readable(&written));
        let wrapped = "[".repeat(depth) + &written + &"]".repeat(depth);
        prop_assert!(is_readable(&wrapped));
    }

    #[test]
    fn serde_agrees_on_what_is_json(text in r#"[\[\]{}:,"\\a0-9eE+\-. u]{0,12}"#) {
        let ours = is_readable(&text);
        let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
        prop_assert!(!ours || theirs, "we take what is no JSON");
        // What only we refuse is a number beyond a double.
        prop_assert!(ours || !theirs || text.contains(['e', 'E', '.']), "we refuse what is JSON");
    }
}
