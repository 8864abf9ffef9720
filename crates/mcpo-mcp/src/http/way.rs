//! The way to an origin: looked up, connected, through the system's proxy where one is set, and
//! encrypted. TLS roots cost memory that a user without HTTPS upstreams never pays, and everybody
//! else once.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper::service::Service;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::service::TowerToHyperService;
use mcpo_core::fault::Stage;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::time::timeout;
use url::Url;

use crate::error::Cause;
use crate::http::agent::{reason, stage};
use crate::http::bounds::CONNECT_WAIT_MAX;
use crate::loopback::is_loopback;

/// Probes on a silent connection find out that its other end has vanished.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(20);
/// See [`KEEPALIVE`].
pub(super) const KEEPALIVE_WAIT: Duration = Duration::from_secs(10);
/// See [`KEEPALIVE`].
const KEEPALIVE_RETRIES: u32 = 3;

static TLS: OnceLock<Tls> = OnceLock::new();
static PROXIES: OnceLock<Matcher> = OnceLock::new();

/// Bytes to and from the other side, whatever is in between.
pub(super) trait Wire: hyper::rt::Read + hyper::rt::Write + Send + Unpin {}

impl<T: hyper::rt::Read + hyper::rt::Write + Send + Unpin> Wire for T {}

/// A connection that was made.
pub(super) struct Connected {
    pub(super) wire: Box<dyn Wire>,
    /// Both sides agreed on HTTP/2.
    pub(super) is_h2: bool,
}

/// How an origin is reached.
#[derive(Debug)]
pub(super) struct Way {
    /// Scheme, host and port.
    origin: Uri,
    http: HttpConnector,
    tls: Option<&'static Tls>,
    proxy: Option<Intercept>,
}

/// What all encrypted connections share.
#[derive(Debug)]
struct Tls {
    /// To upstreams: offers HTTP/2 too.
    upstream: Arc<ClientConfig>,
    /// To proxies.
    proxy: Arc<ClientConfig>,
}

// === impl Way ===

impl Way {
    /// The way to an address. A proxy from the environment is never asked for loopback.
    ///
    /// # Errors
    /// [`Cause::Connect`] for what is no address, where no TLS roots can be used, and where the
    /// proxy speaks something else than HTTP.
    pub(super) fn to(url: &Url) -> Result<Self, Cause> {
        Self::through(url, || PROXIES.get_or_init(Matcher::from_system))
    }

    fn through<'a>(url: &Url, proxies: impl FnOnce() -> &'a Matcher) -> Result<Self, Cause> {
        let origin = Uri::try_from(&url[..url::Position::BeforePath])
            .map_err(|_| unusable("not an HTTP address"))?;
        let proxy = if is_loopback(url) { None } else { proxies().intercept(&origin) };
        let encrypts = |uri: &Uri| uri.scheme() == Some(&Scheme::HTTPS);
        let is_http = |uri: &Uri| encrypts(uri) || uri.scheme() == Some(&Scheme::HTTP);
        if proxy.as_ref().is_some_and(|proxy| !is_http(proxy.uri())) {
            return Err(unusable("the proxy from the environment is not one of HTTP"));
        }
        let needs_tls =
            encrypts(&origin) || proxy.as_ref().is_some_and(|proxy| encrypts(proxy.uri()));
        let tls = if needs_tls { Some(tls()?) } else { None };
        Ok(Self { origin, http: connector(), tls, proxy })
    }

    /// Whether requests are not sent to the origin, but to a proxy that passes them on: they then
    /// name the whole address (RFC 9112, section 3.2.2).
    pub(super) fn is_forwarded(&self) -> bool {
        self.proxy.is_some() && self.origin.scheme() == Some(&Scheme::HTTP)
    }

    /// What such a proxy wants to be shown.
    pub(super) fn proxy_credentials(&self) -> Option<&HeaderValue> {
        self.proxy.as_ref().filter(|_| self.is_forwarded())?.basic_auth()
    }

    /// Makes a connection.
    ///
    /// Cancel-safe: dropping it closes what there is of it.
    ///
    /// # Errors
    /// [`Cause::Connect`]; after [`CONNECT_WAIT_MAX`] at the latest.
    pub(super) async fn connect(&self) -> Result<Connected, Cause> {
        match timeout(CONNECT_WAIT_MAX, self.dial()).await {
            Ok(Ok(connected)) => Ok(connected),
            Ok(Err(error)) => {
                Err(Cause::Connect { stage: stage(&*error), reason: reason(&*error) })
            }
            Err(_) => Err(Cause::Connect {
                stage: Stage::Route,
                reason: "operation timed out".to_owned(),
            }),
        }
    }

    async fn dial(&self) -> Result<Connected, Box<dyn Error + Send + Sync>> {
        let http = self.http.clone();
        let origin = self.origin.clone();
        match (self.tls, &self.proxy) {
            (None, None) => dial(http, origin).await,
            (None, Some(proxy)) => dial(http, proxy.uri().clone()).await,
            (Some(tls), None) => {
                dial(HttpsConnector::from((http, Arc::clone(&tls.upstream))), origin).await
            }
            (Some(tls), Some(proxy)) => {
                let to_proxy = HttpsConnector::from((http, Arc::clone(&tls.proxy)));
                if self.is_forwarded() {
                    return dial(to_proxy, proxy.uri().clone()).await;
                }
                let mut tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
                if let Some(credentials) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(credentials.clone());
                }
                dial(HttpsConnector::from((tunnel, Arc::clone(&tls.upstream))), origin).await
            }
        }
    }
}

async fn dial<C>(connector: C, to: Uri) -> Result<Connected, Box<dyn Error + Send + Sync>>
where
    TowerToHyperService<C>: Service<Uri>,
    <TowerToHyperService<C> as Service<Uri>>::Response: Wire + Connection + 'static,
    <TowerToHyperService<C> as Service<Uri>>::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let wire = TowerToHyperService::new(connector).call(to).await.map_err(Into::into)?;
    let is_h2 = wire.connected().is_negotiated_h2();
    Ok(Connected { wire: Box::new(wire), is_h2 })
}

fn connector() -> HttpConnector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    // Shared by the addresses of a name: one that never answers leaves time for the next.
    http.set_connect_timeout(Some(CONNECT_WAIT_MAX));
    http.set_nodelay(true);
    http.set_keepalive(Some(KEEPALIVE));
    http.set_keepalive_interval(Some(KEEPALIVE_WAIT));
    http.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
    http
}

fn tls() -> Result<&'static Tls, Cause> {
    if let Some(tls) = TLS.get() {
        return Ok(tls);
    }
    let proxy = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| unusable(&error.to_string()))?
        .with_no_client_auth();
    let mut upstream = proxy.clone();
    upstream.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TLS.get_or_init(|| Tls { upstream: Arc::new(upstream), proxy: Arc::new(proxy) }))
}

fn unusable(reason: &str) -> Cause {
    Cause::Connect { stage: Stage::Other, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
