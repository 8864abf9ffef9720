//! What is known of everything, for people and for scrapers: figures, their history, alerts, the
//! diagnosis, and all of it live. Answers carry no permit for other origins, whatever may be called
//! from there: browsers show them to our own page only.

mod events;
mod figures;
mod history;
mod live;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, Method};
use mcpo_monitor::faces;
use mcpo_monitor::monitor::Monitor;
use mcpo_upstream::directory::Directory;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::access::Gate;
use crate::admin::guard;
use crate::answer::{Answer, json};
use crate::problem::Problem;
use crate::query::Query;
use crate::shown::Shown;
use crate::viewers::Viewers;

/// How long the upstreams have to show how they are, where nobody says.
const DIAGNOSIS_TIME_DEFAULT: Duration = Duration::from_secs(5);

/// How long anybody may give them.
const DIAGNOSIS_TIME_MAX: Duration = Duration::from_secs(60);

/// How many diagnoses are made at once; more wait. Each starts what does not run, to see why.
const DIAGNOSES_MAX: usize = 1;

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// `/metrics`.
    Metrics,
    /// `/metrics/history`.
    History,
    /// `/alerts`.
    Alerts,
    /// `/diagnostics`.
    Diagnosis,
}

/// Answers those who look.
#[derive(Debug)]
pub(crate) struct Insight {
    monitor: Monitor,
    directory: Arc<Directory>,
    viewers: Arc<Viewers>,
    pictures: Arc<live::Pictures>,
    diagnoses: Semaphore,
    /// Which process numbers the entries of the journal.
    boot: live::Boot,
}

// === impl Ask ===

impl Ask {
    /// What is at a path, without its first slash.
    pub(crate) fn find(rest: &str) -> Option<Self> {
        match rest {
            "metrics" => Some(Self::Metrics),
            "metrics/history" => Some(Self::History),
            "alerts" => Some(Self::Alerts),
            "diagnostics" => Some(Self::Diagnosis),
            _ => None,
        }
    }

    /// Whether a request is for it rather than for a tool of the same name: a look, or a browser
    /// that asks on behalf of another origin whether it may look.
    pub(crate) fn is_meant(method: &Method, headers: &HeaderMap) -> bool {
        let looks = |method: &[u8]| matches!(method, b"GET" | b"HEAD");
        let wanted = || headers.get(ACCESS_CONTROL_REQUEST_METHOD);
        looks(method.as_str().as_bytes())
            || (method == Method::OPTIONS && wanted().is_some_and(|value| looks(value.as_bytes())))
    }
}

// === impl Insight ===

impl Insight {
    pub(crate) fn new(monitor: Monitor, directory: Arc<Directory>) -> Self {
        Self {
            monitor,
            directory,
            viewers: Viewers::new(),
            pictures: Arc::default(),
            diagnoses: Semaphore::new(DIAGNOSES_MAX),
            boot: live::Boot::new(),
        }
    }

    /// Those who watch live.
    pub(crate) fn viewers(&self) -> &Viewers {
        &self.viewers
    }

    /// Answers one who looks.
    ///
    /// Cancel-safe.
    pub(crate) async fn answer(
        &self,
        gate: &Gate,
        ask: Ask,
        parts: &Parts,
        peer: IpAddr,
    ) -> Answer {
        let told = self.answered(gate, ask, parts, peer).await;
        private(told.unwrap_or_else(|problem| problem.answer()))
    }

    async fn answered(
        &self,
        gate: &Gate,
        ask: Ask,
        parts: &Parts,
        peer: IpAddr,
    ) -> Result<Answer, Problem> {
        if parts.method == Method::OPTIONS {
            return Err(guard::other_site());
        }
        match ask {
            Ask::Metrics | Ask::History | Ask::Alerts => gate.admin(Shown::from(parts))?,
            Ask::Diagnosis => guard::admit(gate, parts, peer)?,
        }
        self.needs_monitor()?;
        let sent = parts.uri.query();
        match ask {
            Ask::Metrics => figures::answer(&self.monitor, sent, &parts.headers),
            Ask::History => history::answer(&self.monitor, sent).await,
            Ask::Alerts => {
                Query::read(sent, &[])?;
                let alerts = Arc::clone(&self.monitor.alerts().borrow());
                Ok(json(&*alerts))
            }
            Ask::Diagnosis => self.diagnosis(&Query::read(sent, &["timeout"])?).await,
        }
    }

    /// What a viewer who watches live is shown now.
    ///
    /// # Errors
    /// When nothing is measured.
    pub(crate) fn picture(&self) -> Result<Answer, Problem> {
        self.needs_monitor()?;
        Ok(json(&faces::live(&self.monitor.picture())))
    }

    /// What happened, as far back as the history goes.
    ///
    /// # Errors
    /// When nothing is measured, or what is asked makes no sense.
    pub(crate) async fn events(&self, sent: Option<&str>) -> Result<Answer, Problem> {
        self.needs_monitor()?;
        events::answer(&self.monitor, sent).await
    }

    /// # Errors
    /// When nothing is measured.
    fn needs_monitor(&self) -> Result<(), Problem> {
        if self.monitor.is_enabled() { Ok(()) } else { Err(Problem::MonitoringOff) }
    }

    async fn diagnosis(&self, query: &Query) -> Result<Answer, Problem> {
        let time = query.seconds("timeout", DIAGNOSIS_TIME_MAX)?;
        let time = time.unwrap_or(DIAGNOSIS_TIME_DEFAULT);
        let busy = || Problem::Busy { why: "Another diagnosis is being made" };
        let turn = timeout_at(Instant::now() + time, self.diagnoses.acquire()).await;
        let _turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        Ok(json(&self.monitor.diagnose(Instant::now() + time).await))
    }
}

/// For whoever asked, now, and for no page of another origin to draw in.
pub(crate) fn private(mut told: Answer) -> Answer {
    let headers = told.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    told
}

#[expect(clippy::disallowed_methods, reason = "people ask for an hour of theirs")]
fn now() -> SystemTime {
    SystemTime::now()
}
