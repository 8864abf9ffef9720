//! A receiver of webhooks: it keeps every request, and answers as its script says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Longer than any wait of these tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// One request as it came.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) at: Instant,
    pub(super) head: String,
    pub(super) body: Value,
}

/// Listens on a port of its own until it is dropped.
#[derive(Debug)]
pub(super) struct Receiver {
    base: String,
    requests: Arc<Mutex<Vec<Request>>>,
    _task: JoinSet<()>,
}

/// Waits until it holds.
pub(super) async fn until(mut holds: impl FnMut() -> bool) {
    let looking = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("it holds in time");
}

impl Receiver {
    /// Answers each request with the next one of these status lines (further header lines may
    /// follow), `hang` or `endless`; when they are used up, with 200.
    pub(super) async fn answering(script: &[&'static str]) -> Self {
        let script = script.to_vec();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let mut task = JoinSet::new();
        let kept = Arc::clone(&requests);
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, script.clone(), Arc::clone(&kept)));
            }
        });
        Self { base, requests, _task: task }
    }

    /// An address at which nobody listens.
    pub(super) async fn gone() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// The request of that number, once it has come.
    pub(super) async fn request(&self, number: usize) -> Request {
        until(|| self.count() > number).await;
        self.requests.lock().unwrap()[number].clone()
    }
}

async fn serve(stream: TcpStream, script: Vec<&'static str>, requests: Arc<Mutex<Vec<Request>>>) {
    let mut stream = BufReader::new(stream);
    while let Some((head, body)) = read(&mut stream).await {
        let request = Request { at: Instant::now(), head, body };
        let number = {
            let mut requests = requests.lock().unwrap();
            requests.push(request);
            requests.len() - 1
        };
        match script.get(number).copied().unwrap_or("200 OK") {
            "hang" => std::future::pending().await,
            "endless" => return endless(stream).await,
            line => {
                let answer = format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn endless(mut stream: BufReader<TcpStream>) {
    let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n".to_vec();
    while stream.write_all(&bytes).await.is_ok() {
        bytes = vec![b' '; 65_536];
    }
}

/// One request; `None` where the other side has gone.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<(String, Value)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let length = lower.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, serde_json::from_slice(&body).unwrap()))
}
