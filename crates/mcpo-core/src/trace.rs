//! Which trace a call belongs to, as W3C Trace Context has it (Recommendation of 23 November 2021):
//! read strictly, since what is broken must not spread, and written as version 00.

mod state;

use std::fmt;
use std::fmt::Write;

/// The name of the header, and of the member of `_meta`, that says which trace and which span.
pub const TRACEPARENT: &str = "traceparent";

/// The name of the header, and of the member of `_meta`, with what tracing systems add to it.
pub const TRACESTATE: &str = "tracestate";

/// `version "-" trace-id "-" parent-id "-" trace-flags`, all of it hex (section 3.2.2).
const TRACEPARENT_BYTES: usize = 2 + 1 + 32 + 1 + 16 + 1 + 2;

/// The one flag of version 00 (section 3.2.2.5.1).
const SAMPLED: u8 = 0x01;

/// The version that nobody may use (section 3.2.2.2).
const NO_VERSION: u8 = 0xff;

/// A trace, and a span of it that is the parent of what comes next.
#[derive(Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// Not all zeros, as the next one.
    trace_id: [u8; 16],
    span_id: [u8; 8],
    sampled: bool,
    /// Checked: list members with commas between them.
    tracestate: Option<String>,
}

// === impl TraceContext ===

impl TraceContext {
    /// Reads the value of a `traceparent` and those of all `tracestate` headers, in their order.
    /// `None` if the first is broken; a broken `tracestate` is left out as a whole (section 4.3).
    /// Of later versions as much is read as is known (section 3.2.4).
    #[must_use]
    pub fn parse<'v>(
        traceparent: &[u8],
        tracestate: impl IntoIterator<Item = &'v [u8]>,
    ) -> Option<Self> {
        let traceparent = traceparent.trim_ascii();
        let (known, rest) = traceparent.split_at_checked(TRACEPARENT_BYTES)?;
        let [version] = id(&known[..2])?;
        let fits = match version {
            0 => rest.is_empty(),
            NO_VERSION => false,
            1.. => matches!(rest, [] | [b'-', ..]),
        };
        let dashes = [2, 35, 52].map(|at| known[at]);
        let trace_id: [u8; 16] = id(&known[3..35])?;
        let span_id: [u8; 8] = id(&known[36..52])?;
        let [flags] = id(&known[53..])?;
        let is_sound = fits && dashes == *b"---" && trace_id != [0; 16] && span_id != [0; 8];
        is_sound.then(|| Self {
            trace_id,
            span_id,
            sampled: flags & SAMPLED != 0,
            tracestate: state::read(tracestate),
        })
    }

    /// A trace of our own, with ids from the dice.
    #[must_use]
    pub fn begin(dice: [u64; 3], sampled: bool) -> Self {
        let [high, low, span] = dice;
        let trace_id = (u128::from(high) << 64 | u128::from(low)).max(1).to_be_bytes();
        Self { trace_id, span_id: span_id(span), sampled, tracestate: None }
    }

    /// The same trace, with a span of our own as the parent.
    #[must_use]
    pub fn child(&self, dice: u64) -> Self {
        Self { span_id: span_id(dice), ..self.clone() }
    }

    /// The same, said to be recorded: whoever records a span says so to those after it (section
    /// 3.2.2.5.1.1).
    #[must_use]
    pub fn recorded(self) -> Self {
        Self { sampled: true, ..self }
    }

    /// The trace's id; not all zeros.
    #[must_use]
    pub const fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// The id of the span; not all zeros.
    #[must_use]
    pub const fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    /// Whether the caller may have recorded it.
    #[must_use]
    pub const fn sampled(&self) -> bool {
        self.sampled
    }

    /// What tracing systems want handed on with it: printable ASCII, which may hold quotes and
    /// backslashes.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }

    /// The value of `traceparent`: lower-case hex and dashes.
    #[must_use]
    pub fn traceparent(&self) -> String {
        let mut text = String::with_capacity(TRACEPARENT_BYTES);
        text.push_str("00-");
        push_hex(&mut text, &self.trace_id);
        text.push('-');
        push_hex(&mut text, &self.span_id);
        text.push('-');
        push_hex(&mut text, &[if self.sampled { SAMPLED } else { 0 }]);
        text
    }
}

impl fmt::Debug for TraceContext {
    /// Without what tracing systems have added, which is nobody's business here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TraceContext").field(&self.traceparent()).finish()
    }
}

/// Zero is no id.
fn span_id(dice: u64) -> [u8; 8] {
    dice.max(1).to_be_bytes()
}

/// Bytes as twice as many lower-case hex digits (section 3.2.2: upper case is broken).
fn id<const BYTES: usize>(hex: &[u8]) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    let (pairs, []) = hex.as_chunks::<2>() else { return None };
    if pairs.len() != BYTES {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

const fn digit(hex: u8) -> Option<u8> {
    match hex {
        b'0'..=b'9' => Some(hex - b'0'),
        b'a'..=b'f' => Some(hex - b'a' + 10),
        _ => None,
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
}

#[cfg(test)]
mod tests;
