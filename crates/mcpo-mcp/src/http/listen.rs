//! The stream on which an upstream speaks unasked: a GET in the legacy era, a subscription in the
//! modern one. Opened again whenever it ends, never in a hurry.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::answer::Answer;
use crate::error::Cause;
use crate::http::line::{Manner, Request, pause_after};
use crate::http::refusal::is_session_lost;
use crate::http::reply::Next;
use crate::http::sse_stream::{Cursor, EventKind};
use crate::http::streamable::{Session, method_header};

/// A subscription is asked for anew at least this often: an upstream that forgot it is found out.
const SUBSCRIPTION_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A stream that lived this long was a good one: the next is opened without growing pauses.
const GOOD_STREAM: Duration = Duration::from_secs(10);
/// Says that tools changed.
const TOOLS_CHANGED: &str = "notifications/tools/list_changed";

/// How one stream ended.
#[derive(Debug)]
enum End {
    /// There is no such stream here.
    Never,
    /// The session is gone.
    Lost(Cause),
    /// Try again; how long the upstream wants us to wait.
    Again(Option<Duration>),
}

/// Listens until the upstream says that there is nothing to hear, or the session is gone.
pub(crate) async fn listen(session: Arc<Session>) {
    if session.is_modern() && !session.introduction.tells_tools_changed {
        return;
    }
    let mut cursor = Cursor::default();
    let mut was_there = false;
    let mut vain_attempts = 0;
    loop {
        let began = Instant::now();
        let end = if session.is_modern() {
            subscribe(&session).await
        } else {
            get(&session, &mut cursor, &mut was_there).await
        };
        let wait = match end {
            End::Never => return,
            End::Lost(cause) => return session.line.end(cause),
            End::Again(wait) => wait,
        };
        vain_attempts = if began.elapsed() >= GOOD_STREAM { 0 } else { vain_attempts + 1 };
        sleep(pause_after(vain_attempts, wait)).await;
        if cursor.last_event_id.is_none() && session.introduction.tells_tools_changed {
            // What changed in between was told to nobody.
            session.line.ear.inbound.on_notification(TOOLS_CHANGED);
        }
    }
}

/// One GET.
async fn get(session: &Session, cursor: &mut Cursor, was_there: &mut bool) -> End {
    let mut stream = match session.line.open_stream(cursor).await {
        Ok(stream) => stream,
        Err(cause) => return refused(cause, *was_there),
    };
    *was_there = true;
    let end = loop {
        match stream.next().await {
            Ok(Next::Event(event)) if event.kind == EventKind::Message => {
                if let Err(error) = session.line.ear.hear(&event.data, None) {
                    tracing::debug!(%error, "an event that is not MCP");
                }
            }
            Ok(Next::Event(_)) => {}
            Ok(Next::Json(_) | Next::End | Next::Cut(_)) => break End::Again(None),
            Err(cause) => {
                tracing::warn!(%cause, "the upstream's own stream is given up");
                break End::Never;
            }
        }
    };
    *cursor = stream.cursor().clone();
    match end {
        End::Again(_) => End::Again(cursor.retry),
        other @ (End::Never | End::Lost(_)) => other,
    }
}

/// A refusal means what it says only where the stream was there before: some upstreams answer a
/// GET that they do not know with 404 instead of 405.
fn refused(cause: Cause, was_there: bool) -> End {
    match &cause {
        Cause::Status { .. } if was_there && is_session_lost(&cause) => End::Lost(cause),
        Cause::Status { status: 429 | 500..=599, retry_after, .. } => End::Again(*retry_after),
        Cause::Status { .. } | Cause::Malformed(_) => End::Never,
        Cause::Start { .. }
        | Cause::Connect { .. }
        | Cause::Exited { .. }
        | Cause::Broken(_)
        | Cause::Deadline
        | Cause::Silent { .. }
        | Cause::TooLarge { .. }
        | Cause::Unsupported(_)
        | Cause::Refused { .. }
        | Cause::Full { .. }
        | Cause::Closed => End::Again(None),
    }
}

/// One subscription.
async fn subscribe(session: &Session) -> End {
    const LISTEN: &str = "subscriptions/listen";
    let request = Request {
        method: LISTEN,
        params: &session.dialect.listen(),
        headers: method_header(LISTEN),
        deadline: Instant::now() + SUBSCRIPTION_MAX,
        manner: Manner::CloseOnly,
    };
    match session.line.request(request).await {
        Ok(Answer::Result(_)) => End::Again(None),
        Ok(Answer::Error(error)) => {
            tracing::debug!(%error, "the upstream refuses the subscription");
            End::Never
        }
        Err(error) => refused(error.cause, false),
    }
}
