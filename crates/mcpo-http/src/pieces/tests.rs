use super::*;

#[test]
fn short_ones_go_together_and_long_ones_as_they_are() {
    let long = Bytes::from(vec![b'x'; SLICE_BYTES_MIN]);
    let mut pieces = Pieces::default();
    pieces.push(Bytes::from_static(b"["));
    pieces.push_text(Bytes::from_static(br#"\"a\""#), 3);
    pieces.push(Bytes::from_static(b","));
    pieces.push(long.clone());
    pieces.push(Bytes::new());
    pieces.push(Bytes::from_static(b"]"));
    assert_eq!(pieces.bytes_left(), SLICE_BYTES_MIN + 6);
    assert_eq!(pieces.next().as_deref(), Some(b"[\"a\",".as_slice()));
    let second = pieces.next().unwrap();
    assert_eq!((second.as_ptr(), second.len()), (long.as_ptr(), long.len()));
    assert_eq!(pieces.next().as_deref(), Some(b"]".as_slice()));
    assert_eq!((pieces.next(), pieces.bytes_left()), (None, 0));
}

#[test]
fn no_piece_is_much_longer_than_it_should_be() {
    let inside = r"\n".repeat(3 * PIECE_BYTES_MAX);
    let mut pieces = Pieces::default();
    pieces.push_text(inside.into(), 3 * PIECE_BYTES_MAX);
    let lengths: Vec<usize> = std::iter::from_fn(|| pieces.next()).map(|it| it.len()).collect();
    assert_eq!(lengths, [PIECE_BYTES_MAX; 3]);
}

#[test]
fn no_piece_is_empty() {
    let long = Bytes::from(vec![b'x'; SLICE_BYTES_MIN]);
    let mut pieces = Pieces::default();
    for slice in [Bytes::new(), long.clone(), Bytes::new(), long.clone(), Bytes::new()] {
        pieces.push(slice);
    }
    pieces.push_text(Bytes::new(), 0);
    assert_eq!(pieces.next(), Some(long.clone()));
    assert_eq!(pieces.next(), Some(long));
    assert_eq!((pieces.next(), pieces.bytes_left()), (None, 0));
}

#[test]
fn the_room_of_a_piece_is_taken_once() {
    let mut pieces = Pieces::default();
    // The last character, and the last slice, begin right before the end of a piece.
    pieces.push_text(
        format!(r"{}\ud83d\ude00", "x".repeat(PIECE_BYTES_MAX - 1)).into(),
        PIECE_BYTES_MAX + 3,
    );
    pieces.push(Bytes::from(vec![b'y'; SLICE_BYTES_MIN - 1]));
    let mut room = Vec::new();
    while let Some(piece) = pieces.next() {
        room.push(piece.try_into_mut().map(|piece| piece.capacity()).expect("nobody else has it"));
    }
    assert_eq!(room, [PIECE_BYTES_MAX + SLICE_BYTES_MIN, SLICE_BYTES_MIN - 1]);
}
