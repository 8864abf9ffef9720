//! The life of one request, in the order in which things happen.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{ACCEPT, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use mcpo_config::{Access, Limits, Load, Mode, Site};
use mcpo_core::outcome::OutcomeKind;
use mcpo_monitor::monitor::Monitor;
use mcpo_monitor::requests::Route;
use mcpo_policy::pipeline::Pipeline;
use mcpo_upstream::directory::{Directory, Snapshot, State, Upstream};
use tokio::time::{Instant, timeout};

use crate::access::Gate;
use crate::admin::Admin;
use crate::answer::{Answer, Content, empty, put};
use crate::call::{Calls, Target, not_ready};
use crate::cors::{Cors, Permit};
use crate::documents::Documents;
use crate::health;
use crate::insight::{Ask, Insight};
use crate::pages;
use crate::problem::Problem;
use crate::request_id::{REQUEST_ID, RequestIds};
use crate::route::{Callee, Found, Page, Probe, Routes};
use crate::sent::{Seldom, Sent};
use crate::shown::Shown;

/// How long a call waits for an upstream that is just being started: most children are up in a
/// second. Whoever then gets 503 knows when to come again.
const FIRST_START_TIME_MAX: Duration = Duration::from_secs(2);

/// What the operator decided about the surface.
#[derive(Debug, Clone)]
pub struct SurfaceOptions {
    /// Who may come in.
    pub access: Access,
    /// What the documents say, and where they are mounted.
    pub site: Site,
    /// Bounds of a call.
    pub limits: Limits,
    /// For whom calls are made, and what is kept of answers. Its bounds and rates are the
    /// pipeline's.
    pub load: Load,
    /// Whether one server is at the root, or many under their names.
    pub mode: Mode,
}

/// Answers requests.
#[derive(Debug)]
pub struct Surface {
    gate: Gate,
    cors: Cors,
    routes: Routes,
    documents: Documents,
    calls: Calls,
    request_ids: RequestIds,
    admin: Admin,
    insight: Arc<Insight>,
    directory: Arc<Directory>,
    monitor: Monitor,
}

/// The snapshots that a request looks at: the one of its arrival, and one after a wait.
#[derive(Debug)]
struct Seen {
    first: Arc<Snapshot>,
    later: OnceLock<Arc<Snapshot>>,
}

/// A request without its body.
#[derive(Debug, Clone, Copy)]
struct Asked<'r> {
    parts: &'r Parts,
    sent: Sent<'r>,
    peer: IpAddr,
}

/// What is told of a request beside its answer. Empty where there is nothing to say.
#[derive(Debug, Default)]
struct Line<'s> {
    upstream: &'s str,
    tool: &'s str,
    outcome: Option<OutcomeKind>,
    route: Route,
}

impl Surface {
    /// A surface over what runs in the directory; calls go through the pipeline, and the monitor
    /// sees them.
    #[must_use]
    pub fn new(
        options: SurfaceOptions,
        directory: Arc<Directory>,
        pipeline: impl Into<Arc<Pipeline>>,
        monitor: Monitor,
    ) -> Self {
        let SurfaceOptions { access, site, limits, load, mode } = options;
        let pipeline = pipeline.into();
        let cors = Cors::new(&access.cors_origins);
        let insight = Arc::new(Insight::new(monitor.clone(), directory.clone()));
        let admin =
            Admin::new(directory.clone(), pipeline.clone(), insight.clone(), &site.root_path);
        let gate = Gate::new(access);
        Self {
            cors,
            routes: Routes::new(mode, &site),
            documents: Documents::new(mode, site, gate.needs_key(), directory.clone()),
            gate,
            calls: Calls::new(limits, load.identity_header, pipeline, monitor.clone()),
            request_ids: RequestIds::new(),
            admin,
            insight,
            directory,
            monitor,
        }
    }

    /// Ends what is told live, at once and from now on: those who watch never end by themselves.
    pub fn end_views(&self) {
        self.insight.viewers().end();
    }

    /// Answers one request of a downstream at that address. What fails inside is answered, too.
    ///
    /// Cancel-safe: dropping it cancels the call that it makes, if any.
    pub async fn handle<B>(&self, request: Request<B>, peer: IpAddr) -> Response<Content>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let asked = Asked { parts: &parts, sent: Sent::new(&parts.headers), peer };
        let request_id = match asked.sent.with(Seldom::RequestId) {
            Some(headers) => self.request_ids.of(headers),
            None => self.request_ids.fresh(),
        };
        let seen = Seen::now(&self.directory);
        let mut line = Line::default();
        // What a panic leaves half done is dropped with the future; what requests share is counters
        // and locks that do not mind.
        let handled = AssertUnwindSafe(self.handled(asked, body, &seen, &mut line));
        let mut answer = match handled.catch_unwind().await {
            Ok(answer) => answer,
            Err(_told_by_the_panic) => {
                line.outcome = (!line.tool.is_empty()).then_some(OutcomeKind::Unknown);
                let request_id = request_id.to_str().unwrap_or_default();
                let Line { upstream, tool, .. } = line;
                tracing::error!(request_id, upstream, tool, "mcpo failed on this request");
                Problem::Internal { outcome: line.outcome }.answer()
            }
        };
        if self.monitor.is_enabled() {
            let (status, took) = (answer.status().as_u16(), started.elapsed());
            self.monitor.requests().record(line.route, &parts.method, status, took);
        }
        line.write(&request_id, answer.status(), started);
        answer.headers_mut().insert(REQUEST_ID, request_id);
        answer
    }

    async fn handled<'s, B>(
        &'s self,
        asked: Asked<'_>,
        body: B,
        seen: &'s Seen,
        line: &mut Line<'s>,
    ) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let Asked { parts, sent, peer } = asked;
        let path = parts.uri.path();
        // What is asked for seldom is in a box of its own, as a call is.
        if let Some(rest) = self.routes.admin(path) {
            line.route = Route::Admin;
            // Pages of other sites have no business there, whatever they may call.
            return Box::pin(self.admin.answer(&self.gate, rest, (parts, body), peer)).await;
        }
        let mut snapshot = &seen.first;
        let mut found = self.routes.find(snapshot, path);
        line.route = counted(&found, &parts.method);
        if let Some(Page::Insight(ask)) = found.page
            && Ask::is_meant(&parts.method, &parts.headers)
        {
            // Pages of other origins read nothing of it, whatever they may call.
            return Box::pin(self.insight.answer(&self.gate, ask, parts, peer)).await;
        }
        let crossing = sent.with(Seldom::Origin);
        if let Some(answer) =
            crossing.and_then(|headers| self.cors.preflight(&parts.method, headers))
        {
            return answer;
        }
        let permit = crossing.map_or_else(Permit::default, |headers| self.cors.permit(headers));
        if (found.is_starting() || found.dormant().is_some()) && self.may_call(parts) {
            let later = Box::pin(self.started(found.dormant(), path)).await;
            snapshot = seen.later.get_or_init(|| later);
            found = self.routes.find(snapshot, path);
            line.route = counted(&found, &parts.method);
        }
        let answer = self.answer((snapshot, found), asked, body, line).await;
        let mut answer = answer.unwrap_or_else(|problem| problem.answer());
        permit.apply(&mut answer);
        answer
    }

    fn may_call(&self, parts: &Parts) -> bool {
        parts.method == Method::POST && self.gate.call(Shown::from(parts)).is_ok()
    }

    /// The snapshot in which the upstream behind a path has had the time to start; one that waits to
    /// be called is called first.
    async fn started(&self, dormant: Option<&Upstream>, path: &str) -> Arc<Snapshot> {
        if let Some(dormant) = dormant {
            woken(dormant).await;
        }
        self.settled(path).await
    }

    /// The snapshot in which the upstream behind a path is through with its first start, or the
    /// one after the wait.
    async fn settled(&self, path: &str) -> Arc<Snapshot> {
        let mut generations = self.directory.generations();
        let settled = async {
            while self.routes.find(&self.directory.load(), path).is_starting() {
                // The directory lives as long as the surface.
                let _changed = generations.changed().await;
            }
        };
        // What is there then is what there is.
        let _in_time = timeout(FIRST_START_TIME_MAX, settled).await;
        Arc::clone(&self.directory.load())
    }

    async fn answer<'s, B>(
        &self,
        (snapshot, found): (&'s Snapshot, Found<'s>),
        asked: Asked<'_>,
        body: B,
        line: &mut Line<'s>,
    ) -> Result<Answer, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let parts = asked.parts;
        let Found { page, callee } = found;
        let looks = matches!(parts.method, Method::GET | Method::HEAD);
        if let Some(Page::Probe(probe)) = page
            && looks
        {
            return Ok(self.probe(snapshot, probe, parts));
        }
        if let Some(Page::Dashboard(file)) = page
            && looks
        {
            return Ok(file.answer(&parts.headers));
        }
        if parts.method != Method::OPTIONS {
            self.gate.look(Shown::from(parts))?;
        }
        match (page, callee) {
            (Some(page), _) if looks => {
                Ok(Box::pin(self.page(snapshot, page, &parts.headers)).await)
            }
            (_, Some(callee)) if parts.method == Method::POST => {
                self.gate.call(Shown::from(parts))?;
                match callee {
                    Callee::Unready(upstream) => Err(not_ready(upstream)),
                    Callee::Tool(upstream, tool) => {
                        Ok(self.call(Target { upstream, tool }, asked.sent, body, line).await)
                    }
                }
            }
            (None, None | Some(Callee::Unready(_))) => self.elsewhere(snapshot, parts),
            (Some(_), Some(Callee::Tool(..))) => Err(not_allowed("GET, HEAD, POST")),
            (Some(_), None | Some(Callee::Unready(_))) => Err(not_allowed("GET, HEAD")),
            (None, Some(Callee::Tool(..))) => Err(not_allowed("POST")),
        }
    }

    async fn call<'s, B>(
        &self,
        target: Target<'s>,
        sent: Sent<'_>,
        body: B,
        line: &mut Line<'s>,
    ) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        line.upstream = &target.upstream.view.name;
        line.tool = &target.tool.definition.name;
        // In a box of its own: a connection keeps room for the future of a request also while it has
        // none, and that of a call is by far the largest.
        let called = in_box(|| self.calls.call(target, sent, body)).await;
        line.outcome = called.outcome;
        called.answer
    }

    async fn page(&self, snapshot: &Snapshot, page: Page<'_>, headers: &HeaderMap) -> Answer {
        match page {
            Page::Document(scope) => self.documents.answer(scope, headers).await,
            Page::Swagger(scope) => pages::swagger(&self.documents.title(snapshot, scope)),
            Page::Redoc(scope) => pages::redoc(&self.documents.title(snapshot, scope)),
            Page::Asset(asset) => asset.answer(headers),
            // These are answered before, each in its own way.
            Page::Probe(_) | Page::Insight(_) | Page::Dashboard(_) => Problem::NotFound.answer(),
        }
    }

    fn probe(&self, snapshot: &Snapshot, probe: Probe, parts: &Parts) -> Answer {
        let with_names = self.gate.look(Shown::from(parts)).is_ok();
        match probe {
            Probe::Live => health::live(),
            Probe::Ready => {
                health::ready(snapshot, parts.uri.query().unwrap_or_default(), with_names)
            }
            Probe::Health => health::health(snapshot, with_names),
        }
    }

    /// What is not there may be there under another path: without a slash at the end; and a
    /// person who opens the root in a browser wants the documentation.
    fn elsewhere(&self, snapshot: &Snapshot, parts: &Parts) -> Result<Answer, Problem> {
        let path = parts.uri.path();
        let accepts =
            parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        if path == "/" && parts.method == Method::GET && accepts.contains("text/html") {
            return Ok(moved(&self.routes.outer("/docs")));
        }
        let Some(mut target) = self.routes.without_slash(snapshot, path) else {
            return Err(Problem::NotFound);
        };
        if let Some(query) = parts.uri.query() {
            target.push('?');
            target.push_str(query);
        }
        Ok(moved(&target))
    }
}

/// As what a request counts that asked for this.
fn counted(found: &Found<'_>, method: &Method) -> Route {
    if found.callee.is_some() && (method == Method::POST || found.page.is_none()) {
        return Route::Tool;
    }
    match found.page {
        Some(Page::Document(_)) => Route::Document,
        Some(Page::Swagger(_) | Page::Redoc(_) | Page::Asset(_)) => Route::Docs,
        Some(Page::Probe(_)) => Route::Probe,
        Some(Page::Insight(_)) => Route::Monitor,
        Some(Page::Dashboard(_)) => Route::Admin,
        None => Route::Other,
    }
}

/// Has an upstream connected that waits to be called, and waits until it is or has failed.
async fn woken(upstream: &Upstream) {
    let mut views = upstream.follow();
    upstream.want();
    let settled = async {
        // Gone is settled, too.
        let _awake = views.wait_for(|view| view.state != State::Dormant).await.is_ok();
        let _through = views.wait_for(|view| !matches!(view.state, State::Starting { .. })).await;
    };
    let _in_time = timeout(FIRST_START_TIME_MAX, settled).await;
}

/// A large future is made in its box, and so never copied.
fn in_box<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::into_pin(Box::write(Box::new_uninit(), make()))
}

const fn not_allowed(allow: &'static str) -> Problem {
    Problem::MethodNotAllowed { allow }
}

fn moved(target: &str) -> Answer {
    let mut answer = empty(StatusCode::TEMPORARY_REDIRECT);
    put(&mut answer, LOCATION, target);
    answer
}

// === impl Seen ===

impl Seen {
    fn now(directory: &Directory) -> Self {
        Self { first: Arc::clone(&directory.load()), later: OnceLock::new() }
    }
}

// === impl Line ===

impl Line<'_> {
    /// One line for each request. What went wrong with an upstream is told by the event of it;
    /// this line adds whose request it was.
    fn write(&self, request_id: &HeaderValue, status: StatusCode, started: Instant) {
        let failed = self.outcome.is_some_and(|outcome| outcome != OutcomeKind::Reply);
        if !failed && !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let request_id = request_id.to_str().unwrap_or_default();
        let outcome = self.outcome.map_or("", OutcomeKind::name);
        let Self { upstream, tool, .. } = self;
        let (status, duration_ms) = (status.as_u16(), millis(started));
        if failed {
            tracing::info!(
                request_id,
                upstream,
                tool,
                outcome,
                status,
                duration_ms,
                "request failed"
            );
        } else {
            tracing::debug!(
                request_id,
                upstream,
                tool,
                outcome,
                status,
                duration_ms,
                "request answered"
            );
        }
    }
}

fn millis(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
