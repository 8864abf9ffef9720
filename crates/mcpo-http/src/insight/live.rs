//! `/admin/live`: all that is known, as it changes, as server-sent events (WHATWG HTML, 9.2). Each
//! piece is made when the viewer has taken the one before: who is slow sees fewer pictures rather
//! than old ones, and nothing waits for it in memory.

use std::fmt::Write as _;
use std::future::pending;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use mcpo_monitor::alerts::Alerts;
use mcpo_monitor::faces;
use mcpo_monitor::monitor::Monitor;
use mcpo_monitor::picture::Picture;
use mcpo_upstream::directory::Directory;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use super::Insight;
use crate::admin::entry;
use crate::answer::{Answer, Content, empty};
use crate::login::Login;
use crate::problem::Problem;
use crate::query::Query;

/// From picture to picture.
const PICTURE_EVERY: Duration = Duration::from_secs(1);

/// What happens shows in a picture so soon, and no more often than that, however much happens.
/// Longer than a picture is kept (250 ms), so that it is one of afterwards.
const PICTURE_SOON: Duration = Duration::from_millis(300);

/// How long one viewer is told of what happens before it has to ask again, and to show again that
/// it may: browsers do so by themselves.
const VIEW_TIME_MAX: Duration = Duration::from_secs(3600);

/// How many entries of the journal are told in one piece.
const ENTRIES_MAX: usize = 256;

const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// nginx keeps back what it is not told to pass on at once.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Which process numbers the entries: a viewer that comes again after a restart must not take the
/// new numbers for old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Boot(u32);

/// The last picture as it is told, so that it is written once for all viewers.
#[derive(Debug, Default)]
pub(super) struct Pictures(Mutex<Option<(Arc<Picture>, Bytes)>>);

/// What one viewer is told from.
struct Viewer {
    monitor: Monitor,
    directory: Arc<Directory>,
    pictures: Arc<Pictures>,
    boot: Boot,
    is_new: bool,
    /// The last entry that it knows.
    after: u64,
    newest: watch::Receiver<u64>,
    alerts: watch::Receiver<Arc<Alerts>>,
    ending: watch::Receiver<bool>,
    /// By which it came in, if by one.
    login: Option<Login>,
    until: Instant,
    beat: Interval,
    /// When what it was told of is to show in a picture.
    soon: Option<Instant>,
}

/// What is to be told.
enum Due {
    Picture,
    Alerts,
    Entries,
}

// === impl Insight ===

impl Insight {
    /// Everything as it changes: a picture at once, then each second and soon after something
    /// happened, the entries of the journal after the last one that the viewer knows, and the
    /// alerts. Who came in by a login is told for as long as that holds.
    ///
    /// # Errors
    /// When nothing is measured, or as many watch already as may.
    pub(crate) fn live(&self, parts: &Parts, login: Option<Login>) -> Result<Answer, Problem> {
        let query = Query::read(parts.uri.query(), &["after"])?;
        self.needs_monitor()?;
        let mut told = empty(StatusCode::OK);
        let headers = told.headers_mut();
        headers.insert(CONTENT_TYPE, EVENTS);
        headers.insert(BUFFERING, HeaderValue::from_static("no"));
        if parts.method == Method::HEAD {
            return Ok(told);
        }
        let full = Problem::Busy { why: "As many watch live already as may at once" };
        let place = self.viewers.enter().ok_or(full)?;
        // What a browser says when it comes again is newer than what its page once asked for.
        let known = parts.headers.get(LAST_EVENT_ID).and_then(|id| self.boot.read(id));
        let viewer = Viewer { login, ..self.viewer(known.or(query.number("after")?)) };
        let pieces = stream::unfold(viewer, Viewer::next);
        *told.body_mut() = Content::live(pieces, place);
        Ok(told)
    }

    fn viewer(&self, known: Option<u64>) -> Viewer {
        let newest = self.directory.journal().follow();
        let last = *newest.borrow();
        // A number that is not given yet is one of an earlier process.
        let after = known.map_or(last, |known| if known > last { 0 } else { known });
        let now = Instant::now();
        let mut beat = interval_at(now + PICTURE_EVERY, PICTURE_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Viewer {
            monitor: self.monitor.clone(),
            directory: self.directory.clone(),
            pictures: self.pictures.clone(),
            boot: self.boot,
            is_new: true,
            after,
            newest,
            alerts: self.monitor.alerts(),
            ending: self.viewers.ending(),
            login: None,
            until: now + VIEW_TIME_MAX,
            beat,
            soon: None,
        }
    }
}

// === impl Viewer ===

impl Viewer {
    /// The next piece; `None` when it is over.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if *self.ending.borrow() || Instant::now() >= self.until {
            return None;
        }
        let piece = self.piece().await?;
        // Asked after the wait, so that nothing of what came meanwhile is told.
        self.may_look().then_some((piece, self))
    }

    fn may_look(&self) -> bool {
        self.login.as_ref().is_none_or(Login::holds)
    }

    async fn piece(&mut self) -> Option<Bytes> {
        if std::mem::take(&mut self.is_new) {
            return Some(self.greeting());
        }
        match self.due().await? {
            Due::Picture => Some(self.pictures.piece(&self.monitor)),
            Due::Alerts => Some(self.alerts().into()),
            Due::Entries => {
                // A flood does not put it off.
                self.soon.get_or_insert_with(|| Instant::now() + PICTURE_SOON);
                Some(self.entries().into())
            }
        }
    }

    /// Waits for what is to be told next.
    async fn due(&mut self) -> Option<Due> {
        let (after, soon) = (self.after, self.soon);
        tokio::select! {
            // Pictures first: no flood of entries keeps them back.
            biased;
            _over = self.ending.wait_for(|ending| *ending) => None,
            _at = self.beat.tick() => Some(Due::Picture),
            () = until(soon) => {
                self.soon = None;
                Some(Due::Picture)
            }
            // The monitor and the journal live as long as the viewer, which holds them.
            changed = self.alerts.changed() => changed.ok().map(|()| Due::Alerts),
            newer = self.newest.wait_for(|&newest| newest > after) => {
                newer.is_ok().then_some(Due::Entries)
            }
        }
    }

    /// Where it stands, so that a viewer that is cut off before the first entry can go on there.
    fn greeting(&mut self) -> Bytes {
        let mut said = format!("retry: 1000\nid: {}\n", self.boot.id(self.after)).into_bytes();
        said.extend_from_slice(&self.pictures.piece(&self.monitor));
        said.extend_from_slice(self.alerts().as_bytes());
        said.into()
    }

    fn alerts(&mut self) -> String {
        let alerts = self.alerts.borrow_and_update();
        let alerts = serde_json::to_string(&**alerts).expect("alerts are JSON");
        format!("event: alerts\ndata: {alerts}\n\n")
    }

    fn entries(&mut self) -> String {
        let mut said = String::new();
        for found in self.directory.journal().entries(self.after, None, ENTRIES_MAX) {
            let lost = found.seq.saturating_sub(self.after + 1);
            if lost > 0 {
                let lost = json!({ "entries": lost });
                let _infallible = write!(said, "event: lost\ndata: {lost}\n\n");
            }
            self.after = found.seq;
            let (id, entry) = (self.boot.id(found.seq), entry::entry(&found));
            let _infallible = write!(said, "id: {id}\nevent: journal\ndata: {entry}\n\n");
        }
        said
    }
}

/// Waits for ever where there is nothing to wait for.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

// === impl Pictures ===

impl Pictures {
    fn piece(&self, monitor: &Monitor) -> Bytes {
        let picture = monitor.picture();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, piece)) = &*last
            && Arc::ptr_eq(known, &picture)
        {
            return piece.clone();
        }
        let piece = Bytes::from(format!("event: picture\ndata: {}\n\n", faces::live(&picture)));
        *last = Some((picture, piece.clone()));
        piece
    }
}

// === impl Boot ===

impl Boot {
    pub(super) fn new() -> Self {
        // The keys of the standard library's hash maps are random for each process.
        Self((RandomState::new().hash_one(0) >> 32) as u32)
    }

    fn id(self, seq: u64) -> String {
        format!("{:08x}-{seq}", self.0)
    }

    /// The number of an entry; 0, before all of them, for one that another process has told.
    fn read(self, id: &HeaderValue) -> Option<u64> {
        let (boot, seq) = id.to_str().ok()?.split_once('-')?;
        let (boot, seq) = (u32::from_str_radix(boot, 16).ok()?, seq.parse().ok()?);
        Some(if boot == self.0 { seq } else { 0 })
    }
}

#[cfg(test)]
mod tests;
