//! Load over keep-alive HTTP/1.1 connections, with as little code per call as a right answer
//! allows: on a small machine the generator takes its processor time from who is measured.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::{Buf, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::timer::Timer;
use super::{Arrivals, Plan, Report};

/// A connection that broke so often in one run is beyond measuring.
const RECONNECTS_MAX: usize = 100;

/// What is sent, over and over, and what makes an answer right.
#[derive(Debug, Clone)]
pub struct HttpLoad {
    /// Where to.
    pub address: SocketAddr,
    /// The whole request, head and body.
    pub request: Vec<u8>,
    /// What the body of a right answer (status 200) holds.
    pub expected: Vec<u8>,
}

/// The bytes of a POST of JSON.
#[must_use]
pub fn http_request(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Vec<u8> {
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{head}\r\n{body}").into_bytes()
}

impl HttpLoad {
    /// Runs the plan. Cancel-safe: dropping it closes the connections.
    ///
    /// # Errors
    /// When no connection can be made, or one breaks over and over.
    pub async fn run(&self, plan: &Plan) -> Result<Report> {
        let mut sockets = Vec::with_capacity(plan.connections);
        for _ in 0..plan.connections {
            sockets.push(connect(self.address).await?);
        }
        let arrivals = Arc::new(Arrivals::new(plan));
        let mut tasks = JoinSet::new();
        for socket in sockets {
            let (load, arrivals, report) = (self.clone(), Arc::clone(&arrivals), Report::new(plan));
            tasks.spawn(async move { load.keep_calling(socket, &arrivals, report).await });
        }
        let mut sum = Report::new(plan);
        while let Some(report) = tasks.join_next().await {
            sum.add(&report.context("a connection's task")??);
        }
        Ok(sum)
    }

    /// Makes one call on a new connection.
    ///
    /// # Errors
    /// No connection, or no right answer.
    pub async fn call_once(&self) -> Result<()> {
        let mut socket = connect(self.address).await?;
        socket.write_all(&self.request).await?;
        let mut buffer = BytesMut::new();
        if !read_answer(&mut socket, &mut buffer, &self.expected).await? {
            bail!("the answer is not the expected one");
        }
        Ok(())
    }

    async fn keep_calling(
        &self,
        mut socket: TcpStream,
        arrivals: &Arrivals,
        mut report: Report,
    ) -> Result<Report> {
        let timer = Timer::new()?;
        let mut buffer = BytesMut::with_capacity(16 << 10);
        let mut reconnects = 0;
        while let Some(intended) = arrivals.next() {
            if timer.until(intended).await? {
                report.woke(arrivals, intended);
            }
            match self.call(&mut socket, &mut buffer).await {
                Ok(right) => report.answered(arrivals, intended, right),
                Err(error) => {
                    report.errors += 1;
                    reconnects += 1;
                    if reconnects > RECONNECTS_MAX {
                        return Err(error.context("a connection breaks over and over"));
                    }
                    buffer.clear();
                    socket = connect(self.address).await?;
                }
            }
            // Nobody can catch up any more: let the run end and show it in the count.
            if Instant::now() > arrivals.end {
                break;
            }
        }
        Ok(report)
    }

    async fn call(&self, socket: &mut TcpStream, buffer: &mut BytesMut) -> Result<bool> {
        socket.write_all(&self.request).await?;
        read_answer(socket, buffer, &self.expected).await
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let socket =
        TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Reads one response and tells whether it is right; the buffer is left empty.
async fn read_answer(
    socket: &mut TcpStream,
    buffer: &mut BytesMut,
    expected: &[u8],
) -> Result<bool> {
    loop {
        if let Some((status, head, length)) = parse(buffer)? {
            let right =
                status == *b"200" && memmem::find(&buffer[head..head + length], expected).is_some();
            buffer.advance(head + length);
            return Ok(right);
        }
        if socket.read_buf(buffer).await? == 0 {
            bail!("the connection ended before the answer");
        }
    }
}

/// Status, length of the head, length of the body; `None` while not all of it is there.
fn parse(buffer: &[u8]) -> Result<Option<([u8; 3], usize, usize)>> {
    let Some(end) = memmem::find(buffer, b"\r\n\r\n") else { return Ok(None) };
    let head = end + 4;
    let status: [u8; 3] = buffer.get(9..12).context("a status line")?.try_into()?;
    let body = &buffer[head..];
    let length = match content_length(&buffer[..end]) {
        Some(length) => length,
        // Small chunked bodies only: that is all that the benchmark meets.
        None => match memmem::find(body, b"0\r\n\r\n") {
            Some(last) => last + 5,
            None => return Ok(None),
        },
    };
    Ok((body.len() >= length).then_some((status, head, length)))
}

fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let start =
        head.windows(NAME.len()).position(|window| window.eq_ignore_ascii_case(NAME))? + NAME.len();
    let value = head[start..].split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}
