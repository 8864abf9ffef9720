//! What calls take of memory: how often a healthy one allocates, and how much a large one holds.
//! The upstream is in memory, so that all that is counted is ours.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::future::{pending, ready};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use allocation_counter::measure;
use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use mcpo_config::{
    Access, Endpoint, Era, Http, HttpKind, Limits, Load, Mode, Monitoring, Server, ServerName, Site,
};
use mcpo_core::catalog::{CatalogPolicy, ServerIdentity, ToolPolicy};
use mcpo_core::load::{CacheRule, CacheTimes, Rate, ServerLoad};
use mcpo_core::trace::TraceContext;
use mcpo_http::{Surface, SurfaceOptions};
use mcpo_mcp::answer::Answer;
use mcpo_mcp::custom::{BoxFuture, Custom, Dial, Wire};
use mcpo_mcp::endpoint::Endpoint as Way;
use mcpo_mcp::error::{Cause, RequestError};
use mcpo_monitor::monitor::{Monitor, MonitorOptions};
use mcpo_policy::pipeline::{Pipeline, PipelineOptions};
use mcpo_upstream::directory::Directory;
use mcpo_upstream::supervisor::{Dialler, Supervisor, SupervisorOptions};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// How often a healthy call allocates between the request's head and the answer's last byte, the
/// upstream's own share (a boxed future) included. Whoever saves one lowers this; whoever needs one
/// more says in the commit what it buys. It was counted in a debug build.
const ALLOCATIONS_PER_CALL_MAX: u64 = 5;

/// The same with a cache, shared calls and rates, where nothing equal was asked: the question, the
/// flight and its work, the answer that is kept, and a header.
const ALLOCATIONS_PER_MISS_MAX: u64 = 12;

/// What a connection keeps for the future of a request while it has none, in bytes: the call itself
/// is in a box. It was counted in a debug build, where futures are largest.
const REQUEST_BYTES_MAX: usize = 4 << 10;

/// What a large body or answer may take beside itself.
const BESIDE_MAX: f64 = 0.3;

const LARGE_BYTES: usize = 1 << 20;

/// An upstream whose answer is always the same.
#[derive(Debug)]
struct Upstream {
    result: Bytes,
}

#[derive(Debug)]
struct Line {
    result: Bytes,
    changed: watch::Sender<u64>,
}

impl Dial for Upstream {
    fn dial(&self) -> BoxFuture<Result<Custom, Cause>> {
        let wire = Line { result: self.result.clone(), changed: watch::Sender::new(0) };
        let identity = ServerIdentity::default();
        let ended = Box::pin(pending());
        Box::pin(ready(Ok(Custom { identity, wire: Arc::new(wire), ended })))
    }
}

impl Wire for Line {
    fn call(
        &self,
        _name: &str,
        _arguments: &[u8],
        _deadline: Instant,
        _trace: Option<&TraceContext>,
    ) -> BoxFuture<Result<Answer, RequestError>> {
        Box::pin(ready(Ok(Answer::Result(self.result.clone()))))
    }

    fn list(&self, _deadline: Instant) -> BoxFuture<Result<Vec<Value>, RequestError>> {
        let schema = json!({
            "type": "object",
            "properties": {"message": {"type": "string"}},
            "required": ["message"],
        });
        Box::pin(ready(Ok(vec![json!({"name": "echo", "inputSchema": schema})])))
    }

    fn probe(&self, _deadline: Instant) -> BoxFuture<Result<(), RequestError>> {
        Box::pin(ready(Ok(())))
    }

    fn tools_changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn close(&self) {}
}

/// A surface before one upstream, and the thread that all of it runs on.
struct Scene {
    runtime: Runtime,
    surface: Surface,
    _keeping: JoinSet<()>,
    _wanted: watch::Sender<Arc<Vec<Server>>>,
}

fn server() -> Server {
    let url = "http://localhost:1/mcp".parse().unwrap();
    Server {
        name: ServerName::new("one").unwrap(),
        endpoint: Endpoint::Http(Http { url, headers: Vec::new(), kind: HttpKind::Streamable }),
        era: Era::Legacy,
        timeout: None,
        pool: mcpo_config::PoolSizes::STDIO,
        catalog: CatalogPolicy::default(),
        load: ServerLoad::default(),
    }
}

fn surface_options() -> SurfaceOptions {
    SurfaceOptions {
        access: Access { api_key: None, strict: false, cors_origins: vec!["*".to_owned()] },
        site: Site {
            name: None,
            description: None,
            version: None,
            root_path: String::new(),
            path_prefix: "/".to_owned(),
        },
        limits: Limits { body_bytes_max: 2 * LARGE_BYTES, ..Limits::default() },
        load: Load::default(),
        mode: Mode::Many,
    }
}

impl Scene {
    fn new(result: Bytes) -> Self {
        Self::of(server(), PipelineOptions::default(), result)
    }

    /// All that calls can be given: what is asked of the one tool is kept and shared, and rates hold.
    fn with_all(result: Bytes) -> Self {
        let often = NonZeroU32::new(1_000_000).unwrap();
        let rate = Some(Rate { calls: often, per: Duration::from_secs(1), burst: often });
        let cache = Some(CacheRule::Keep(CacheTimes::of(Duration::from_secs(60))));
        let mut server = server();
        server.load.rate = rate;
        let policy = ToolPolicy { read_only: Some(true), cache, rate, ..ToolPolicy::default() };
        server.catalog.tools.insert("echo".to_owned(), policy);
        Self::of(server, PipelineOptions { rate, ..PipelineOptions::default() }, result)
    }

    fn of(server: Server, options: PipelineOptions, result: Bytes) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let entered = runtime.enter();
        let directory = Directory::new();
        let pipeline = Pipeline::new(options, directory.journal());
        let (wanted, wanted_rx) = watch::channel(Arc::new(vec![server]));
        let measuring = MonitorOptions {
            monitoring: Monitoring::default(),
            port: 0,
            servers: wanted_rx.clone(),
            pipeline: pipeline.gauge(),
        };
        let monitor = Monitor::new(measuring, directory.clone());
        let surface = Surface::new(surface_options(), directory.clone(), pipeline, monitor);
        let upstream: Arc<dyn Dial> = Arc::new(Upstream { result });
        let dialler = Dialler(Arc::new(move |_| Way::Custom(Arc::clone(&upstream))));
        let options = SupervisorOptions { dialler: Some(dialler), ..SupervisorOptions::default() };
        let mut keeping = JoinSet::new();
        keeping.spawn(Supervisor::new(options, directory.clone()).run(wanted_rx));
        drop(entered);
        let mut generations = directory.generations();
        let is_ready = || directory.load().upstreams().iter().any(|one| one.view.is_ready());
        let seen = async {
            while !is_ready() {
                generations.changed().await.unwrap();
            }
        };
        runtime
            .block_on(async { timeout(Duration::from_secs(20), seen).await })
            .expect("the upstream never came to be ready");
        Self { runtime, surface, _keeping: keeping, _wanted: wanted }
    }

    /// Makes a call, and says how many bytes its answer has.
    fn call<B>(&self, request: Request<B>) -> usize
    where
        B: Body<Data = Bytes> + Unpin,
    {
        self.runtime.block_on(async {
            let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let answer = self.surface.handle(request, here).await;
            assert_eq!(answer.status(), 200);
            let mut body = answer.into_body();
            let mut bytes = 0;
            while let Some(frame) = body.frame().await {
                bytes += frame.unwrap().into_data().unwrap().len();
            }
            bytes
        })
    }
}

fn request<B>(body: B) -> Request<B> {
    let request = Request::post("/one/echo").header("content-type", "application/json");
    request.header("host", "localhost").header("user-agent", "test").body(body).unwrap()
}

fn result(text: &str) -> Bytes {
    json!({"content": [{"type": "text", "text": text}]}).to_string().into()
}

/// A body that comes in pieces, each of which is made as it is taken.
struct Arriving {
    left: usize,
    head: Option<&'static [u8]>,
}

const HEAD: &[u8] = br#"{"message":""#;
const PIECE_BYTES: usize = 64 << 10;

impl Body for Arriving {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(head)))));
        }
        let piece = self.left.min(PIECE_BYTES);
        self.left -= piece;
        let last = self.left == 0;
        let bytes = || {
            let mut bytes = vec![b'x'; piece];
            if last {
                bytes[piece - 2..].copy_from_slice(b"\"}");
            }
            Bytes::from(bytes)
        };
        Poll::Ready((piece > 0).then(|| Ok(Frame::data(bytes()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.left + self.head.map_or(0, <[u8]>::len)) as u64)
    }
}

#[test]
fn a_healthy_call_allocates_seldom() {
    let scene = Scene::new(result("hello"));
    let body = Bytes::from_static(br#"{"message":"hello, this is a message"}"#);
    let call = || {
        let request = request(Full::new(body.clone()));
        measure(|| assert_eq!(scene.call(request), 7)).count_total
    };
    // Tables are made on first use, and once in a while a batch of counts is written away.
    let fewest = (0..50).map(|_| call()).min().unwrap();
    assert!(
        fewest <= ALLOCATIONS_PER_CALL_MAX,
        "{fewest} allocations, and {ALLOCATIONS_PER_CALL_MAX} are allowed",
    );
}

#[test]
fn a_call_that_might_be_shared_allocates_little_more() {
    let scene = Scene::with_all(result("hello"));
    let call = |index: usize| {
        let request = request(Full::new(Bytes::from(format!(r#"{{"message":"{index:020}"}}"#))));
        measure(|| assert_eq!(scene.call(request), 7)).count_total
    };
    let fewest = (0..50).map(call).min().unwrap();
    assert!(
        fewest <= ALLOCATIONS_PER_MISS_MAX,
        "{fewest} allocations, and {ALLOCATIONS_PER_MISS_MAX} are allowed",
    );
}

#[test]
fn a_connection_without_a_request_has_no_room_for_a_call() {
    let scene = Scene::new(result("hello"));
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let handled = scene.surface.handle(request(Full::new(Bytes::new())), here);
    let bytes = size_of_val(&handled);
    assert!(bytes <= REQUEST_BYTES_MAX, "{bytes} bytes");
}

#[test]
fn a_large_answer_is_not_held_twice() {
    let inner = json!({"rows": vec!["\"quoted\"\n"; LARGE_BYTES / 16]}).to_string();
    let two = json!({"content": [{"type": "text", "text": inner}, {"type": "text", "text": "b"}]});
    let cases = [
        ("JSON in a text", result(&inner), inner.len()),
        ("prose", result(&"x".repeat(LARGE_BYTES)), LARGE_BYTES + 2),
        ("two items", two.to_string().into(), inner.len() + 6),
    ];
    for (name, result, length) in cases {
        let bytes = result.len();
        let scene = Scene::new(result);
        let call = || request(Full::new(Bytes::from_static(br#"{"message":"a"}"#)));
        assert_eq!(scene.call(call()), length, "{name}");
        let taken = measure(|| {
            scene.call(call());
        });
        assert!(taken.bytes_max as f64 <= BESIDE_MAX * bytes as f64, "{name}: {taken:?}");
    }
}

#[test]
fn a_large_body_is_not_held_twice() {
    let scene = Scene::new(result("hello"));
    let call = || request(Arriving { left: LARGE_BYTES, head: Some(HEAD) });
    scene.call(call());
    let taken = measure(|| {
        scene.call(call());
    });
    assert!(taken.bytes_max as f64 <= (1.0 + BESIDE_MAX) * LARGE_BYTES as f64, "{taken:?}");
}
