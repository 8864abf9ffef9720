use std::collections::BTreeSet;

use mcpo_config::{Monitoring, Secret};
use mcpo_core::fault::FaultKind;
use mcpo_core::trace::TraceContext;
use mcpo_upstream::meter::CallResult;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::alerts::scene::Scene;
use crate::registry;

const CALLER: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

fn otlp(traces_url: Option<String>) -> Otlp {
    Otlp {
        traces_url: traces_url.map(Secret::new),
        metrics_url: None,
        headers: vec![("x-key".to_owned(), Secret::new("k1"))],
        timeout: Duration::from_secs(5),
        metrics_every: Duration::from_secs(60),
        sample_ratio: 1.0,
        parent_based: true,
        resource: vec![("service.name".to_owned(), "mcpo".to_owned())],
    }
}

fn tracer(sample_ratio: f64, parent_based: bool) -> Tracer {
    let (waiting, _calls) = mpsc::channel(1);
    Tracer::new(&Otlp { sample_ratio, parent_based, ..otlp(None) }, waiting)
}

fn caller(traceparent: &[u8]) -> TraceContext {
    TraceContext::parse(traceparent, []).unwrap()
}

fn ended() -> CallEnded {
    CallEnded {
        upstream: "time".to_owned(),
        tool: "now".to_owned(),
        status: 200,
        result: Some(CallResult::Ok),
        fault: None,
        attempts: 1,
        protocol_version: "2025-06-18".to_owned(),
        is_pipe: true,
        sent_after: Duration::from_micros(20),
        took: Duration::from_millis(3),
    }
}

/// Answers one request with each of these statuses, and gives the bodies and heads it got.
async fn collector(listener: TcpListener, statuses: Vec<u16>) -> Vec<(String, Vec<u8>)> {
    let mut got = Vec::new();
    for status in statuses {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        let (head, length) = loop {
            let mut some = [0; 4096];
            let count = socket.read(&mut some).await.unwrap();
            assert!(count > 0, "the request is whole");
            read.extend_from_slice(&some[..count]);
            let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = String::from_utf8(read[..end].to_vec()).unwrap().to_lowercase();
            let length: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .unwrap()
                .parse()
                .unwrap();
            if read.len() >= end + 4 + length {
                read.drain(..end + 4);
                break (head, length);
            }
        };
        assert_eq!(read.len(), length);
        let answer = format!(
            "HTTP/1.1 {status} X\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        socket.write_all(answer.as_bytes()).await.unwrap();
        got.push((head, read));
    }
    got
}

fn nothing() -> Seen {
    unreachable!("no metrics are sent here")
}

async fn sent_to(statuses: Vec<u16>, calls: usize) -> Vec<(String, Vec<u8>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (tracer, exporter) = pair(otlp(Some(url)));
    let tracer = tracer.unwrap();
    for _ in 0..calls {
        tracer.end(tracer.begin(None).unwrap(), ended());
    }
    let (_stop, stopped) = watch::channel(false);
    let mut exporting = JoinSet::new();
    exporting.spawn(async move { exporter.run(nothing, stopped).await });
    collector(listener, statuses).await
}

#[tokio::test]
async fn a_full_batch_goes_out_at_once_with_the_operators_headers() {
    let got = sent_to(vec![200], CALLS_SENT_MAX).await;
    let (head, body) = &got[0];
    assert!(head.starts_with("post /v1/traces"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    assert!(head.contains("x-key: k1"), "{head}");
    let message = ExportTraceServiceRequest::decode(&body[..]).unwrap();
    let spans = &message.resource_spans[0].scope_spans[0].spans;
    assert_eq!(spans.len(), 2 * CALLS_SENT_MAX);
}

#[tokio::test]
async fn what_a_collector_does_not_take_now_is_sent_again_and_what_it_refuses_is_not() {
    let got = sent_to(vec![503, 200], CALLS_SENT_MAX).await;
    assert_eq!(got[0].1, got[1].1, "the same message");
    // After a refusal the next message is another one.
    let got = sent_to(vec![400, 200], 2 * CALLS_SENT_MAX).await;
    assert_ne!(got[0].1, got[1].1);
}

#[tokio::test]
async fn a_span_that_waits_for_others_is_sent_at_the_stop() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (tracer, exporter) = pair(otlp(Some(url)));
    let tracer = tracer.unwrap();
    let (stop, stopped) = watch::channel(false);
    let scene = Scene::new(&["time"], &Monitoring::default());
    let seen = (Arc::new(scene.picture), Arc::new(Alerts::none(std::time::UNIX_EPOCH)));
    let look = move || seen.clone();
    let mut exporting = JoinSet::new();
    exporting.spawn(async move { exporter.run(look, stopped).await });
    tracer.end(tracer.begin(None).unwrap(), ended());
    // It is taken from the queue, and waits for others.
    while tracer.waiting.capacity() < CALLS_WAITING_MAX {
        tokio::task::yield_now().await;
    }
    stop.send_replace(true);
    let got = collector(listener, vec![200]).await;
    let message = ExportTraceServiceRequest::decode(&got[0].1[..]).unwrap();
    assert_eq!(message.resource_spans[0].scope_spans[0].spans.len(), 2);
}

#[tokio::test]
async fn a_collector_that_is_away_does_not_hold_up_the_stop() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    drop(listener);
    let (tracer, exporter) = pair(otlp(Some(url)));
    let tracer = tracer.unwrap();
    tracer.end(tracer.begin(None).unwrap(), ended());
    let scene = Scene::new(&["time"], &Monitoring::default());
    let seen = (Arc::new(scene.picture), Arc::new(Alerts::none(std::time::UNIX_EPOCH)));
    let (_stop, stopped) = watch::channel(true);
    // A second attempt would come after a second only.
    let run = exporter.run(move || seen.clone(), stopped);
    timeout(Duration::from_millis(700), run).await.unwrap();
}

#[tokio::test]
async fn calls_beyond_the_queue_are_dropped_and_counted() {
    let (waiting, _calls) = mpsc::channel(1);
    let tracer = Tracer::new(&otlp(None), waiting);
    for _ in 0..3 {
        tracer.end(tracer.begin(None).unwrap(), ended());
    }
    assert_eq!(tracer.dropped(), 2);
}

#[test]
fn a_callers_decision_is_followed_where_the_sampler_says_so() {
    for (ratio, parent_based, traceparent, sampled) in [
        (0.0, true, Some(CALLER), true),
        (1.0, true, Some(UNSAMPLED), false),
        (1.0, false, Some(UNSAMPLED), true),
        (0.0, false, Some(CALLER), false),
        (1.0, true, None, true),
        (0.0, true, None, false),
    ] {
        let caller = traceparent.map(caller);
        let begun = tracer(ratio, parent_based).begin(caller.as_ref());
        assert_eq!(begun.is_some(), sampled, "{ratio} {parent_based} {traceparent:?}");
    }
}

#[test]
fn a_share_of_the_traces_that_begin_here_is_sampled() {
    let tracer = tracer(0.25, true);
    let sampled = (0..4000).filter(|_| tracer.begin(None).is_some()).count();
    // More than ten standard deviations (27) of a fair draw.
    assert!((700..1300).contains(&sampled), "{sampled}");
}

#[test]
fn spans_hang_together_and_say_what_happened() {
    let begun = tracer(1.0, true).begin(Some(&caller(CALLER))).unwrap();
    let failed = CallEnded {
        status: 503,
        result: Some(CallResult::NotSent),
        fault: Some(FaultKind::Unreachable),
        ..ended()
    };
    let calls = [
        span::Recorded { begun: begun.clone(), ended: failed },
        span::Recorded { begun: begun.clone(), ended: CallEnded { result: None, ..ended() } },
    ];
    let message = spans::request(&attributes::Identity::new(&otlp(None)), &calls);
    let spans = &message.resource_spans[0].scope_spans[0].spans;
    let [served, operation, rejected] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(served.parent_span_id, [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
    assert_eq!(operation.parent_span_id, served.span_id);
    assert_eq!(operation.span_id, begun.upstream().span_id());
    assert_eq!(served.trace_id, begun.trace_id());
    assert_eq!(operation.name, "tools/call now");
    assert_eq!(rejected.name, "POST /{server}/{tool}");
    assert_eq!(operation.end_time_unix_nano - operation.start_time_unix_nano, 2_980_000);
    let error = |span: &opentelemetry_proto::tonic::trace::v1::Span| {
        let told = span.attributes.iter().find(|pair| pair.key == "error.type");
        told.map(|pair| format!("{:?}", pair.value))
    };
    assert!(error(served).is_some_and(|told| told.contains("503")));
    assert!(error(operation).is_some_and(|told| told.contains("unreachable")));
    assert_eq!(error(rejected), None);
}

#[test]
fn every_metric_has_a_name_of_its_own_that_leads_back_to_ours() {
    let names: Vec<_> = registry::metrics().map(metrics::name).collect();
    let different: BTreeSet<_> = names.iter().collect();
    assert_eq!(different.len(), names.len(), "{names:?}");
    for metric in registry::metrics() {
        let name = metrics::name(metric).replace('.', "_");
        assert!(metric.name.starts_with(&name), "{name} for {}", metric.name);
        assert!(!name.ends_with('_') && !name.ends_with("_total"), "{name}");
    }
}

#[test]
fn nothing_is_sent_by_default() {
    assert_eq!(Monitoring::default().otlp, None);
    assert!(pair(otlp(None)).0.is_none());
}
