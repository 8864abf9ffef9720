use std::ops::Range;

use serde_json::{Map, Value, json};

use super::*;

/// Dice that fall the same way every time (xorshift64).
struct Rng(u64);

impl Rng {
    fn usize(&mut self, range: Range<usize>) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let length = (range.end - range.start) as u64;
        range.start + usize::try_from((self.0 >> 16) % length).expect("it is below the length")
    }

    fn bool(&mut self) -> bool {
        self.usize(0..2) == 0
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in 1..items.len() {
            items.swap(at, self.usize(0..at + 1));
        }
    }
}

fn form(text: &str) -> Option<String> {
    let mut out = Vec::new();
    canonical(text.as_bytes(), &mut out)?;
    Some(String::from_utf8(out).expect("it is text"))
}

/// Each row: texts that mean the same, and what all of them come out as.
#[test]
fn texts_that_mean_the_same_come_out_as_one() {
    let rows: [(&[&str], &str); 9] = [
        (&["{}", " { } ", "{\n}"], "{}"),
        (&[r#"{"a":1,"b":[1,2]}"#, r#"{ "b" : [ 1 , 2 ] , "a" : 1 }"#], r#"{"a":1,"b":[1,2]}"#),
        (
            &[r#"{"b":{"y":1,"x":2},"a":[{"d":1,"c":2}]}"#],
            r#"{"a":[{"c":2,"d":1}],"b":{"x":2,"y":1}}"#,
        ),
        (&[r#"{"a":"A"}"#, r#"{"\u0061":"\u0041"}"#], r#"{"a":"A"}"#),
        (&[r#""/""#, r#""\/""#, r#""\u002F""#, r#""\u002f""#], r#""/""#),
        (&[r#""\n""#, r#""\u000a""#, r#""\u000A""#], r#""\u000a""#),
        (&[r#""\"\\""#, r#""\u0022\u005c""#], r#""\"\\""#),
        (&[r#""😀""#, r#""\ud83d\ude00""#, r#""\uD83D\uDE00""#], r#""😀""#),
        (&[r#""\ud83d""#, r#""\uD83D""#], r#""\ud83d""#),
    ];
    for (texts, wanted) in rows {
        for text in texts {
            assert_eq!(form(text).as_deref(), Some(wanted), "{text}");
        }
    }
}

#[test]
fn texts_that_may_mean_different_things_stay_apart() {
    let texts = [
        "1",
        "1.0",
        "1e0",
        "10",
        "-1",
        "0",
        "true",
        "false",
        "null",
        "\"1\"",
        "\"true\"",
        "[]",
        "{}",
        "[1]",
        "[1,2]",
        "[2,1]",
        "[12]",
        "[[1],2]",
        "[[1,2]]",
        "\"\"",
        "\" \"",
        r#""\u0000""#,
        r#""\\u0000""#,
        r#""\\""#,
        r#""\\\\""#,
        r#"{"a":1}"#,
        r#"{"a":"1"}"#,
        r#"{"a":{"b":1}}"#,
        r#"{"a":{},"b":1}"#,
        r#"{"a":null}"#,
        r#"{"":1}"#,
        r#""\ud83d""#,
        r#""\ude00""#,
        r#""\ud83d\ud83d""#,
        r#"{"a":9007199254740993}"#,
        r#"{"a":9007199254740992}"#,
        r#""é""#,
        r#""e\u0301""#,
    ];
    for (index, one) in texts.iter().enumerate() {
        for other in &texts[index + 1..] {
            assert_ne!(form(one).expect(one), form(other).expect(other));
        }
    }
}

#[test]
fn what_readers_do_not_agree_on_has_no_form() {
    let deep = format!("{}{}", "[".repeat(DEPTH_MAX + 1), "]".repeat(DEPTH_MAX + 1));
    let texts = [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[1",
        "[1,",
        "[1 2]",
        "[,]",
        "[1,]",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a" 1}"#,
        "{a:1}",
        "tru",
        "truely",
        "\"",
        r#""\"#,
        r#""\x""#,
        r#""\u00""#,
        "\"\n\"",
        "{} {}",
        "1 2",
        "{}x",
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"\u0061":2}"#,
        &deep,
        r#"[{"b":1,"a":2,"b":3}]"#,
    ];
    for text in texts {
        assert_eq!(form(text), None, "{text}");
    }
    assert!(form(&deep[1..deep.len() - 1]).is_some());
}

/// Each object in another one is read over again.
#[test]
fn a_text_is_brought_into_order_only_so_deep() {
    let nested =
        |depth: usize| format!("{}0{}", r#"{"b":"#.repeat(depth), r#","a":1}"#.repeat(depth));
    let formed = format!("{}0{}", r#"{"a":1,"b":"#.repeat(9), "}".repeat(9));
    assert_eq!(form(&nested(9)), Some(formed));
    assert_eq!(form(&nested(DEPTH_MAX)), None);
}

#[test]
fn what_was_written_before_stays() {
    let mut out = b"before".to_vec();
    assert_eq!(canonical(br#"{"b":1,"a":2}"#, &mut out), Some(()));
    assert_eq!(out, br#"before{"a":2,"b":1}"#);
}

fn random(rng: &mut Rng, depth: usize) -> Value {
    let string = |rng: &mut Rng| -> String {
        let letters = ['a', 'b', '"', '\\', '/', '\n', '\u{1}', 'é', '😀', '\u{7f}'];
        (0..rng.usize(0..4)).map(|_| letters[rng.usize(0..letters.len())]).collect()
    };
    match rng.usize(0..if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!(i64::try_from(rng.usize(0..40)).expect("it is small") - 20),
        3 => json!(f64::from(u8::try_from(rng.usize(0..40)).expect("it is small")) / 4.0),
        4 => json!(string(rng)),
        5 => (0..rng.usize(0..4)).map(|_| random(rng, depth - 1)).collect(),
        _ => {
            let members = (0..rng.usize(0..4)).map(|_| (string(rng), random(rng, depth - 1)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

/// Writes a value with its members in any order, its strings escaped at will, and blanks anywhere.
fn scribble(rng: &mut Rng, value: &Value, out: &mut String) {
    let blank = |rng: &mut Rng, out: &mut String| {
        out.push_str(["", "", " ", "\n\t"][rng.usize(0..4)]);
    };
    let string = |rng: &mut Rng, text: &str, out: &mut String| {
        out.push('"');
        for unit in text.chars() {
            match (rng.bool(), unit) {
                (true, _) => {
                    let mut units = [0; 2];
                    for half in unit.encode_utf16(&mut units) {
                        out.push_str(&format!("\\u{half:04X}"));
                    }
                }
                (false, '"' | '\\') => out.extend(['\\', unit]),
                (false, '\n') => out.push_str("\\n"),
                (false, '\u{1}') => out.push_str("\\u0001"),
                (false, _) => out.push(unit),
            }
        }
        out.push('"');
    };
    blank(rng, out);
    match value {
        Value::String(text) => string(rng, text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                scribble(rng, item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            rng.shuffle(&mut members);
            out.push('{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                blank(rng, out);
                string(rng, name, out);
                blank(rng, out);
                out.push(':');
                scribble(rng, member, out);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
    blank(rng, out);
}

#[test]
fn any_value_has_one_form_however_it_is_written_and_no_other_value_has_it() {
    let mut rng = Rng(7);
    for _ in 0..20_000 {
        let (one, other) = (random(&mut rng, 3), random(&mut rng, 3));
        let [first, second] = [(); 2].map(|()| {
            let mut text = String::new();
            scribble(&mut rng, &one, &mut text);
            let formed = form(&text).expect(&text);
            let read: Value = serde_json::from_str(&formed).expect(&formed);
            assert_eq!(read, one, "{text}");
            formed
        });
        assert_eq!(first, second);
        let mut text = String::new();
        scribble(&mut rng, &other, &mut text);
        assert_eq!(form(&text) == Some(first), one == other, "{one} {other}");
    }
}

#[test]
fn members_are_found_as_they_were_written() {
    let found = |text: &'static str| {
        members(text.as_bytes(), ["a", "b"]).map(|found| {
            found.map(|value| value.map(|raw| std::str::from_utf8(raw).expect("text")))
        })
    };
    assert_eq!(found("{}"), Some([None, None]));
    assert_eq!(found(r#" { "a" : true , "c": 1 } "#), Some([Some("true"), None]));
    assert_eq!(found(r#"{"c":{"a":1,"a":2},"b":["a"]}"#), Some([None, Some(r#"["a"]"#)]));
    assert_eq!(
        found(r#"{"a":"x\",\"b\":1","b":"}"}"#),
        Some([Some(r#""x\",\"b\":1""#), Some(r#""}""#)])
    );
    for text in ["", "[]", "1", "{", r#"{"a":}"#, r#"{"a":1,}"#, r#"{"a":1}}"#, r#"{"a":1,"a":1}"#]
    {
        assert_eq!(found(text), None, "{text}");
    }
    for text in [r#"{"\u0061":1}"#, r#"{"a":"x"#, r#"{"a":1 "b":2"#, r#"{"a":"\"#, r#"{"a" 1}"#] {
        assert_eq!(found(text), None, "{text}");
    }
}

/// Each byte at each place, among such as lie next to those that end the plain part.
#[test]
fn the_plain_part_of_a_text_is_found_to_its_last_byte() {
    for around in [b'!', b'#', b'[', b']', b' ', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
        for at in 0..80 {
            for byte in 0..=u8::MAX {
                let mut text = [around; 80];
                text[at] = byte;
                let is_end = matches!(byte, b'"' | b'\\' | 0..0x20);
                assert_eq!(plain_length(&text), is_end.then_some(at), "{byte:#x} in {around:#x}");
            }
        }
    }
    assert_eq!(plain_length(br#"12345678"\"#), Some(8));
    assert_eq!(plain_length(b""), None);
}
