//! What is recorded of a call: the request of the downstream, and the operation upstream in it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use mcpo_config::Otlp;
use mcpo_core::fault::FaultKind;
use mcpo_core::trace::TraceContext;
use mcpo_upstream::meter::CallResult;
use tokio::sync::mpsc;

/// Records traces of calls.
#[derive(Debug)]
pub struct Tracer {
    pub(super) waiting: mpsc::Sender<Recorded>,
    sample_ratio: f64,
    parent_based: bool,
    dropped: AtomicU64,
}

/// A call that is traced.
#[derive(Debug, Clone)]
pub struct Begun {
    /// The caller's span; `None` where the trace begins here.
    pub(super) caller: Option<[u8; 8]>,
    /// Our span for the caller's request.
    pub(super) request: TraceContext,
    /// Our span for the operation upstream.
    pub(super) operation: TraceContext,
    pub(super) started: SystemTime,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct CallEnded {
    /// The upstream's name.
    pub upstream: String,
    /// The tool's name.
    pub tool: String,
    /// The status that the caller was answered.
    pub status: u16,
    /// What it came to; `None` where nothing was to be sent (the arguments do not fit).
    pub result: Option<CallResult>,
    /// What failed, if something did.
    pub fault: Option<FaultKind>,
    /// How often it was sent.
    pub attempts: u32,
    /// The protocol version spoken upstream; empty where that is not known.
    pub protocol_version: String,
    /// Whether a child process answers it, over a pipe.
    pub is_pipe: bool,
    /// From its start until the pipeline took it, and until it had its answer.
    pub sent_after: Duration,
    /// The whole of it.
    pub took: Duration,
}

/// A call that waits to be sent to the collector.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) begun: Begun,
    pub(super) ended: CallEnded,
}

// === impl Tracer ===

impl Tracer {
    pub(super) fn new(otlp: &Otlp, waiting: mpsc::Sender<Recorded>) -> Self {
        let Otlp { sample_ratio, parent_based, .. } = *otlp;
        Self { waiting, sample_ratio, parent_based, dropped: AtomicU64::new(0) }
    }

    /// Begins to trace a call; `None` if it is not sampled. A caller's decision is followed where
    /// the sampler says so; else chance decides, by the trace's id, so that all who have the same
    /// share decide alike (`TraceIdRatioBased` of OpenTelemetry's specification).
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a span says when it began")]
    pub fn begin(&self, caller: Option<&TraceContext>) -> Option<Begun> {
        let request = match caller {
            Some(caller) => caller.child(fastrand::u64(..)),
            None => TraceContext::begin(std::array::from_fn(|_| fastrand::u64(..)), true),
        };
        let is_sampled = match caller {
            Some(caller) if self.parent_based => caller.sampled(),
            Some(_) | None => is_within(request.trace_id(), self.sample_ratio),
        };
        let request = is_sampled.then(|| request.recorded())?;
        Some(Begun {
            caller: caller.map(TraceContext::span_id),
            operation: request.child(fastrand::u64(..)),
            request,
            started: SystemTime::now(),
        })
    }

    /// Records a call that ended. Never waits: when too many wait already it is dropped, and
    /// counted.
    pub fn end(&self, begun: Begun, ended: CallEnded) {
        if self.waiting.try_send(Recorded { begun, ended }).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Calls whose spans were dropped since too many waited.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Whether the low half of an id, as a share of all, is below that one.
fn is_within(trace_id: [u8; 16], ratio: f64) -> bool {
    let [.., b, c, d, e, f, g, h] = trace_id;
    // The 56 lowest bits are random by W3C Trace Context level 2, and a float holds 53 of them.
    let random = u64::from_be_bytes([0, b, c, d, e, f, g, h]) >> 3;
    (random as f64) < ratio * (1u64 << 53) as f64
}

// === impl Begun ===

impl Begun {
    /// What is carried to the upstream.
    #[must_use]
    pub const fn upstream(&self) -> &TraceContext {
        &self.operation
    }

    /// The trace's id.
    #[must_use]
    pub const fn trace_id(&self) -> [u8; 16] {
        self.request.trace_id()
    }
}
