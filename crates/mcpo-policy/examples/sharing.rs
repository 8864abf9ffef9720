//! What a call costs on its way through the pipeline to an upstream in memory that answers at once:
//! one that shares nothing, one that leads a flight, and one that is answered with what is kept.
//!
//! `cargo run --release -p mcpo-policy --example sharing`

use std::future::{pending, ready};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcpo_config::{Endpoint, Era, Http, HttpKind, PoolSizes, Server, ServerName};
use mcpo_core::catalog::{CatalogPolicy, ServerIdentity, ToolPolicy};
use mcpo_core::identity::Identity;
use mcpo_core::load::{CacheRule, CacheTimes, ServerLoad};
use mcpo_core::trace::TraceContext;
use mcpo_mcp::answer::Answer;
use mcpo_mcp::custom::{BoxFuture, Custom, Dial, Wire};
use mcpo_mcp::endpoint;
use mcpo_mcp::error::{Cause, RequestError};
use mcpo_policy::cache::Freshness;
use mcpo_policy::pipeline::{Call, Pipeline, PipelineOptions};
use mcpo_upstream::directory::{Directory, Upstream};
use mcpo_upstream::supervisor::{Dialler, Supervisor, SupervisorOptions};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Calls of one measurement; the best of several counts.
const CALLS: u32 = 200_000;
const ROUNDS: u32 = 5;

const RESULT: &[u8] = br#"{"content":[{"type":"text","text":"2026-01-01T00:00:00Z"}]}"#;
const ARGUMENTS: &[u8] = br#"{"timezone":"Europe/Berlin","format":"rfc3339"}"#;

#[derive(Debug)]
struct Memory {
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Dialled;

impl Dial for Dialled {
    fn dial(&self) -> BoxFuture<Result<Custom, Cause>> {
        let wire = Arc::new(Memory { changed: watch::Sender::new(0) });
        let identity = ServerIdentity::default();
        Box::pin(ready(Ok(Custom { identity, wire, ended: Box::pin(pending()) })))
    }

    fn has_connection_per_call(&self) -> bool {
        true
    }
}

impl Wire for Memory {
    fn call(
        &self,
        _name: &str,
        _arguments: &[u8],
        _deadline: Instant,
        _trace: Option<&TraceContext>,
    ) -> BoxFuture<Result<Answer, RequestError>> {
        Box::pin(ready(Ok(Answer::Result(Bytes::from_static(RESULT)))))
    }

    fn list(&self, _deadline: Instant) -> BoxFuture<Result<Vec<Value>, RequestError>> {
        let tool = |name: &str, read_only: bool| json!({"name": name, "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": read_only}});
        Box::pin(ready(Ok(vec![tool("write", false), tool("read", true), tool("kept", true)])))
    }

    fn probe(&self, _deadline: Instant) -> BoxFuture<Result<(), RequestError>> {
        Box::pin(ready(Ok(())))
    }

    fn tools_changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn close(&self) {}
}

fn server() -> Server {
    let url = "http://in.memory/mcp".parse().expect("an address");
    let hour = Duration::from_hours(1);
    let times = CacheTimes {
        ttl: hour,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        refresh: false,
    };
    let kept = ToolPolicy { cache: Some(CacheRule::Keep(times)), ..ToolPolicy::default() };
    let tools = [("kept".to_owned(), kept)].into();
    Server {
        name: ServerName::new("memory").expect("a name"),
        endpoint: Endpoint::Http(Http { url, headers: Vec::new(), kind: HttpKind::Streamable }),
        era: Era::Auto,
        timeout: None,
        pool: PoolSizes { min: 1, max: 1 },
        catalog: CatalogPolicy { tools, ..CatalogPolicy::default() },
        load: ServerLoad::default(),
    }
}

async fn measure(pipeline: &Pipeline, upstream: &Upstream, tool: &str) -> Duration {
    let catalog = upstream.view.catalog.as_ref().expect("it is ready");
    let tool = catalog.tool(tool).expect("it is there");
    let arguments = Bytes::from_static(ARGUMENTS);
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..CALLS {
            let call = Call {
                upstream,
                tool,
                arguments: arguments.clone(),
                deadline: began + Duration::from_secs(60),
                is_hurried: false,
                idempotency_key: None,
                trace: None,
                identity: Identity::COMMON,
                freshness: Freshness::default(),
            };
            let report = pipeline.call(&call).await.expect("it has no key");
            assert!(report.outcome.fault().is_none(), "{report:?}");
        }
        best = best.min(began.elapsed() / CALLS);
    }
    best
}

#[expect(clippy::print_stdout, reason = "it is what it is run for")]
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let directory = Directory::new();
    let options = SupervisorOptions {
        dialler: Some(Dialler(Arc::new(|_| endpoint::Endpoint::Custom(Arc::new(Dialled))))),
        ..SupervisorOptions::default()
    };
    let (_wanted, wanted) = watch::channel(Arc::new(vec![server()]));
    let mut keeping = JoinSet::new();
    keeping.spawn(Supervisor::new(options, Arc::clone(&directory)).run(wanted));
    let mut generations = directory.generations();
    let is_ready = |found: &Upstream| found.view.is_ready() && found.view.catalog.is_some();
    while !directory.load().upstream("memory").is_some_and(is_ready) {
        generations.changed().await.expect("the directory is there");
    }
    let upstream = directory.load().upstream("memory").expect("it is there").clone();
    let pipeline = Pipeline::new(PipelineOptions::default(), directory.journal());
    for (tool, what) in
        [("write", "shares nothing"), ("read", "leads a flight"), ("kept", "is kept")]
    {
        let cost = measure(&pipeline, &upstream, tool).await;
        println!("{what:>16}: {} ns a call", cost.as_nanos());
    }
}
