//! A name for each request, in its answer and in the log.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer one would fill logs.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Eight digits, a dash, and as many as 64 bits have.
const FRESH_BYTES_MAX: usize = 8 + 1 + 16;

/// Makes names that no other process makes, without a draw of chance for each.
#[derive(Debug)]
pub(crate) struct RequestIds {
    prefix: u32,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        // The keys of the standard library's hash maps are random for each process.
        let chance = RandomState::new().build_hasher().finish();
        Self { prefix: (chance >> 32) as u32, next: AtomicU64::new(1) }
    }

    /// The downstream's own name for the request where it is fit for a log, else a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        match headers.get(REQUEST_ID) {
            Some(sent) if is_fit(sent.as_bytes()) => sent.clone(),
            Some(_) | None => self.fresh(),
        }
    }

    fn fresh(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // Written where it costs no allocation: the value takes a copy of its own.
        let mut name = [0; FRESH_BYTES_MAX];
        let mut rest = name.as_mut_slice();
        write!(rest, "{:08x}-{number:x}", self.prefix).expect("there is room for all digits");
        let length = FRESH_BYTES_MAX - rest.len();
        HeaderValue::from_bytes(&name[..length]).expect("hexadecimal digits are fit")
    }
}

fn is_fit(id: &[u8]) -> bool {
    !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests;
