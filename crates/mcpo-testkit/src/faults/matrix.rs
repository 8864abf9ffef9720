//! All faults. What a fault is called, and what it does, stands here and nowhere else.

use std::time::Duration;

use super::act::{Act, GATE};
use super::{Fault, Way};
use crate::proxy::{Cut, Requests, Slice, Weather};
use crate::script::{HttpStep, LostSession, ReplyAs, Step};
use crate::trouble::{On, Trouble};

const STDIO: &[Way] = &[Way::Stdio, Way::StdioModern];
const STREAMABLE: &[Way] = &[Way::Http, Way::HttpModern];
const NETWORK: &[Way] = &[Way::Http, Way::HttpModern, Way::Sse];
const SESSIONS: &[Way] = &[Way::Http];
const STREAM: &[Way] = &[Way::Sse];
const ALL: &[Way] = &Way::ALL;

/// Until calls succeed again, or it counts as never.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same where nobody can know that something is wrong before deadlines and probes have passed.
const LONG_PATIENCE: Duration = Duration::from_secs(30);
/// Time enough for some calls to meet what only calls meet.
const MOMENT: Duration = ms(200);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// All faults, in the order of the table.
#[must_use]
pub fn matrix() -> Vec<Fault> {
    let mut all = Vec::new();
    all.extend(children());
    all.extend(pipes());
    all.extend(silences());
    all.extend(servers());
    all.extend(statuses());
    all.extend(answers());
    all.extend(networks());
    all.extend(slow_networks());
    all.extend(streams());
    all
}

fn fault(
    name: &'static str,
    about: &'static str,
    ways: &'static [Way],
    length: Duration,
    act: Act,
) -> Fault {
    Fault {
        name,
        about,
        ways,
        length,
        back: true,
        new_life: false,
        spare: false,
        operator: false,
        patience: PATIENCE,
        reply_as: ReplyAs::Json,
        lost_session: LostSession::NotFound,
        act,
    }
}

impl Fault {
    fn new_life(self) -> Self {
        Self { new_life: true, ..self }
    }

    fn not_back(self) -> Self {
        Self { back: false, ..self }
    }

    fn noticed_late(self) -> Self {
        Self { back: false, patience: LONG_PATIENCE, ..self }
    }

    fn streamed(self) -> Self {
        Self { reply_as: ReplyAs::Sse, ..self }
    }
}

/// The next call of each tool meets it.
fn once(steps: &[Step]) -> Act {
    let of = |name: &str, tool| Trouble {
        name: name.into(),
        ..Trouble::on_call(steps.to_vec()).tool(tool).times(1)
    };
    Act::Trouble(vec![of("one write", "write"), of("one read", "read")])
}

/// Every call meets it.
fn calls(steps: Vec<Step>) -> Act {
    Act::Trouble(vec![Trouble::on_call(steps)])
}

fn children() -> Vec<Fault> {
    let slow = Trouble::on(On::Start, vec![Step::Delay(1000)]).times(1);
    let crash = Trouble::on(On::Start, vec![Step::Crash(1)]).times(3);
    let none = Duration::ZERO;
    vec![
        fault("kill-9", "child killed with SIGKILL", STDIO, none, Act::Kill(Vec::new())),
        fault("exit-0", "child exits by itself, status 0", STDIO, MOMENT, once(&[Step::Exit(0)])),
        fault(
            "exit-in-call",
            "child exits 100 ms into a call",
            STDIO,
            MOMENT,
            once(&[Step::Run, Step::Delay(100), Step::Exit(1)]),
        ),
        fault(
            "crash-before",
            "child dies before it ran the call",
            STDIO,
            MOMENT,
            once(&[Step::Crash(1)]),
        ),
        fault(
            "crash-after",
            "child dies after it ran the call, before it answers",
            STDIO,
            MOMENT,
            once(&[Step::Run, Step::Crash(1)]),
        ),
        fault(
            "slow-start",
            "child killed; the next one takes 1 s to start",
            STDIO,
            none,
            Act::Kill(vec![slow]),
        ),
        fault(
            "crash-loop",
            "child killed; three more die at once, the fourth is well",
            STDIO,
            none,
            Act::Kill(vec![crash]),
        ),
    ]
    .into_iter()
    .map(Fault::new_life)
    .chain([Fault {
        spare: true,
        ..fault("kill-9-spare", "one of two children killed", STDIO, none, Act::Kill(Vec::new()))
    }])
    .collect()
}

fn pipes() -> Vec<Fault> {
    let noise = Step::Send("Server is listening on port 3000 ...".into());
    vec![
        fault(
            "stdout-noise",
            "every answer comes after a line that is no JSON",
            STDIO,
            ms(500),
            calls(vec![noise]),
        ),
        fault(
            "stdout-garbage",
            "an answer of each tool is bytes that are no JSON",
            STDIO,
            MOMENT,
            once(&[Step::Garbage(b"\xff\xfe\x00 not an answer".to_vec())]),
        )
        .not_back(),
        fault(
            "half-line",
            "half an answer, then the child exits",
            STDIO,
            MOMENT,
            once(&[Step::ExitMidLine]),
        )
        .new_life(),
        fault(
            "closes-stdout",
            "child closes stdout and goes on running",
            STDIO,
            MOMENT,
            once(&[Step::CloseStdout]),
        )
        .new_life(),
        fault(
            "stderr-flood",
            "40,000 lines on stderr",
            STDIO,
            ms(500),
            once(&[Step::StderrLines(40_000)]),
        ),
        fault("stop-2s", "child stands still (SIGSTOP) for 2 s", STDIO, ms(2000), Act::Freeze),
        fault("stop", "child stands still (SIGSTOP) for good", STDIO, MOMENT, Act::FreezeForGood)
            .new_life()
            .noticed_late(),
        fault("deaf", "child reads nothing more", STDIO, MOMENT, once(&[Step::IgnoreStdin]))
            .new_life()
            .noticed_late(),
    ]
}

fn silences() -> Vec<Fault> {
    vec![
        fault(
            "hang-one",
            "a call of each tool is never answered",
            ALL,
            MOMENT,
            once(&[Step::Hang]),
        )
        .not_back(),
        fault(
            "hang-all",
            "calls of half a second are never answered",
            ALL,
            ms(500),
            calls(vec![Step::Hang]),
        )
        .not_back(),
        fault(
            "pause",
            "calls are held for 1 s, then answered",
            ALL,
            ms(1000),
            calls(vec![Step::Gate(GATE.into())]),
        ),
    ]
}

fn servers() -> Vec<Fault> {
    let forgotten = |name, about, lost_session| Fault {
        lost_session,
        ..fault(name, about, SESSIONS, Duration::ZERO, Act::ForgetSessions)
    };
    vec![
        fault("restart-0.5s", "server away for 0.5 s", NETWORK, ms(500), Act::Restart).new_life(),
        fault("restart-2s", "server away for 2 s", NETWORK, ms(2000), Act::Restart).new_life(),
        forgotten("session-404", "sessions forgotten: 404", LostSession::NotFound),
        forgotten("session-400", "sessions forgotten: 400, -32000", LostSession::BadRequest),
        forgotten(
            "session-400-text",
            "sessions forgotten: 400, text",
            LostSession::PlainBadRequest,
        ),
    ]
}

fn statuses() -> Vec<Fault> {
    let html = |status| {
        let body = "<html><body><h1>Error</h1></body></html>".to_owned();
        vec![Step::Http(HttpStep {
            body,
            ..HttpStep::status(status).header("content-type", "text/html")
        })]
    };
    let later = |status| {
        vec![Step::Http(HttpStep::json(status, r#"{"error":"busy"}"#).header("retry-after", "1"))]
    };
    let all = |steps| Act::Trouble(vec![Trouble::on_all(steps)]);
    let denied = HttpStep::json(401, r#"{"error":"invalid_token"}"#)
        .header("www-authenticate", r#"Bearer error="invalid_token""#);
    vec![
        fault("429", "429 with Retry-After: 1 for 0.5 s", STREAMABLE, ms(500), calls(later(429))),
        fault("503", "503 with Retry-After: 1 for 0.5 s", STREAMABLE, ms(500), calls(later(503))),
        fault(
            "500",
            "500 for 0.5 s",
            STREAMABLE,
            ms(500),
            calls(vec![Step::Http(HttpStep::json(500, r#"{"error":"internal"}"#))]),
        ),
        fault("502-html", "502 and an HTML page for 0.5 s", STREAMABLE, ms(500), all(html(502))),
        fault("521-html", "521 and an HTML page for 0.5 s", STREAMABLE, ms(500), all(html(521))),
        Fault {
            operator: true,
            ..fault(
                "401",
                "401 for 1 s, until the operator has cured it",
                STREAMABLE,
                ms(1000),
                all(vec![Step::Http(denied)]),
            )
            .not_back()
        },
    ]
}

fn answers() -> Vec<Fault> {
    let no_id = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Server not initialized"}}"#;
    let wrong = r#"{"jsonrpc":"2.0","id":987654321,"result":{"content":[{"type":"text","text":"for another"}]}}"#;
    let body = |body: &str| vec![Step::Http(HttpStep::json(200, body))];
    vec![
        fault(
            "no-id",
            "errors without an id for 0.5 s",
            STREAMABLE,
            ms(500),
            calls(vec![Step::RawAnswer(no_id.into())]),
        ),
        fault(
            "wrong-id",
            "answers with another id for 0.2 s",
            STREAMABLE,
            MOMENT,
            calls(vec![Step::RawAnswer(wrong.into())]),
        ),
        fault(
            "malformed",
            "malformed JSON for 0.2 s",
            STREAMABLE,
            MOMENT,
            calls(body(r#"{"jsonrpc":"2.0","id":$ID,"result":"#)),
        ),
        fault("empty-200", "200 without a body for 0.2 s", STREAMABLE, MOMENT, calls(body(""))),
        fault(
            "rpc-error",
            "-32603 for 0.5 s",
            ALL,
            ms(500),
            calls(vec![Step::RpcError {
                code: -32603,
                message: "Internal error".into(),
                data: serde_json::Value::Null,
            }]),
        ),
    ]
}

fn networks() -> Vec<Fault> {
    let requests = |requests| Act::Weather(Weather { requests, ..Weather::default() });
    let cut = |after_bytes, reset| {
        Act::Weather(Weather { cut: Some(Cut { after_bytes, reset }), ..Weather::default() })
    };
    vec![
        fault(
            "reset-before",
            "requests are reset for 0.5 s, unseen by the server",
            NETWORK,
            ms(500),
            requests(Requests::Reset),
        ),
        fault(
            "reset-after",
            "answers are reset for 0.5 s, the calls ran",
            NETWORK,
            ms(500),
            cut(0, true),
        ),
        fault(
            "half-body",
            "answers end in their middle for 0.5 s",
            NETWORK,
            ms(500),
            cut(150, false),
        ),
        fault(
            "reset-idle",
            "every connection is reset once",
            NETWORK,
            Duration::ZERO,
            Act::ResetExisting,
        ),
        fault(
            "close-idle",
            "every connection is closed once",
            NETWORK,
            Duration::ZERO,
            Act::CloseExisting,
        ),
        fault(
            "refused",
            "connections reset, new ones refused for 1 s",
            NETWORK,
            ms(1000),
            Act::Refuse,
        ),
        fault(
            "blackhole",
            "requests are swallowed for 1 s",
            NETWORK,
            ms(1000),
            requests(Requests::Swallow),
        )
        .noticed_late(),
        fault(
            "half-open",
            "every connection goes silent; new ones work",
            NETWORK,
            Duration::ZERO,
            Act::HalfOpenExisting,
        )
        .noticed_late(),
    ]
}

fn slow_networks() -> Vec<Fault> {
    let slice = Slice { bytes: 64, pause: ms(1) };
    vec![
        fault(
            "delay",
            "300 ms each way for 1 s",
            NETWORK,
            ms(1000),
            Act::Weather(Weather { delay_up: ms(300), delay_down: ms(300), ..Weather::default() }),
        ),
        fault(
            "slice",
            "64 bytes a packet, 1 ms between them, for 0.5 s",
            NETWORK,
            ms(500),
            Act::Weather(Weather { slice: Some(slice), ..Weather::default() }),
        ),
        fault(
            "bandwidth",
            "16 kB/s for 1 s",
            NETWORK,
            ms(1000),
            Act::Weather(Weather { bandwidth: Some(16_000), ..Weather::default() }),
        ),
    ]
}

fn streams() -> Vec<Fault> {
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"working"}}"#;
    vec![
        fault(
            "stream-cut",
            "streamed answers break in their middle for 0.2 s",
            STREAMABLE,
            MOMENT,
            calls(vec![Step::ExitMidLine]),
        )
        .streamed(),
        fault(
            "stream-empty",
            "streams end without their answer for 0.2 s",
            STREAMABLE,
            MOMENT,
            calls(vec![Step::Run, Step::Send(progress.into()), Step::EndTurn]),
        )
        .streamed(),
        fault(
            "sse-ended",
            "the event stream breaks in a call",
            STREAM,
            MOMENT,
            once(&[Step::Exit(1)]),
        ),
    ]
}
