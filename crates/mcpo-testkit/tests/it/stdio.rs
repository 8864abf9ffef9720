//! Over stdin and stdout.

use std::process::Stdio;

use mcpo_testkit::{Era, Scratch, Script, ScriptedStdio, Step, What, tool};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

pub(crate) struct Peer {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    pub(crate) fn start(upstream: &ScriptedStdio) -> Self {
        let mut child = Command::new(&upstream.command)
            .args(&upstream.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { stdin: child.stdin.take(), lines, child }
    }

    async fn send(&mut self, message: Value) {
        self.stdin.as_mut().unwrap().write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    pub(crate) async fn read(&mut self) -> Option<Value> {
        let line = self.lines.next_line().await.unwrap()?;
        Some(serde_json::from_str(&line).unwrap_or(Value::String(line)))
    }

    pub(crate) async fn shake_hands(&mut self) -> Value {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}});
        self.send(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}))
            .await;
        let answer = self.read().await.unwrap();
        self.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        answer
    }

    pub(crate) async fn call(&mut self, id: u64, name: &str, arguments: Value) {
        let params = json!({"name": name, "arguments": arguments});
        self.send(json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}))
            .await;
    }

    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().await.unwrap().code()
    }
}

fn scripted(script: Script) -> (Scratch, ScriptedStdio) {
    let scratch = Scratch::new().unwrap();
    let upstream = ScriptedStdio::new(scratch.path(), "up", script).unwrap();
    (scratch, upstream)
}

#[tokio::test]
async fn it_shakes_hands_lists_pages_and_echoes() {
    let script = Script { page_size: Some(2), ..Script::echo().tool(tool("b")).tool(tool("c")) };
    let (_scratch, upstream) = scripted(script);
    let mut peer = Peer::start(&upstream);
    let answer = peer.shake_hands().await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
    peer.send(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).await;
    assert_eq!(peer.read().await.unwrap()["result"]["nextCursor"], "");
    peer.send(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {"cursor": ""}}))
        .await;
    let page = peer.read().await.unwrap();
    assert_eq!(page["result"]["tools"][0]["name"], "c");
    assert!(page["result"].get("nextCursor").is_none());
    peer.call(3, "echo", json!({"key": "k", "n": 12345678901234567890123_u128})).await;
    let text = r#"{"key":"k","n":12345678901234567890123}"#;
    assert_eq!(peer.read().await.unwrap()["result"]["content"][0]["text"], text);
    assert_eq!(upstream.journal().runs("k"), 1);
    peer.stdin = None;
    assert_eq!(peer.exit_code().await, Some(0));
    assert_eq!(upstream.journal().count(What::Eof), 1);
}

#[tokio::test]
async fn turns_go_on_where_the_dead_process_left_off() {
    let (_scratch, upstream) =
        scripted(Script::echo().on_call("die", vec![vec![Step::ExitMidLine], vec![Step::Echo]]));
    let mut first = Peer::start(&upstream);
    first.shake_hands().await;
    first.call(1, "die", json!({})).await;
    assert!(first.read().await.unwrap().is_string(), "half a line is not JSON");
    assert_eq!(first.exit_code().await, Some(1));
    let mut second = Peer::start(&upstream);
    second.shake_hands().await;
    second.call(1, "die", json!({})).await;
    assert_eq!(second.read().await.unwrap()["result"]["content"][0]["text"], "{}");
    assert_eq!((upstream.journal().runs("die"), upstream.journal().count(What::Start)), (2, 2));
}

#[tokio::test]
async fn a_gate_holds_one_call_and_lets_others_pass() {
    let turns = vec![vec![Step::Gate("g".into()), Step::Text("late".into())]];
    let (_scratch, upstream) = scripted(Script::echo().on_call("slow", turns));
    let mut peer = Peer::start(&upstream);
    peer.shake_hands().await;
    peer.call(1, "slow", json!({})).await;
    upstream.control().wait_at("g", 1).await.unwrap();
    peer.call(2, "echo", json!({})).await;
    assert_eq!(peer.read().await.unwrap()["id"], 2);
    assert_eq!(upstream.journal().runs("slow"), 0);
    upstream.control().open("g").unwrap();
    assert_eq!(peer.read().await.unwrap()["id"], 1);
    upstream.journal().wait_for("slow", 1).await.unwrap();
}

#[tokio::test]
async fn tools_change_in_the_background() {
    let background = vec![Step::Gate("change".into()), Step::NotifyToolsChanged(vec![tool("new")])];
    let (_scratch, upstream) = scripted(Script { background, ..Script::echo() });
    let mut peer = Peer::start(&upstream);
    peer.shake_hands().await;
    upstream.control().open("change").unwrap();
    assert_eq!(peer.read().await.unwrap()["method"], "notifications/tools/list_changed");
    peer.send(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).await;
    assert_eq!(peer.read().await.unwrap()["result"]["tools"][0]["name"], "new");
}

#[tokio::test]
async fn pings_batches_and_huge_lines_come_as_told() {
    let script = Script::echo()
        .on_call("ping", vec![vec![Step::PingClientFirst, Step::Batch, Step::Text("pong".into())]])
        .on_call("huge", vec![vec![Step::HugeLine(100_000)]]);
    let (_scratch, upstream) = scripted(script);
    let mut peer = Peer::start(&upstream);
    peer.shake_hands().await;
    peer.call(1, "ping", json!({})).await;
    let ping = peer.read().await.unwrap();
    peer.send(json!({"jsonrpc": "2.0", "id": ping["id"], "result": {}})).await;
    assert_eq!(peer.read().await.unwrap()[1]["result"]["content"][0]["text"], "pong");
    peer.call(2, "huge", json!({})).await;
    let text = peer.read().await.unwrap()["result"]["content"][0]["text"].as_str().unwrap().len();
    assert_eq!(text, 100_000);
}

#[tokio::test]
async fn each_era_refuses_the_other() {
    let (_scratch, modern) = scripted(Script::echo().era(Era::Modern));
    let mut peer = Peer::start(&modern);
    assert_eq!(peer.shake_hands().await["error"]["code"], -32022);
    let (_scratch, legacy) = scripted(Script::echo());
    let mut peer = Peer::start(&legacy);
    peer.send(json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {}})).await;
    assert_eq!(peer.read().await.unwrap()["error"]["code"], -32601);
}

#[tokio::test]
async fn one_that_never_answers_initialize_still_notes_that_it_was_asked() {
    let (_scratch, upstream) = scripted(Script::never_answers_initialize());
    let mut peer = Peer::start(&upstream);
    let params = json!({"protocolVersion": "2025-11-25"});
    peer.send(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})).await;
    upstream.journal().wait_for_what(What::Handshake, 1).await.unwrap();
    peer.send(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).await;
    assert_eq!(peer.read().await.unwrap()["id"], 1, "the first answer is the ping's");
}
