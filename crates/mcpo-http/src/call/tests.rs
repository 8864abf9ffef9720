use mcpo_core::catalog::{Catalog, CatalogPolicy, ServerIdentity, ToolDefinition};
use mcpo_core::load::ShedReason;
use mcpo_policy::cache::{CacheStatus, CacheWord};
use serde_json::{Value, json};

use super::*;
use crate::head::{ATTEMPTS, OUTCOME};

fn catalog() -> Catalog {
    let tool = |value: Value| ToolDefinition::from_json(&value).unwrap();
    let echo = json!({"name": "echo", "inputSchema": {
        "type": "object", "properties": {"i": {"type": "integer"}}, "required": ["i"],
    }});
    let plain = json!({"name": "plain", "inputSchema": {"type": "object"}});
    Catalog::new(
        ServerIdentity::default(),
        vec![tool(echo), tool(plain)],
        &CatalogPolicy::default(),
    )
}

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

#[test]
fn content_types_are_taken_as_by_the_original() {
    let fixture: Vec<Value> =
        serde_json::from_str(include_str!("../fixtures/content_types.json")).unwrap();
    let catalog = catalog();
    for case in &fixture {
        let sent = case["sent"].as_str().unwrap();
        // What the arguments check says of other bodies is its own business.
        if case["path"] == "/echo" && sent != "{\"i\":1}" {
            continue;
        }
        let tool = catalog.tool(case["path"].as_str().unwrap().trim_start_matches('/')).unwrap();
        let sent_type = case["content_type"].as_str();
        let headers =
            sent_type.map_or_else(HeaderMap::new, |sent| headers(&[(CONTENT_TYPE, sent)]));
        match arguments(tool, &headers, Bytes::copy_from_slice(sent.as_bytes())) {
            Ok(_) => assert_eq!(case["status"], 200, "{case}"),
            Err(problem) => {
                assert_eq!(u64::from(problem.status().as_u16()), case["status"], "{case}");
                let body = http_body_util::BodyExt::collect(problem.answer().into_body());
                let body = at_once(body);
                assert_eq!(body, case["body"].as_str().unwrap(), "{case}");
            }
        }
    }
}

/// A body that is all there needs no runtime.
fn at_once<F>(body: F) -> String
where
    F: Future<Output = Result<http_body_util::Collected<Bytes>, std::convert::Infallible>>,
{
    let mut body = std::pin::pin!(body);
    let waker = std::task::Waker::noop();
    match body.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
        std::task::Poll::Ready(Ok(all)) => String::from_utf8(all.to_bytes().to_vec()).unwrap(),
        std::task::Poll::Ready(Err(never)) => match never {},
        std::task::Poll::Pending => panic!("the body is not all there"),
    }
}

#[test]
fn a_call_takes_as_long_as_asked_within_what_is_allowed() {
    let limits = Limits {
        tool_timeout: Duration::from_secs(60),
        max_tool_timeout: Duration::from_secs(100),
        ..Limits::default()
    };
    let asked = |sent: &str| {
        timeout(&limits, None, &headers(&[(TOOL_TIMEOUT, sent)])).map(|time| time.as_secs_f64())
    };
    for (sent, seconds) in
        [("5", 5.0), ("0.5", 0.5), (" 7 ", 7.0), ("100", 100.0), ("1e300", 100.0), ("1e9", 100.0)]
    {
        assert_eq!(asked(sent).unwrap(), seconds, "{sent}");
    }
    for sent in ["", "0", "-1", "NaN", "inf", "-inf", "5s", "1 2", "1e-30"] {
        assert!(matches!(asked(sent), Err(Problem::BadTimeout)), "{sent}");
    }
    // What is set for the tool or its upstream.
    let unasked = |of_upstream| timeout(&limits, of_upstream, &HeaderMap::new()).unwrap().as_secs();
    assert_eq!([unasked(None), unasked(Some(Duration::from_secs(9)))], [60, 9]);
    // Who asks for less than that is in a hurry; nobody can ask for more than is allowed.
    let set = [None, Some(Duration::from_secs(9)), Some(Duration::from_secs(1000))];
    assert_eq!(set.map(|set| usual(&limits, set).as_secs()), [60, 9, 100]);
}

#[test]
fn a_raw_result_is_given_to_who_asks_for_it() {
    for sent in [RAW_RESULT, "application/json, application/vnd.mcp.result+json;q=0.9"] {
        assert!(wants_raw(&headers(&[(ACCEPT, sent)])), "{sent}");
    }
    for sent in ["*/*", "application/json", "application/vnd.mcp.result+json2"] {
        assert!(!wants_raw(&headers(&[(ACCEPT, sent)])), "{sent}");
    }
    assert!(!wants_raw(&HeaderMap::new()));
}

fn report(outcome: Outcome<Said>, attempts: u32, repeated: bool) -> Report {
    let (waited, upstream) = (Duration::ZERO, Duration::ZERO);
    let (shed, shared, cache) = (None, false, None);
    Report { outcome, attempts, repeated, waited, upstream, shed, shared, cache }
}

#[test]
fn what_a_call_came_to_becomes_its_answer() {
    let catalog = catalog();
    let tool = catalog.tool("plain").unwrap();
    let rpc = |code| mcpo_mcp::error::RpcError { code, message: "no".to_owned(), data: None };
    let fault = |kind| mcpo_core::fault::Fault::new(kind, "secret");
    let result =
        |text: &'static str| Outcome::Reply(Said::Result(Bytes::from_static(text.as_bytes())));
    use mcpo_core::fault::FaultKind::{Throttled, Timeout, Unreachable};
    let cases = [
        (result(r#"{"content":[{"type":"text","text":"hi"}]}"#), 200, "reply", r#""hi""#),
        (
            result(r#"{"content":[{"type":"text","text":"hi"}],"isError":true}"#),
            500,
            "reply",
            r#"{"detail":{"message":"hi","code":"tool_error"}}"#,
        ),
        (
            result("7"),
            502,
            "reply",
            r#"{"detail":{"message":"The server 'one' answered with something that is not a tool result","code":"nonsense","outcome":"reply"}}"#,
        ),
        (Outcome::Reply(Said::Error(rpc(-32602))), 422, "reply", r#"{"detail":{"message":"no"}}"#),
        (
            Outcome::NotSent(fault(Unreachable)),
            503,
            "not_sent",
            r#"{"detail":{"message":"The server 'one' cannot be reached; the call was not carried out","code":"unreachable","outcome":"not_sent"}}"#,
        ),
        (
            Outcome::Refused(fault(Throttled)),
            429,
            "refused",
            r#"{"detail":{"message":"The server 'one' takes no more calls for now; the call was not carried out","code":"throttled","outcome":"refused"}}"#,
        ),
        (
            Outcome::Unknown(fault(Timeout)),
            504,
            "unknown",
            r#"{"detail":{"message":"The server 'one' did not answer in time; the call may or may not have been carried out","code":"timeout","outcome":"unknown"}}"#,
        ),
    ];
    let results = [
        CallResult::Ok,
        CallResult::ToolError,
        CallResult::Unknown,
        CallResult::ToolError,
        CallResult::NotSent,
        CallResult::Refused,
        CallResult::Unknown,
    ];
    for ((outcome, status, name, body), result) in cases.into_iter().zip(results) {
        let (called, counted) = told("one", tool, report(outcome, 2, false), &Form::default());
        assert_eq!(counted, result, "{body}");
        assert_eq!(called.answer.status().as_u16(), status, "{body}");
        assert_eq!(called.answer.headers()["x-mcpo-outcome"], name);
        assert_eq!(called.answer.headers()["x-mcpo-attempts"], "2");
        assert_eq!(at_once(http_body_util::BodyExt::collect(called.answer.into_body())), body);
    }
}

#[test]
fn an_answer_from_the_store_says_so() {
    let catalog = catalog();
    let tool = catalog.tool("plain").unwrap();
    for repeated in [false, true] {
        let outcome = Outcome::Reply(Said::Result(Bytes::from_static(br#"{"content":[]}"#)));
        let (called, _) = told("one", tool, report(outcome, 0, repeated), &Form::default());
        let replayed = called.answer.headers().get(IDEMPOTENT_REPLAYED);
        assert_eq!(replayed.map(HeaderValue::as_bytes), repeated.then_some(&b"true"[..]));
    }
}

#[test]
fn a_call_that_was_turned_away_is_answered_with_the_reason_and_writes_no_line() {
    let catalog = catalog();
    let tool = catalog.tool("plain").unwrap();
    let fault = mcpo_core::fault::Fault::new(FaultKind::Overloaded, "secret");
    let fault = fault.with_retry_after(Some(Duration::from_secs(7)));
    let shed = Some(ShedReason::TooLate);
    let report = Report { shed, ..report(Outcome::NotSent(fault), 0, false) };
    let (called, counted) = told("one", tool, report, &Form::default());
    assert_eq!((called.answer.status().as_u16(), counted), (503, CallResult::NotSent));
    let headers = called.answer.headers();
    assert_eq!(headers["x-mcpo-outcome"], "not_sent");
    assert_eq!(headers["x-mcpo-attempts"], "0");
    assert_eq!(headers["retry-after"], "7");
    assert_eq!(called.outcome, None);
    let body = at_once(http_body_util::BodyExt::collect(called.answer.into_body()));
    assert!(body.contains(r#""reason":"too_late""#) && !body.contains("secret"), "{body}");
}

#[test]
fn what_was_not_sent_is_an_answer_all_the_same() {
    let catalog = catalog();
    let tool = catalog.tool("plain").unwrap();
    let reply = || Outcome::Reply(Said::Result(Bytes::from_static(br#"{"content":[]}"#)));
    let shared = Report { shared: true, ..report(reply(), 0, false) };
    let age = Some(Duration::from_millis(5900));
    let cache = Some(CacheStatus { word: CacheWord::Stale, age });
    let kept = Report { cache, ..report(reply(), 0, false) };
    for (report, word, age) in [(shared, None, None), (kept, Some("stale"), Some("5"))] {
        let (called, counted) = told("one", tool, report, &Form::default());
        assert_eq!((called.answer.status().as_u16(), counted), (200, CallResult::Ok));
        let header = |name| called.answer.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(
            [header("x-mcpo-outcome"), header("x-mcpo-attempts")],
            [Some("reply"), Some("0")]
        );
        assert_eq!((header("x-mcpo-cache"), header("age")), (word, age));
    }
}

#[test]
fn who_is_turned_away_is_told_that_nothing_was_sent() {
    let reason = ShedReason::ProcessFull;
    let shed = Problem::Shed { upstream: "one".to_owned(), reason, retry_after: None };
    for problem in [shed, Problem::NotKept, Problem::NoRoomForBody] {
        let Called { answer, outcome } = not_made(&problem);
        let told = [&OUTCOME, &ATTEMPTS].map(|name| answer.headers()[name].to_str().unwrap());
        assert_eq!((told, outcome), (["not_sent", "0"], None), "{problem:?}");
    }
    let Called { answer, .. } = not_made(&Problem::BadTimeout);
    assert!(!answer.headers().contains_key(&OUTCOME));
}
