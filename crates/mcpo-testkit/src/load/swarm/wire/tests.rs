//! Answers are told apart by what they say.

use super::*;

fn call(number: bool) -> Call {
    Call {
        request: bytes::Bytes::new(),
        number_at: number.then_some(0),
        group: 0,
        expected: bytes::Bytes::from_static(b" here"),
        bytes_min: 8,
    }
}

#[test]
fn a_number_is_twelve_digits() {
    assert_eq!(&digits(7), b"000000000007");
    assert_eq!(&digits(123_456_789_012), b"123456789012");
}

#[test]
fn a_right_answer_holds_the_number_of_its_own_call() {
    let is = |number, body: &[u8]| is_right(&call(true), Some(&digits(number)), body);
    assert!(is(7, b"\"000000000007 here\""));
    assert!(!is(8, b"\"000000000007 here\""));
    assert!(!is(7, b"\"000000000007 there\""));
    assert!(!is_right(&call(false), None, b"here"));
    assert!(!is_right(&call(false), None, b" here"), "it is too short");
}

#[test]
fn a_head_tells_its_length_and_whether_the_line_goes_on() {
    let head = parse(b"HTTP/1.1 503 No\r\nContent-Length: 12\r\nConnection: Close\r\n\r\n{");
    let head = head.unwrap().unwrap();
    assert_eq!((head.status, head.length, head.closes), (503, Some(12), true));
    let head = parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap().unwrap();
    assert_eq!((head.status, head.length, head.closes), (200, None, false));
    assert!(parse(b"HTTP/1.1 200 OK\r\n").unwrap().is_none());
}

#[test]
fn a_refusal_is_told_by_its_reason_and_else_by_its_code() {
    let both = br#"{"detail":{"code":"overloaded","reason":"server_full"}}"#;
    assert_eq!(reason(both), "server_full");
    assert_eq!(reason(br#"{"detail":{"code": "timeout"}}"#), "timeout");
    assert_eq!(reason(b"no"), "without a word");
}
