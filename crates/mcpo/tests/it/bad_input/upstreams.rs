//! Upstreams that send anything but an answer: each call gets one all the same, within its
//! deadline, and the next call works.

use mcpo_testkit::{HttpStep, HttpUpstream, ReplyAs, Request, Script, Step, World};
use serde_json::{Value, json};

use crate::program::{ready, world};

/// What a turn must come to.
#[derive(Debug, Clone)]
enum Comes {
    /// 200 with this.
    Answer(Value),
    /// 200 with exactly this text.
    Exactly(&'static str),
    /// This status and this code.
    Fault(u16, &'static str),
    /// This status and this in the message.
    Error(u16, &'static str),
}

struct Case {
    says: &'static str,
    turn: Vec<Step>,
    comes: Comes,
}

fn case(says: &'static str, step: Step, comes: Comes) -> Case {
    Case { says, turn: vec![step], comes }
}

fn raw(says: &'static str, message: &str, comes: Comes) -> Case {
    case(says, Step::RawAnswer(message.into()), comes)
}

fn result(says: &'static str, result: Value, comes: Comes) -> Case {
    case(says, Step::RawResult(result), comes)
}

/// What is odd on every transport.
fn cases() -> Vec<Case> {
    let nonsense = Comes::Fault(502, "nonsense");
    let unknown = json!({"type": "hologram", "data": {"a": 1}});
    vec![
        result("an empty result", json!({}), Comes::Answer(json!([]))),
        result("a result without content", json!({"_meta": {}}), Comes::Answer(json!([]))),
        result("content that is null", json!({"content": null}), Comes::Answer(json!([]))),
        result(
            "content of an unknown type",
            json!({"content": [unknown]}),
            Comes::Answer(unknown.clone()),
        ),
        result("a result that is a number", json!(5), nonsense.clone()),
        result("a result that is a text", json!("x"), nonsense.clone()),
        result("content that is a number", json!({"content": 5}), nonsense.clone()),
        raw(
            "a lone surrogate in a text",
            r#"{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"a\ud800b"}]}}"#,
            Comes::Exactly(r#""a\ud800b""#),
        ),
        raw(
            "an error without a code",
            r#"{"jsonrpc":"2.0","id":$ID,"error":{"message":"odd"}}"#,
            Comes::Error(500, "odd"),
        ),
        raw(
            "an error that is a text",
            r#"{"jsonrpc":"2.0","id":$ID,"error":"odd"}"#,
            Comes::Error(500, "odd"),
        ),
        raw(
            "no version of JSON-RPC",
            r#"{"id":$ID,"result":{"content":[{"type":"text","text":"hi"}]}}"#,
            Comes::Answer(json!("hi")),
        ),
        raw(
            "the id as a text",
            r#"{"jsonrpc":"2.0","id":"$ID","result":{"content":[{"type":"text","text":"hi"}]}}"#,
            Comes::Answer(json!("hi")),
        ),
        case(
            "a batch with a notification before the answer",
            Step::Batch,
            Comes::Answer(json!({})),
        ),
        case("a deep answer", Step::Deep(5000), Comes::Answer(Value::Null)),
        case("a huge answer", Step::HugeLine(3 << 20), Comes::Answer(json!("x".repeat(3 << 20)))),
        Case {
            says: "an answer to somebody else before the answer",
            turn: vec![
                Step::Send(r#"{"jsonrpc":"2.0","id":987654,"result":{}}"#.into()),
                Step::Text("hi".into()),
            ],
            comes: Comes::Answer(json!("hi")),
        },
        Case {
            says: "an unknown notification before the answer",
            turn: vec![
                Step::Send(r#"{"jsonrpc":"2.0","method":"notifications/odd","params":[1]}"#.into()),
                Step::Text("hi".into()),
            ],
            comes: Comes::Answer(json!("hi")),
        },
        Case {
            says: "a ping before the answer",
            turn: vec![Step::PingClientFirst, Step::Text("hi".into())],
            comes: Comes::Answer(json!("hi")),
        },
    ]
}

/// What cannot be matched to its call on a stream, so that the deadline ends the call.
fn silent() -> Vec<Case> {
    let timeout = Comes::Fault(504, "timeout");
    vec![
        case("silence", Step::Hang, timeout.clone()),
        raw(
            "an answer with another id",
            r#"{"jsonrpc":"2.0","id":987654,"result":{}}"#,
            timeout.clone(),
        ),
        raw("an answer without an id", r#"{"jsonrpc":"2.0","result":{}}"#, timeout),
    ]
}

fn script(cases: &[Case]) -> Script {
    cases.iter().enumerate().fold(Script::echo(), |script, (number, case)| {
        script.on_call(&format!("tool{number}"), vec![case.turn.clone()])
    })
}

async fn check(world: &World, cases: &[Case], timeout: &str) {
    let mut wrong = Vec::new();
    for (number, Case { says, comes, .. }) in cases.iter().enumerate() {
        let call = Request::post(&world.url(&format!("/one/tool{number}"))).json(&json!({}));
        let reply = world.send(call.header("x-tool-timeout", timeout)).await.unwrap();
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let detail = &body["detail"];
        let fits = match comes {
            // Too deep to be read here; that it comes is what counts.
            Comes::Answer(Value::Null) => reply.status == 200 && reply.body.starts_with(b"[[["),
            Comes::Answer(answer) => reply.status == 200 && body == *answer,
            Comes::Exactly(text) => reply.status == 200 && reply.body == text.as_bytes(),
            Comes::Fault(status, code) => reply.status == *status && detail["code"] == *code,
            Comes::Error(status, text) => {
                reply.status == *status
                    && detail["message"].as_str().is_some_and(|m| m.contains(text))
            }
        };
        if !fits {
            let shown: String = reply.to_string().chars().take(300).collect();
            let expected: String = format!("{comes:?}").chars().take(100).collect();
            wrong.push(format!("- {says}: {expected} was expected, it is {shown}"));
        }
        let echo = Request::post(&world.url("/one/echo")).json(&json!({"number": 1}));
        let echo = world.send(echo).await.unwrap();
        if echo.status != 200 {
            wrong.push(format!("- {says}: the next call comes to {echo}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

const PATIENT: &str = "10";
const IMPATIENT: &str = "0.3";

#[tokio::test]
async fn odd_answers_of_a_child_are_answers() {
    let world = ready(world().stdio("one", script(&cases())).unwrap()).await;
    check(&world, &cases(), PATIENT).await;
}

#[tokio::test]
async fn odd_answers_over_http_are_answers() {
    for wrapped in [ReplyAs::Json, ReplyAs::Sse, ReplyAs::JsonTypedAsSse] {
        let upstream = HttpUpstream::start(script(&cases()).reply_as(wrapped)).await.unwrap();
        let world = ready(world().server("one", upstream.config())).await;
        check(&world, &cases(), PATIENT).await;
    }
}

#[tokio::test]
async fn who_never_answers_is_given_up_at_the_deadline() {
    let child = ready(world().stdio("one", script(&silent())).unwrap()).await;
    check(&child, &silent(), IMPATIENT).await;
    let upstream = HttpUpstream::start(script(&silent()[..1])).await.unwrap();
    let remote = ready(world().server("one", upstream.config())).await;
    check(&remote, &silent()[..1], IMPATIENT).await;
}

#[tokio::test]
async fn an_error_without_an_id_is_the_answer_to_the_only_call() {
    let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"odd"}}"#;
    let cases = [
        raw("its id is null", error, Comes::Error(422, "odd")),
        raw("it has no id", &error.replace(r#""id":null,"#, ""), Comes::Error(422, "odd")),
    ];
    let upstream = HttpUpstream::start(script(&cases)).await.unwrap();
    let world = ready(world().server("one", upstream.config())).await;
    check(&world, &cases, PATIENT).await;
}

#[tokio::test]
async fn garbage_of_a_child_is_passed_over() {
    let then = |says, bytes: &[u8]| Case {
        says,
        turn: vec![
            Step::Send(String::from_utf8_lossy(bytes).into_owned()),
            Step::Text("hi".into()),
        ],
        comes: Comes::Answer(json!("hi")),
    };
    let cases = [
        then("a log line on stdout", b"Listening on port 1234"),
        then("half an object", b"{\"jsonrpc\":"),
        then("an empty line", b""),
        then("a number", b"5"),
        then("an empty batch", b"[]"),
        then("a deep line", "[".repeat(100_000).as_bytes()),
        Case {
            says: "a flood of words on stderr",
            turn: vec![Step::StderrLines(20_000), Step::Text("hi".into())],
            comes: Comes::Answer(json!("hi")),
        },
        case(
            "bytes that are no text, and silence",
            Step::Garbage(b"\xff\xfe\x00{".to_vec()),
            Comes::Fault(504, "timeout"),
        ),
    ];
    let world = ready(world().stdio("one", script(&cases)).unwrap()).await;
    check(&world, &cases, "1").await;
}

#[tokio::test]
async fn a_child_that_dies_mid_line_is_started_again() {
    let cases = [
        case("half a line without its end", Step::ExitMidLine, Comes::Fault(502, "disconnected")),
        case("a death without a word", Step::Exit(1), Comes::Fault(502, "disconnected")),
    ];
    let world = ready(world().stdio("one", script(&cases)).unwrap()).await;
    check(&world, &cases, PATIENT).await;
}

#[tokio::test]
async fn garbage_over_http_ends_its_call_and_no_other() {
    let http = |status, content_type: &str, body: &str| {
        Step::Http(HttpStep {
            status,
            headers: vec![("content-type".into(), content_type.into())],
            body: body.into(),
        })
    };
    let nonsense = Comes::Fault(502, "nonsense");
    let cases = [
        case("a page", http(200, "text/html", "<h1>hello</h1>"), nonsense.clone()),
        case("no JSON", http(200, "application/json", "}{"), nonsense.clone()),
        // A gateway passes on as a whole what it got of a body.
        case(
            "half of an answer",
            http(200, "application/json", "{\"jsonrpc\":"),
            Comes::Fault(502, "disconnected"),
        ),
        case("an empty body", http(200, "application/json", ""), nonsense.clone()),
        case(
            "another id",
            http(200, "application/json", r#"{"jsonrpc":"2.0","id":987654,"result":{}}"#),
            nonsense,
        ),
        case(
            "a stream that ends without the answer",
            http(200, "text/event-stream", ": hello\n\n"),
            Comes::Fault(502, "disconnected"),
        ),
    ];
    let upstream = HttpUpstream::start(script(&cases)).await.unwrap();
    let world = ready(world().server("one", upstream.config())).await;
    check(&world, &cases, PATIENT).await;
}

#[tokio::test]
async fn an_answer_beyond_all_bounds_ends_its_call_and_no_other() {
    let beyond = [case(
        "larger than any message may be",
        Step::HugeLine(129 << 20),
        Comes::Fault(502, "nonsense"),
    )];
    let child = ready(world().stdio("one", script(&beyond)).unwrap()).await;
    check(&child, &beyond, "60").await;
    let upstream = HttpUpstream::start(script(&beyond)).await.unwrap();
    let remote = ready(world().server("one", upstream.config())).await;
    check(&remote, &beyond, "60").await;
}

#[tokio::test]
async fn a_child_that_reads_no_more_is_given_up_at_the_deadline() {
    let deaf =
        Script::echo().on_call("deaf", vec![vec![Step::IgnoreStdin, Step::Text("deaf".into())]]);
    let world = world().stdio("one", deaf).unwrap().stdio("fine", Script::echo()).unwrap();
    let world = ready(world).await;
    world.post("/one/deaf", &json!({})).await.unwrap();
    let large = json!({"message": "x".repeat(1 << 20)});
    for _ in 0..3 {
        let call =
            Request::post(&world.url("/one/echo")).json(&large).header("x-tool-timeout", "0.2");
        let reply = world.send(call).await.unwrap();
        assert_eq!(reply.status, 504, "{reply}");
        assert_eq!(world.post("/fine/echo", &large).await.unwrap().json(), large);
    }
}
