//! One real server's whole check: ready, every tool in a valid document, exact answers, and
//! answers that are what the document promises.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::http::Answer;
use crate::places::{installed, node, npm, scratch, support, text};
use crate::process::{Mcpo, until};

/// How long a change of an upstream's tools may take to be seen.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(10);

/// One call and what must come of it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) tool: &'static str,
    pub(crate) arguments: Value,
    pub(crate) answer: Expected,
}

/// What must come of a call.
#[derive(Debug)]
pub(crate) enum Expected {
    /// 200 with exactly this.
    Is(Value),
    /// 200 with something of which this is true, where an answer holds the time of day.
    Satisfies(fn(&Value) -> bool),
    /// 422 with exactly this detail.
    Refused(Value),
    /// 500: the tool failed and said this.
    Fails(&'static str),
}

/// A call that answers exactly this.
pub(crate) fn answers(tool: &'static str, arguments: Value, answer: Value) -> Call {
    Call { tool, arguments, answer: Expected::Is(answer) }
}

/// A call whose answer satisfies this.
pub(crate) fn satisfies(tool: &'static str, arguments: Value, holds: fn(&Value) -> bool) -> Call {
    Call { tool, arguments, answer: Expected::Satisfies(holds) }
}

/// A call whose arguments are refused with this detail.
pub(crate) fn refused(tool: &'static str, arguments: Value, detail: Value) -> Call {
    Call { tool, arguments, answer: Expected::Refused(detail) }
}

/// A call that the tool itself fails with a message that holds this.
pub(crate) fn fails(tool: &'static str, arguments: Value, message: &'static str) -> Call {
    Call { tool, arguments, answer: Expected::Fails(message) }
}

/// Checks one server, configured by `entry`: that it offers these tools, that the calls come to
/// what they should, one after another, and that all documents are valid and true.
pub(crate) async fn check(entry: Value, tools: &[&str], calls: &[Call]) {
    let mcpo = Mcpo::with_servers(json!({"real": entry})).await;
    let mut expected: Vec<_> = tools.iter().map(|tool| format!("/{tool}")).collect();
    expected.sort();
    // Some servers offer more tools after the handshake; the document follows them.
    let lists_all = async || paths(&mcpo.get("/real/openapi.json").await.json()) == expected;
    let complete = until(FOLLOW_TIMEOUT, lists_all).await;
    let document = mcpo.get("/real/openapi.json").await.json();
    assert!(complete, "the tools are {:?}, and not {expected:?}", paths(&document));

    let mut taken = Vec::new();
    for call in calls {
        let answer = mcpo.call(&format!("/real/{}", call.tool), &call.arguments).await;
        call.check(&answer);
        if answer.status == 200 {
            taken.push(json!({"path": format!("/{}", call.tool), "answer": answer.json()}));
        }
    }
    validate("server", &document, &taken).await;
    let root = mcpo.get("/openapi.json").await.json();
    assert_eq!(
        paths(&root).len(),
        tools.len(),
        "the root document lists every tool of every server"
    );
    validate("root", &root, &[]).await;
    mcpo.stop().await;
}

impl Call {
    fn check(&self, answer: &Answer) {
        let Self { tool, arguments, answer: expected } = self;
        let context = format!("{tool} with {arguments} answers {answer:?}");
        match expected {
            Expected::Is(value) => {
                assert_eq!(answer.status, 200, "{context}");
                assert_eq!(&answer.json(), value, "{context}");
            }
            Expected::Satisfies(holds) => {
                assert_eq!(answer.status, 200, "{context}");
                assert!(holds(&answer.json()), "{context}");
            }
            Expected::Refused(detail) => {
                assert_eq!(answer.status, 422, "{context}");
                assert_eq!(answer.json(), json!({"detail": detail}), "{context}");
            }
            Expected::Fails(message) => {
                assert_eq!(answer.status, 500, "{context}");
                let detail = &answer.json()["detail"];
                assert_eq!(detail["code"], "tool_error", "{context}");
                assert!(
                    detail["message"].as_str().is_some_and(|text| text.contains(message)),
                    "{context}"
                );
            }
        }
    }
}

/// The paths of a document, in order.
fn paths(document: &Value) -> Vec<String> {
    let paths = document["paths"].as_object().expect("a document has paths");
    let mut paths: Vec<_> = paths.keys().cloned().collect();
    paths.sort();
    paths
}

/// Has the public validators read a document, and compares answers with what it promises.
async fn validate(name: &str, document: &Value, answers: &[Value]) {
    let folder = scratch();
    let (document_file, answers_file) =
        (folder.join(format!("{name}.json")), folder.join(format!("{name}-answers.json")));
    std::fs::write(&document_file, document.to_string()).expect("the scratch folder is writable");
    std::fs::write(&answers_file, Value::from(answers).to_string())
        .expect("the scratch folder is writable");
    let (document_file, answers_file) = (text(&document_file), text(&answers_file));
    succeed(&[
        &installed("tools/bin/python"),
        &support("python/validate.py"),
        &document_file,
        &answers_file,
    ])
    .await;
    succeed(&[&node(), &npm("@redocly/cli/bin/cli.js"), "lint", "--extends=spec", &document_file])
        .await;
}

/// Runs a program that must end with success.
pub(crate) async fn succeed(command: &[&str]) -> String {
    let mut process = Command::new(command[0]);
    process.args(&command[1..]).kill_on_drop(true);
    process.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    let output = process.output().await.expect("it is installed");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{command:?} ended with {}: {said}", output.status);
    said
}
