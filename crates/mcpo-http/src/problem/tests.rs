use std::num::NonZeroU32;

use http_body_util::BodyExt;
use mcpo_core::fault::Said;
use mcpo_core::load::Rate;
use mcpo_policy::rate::{Quota, RateOf};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;

async fn told(problem: Problem) -> (u16, Option<String>, Value) {
    let answer = problem.answer();
    let retry_after =
        answer.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, retry_after, serde_json::from_slice(&body).unwrap())
}

fn no_reply(outcome: OutcomeKind, kind: FaultKind) -> Problem {
    let fault = Fault::new(kind, "http://10.0.0.1 token=secret")
        .with_retry_after(Some(Duration::from_millis(2100)));
    Problem::NoReply { upstream: "time".to_owned(), outcome, fault: Box::new(fault) }
}

#[tokio::test]
async fn a_call_without_a_reply_says_whether_it_may_have_acted() {
    use FaultKind::*;
    use OutcomeKind::*;
    let cases = [
        (NotSent, Unreachable, 503, Some("3")),
        (NotSent, NotStartable, 503, Some("3")),
        (NotSent, Disconnected, 503, Some("3")),
        (NotSent, SessionLost, 503, Some("3")),
        (NotSent, Unauthorized, 503, Some("3")),
        (NotSent, Overloaded, 503, Some("3")),
        (NotSent, Stopping, 503, Some("3")),
        (NotSent, Nonsense, 503, Some("3")),
        (NotSent, Held, 503, Some("3")),
        (NotSent, BreakerOpen, 503, Some("3")),
        (NotSent, Timeout, 504, None),
        (Refused, Throttled, 429, Some("3")),
        (Unknown, Timeout, 504, None),
        (Unknown, Disconnected, 502, None),
        (Unknown, ServerError, 502, None),
        (Unknown, Nonsense, 502, None),
    ];
    for (outcome, kind, status, retry_after) in cases {
        let (got, retry, body) = told(no_reply(outcome, kind)).await;
        assert_eq!((got, retry.as_deref()), (status, retry_after), "{outcome:?} {kind:?}");
        assert_eq!(body["detail"]["code"], kind.name());
        assert_eq!(body["detail"]["outcome"], outcome.name());
        let message = body["detail"]["message"].as_str().unwrap();
        assert!(message.starts_with("The server 'time' "), "{message}");
        assert_eq!(message.contains("may or may not"), outcome == Unknown, "{message}");
    }
}

#[tokio::test]
async fn no_detail_of_a_fault_reaches_a_downstream() {
    for kind in FaultKind::ALL {
        for outcome in [OutcomeKind::NotSent, OutcomeKind::Refused, OutcomeKind::Unknown] {
            let (_, _, body) = told(no_reply(outcome, kind)).await;
            assert!(!body.to_string().contains("secret") && !body.to_string().contains("10.0.0.1"));
        }
    }
}

#[tokio::test]
async fn errors_of_the_upstream_come_out_as_from_the_original() {
    let answers: Vec<Value> =
        serde_json::from_str(include_str!("../fixtures/answers.json")).unwrap();
    let errors: Vec<&Value> = answers.iter().filter(|answer| answer["error"].is_object()).collect();
    assert!(errors.len() > 5);
    for case in errors {
        let code = case["error"]["code"].as_i64().unwrap();
        let message = case["error"]["message"].as_str().unwrap().to_owned();
        let data = case["error"]["data"].to_string();
        let data = Some(RawValue::from_string(data).unwrap());
        let (status, _, body) = told(Problem::Refused(RpcError { code, message, data })).await;
        assert_eq!(u64::from(status), case["status"], "{case}");
        assert_eq!(body, serde_json::from_str::<Value>(case["body"].as_str().unwrap()).unwrap());
    }
}

#[tokio::test]
async fn an_upstreams_words_about_its_failure_are_kept() {
    let mut fault = Fault::new(FaultKind::ServerError, "JSON-RPC error -32603: inside");
    fault.said = Some(Box::new(Said {
        code: -32603,
        message: "inside".to_owned(),
        data: Some("{\"a\":1.10}".to_owned()),
    }));
    let (status, retry_after, body) = told(Problem::NoReply {
        upstream: "time".to_owned(),
        outcome: OutcomeKind::Unknown,
        fault: Box::new(fault),
    })
    .await;
    assert_eq!((status, retry_after), (500, None));
    let expected = r#"{"detail":{"message":"inside","data":{"a":1.10},"code":"server_error","outcome":"unknown"}}"#;
    assert_eq!(body.to_string(), expected);
}

#[tokio::test]
async fn an_upstream_that_was_never_reached_says_when_to_come_back() {
    let not_ready =
        |fault, retry_after| Problem::NotReady { upstream: "time".to_owned(), fault, retry_after };
    let (status, retry_after, body) = told(not_ready(None, None)).await;
    assert_eq!((status, retry_after.as_deref()), (503, Some("1")));
    assert_eq!(body["detail"]["code"], "starting");
    let (_, retry_after, body) =
        told(not_ready(Some(FaultKind::Unreachable), Some(Duration::from_secs(7)))).await;
    assert_eq!(retry_after.as_deref(), Some("7"));
    assert_eq!(body["detail"]["code"], "unreachable");
}

#[tokio::test]
async fn a_failed_tool_keeps_its_words() {
    let problem = Problem::ToolFailed {
        message: br#""it \ud800 broke""#.to_vec(),
        content: Some(b"[1.10]".to_vec()),
    };
    assert_eq!(problem.status(), 500);
    let body = problem.answer().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(
        body,
        r#"{"detail":{"message":"it \ud800 broke","code":"tool_error","content":[1.10]}}"#
    );
}

#[tokio::test]
async fn wrong_arguments_look_like_pydantics() {
    let problem = Problem::from(ArgumentError::Invalid(vec![ArgumentProblem {
        kind: "missing",
        loc: vec!["body".into(), "i".into(), 0.into()],
        msg: "Field required".to_owned(),
        input: json!({"b": 1, "a": null}),
        ctx: None,
    }]));
    assert_eq!(problem.status(), 422);
    let body = problem.answer().into_body().collect().await.unwrap().to_bytes();
    let expected = r#"{"detail":[{"type":"missing","loc":["body","i",0],"msg":"Field required","input":{"b":1,"a":null}}]}"#;
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_body_without_room_is_to_come_again() {
    let (status, retry_after, body) = told(Problem::NoRoomForBody).await;
    assert_eq!((status, retry_after.as_deref()), (503, Some("1")));
    assert_eq!(body["detail"]["code"], "overloaded");
    assert_eq!(body["detail"]["outcome"], "not_sent");
}

#[tokio::test]
async fn who_is_held_is_not_asked_for_every_second() {
    let fault = Fault::new(FaultKind::Held, "held by an operator");
    let (upstream, outcome) = ("time".to_owned(), OutcomeKind::NotSent);
    let held = Problem::NoReply { upstream: upstream.clone(), outcome, fault: Box::new(fault) };
    assert_eq!(told(held).await.1.as_deref(), Some("30"));
    let held = Problem::NotReady { upstream, fault: Some(FaultKind::Held), retry_after: None };
    let (status, retry_after, body) = told(held).await;
    assert_eq!((status, retry_after.as_deref()), (503, Some("30")));
    assert_eq!(body["detail"]["code"], "held");
}

#[tokio::test]
async fn orders_that_cannot_be_carried_out_say_why() {
    let not_done = |error| Problem::OrderNotDone { server: "time".to_owned(), error };
    for (problem, status, code) in [
        (Problem::NoSuchServer { server: "x".to_owned() }, 404, "no_such_server"),
        (Problem::NoSuchOrder { order: "melt".to_owned() }, 404, "no_such_order"),
        (not_done(OrderError::Gone), 404, "no_such_server"),
        (not_done(OrderError::Full), 503, "overloaded"),
        (not_done(OrderError::Late), 504, "timeout"),
        (Problem::BadQuery { why: "no".to_owned() }, 400, "bad_query"),
        (Problem::BadIdempotencyKey { bytes_max: 9 }, 400, "bad_idempotency_key"),
        (Problem::IdempotencyKeyUsed, 422, "idempotency_key_used"),
        (Problem::Forbidden { why: "no" }, 403, "forbidden"),
        (Problem::BadLogin, 400, "bad_login"),
        (Problem::Busy { why: "no" }, 503, "overloaded"),
    ] {
        let (got, retry_after, body) = told(problem).await;
        assert_eq!((got, &body["detail"]["code"]), (status, &json!(code)));
        assert_eq!(retry_after.is_some(), status == 503, "{code}");
    }
}

#[tokio::test]
async fn who_tries_too_many_keys_is_told_when_the_next_one_is_looked_at() {
    let retry_after = Duration::from_millis(41_200);
    let (status, retry_after, body) = told(Problem::TooManyLogins { retry_after }).await;
    assert_eq!((status, retry_after.as_deref()), (429, Some("42")));
    assert_eq!(body["detail"]["code"], "throttled");
}

#[tokio::test]
async fn where_nothing_is_measured_no_other_try_makes_sense() {
    let (status, retry_after, body) = told(Problem::MonitoringOff).await;
    assert_eq!((status, retry_after), (503, None));
    assert_eq!(body["detail"]["code"], "monitoring_off");
}

#[tokio::test]
async fn a_call_that_is_turned_away_is_told_why_and_when_to_come_again() {
    let (millis, upstream) = (Duration::from_millis, || "time".to_owned());
    for reason in ShedReason::ALL {
        let problem =
            Problem::Shed { upstream: upstream(), reason, retry_after: Some(millis(1500)) };
        let (status, retry_after, body) = told(problem).await;
        assert_eq!((status, retry_after.as_deref()), (503, Some("2")), "{reason:?}");
        let detail = &body["detail"];
        assert_eq!(
            (&detail["code"], &detail["reason"]),
            (&json!("overloaded"), &json!(reason.name()))
        );
        assert_eq!(detail["outcome"], "not_sent");
        let message = detail["message"].as_str().unwrap();
        assert!(message.ends_with("; the call was not carried out"), "{message}");
        // Who is full names itself: a server by its name, or mcpo, or the caller.
        let is_of_server = matches!(
            reason,
            ShedReason::ServerFull | ShedReason::TooLate | ShedReason::RateLimited
        );
        assert_eq!(message.contains("'time'"), is_of_server, "{message}");
    }
    let problem =
        Problem::Shed { upstream: upstream(), reason: ShedReason::ProcessFull, retry_after: None };
    assert_eq!(told(problem).await.1.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_call_that_comes_too_often_is_told_whose_rate_it_is() {
    for (of, who) in [
        (RateOf::Identity, "The caller calls more often"),
        (RateOf::Server, "The server 'time' is called more often"),
        (RateOf::Tool, "The tool 'now' of the server 'time' is called more often"),
    ] {
        let per = Duration::from_secs(1);
        let rate = Rate { calls: NonZeroU32::MIN, per, burst: NonZeroU32::MIN };
        let quota = Quota { of, rate, limit: 1, remaining: 0, reset: per };
        let too_often = Box::new(TooOften { quota, retry_after: per });
        let (upstream, tool) = ("time".to_owned(), "now".to_owned());
        let problem = Problem::TooOften { upstream, tool, too_often };
        let (status, retry_after, body) = told(problem).await;
        assert_eq!((status, retry_after.as_deref()), (429, Some("1")));
        assert_eq!(body["detail"]["code"], "rate_limited");
        assert!(body["detail"]["message"].as_str().unwrap().starts_with(who), "{body}");
    }
}

#[tokio::test]
async fn what_a_caller_says_of_itself_and_of_what_is_kept_may_be_wrong() {
    let header = HeaderName::from_static("x-user");
    let (status, retry_after, body) = told(Problem::BadIdentity { header }).await;
    assert_eq!((status, retry_after), (400, None));
    assert_eq!(body["detail"]["code"], "bad_identity");
    assert_eq!(body["detail"]["message"], "x-user must be one name of 1 to 256 bytes");
    let (status, retry_after, body) = told(Problem::NotKept).await;
    assert_eq!((status, retry_after), (504, None), "another try finds the same");
    assert_eq!(
        (&body["detail"]["code"], &body["detail"]["outcome"]),
        (&json!("not_kept"), &json!("not_sent"))
    );
    let (server, tool) = ("time".to_owned(), "later".to_owned());
    let (status, _, body) = told(Problem::NoSuchTool { server, tool }).await;
    assert_eq!((status, &body["detail"]["code"]), (404, &json!("no_such_tool")));
}
