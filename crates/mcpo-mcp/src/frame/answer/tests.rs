//! Claims about answers that are read in one pass: what is taken is what serde takes.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::*;

#[derive(Deserialize)]
struct Model<'a> {
    id: u64,
    #[serde(borrow)]
    result: &'a RawValue,
}

/// Whether it was taken; what is taken must be what serde reads.
fn check(text: &str) -> bool {
    let Some((id, result)) = plain_answer(text) else { return false };
    let model: Model<'_> =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!((id, result), (model.id, model.result.get()), "{text}");
    assert!(text.as_bytes().as_ptr_range().contains(&result.as_ptr()), "the result is no copy");
    true
}

#[test]
fn answers_as_upstreams_write_them_are_taken() {
    for text in [
        r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"hello, \"you\" \u00e9\n"}],"isError":false}}"#,
        r#"{"result":null,"id":0,"jsonrpc":"2.0"}"#,
        " {\"id\" : 18446744073709551615 ,\t\"result\" : [ ] } \r\n",
        r#"{"id":1,"result":[-0,0.5,1e9,-12.25E-3,10,true,false,{},{"a":[[]],"":""}]}"#,
        "{\"id\":1,\"result\":\"ünï\u{7f}\\ud800 and a longer text beyond eight bytes\"}",
    ] {
        assert!(check(text), "{text}");
    }
}

#[test]
fn all_else_is_left_to_serde() {
    for text in [
        "",
        "{",
        "{}",
        r#"{"id":1}"#,
        r#"{"result":1}"#,
        r#"{"id":"1","result":1}"#,
        r#"{"id":1.0,"result":1}"#,
        r#"{"id":null,"result":1}"#,
        r#"{"id":18446744073709551616,"result":1}"#,
        r#"{"id":01,"result":1}"#,
        r#"{"id":1,"id":1,"result":1}"#,
        r#"{"id":1,"result":1,"error":null}"#,
        r#"{"id":1,"r\u0065sult":1}"#,
        r#"{"id":1,"result":1}}"#,
        r#"{"id":1,"result":1,}"#,
        r#"{"id":1,"result":[1,]}"#,
        r#"{"id":1,"result":[1}}"#,
        r#"{"id":1,"result":{"a":1]}"#,
        r#"{"id":1,"result":{"a"}}"#,
        r#"{"id":1,"result":{1:2}}"#,
        r#"{"id":1,"result":.5}"#,
        r#"{"id":1,"result":1.}"#,
        r#"{"id":1,"result":1e}"#,
        r#"{"id":1,"result":-}"#,
        r#"{"id":1,"result":-01}"#,
        r#"{"id":1,"result":tru}"#,
        r#"{"id":1,"result":"\x"}"#,
        r#"{"id":1,"result":"\u12g4"}"#,
        r#"{"id":1,"result":"\u12"#,
        "{\"id\":1,\"result\":\"a line\nbreak in it\"}",
        "{\"id\":1,\"result\":\"\u{1f}\"}",
        r#"{"id":1,"result":"no end"#,
    ] {
        assert!(!check(text), "{text}");
    }
}

#[test]
fn what_is_nested_deep_is_left_to_serde() {
    let nested = |depth: usize| {
        format!("{{\"id\":1,\"result\":{}{}}}", "[".repeat(depth), "]".repeat(depth))
    };
    assert!(check(&nested(64)));
    assert!(!check(&nested(65)));
}

/// Pieces of JSON in an order that is nearly right.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"", "\"a\":", "\"text\"", "\\", "\\\"", "\\u00e9", "\\ud8",
        "0", "1", "-", "9.5", "e+1", ".", "true", "null", "fals", " ", "\n", "é", "\u{1}",
        "abcdefgh",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_is_taken_that_serde_does_not_take(soup in soup()) {
        check(&format!("{{\"id\":1,\"result\":{soup}}}"));
        check(&format!("{{\"id\":1,\"result\":[\"{soup}\"]}}"));
        check(&soup);
    }

    /// A few bytes of a sound answer are others.
    #[test]
    fn nothing_that_was_damaged_is_taken_as_something_else(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..128), 0..3),
    ) {
        let sound = r#"{"jsonrpc":"2.0","id":12,"result":{"a":[1.5e3,"x\ny\u0041 long enough",true,null],"b":{}}}"#;
        prop_assert!(check(sound));
        let mut bytes = sound.as_bytes().to_vec();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        check(std::str::from_utf8(&bytes).expect("ASCII"));
    }
}
