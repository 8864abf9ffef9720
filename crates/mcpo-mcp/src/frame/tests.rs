//! Claims about frames.

use super::*;

fn reply(text: &str) -> (Option<u64>, String) {
    match Message::parse(text.as_bytes()).expect("it is a message") {
        Message::Response { id, reply: Reply::Result(result) } => (id, result.to_owned()),
        Message::Response { id, reply: Reply::Error(error) } => {
            (id, format!("{}: {}", error.code, error.message))
        }
        Message::Response { id, reply: Reply::Nonsense(why) } => (id, format!("nonsense: {why}")),
        Message::Request { method, .. } => panic!("a request for {method}"),
        Message::Notification { method, .. } => panic!("a notification of {method}"),
    }
}

#[test]
fn every_response_with_our_id_means_something() {
    let cases = [
        (r#"{"id":1,"result":{"a":1}}"#, r#"{"a":1}"#),
        (r#"{"id":1,"result":null}"#, "null"),
        (r#"{"id":1,"result":null,"error":null}"#, "null"),
        (r#"{"id":1,"result":{},"error":null}"#, "{}"),
        (r#"{"id":1,"error":{"code":-32602,"message":"no","data":[1]}}"#, "-32602: no"),
        (r#"{"id":1,"result":null,"error":{"code":5,"message":"old"}}"#, "5: old"),
        (r#"{"id":1,"error":"boom"}"#, "-32603: boom"),
        (r#"{"id":1,"error":{}}"#, "-32603: "),
        (r#"{"id":1,"error":{"code":"7","message":"x"}}"#, r#"-32603: {"code":"7","message":"x"}"#),
        (r#"{"id":1,"error":{"code":1.5,"message":{"deep":1}}}"#, r#"-32603: {"deep":1}"#),
        (
            r#"{"id":1,"result":1,"error":{"code":1}}"#,
            "nonsense: a response with both result and error",
        ),
        (r#"{"id":1}"#, "nonsense: a response with neither result nor error"),
        (r#"{"id":"1","result":0}"#, "0"),
        (r#"{"id":1.0,"result":0}"#, "0"),
    ];
    for (text, expected) in cases {
        assert_eq!(reply(text), (Some(1), expected.to_owned()), "{text}");
    }
}

#[test]
fn a_response_without_a_usable_id_is_still_read() {
    for text in [
        r#"{"error":{"message":"m"}}"#,
        r#"{"id":null,"error":{"message":"m"}}"#,
        r#"{"id":"x","error":{"message":"m"}}"#,
    ] {
        assert_eq!(reply(text), (None, "-32603: m".to_owned()), "{text}");
    }
}

#[test]
fn what_is_not_json_rpc_is_refused() {
    for text in [
        "",
        "hello",
        "{}",
        r#"{"level":30,"msg":"started"}"#,
        "42",
        "[]",
        r#"{"method":5}"#,
        "{\"result\":\"\u{0}",
    ] {
        assert!(Message::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn a_result_of_any_depth_is_passed_on_raw() {
    let deep = format!("{}1{}", "[{\"a\":".repeat(50_000), "}]".repeat(50_000));
    assert_eq!(reply(&format!(r#"{{"id":1,"result":{deep}}}"#)), (Some(1), deep.clone()));
    let (id, message) = reply(&format!(r#"{{"id":1,"error":{{"code":1,"message":{deep}}}}}"#));
    assert_eq!(
        (id, message.len()),
        (Some(1), r#"-32603: {"code":1,"message":}"#.len() + deep.len())
    );
    let noise = format!(r#"{{"id":1,"extra":{deep},"result":2}}"#);
    assert_eq!(reply(&noise), (Some(1), "2".to_owned()));
}

#[test]
fn digits_escapes_and_lone_surrogates_arrive_as_they_were_written() {
    let result =
        r#"{"n":123456789012345678901234567890.10e400,"s":"\ud800\u00e9\/","b":{"z":1,"a":2}}"#;
    assert_eq!(reply(&format!(r#"{{"id":1,"result":{result}}}"#)), (Some(1), result.to_owned()));
}

#[test]
fn requests_and_notifications_are_told_apart_by_their_id() {
    assert!(matches!(
        Message::parse(br#"{"id":"a","method":"ping"}"#),
        Ok(Message::Request { id, method }) if id.get() == "\"a\"" && method == "ping"
    ));
    assert!(matches!(
        Message::parse(br#"{"id":null,"method":"m","params":{"a":1}}"#),
        Ok(Message::Notification { method, params: Some(params) }) if method == "m" && params.get() == r#"{"a":1}"#
    ));
}

#[test]
fn frames_are_one_line_of_json() {
    let frame = request(7, "tools/call", &[b"{\"a\":", b"[1,\r\n2]", b"}"]);
    assert_eq!(
        frame,
        br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"a":[1,  2]}}"#[..]
    );
    assert_eq!(request(7, "ping", &[]), br#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#[..]);
    assert_eq!(notification("n", &[b"{}"]), br#"{"jsonrpc":"2.0","method":"n","params":{}}"#[..]);
}

#[test]
fn a_request_has_room_for_its_line_break() {
    let mut frame = request(u64::MAX, "tools/call", &[&[b'1'; 100]]);
    let before = frame.capacity();
    frame.push(b'\n');
    assert_eq!(frame.capacity(), before);
}

#[test]
fn batches_are_split_and_single_messages_left_alone() {
    let texts = |text: &str| -> Vec<String> {
        split_batch(text.as_bytes())
            .expect("it is JSON")
            .iter()
            .map(|raw| raw.get().to_owned())
            .collect()
    };
    assert_eq!(texts(r#" [{"id":1}, {"id":2}]"#), [r#"{"id":1}"#, r#"{"id":2}"#]);
    assert_eq!(texts(r#"{"id":1}"#), [r#"{"id":1}"#]);
    assert!(split_batch(b"[1").is_err());
}
