use serde_json::{Value, json};

use super::*;

fn told(result: &str) -> Told {
    tell(&Bytes::copy_from_slice(result.as_bytes()), false)
}

fn value(result: &str) -> String {
    match told(result) {
        Told::Value(said) => String::from_utf8(whole(said)).unwrap(),
        other @ (Told::Failed { .. } | Told::Nonsense) => panic!("{result}: {other:?}"),
    }
}

fn whole(said: Said) -> Vec<u8> {
    match said {
        Said::Whole(bytes) => bytes.to_vec(),
        Said::Long(pieces) => all(*pieces),
    }
}

fn all(mut pieces: Pieces) -> Vec<u8> {
    let length = pieces.bytes_left();
    let all: Vec<u8> = std::iter::from_fn(|| pieces.next()).flatten().collect();
    assert_eq!((all.len(), pieces.bytes_left()), (length, 0));
    all
}

fn text(text: &str) -> String {
    value(&json!({"content": [{"type": "text", "text": text}]}).to_string())
}

/// What the original answers otherwise on purpose: see the table of differences.
const OTHER_BY_INTENT: [&str; 10] = [
    "nan",
    "infinity",
    "overflow",
    "too_deep",
    "resource",
    "link",
    "is_error",
    "is_error_empty",
    "is_error_two",
    "is_error_image",
];

#[test]
fn results_come_out_as_from_the_original() {
    let answers: Vec<Value> =
        serde_json::from_str(include_str!("../fixtures/answers.json")).unwrap();
    let mut compared = 0;
    for answer in &answers {
        let name = answer["name"].as_str().unwrap();
        let (Some(result), false) = (answer["result"].as_str(), OTHER_BY_INTENT.contains(&name))
        else {
            continue;
        };
        let ours: Value = serde_json::from_str(&value(result)).unwrap();
        let theirs: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        // The original rewrites floating-point numbers and an integer's sign; digits are kept here.
        match name {
            "negative_zero" => {
                assert_eq!((ours, theirs), (serde_json::from_str("-0").unwrap(), json!(0)));
            }
            "exponent" => assert_eq!(ours.as_f64(), theirs.as_f64()),
            "precise" => assert_eq!(ours.to_string(), "0.1000000000000000055511151231257827"),
            _ => assert_eq!(ours, theirs, "{name}"),
        }
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
}

#[test]
fn a_text_that_no_reader_could_take_stays_a_string() {
    for odd in [
        "NaN",
        "[Infinity]",
        "1e400",
        "007",
        "{\"a\":1e999}",
        "[1",
        "\u{feff}42",
        &"[".repeat(3000),
    ] {
        assert_eq!(text(odd), serde_json::to_string(odd).unwrap());
    }
}

#[test]
fn json_in_a_text_is_spliced_byte_for_byte() {
    for exact in [
        "{\"b\": 1,\n \"a\": null}",
        "1.10",
        "12345678901234567890123",
        "{\"a\":1,\"a\":2}",
        " [ ] ",
    ] {
        assert_eq!(text(exact), exact);
    }
    assert_eq!(
        value(r#"{"content":[{"type":"text","text":"{\"a\":\"\\ud800\"}"}]}"#),
        r#"{"a":"\ud800"}"#
    );
}

#[test]
fn half_a_surrogate_pair_is_handed_on_as_written() {
    assert_eq!(value(r#"{"content":[{"type":"text","text":"a\ud800"}]}"#), r#""a\ud800""#);
    assert_eq!(value(r#"{"content":[{"type":"text","text":"\ud800"}]}"#), r#""\ud800""#);
}

#[test]
fn items_come_out_by_their_kind() {
    let cases = [
        (
            r#"{"type":"audio","data":"QQ==","mimeType":"audio/wav"}"#,
            r#""data:audio/wav;base64,QQ==""#,
        ),
        (r#"{"type":"image","data":"QQ=="}"#, r#""data:application/octet-stream;base64,QQ==""#),
        (
            r#"{"type":"image","data":5,"mimeType":"a/b"}"#,
            r#"{"type":"image","data":5,"mimeType":"a/b"}"#,
        ),
        (r#"{"type":"resource","resource":{"uri":"a:b","text":"x"}}"#, r#""x""#),
        (r#"{"type":"resource","resource":{"uri":"a:b","text":"[1]"}}"#, "[1]"),
        (
            r#"{"type":"resource","resource":{"uri":"a:b","blob":"QQ==","mimeType":"a/b"}}"#,
            r#""data:a/b;base64,QQ==""#,
        ),
        (
            r#"{"type":"resource","resource":{"uri":"a:b"}}"#,
            r#"{"type":"resource","resource":{"uri":"a:b"}}"#,
        ),
        (
            r#"{"type":"resource_link","uri":"a:b","name":"n"}"#,
            r#"{"type":"resource_link","uri":"a:b","name":"n"}"#,
        ),
        (r#"{"type":"hologram","x":[1]}"#, r#"{"type":"hologram","x":[1]}"#),
        (r#"{"type":"text"}"#, r#"{"type":"text"}"#),
        (r#"{"type":"text","text":null}"#, r#"{"type":"text","text":null}"#),
        (r#"{"type":7}"#, r#"{"type":7}"#),
        ("7", "7"),
        (r#""bare""#, r#""bare""#),
    ];
    for (item, expected) in cases {
        assert_eq!(value(&format!("{{\"content\":[{item}]}}")), expected);
        let several =
            value(&format!("{{\"content\":[{item},{{\"type\":\"text\",\"text\":\"y\"}}]}}"));
        assert_eq!(several, format!("[{expected},\"y\"]"));
    }
}

#[test]
fn structured_content_stands_in_where_there_is_nothing_else_or_it_was_declared() {
    let only = r#"{"structuredContent":{"a": 1}}"#;
    let empty = r#"{"content":[],"structuredContent":[1]}"#;
    let both = r#"{"content":[{"type":"text","text":"x"}],"structuredContent":{"a":1}}"#;
    let image = r#"{"content":[{"type":"image","data":"QQ==","mimeType":"a/b"}],"structuredContent":{"a":1}}"#;
    let declared = |result: &'static str| tell(&Bytes::from_static(result.as_bytes()), true);
    assert_eq!(value(only), r#"{"a": 1}"#);
    assert_eq!(value(empty), "[1]");
    assert_eq!(value(both), r#""x""#);
    assert_eq!(declared(both), Told::Value(Said::Whole(Bytes::from_static(br#"{"a":1}"#))));
    assert_eq!(
        declared(image),
        Told::Value(Said::Whole(Bytes::from_static(br#""data:a/b;base64,QQ==""#)))
    );
    assert_eq!(declared(r#"{"content":[]}"#), Told::Value(Said::Whole(Bytes::from_static(b"[]"))));
}

#[test]
fn a_tool_that_failed_says_so_with_all_it_said() {
    let failed = |content: &str| match told(&format!("{{\"isError\":true,\"content\":{content}}}"))
    {
        Told::Failed { message, content } => (
            String::from_utf8(message).unwrap(),
            content.map(|content| String::from_utf8(content).unwrap()),
        ),
        other @ (Told::Value(_) | Told::Nonsense) => panic!("{other:?}"),
    };
    let image = r#"{"type":"image","data":"QQ==","mimeType":"a/b"}"#;
    assert_eq!(
        failed(r#"[{"type":"text","text":"it \"broke\" \ud800"}]"#),
        (r#""it \"broke\" \ud800""#.into(), None)
    );
    assert_eq!(failed("[]"), (r#""Unknown tool execution error""#.into(), None));
    assert_eq!(
        failed(&format!("[{image}]")),
        (r#""Unknown tool execution error""#.into(), Some(r#"["data:a/b;base64,QQ=="]"#.into()))
    );
    assert_eq!(
        failed(r#"[{"type":"text","text":"a"},{"type":"text","text":"2"}]"#),
        (r#""a""#.into(), Some(r#"["a",2]"#.into()))
    );
}

#[test]
fn a_hostile_result_gets_an_answer() {
    for nonsense in ["", "7", "[]x", "null", r#"{"content":7}"#, r#"{"content":"x"}"#, "\u{0}"] {
        assert_eq!(told(nonsense), Told::Nonsense, "{nonsense}");
    }
    assert_eq!(
        tell(&Bytes::from_static(b"{\"content\":[{\"type\":\"text\",\"text\":\"\xff\"}]}"), false),
        Told::Nonsense
    );
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    assert_eq!(value(&format!("{{\"content\":[{deep}]}}")), deep);
    assert_eq!(
        value(&format!("{{\"x\":{deep},\"content\":[],\"structuredContent\":{deep}}}")),
        deep
    );
    assert_eq!(value("{}"), "[]");
    assert_eq!(value(r#"{"isError":"true","content":[]}"#), "[]");
    assert_eq!(value(r#"{"isError":null,"structuredContent":null}"#), "[]");
}

/// The same answer, made as a long one.
fn in_pieces(result: &str) -> String {
    let result = Bytes::copy_from_slice(result.as_bytes());
    let parts: ToolResult<'_> = serde_json::from_slice(&result).unwrap();
    let items: Vec<Shown<'_>> = parts.content.iter().flatten().map(|item| show(item)).collect();
    String::from_utf8(all(pieces(&result, &items))).unwrap()
}

#[test]
fn long_answers_are_the_same_as_short_ones() {
    let answers: Vec<Value> =
        serde_json::from_str(include_str!("../fixtures/answers.json")).unwrap();
    let results = answers.iter().filter_map(|answer| answer["result"].as_str());
    let mut compared = 0;
    for result in results {
        if let Told::Value(said @ Said::Whole(_)) = told(result) {
            let is_structured = result.contains("structuredContent");
            let same = String::from_utf8(whole(said)).unwrap();
            assert!(is_structured || in_pieces(result) == same, "{result}");
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared}");
    assert_eq!(in_pieces(r#"{"content":[]}"#), "[]");
}

#[test]
fn a_long_answer_is_made_as_it_is_taken() {
    let long = json!({"a": "\"\u{e9}\n".repeat(50_000)}).to_string();
    let result = json!({"content": [{"type": "text", "text": long}]}).to_string();
    let Told::Value(Said::Long(pieces)) = told(&result) else { panic!("it is long") };
    assert_eq!(pieces.bytes_left(), long.len());
    assert!(all(*pieces) == long.as_bytes());
    let two = json!({"content": [{"type": "text", "text": long}, {"type": "text", "text": "b"}]});
    assert!(value(&two.to_string()) == format!("[{long},\"b\"]"));
    let prose = format!("[{long}");
    assert!(text(&prose) == serde_json::to_string(&prose).unwrap());
}

proptest::proptest! {
    #[test]
    fn texts_are_read_in_pieces_as_at_once(
        texts in proptest::collection::vec("[ \\[\\]{}:,\"\\\\a0-9eE+.\u{e9}\u{1f600}\n-]{0,12}", 0..4),
        raw in "(\\\\u[dD][89abcdef0-7]00|\\\\[\"n/bu]|[0-9\\[\\]\"]|\\\\u0031){0,8}",
    ) {
        let mut content: Vec<String> =
            texts.iter().map(|text| json!({"type": "text", "text": text}).to_string()).collect();
        let odd = format!("{{\"type\":\"text\",\"text\":\"{raw}\"}}");
        if serde_json::from_str::<&RawValue>(&odd).is_ok() {
            content.push(odd);
        }
        let result = format!("{{\"content\":[{}]}}", content.join(","));
        proptest::prop_assert_eq!(in_pieces(&result), value(&result));
    }
}

#[test]
fn a_glance_sees_what_reading_all_of_it_shows() {
    let texts = [
        r#""plain""#,
        r#""""#,
        r#"" {\"a\": [1, 2]}""#,
        r#""12""#,
        r#""\ud83d\ude00\n\u0041""#,
        r#""\ud800""#,
        r#""\x""#,
        "\"\n\"",
        r#""open"#,
        "7",
        "null",
    ];
    let ends = [
        "}]}",
        r#"}],"isError":false}"#,
        r#"}],"isError":true}"#,
        r#"}],"isError":false"#,
        r#"}],"structuredContent":{"result":"a","n":[1.5e3,{}]}}"#,
        r#"}],"structuredContent":null,"isError":false}"#,
        r#"}],"structuredContent": 1 ,"isError":false}"#,
        r#"}],"structuredContent":1e999}"#,
        r#"}],"structuredContent":1,"structuredContent":2}"#,
        r#"}],"structuredContent":nul}"#,
        r#"},{"type":"text","text":"b"}]}"#,
        r#","annotations":{}}]}"#,
        "}]}}",
        "",
    ];
    let mut seen = 0;
    for (text, end) in texts.iter().flat_map(|text| ends.map(|end| (text, end))) {
        let usual = format!(r#"{{"content":[{{"type":"text","text":{text}{end}"#);
        let sorted = format!(r#"{{"content":[{{"text":{text},"type":"text"{end}"#);
        seen += u32::from(glance(usual.as_bytes()).is_some());
        for result in [usual, sorted] {
            // A glance sees nothing where there are blanks.
            let blank = Bytes::from(result.replacen('{', "{ ", 1));
            assert!(glance(&blank).is_none());
            let result = Bytes::from(result);
            for prefers_structured in [false, true] {
                let (short, long) =
                    (tell(&result, prefers_structured), tell(&blank, prefers_structured));
                assert_eq!(short, long, "{result:?}");
            }
        }
    }
    assert_eq!(seen, 6 * 4, "the usual results are seen at a glance");
}

proptest::proptest! {
    #[test]
    fn a_glance_sees_any_text_as_reading_all_of_it_does(
        raw in "(\\\\u[dD][89abcdef0-7]00|\\\\[\"\\\\n/bux]|[ -~\u{e9}\u{1f600}\u{7f}\n]){0,8}",
        structured in "[\\[\\]{}:,\"a0-9eE+. -]{0,8}|null|-?[0-9.]{1,4}",
        prefers_structured in proptest::bool::ANY,
    ) {
        let text = format!(r#"{{"content":[{{"type":"text","text":"{raw}"}}]"#);
        for result in [format!("{text}}}"), format!(r#"{text},"structuredContent":{structured}}}"#)] {
            let blank = Bytes::from(result.replacen('{', "{ ", 1));
            let result = Bytes::from(result);
            let told = tell(&result, prefers_structured);
            proptest::prop_assert_eq!(told, tell(&blank, prefers_structured), "{:?}", result);
        }
    }
}
