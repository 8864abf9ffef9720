//! The headers of a request. A call looks at many that few requests have: one pass over those that
//! were sent costs less than a look-up for each.

use http::HeaderMap;

/// A header that few requests have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seldom {
    Accept,
    /// Or what HTTP/1.0 had for it.
    CacheControl,
    IdempotencyKey,
    Origin,
    RequestId,
    Timeout,
    Trace,
}

/// What was sent, and a bit for each of the headers that are seldom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent<'h> {
    pub(crate) headers: &'h HeaderMap,
    seldom: u8,
}

// === impl Sent ===

impl<'h> Sent<'h> {
    pub(crate) fn new(headers: &'h HeaderMap) -> Self {
        let seldom = headers.keys().filter_map(|name| seldom(name.as_str()));
        Self { headers, seldom: seldom.fold(0, |all, one| all | bit(one)) }
    }

    /// The headers, if that one is among them.
    pub(crate) fn with(self, one: Seldom) -> Option<&'h HeaderMap> {
        (self.seldom & bit(one) != 0).then_some(self.headers)
    }
}

const fn bit(one: Seldom) -> u8 {
    1 << one as u8
}

fn seldom(name: &str) -> Option<Seldom> {
    match name {
        "accept" => Some(Seldom::Accept),
        "cache-control" | "pragma" => Some(Seldom::CacheControl),
        "idempotency-key" => Some(Seldom::IdempotencyKey),
        "origin" => Some(Seldom::Origin),
        "traceparent" => Some(Seldom::Trace),
        "x-request-id" => Some(Seldom::RequestId),
        "x-tool-timeout" => Some(Seldom::Timeout),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
