use proptest::prelude::*;

use super::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn parse(traceparent: &str) -> Option<TraceContext> {
    TraceContext::parse(traceparent.as_bytes(), [])
}

fn state(headers: &[&str]) -> Option<String> {
    let headers = headers.iter().map(|header| header.as_bytes());
    let context = TraceContext::parse(PARENT.as_bytes(), headers).unwrap();
    context.tracestate().map(str::to_owned)
}

#[test]
fn a_traceparent_is_read_and_written_as_it_came() {
    let context = parse(PARENT).unwrap();
    assert_eq!(context.trace_id()[..4], [0x0a, 0xf7, 0x65, 0x19]);
    assert_eq!(context.span_id(), [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
    assert!(context.sampled());
    assert_eq!(context.traceparent(), PARENT);
    assert_eq!(context.tracestate(), None);
    let quiet = PARENT.replace("-01", "-00");
    assert!(!parse(&quiet).unwrap().sampled());
    assert_eq!(parse(&quiet).unwrap().traceparent(), quiet);
    assert_eq!(parse(&format!(" {PARENT}\t")).unwrap().traceparent(), PARENT);
}

#[test]
fn of_flags_and_versions_to_come_what_is_known_is_kept() {
    for later in [
        PARENT.replace("-01", "-ff"),
        PARENT.replace("-01", "-03"),
        PARENT.replace("00-", "cc-"),
        format!("{}-what-the-future-will-be-like", PARENT.replace("00-", "cc-")),
        format!("{}-", PARENT.replace("00-", "01-")),
    ] {
        assert_eq!(parse(&later).unwrap().traceparent(), PARENT, "{later}");
    }
    assert!(!parse(&PARENT.replace("-01", "-fe")).unwrap().sampled());
}

/// Cases of the W3C's own test suite.
#[test]
fn a_broken_traceparent_is_none() {
    for broken in [
        String::new(),
        "foo".to_owned(),
        PARENT.to_uppercase(),
        PARENT.replace("0af7", "0AF7"),
        PARENT.replace("00-", "ff-"),
        PARENT.replace("00-", "0-"),
        PARENT.replace("00-", "000-"),
        PARENT.replace("00-", ".0-"),
        format!("{PARENT}."),
        format!("{PARENT}-what-the-future-will-be-like"),
        format!("{}.what", PARENT.replace("00-", "cc-")),
        PARENT.replace("-01", "-1"),
        PARENT.replace("-01", "-.1"),
        PARENT.replace("-01", "-001"),
        PARENT.replace("-01", ""),
        PARENT.replace('-', "_"),
        PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
        PARENT.replace("b7ad6b7169203331", &"0".repeat(16)),
        PARENT.replace("0af7", "0ag7"),
        PARENT.replace("0af7", "+af7"),
        PARENT.replace("0af7", "ä7"),
        format!("{PARENT},{PARENT}"),
    ] {
        assert_eq!(parse(&broken), None, "{broken}");
    }
}

#[test]
fn a_tracestate_is_handed_on_with_what_stands_around_its_members_removed() {
    let long_key = "z".repeat(256);
    let tenant = format!("{}@{}", "t".repeat(241), "v".repeat(14));
    for (headers, expected) in [
        (&["foo=1"][..], Some("foo=1".to_owned())),
        (&["foo=1 , bar=2\t", "", " ", "rojo=1,"], Some("foo=1,bar=2,rojo=1".to_owned())),
        (&["foo= 1"], Some("foo= 1".to_owned())),
        (&["foo=1,foo=1"], Some("foo=1,foo=1".to_owned())),
        (&["t61rcwkgmze=00f067\"\\{}"], Some("t61rcwkgmze=00f067\"\\{}".to_owned())),
        (&["1a-2@foo=1"], Some("1a-2@foo=1".to_owned())),
        (&[&format!("{long_key}=1")], Some(format!("{long_key}=1"))),
        (&[&format!("{tenant}=1")], Some(format!("{tenant}=1"))),
        (&[&format!("a={}", "b".repeat(256))], Some(format!("a={}", "b".repeat(256)))),
        (&[], None),
        (&[""], None),
        (&[",,"], None),
    ] {
        assert_eq!(state(headers), expected, "{headers:?}");
    }
    let many = vec!["bar=1"; 32].join(",");
    assert_eq!(state(&[&many]), Some(many));
}

#[test]
fn a_broken_member_breaks_the_whole_tracestate_and_never_the_trace() {
    let tenant = |tenant, system| format!("{}@{}=1", "t".repeat(tenant), "v".repeat(system));
    for broken in [
        "foo".to_owned(),
        "foo=".to_owned(),
        "=1".to_owned(),
        "foo=1=2".to_owned(),
        "foo =1".to_owned(),
        "FOO=1".to_owned(),
        "foo.bar=1".to_owned(),
        "1foo=1".to_owned(),
        "foo@=1".to_owned(),
        "@foo=1".to_owned(),
        "foo@@bar=1".to_owned(),
        "foo@bar@baz=1".to_owned(),
        "foo@1bar=1".to_owned(),
        "foo=\u{7f}".to_owned(),
        "foo=ä".to_owned(),
        "foo=a\tb".to_owned(),
        tenant(242, 1),
        tenant(1, 15),
        format!("{}=1", "z".repeat(257)),
        format!("a={}", "b".repeat(257)),
        vec!["bar=1"; 33].join(","),
    ] {
        assert_eq!(state(&["good=1", &broken]), None, "{broken}");
    }
}

#[test]
fn a_long_tracestate_loses_whole_members_the_long_ones_first() {
    let long = format!("long={}", "x".repeat(130));
    let short = |index: usize| format!("k{index}={}", "x".repeat(96));
    let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(short);
    let kept = state(&[&a, &long, &b, &c, &d]).unwrap();
    assert_eq!(kept, [&a, &b, &c, &d].map(String::as_str).join(","));
    let kept = state(&[&a, &b, &c, &d, &e, &f]).unwrap();
    assert_eq!(kept, [&a, &b, &c, &d, &e].map(String::as_str).join(","));
    assert!(kept.len() <= 512);
    let fits = format!("a={},b={}", "x".repeat(250), "y".repeat(257 - 2));
    assert_eq!(fits.len(), 510);
    assert_eq!(state(&[&fits]), Some(fits));
}

#[test]
fn dice_make_ids_that_are_never_zero() {
    let context = TraceContext::begin([0, 0, 0], true);
    assert_eq!(parse(&context.traceparent()), Some(context.clone()));
    let context = TraceContext::begin([0x0102, 0x0304, 0x0506], false);
    assert_eq!(context.traceparent(), "00-00000000000001020000000000000304-0000000000000506-00");
    let with_state = TraceContext::parse(PARENT.as_bytes(), [&b"a=1"[..]]).unwrap();
    let child = with_state.child(0);
    assert_eq!(child.trace_id(), with_state.trace_id());
    assert_eq!(child.span_id(), 1_u64.to_be_bytes());
    assert_eq!((child.sampled(), child.tracestate()), (true, Some("a=1")));
    let unrecorded = parse(&PARENT.replace("-01", "-00")).unwrap();
    assert_eq!(unrecorded.recorded().traceparent(), PARENT);
}

proptest! {
    #[test]
    fn whatever_is_read_is_sound_and_stays_itself(
        parent in "[ 0-9a-f-]{0,4}00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.{0,2}",
        headers in proptest::collection::vec("([a-z0-9@_=, \t\"A-Z]|\\PC){0,80}", 0..4),
    ) {
        let headers = headers.iter().map(String::as_bytes);
        if let Some(context) = TraceContext::parse(parent.as_bytes(), headers) {
            let again = context.tracestate().map(str::as_bytes);
            let again = TraceContext::parse(context.traceparent().as_bytes(), again);
            prop_assert_eq!(again.as_ref(), Some(&context));
            let clean = |state: &str| state.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            prop_assert!(context.tracestate().is_none_or(clean));
        }
    }
}
