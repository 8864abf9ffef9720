//! The life of one request, in the order in which things happen.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, LOCATION};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use mcpo_config::{Access, Limits, Mode, Site};
use mcpo_core::outcome::OutcomeKind;
use mcpo_policy::pipeline::Pipeline;
use mcpo_upstream::directory::{Directory, Snapshot};
use tokio::time::Instant;

use crate::access::Gate;
use crate::answer::{Answer, empty, put};
use crate::call::{Called, Target, call, not_ready};
use crate::cors::Cors;
use crate::documents::Documents;
use crate::health;
use crate::pages;
use crate::problem::Problem;
use crate::request_id::{REQUEST_ID, RequestIds};
use crate::route::{Callee, Found, Page, Probe, Routes};

/// What the operator decided about the surface.
#[derive(Debug, Clone)]
pub struct SurfaceOptions {
    /// Who may come in.
    pub access: Access,
    /// What the documents say, and where they are mounted.
    pub site: Site,
    /// Bounds of a call.
    pub limits: Limits,
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
    limits: Limits,
    request_ids: RequestIds,
    directory: Arc<Directory>,
    pipeline: Pipeline,
}

/// What the log line of a request says beside its answer. Empty where there is nothing to say.
#[derive(Debug, Default)]
struct Line<'s> {
    upstream: &'s str,
    tool: &'s str,
    outcome: Option<OutcomeKind>,
}

impl Surface {
    /// A surface over what runs in the directory; calls go through the pipeline.
    #[must_use]
    pub fn new(options: SurfaceOptions, directory: Arc<Directory>, pipeline: Pipeline) -> Self {
        let SurfaceOptions { access, site, limits, mode } = options;
        let cors = Cors::new(&access.cors_origins);
        let gate = Gate::new(access);
        Self {
            cors,
            routes: Routes::new(mode, &site),
            documents: Documents::new(mode, site, gate.needs_key()),
            gate,
            limits,
            request_ids: RequestIds::new(),
            directory,
            pipeline,
        }
    }

    /// Answers one request.
    ///
    /// Cancel-safe: dropping it cancels the call that it makes, if any.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let started = Instant::now();
        let request_id = self.request_ids.of(request.headers());
        let permit = self.cors.permit(request.headers());
        let snapshot = Arc::clone(&self.directory.load());
        let mut line = Line::default();
        let mut answer = match self.cors.preflight(request.method(), request.headers()) {
            Some(answer) => answer,
            None => {
                let answer = self.answer(&snapshot, request, &mut line).await;
                answer.unwrap_or_else(|problem| problem.answer())
            }
        };
        line.write(request_id.to_str().unwrap_or_default(), answer.status(), started);
        permit.apply(&mut answer);
        answer.headers_mut().insert(REQUEST_ID, request_id);
        answer
    }

    async fn answer<'s, B>(
        &self,
        snapshot: &'s Snapshot,
        request: Request<B>,
        line: &mut Line<'s>,
    ) -> Result<Answer, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let Found { page, callee } = self.routes.find(snapshot, path);
        let looks = matches!(parts.method, Method::GET | Method::HEAD);
        if let Some(Page::Probe(probe)) = page
            && looks
        {
            return Ok(self.probe(snapshot, probe, &parts));
        }
        if parts.method != Method::OPTIONS {
            self.gate.look(&parts.headers)?;
        }
        match (page, callee) {
            (Some(page), _) if looks => Ok(self.page(snapshot, page, &parts.headers)),
            (_, Some(callee)) if parts.method == Method::POST => {
                self.gate.call(&parts.headers)?;
                let Callee::Tool(upstream, tool) = callee else {
                    let Callee::Unready(upstream) = callee else { return Err(Problem::NotFound) };
                    return Err(not_ready(upstream));
                };
                line.upstream = &upstream.view.name;
                line.tool = &tool.definition.name;
                let target = Target { upstream, tool };
                let Called { answer, outcome } =
                    call(&self.limits, &self.pipeline, target, &parts.headers, body).await;
                line.outcome = outcome;
                Ok(answer)
            }
            (None, None | Some(Callee::Unready(_))) => self.elsewhere(snapshot, &parts),
            (Some(_), Some(Callee::Tool(..))) => {
                Err(Problem::MethodNotAllowed { allow: "GET, HEAD, POST" })
            }
            (Some(_), None | Some(Callee::Unready(_))) => {
                Err(Problem::MethodNotAllowed { allow: "GET, HEAD" })
            }
            (None, Some(Callee::Tool(..))) => Err(Problem::MethodNotAllowed { allow: "POST" }),
        }
    }

    fn page(&self, snapshot: &Snapshot, page: Page<'_>, headers: &HeaderMap) -> Answer {
        match page {
            Page::Document(scope) => self.documents.document(snapshot, scope).answer(headers),
            Page::Swagger(scope) => pages::swagger(&self.documents.title(snapshot, scope)),
            Page::Redoc(scope) => pages::redoc(&self.documents.title(snapshot, scope)),
            Page::Asset(asset) => asset.answer(headers),
            Page::Probe(_) => Problem::NotFound.answer(),
        }
    }

    fn probe(&self, snapshot: &Snapshot, probe: Probe, parts: &http::request::Parts) -> Answer {
        let with_names = self.gate.look(&parts.headers).is_ok();
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
    fn elsewhere(
        &self,
        snapshot: &Snapshot,
        parts: &http::request::Parts,
    ) -> Result<Answer, Problem> {
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

fn moved(target: &str) -> Answer {
    let mut answer = empty(StatusCode::TEMPORARY_REDIRECT);
    put(&mut answer, LOCATION, target);
    answer
}

// === impl Line ===

impl Line<'_> {
    /// One line for each request. What went wrong with an upstream is told by the event of it;
    /// this line adds whose request it was.
    fn write(&self, request_id: &str, status: StatusCode, started: Instant) {
        let outcome = self.outcome.map_or("", OutcomeKind::name);
        let failed = self.outcome.is_some_and(|outcome| outcome != OutcomeKind::Reply);
        let Self { upstream, tool, .. } = self;
        let status = status.as_u16();
        if failed {
            let duration_ms = millis(started);
            tracing::info!(
                request_id,
                upstream,
                tool,
                outcome,
                status,
                duration_ms,
                "request failed"
            );
        } else if tracing::enabled!(tracing::Level::DEBUG) {
            let duration_ms = millis(started);
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
