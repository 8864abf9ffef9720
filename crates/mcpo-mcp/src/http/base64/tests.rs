//! RFC 4648, section 10.

#[test]
fn the_test_vectors_of_the_rfc_hold() {
    let cases = [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
        ("\u{fbff}", "76+/"),
    ];
    for (plain, encoded) in cases {
        assert_eq!(super::encode(plain.as_bytes()), encoded);
    }
}
