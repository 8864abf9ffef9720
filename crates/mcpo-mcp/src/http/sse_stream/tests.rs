//! The parser against the standard's rules, and against any cut into chunks.

use proptest::prelude::*;

use super::*;

fn events(pieces: &[&[u8]]) -> (Vec<Event>, Cursor) {
    let mut parser = Parser::default();
    let mut events = Vec::new();
    for piece in pieces {
        parser.feed(Bytes::copy_from_slice(piece));
        while let Some(event) = parser.next_event().unwrap() {
            events.push(event);
        }
    }
    (events, parser.cursor().clone())
}

fn message(data: &str) -> Event {
    Event { kind: EventKind::Message, data: Bytes::copy_from_slice(data.as_bytes()) }
}

#[test]
fn each_rule_of_the_standard_gives_its_events() {
    let other = |data: &str| Event { kind: EventKind::Other, ..message(data) };
    let endpoint = |data: &str| Event { kind: EventKind::Endpoint, ..message(data) };
    let cases: &[(&str, Vec<Event>)] = &[
        ("data: a\n\n", vec![message("a")]),
        ("data:a\r\n\r\ndata:b\r\rdata: c\n\n", vec![message("a"), message("b"), message("c")]),
        ("data: a\ndata: b\n\n", vec![message("a\nb")]),
        ("data\ndata\n\n", vec![message("\n")]),
        ("data:  two blanks\n\n", vec![message(" two blanks")]),
        ("\u{FEFF}data: a\n\n", vec![message("a")]),
        (": comment\n\n:\n\ndata: a\n\n", vec![message("a")]),
        ("event: message\ndata: a\n\n", vec![message("a")]),
        ("event: endpoint\ndata: /m?s=1\n\n", vec![endpoint("/m?s=1")]),
        ("event: ping\ndata: a\n\ndata: b\n\n", vec![other("a"), message("b")]),
        ("event: ping\n\ndata: b\n\n", vec![message("b")]),
        ("colour: red\ndata: a\n\n", vec![message("a")]),
        ("data: without its blank line\n", vec![]),
        ("data:\n\n", vec![]),
    ];
    for (text, expected) in cases {
        assert_eq!(&events(&[text.as_bytes()]).0, expected, "{text:?}");
    }
}

#[test]
fn a_cursor_moves_only_with_whole_events() {
    let cases: &[(&str, Option<&str>, Option<u64>)] = &[
        ("id: 1\ndata: \n\n", Some("1"), None),
        ("id: 1\nretry: 500\ndata\n\n", Some("1"), Some(500)),
        ("id: 1\n\nid: 2\ndata: half", Some("1"), None),
        ("id: 1\n\nid: a\0b\n\n", Some("1"), None),
        ("id: 1\n\nid\n\n", None, None),
        ("retry: 5s\nretry: -1\nretry:\n\n", None, None),
        ("id: 1\ndata: a\n\ndata: b\n\n", Some("1"), None),
    ];
    for (text, id, retry) in cases {
        let cursor = events(&[text.as_bytes()]).1;
        assert_eq!(cursor.last_event_id.as_ref().map(|id| id.to_str().unwrap()), *id, "{text:?}");
        assert_eq!(cursor.retry, retry.map(Duration::from_millis), "{text:?}");
    }
}

#[test]
fn what_lacks_its_last_line_break_is_given_at_the_end() {
    let mut parser = Parser::default();
    parser.feed(Bytes::from_static(b"data: {\"a\":\ndata: 1}"));
    assert_eq!(parser.next_event().unwrap(), None);
    assert_eq!(parser.finish().unwrap(), Some(message("{\"a\":\n1}")));
}

#[test]
fn what_ends_in_its_middle_is_dropped_with_its_id() {
    for (rest, is_amid) in [
        ("id: 8\ndata: {\"a\":", true),
        ("id: 8\nda", true),
        ("event: endpoint\ndata: /messages", true),
        ("id: 8\n", true),
        ("data: {\"a\":1\n", true),
        ("", false),
    ] {
        let mut parser = Parser::default();
        parser.feed(Bytes::from(format!("id: 7\ndata: x\n\n{rest}")));
        assert_eq!(parser.next_event().unwrap(), Some(message("x")));
        assert_eq!(parser.next_event().unwrap(), None);
        assert_eq!(parser.is_amid_event(), is_amid, "{rest:?}");
        assert_eq!(parser.finish().unwrap(), None, "{rest:?}");
        assert_eq!(parser.cursor().last_event_id.as_ref().unwrap(), "7", "{rest:?}");
    }
}

#[test]
fn data_in_one_piece_is_not_copied() {
    let chunk = Bytes::from_static(b"data: abc\n\n");
    let mut parser = Parser::default();
    parser.feed(chunk.clone());
    let event = parser.next_event().unwrap().unwrap();
    assert_eq!(event.data.as_ptr(), chunk[6..].as_ptr());
}

#[test]
fn a_line_or_an_event_over_the_bound_is_refused() {
    let piece = Bytes::from(vec![b'x'; MESSAGE_BYTES_MAX / 2 + 1]);
    let mut endless_line = Parser::default();
    endless_line.feed(Bytes::from_static(b"data: "));
    endless_line.feed(piece.clone());
    assert!(endless_line.next_event().is_ok());
    endless_line.feed(piece.clone());
    assert!(matches!(endless_line.next_event(), Err(Cause::TooLarge { .. })));

    let mut endless_event = Parser::default();
    for part in [&b"data: "[..], &piece, b"\ndata: ", &piece, b"\n"] {
        endless_event.feed(Bytes::copy_from_slice(part));
    }
    assert!(matches!(endless_event.next_event(), Err(Cause::TooLarge { .. })));
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_events(
        parts in prop::collection::vec(prop::sample::select(vec![
            "data", "id", "event", "retry", ":", " ", "\n", "\r", "\r\n", "a", "7", "\u{FEFF}", "é", "\0",
            "data: x", "id: 7", "event: endpoint", "\n\n",
        ]), 0..40),
        cuts in prop::collection::vec(0usize..200, 0..12),
    ) {
        let text: Vec<u8> = parts.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        prop_assert_eq!(events(&pieces), events(&[&text]));
    }
}
