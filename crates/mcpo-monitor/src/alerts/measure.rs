//! What each rule's value is, read from the picture, and the words for it. Words name no address
//! and no command.

use mcpo_core::fault::FaultKind;
use mcpo_core::life::HeldBy;
use mcpo_core::load::ShedReason;

use super::reconnects::Reconnects;
use super::rules::{ANSWERS_LEAST, FAILURES_LEAST};
use crate::picture::{
    BurnWindows, CallPicture, FIVE_MINUTES, Picture, ServerPicture, ShedPicture, Standing, Tally,
};

/// What rules see.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) picture: &'a Picture,
    /// Reconnects of late.
    pub(super) reconnects: &'a Reconnects,
    /// The share of calls that may fail.
    pub(super) budget: f64,
}

/// Whom a value is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject<'a> {
    /// mcpo, the machine, or all upstreams together.
    Whole,
    Server(&'a ServerPicture),
}

// === impl Subject ===

impl<'a> Subject<'a> {
    pub(super) fn name(self) -> Option<&'a str> {
        match self {
            Self::Whole => None,
            Self::Server(server) => Some(&server.name),
        }
    }

    fn calls<'b>(self, sight: &Sight<'b>) -> &'b CallPicture
    where
        'a: 'b,
    {
        match self {
            Self::Whole => &sight.picture.whole.calls,
            Self::Server(server) => &server.calls,
        }
    }

    fn burn(self, sight: &Sight<'_>) -> BurnWindows {
        match self {
            Self::Whole => sight.picture.whole.burn,
            Self::Server(server) => server.burn,
        }
    }
}

fn server(subject: Subject<'_>) -> Option<&ServerPicture> {
    match subject {
        Subject::Whole => None,
        Subject::Server(server) => Some(server),
    }
}

pub(super) fn cpu(sight: &Sight<'_>, _: Subject<'_>) -> Option<f64> {
    sight.picture.machine.map(|machine| machine.cpu)
}

pub(super) fn say_cpu(_: &Sight<'_>, _: Subject<'_>, value: f64) -> String {
    format!("{} of the processor time is used", percent(value))
}

pub(super) fn memory(sight: &Sight<'_>, _: Subject<'_>) -> Option<f64> {
    sight.picture.machine.map(|machine| machine.memory)
}

pub(super) fn say_memory(_: &Sight<'_>, _: Subject<'_>, value: f64) -> String {
    format!("{} of the memory is used", percent(value))
}

pub(super) fn error_rate(sight: &Sight<'_>, subject: Subject<'_>) -> Option<f64> {
    rate(subject.calls(sight).windows[FIVE_MINUTES].tally())
}

/// The share that failed; `None` where too few did.
pub(super) fn rate(tally: Tally) -> Option<f64> {
    (tally.bad >= FAILURES_LEAST).then(|| tally.error_rate())
}

pub(super) fn say_error_rate(sight: &Sight<'_>, subject: Subject<'_>, value: f64) -> String {
    let tally = subject.calls(sight).windows[FIVE_MINUTES].tally();
    let (bad, total) = (tally.bad, tally.total());
    format!("{} of the calls of the last 5 min failed ({bad} of {total})", percent(value))
}

pub(super) fn slow(sight: &Sight<'_>, subject: Subject<'_>) -> Option<f64> {
    let duration = &subject.calls(sight).windows[FIVE_MINUTES].duration;
    duration.quantile(0.9).filter(|_| duration.count() >= ANSWERS_LEAST)
}

pub(super) fn say_slow(_: &Sight<'_>, _: Subject<'_>, value: f64) -> String {
    format!("one in ten calls of the last 5 min took longer than {value:.1} s")
}

pub(super) fn down(_: &Sight<'_>, subject: Subject<'_>) -> Option<f64> {
    // One that is being stopped is on its way out, and nobody waits for it.
    let server = server(subject).filter(|server| server.state != "stopped")?;
    Some(flag(server.standing == Standing::Down && !is_in_first_start(server)))
}

/// It was never ready yet and never failed: nothing is known to be wrong. A start takes no longer
/// than a handshake may, and has failed after that.
fn is_in_first_start(server: &ServerPicture) -> bool {
    server.state == "starting" && server.tools_offered.is_none() && server.last_error.is_none()
}

pub(super) fn say_down(_: &Sight<'_>, subject: Subject<'_>, _: f64) -> String {
    // While it is tried again it has no fault, but the one before still tells why.
    let fault = |server: &ServerPicture| server.fault.or(server.last_error.map(|(_, kind)| kind));
    match server(subject).and_then(fault).map(FaultKind::reason) {
        Some(reason) => format!("it cannot be called: {reason}"),
        None => "it cannot be called".to_owned(),
    }
}

pub(super) fn crash_loop(sight: &Sight<'_>, subject: Subject<'_>) -> Option<f64> {
    let server = server(subject)?;
    let counted = sight.reconnects.of_late(&server.name) as f64;
    // Its life counts crashes of one that never gets ready, which are no reconnects.
    let is_given_up =
        server.held_by == Some(HeldBy::Fault) && server.fault == Some(FaultKind::Disconnected);
    Some(if is_given_up { counted.max(CRASHES_GIVEN_UP) } else { counted })
}

/// Crashes after which an upstream is held: see `mcpo_core::life`.
const CRASHES_GIVEN_UP: f64 = 10.0;

pub(super) fn say_crash_loop(sight: &Sight<'_>, subject: Subject<'_>, value: f64) -> String {
    let is_held = server(subject).is_some_and(|server| server.held_by == Some(HeldBy::Fault));
    if is_held && sight.reconnects.of_late(subject.name().unwrap_or_default()) == 0 {
        return "it ends each time soon after it is started, and is held".to_owned();
    }
    format!("it went away and was made anew {value:.0} times within 10 min")
}

pub(super) fn held(_: &Sight<'_>, subject: Subject<'_>) -> Option<f64> {
    server(subject).map(|server| flag(server.held_by.is_some()))
}

pub(super) fn say_held(_: &Sight<'_>, subject: Subject<'_>, _: f64) -> String {
    let Some(server) = server(subject) else { return String::new() };
    match (server.held_by, server.fault.map(FaultKind::reason)) {
        (Some(HeldBy::Fault), Some(reason)) => format!("it is held by its fault: {reason}"),
        (Some(HeldBy::Fault), None) => "it is held by its fault".to_owned(),
        (Some(HeldBy::Operator) | None, _) => "it is held by an operator".to_owned(),
    }
}

pub(super) fn burn_fast(sight: &Sight<'_>, subject: Subject<'_>) -> Option<f64> {
    let burn = subject.burn(sight);
    burn_rate(burn.hour, burn.five_minutes, sight.budget)
}

pub(super) fn say_burn_fast(_: &Sight<'_>, _: Subject<'_>, value: f64) -> String {
    format!("the error budget is spent {value:.1} times too fast (1 h and 5 min)")
}

pub(super) fn burn_slow(sight: &Sight<'_>, subject: Subject<'_>) -> Option<f64> {
    let burn = subject.burn(sight);
    burn_rate(burn.six_hours, burn.half_hour, sight.budget)
}

pub(super) fn say_burn_slow(_: &Sight<'_>, _: Subject<'_>, value: f64) -> String {
    format!("the error budget is spent {value:.1} times too fast (6 h and 30 min)")
}

/// How fast the budget is spent, by the slower of both windows: the long one says that it matters,
/// the short one that it still goes on.
pub(super) fn burn_rate(long: Tally, short: Tally, budget: f64) -> Option<f64> {
    Some(rate(long)?.min(rate(short)?) / budget)
}

pub(super) fn shed(sight: &Sight<'_>, subject: Subject<'_>) -> Option<f64> {
    let ended = subject.calls(sight).windows[FIVE_MINUTES].total();
    match subject {
        Subject::Whole => shed_share(sight.picture.whole.shed.for_want_of_room(), || {
            sight.picture.whole.shed.share(ended)
        }),
        // What mcpo itself has no room for is no fault of the server's.
        Subject::Server(server) => {
            let turned_away = of_server_alone(&server.shed);
            shed_share(turned_away, || (turned_away as f64 / ended.max(1) as f64).min(1.0))
        }
    }
}

/// A share of calls that were turned away; `None` where too few were.
pub(super) fn shed_share(turned_away: u64, share: impl FnOnce() -> f64) -> Option<f64> {
    (turned_away >= FAILURES_LEAST).then(share)
}

/// Calls of the last five minutes that were turned away since the server had no room for them.
fn of_server_alone(shed: &ShedPicture) -> u64 {
    shed.for_want_of_room() - shed.by_process()
}

pub(super) fn say_shed(sight: &Sight<'_>, subject: Subject<'_>, value: f64) -> String {
    let whole = &sight.picture.whole.shed;
    let (count, shed, is_whole) = match subject {
        Subject::Whole => (whole.for_want_of_room(), whole, true),
        Subject::Server(server) => (of_server_alone(&server.shed), &server.shed, false),
    };
    let is_ours = |reason| matches!(reason, ShedReason::ProcessFull | ShedReason::ProcessSlow);
    let reasons = ShedReason::ALL.into_iter().filter(|reason| is_whole || !is_ours(*reason));
    let most = reasons
        .filter_map(|reason| Some((in_words(reason)?, shed.of_late(reason))))
        .max_by_key(|(_, count)| *count);
    let why = most.map_or("", |(words, _)| words);
    let part = percent(value);
    format!("{part} of the calls of the last 5 min were turned away ({count}), most since {why}")
}

/// Why there was no room; `None` of a bound that does what it is for.
const fn in_words(reason: ShedReason) -> Option<&'static str> {
    match reason {
        ShedReason::ProcessFull => Some("mcpo has as many in hand as it takes"),
        ShedReason::ProcessSlow => Some("mcpo is short of processor time"),
        ShedReason::ServerFull => Some("as many wait for the server as may"),
        ShedReason::TooLate => Some("they would not have been answered in time"),
        ShedReason::IdentityFull | ShedReason::RateLimited => None,
    }
}

const fn flag(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
