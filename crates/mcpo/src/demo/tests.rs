//! The demo server as a client of either era meets it.

use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio::task::JoinSet;

use super::{clock, serve};

/// A client, and the server on the other end.
struct Client {
    input: WriteHalf<DuplexStream>,
    output: Lines<BufReader<ReadHalf<DuplexStream>>>,
    server: JoinSet<std::io::Result<()>>,
}

impl Client {
    fn start() -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (output, input) = tokio::io::split(ours);
        let (server_input, server_output) = tokio::io::split(theirs);
        let mut server = JoinSet::new();
        server.spawn(serve(server_input, server_output));
        Self { input, output: BufReader::new(output).lines(), server }
    }

    async fn send(&mut self, message: &Value) {
        self.send_text(&format!("{message}\n")).await;
    }

    async fn send_text(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).await.expect("the server reads");
    }

    async fn next(&mut self) -> Value {
        let line = self.output.next_line().await.expect("the server writes").expect("it goes on");
        serde_json::from_str(&line).expect("a line is one message")
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.send(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).await;
        self.next().await
    }

    async fn call(&mut self, name: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({"name": name, "arguments": arguments})).await["result"].take()
    }
}

#[tokio::test]
async fn it_shakes_hands_with_the_legacy_era() {
    let mut client = Client::start();
    for (asked, given) in
        [("2025-11-25", "2025-11-25"), ("2024-11-05", "2024-11-05"), ("1999-01-01", "2025-11-25")]
    {
        let answer = client.ask("initialize", json!({"protocolVersion": asked})).await;
        assert_eq!(answer["result"]["protocolVersion"], given);
        assert_eq!(answer["result"]["serverInfo"]["name"], "mcpo-demo");
    }
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    let tools = client.ask("tools/list", json!({})).await;
    assert!(tools["result"].get("resultType").is_none());
    assert_eq!(tools["result"]["tools"].as_array().map(Vec::len), Some(7));
    assert_eq!(client.ask("ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn it_speaks_the_modern_era_without_a_handshake() {
    let mut client = Client::start();
    let meta = |version: &str| json!({"io.modelcontextprotocol/protocolVersion": version});
    let found = client.ask("server/discover", json!({"_meta": meta("2026-07-28")})).await;
    assert_eq!(found["result"]["supportedVersions"][0], "2026-07-28");
    let tools = client.ask("tools/list", json!({"_meta": meta("2026-07-28")})).await;
    assert_eq!(tools["result"]["resultType"], "complete");
    assert!(tools["result"]["ttlMs"].is_u64());
    let refused = client.ask("tools/list", json!({"_meta": meta("2099-01-01")})).await;
    assert_eq!(refused["error"]["code"], -32022);
    assert_eq!(refused["error"]["data"]["requested"], "2099-01-01");
    assert_eq!(refused["error"]["data"]["supported"][0], "2026-07-28");
}

#[tokio::test]
async fn every_tool_answers_with_the_structure_that_it_promises() {
    let mut client = Client::start();
    let structure = |result: &Value| {
        assert_eq!(result["isError"], false, "{result}");
        let text = result["content"][0]["text"].as_str().expect("there is a text");
        let structure: Value = serde_json::from_str(text).expect("the text is the structure");
        assert_eq!(structure, result["structuredContent"]);
        structure
    };
    let echoed = client.call("echo", json!({"message": "hé", "times": 2})).await;
    assert_eq!(structure(&echoed), json!({"message": "hé hé"}));
    let empty = client.call("memory_get", json!({"key": "k"})).await;
    assert_eq!(structure(&empty), json!({"found": false, "value": null}));
    for replaced in [false, true] {
        let stored = client.call("memory_set", json!({"key": "k", "value": {"a": [1]}})).await;
        assert_eq!(structure(&stored), json!({"replaced": replaced}));
    }
    let found = client.call("memory_get", json!({"key": "k"})).await;
    assert_eq!(structure(&found), json!({"found": true, "value": {"a": [1]}}));
    assert_eq!(structure(&client.call("memory_list", json!({})).await), json!({"keys": ["k"]}));
    let time = structure(&client.call("get_current_time", json!({"offset": "+05:30"})).await);
    assert!(time["time"].as_str().is_some_and(|time| time.ends_with("+05:30")), "{time}");
}

#[tokio::test]
async fn wrong_arguments_and_the_failing_tool_are_errors_of_the_tool() {
    let mut client = Client::start();
    for (name, arguments, text) in [
        ("fail", json!({"message": "as you wish"}), "as you wish"),
        ("fail", json!({}), "this tool always fails"),
        ("echo", json!({}), "`message` must be a string"),
        ("echo", json!({"message": "x", "times": 11}), "`times` must be from 1 to 10"),
        ("memory_set", json!({"key": "", "value": 1}), "`key` must have from 1 to 200 characters"),
        ("slow", json!({"seconds": -1}), "`seconds` must be a number from 0 to 600"),
        (
            "get_current_time",
            json!({"offset": "+2"}),
            "`offset` must be `Z`, or hours and minutes such as `+02:00`",
        ),
    ] {
        let result = client.call(name, arguments).await;
        assert_eq!(result["isError"], true);
        assert_eq!(result["content"][0]["text"], text);
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_or_ignored() {
    let mut client = Client::start();
    client.send_text("nonsense\n").await;
    assert_eq!(client.next().await["error"]["code"], -32700);
    client.send(&json!([])).await;
    assert_eq!(client.next().await["error"]["code"], -32600);
    // An answer and an unknown notification are for nobody.
    client.send(&json!({"jsonrpc": "2.0", "id": 5, "result": {}})).await;
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/whatever"})).await;
    assert_eq!(client.ask("nope", json!({})).await["error"]["code"], -32601);
    assert_eq!(client.ask("tools/call", json!({"name": "nope"})).await["error"]["code"], -32602);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_holds_up_nobody_and_can_be_cancelled() {
    let mut client = Client::start();
    for (id, seconds) in [(10, 100), (11, 5), (12, 50)] {
        let params = json!({"name": "slow", "arguments": {"seconds": seconds}});
        client
            .send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}))
            .await;
    }
    assert_eq!(client.call("echo", json!({"message": "x"})).await["isError"], false);
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 12}});
    client.send(&cancelled).await;
    let start = tokio::time::Instant::now();
    assert_eq!(client.next().await["id"], 11);
    assert_eq!(client.next().await["id"], 10);
    assert_eq!(start.elapsed().as_secs(), 100);
}

#[tokio::test]
async fn it_ends_with_its_input() {
    let mut client = Client::start();
    client.input.shutdown().await.expect("the pipe closes");
    let ended =
        client.server.join_next().await.expect("the server runs").expect("it does not panic");
    ended.expect("it ends well");
}

#[test]
fn days_are_counted_right() {
    for (unix, offset, text, weekday) in [
        (0, 0, "1970-01-01T00:00:00Z", "Thursday"),
        (951_827_696, 0, "2000-02-29T12:34:56Z", "Tuesday"),
        (1_709_251_199, 3600, "2024-03-01T00:59:59+01:00", "Friday"),
        (1_795_344_665, -34_200, "2026-11-22T01:21:05-09:30", "Sunday"),
        (4_107_542_399, 0, "2100-02-28T23:59:59Z", "Sunday"),
        (-1, 0, "1969-12-31T23:59:59Z", "Wednesday"),
    ] {
        assert_eq!(clock::local(unix, offset), (text.to_owned(), weekday));
    }
}

#[test]
fn offsets_are_hours_and_minutes() {
    for (text, seconds) in [
        ("Z", Some(0)),
        ("+02:00", Some(7200)),
        ("-09:30", Some(-34_200)),
        ("+2:00", None),
        ("+24:00", None),
        ("+02:60", None),
        ("02:00", None),
        ("é", None),
        ("", None),
    ] {
        assert_eq!(clock::offset(text), seconds, "{text}");
    }
}
