use proptest::prelude::*;

use super::*;

/// What is read in pieces of that size.
fn read(inside: &str, bytes_max: usize) -> Vec<Vec<u8>> {
    let (mut at, mut pieces) = (0, Vec::new());
    while at < inside.len() {
        let mut piece = Vec::new();
        at = Unescaped::new(inside.as_bytes(), at).fill(&mut piece, bytes_max);
        pieces.push(piece);
    }
    pieces
}

/// What is read byte by byte, and how long it is said to be.
fn looked_at(inside: &str) -> (Vec<u8>, Option<usize>) {
    let mut text = Unescaped::new(inside.as_bytes(), 0);
    let mut said = Vec::new();
    while let Some(byte) = text.peek() {
        said.push(byte);
        text.pass();
    }
    (said, text.length())
}

#[test]
fn every_escape_says_what_json_says() {
    let inside = r#"a\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00z"#;
    let said = "a\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{20ac}\u{1f600}z".as_bytes();
    assert_eq!(read(inside, usize::MAX), [said]);
    assert_eq!(looked_at(inside), (said.to_vec(), Some(said.len())));
}

#[test]
fn half_a_pair_says_nothing() {
    for inside in [r"\ud800", r"\udc00", r"a\ud800\u0041", r"\ud800x", r"\ud83d\ud83d\ude00"] {
        assert_eq!(looked_at(inside).1, None, "{inside}");
        // Nobody asks for it then, and it ends all the same.
        assert!(read(inside, 1).len() <= inside.len());
    }
}

proptest! {
    #[test]
    fn pieces_make_the_text(text in "[a\"\\\\\n\u{1}\u{e9}\u{20ac}\u{1f600}]{0,40}", bytes_max in 1_usize..9) {
        let token = serde_json::to_string(&text).unwrap();
        let inside = &token[1..token.len() - 1];
        let pieces = read(inside, bytes_max);
        prop_assert!(pieces.iter().all(|piece| piece.len() < bytes_max + ESCAPED_BYTES_MAX));
        prop_assert_eq!(pieces.concat(), text.as_bytes());
        prop_assert_eq!(looked_at(inside), (text.as_bytes().to_vec(), Some(text.len())));
    }
}
