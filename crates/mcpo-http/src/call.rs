//! One call of a tool, from the body of the request to the answer.

mod traced;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Body;
use mcpo_config::Limits;
use mcpo_core::arguments::Checked;
use mcpo_core::catalog::Tool;
use mcpo_core::fault::FaultKind;
use mcpo_core::identity::Identity;
use mcpo_core::load::ShedReason;
use mcpo_core::outcome::{Outcome, OutcomeKind};
use mcpo_core::trace::{TRACEPARENT, TRACESTATE, TraceContext};
use mcpo_mcp::answer::Answer as Said;
use mcpo_monitor::monitor::Monitor;
use mcpo_policy::idempotency::{KEY_BYTES_MAX, KeyMisused};
use mcpo_policy::pipeline::{Call, Pipeline, Report, Turned};
use mcpo_policy::rate::Quota;
use mcpo_upstream::directory::{State, Upstream};
use mcpo_upstream::meter::{CallResult, Ended, Metered};
use tokio::time::Instant;

use crate::answer::{Answer, JSON};
use crate::body::{Bodies, Room};
use crate::cache_control::freshness;
use crate::head::Head;
use crate::idempotency_key::{IDEMPOTENT_REPLAYED, idempotency_key};
use crate::identity::identity;
use crate::problem::Problem;
use crate::rate_limit;
use crate::reply::{self, is_error, tell};
use crate::sent::{Seldom, Sent};
use traced::Traced;

const TOOL_TIMEOUT: HeaderName = HeaderName::from_static("x-tool-timeout");

/// Asks for the whole result as the upstream wrote it.
const RAW_RESULT: &str = "application/vnd.mcp.result+json";

/// What is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) upstream: &'a Upstream,
    pub(crate) tool: &'a Tool,
}

/// How a call is told what it came to.
#[derive(Debug, Default)]
struct Form {
    /// With the whole result as the upstream wrote it.
    raw: bool,
    /// With what is left of a rate.
    quota: Option<Quota>,
}

/// A call that may be made, but for its body.
#[derive(Debug)]
struct Asked<'a> {
    target: Target<'a>,
    sent: Sent<'a>,
    identity: Identity,
    trace: Option<TraceContext>,
}

/// An answer, and what the call behind it came to, if there was one.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) answer: Answer,
    /// Of one that was turned away there is nothing to say here: of a flood of them the journal tells.
    pub(crate) outcome: Option<OutcomeKind>,
}

/// Makes calls, within their bounds.
#[derive(Debug)]
pub(crate) struct Calls {
    limits: Limits,
    identity_header: Option<HeaderName>,
    bodies: Bodies,
    pipeline: Arc<Pipeline>,
    monitor: Monitor,
}

// === impl Calls ===

impl Calls {
    /// For whom a call is stands in that header, if in any.
    pub(crate) fn new(
        limits: Limits,
        identity_header: Option<HeaderName>,
        pipeline: Arc<Pipeline>,
        monitor: Monitor,
    ) -> Self {
        let bodies = Bodies::new(limits.body_bytes_max);
        Self { limits, identity_header, bodies, pipeline, monitor }
    }

    /// Answers a call. Who may call has been asked before; whether the call may be made now is asked
    /// before anything of its body is read.
    ///
    /// Cancel-safe: dropping it cancels the call.
    pub(crate) async fn call<B>(&self, target: Target<'_>, sent: Sent<'_>, body: B) -> Called
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let caller = sent.with(Seldom::Trace).and_then(trace);
        let mut traced = Traced::begin(&self.monitor, target, caller.as_ref());
        // Where nothing is recorded here, the upstream's parent is the caller.
        let trace = traced.as_ref().map(|traced| traced.context().clone()).or(caller);
        let called = match self.admitted(target, sent.headers) {
            Err(problem) => not_made(&problem),
            Ok((identity, quota)) => {
                let form = Form::of(sent, quota);
                let asked = Asked { target, sent, identity, trace };
                self.read_and_made((asked, &form), body, traced.as_mut()).await
            }
        };
        if let Some(traced) = traced {
            traced.answered(called.answer.status());
        }
        called
    }

    /// For whom the call is, and what is left of the rates that hold for it.
    fn admitted(
        &self,
        Target { upstream, tool }: Target<'_>,
        headers: &HeaderMap,
    ) -> Result<(Identity, Option<Quota>), Problem> {
        let identity = identity(self.identity_header.as_ref(), headers)?;
        let quota = self.pipeline.admit(upstream, tool, &identity);
        Ok((identity, quota.map_err(|turned| turned_away(upstream, tool, turned))?))
    }

    /// Reads the arguments and makes the call.
    async fn read_and_made<B>(
        &self,
        (asked, form): (Asked<'_>, &Form),
        body: B,
        traced: Option<&mut Traced<'_>>,
    ) -> Called
    where
        B: Body<Data = Bytes> + Unpin,
    {
        match self.prepare(asked, body).await {
            Err(problem) => form.not_made(&problem),
            Ok((call, _room)) => self.made(call, form, traced).await,
        }
    }

    /// Makes a call, and counts it.
    async fn made(
        &self,
        call: Call<'_>,
        form: &Form,
        mut traced: Option<&mut Traced<'_>>,
    ) -> Called {
        let (upstream, tool) = (call.upstream, call.tool);
        let metered =
            self.monitor.is_enabled().then(|| upstream.meter().begin(&tool.definition.name));
        let bytes_in = call.arguments.len() as u64;
        let trace_id = found_later(&call, traced.as_deref());
        if let Some(traced) = &mut traced {
            traced.sent();
        }
        let only_if_kept = call.freshness.only_if_kept;
        let report = match self.pipeline.call(&call).await {
            Ok(report) if !only_if_kept || !is_not_kept(&report) => report,
            none => {
                metered.into_iter().for_each(Metered::void);
                traced.into_iter().for_each(Traced::void);
                return form.not_made(&none.map_or_else(refused, |_| Problem::NotKept));
            }
        };
        let Report { waited, upstream: in_upstream, attempts, shed, .. } = report;
        let fault = report.outcome.fault().map(|fault| fault.kind);
        let bytes_out = bytes_out(&report);
        let (called, result) = told(&upstream.view.name, tool, report, form);
        if shed.is_some_and(is_no_fault_of_the_upstream) {
            metered.into_iter().for_each(Metered::void);
            traced.into_iter().for_each(Traced::void);
            return called;
        }
        if let Some(traced) = traced {
            traced.came_to(result, attempts, fault);
        }
        if let Some(metered) = metered {
            if shed.is_some() {
                metered.turned_away();
                return called;
            }
            let upstream = in_upstream;
            metered.end(Ended { result, waited, upstream, bytes_in, bytes_out, trace_id });
        }
        called
    }

    /// The call, and the room of its body.
    async fn prepare<'a, B>(
        &self,
        asked: Asked<'a>,
        body: B,
    ) -> Result<(Call<'a>, Room<'_>), Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let Asked { target: Target { upstream, tool }, sent, identity, trace, .. } = asked;
        let headers = sent.headers;
        let set = tool.timeout.or(upstream.view.timeout);
        let usual = usual(&self.limits, set);
        let timeout = match sent.with(Seldom::Timeout) {
            Some(headers) => timeout(&self.limits, set, headers)?,
            None => usual,
        };
        let is_hurried = timeout < usual;
        let idempotency_key = match sent.with(Seldom::IdempotencyKey) {
            Some(headers) => idempotency_key(headers)?,
            None => None,
        };
        let freshness = sent.with(Seldom::CacheControl).map(freshness).unwrap_or_default();
        if freshness.only_if_kept && (idempotency_key.is_some() || !may_be_kept(tool)) {
            return Err(Problem::NotKept);
        }
        let body = self.bodies.read(headers, body).await?;
        let arguments = arguments(tool, headers, body.bytes)?;
        // The tool gets its whole time, however long the body took.
        let deadline = Instant::now() + timeout;
        let call = Call {
            upstream,
            tool,
            arguments,
            deadline,
            is_hurried,
            idempotency_key,
            trace,
            identity,
            freshness,
        };
        Ok((call, body.room))
    }
}

// === impl Form ===

impl Form {
    fn of(sent: Sent<'_>, quota: Option<Quota>) -> Self {
        Self { raw: sent.with(Seldom::Accept).is_some_and(wants_raw), quota }
    }

    /// The answer where no call is made after all.
    fn not_made(&self, problem: &Problem) -> Called {
        let mut called = not_made(problem);
        if let Some(quota) = &self.quota {
            rate_limit::tell(&mut called.answer, quota);
        }
        called
    }
}

/// Whether answers of the tool may be kept at all.
const fn may_be_kept(tool: &Tool) -> bool {
    tool.cache.is_some() || tool.cache_as_told
}

/// The caller's wish, else what is set for the tool or its upstream, else the default; never more
/// than the operator allows.
fn timeout(
    limits: &Limits,
    set: Option<Duration>,
    headers: &HeaderMap,
) -> Result<Duration, Problem> {
    let Some(sent) = headers.get(TOOL_TIMEOUT) else { return Ok(usual(limits, set)) };
    let wish = seconds(sent).ok_or(Problem::BadTimeout)?;
    Ok(wish.min(limits.max_tool_timeout))
}

/// How long a call may take whose caller has no wish.
fn usual(limits: &Limits, set: Option<Duration>) -> Duration {
    set.unwrap_or(limits.tool_timeout).min(limits.max_tool_timeout)
}

fn seconds(sent: &HeaderValue) -> Option<Duration> {
    let seconds: f64 = sent.to_str().ok()?.trim().parse().ok()?;
    // More than fits is as good as for ever; what is allowed is asked later.
    let long = || (seconds > 0.0 && seconds.is_finite()).then_some(Duration::MAX);
    Duration::try_from_secs_f64(seconds).ok().or_else(long).filter(|length| !length.is_zero())
}

fn arguments(tool: &Tool, headers: &HeaderMap, body: Bytes) -> Result<Bytes, Problem> {
    let checked = if body.is_empty() || is_json(headers) {
        tool.arguments.check(&body)?
    } else {
        tool.arguments.check_unread(&body)?
    };
    match checked {
        Checked::AsSent if body.is_empty() => Ok(Bytes::from_static(b"{}")),
        Checked::AsSent => Ok(body),
        Checked::Rewritten(rewritten) => Ok(rewritten.into()),
    }
}

/// Whether it is because no answer is kept that there is none.
const fn is_not_kept(report: &Report) -> bool {
    matches!(report.outcome, Outcome::NotSent(_)) && report.shed.is_none()
}

/// Whether a call that is turned away for that counts as none of its upstream's: it never came so
/// far, as one that is turned away before it is read. It counts among those that are turned away.
const fn is_no_fault_of_the_upstream(reason: ShedReason) -> bool {
    match reason {
        ShedReason::ProcessFull
        | ShedReason::ProcessSlow
        | ShedReason::IdentityFull
        | ShedReason::RateLimited => true,
        ShedReason::ServerFull | ShedReason::TooLate => false,
    }
}

/// Why a call is not made for its key.
const fn refused(misused: KeyMisused) -> Problem {
    match misused {
        KeyMisused::BadKey => Problem::BadIdempotencyKey { bytes_max: KEY_BYTES_MAX },
        KeyMisused::OtherArguments => Problem::IdempotencyKeyUsed,
    }
}

/// The trace in which the call can be looked up: of one that is not sampled nobody finds anything.
fn found_later(call: &Call<'_>, traced: Option<&Traced<'_>>) -> Option<[u8; 16]> {
    let callers =
        || call.trace.as_ref().filter(|trace| trace.sampled()).map(TraceContext::trace_id);
    traced.map(Traced::trace_id).or_else(callers)
}

/// The trace that the caller says the call belongs to. It goes on to the upstream as it came, also
/// where nothing is recorded of it here.
fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    // Of two nobody knows which one holds.
    let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
    let states = headers.get_all(TRACESTATE).iter().map(HeaderValue::as_bytes);
    TraceContext::parse(parent.as_bytes(), states)
}

/// What the upstream has sent as its answer.
fn bytes_out(report: &Report) -> u64 {
    let bytes = match &report.outcome {
        Outcome::Reply(Said::Result(result)) => result.len(),
        Outcome::Reply(Said::Error(error)) => {
            error.message.len() + error.data.as_ref().map_or(0, |data| data.get().len())
        }
        Outcome::NotSent(_) | Outcome::Refused(_) | Outcome::Unknown(_) => 0,
    };
    bytes as u64
}

/// Whether the body is said to be JSON. Nothing said counts as JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(sent) = headers.get(CONTENT_TYPE) else { return true };
    if sent.as_bytes() == b"application/json" || sent.is_empty() {
        return true;
    }
    let essence = sent.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let Some((kind, subtype)) = essence.split_once('/') else { return false };
    let subtype = subtype.to_ascii_lowercase();
    kind.eq_ignore_ascii_case("application") && (subtype == "json" || subtype.ends_with("+json"))
}

fn wants_raw(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|list| list.split([',', ';'])).any(|part| part.trim() == RAW_RESULT)
}

/// What a call came to, as an answer and as it is counted.
fn told(upstream: &str, tool: &Tool, report: Report, form: &Form) -> (Called, CallResult) {
    let Report { attempts, cache, repeated, shed, .. } = report;
    let outcome = report.outcome.kind();
    let head = Head { outcome, attempts, cache, quota: form.quota.as_ref() };
    let (mut answer, result) = match report.outcome {
        Outcome::Reply(said) => replied(upstream, tool, said, (head, form.raw)),
        Outcome::NotSent(fault) | Outcome::Refused(fault) | Outcome::Unknown(fault) => {
            let (upstream, retry_after) = (upstream.to_owned(), fault.retry_after);
            let problem = match shed {
                Some(reason) => Problem::Shed { upstream, reason, retry_after },
                None => Problem::NoReply { upstream, outcome, fault: Box::new(fault) },
            };
            (head.problem(&problem), failed(outcome))
        }
    };
    if repeated {
        answer.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    (Called { answer, outcome: shed.is_none().then_some(outcome) }, result)
}

/// What the upstream has answered, as an answer and as it is counted.
fn replied(
    upstream: &str,
    tool: &Tool,
    said: Said,
    (head, is_raw): (Head<'_>, bool),
) -> (Answer, CallResult) {
    match said {
        Said::Result(result) if is_raw => {
            let counts = if is_error(&result) { CallResult::ToolError } else { CallResult::Ok };
            (head.answer(HeaderValue::from_static(RAW_RESULT), result), counts)
        }
        Said::Result(result) => match tell(&result, tool.definition.output_schema.is_some()) {
            reply::Told::Value(value) => (head.answer(JSON, value), CallResult::Ok),
            reply::Told::Failed { message, content } => {
                let problem = Problem::ToolFailed { message, content };
                (head.problem(&problem), CallResult::ToolError)
            }
            // It may have acted, and what it says of that cannot be read.
            reply::Told::Nonsense => {
                let problem = Problem::NotAResult { upstream: upstream.to_owned() };
                (head.problem(&problem), CallResult::Unknown)
            }
        },
        Said::Error(error) => (head.problem(&Problem::Refused(error)), CallResult::ToolError),
    }
}

/// Why a call is turned away before anything of it is read.
fn turned_away(upstream: &Upstream, tool: &Tool, turned: Turned) -> Problem {
    let upstream = upstream.view.name.clone();
    match turned {
        Turned::Shed { reason, retry_after } => {
            Problem::Shed { upstream, reason, retry_after: Some(retry_after) }
        }
        Turned::TooOften(too_often) => {
            let (tool, too_often) = (tool.definition.name.clone(), Box::new(too_often));
            Problem::TooOften { upstream, tool, too_often }
        }
    }
}

/// The answer where no call is made. One that was well-formed is told that nothing of it was sent.
fn not_made(problem: &Problem) -> Called {
    let mut answer = problem.answer();
    let is_turned_away = matches!(
        problem,
        Problem::Shed { .. } | Problem::TooOften { .. } | Problem::NotKept | Problem::NoRoomForBody
    );
    if is_turned_away {
        Head::NOT_SENT.put(&mut answer);
    }
    Called { answer, outcome: None }
}

/// As what a call counts that was not answered.
const fn failed(outcome: OutcomeKind) -> CallResult {
    match outcome {
        OutcomeKind::NotSent => CallResult::NotSent,
        OutcomeKind::Refused => CallResult::Refused,
        OutcomeKind::Unknown => CallResult::Unknown,
        // It was, and does not come here.
        OutcomeKind::Reply => CallResult::Ok,
    }
}

/// Why an upstream whose tools are not known cannot be called; `None` if it has no place yet.
pub(crate) fn not_ready(upstream: Option<&Upstream>) -> Problem {
    let Some(view) = upstream.map(|upstream| &upstream.view) else {
        return Problem::NotReady {
            upstream: "default".to_owned(),
            fault: None,
            retry_after: None,
        };
    };
    let until = match &view.state {
        State::Resting { retry_at, .. } => Some(*retry_at),
        State::Held { look_at, .. } => *look_at,
        State::Starting { .. } | State::Ready | State::Dormant | State::Stopped => None,
    };
    let held = matches!(view.state, State::Held { .. }).then_some(FaultKind::Held);
    Problem::NotReady {
        upstream: view.name.clone(),
        fault: view.state.fault().map(|fault| fault.kind).or(held),
        retry_after: until.map(|until| until.saturating_duration_since(Instant::now())),
    }
}

#[cfg(test)]
mod tests;
