//! One connection: a request out, an answer in, with as little code as a right answer allows.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Call, Kind, NUMBER_DIGITS};

/// The buffer of a connection at rest; thousands of them are open at once.
const BUFFER_BYTES: usize = 1 << 10;
/// A buffer that grew beyond this is given back.
const BUFFER_BYTES_KEPT: usize = 64 << 10;
/// The end of a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A connection that may be closed.
#[derive(Debug)]
pub(super) struct Line {
    address: SocketAddr,
    socket: Option<TcpStream>,
    buffer: BytesMut,
}

/// What came on it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) kind: Kind,
    /// The connection is of no use any more.
    pub(super) ends: bool,
}

/// The head of an answer.
struct Head {
    status: u16,
    bytes: usize,
    /// `None`: in chunks.
    length: Option<usize>,
    closes: bool,
}

// === impl Line ===

impl Line {
    /// One that is opened by its first call.
    pub(super) fn closed(address: SocketAddr) -> Self {
        Self { address, socket: None, buffer: BytesMut::new() }
    }

    pub(super) async fn open(address: SocketAddr) -> Result<Self> {
        let mut line = Self::closed(address);
        line.socket = Some(connect(address).await?);
        Ok(line)
    }

    pub(super) fn close(&mut self) {
        self.socket = None;
        self.buffer.clear();
    }

    /// Makes one call. Not cancel-safe: the line is to be closed when this is dropped.
    pub(super) async fn call(&mut self, call: &Call, number: u64) -> Result<Received> {
        if self.socket.is_none() {
            self.socket = Some(connect(self.address).await?);
        }
        let socket = self.socket.as_mut().context("it was just opened")?;
        let digits = write(socket, &mut self.buffer, call, number).await?;
        self.buffer.clear();
        let head = read(socket, &mut self.buffer).await?;
        let body = &self.buffer[head.bytes..];
        let kind = match head.status {
            200 if is_right(call, digits.as_ref(), body) => Kind::Right,
            200 => Kind::Wrong,
            status => Kind::Refused(format!("{status} {}", reason(body))),
        };
        if self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = BytesMut::with_capacity(BUFFER_BYTES);
        }
        Ok(Received { kind, ends: head.closes })
    }
}

// === impl Received ===

impl Received {
    pub(super) const fn broken() -> Self {
        Self { kind: Kind::Broken, ends: true }
    }

    pub(super) const fn given_up() -> Self {
        Self { kind: Kind::GivenUp, ends: true }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let socket =
        TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Sends the request, with its number where it has one; the buffer is used for that.
async fn write(
    socket: &mut TcpStream,
    buffer: &mut BytesMut,
    call: &Call,
    number: u64,
) -> Result<Option<[u8; NUMBER_DIGITS]>> {
    let Some(at) = call.number_at else {
        socket.write_all(&call.request).await?;
        return Ok(None);
    };
    let digits = digits(number);
    let (first, rest) = call.request.split_at(call.request.len().min(Call::NUMBER_WITHIN));
    buffer.clear();
    buffer.extend_from_slice(first);
    buffer.get_mut(at..at + NUMBER_DIGITS).context("room for a number")?.copy_from_slice(&digits);
    socket.write_all(buffer).await?;
    socket.write_all(rest).await?;
    Ok(Some(digits))
}

/// The number in decimal digits, from the left with zeros.
fn digits(number: u64) -> [u8; NUMBER_DIGITS] {
    let (mut digits, mut rest) = ([b'0'; NUMBER_DIGITS], number);
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    digits
}

/// Reads one answer, all of it; the buffer holds nothing else.
async fn read(socket: &mut TcpStream, buffer: &mut BytesMut) -> Result<Head> {
    let head = loop {
        if let Some(head) = parse(buffer)? {
            break head;
        }
        more(socket, buffer).await?;
    };
    match head.length {
        Some(length) => {
            buffer.reserve((head.bytes + length).saturating_sub(buffer.len()));
            while buffer.len() < head.bytes + length {
                more(socket, buffer).await?;
            }
        }
        // Nothing follows: the next request was not sent.
        None => {
            while !buffer[head.bytes..].ends_with(LAST_CHUNK) {
                more(socket, buffer).await?;
            }
        }
    }
    Ok(head)
}

async fn more(socket: &mut TcpStream, buffer: &mut BytesMut) -> Result<()> {
    if buffer.capacity() == buffer.len() {
        buffer.reserve(BUFFER_BYTES);
    }
    if socket.read_buf(buffer).await? == 0 {
        bail!("the connection ended before the answer");
    }
    Ok(())
}

/// `None` while not all of it is there.
fn parse(buffer: &[u8]) -> Result<Option<Head>> {
    let Some(end) = memmem::find(buffer, b"\r\n\r\n") else { return Ok(None) };
    let status = buffer.get(9..12).context("a status line")?;
    let mut head = Head {
        status: std::str::from_utf8(status)?.parse()?,
        bytes: end + 4,
        length: None,
        closes: false,
    };
    for line in buffer[..end].split(|byte| *byte == b'\n').skip(1) {
        if let Some(value) = value_of(line, b"content-length:") {
            head.length = Some(value.parse()?);
        } else if let Some(value) = value_of(line, b"connection:") {
            head.closes = value.eq_ignore_ascii_case("close");
        }
    }
    Ok(Some(head))
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let is_it = line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    std::str::from_utf8(line.get(name.len()..).filter(|_| is_it)?).ok().map(str::trim)
}

fn is_right(call: &Call, digits: Option<&[u8; NUMBER_DIGITS]>, body: &[u8]) -> bool {
    let found = match digits {
        None => memmem::find(body, &call.expected).is_some(),
        Some(digits) => memmem::find(body, digits)
            .is_some_and(|at| body[at + NUMBER_DIGITS..].starts_with(&call.expected)),
    };
    found && body.len() >= call.bytes_min
}

/// The word behind `"reason"`, else behind `"code"`, in an answer that says no.
fn reason(body: &[u8]) -> String {
    let word = |name: &[u8]| {
        let rest = &body[memmem::find(body, name)? + name.len()..];
        let rest = &rest[memchr::memchr(b'"', rest)? + 1..];
        std::str::from_utf8(&rest[..memchr::memchr(b'"', rest)?]).ok().map(str::to_owned)
    };
    word(b"\"reason\":").or_else(|| word(b"\"code\":")).unwrap_or_else(|| "without a word".into())
}

#[cfg(test)]
mod tests;
