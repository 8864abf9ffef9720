//! The smallest HTTP client that will do. It speaks HTTP/1.0, so that an answer ends where the
//! connection ends.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any deadline of mcpo's own that these tests run into.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The header lines, in lower case.
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| unreadable(&self.body, &error))
    }
}

fn unreadable(body: &str, error: &serde_json::Error) -> Value {
    assert!(body.is_empty(), "the body is not JSON ({error}): {body}");
    Value::Null
}

/// Sends one request to this machine. `None` means that nobody answered.
pub(crate) async fn request(port: u16, head: &str, body: &str) -> Option<Answer> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
        let length = body.len();
        let message = format!(
            "{line} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        stream.write_all(message.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        parse(&String::from_utf8(answer).expect("every answer of ours is UTF-8"))
    };
    tokio::time::timeout(ANSWER_TIMEOUT, exchange).await.unwrap_or_default()
}

/// A POST of JSON.
pub(crate) async fn post(port: u16, path: &str, body: &Value, headers: &str) -> Option<Answer> {
    request(
        port,
        &format!("POST {path}\nContent-Type: application/json\r\n{headers}"),
        &body.to_string(),
    )
    .await
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let (status, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, headers: headers.to_ascii_lowercase(), body: body.to_owned() })
}
