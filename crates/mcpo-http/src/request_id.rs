//! A name for each request, in its answer and in the log.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer one would fill logs.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Eight digits and a dash.
const PREFIX_BYTES: usize = 8 + 1;

/// The prefix, and as many digits as 64 bits have.
const FRESH_BYTES_MAX: usize = PREFIX_BYTES + 16;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Makes names that no other process makes, without a draw of chance for each.
#[derive(Debug)]
pub(crate) struct RequestIds {
    /// The prefix, with room for a number behind it.
    form: [u8; FRESH_BYTES_MAX],
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        // The keys of the standard library's hash maps are random for each process.
        let chance = RandomState::new().build_hasher().finish();
        let mut form = [b'-'; FRESH_BYTES_MAX];
        put_hex(&mut form[..PREFIX_BYTES - 1], chance >> 32);
        Self { form, next: AtomicU64::new(1) }
    }

    /// The downstream's own name for the request where it is fit for a log, else a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        match headers.get(REQUEST_ID) {
            Some(sent) if is_fit(sent.as_bytes()) => sent.clone(),
            Some(_) | None => self.fresh(),
        }
    }

    /// A new name.
    pub(crate) fn fresh(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // Written by hand, and where it costs no allocation: the value takes a copy of its own.
        let mut name = self.form;
        let digits = number.checked_ilog2().map_or(1, |highest| highest as usize / 4 + 1);
        let length = PREFIX_BYTES + digits;
        put_hex(&mut name[PREFIX_BYTES..length], number);
        HeaderValue::from_bytes(&name[..length]).expect("hexadecimal digits are fit")
    }
}

/// Writes the lowest digits of a number, as many as there is room for.
fn put_hex(room: &mut [u8], mut number: u64) {
    for digit in room.iter_mut().rev() {
        *digit = DIGITS[(number & 0xf) as usize];
        number >>= 4;
    }
}

fn is_fit(id: &[u8]) -> bool {
    !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests;
