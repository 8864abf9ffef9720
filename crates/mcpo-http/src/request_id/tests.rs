use super::*;

#[test]
fn only_a_fit_id_is_taken_over() {
    let ids = RequestIds::new();
    let with =
        |id: &[u8]| HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_bytes(id).unwrap())]);
    let longest = [b'a'; REQUEST_ID_BYTES_MAX];
    for fit in [&b"a"[..], b"550e8400-e29b-41d4-a716-446655440000", b"!~", &longest] {
        assert_eq!(ids.of(&with(fit)).as_bytes(), fit);
    }
    for unfit in [&b""[..], b"a b", b"\xc3\xa4", b"a\tb", &[b'a'; REQUEST_ID_BYTES_MAX + 1]] {
        assert_ne!(ids.of(&with(unfit)).as_bytes(), unfit);
    }
}

#[test]
fn no_two_ids_are_the_same() {
    let ids = RequestIds::new();
    assert_ne!(ids.of(&HeaderMap::new()), ids.of(&HeaderMap::new()));
    assert_ne!(ids.of(&HeaderMap::new()), RequestIds::new().of(&HeaderMap::new()));
}

#[test]
fn a_new_name_is_a_number_behind_what_is_the_same_in_all_of_them() {
    let ids = RequestIds::new();
    let prefix = ids.fresh().to_str().unwrap().strip_suffix('1').unwrap().to_owned();
    assert_eq!((prefix.len(), prefix.find('-')), (PREFIX_BYTES, Some(PREFIX_BYTES - 1)));
    for number in [0, 1, 15, 16, 0xff, 0x100, u64::MAX] {
        ids.next.store(number, Ordering::Relaxed);
        assert_eq!(ids.fresh(), format!("{prefix}{number:x}"));
    }
}
