use super::*;

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
}

fn after(text: &[u8]) -> Option<Duration> {
    parse(&HeaderValue::from_bytes(text).unwrap(), now())
}

#[test]
fn it_is_seconds_or_a_date_within_the_hour() {
    let seconds = |count| Some(Duration::from_secs(count));
    for (text, wait) in [
        ("0", seconds(0)),
        (" 7 ", seconds(7)),
        ("007", seconds(7)),
        ("3600", seconds(3600)),
        ("3601", Some(RETRY_AFTER_MAX)),
        ("99999999999999999999999", Some(RETRY_AFTER_MAX)),
        ("Sun, 06 Nov 1994 08:51:17 GMT", seconds(100)),
        ("Sunday, 06-Nov-94 08:51:17 GMT", seconds(100)),
        ("Sun Nov  6 08:51:17 1994", seconds(100)),
        ("Wed, 21 Oct 1970 07:28:00 GMT", seconds(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Some(RETRY_AFTER_MAX)),
    ] {
        assert_eq!(after(text.as_bytes()), wait, "{text}");
    }
}

#[test]
fn what_is_neither_says_nothing() {
    for odd in [
        "",
        " ",
        "-1",
        "+5",
        "1.5",
        "1e3",
        "0x10",
        "soon",
        "5, 7",
        "120s",
        "1 0",
        "Sun, 06 Nov 1994 25:61:61 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Mon, 01 Jan 0000 00:00:00 GMT",
    ] {
        assert_eq!(after(odd.as_bytes()), None, "{odd}");
    }
    assert_eq!(after("７".as_bytes()), None);
    assert_eq!(after(&[b'9'; 60_000]), Some(RETRY_AFTER_MAX));
}
