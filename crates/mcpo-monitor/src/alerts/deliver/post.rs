//! One request to a webhook, and what came of it. Its address and headers are secrets: an error of
//! the HTTP client, which names them, ends here.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use mcpo_config::{Webhook, WebhookFormat};
use mcpo_mcp::loopback::is_loopback;
use reqwest::Client;
use url::Url;

use super::DeliveryError;
use super::body::{self, Teller};
use crate::alerts::Alert;

/// One request takes no longer than this: chat services answer within a second or not at all.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection is made within this, or the receiver counts as away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Alerts are rare: a connection is kept for the next request of the same burst only.
const POOL_IDLE_MAX: Duration = Duration::from_secs(10);

/// Nobody makes us wait longer than this: a receiver that asks for a day has forgotten us.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_mins(10);

/// Where alerts are sent, under the base address of an Alertmanager.
const ALERTMANAGER_PATH: &str = "/api/v2/alerts";

/// Sends to one webhook. Its client is made when it is first needed, since TLS roots cost memory.
#[derive(Debug)]
pub(super) struct Poster {
    webhook: Webhook,
    teller: Teller,
    client: OnceLock<Client>,
}

// === impl Poster ===

impl Poster {
    pub(super) fn new(webhook: Webhook, instance: &str) -> Self {
        let teller = Teller { instance: instance.to_owned() };
        Self { webhook, teller, client: OnceLock::new() }
    }

    pub(super) const fn webhook(&self) -> &Webhook {
        &self.webhook
    }

    /// Sends alerts. Cancel-safe: the request is given up, and may have arrived.
    pub(super) async fn post(&self, alerts: &[Alert]) -> Result<(), DeliveryError> {
        let body = match self.webhook.format {
            WebhookFormat::Json => body::json(&self.teller, alerts),
            WebhookFormat::Slack => body::slack(&self.teller, alerts),
            WebhookFormat::Alertmanager => body::alertmanager(&self.teller, alerts, wall_now()),
        };
        self.send(body.to_string()).await
    }

    /// Sends an alert that is marked as a test.
    pub(super) async fn post_test(&self) -> Result<(), DeliveryError> {
        let body = body::test(&self.teller, self.webhook.format, wall_now());
        self.send(body.to_string()).await
    }

    async fn send(&self, body: String) -> Result<(), DeliveryError> {
        let url = self.url().ok_or(DeliveryError::Unusable)?;
        let headers = self.headers().ok_or(DeliveryError::Unusable)?;
        let request = self.client(&url)?.post(url).headers(headers).body(body);
        let response = request.send().await.map_err(|error| meaning(&error))?;
        // The body is not read: what is in it is for nobody here.
        let (status, headers) = (response.status(), response.headers());
        match status.as_u16() {
            200..=299 => Ok(()),
            300..=399 => Err(DeliveryError::Redirected(status.as_u16())),
            429 => Err(DeliveryError::Throttled(retry_after(headers, wall_now()))),
            408 | 425 | 500..=599 => {
                let wait = retry_after(headers, wall_now());
                Err(DeliveryError::Failed(status.as_u16(), wait))
            }
            refused => Err(DeliveryError::Refused(refused)),
        }
    }

    fn url(&self) -> Option<Url> {
        let mut url = Url::parse(self.webhook.url.expose()).ok()?;
        if self.webhook.format == WebhookFormat::Alertmanager {
            let base = url.path().trim_end_matches('/').trim_end_matches(ALERTMANAGER_PATH);
            let path = format!("{base}{ALERTMANAGER_PATH}");
            url.set_path(&path);
        }
        Some(url)
    }

    fn headers(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in &self.webhook.headers {
            let mut value = HeaderValue::from_str(value.expose()).ok()?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, value);
        }
        Some(headers)
    }

    fn client(&self, url: &Url) -> Result<&Client, DeliveryError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = make(url).map_err(|_| DeliveryError::Unusable)?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// A proxy from the environment is never asked for loopback, and without TLS no certificates are
/// loaded there.
fn make(url: &Url) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("mcpo/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_MAX)
        .pool_max_idle_per_host(1);
    match (is_loopback(url), url.scheme()) {
        (true, "http") => builder.no_proxy().tls_certs_only([]).build(),
        (true, _) => builder.no_proxy().build(),
        (false, _) => builder.build(),
    }
}

fn meaning(error: &reqwest::Error) -> DeliveryError {
    if error.is_builder() {
        DeliveryError::Unusable
    } else if error.is_connect() {
        DeliveryError::Unreachable
    } else if error.is_timeout() {
        DeliveryError::Timeout
    } else {
        DeliveryError::Broken
    }
}

/// Seconds, or an HTTP date (RFC 9110, section 10.2.3), as a length from `now` of at most
/// [`RETRY_AFTER_MAX`]. `None`: it says nothing that we understand.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default().min(RETRY_AFTER_MAX))
}

#[expect(clippy::disallowed_methods, reason = "an Alertmanager is told until when an alert counts")]
fn wall_now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests;
