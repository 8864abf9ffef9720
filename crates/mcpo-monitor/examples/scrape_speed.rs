//! How long a scrape of many upstreams takes, from the meters to the last line of text, beside a
//! real supervisor and in virtual time:
//! `cargo run --release -p mcpo-monitor --example scrape_speed`.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use mcpo_config::{Endpoint, Era, Http, HttpKind, Monitoring, PoolSizes, Server, ServerName};
use mcpo_core::catalog::{CatalogPolicy, ServerIdentity};
use mcpo_core::load::ServerLoad;
use mcpo_core::trace::TraceContext;
use mcpo_mcp::answer::Answer;
use mcpo_mcp::custom::{BoxFuture, Custom, Dial, Wire};
use mcpo_mcp::endpoint;
use mcpo_mcp::error::{Cause, RequestError};
use mcpo_monitor::exposition::{Format, text};
use mcpo_monitor::faces;
use mcpo_monitor::monitor::{Monitor, MonitorOptions, PICTURE_AGE_MAX};
use mcpo_policy::pipeline::{Pipeline, PipelineOptions};
use mcpo_upstream::directory::Directory;
use mcpo_upstream::meter::{CallResult, Ended};
use mcpo_upstream::supervisor::{Dialler, Supervisor, SupervisorOptions};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, advance};

const SERVERS: usize = 1000;
const TOOLS_PER_SERVER: usize = 10;
/// Of each tool, no two of the same length: it is measured after the one and after the other.
const CALLS_PER_TOOL: [u32; 2] = [20, 200];
const ROUNDS: usize = 21;

/// An upstream in memory, with one session that never ends.
#[derive(Debug)]
struct Line(watch::Sender<u64>);

#[derive(Debug)]
struct Dialled;

impl Dial for Dialled {
    fn dial(&self) -> BoxFuture<Result<Custom, Cause>> {
        let wire = Arc::new(Line(watch::Sender::new(0)));
        let ended = Box::pin(std::future::pending());
        Box::pin(ready(Ok(Custom { identity: ServerIdentity::default(), wire, ended })))
    }
}

impl Wire for Line {
    fn call(
        &self,
        _: &str,
        _: &[u8],
        _: Instant,
        _: Option<&TraceContext>,
    ) -> BoxFuture<Result<Answer, RequestError>> {
        Box::pin(ready(Ok(Answer::Result("{}".into()))))
    }

    fn list(&self, _: Instant) -> BoxFuture<Result<Vec<Value>, RequestError>> {
        let tools = (0..TOOLS_PER_SERVER).map(|tool| json!({"name": tool_name(tool)})).collect();
        Box::pin(ready(Ok(tools)))
    }

    fn probe(&self, _: Instant) -> BoxFuture<Result<(), RequestError>> {
        Box::pin(ready(Ok(())))
    }

    fn tools_changed(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }

    fn close(&self) {}
}

fn tool_name(tool: usize) -> String {
    format!("some_tool_{tool:02}")
}

fn server(number: usize) -> Server {
    let url = "http://127.0.0.1:1/mcp".parse().expect("a valid address");
    Server {
        name: ServerName::new(&format!("server-{number:04}")).expect("a valid name"),
        endpoint: Endpoint::Http(Http { url, headers: Vec::new(), kind: HttpKind::Streamable }),
        era: Era::Auto,
        timeout: None,
        pool: PoolSizes { min: 1, max: 1 },
        catalog: CatalogPolicy::default(),
        load: ServerLoad::default(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    tokio::time::pause();
    let directory = Directory::new();
    let dialler =
        Dialler(Arc::new(|_| endpoint::Endpoint::Custom(Arc::new(Dialled) as Arc<dyn Dial>)));
    let options = SupervisorOptions { dialler: Some(dialler), ..SupervisorOptions::default() };
    let (_wanted, servers) = watch::channel(Arc::new((0..SERVERS).map(server).collect::<Vec<_>>()));
    let mut keeping = JoinSet::new();
    keeping.spawn(Supervisor::new(options, Arc::clone(&directory)).run(servers.clone()));
    let mut generations = directory.generations();
    while directory.load().upstreams().iter().filter(|one| one.view.is_ready()).count() < SERVERS {
        generations.changed().await.expect("the directory lives");
    }
    let pipeline = Pipeline::new(PipelineOptions::default(), directory.journal()).gauge();
    let monitoring = Monitoring::default();
    let options = MonitorOptions { monitoring, port: 0, servers, pipeline };
    let monitor = Monitor::new(options, Arc::clone(&directory));
    let mut called = 0;
    for calls in CALLS_PER_TOOL {
        for call in called + 1..=calls {
            // From a millisecond to 40 seconds.
            call_all(&directory, Duration::from_secs_f64(f64::from(call).powi(2) / 1000.0)).await;
            drop(monitor.picture());
        }
        called = calls;
        say(&format!("{SERVERS} servers, {TOOLS_PER_SERVER} tools each, {calls} calls of each"));
        measure(&monitor).await;
    }
}

/// Calls every tool at once.
async fn call_all(directory: &Directory, took: Duration) {
    let snapshot = Arc::clone(&directory.load());
    let names: Vec<_> = (0..TOOLS_PER_SERVER).map(tool_name).collect();
    let calls: Vec<_> = snapshot
        .upstreams()
        .iter()
        .flat_map(|upstream| names.iter().map(|name| upstream.meter().begin(name)))
        .collect();
    advance(took).await;
    for call in calls {
        call.end(Ended {
            result: CallResult::Ok,
            waited: took / 10,
            upstream: took * 9 / 10,
            bytes_in: 10,
            bytes_out: 100,
            trace_id: None,
        });
    }
}

async fn measure(monitor: &Monitor) {
    let alerts = Arc::clone(&monitor.alerts().borrow());
    let mut took = [const { Vec::new() }; 4];
    let mut bytes = [0; 3];
    for _ in 0..ROUNDS {
        advance(PICTURE_AGE_MAX + Duration::from_millis(1)).await;
        let (picture, length) = timed(|| monitor.picture());
        took[0].push(length);
        let (old, length) = timed(|| text(&picture, &alerts, Format::Prometheus004));
        took[1].push(length);
        let (new, length) = timed(|| text(&picture, &alerts, Format::OpenMetrics100));
        took[2].push(length);
        let (json, length) = timed(|| faces::metrics(&picture).to_string());
        took[3].push(length);
        bytes = [old.len(), new.len(), json.len()];
    }
    let [picture, old, new, json] = took.map(told);
    say(&format!(
        "picture      {picture}\nPrometheus   {old}, {} bytes\n\
         OpenMetrics  {new}, {} bytes\nJSON         {json}, {} bytes",
        bytes[0], bytes[1], bytes[2]
    ));
}

#[expect(clippy::disallowed_methods, reason = "virtual time stands still meanwhile")]
fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let start = std::time::Instant::now();
    let done = act();
    (done, start.elapsed())
}

fn told(mut lengths: Vec<Duration>) -> String {
    lengths.sort();
    let (first, middle) = (lengths[0], lengths[lengths.len() / 2]);
    format!("fastest {first:?}, median {middle:?}, slowest {:?}", lengths[lengths.len() - 1])
}

#[expect(clippy::print_stdout, reason = "what is measured is for people")]
fn say(words: &str) {
    println!("{words}");
}
