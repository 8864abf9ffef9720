//! Cross-origin requests, answered as Starlette's middleware answers them in the original. Only
//! what is exposed to scripts is more: our own headers.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, COOKIE, HeaderName, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::answer::{Answer, TEXT, answer};

const METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";
const EXPOSED: &str = "ETag, Age, Retry-After, X-Request-Id, X-Mcpo-Outcome, X-Mcpo-Attempts, \
     X-Mcpo-Cache, Idempotent-Replayed, RateLimit, RateLimit-Policy, RateLimit-Limit, \
     RateLimit-Remaining, RateLimit-Reset";
/// How long a browser may remember a preflight, in seconds (Starlette's default).
const MAX_AGE: &str = "600";
const PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// Which origins browsers may call from.
#[derive(Debug)]
pub(crate) struct Cors {
    any: bool,
    origins: Vec<String>,
}

/// What an answer to one request must carry.
#[derive(Debug, Default)]
pub(crate) struct Permit {
    crossing: Option<Crossing>,
}

#[derive(Debug)]
struct Crossing {
    allow: Option<HeaderValue>,
    varies: bool,
}

// === impl Cors ===

impl Cors {
    pub(crate) fn new(origins: &[String]) -> Self {
        Self { any: origins.iter().any(|origin| origin == "*"), origins: origins.to_vec() }
    }

    /// The answer to a preflight; `None` if the request is none.
    pub(crate) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Answer> {
        let origin = headers.get(ORIGIN)?;
        let wanted =
            headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| method == Method::OPTIONS)?;
        let allowed = self.allows(origin);
        let known =
            wanted.to_str().is_ok_and(|wanted| METHODS.split(", ").any(|method| method == wanted));
        let failures = [
            (!allowed, "origin"),
            (!known, "method"),
            (headers.contains_key(PRIVATE_NETWORK), "private-network"),
        ];
        let failed: Vec<&str> =
            failures.iter().filter(|(failed, _)| *failed).map(|(_, name)| *name).collect();
        let mut told = if failed.is_empty() {
            answer(StatusCode::OK, TEXT, "OK")
        } else {
            answer(StatusCode::BAD_REQUEST, TEXT, format!("Disallowed CORS {}", failed.join(", ")))
        };
        let out = told.headers_mut();
        out.insert(VARY, HeaderValue::from_static("Origin"));
        out.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        out.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        out.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        if allowed {
            out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        if let Some(wanted) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            out.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        Some(told)
    }

    /// What the answer to an ordinary request must carry.
    pub(crate) fn permit(&self, headers: &HeaderMap) -> Permit {
        let Some(origin) = headers.get(ORIGIN) else { return Permit::default() };
        // A browser that sends cookies does not accept a star.
        let by_name = if self.any { headers.contains_key(COOKIE) } else { self.allows(origin) };
        let star = || self.any.then_some(HeaderValue::from_static("*"));
        let allow = if by_name { Some(origin.clone()) } else { star() };
        Permit { crossing: Some(Crossing { allow, varies: by_name }) }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        self.any || self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes())
    }
}

// === impl Permit ===

impl Permit {
    /// Puts the headers into the answer.
    pub(crate) fn apply(self, answer: &mut Answer) {
        let Some(Crossing { allow, varies }) = self.crossing else { return };
        let headers = answer.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        if let Some(allow) = allow {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allow);
        }
        if varies {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
    }
}

#[cfg(test)]
mod tests;
