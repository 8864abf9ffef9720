//! Calls as spans, named and described as OpenTelemetry's semantic conventions for HTTP and MCP
//! have it.

use mcpo_core::trace::TraceContext;
use mcpo_upstream::meter::CallResult;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::attributes::{Identity, nanos, number, text};
use super::span::{Begun, CallEnded, Recorded};
use crate::registry::{URL_SCHEME, route_template};
use crate::requests::Route;

/// One message with all of these calls.
pub(super) fn request(identity: &Identity, calls: &[Recorded]) -> ExportTraceServiceRequest {
    let spans = calls.iter().flat_map(|call| {
        let operation = call.ended.result.map(|result| operation(&call.begun, &call.ended, result));
        [Some(served(&call.begun, &call.ended)), operation].into_iter().flatten()
    });
    let scope_spans = ScopeSpans {
        scope: Some(identity.scope.clone()),
        spans: spans.collect(),
        schema_url: String::new(),
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(identity.resource.clone()),
            scope_spans: vec![scope_spans],
            schema_url: String::new(),
        }],
    }
}

/// The downstream's request: `{method} {http.route}`.
fn served(begun: &Begun, ended: &CallEnded) -> Span {
    let route = route_template(Route::Tool);
    let mut attributes = vec![
        text("http.request.method", "POST"),
        text("http.route", route),
        text("url.scheme", URL_SCHEME),
        number("http.response.status_code", ended.status.into()),
        text("mcpo.server", &ended.upstream),
        text("gen_ai.tool.name", &ended.tool),
    ];
    // A server's span is in error from 500 on only: what is below is the caller's.
    let failed = (ended.status >= 500).then(|| ended.status.to_string());
    attributes.extend(failed.as_ref().map(|status| text("error.type", status)));
    let start = nanos(begun.started);
    Span {
        name: format!("POST {route}"),
        kind: SpanKind::Server.into(),
        parent_span_id: begun.caller.map_or_else(Vec::new, |span| span.to_vec()),
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(after(ended.took)),
        ..span(&begun.request, attributes, failed.is_some())
    }
}

/// The operation upstream: `{mcp.method.name} {target}`.
fn operation(begun: &Begun, ended: &CallEnded, result: CallResult) -> Span {
    let mut attributes = vec![
        text("mcp.method.name", "tools/call"),
        text("gen_ai.tool.name", &ended.tool),
        text("gen_ai.operation.name", "execute_tool"),
        text("network.transport", if ended.is_pipe { "pipe" } else { "tcp" }),
        text("mcpo.server", &ended.upstream),
        text("mcpo.outcome", result.name()),
        number("mcpo.attempts", ended.attempts.into()),
    ];
    if !ended.protocol_version.is_empty() {
        attributes.push(text("mcp.protocol.version", &ended.protocol_version));
    }
    let error = match (result, ended.fault) {
        (CallResult::Ok, _) => None,
        (_, Some(fault)) => Some(fault.name()),
        (other, None) => Some(other.name()),
    };
    attributes.extend(error.map(|error| text("error.type", error)));
    let start = nanos(begun.started);
    Span {
        name: format!("tools/call {}", ended.tool),
        kind: SpanKind::Client.into(),
        parent_span_id: begun.request.span_id().to_vec(),
        start_time_unix_nano: start.saturating_add(after(ended.sent_after)),
        end_time_unix_nano: start.saturating_add(after(ended.took)),
        ..span(&begun.operation, attributes, error.is_some())
    }
}

fn span(context: &TraceContext, attributes: Vec<KeyValue>, failed: bool) -> Span {
    let code = if failed { StatusCode::Error } else { StatusCode::Unset };
    Span {
        trace_id: context.trace_id().to_vec(),
        span_id: context.span_id().to_vec(),
        trace_state: context.tracestate().unwrap_or_default().to_owned(),
        attributes,
        status: Some(Status { code: code.into(), message: String::new() }),
        ..Span::default()
    }
}

fn after(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}
