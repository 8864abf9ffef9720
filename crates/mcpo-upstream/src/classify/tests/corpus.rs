//! Plays every file of `corpus/` over a socket to the real transport, and compares what is made of
//! it with what the file says. The folder's README.md tells how a file is written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcpo_mcp::endpoint::{self, Endpoint, HttpTransport};
use mcpo_mcp::session::{ConnectOptions, connect};
use mcpo_testkit::{Era, HttpStep, HttpUpstream, Script, Step, tool};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;

/// How many there are at least: files do not get lost.
const FILES_MIN: usize = 140;

/// One file.
struct Case {
    name: String,
    transport: String,
    has_session: bool,
    at_connect: bool,
    expect: String,
    answer: HttpStep,
}

#[tokio::test]
async fn what_servers_and_gateways_say_is_taken_for_what_it_is() {
    let cases: Vec<Case> = files().iter().map(|path| Case::read(path)).collect();
    assert!(cases.len() >= FILES_MIN, "only {} files", cases.len());
    let mut plays = JoinSet::new();
    for case in cases {
        plays.spawn(async move {
            let got = case.play().await;
            (got != case.expect).then(|| format!("{}: {} but got {got}", case.name, case.expect))
        });
    }
    let mut wrong: Vec<String> = plays.join_all().await.into_iter().flatten().collect();
    wrong.sort();
    assert!(wrong.is_empty(), "{} files:\n{}", wrong.len(), wrong.join("\n"));
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let entries = std::fs::read_dir(folder).expect("the corpus is there");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "txt")).collect()
}

// === impl Case ===

impl Case {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).expect("a readable file");
        let (head, raw) = text.split_once("\n\n").unwrap_or_else(|| panic!("{name} has no head"));
        let keys: Vec<&str> =
            head.lines().map(|line| line.split(':').next().unwrap_or("")).collect();
        assert_eq!(keys, ["source", "transport", "session", "at", "expect"], "{name}");
        let value = |key: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(": "));
            fields.find(|field| field.0 == key).map(|field| field.1.to_owned()).unwrap_or_default()
        };
        Self {
            transport: value("transport"),
            has_session: value("session") == "yes",
            at_connect: value("at") == "connect",
            expect: value("expect"),
            answer: answer(raw),
            name,
        }
    }

    /// What is made of it, in the words of the files.
    async fn play(&self) -> String {
        let upstream = HttpUpstream::start(self.script()).await.expect("a free port");
        let deadline = Instant::now() + Duration::from_secs(30);
        let era = match self.transport.as_str() {
            "modern" => endpoint::Era::Modern,
            "http" | "sse" | "stdio" => endpoint::Era::Legacy,
            other => panic!("{}: no transport {other}", self.name),
        };
        let options = ConnectOptions {
            client_name: "corpus".to_owned(),
            client_version: "1".to_owned(),
            era,
            deadline,
            grace: Duration::from_secs(1),
        };
        let endpoint = Endpoint::Http(endpoint::Http {
            url: upstream.url().parse().expect("an address"),
            headers: Default::default(),
            transport: HttpTransport::Streamable,
        });
        let outcome = match connect(&endpoint, &options).await {
            Err(cause) => classify(Err(RequestError::maybe_sent(cause))),
            Ok(_) if self.at_connect => return "a session".to_owned(),
            Ok(connected) => {
                // Without its driver nothing is lost but the farewell.
                classify(connected.session.call_tool("play", b"{}", deadline, None).await)
            }
        };
        in_words(&outcome)
    }

    fn script(&self) -> Script {
        let turn = vec![vec![Step::Http(self.answer.clone())]];
        let script = if self.at_connect {
            Script::new("corpus").on_handshake(turn)
        } else {
            Script::new("corpus").tool(tool("play")).on_call("play", turn)
        };
        let era = if self.transport == "modern" { Era::Modern } else { Era::Legacy };
        // One with sessions refuses at once to be asked for HTTP+SSE instead.
        Script { sessions: self.has_session || self.at_connect, ..script.era(era) }
    }
}

/// The response as it stands in the file, or one around a bare JSON-RPC message.
fn answer(raw: &str) -> HttpStep {
    let with_id = |body: &str| body.replace("\"id\":7", "\"id\":$ID");
    let Some(response) = raw.strip_prefix("HTTP/") else {
        return HttpStep::json(200, &with_id(raw));
    };
    let (head, body) = response.split_once("\n\n").unwrap_or((response, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let plain = HttpStep::status(status.expect("a status"));
    let headers = lines.filter_map(|line| line.split_once(": "));
    let step = headers
        .filter(|(name, _)| !name.eq_ignore_ascii_case("connection"))
        .fold(plain, |step, (name, value)| step.header(name, value));
    HttpStep { body: with_id(body), ..step }
}

fn in_words(outcome: &Outcome<Answer>) -> String {
    let Some(fault) = outcome.fault() else { return outcome.kind().name().to_owned() };
    let (severity, cure) = (fault.kind.severity().name(), fault.kind.cure().name());
    format!("{} {severity} {} {cure}", fault.kind, outcome.kind().name())
}
