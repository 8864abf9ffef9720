//! Claims about children, with real ones: small shell scripts that speak just enough MCP.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use mcpo_core::trace::TraceContext;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::answer::Answer;
use crate::endpoint::Endpoint;
use crate::error::Sent;
use crate::session::{self, Connected, Session};

/// Nothing here should ever take so long.
const LONG: Duration = Duration::from_secs(20);

/// Answers `initialize` and reads the notification after it.
const HANDSHAKE: &str = r#"
    say() { printf '%s\n' "$1"; }
    answer() { id=${l#*\"id\":}; say "{\"jsonrpc\":\"2.0\",\"id\":${id%%,*},\"result\":$1}"; }
    read -r l
    answer '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}'
    read -r l
"#;

fn sh(script: &str) -> endpoint::Stdio {
    let variable = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
    endpoint::Stdio {
        command: "sh".to_owned(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        environment: vec![
            variable("PATH", "/usr/bin:/bin"),
            variable("API_KEY", "sesame-open-12345"),
        ],
        directory: None,
        launcher: None,
    }
}

fn options(era: Era) -> ConnectOptions {
    ConnectOptions {
        client_name: "test".to_owned(),
        client_version: "1".to_owned(),
        era,
        deadline: Instant::now() + LONG,
        grace: Duration::from_millis(100),
    }
}

/// A session with a script that comes after the handshake, and its running driver.
async fn live(script: &str) -> (Session, JoinSet<Cause>) {
    let endpoint = Endpoint::Stdio(sh(&format!("{HANDSHAKE}{script}")));
    let Connected { session, driver } =
        session::connect(&endpoint, &options(Era::Auto)).await.expect("it connects");
    let mut running = JoinSet::new();
    running.spawn(driver.run());
    (session, running)
}

async fn end_of(mut running: JoinSet<Cause>) -> Cause {
    let ended = timeout(LONG, running.join_next()).await.expect("the driver ends");
    ended.expect("it is there").expect("it did not panic")
}

async fn call(session: &Session) -> Result<Answer, RequestError> {
    session.call_tool("t", b"{}", Instant::now() + LONG, None).await
}

/// Waits for the first words on stderr.
async fn has_spoken(session: &Session) {
    let spoken = async {
        while session.last_words().is_none_or(|words| words.is_empty()) {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(LONG, spoken).await.expect("it speaks");
}

/// A killed process that nobody has reaped yet is gone as well.
async fn gone(pid: &str) -> bool {
    let stat = Path::new("/proc").join(pid.trim()).join("stat");
    let dead = async {
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(LONG, dead).await.is_ok()
}

#[tokio::test]
async fn a_session_connects_calls_and_closes() {
    let (session, running) = live(r#"while read -r l; do answer "$l"; done; echo bye >&2"#).await;
    assert_eq!(session.identity().name, "sh");
    assert_eq!(session.identity().protocol_version, "2025-06-18");
    let arguments = br#"{"n":1.10,
        "s":"\u00e9"}"#;
    let Ok(Answer::Result(echo)) =
        session.call_tool("a\"b", arguments, Instant::now() + LONG, None).await
    else {
        panic!("it answers")
    };
    let text = String::from_utf8(echo.to_vec()).expect("JSON is UTF-8");
    assert!(text.contains(r#""arguments":{"n":1.10,         "s":"\u00e9"}"#), "{text}");
    let echo: Value = serde_json::from_slice(&echo).expect("it is our request");
    assert_eq!(
        (&echo["method"], &echo["params"]["name"]),
        (&Value::from("tools/call"), &Value::from("a\"b"))
    );
    session.probe(Instant::now() + LONG).await.expect("it lives");
    session.close();
    assert!(matches!(end_of(running).await, Cause::Closed));
    assert_eq!(session.last_words().as_deref(), Some("bye"), "it had its time to end");
    let refused = call(&session).await.expect_err("it is closed");
    assert!(matches!(refused, RequestError { sent: Sent::No, cause: Cause::Closed }));
}

#[tokio::test]
async fn a_session_tells_its_child_and_hands_on_the_trace_of_a_call() {
    let (session, running) = live(r#"while read -r l; do answer "[$$,$l]"; done"#).await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let trace = TraceContext::parse(parent.as_bytes(), []).expect("it is one");
    let Ok(Answer::Result(said)) =
        session.call_tool("t", b"", Instant::now() + LONG, Some(&trace)).await
    else {
        panic!("it answers")
    };
    let said: Value = serde_json::from_slice(&said).expect("it is our request");
    assert_eq!(session.process_id().map(Value::from).as_ref(), Some(&said[0]));
    assert_eq!(said[1]["params"]["_meta"], serde_json::json!({ "traceparent": parent }));
    session.close();
    assert!(matches!(end_of(running).await, Cause::Closed));
}

#[tokio::test]
async fn many_calls_at_once_are_all_answered() {
    let (session, _running) = live(r#"while read -r l; do answer '{}'; done"#).await;
    let mut calls = JoinSet::new();
    for _ in 0..500 {
        let session = session.clone();
        calls.spawn(async move { call(&session).await });
    }
    for answer in calls.join_all().await {
        assert!(matches!(answer, Ok(Answer::Result(result)) if result == "{}"));
    }
}

#[tokio::test]
async fn a_child_that_dies_in_a_call_tells_how_and_why() {
    let (session, running) = live(r#"read -r l; echo "key $API_KEY is bad" >&2; exit 3"#).await;
    let error = call(&session).await.expect_err("it died");
    assert_eq!(error.sent, Sent::Maybe);
    let Cause::Exited { status, stderr } = error.cause else { panic!("{error}") };
    assert_eq!((status.as_str(), stderr.as_str()), ("exit code 3", "key *** is bad"));
    assert!(matches!(end_of(running).await, Cause::Exited { .. }));
    let later = call(&session).await.expect_err("it is dead");
    assert!(matches!(later, RequestError { sent: Sent::No, cause: Cause::Exited { .. } }));
}

#[tokio::test]
async fn an_answer_written_before_the_end_arrives() {
    let (session, running) = live(r#"read -r l; answer 7; kill -9 $$"#).await;
    assert!(matches!(call(&session).await, Ok(Answer::Result(result)) if result == "7"));
    assert!(matches!(end_of(running).await, Cause::Exited { status, .. } if status == "signal 9"));
}

#[tokio::test]
async fn what_a_child_leaves_in_its_group_is_killed() {
    let (_session, running) = live("sleep 1000 & echo $! >&2; exit 1").await;
    let Cause::Exited { stderr, .. } = end_of(running).await else { panic!("it exits") };
    assert!(gone(&stderr).await);
}

#[tokio::test]
async fn whoever_left_the_group_and_holds_the_pipes_holds_nobody_up() {
    let (session, running) = live("setsid sleep 30 & echo $! >&2; read -r l; exit 5").await;
    let begun = Instant::now();
    let error = call(&session).await.expect_err("it exits");
    assert!(
        matches!(error.cause, Cause::Exited { ref status, .. } if status == "exit code 5"),
        "{error}"
    );
    assert!(matches!(end_of(running).await, Cause::Exited { .. }));
    assert!(begun.elapsed() < Duration::from_secs(10));
    let pid = session
        .last_words()
        .and_then(|pid| pid.trim().parse().ok())
        .and_then(rustix::process::Pid::from_raw);
    let _ = rustix::process::kill_process(pid.expect("it told"), rustix::process::Signal::KILL);
}

#[tokio::test]
async fn a_child_that_closes_stdout_and_stays_is_ended() {
    let (session, running) = live("echo $$ >&2; read -r l; exec >&-; sleep 1000").await;
    let error = call(&session).await.expect_err("no answer can come");
    assert!(matches!(error, RequestError { sent: Sent::Maybe, cause: Cause::Broken(_) }));
    assert!(matches!(end_of(running).await, Cause::Broken(_)));
    assert!(gone(&session.last_words().expect("it told")).await);
}

#[tokio::test]
async fn a_child_that_ignores_sigterm_is_killed_with_all_its_own() {
    let (session, running) =
        live("trap '' TERM; sleep 1000 & echo $! >&2; answer 1; exec 0</dev/null; while :; do sleep 1000; done").await;
    has_spoken(&session).await;
    session.close();
    assert!(matches!(end_of(running).await, Cause::Closed));
    assert!(gone(&session.last_words().expect("it told")).await);
}

#[tokio::test]
async fn a_child_that_never_reads_costs_calls_their_deadline_and_nothing_else() {
    let (session, running) = live("exec sleep 1000").await;
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1_000_000));
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let (session, large) = (session.clone(), large.clone());
        let deadline = Instant::now() + Duration::from_secs(2);
        calls.spawn(async move { session.call_tool("t", large.as_bytes(), deadline, None).await });
    }
    let answers = timeout(LONG, calls.join_all()).await.expect("every call ends");
    let (mut maybe, mut no) = (0, 0);
    for answer in answers {
        let error = answer.expect_err("nobody answers");
        assert!(matches!(error.cause, Cause::Deadline | Cause::Full { .. }), "{error}");
        if error.sent == Sent::Maybe { maybe += 1 } else { no += 1 }
    }
    assert!(no >= 36 && maybe >= 1, "{maybe} were written and {no} were not");
    session.close();
    assert!(matches!(end_of(running).await, Cause::Closed));
}

#[tokio::test]
async fn a_flood_on_stderr_holds_nothing_up_and_is_kept_within_bounds() {
    let flood = "i=0; while [ $i -lt 30000 ]; do echo \"line $i of a long complaint\"; i=$((i+1)); done >&2;";
    let (session, running) = live(&format!("read -r l; {flood} answer 1; read -r l; exit 1")).await;
    assert!(matches!(call(&session).await, Ok(Answer::Result(_))));
    let _ = call(&session).await.expect_err("it exits");
    let Cause::Exited { stderr, .. } = end_of(running).await else { panic!("it exits") };
    assert!(stderr.ends_with("line 29999 of a long complaint") && stderr.len() <= 4096);
    let kept = session.last_words().expect("it has a stderr").len();
    assert!((60_000..=65_536).contains(&kept), "{kept} bytes are kept");
}

#[tokio::test]
async fn a_result_of_many_megabytes_arrives_whole_and_the_next_one_too() {
    let megabytes = "head -c 8000000 /dev/zero | tr '\\0' x";
    let large =
        format!(r#"printf '{{"id":%s,"result":"' "${{id%%,*}}"; {megabytes}; printf '"}}\n'"#);
    let (session, _running) = live(&format!(
        r#"read -r l; id=${{l#*\"id\":}}; {large}; while read -r l; do answer 2; done"#
    ))
    .await;
    assert!(
        matches!(call(&session).await, Ok(Answer::Result(result)) if result.len() == 8_000_002)
    );
    assert!(matches!(call(&session).await, Ok(Answer::Result(result)) if result == "2"));
}

#[tokio::test]
async fn garbage_on_stdout_is_skipped() {
    let (session, _running) =
        live(r#"read -r l; say 'Listening...'; say '{"level":30}'; say; answer 1"#).await;
    assert!(matches!(call(&session).await, Ok(Answer::Result(result)) if result == "1"));
}

#[tokio::test]
async fn a_dropped_driver_leaves_no_process_and_no_waiting_call() {
    let (session, mut running) =
        live("trap '' TERM HUP; sleep 1000 & echo $$ $! >&2; while :; do read -r l; done").await;
    let mut calls = JoinSet::new();
    let caller = session.clone();
    calls.spawn(async move { call(&caller).await });
    has_spoken(&session).await;
    running.abort_all();
    while running.join_next().await.is_some() {}
    let ended =
        timeout(LONG, calls.join_next()).await.expect("the call ends").expect("it is there");
    assert!(matches!(ended, Ok(Err(RequestError { cause: Cause::Closed, .. }))));
    for pid in session.last_words().expect("it told").split_whitespace() {
        assert!(gone(pid).await, "{pid} is still there");
    }
}

/// What it waits for may be what it says.
#[tokio::test]
async fn a_child_that_says_anything_but_an_answer_is_quoted() {
    let script = "echo no database yet >&2; echo Listening...; while :; do sleep 1000; done";
    let options = ConnectOptions {
        deadline: Instant::now() + Duration::from_millis(700),
        ..options(Era::Auto)
    };
    let cause =
        session::connect(&Endpoint::Stdio(sh(script)), &options).await.expect_err("it is silent");
    let Cause::Silent { last_words } = cause else { panic!("{cause}") };
    let mut lines: Vec<&str> = last_words.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["no database yet", "on stdout, where only MCP belongs: Listening..."]);
}

#[tokio::test]
async fn a_silent_child_is_given_up_at_the_deadline_and_killed() {
    let folder = std::env::temp_dir().join(format!("mcpo-silent-{}", std::process::id()));
    let script =
        format!("echo $$ > {}; trap '' TERM; while :; do sleep 1000; done", folder.display());
    let options = ConnectOptions {
        deadline: Instant::now() + Duration::from_millis(500),
        ..options(Era::Auto)
    };
    let begun = Instant::now();
    let cause =
        session::connect(&Endpoint::Stdio(sh(&script)), &options).await.expect_err("it is silent");
    assert!(matches!(cause, Cause::Deadline), "{cause}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let pid = std::fs::read_to_string(&folder).expect("it started");
    assert!(gone(&pid).await);
    std::fs::remove_file(&folder).expect("it is ours");
}

#[tokio::test]
async fn a_child_that_ends_at_once_is_told_with_its_words() {
    let endpoint = Endpoint::Stdio(sh("echo 'usage: server DIRECTORY' >&2; exit 2"));
    for era in [Era::Auto, Era::Legacy, Era::Modern] {
        let cause = session::connect(&endpoint, &options(era)).await.expect_err("it ends");
        let Cause::Exited { status, stderr } = cause else { panic!("{cause}") };
        assert_eq!((status.as_str(), stderr.as_str()), ("exit code 2", "usage: server DIRECTORY"));
    }
}

/// A modern upstream that meets `initialize` with `$refuse`.
fn modern_only(refuse: &str) -> endpoint::Stdio {
    let info = r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"resultType":"complete",
        "_meta":{"io.modelcontextprotocol/serverInfo":{"name":"modern","version":"2"}}}"#;
    let info = info.replace('\n', " ");
    sh(&format!(
        r#"say() {{ printf '%s\n' "$1"; }}
        part() {{ id=${{l#*\"id\":}}; say "{{\"jsonrpc\":\"2.0\",\"id\":${{id%%,*}},$1}}"; }}
        while read -r l; do case $l in
            *'"initialize"'*) {refuse} ;;
            *'"server/discover"'*protocolVersion*) part '"result":{info}' ;;
            *'"tools/call"'*protocolVersion*) part '"result":{{"content":[],"resultType":"complete"}}' ;;
        esac; done"#
    ))
}

#[tokio::test]
async fn a_modern_upstream_is_found_however_it_refuses_initialize() {
    for refuse in [
        r#"part '"error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"]}}'; dead=1"#,
        r#"part '"error":{"code":-32601,"message":"Method not found"}'"#,
        r#"part '"error":{"code":-32602,"message":"no _meta"}'"#,
        r#"part '"result":{"protocolVersion":"2026-07-28"}'"#,
        "exit 1",
    ] {
        let endpoint = Endpoint::Stdio(modern_only(refuse));
        let Connected { session, driver } = session::connect(&endpoint, &options(Era::Auto))
            .await
            .unwrap_or_else(|cause| panic!("{refuse}: {cause}"));
        assert_eq!(
            (session.identity().name.as_str(), session.identity().protocol_version.as_str()),
            ("modern", "2026-07-28")
        );
        let mut running = JoinSet::new();
        running.spawn(driver.run());
        assert!(matches!(call(&session).await, Ok(Answer::Result(_))), "{refuse}");
    }
    let legacy =
        session::connect(&Endpoint::Stdio(modern_only("exit 1")), &options(Era::Legacy)).await;
    assert!(matches!(legacy, Err(Cause::Exited { .. })), "an override is obeyed");
}

#[tokio::test]
async fn an_upstream_of_neither_era_is_told_by_its_first_refusal() {
    let script = r#"say() { printf '%s\n' "$1"; }
        while read -r l; do say '{"id":null,"error":{"code":-32000,"message":"log in first"}}'; done"#;
    let cause = session::connect(&Endpoint::Stdio(sh(script)), &options(Era::Auto))
        .await
        .expect_err("it refuses");
    let Cause::Refused { method, error } = cause else { panic!("{cause}") };
    assert_eq!((method, error.message.as_str()), ("initialize", "log in first"));
}
