use std::cell::Cell;
use std::io::Read;

use flate2::read::GzDecoder;

use super::*;

/// Of more than one piece, the last one short.
fn plain() -> Bytes {
    let numbers: Vec<String> = (0..100_000).map(|number: u32| number.to_string()).collect();
    numbers.join(" ").into()
}

#[test]
fn what_was_packed_in_pieces_unpacks_to_the_whole() {
    let plain = plain();
    assert!(plain.len() > 2 * PIECE_BYTES && !plain.len().is_multiple_of(PIECE_BYTES));
    for plain in [plain, Bytes::new()] {
        let packed = gzip(|| Some(plain.clone())).expect("nobody dropped it");
        let mut unpacked = Vec::new();
        GzDecoder::new(&*packed).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain);
    }
}

#[test]
fn what_nobody_has_any_more_is_not_packed_to_the_end() {
    let (plain, asked) = (plain(), Cell::new(0));
    let until_the_second_piece = || {
        asked.set(asked.get() + 1);
        (asked.get() <= 2).then(|| plain.clone())
    };
    assert_eq!(gzip(until_the_second_piece), None);
    assert_eq!(asked.get(), 3);
}
