//! What is counted of calls and requests, and what is told of the trace that they belong to.

use std::time::Duration;

use mcpo_config::{Otlp, Secret};
use mcpo_monitor::requests::{RequestSeries, Route};
use mcpo_testkit::{HttpStep, HttpUpstream, Script, Step, What};
use mcpo_upstream::meter::{CallResult, ToolReading};
use serde_json::json;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::scene::{PATIENCE, Scene, Setting, echo, one, server};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

type Headers = &'static [(&'static str, &'static str)];

/// Each call as what it comes to, with what its caller says.
const CALLS: [(&str, Headers, CallResult); 10] = [
    ("echo", &[], CallResult::Ok),
    ("fails", &[], CallResult::ToolError),
    ("fails", &[RAW], CallResult::ToolError),
    ("words", &[RAW], CallResult::Ok),
    ("errs", &[], CallResult::ToolError),
    ("strange", &[], CallResult::Unknown),
    ("hangs", &[("x-tool-timeout", "0.2")], CallResult::Unknown),
    ("busy", &[("x-tool-timeout", "1")], CallResult::Refused),
    ("closed", &[], CallResult::NotSent),
    ("echo", &[("idempotency-key", "k")], CallResult::Ok),
];

const RAW: (&str, &str) = ("accept", "application/vnd.mcp.result+json");

fn script() -> Script {
    let busy = HttpStep {
        status: 429,
        headers: vec![("retry-after".to_owned(), "60".to_owned())],
        body: String::new(),
    };
    let closed = HttpStep { status: 401, headers: Vec::new(), body: String::new() };
    // It holds the words, and is no error.
    let words = json!({"content": [{"type": "text", "text": "\"isError\":true", "isError": true}]});
    echo()
        .on_call("fails", vec![vec![Step::ToolError("no".into())]])
        .on_call("words", vec![vec![Step::RawResult(words)]])
        .on_call(
            "errs",
            vec![vec![Step::RpcError { code: -32602, message: "bad".into(), data: json!(null) }]],
        )
        .on_call("strange", vec![vec![Step::RawResult(json!(7))]])
        .on_call("hangs", vec![vec![Step::Hang]])
        .on_call("busy", vec![vec![Step::Http(busy)]])
        .on_call("closed", vec![vec![Step::Http(closed)]])
}

fn tools(scene: &Scene) -> Vec<ToolReading> {
    let [one] = scene.directory.meters().read().try_into().unwrap();
    one.tools
}

fn ended(scene: &Scene, tool: &str) -> [u64; 6] {
    tools(scene).iter().find(|one| one.tool == tool).map_or([0; 6], |one| one.ended)
}

async fn call(scene: &Scene, tool: &str, headers: &[(&str, &str)]) -> u16 {
    let answer = scene.answer("POST", &format!("/one/{tool}"), headers, "{}").await;
    answer.status().as_u16()
}

#[tokio::test]
async fn every_call_is_counted_as_what_it_came_to() {
    for (tool, headers, result) in CALLS {
        let (_upstream, scene) = one(script()).await;
        let status = call(&scene, tool, headers).await;
        let mut expected = [0; 6];
        expected[result as usize] = 1;
        assert_eq!(ended(&scene, tool), expected, "{tool} {headers:?}: {status}");
        let [counted] = tools(&scene).try_into().unwrap();
        assert_eq!((counted.in_flight, counted.peak), (0, 1));
        assert_eq!((counted.duration.count(), counted.bytes_in), (1, 2));
        let is_answered = matches!(result, CallResult::Ok | CallResult::ToolError);
        assert_eq!(counted.bytes_out > 0, is_answered || tool == "strange", "{tool}");
        assert!(counted.waited_sum + counted.upstream_sum <= counted.duration_sum);
        assert!(counted.upstream_sum > Duration::ZERO);
    }
}

#[tokio::test]
async fn a_call_whose_downstream_goes_away_was_cancelled() {
    let (upstream, scene) = one(script()).await;
    let journal = upstream.journal();
    {
        let mut call = std::pin::pin!(call(&scene, "hangs", &[]));
        tokio::select! {
            status = &mut call => panic!("it hangs: {status}"),
            received = journal.wait_for_what(What::Received, 1) => received.unwrap(),
        }
        let [counted] = tools(&scene).try_into().unwrap();
        assert_eq!((counted.in_flight, counted.ended), (1, [0; 6]));
    }
    assert_eq!(ended(&scene, "hangs"), [0, 0, 0, 0, 0, 1]);
    let [counted] = tools(&scene).try_into().unwrap();
    assert_eq!((counted.in_flight, counted.duration.count()), (0, 0));
}

#[tokio::test]
async fn what_is_no_call_is_not_counted_as_one() {
    let (_upstream, scene) = one(script()).await;
    let key = |body| scene.answer("POST", "/one/echo", &[("idempotency-key", "k")], body);
    assert_eq!(key(r#"{"a":1}"#).await.status(), 200);
    assert_eq!(key(r#"{"a":2}"#).await.status(), 422, "the key is another call's");
    let wrong = scene.answer("POST", "/one/echo", &[], r#"{"a":"x"}"#).await;
    assert_eq!(wrong.status(), 422);
    assert_eq!(ended(&scene, "echo"), [1, 0, 0, 0, 0, 0]);
    // The same call again is one, and costs the upstream nothing.
    let before = tools(&scene)[0].upstream_sum;
    assert_eq!(key(r#"{"a":1}"#).await.status(), 200);
    assert_eq!(ended(&scene, "echo"), [2, 0, 0, 0, 0, 0]);
    assert_eq!(tools(&scene)[0].upstream_sum, before);
}

#[tokio::test]
async fn nothing_is_counted_where_nothing_is_to_be() {
    let upstream = HttpUpstream::start(script()).await.unwrap();
    let setting = Setting { measures: false, ..Setting::default() };
    let scene = setting.start(vec![server("one", &upstream.url())]).await;
    scene.ready(1).await;
    assert_eq!(call(&scene, "echo", &[]).await, 200);
    assert!(tools(&scene).is_empty());
    assert!(scene.monitor.requests().read().is_empty());
}

#[tokio::test]
async fn a_trace_goes_on_to_the_upstream_as_it_came() {
    let (upstream, scene) = one(script()).await;
    let broken = PARENT.replace("00-", "ff-");
    for (sent, told) in [
        (vec![("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=\"")], true),
        (vec![("traceparent", PARENT), ("traceparent", PARENT)], false),
        (vec![("traceparent", &broken), ("tracestate", "a=1")], false),
        (vec![("tracestate", "a=1")], false),
        (vec![], false),
    ] {
        let before = upstream.journal().count(What::Received);
        assert_eq!(call(&scene, "echo", &sent).await, 200);
        let received = upstream.journal().matching(|entry| entry.what == What::Received);
        let headers = &received[before].headers;
        assert_eq!(headers.get("traceparent").is_some(), told, "{sent:?}");
        assert_eq!(headers.get("tracestate").is_some(), told, "{sent:?}");
        if told {
            assert_eq!(headers["traceparent"], PARENT);
            assert_eq!(headers["tracestate"], "a=1,b=\"");
        }
    }
    let [counted] = tools(&scene).try_into().unwrap();
    let [exemplar] = counted.exemplars.as_slice() else { panic!("{:?}", counted.exemplars) };
    assert_eq!(exemplar.trace_id[..4], [0x0a, 0xf7, 0x65, 0x19]);
    // Of a trace that nobody keeps no call is an example.
    assert_eq!(call(&scene, "words", &[("traceparent", &PARENT.replace("-01", "-00"))]).await, 200);
    let words = tools(&scene).into_iter().find(|tool| tool.tool == "words").unwrap();
    assert!(words.exemplars.is_empty());
}

/// Traces are recorded, and go where nobody listens.
fn recording(sample_ratio: f64, parent_based: bool) -> Option<Otlp> {
    Some(Otlp {
        traces_url: Some(Secret::new("http://127.0.0.1:1/v1/traces")),
        metrics_url: None,
        headers: Vec::new(),
        timeout: PATIENCE,
        metrics_every: PATIENCE,
        sample_ratio,
        parent_based,
        resource: Vec::new(),
    })
}

#[tokio::test]
async fn where_traces_are_recorded_the_upstreams_parent_is_our_span() {
    let quiet = PARENT.replace("-01", "-00");
    let (trace_id, span_id) = (&PARENT[3..35], &PARENT[36..52]);
    for (otlp, sent, is_ours) in [
        (recording(1.0, true), Some(PARENT), true),
        (recording(1.0, true), None, true),
        // Not sampled: by whom it was sent, or by chance.
        (recording(1.0, true), Some(quiet.as_str()), false),
        (recording(0.0, true), None, false),
        (recording(1.0, false), Some(quiet.as_str()), true),
        (recording(0.0, false), Some(PARENT), false),
    ] {
        let upstream = HttpUpstream::start(script()).await.unwrap();
        let setting = Setting { otlp, ..Setting::default() };
        let scene = setting.start(vec![server("one", &upstream.url())]).await;
        scene.ready(1).await;
        let headers: Vec<_> = sent.map(|sent| ("traceparent", sent)).into_iter().collect();
        assert_eq!(call(&scene, "echo", &headers).await, 200);
        let received = upstream.journal().matching(|entry| entry.what == What::Received);
        let told = received[0].headers.get("traceparent").and_then(|told| told.as_str());
        if !is_ours {
            assert_eq!(told, sent);
            continue;
        }
        let told = told.unwrap();
        assert_eq!(sent.is_some(), &told[3..35] == trace_id, "{told}");
        assert_ne!(&told[36..52], span_id);
        assert!(told.ends_with("-01"), "{told}");
        let exemplars = &tools(&scene)[0].exemplars;
        assert_eq!(exemplars.len(), 1);
    }
}

#[tokio::test]
async fn requests_are_counted_by_what_their_paths_stand_for() {
    let (_upstream, scene) = one(script()).await;
    for (method, path, route) in [
        ("POST", "/one/echo", Route::Tool),
        ("GET", "/one/echo", Route::Tool),
        ("GET", "/one/openapi.json", Route::Document),
        ("GET", "/one/docs", Route::Docs),
        ("GET", "/livez", Route::Probe),
        ("GET", "/metrics", Route::Monitor),
        ("GET", "/admin/servers", Route::Admin),
        ("GET", "/dashboard", Route::Admin),
        ("GET", "/one/../../etc/passwd", Route::Other),
        ("BREW", "/no/such/thing", Route::Other),
    ] {
        let before = scene.monitor.requests().read();
        let status = scene.answer(method, path, &[], "{}").await.status().as_u16();
        let counted = |series: &[RequestSeries]| {
            let method = if method == "BREW" { "_OTHER" } else { method };
            let alike = |one: &&RequestSeries| {
                (one.route, one.method, one.status) == (route, method, status)
            };
            series.iter().find(alike).map_or(0, |one| one.duration.count())
        };
        let now = scene.monitor.requests().read();
        assert_eq!(counted(&now), counted(&before) + 1, "{method} {path}: {now:?}");
    }
}

#[tokio::test]
async fn numbers_that_are_read_meanwhile_only_grow() {
    let (_upstream, scene) = one(script()).await;
    let calls = async {
        for _ in 0..50 {
            assert_eq!(call(&scene, "echo", &[]).await, 200);
        }
    };
    let reads = async {
        let mut last = 0;
        while last < 50 {
            let now = ended(&scene, "echo")[0];
            assert!(now >= last, "{now} after {last}");
            last = now;
            yield_now().await;
        }
    };
    timeout(PATIENCE, async { tokio::join!(calls, reads) }).await.unwrap();
}
