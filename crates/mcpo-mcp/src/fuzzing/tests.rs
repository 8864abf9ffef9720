//! The invariants hold for random input that looks like the real thing.

use proptest::prelude::*;

use super::*;

/// Pieces of what an upstream sends, in any order.
fn shuffled(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => proptest::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    " ",
    "\n",
    "\r",
    "\"id\"",
    "\"result\"",
    "\"error\"",
    "\"method\"",
    "\"params\"",
    "\"jsonrpc\":\"2.0\"",
    "null",
    "1",
    "\"1\"",
    "1.0",
    "{\"id\":1,\"result\":{}}",
    "{\"id\":\"a\",\"method\":\"ping\"}",
    "{\"code\":-32603,\"message\":\"m\"}",
    "\\u00e9",
    "é",
];
const EVENTS: &[&str] = &[
    "data",
    "id",
    "event",
    "retry",
    ":",
    ": ",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "message",
    "endpoint",
    "1",
    "{\"a\":1}",
    "\0",
    "\u{feff}",
    "data: x\n\n",
    "id: 7\n",
];
const WAITS: &[&str] = &[
    "0",
    "7",
    "99999999999999999999",
    " ",
    "-",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "GMT",
    ",",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "9999",
    ":",
];

proptest! {
    #[test]
    fn of_frames(data in shuffled(JSON)) {
        frame(&data);
    }

    #[test]
    fn of_event_streams(data in shuffled(EVENTS)) {
        sse(&data);
    }

    #[test]
    fn of_waits(data in shuffled(WAITS)) {
        retry_after(&data);
    }
}
