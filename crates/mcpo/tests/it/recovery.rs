//! What breaks heals: every test works, breaks something, sees the right problem (or none), heals,
//! and works again. The upstream's journal proves how often each call ran.

mod asleep;
mod crash_loop;
mod cut;
mod deadline;
mod down;
mod idle;
mod killed;
mod leaks;
mod load;
mod refused;
mod refused_credentials;
mod session;
mod start;
mod switched_off;
mod tools;

use std::time::Duration;

use mcpo_testkit::{
    Control, Era, HttpStep, HttpUpstream, Journal, Reply, Request, Script, Step, World,
    WorldBuilder, tool,
};
use serde_json::{Value, json};
use tokio::time::Instant;

/// The ways to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Stdio,
    /// Streamable HTTP with a handshake and a session.
    Legacy,
    /// Streamable HTTP without either.
    Modern,
    /// HTTP+SSE.
    Sse,
}

const ALL: [Over; 4] = [Over::Stdio, Over::Legacy, Over::Modern, Over::Sse];
const HTTP: [Over; 3] = [Over::Legacy, Over::Modern, Over::Sse];
const STREAMABLE: [Over; 2] = [Over::Legacy, Over::Modern];

/// An answer that waits for nothing but the machine comes within this, also on a busy one.
const AT_ONCE: Duration = Duration::from_secs(2);

/// How long something may take that must happen: a session that is silent is dead after two probes
/// of 5 s, and machines stall.
const PATIENCE: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// mcpo with one upstream, `up`, that is ready.
struct Bench {
    over: Over,
    world: World,
    http: Option<HttpUpstream>,
    journal: Journal,
    control: Control,
}

fn mcpo() -> WorldBuilder {
    World::with(env!("CARGO_BIN_EXE_mcpo")).unwrap()
}

/// A tool that takes a key.
fn keyed(name: &str) -> Value {
    let mut tool = tool(name);
    tool["inputSchema"]["properties"] =
        json!({"key": {"type": "string"}, "padding": {"type": "string"}});
    tool
}

/// A tool that takes a key and only reads.
fn reading(name: &str) -> Value {
    let mut tool = keyed(name);
    tool["annotations"] = json!({"readOnlyHint": true});
    tool
}

/// An upstream with `write`, that changes something, and `read`, that does not; both play these
/// turns.
fn write_and_read(turns: &[Vec<Step>]) -> Script {
    Script::new("scripted")
        .tool(keyed("write"))
        .tool(reading("read"))
        .on_call("write", turns.to_vec())
        .on_call("read", turns.to_vec())
}

/// Works, breaks like this, works.
fn once_broken(steps: Vec<Step>) -> Script {
    write_and_read(&[vec![Step::Echo], steps, vec![Step::Echo]])
}

async fn bench(over: Over, script: Script) -> Bench {
    bench_with(over, script, |world| world).await
}

async fn bench_with(
    over: Over,
    script: Script,
    more: impl FnOnce(WorldBuilder) -> WorldBuilder,
) -> Bench {
    let script = if over == Over::Modern { script.era(Era::Modern) } else { script };
    let (world, http) = match over {
        Over::Stdio => (mcpo().stdio("up", script).unwrap(), None),
        Over::Legacy | Over::Modern | Over::Sse => {
            let http = HttpUpstream::start(script).await.unwrap();
            let config = if over == Over::Sse { http.sse_config() } else { http.config() };
            (mcpo().server("up", config), Some(http))
        }
    };
    let world = more(world).start().await.unwrap();
    world.wait_ready().await.unwrap();
    let (journal, control) = match &http {
        Some(http) => (http.journal(), http.control()),
        None => (world.journal("up"), world.control("up")),
    };
    Bench { over, world, http, journal, control }
}

impl Bench {
    fn request(&self, tool: &str, key: &str) -> Request {
        Request::post(&self.world.url(&format!("/up/{tool}"))).json(&json!({ "key": key }))
    }

    /// Calls a tool with a key by which the journal knows the call.
    async fn call(&self, tool: &str, key: &str) -> Reply {
        self.world.send(self.request(tool, key)).await.unwrap()
    }

    async fn call_within(&self, seconds: &str, tool: &str, key: &str) -> Reply {
        let request = self.request(tool, key).header("x-tool-timeout", seconds);
        self.world.send(request).await.unwrap()
    }

    /// Calls a tool that must work at the first attempt, and runs once.
    async fn works(&self, tool: &str, key: &str) {
        let reply = self.call(tool, key).await;
        self.answered(&reply, key, 1);
        assert_eq!(self.journal.runs(key), 1, "{:?} {key}", self.over);
    }

    /// The reply is the echo of that call after so many attempts.
    fn answered(&self, reply: &Reply, key: &str, attempts: u32) {
        assert_eq!(reply.status, 200, "{:?} {key}: {reply}\n{}", self.over, self.world.stderr());
        assert_eq!(reply.json(), json!({ "key": key }));
        self.came_to(reply, "reply", attempts);
    }

    /// The reply has that status, and tells that outcome and fault.
    fn failed(&self, reply: &Reply, status: u16, outcome: &str, code: &str) {
        let about = format!("{:?}: {reply}\n{}", self.over, self.world.stderr());
        assert_eq!(reply.status, status, "{about}");
        let detail = &reply.json()["detail"];
        assert_eq!(
            (&detail["outcome"], &detail["code"]),
            (&json!(outcome), &json!(code)),
            "{about}"
        );
        assert_eq!(reply.header("x-mcpo-outcome"), Some(outcome), "{about}");
    }

    fn came_to(&self, reply: &Reply, outcome: &str, attempts: u32) {
        let told = (reply.header("x-mcpo-outcome"), reply.header("x-mcpo-attempts"));
        let attempts = attempts.to_string();
        assert_eq!(told, (Some(outcome), Some(attempts.as_str())), "{:?}: {reply}", self.over);
    }

    /// How often the journal for operators tells of that event.
    async fn told(&self, event: &str) -> usize {
        let reply = self.world.get("/admin/journal?limit=4096").await.unwrap().json();
        let entries = reply["entries"].as_array().unwrap();
        entries.iter().filter(|entry| entry["event"] == event).count()
    }

    fn upstream(&mut self) -> &mut HttpUpstream {
        self.http.as_mut().expect("an upstream over HTTP")
    }

    fn sessions_made(&self) -> usize {
        self.http.as_ref().map_or(0, HttpUpstream::sessions_made)
    }

    /// Nothing that was called ran more than once.
    fn ran_at_most_once(&self, keys: impl IntoIterator<Item = String>) {
        for key in keys {
            assert!(self.journal.runs(&key) <= 1, "{:?} {key}", self.over);
        }
    }
}

/// Waits until it is so.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How long a future takes, and what comes of it.
async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    (future.await, began.elapsed())
}

fn html(status: u16) -> Step {
    let mut step = HttpStep::status(status).header("content-type", "text/html");
    step.body = "<html><body><h1>It failed</h1></body></html>".to_owned();
    Step::Http(step)
}
