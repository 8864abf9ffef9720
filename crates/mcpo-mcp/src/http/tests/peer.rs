//! A scripted HTTP/1.1 upstream: what it answers is data, and what it was asked is kept.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// One request that came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// `POST tools/call`, `POST reply`, `GET`, `DELETE`.
    pub(super) what: String,
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Value,
    pub(super) raw: String,
}

/// One answer. `{id}` in its pieces stands for the id of the request.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    pieces: Vec<Piece>,
    framing: Framing,
}

/// What ends a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length,
    Chunks,
    /// The end of the connection, so that a cut is not seen; or a length that stands among the
    /// headers.
    Connection,
}

#[derive(Debug, Clone)]
pub(super) enum Piece {
    Text(String),
    /// Waits for [`Peer::go`].
    Pause,
    /// Breaks the connection.
    Cut,
}

pub(super) fn text(text: &str) -> Piece {
    Piece::Text(text.to_owned())
}

pub(super) fn json(body: &str) -> Answer {
    Answer { status: 200, headers: Vec::new(), pieces: vec![text(body)], framing: Framing::Length }
        .header("Content-Type", "application/json")
}

pub(super) fn result(result: &str) -> Answer {
    json(&format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{result}}}"#))
}

pub(super) fn status(status: u16, body: &str) -> Answer {
    Answer { status, ..json(body) }
}

pub(super) fn events(pieces: impl IntoIterator<Item = Piece>) -> Answer {
    let pieces = pieces.into_iter().collect();
    Answer { status: 200, headers: Vec::new(), pieces, framing: Framing::Chunks }
        .header("Content-Type", "text/event-stream")
}

impl Answer {
    /// The same, but this comes first.
    pub(super) fn after(mut self, piece: Piece) -> Self {
        self.pieces.insert(0, piece);
        self
    }

    /// The same, but its body ends with its connection.
    pub(super) fn unframed(mut self) -> Self {
        self.framing = Framing::Connection;
        self
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// The peer; it ends with this.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) port: u16,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    script: Mutex<HashMap<String, VecDeque<Answer>>>,
    seen: watch::Sender<Vec<Seen>>,
    gate: Semaphore,
    /// Connections that the other side closed before their answer was whole.
    abandoned: watch::Sender<usize>,
}

impl Peer {
    /// Each key's answers are given in turn; the last one for ever. What has no key is answered
    /// like by an upstream that does not know it.
    pub(super) async fn start<'a>(
        script: impl IntoIterator<Item = (&'a str, Vec<Answer>)>,
    ) -> Self {
        let script =
            script.into_iter().map(|(key, answers)| (key.to_owned(), answers.into())).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            seen: watch::Sender::default(),
            gate: Semaphore::new(0),
            abandoned: watch::Sender::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Self { port, shared, _tasks: tasks }
    }

    pub(super) fn url(&self, path: &str) -> url::Url {
        format!("http://127.0.0.1:{}{path}", self.port).parse().unwrap()
    }

    /// Lets one pause end.
    pub(super) fn go(&self) {
        self.shared.gate.add_permits(1);
    }

    /// Waits until so many requests of a kind came; gives them.
    pub(super) async fn saw(&self, what: &str, count: usize) -> Vec<Seen> {
        let of_kind = |seen: &Vec<Seen>| seen.iter().filter(|seen| seen.what == what).count();
        let mut seen = self.shared.seen.subscribe();
        let waited =
            tokio::time::timeout(PATIENCE, seen.wait_for(|seen| of_kind(seen) >= count)).await;
        assert!(waited.is_ok(), "{what} came {} times", of_kind(&self.shared.seen.borrow()));
        self.all(what)
    }

    pub(super) fn all(&self, what: &str) -> Vec<Seen> {
        self.shared.seen.borrow().iter().filter(|seen| seen.what == what).cloned().collect()
    }

    pub(super) async fn was_abandoned(&self) {
        let mut abandoned = self.shared.abandoned.subscribe();
        tokio::time::timeout(PATIENCE, abandoned.wait_for(|times| *times > 0))
            .await
            .unwrap()
            .unwrap();
    }
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut buffer).await {
        let answer = shared.answer(&seen.what);
        let id = seen.body.get("id").map_or_else(|| "null".to_owned(), Value::to_string);
        shared.seen.send_modify(|all| all.push(seen));
        if write_answer(&mut stream, &shared, answer, &id).await.is_none() {
            return;
        }
    }
}

impl Shared {
    fn answer(&self, what: &str) -> Answer {
        let mut script = self.script.lock().unwrap();
        match script.get_mut(what) {
            Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
            Some(answers) => answers[0].clone(),
            None if what.starts_with("POST notifications/") || what == "POST reply" => {
                status(202, "")
            }
            None if what.starts_with("POST") => status(400, "what?"),
            None => status(405, ""),
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let head_end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        more(stream, buffer).await?;
    };
    let head = String::from_utf8(buffer[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let (method, rest) = lines.next()?.split_once(' ')?;
    let path = rest.split(' ').next()?.to_owned();
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while buffer.len() < head_end + 4 + length {
        more(stream, buffer).await?;
    }
    let raw = String::from_utf8(buffer[head_end + 4..head_end + 4 + length].to_vec()).unwrap();
    buffer.drain(..head_end + 4 + length);
    let body: Value = serde_json::from_str(&raw).unwrap_or_default();
    let what = match (method, body.get("method").and_then(Value::as_str)) {
        ("POST", Some(called)) => format!("POST {called}"),
        ("POST", None) => "POST reply".to_owned(),
        (other, _) => other.to_owned(),
    };
    Some(Seen { what, path, headers, body, raw })
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    match stream.read_buf(buffer).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(()),
    }
}

async fn write_answer(
    stream: &mut TcpStream,
    shared: &Shared,
    answer: Answer,
    id: &str,
) -> Option<()> {
    let pieces: Vec<_> = answer
        .pieces
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => Piece::Text(text.replace("{id}", id)),
            other @ (Piece::Pause | Piece::Cut) => other,
        })
        .collect();
    let size: usize =
        pieces.iter().map(|piece| if let Piece::Text(text) = piece { text.len() } else { 0 }).sum();
    let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let chunked = answer.framing == Framing::Chunks;
    head.push_str(&match answer.framing {
        Framing::Chunks => "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
        Framing::Length => format!("Content-Length: {size}\r\n\r\n"),
        Framing::Connection => "\r\n".to_owned(),
    });
    let mut head = Some(head);
    for piece in pieces {
        match piece {
            // A cut before any text comes before the head.
            Piece::Cut => return None,
            Piece::Pause => {
                if chunked && let Some(head) = head.take() {
                    stream.write_all(head.as_bytes()).await.ok()?;
                }
                pause(stream, shared).await?;
            }
            Piece::Text(text) => {
                let head = head.take().unwrap_or_default();
                let framed = if chunked {
                    format!("{head}{:x}\r\n{text}\r\n", text.len())
                } else {
                    head + &text
                };
                stream.write_all(framed.as_bytes()).await.ok()?;
            }
        }
    }
    let end = format!("{}{}", head.unwrap_or_default(), if chunked { "0\r\n\r\n" } else { "" });
    stream.write_all(end.as_bytes()).await.ok()?;
    (answer.framing != Framing::Connection).then_some(())
}

async fn pause(stream: &mut TcpStream, shared: &Shared) -> Option<()> {
    tokio::select! {
        permit = shared.gate.acquire() => {
            permit.unwrap().forget();
            Some(())
        }
        _ = stream.readable() => {
            let mut byte = [0];
            if matches!(stream.peek(&mut byte).await, Ok(0) | Err(_)) {
                shared.abandoned.send_modify(|times| *times += 1);
            }
            None
        }
    }
}
