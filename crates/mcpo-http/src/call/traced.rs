//! The spans of one call, where traces are recorded.

use std::thread;
use std::time::Duration;

use http::StatusCode;
use mcpo_core::fault::FaultKind;
use mcpo_core::trace::TraceContext;
use mcpo_monitor::monitor::Monitor;
use mcpo_monitor::otlp::{Begun, CallEnded, Tracer};
use mcpo_upstream::directory::Upstream;
use mcpo_upstream::meter::CallResult;
use tokio::time::Instant;

use super::Target;

/// What nginx logs of a request whose client went away before its answer; no status of HTTP's.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// A call whose spans are recorded once it is dropped, as far as it came until then.
#[derive(Debug)]
pub(super) struct Traced<'m> {
    tracer: &'m Tracer,
    started: Instant,
    begun: Begun,
    ended: CallEnded,
}

// === impl Traced ===

impl<'m> Traced<'m> {
    /// `None` where no traces are recorded, or not this one.
    pub(super) fn begin(
        monitor: &'m Monitor,
        target: Target<'_>,
        caller: Option<&TraceContext>,
    ) -> Option<Self> {
        let tracer = monitor.tracer()?;
        let begun = tracer.begin(caller)?;
        Some(Self { tracer, started: Instant::now(), begun, ended: nothing_yet(target) })
    }

    /// What the upstream is told of the trace.
    pub(super) const fn context(&self) -> &TraceContext {
        self.begun.upstream()
    }

    pub(super) const fn trace_id(&self) -> [u8; 16] {
        self.begun.trace_id()
    }

    /// The call is as its tool wants it, and is made now.
    pub(super) fn sent(&mut self) {
        self.ended.sent_after = self.started.elapsed();
        self.ended.result = Some(CallResult::Cancelled);
    }

    /// It turned out to be no call.
    pub(super) const fn void(&mut self) {
        self.ended.result = None;
    }

    pub(super) const fn came_to(
        &mut self,
        result: CallResult,
        attempts: u32,
        fault: Option<FaultKind>,
    ) {
        self.ended.result = Some(result);
        self.ended.attempts = attempts;
        self.ended.fault = fault;
    }

    pub(super) fn answered(mut self, status: StatusCode) {
        self.ended.status = status.as_u16();
    }
}

impl Drop for Traced<'_> {
    fn drop(&mut self) {
        self.ended.took = self.started.elapsed();
        if thread::panicking() {
            self.ended.status = StatusCode::INTERNAL_SERVER_ERROR.as_u16();
            self.ended.result = self.ended.result.and(Some(CallResult::Unknown));
        }
        self.tracer.end(self.begun.clone(), self.ended.clone());
    }
}

fn nothing_yet(target: Target<'_>) -> CallEnded {
    let Upstream { view, .. } = target.upstream;
    let session = view.sessions.first().map(|live| &live.session);
    CallEnded {
        upstream: view.name.clone(),
        tool: target.tool.definition.name.clone(),
        status: CLIENT_CLOSED_REQUEST,
        result: None,
        fault: None,
        attempts: 0,
        protocol_version: session
            .map(|session| session.identity().protocol_version.clone())
            .unwrap_or_default(),
        is_pipe: session.is_some_and(|session| session.process_id().is_some()),
        sent_after: Duration::ZERO,
        took: Duration::ZERO,
    }
}
