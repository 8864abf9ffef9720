//! Answers: how content becomes JSON, and errors of JSON-RPC statuses.

use mcpo_testkit::{Script, Step};
use serde_json::{Value, json};

use crate::program::{ready, world};
use crate::rows::{Row, check, post};

/// A tool's result, and what must come of it.
struct Case {
    says: &'static str,
    result: Value,
    answer: Value,
}

fn texts(texts: &[&str]) -> Value {
    let items: Vec<_> = texts.iter().map(|text| json!({"type": "text", "text": text})).collect();
    json!({"content": items})
}

fn case(says: &'static str, result: Value, answer: Value) -> Case {
    Case { says, result, answer }
}

fn cases() -> Vec<Case> {
    let exact = r#"{"b":1,"a":null,"big":123456789012345678901234567890}"#;
    let picture = json!({"content": [{"type": "image", "data": "AAEC", "mimeType": "image/png"}]});
    vec![
        case("a text stands alone", texts(&["hello"]), json!("hello")),
        case("nothing is an empty list", texts(&[]), json!([])),
        case("several are a list", texts(&["a", "1"]), json!(["a", 1])),
        case("a text that is a number", texts(&["42"]), json!(42)),
        case("a text with leading zeros stays one", texts(&["007"]), json!("007")),
        case("a text that is an object", texts(&[r#"{"a":[1]}"#]), json!({"a": [1]})),
        case("a text that is true", texts(&["true"]), json!(true)),
        case("a text that is null", texts(&["null"]), json!(null)),
        case("a quoted text loses its quotes", texts(&["\"a\""]), json!("a")),
        case("nulls and big numbers stay", texts(&[exact]), serde_json::from_str(exact).unwrap()),
        case("an image is a data URI", picture, json!("data:image/png;base64,AAEC")),
    ]
}

fn refusal(code: i64, data: Value) -> Step {
    Step::RpcError { code, message: format!("it says {code}"), data }
}

fn refused(code: i64, status: u16) -> Row {
    post(&format!("JSON-RPC error {code}"), &format!("/one/e{code}"), &json!({}))
        .status(status)
        .satisfies(|body| body["detail"]["message"].as_str().is_some_and(|m| m.contains("it says")))
}

#[tokio::test]
async fn answers_are_those_of_the_original() {
    let mut script = Script::new("answers");
    let mut rows = Vec::new();
    for (number, Case { says, result, answer }) in cases().into_iter().enumerate() {
        let tool = format!("tool{number}");
        script = script.on_call(&tool, vec![vec![Step::RawResult(result)]]);
        rows.push(post(says, &format!("/one/{tool}"), &json!({})).answers(answer));
    }
    for (code, status) in [
        (-32700, 400),
        (-32600, 400),
        (-32601, 404),
        (-32602, 422),
        (-32603, 500),
        (-32000, 500),
        (7, 500),
    ] {
        script = script.on_call(&format!("e{code}"), vec![vec![refusal(code, Value::Null)]]);
        rows.push(refused(code, status));
    }
    script = script.on_call("data", vec![vec![refusal(-32602, json!({"why": [1, null]}))]]);
    rows.push(
        post("the data of an error comes with it", "/one/data", &json!({}))
            .status(422)
            .answers(json!({"detail": {"message": "it says -32602", "data": {"why": [1, null]}}})),
    );
    script = script.on_call("failed", vec![vec![Step::ToolError("no luck".into())]]);
    rows.push(post("a tool's own error", "/one/failed", &json!({})).status(500));
    let world = ready(world().stdio("one", script).unwrap()).await;
    check(&world, rows).await;
}
