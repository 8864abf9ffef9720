use http::header::{ACCEPT, CACHE_CONTROL, HOST, HeaderName, HeaderValue, ORIGIN, PRAGMA};
use mcpo_core::trace::TRACEPARENT;

use super::*;
use crate::idempotency_key::IDEMPOTENCY_KEY;
use crate::request_id::REQUEST_ID;

fn check(name: &HeaderName, is: Option<Seldom>) {
    let mut headers = HeaderMap::new();
    headers.append(HOST, HeaderValue::from_static("a"));
    headers.append(name.clone(), HeaderValue::from_static("b"));
    headers.append(name.clone(), HeaderValue::from_static("c"));
    let all = [
        Seldom::Accept,
        Seldom::CacheControl,
        Seldom::IdempotencyKey,
        Seldom::Origin,
        Seldom::RequestId,
        Seldom::Timeout,
        Seldom::Trace,
    ];
    let sent = Sent::new(&headers);
    let found: Vec<_> = all.into_iter().filter(|&one| sent.with(one).is_some()).collect();
    assert_eq!(found, Vec::from_iter(is), "{name}");
}

#[test]
fn a_header_is_found_under_its_name_and_under_no_other() {
    check(&ACCEPT, Some(Seldom::Accept));
    check(&CACHE_CONTROL, Some(Seldom::CacheControl));
    check(&PRAGMA, Some(Seldom::CacheControl));
    check(&IDEMPOTENCY_KEY, Some(Seldom::IdempotencyKey));
    check(&ORIGIN, Some(Seldom::Origin));
    check(&REQUEST_ID, Some(Seldom::RequestId));
    check(&HeaderName::from_static(TRACEPARENT), Some(Seldom::Trace));
    check(&HeaderName::from_static("x-tool-timeout"), Some(Seldom::Timeout));
    check(&HeaderName::from_static("x-tool-timeouts"), None);
    check(&HeaderName::from_static("acceptx"), None);
}
