use http::HeaderValue;

use super::*;

const USER: HeaderName = HeaderName::from_static("x-user");

fn asked(values: &[&[u8]]) -> Result<Identity, Problem> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(USER, HeaderValue::from_bytes(value).unwrap());
    }
    identity(Some(&USER), &headers)
}

#[test]
fn the_header_says_for_whom_a_call_is() {
    let longest = "u".repeat(IDENTITY_BYTES_MAX);
    for (sent, name) in [
        (&b"ann"[..], "ann"),
        (b" ann ", "ann"),
        (b"ann@a.example", "ann@a.example"),
        ("Jürgen".as_bytes(), "Jürgen"),
        (longest.as_bytes(), &longest),
    ] {
        assert_eq!(asked(&[sent]).unwrap().name(), Some(name));
    }
    assert_eq!(asked(&[]).unwrap(), Identity::COMMON);
}

#[test]
fn what_is_no_name_is_refused() {
    let too_long = "u".repeat(IDENTITY_BYTES_MAX + 1);
    for sent in
        [&[&b""[..]][..], &[b"  "], &[b"\xff\xfe"], &[too_long.as_bytes()], &[b"ann", b"ben"]]
    {
        let refused = asked(sent);
        assert!(matches!(refused, Err(Problem::BadIdentity { .. })), "{sent:?}: {refused:?}");
    }
}

#[test]
fn without_a_header_to_look_at_all_callers_are_one() {
    let mut headers = HeaderMap::new();
    headers.insert(USER, HeaderValue::from_static("ann"));
    assert_eq!(identity(None, &headers).unwrap(), Identity::COMMON);
}
