//! Traces and metrics for an OpenTelemetry collector, over OTLP (http/protobuf). The messages are
//! the published ones; spans and metrics are ours, since another registry beside the one that all
//! faces are made from could disagree with it.

mod attributes;
mod metrics;
mod send;
mod span;
mod spans;

use std::sync::Arc;
use std::time::Duration;

use mcpo_config::Otlp;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout, timeout_at};

use crate::alerts::Alerts;
use crate::picture::Picture;
use send::Sender;

pub use span::{Begun, CallEnded, Tracer};

/// Calls whose spans wait to be sent; what comes on top is dropped and counted. Some seconds of a
/// busy proxy, at about half a kilobyte each (`OTEL_BSP_MAX_QUEUE_SIZE` is 2048 spans by default).
pub const CALLS_WAITING_MAX: usize = 4096;

/// Calls in one message: two spans each make the 512 of `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`.
const CALLS_SENT_MAX: usize = 256;

/// `OTEL_BSP_SCHEDULE_DELAY`: so long a span waits for others at most.
const SPANS_EVERY: Duration = Duration::from_secs(5);

/// What the last message may take once we are told to stop.
const FLUSH_TIME_MAX: Duration = Duration::from_millis(1500);

/// What is known at one moment.
pub type Seen = (Arc<Picture>, Arc<Alerts>);

/// Sends what is recorded, and metrics at their interval.
#[derive(Debug)]
pub struct Exporter {
    otlp: Otlp,
    calls: mpsc::Receiver<span::Recorded>,
    identity: attributes::Identity,
}

/// A tracer where traces are sent, and the exporter behind it.
#[must_use]
pub fn pair(otlp: Otlp) -> (Option<Tracer>, Exporter) {
    let (waiting, calls) = mpsc::channel(CALLS_WAITING_MAX);
    let tracer = otlp.traces_url.is_some().then(|| Tracer::new(&otlp, waiting));
    let identity = attributes::Identity::new(&otlp);
    (tracer, Exporter { otlp, calls, identity })
}

// === impl Exporter ===

impl Exporter {
    /// Sends until `stop` is true or gone, then what is left, for 1.5 s at most.
    ///
    /// Dropping it loses what was not sent yet.
    pub async fn run(self, look: impl Fn() -> Seen, mut stop: watch::Receiver<bool>) {
        let Self { otlp, mut calls, identity } = self;
        let sender = match Sender::new(&otlp) {
            Ok(sender) => sender,
            Err(error) => {
                tracing::error!(error = %error, "no telemetry is sent: there is no client for it");
                return;
            }
        };
        let stopped = async {
            let _told_or_gone = stop.wait_for(|stop| *stop).await;
        };
        let mut batch = Vec::with_capacity(CALLS_SENT_MAX);
        let work = async {
            tokio::join!(
                send_spans(&sender, &identity, &mut calls, &mut batch),
                send_metrics_each(&sender, &identity, &look, otlp.metrics_every),
            )
        };
        tokio::select! {
            _never = work => {}
            () = stopped => {}
        }
        // Who refuses the last messages must not hold up the stop.
        let sender = sender.hurried();
        let flush = async {
            // Also what was on its way: a collector may be told twice of a span, and counts it once.
            while let Ok(call) = calls.try_recv() {
                batch.push(call);
            }
            for batch in batch.chunks(CALLS_SENT_MAX) {
                sender.send_traces(spans::request(&identity, batch).encode_to_vec()).await;
            }
            send_metrics(&sender, &identity, &look).await;
        };
        if timeout(FLUSH_TIME_MAX, flush).await.is_err() {
            tracing::warn!("some telemetry was not sent: the collector did not take it in time");
        }
    }
}

/// Batches: full ones at once, others when the first span of them has waited long enough. What was
/// not sent yet when it is dropped is in `batch`.
async fn send_spans(
    sender: &Sender,
    identity: &attributes::Identity,
    calls: &mut mpsc::Receiver<span::Recorded>,
    batch: &mut Vec<span::Recorded>,
) {
    loop {
        let Some(first) = calls.recv().await else {
            // No tracer: metrics go on.
            return std::future::pending().await;
        };
        batch.push(first);
        let due = Instant::now() + SPANS_EVERY;
        while batch.len() < CALLS_SENT_MAX
            && let Ok(Some(call)) = timeout_at(due, calls.recv()).await
        {
            batch.push(call);
        }
        sender.send_traces(spans::request(identity, batch).encode_to_vec()).await;
        batch.clear();
    }
}

async fn send_metrics_each(
    sender: &Sender,
    identity: &attributes::Identity,
    look: &impl Fn() -> Seen,
    every: Duration,
) {
    let mut due = interval_at(Instant::now() + every, every);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        send_metrics(sender, identity, look).await;
    }
}

async fn send_metrics(sender: &Sender, identity: &attributes::Identity, look: &impl Fn() -> Seen) {
    // It is work to make them.
    if sender.sends_metrics() {
        let (picture, alerts) = look();
        sender.send_metrics(metrics::request(identity, &picture, &alerts).encode_to_vec()).await;
    }
}

#[cfg(test)]
mod tests;
