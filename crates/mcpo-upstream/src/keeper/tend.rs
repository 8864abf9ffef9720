//! One task per session: it drives the session, looks whether it lives, lists its tools when they
//! have changed, and ends it in good order. What comes out is written on the [`Member`], whose
//! keeper acts on it.

use std::sync::Arc;
use std::time::Duration;

use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::health::{Health, HealthPolicy, Next, Question};
use mcpo_mcp::error::{Cause, RequestError};
use mcpo_mcp::session::Session;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::start::Running;
use crate::classify::fault_of;
use crate::gate::Gate;
use crate::journal::Journal;
use crate::live::Member;

/// An upstream that says all the time that its tools changed is listed no more often than this.
const RELIST_PAUSE: Duration = Duration::from_millis(200);

/// A list that could not be read is asked for again after this long, as often as a silent session
/// is probed: the upstream has said that the one that is known is untrue.
const RELIST_STALE: Duration = Duration::from_secs(30);

/// A session that calls doubt again and again although it answers each probe is probed no more
/// often than this. Calls that are to be sent again wait for that probe, so that it is not more.
const DOUBT_PAUSE: Duration = Duration::from_millis(100);

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// It does not.
    Stay,
    /// Once its calls have ended, at this time at the latest.
    Drained {
        /// The latest time; `None` leaves the calls all the time that they have.
        until: Option<Instant>,
    },
    /// At once.
    Now,
}

/// All that the task of one session needs.
pub(super) struct Tended {
    pub(super) upstream: String,
    pub(super) epoch: u64,
    pub(super) session: Session,
    pub(super) running: Running,
    pub(super) member: Arc<Member>,
    pub(super) leave: watch::Receiver<Leave>,
    pub(super) health: HealthPolicy,
    /// How long listing the tools may take.
    pub(super) list_timeout: Duration,
    pub(super) journal: Arc<Journal>,
    pub(super) gate: Arc<Gate>,
}

/// However the task ends, its keeper learns of it.
struct Over(Arc<Member>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.end();
    }
}

// === impl Tended ===

impl Tended {
    /// Runs until nothing of the session is left.
    ///
    /// Cancel-safe: dropping it kills the child and closes the connections.
    pub(super) async fn run(mut self) {
        let _over = Over(Arc::clone(&self.member));
        if self.serve().await && self.drain().await {
            self.session.close();
            self.running.await;
        }
    }

    /// Until it is told to leave; whether anything is left then that could be closed.
    async fn serve(&mut self) -> bool {
        let leaving = self.leave.wait_for(|leave| *leave != Leave::Stay);
        let watching = async {
            let fault = tokio::select! {
                biased;
                fault = examine(&self.session, &self.member, self.health, |fault| {
                    if fault.is_none() {
                        self.gate.vouched_for(Instant::now());
                    }
                    self.journal.record(&Event::SessionProbed {
                        upstream: self.upstream.clone(),
                        session: self.epoch,
                        fault,
                    });
                }) => fault,
                fault = relist(&self.session, &self.member, self.list_timeout) => fault,
            };
            self.member.spend(fault);
            // The keeper decides how it ends.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            cause = &mut self.running => {
                self.member.spend(fault_of(&cause));
                false
            }
            _told_or_orphaned = leaving => true,
            () = watching => true,
        }
    }

    /// Until its calls have ended, or it is told not to wait for them any more; whether anything is
    /// left then.
    async fn drain(&mut self) -> bool {
        loop {
            let until = match *self.leave.borrow_and_update() {
                Leave::Stay | Leave::Now => return true,
                Leave::Drained { until } => until,
            };
            tokio::select! {
                biased;
                // It ended by itself: nothing is left to be closed.
                _cause = &mut self.running => return false,
                told = self.leave.changed() => if told.is_err() { return true },
                () = self.member.is_empty() => return true,
                () = sleep_until_some(until) => return true,
            }
        }
    }
}

/// Looks whether a session lives, for as long as it does; gives what it died of.
async fn examine(
    session: &Session,
    member: &Member,
    policy: HealthPolicy,
    tell: impl Fn(Option<Fault>),
) -> Fault {
    let mut health = Health::new(policy, member.born().into_std());
    let mut asked_at = None;
    let mut last = None;
    loop {
        match health.next(Instant::now().into_std(), &member.signs()) {
            Next::Ask(question) => {
                if let Some(asked_at) = asked_at
                    && last.is_none()
                    && !member.take_urgent()
                {
                    sleep_until(asked_at + DOUBT_PAUSE).await;
                }
                let now = Instant::now();
                asked_at = Some(now);
                health.asked(now.into_std(), question);
                // In boxes of their own, here and below: an idle session has nothing to ask, and the
                // room for asking would be most of what its task takes.
                let answer = Box::pin(ask(session, question, now + policy.probe_timeout)).await;
                tell(answer.as_ref().err().cloned());
                match answer {
                    Ok(()) => {
                        member.heard(Instant::now());
                        health.answered(Instant::now().into_std());
                        last = None;
                    }
                    Err(fault) if member.is_ended_by_probe(&fault) => return fault,
                    Err(fault) => {
                        health.unanswered(Instant::now().into_std());
                        last = Some(fault);
                    }
                }
                member.tell_looked();
            }
            Next::WaitUntil(until) => tokio::select! {
                biased;
                () = member.doubts.notified() => {}
                () = sleep_until_some(until.map(Instant::from)) => {}
            },
            Next::Dead => return silent(last, member.signs().heard_at.into()),
        }
    }
}

/// What a session died of that answered nothing any more, or nothing but failures.
fn silent(last: Option<Fault>, heard_at: Instant) -> Fault {
    match last {
        Some(fault) if fault.kind != FaultKind::Timeout => fault,
        Some(_) | None => {
            let seconds = heard_at.elapsed().as_secs();
            let detail = format!("it answers neither calls nor probes, for {seconds} s now");
            Fault::new(FaultKind::Disconnected, detail)
        }
    }
}

/// One question. An error that the upstream chose to answer with is a sign of life as well.
async fn ask(session: &Session, question: Question, deadline: Instant) -> Result<(), Fault> {
    let answer = match question {
        Question::Ping => session.probe(deadline).await,
        Question::List => session.list_tools(deadline).await.map(|_| ()),
    };
    let Err(RequestError { cause, .. }) = answer else { return Ok(()) };
    let fault = fault_of(&cause);
    match (&cause, fault.kind) {
        (_, FaultKind::Throttled) => Ok(()),
        (Cause::Refused { .. }, kind) if kind != FaultKind::SessionLost => Ok(()),
        _ => Err(fault),
    }
}

/// Lists the tools whenever they have changed, and leaves the list on the member; gives why the
/// session is of no more use, if that comes out.
async fn relist(session: &Session, member: &Member, limit: Duration) -> Fault {
    let mut changes = session.tools_changed();
    let mut again_at = None;
    loop {
        tokio::select! {
            biased;
            changed = changes.changed() => if changed.is_err() {
                // Nobody is left who could say so: the session is ending.
                std::future::pending::<()>().await;
            },
            () = sleep_until_some(again_at) => {}
        }
        match Box::pin(session.list_tools(Instant::now() + limit)).await {
            Ok(tools) => {
                again_at = None;
                member.put_list(Ok(tools));
            }
            Err(error) => {
                let fault = fault_of(&error.cause);
                if fault.kind.ends_session() {
                    return fault;
                }
                again_at = member.is_probed().then(|| Instant::now() + RELIST_STALE);
                member.put_list(Err(fault));
            }
        }
        sleep(RELIST_PAUSE).await;
    }
}

/// Waits for that time; for ever where there is none.
pub(super) async fn sleep_until_some(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
