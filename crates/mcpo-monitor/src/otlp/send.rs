//! Messages to the collector, sent again as OTLP's specification allows.

use std::sync::Mutex;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use mcpo_config::{Otlp, Secret};
use mcpo_mcp::loopback::is_loopback;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use tokio::time::{Instant, sleep};
use url::Url;

/// A message is sent so often in all.
const ATTEMPTS_MAX: u32 = 4;
/// The wait before the second time; it doubles.
const WAIT_MIN: Duration = Duration::from_secs(1);
/// No collector may keep us waiting longer, whatever it asks for.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// That a collector is away is said this often at most.
const TOLD_EVERY: Duration = Duration::from_secs(300);

/// Sends messages, one at a time for each kind.
#[derive(Debug)]
pub(super) struct Sender {
    client: Client,
    traces_url: Option<Secret>,
    metrics_url: Option<Secret>,
    /// When a failure was told last.
    told: Mutex<Option<Instant>>,
    /// A message is sent so often in all.
    attempts_max: u32,
}

/// Why a message did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// It may arrive later, after that wait if one was named.
    NotNow(Option<Duration>),
    /// It never will.
    Never(StatusCode),
}

// === impl Sender ===

impl Sender {
    pub(super) fn new(otlp: &Otlp) -> Result<Self, reqwest::Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in &otlp.headers {
            // Checked with the configuration.
            if let (Ok(name), Ok(mut value)) =
                (name.parse::<HeaderName>(), HeaderValue::from_str(value.expose()))
            {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let mut urls = [&otlp.traces_url, &otlp.metrics_url].into_iter().flatten();
        let is_here = |url: &Secret| Url::parse(url.expose()).is_ok_and(|url| is_loopback(&url));
        let builder = match urls.all(is_here) {
            true => Client::builder().no_proxy(),
            false => Client::builder(),
        };
        let client = builder
            .default_headers(headers)
            .timeout(otlp.timeout)
            .redirect(Policy::none())
            .user_agent(concat!("mcpo/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            client,
            traces_url: otlp.traces_url.clone(),
            metrics_url: otlp.metrics_url.clone(),
            told: Mutex::new(None),
            attempts_max: ATTEMPTS_MAX,
        })
    }

    /// The same for the last messages: nobody stays to send them again.
    pub(super) fn hurried(self) -> Self {
        Self { attempts_max: 1, ..self }
    }

    pub(super) const fn sends_metrics(&self) -> bool {
        self.metrics_url.is_some()
    }

    pub(super) async fn send_traces(&self, message: Vec<u8>) {
        self.send(self.traces_url.as_ref(), message).await;
    }

    pub(super) async fn send_metrics(&self, message: Vec<u8>) {
        self.send(self.metrics_url.as_ref(), message).await;
    }

    /// What cannot be sent in the end is dropped: newer messages matter more.
    async fn send(&self, url: Option<&Secret>, message: Vec<u8>) {
        let Some(url) = url else { return };
        let mut wait = WAIT_MIN;
        for attempt in 1..=self.attempts_max {
            let failure = match self.client.post(url.expose()).body(message.clone()).send().await {
                Ok(answer) => match verdict(&answer) {
                    None => return,
                    Some(failure) => failure,
                },
                Err(_) => Failure::NotNow(None),
            };
            match failure {
                Failure::NotNow(named) if attempt < self.attempts_max => {
                    let jitter = 0.8 + 0.4 * fastrand::f64();
                    sleep(named.unwrap_or(wait.mul_f64(jitter)).min(WAIT_MAX)).await;
                    wait *= 2;
                }
                Failure::NotNow(_) => self.tell("it cannot be reached, or takes nothing now"),
                Failure::Never(status) => {
                    return self.tell(&format!("it answers {}", status.as_u16()));
                }
            }
        }
    }

    /// Once in a while: a collector may be away for days.
    fn tell(&self, why: &str) {
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        if told.is_none_or(|told| now.saturating_duration_since(told) >= TOLD_EVERY) {
            *told = Some(now);
            tracing::warn!(
                "telemetry is lost: {why} (the collector named by OTEL_EXPORTER_OTLP_*)"
            );
        }
    }
}

/// By OTLP's specification 429, 502, 503 and 504 may be tried again, and nothing else.
fn verdict(answer: &Response) -> Option<Failure> {
    match answer.status() {
        status if status.is_success() => None,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            let named = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let seconds = named.and_then(|text| text.trim().parse().ok());
            Some(Failure::NotNow(seconds.map(Duration::from_secs)))
        }
        status => Some(Failure::Never(status)),
    }
}
