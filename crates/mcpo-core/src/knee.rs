//! Up to how many calls at once an upstream works, and from where on they only wait in it, learnt
//! from how long they take. A limit that is learnt from losses alone sees no queue before calls time
//! out in it.
//!
//! ```text
//!          calls take long where                     they take no less time
//!           there are many             half as many   than with more of them
//!   Free -----------------------> Watch ----------> Lower -----------------------> Free
//!                                                  |  ^ |  ^
//!                                                  +--+ |  | half as many, now and then:
//!                 they take less, and then no less:     v  | if they take no less, twice as many
//!                             that was the knee        Held
//! ```
//!
//! - **What is compared.** Each call that is answered counts at the number that were in flight when
//!   it was sent, and with its own tool, so that neither a slow tool nor a slow answer to a burst
//!   that is over counts against others. Means are of logarithms: a long tail moves them little.
//! - **A suspicion** is that calls take twice as long, and 5 ms longer, where there are
//!   many than where there are a quarter as many, with no tool of which it is known to be untrue.
//! - **A trial** proves it, since much else makes calls slow while there are many: slow ones pile up
//!   (Little's law), and whoever sends many at once may ask for more. Half as many are sent. Where
//!   calls wait for each other, each takes half the time and as many are answered; where they do
//!   not, nothing changes but that fewer are answered, and then it is taken back, and tried again
//!   only after a rest that doubles each time, or with more than twice as many in flight, of which
//!   it has proven nothing. What is compared in it are calls that were sent one
//!   after the other, before and after, and no verdict falls before almost all of them are
//!   answered: the first to be answered are the quickest, however many there are.
//! - **The knee** is the number in flight that keeps the upstream busy with nobody waiting in it: as
//!   many as were in flight while some did, times the part of their time that was work (the product
//!   of bandwidth and delay, as in BBR: Cardwell et al., ACM Queue 14(5), 2016). The limit is
//!   half as much again, so that one that ends finds the next one there.
//! - **It is looked at again**, by another trial: where half as many take no less time any more, the
//!   upstream takes more by now, and is sent twice as many, until it does not. A limit that has not
//!   been in use for a while is none.

mod mean;
mod trial;

use std::time::{Duration, Instant};

use mean::{Mean, change, mean_of, total};
use trial::Trial;

/// Tools are told apart as far as this; those that share a number are one.
pub const TOOLS: usize = 16;

/// From one call at once, each level twice as many, up to the last: 2,048 and more.
const LEVELS: usize = 12;

/// An upstream with fewer than four in flight is in no trouble.
const MANY_LEVEL: usize = 2;

/// Fewer calls than this prove nothing.
const CALLS_MIN: f32 = 32.0;

/// Suspicions are looked for once in so many calls.
const LOOK_EVERY: u32 = 16;

/// A delay that nobody minds, in microseconds: the target of `CoDel` (RFC 8289, section 3.2).
const DELAY_MIN_US: f32 = 5000.0;

/// Calls are slow that take twice as long: logarithms are to the base of two.
const SLOW: f32 = 1.0;

/// They are not where they take less than 1.4 times as long.
const NOT_SLOW: f32 = 0.5;

/// The limit beside the knee; see the module.
const ROOM: f32 = 1.5;

/// Calls in flight were fewer than the knee by more than what chance makes of it: by a fifth.
const BELOW: f32 = 0.3;

/// The time after which old calls count half, and after which the knee is looked for again; also
/// the first rest after a trial for naught.
const HOLD: Duration = Duration::from_secs(10);

/// The first time it is looked for again sooner than that, and then twice as late each time: what
/// came and went with the trial was no proof.
const HOLD_MIN: Duration = Duration::from_secs(1);

/// The rest doubles so often at most: to almost three hours.
const DOUBTS_MAX: u32 = 10;

/// A trial ends for naught after [`HOLD`] and so many times as long as calls took before.
const TRIAL_ROUNDS: u32 = 4;

/// A call that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Which tool, below [`TOOLS`].
    pub tool: usize,
    /// How many were sent before it.
    pub number: u64,
    /// How many were in flight then, it included.
    pub in_flight: usize,
    /// How long it took.
    pub took: Duration,
}

/// What there is as it is answered.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How many were sent so far.
    pub sent: u64,
    /// How many are in flight.
    pub in_flight: usize,
    /// How many there may be for other reasons.
    pub max: usize,
}

/// What is known of an upstream.
#[derive(Debug)]
pub struct Knee {
    levels: [[Mean; LEVELS]; TOOLS],
    faded_at: Instant,
    looks: u32,
    phase: Phase,
    since: Instant,
    limit: usize,
    /// The last one that was held; 0 for none.
    held: usize,
    /// For so long.
    hold: Duration,
    trial: Trial,
    /// What the trial before came to; at first, of those tools that are suspected, with few calls.
    before: [Mean; TOOLS],
    /// Suspicions in a row that came to naught.
    doubts: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing is limited, and nothing is suspected before that time of up to so many in flight.
    Free { rests_until: Instant, up_to: usize },
    /// As many as there are, where more than that many are in flight.
    Watch { above: usize },
    /// Half as many; `is_sure`: they are known to wait for each other.
    Lower { is_sure: bool },
    /// As many as the knee bears.
    Held,
}

// === impl Knee ===

impl Knee {
    /// Nothing is known.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            levels: Default::default(),
            faded_at: now,
            looks: 0,
            phase: Phase::Free { rests_until: now, up_to: 0 },
            since: now,
            limit: usize::MAX,
            held: 0,
            hold: Duration::ZERO,
            trial: Trial::default(),
            before: Default::default(),
            doubts: 0,
        }
    }

    /// Whether a call proves anything to one of which nothing is known yet.
    #[must_use]
    pub const fn is_worth_knowing(in_flight: usize) -> bool {
        in_flight >= 1 << MANY_LEVEL
    }

    /// Whether it matters that each call's end is told.
    #[must_use]
    pub const fn is_on_trial(&self) -> bool {
        match self.phase {
            Phase::Watch { .. } | Phase::Lower { .. } => true,
            Phase::Free { .. } | Phase::Held => false,
        }
    }

    /// A call was answered. How many there may be from now on, [`usize::MAX`] for as many as you
    /// like.
    pub fn answered(&mut self, answer: Answer, load: Load, now: Instant) -> usize {
        let sent = load.sent;
        match self.phase {
            Phase::Free { rests_until, up_to } => {
                self.fade(now);
                let level = level(answer.in_flight);
                self.levels[answer.tool % TOOLS][level].add(Mean::of(answer));
                self.looks = self.looks.wrapping_add(1);
                let is_due = answer.in_flight > up_to || now >= rests_until;
                if self.looks.is_multiple_of(LOOK_EVERY) && is_due {
                    self.suspect(level, load, now);
                }
            }
            Phase::Watch { above } => {
                self.trial.note(answer, &self.before, above);
                if self.is_proven(sent, now) {
                    self.judge_many(sent, now);
                }
            }
            Phase::Lower { is_sure } => {
                self.trial.note(answer, &self.before, 0);
                if self.is_proven(sent, now) {
                    self.judge(is_sure, load, now);
                }
            }
            Phase::Held => {
                self.note_held(answer);
                self.look_again(sent, now);
            }
        }
        self.limit
    }

    /// The call that was sent after so many others ended without an answer. A trial does not wait for
    /// it any more.
    pub const fn gone(&mut self, number: u64) {
        if self.is_on_trial() {
            self.trial.note_gone(number);
        }
    }

    fn fade(&mut self, now: Instant) {
        if now.saturating_duration_since(self.faded_at) < HOLD {
            return;
        }
        self.faded_at = now;
        for mean in self.levels.iter_mut().flatten() {
            mean.calls /= 2.0;
        }
    }

    /// Whether calls take long where so many are in flight.
    fn suspect(&mut self, level: usize, load: Load, now: Instant) {
        if level < MANY_LEVEL {
            return;
        }
        let mut suspects = [Mean::default(); TOOLS];
        let mut took_with_many = f32::MAX;
        for (suspect, levels) in suspects.iter_mut().zip(&self.levels) {
            let Some((few, many)) = few_and_many(levels, level) else { continue };
            if many.took - few.took >= SLOW && many.took_us() - few.took_us() >= DELAY_MIN_US {
                *suspect = few;
                took_with_many = took_with_many.min(many.took);
            }
        }
        // One that takes long anyway would not show it.
        let denies = |levels: &[Mean; LEVELS]| {
            few_and_many(levels, level).is_some_and(|(few, many)| {
                few.took < took_with_many && many.took - few.took < NOT_SLOW
            })
        };
        if total(&suspects) > 0.0 && !self.levels.iter().any(denies) {
            self.before = suspects;
            let above = 1 << (level - 1);
            // A queue would grow until it is known.
            let limit = 2 * load.in_flight.max(4 * above);
            self.enter(Phase::Watch { above }, limit, (load.sent, now));
            self.trial = Trial::new(load.sent, 2 * above);
        }
    }

    /// What a suspicion came from may have been the slow ones of a burst that was over.
    fn judge_many(&mut self, sent: u64, now: Instant) {
        if change(&self.before, &self.trial.means).took < SLOW {
            let rests_until = now + HOLD_MIN;
            let up_to = twice(&self.trial.means);
            return self.enter(Phase::Free { rests_until, up_to }, usize::MAX, (sent, now));
        }
        let half = places(mean_of(&self.trial.means).in_flight.exp2() / 2.0);
        self.lower(false, half, (sent, now));
    }

    /// Sends so many, to see whether that makes a difference.
    fn lower(&mut self, is_sure: bool, limit: usize, at: (u64, Instant)) {
        self.before = self.trial.means;
        self.enter(Phase::Lower { is_sure }, limit.max(1), at);
    }

    fn judge(&mut self, is_sure: bool, load: Load, now: Instant) {
        let at = (load.sent, now);
        let change = change(&self.before, &self.trial.means);
        // Above it calls take time in proportion to how many there are.
        let knee = change.before + change.took.min(0.0);
        let is_below = knee - (change.before + change.in_flight) >= BELOW;
        // A limit that is held is so near to the knee that there is little to be seen.
        let fall_min = if self.held > 0 { BELOW } else { NOT_SLOW };
        if is_below && !is_sure && -change.took < fall_min {
            self.clear(load, now);
        } else if is_below || self.limit == 1 {
            self.doubts = 0;
            let is_new = self.held == 0 || self.hold.is_zero();
            let hold = if is_new { HOLD_MIN } else { (2 * self.hold).min(HOLD) };
            self.hold(places(knee.exp2() * ROOM), hold, at);
        } else {
            self.lower(true, self.limit / 2, at);
        }
    }

    /// So many calls as there were did not wait for each other.
    fn clear(&mut self, load: Load, now: Instant) {
        let limit = self.held.saturating_mul(2);
        if self.held == 0 || limit >= load.max {
            return self.give_up(now);
        }
        self.hold(limit, Duration::ZERO, (load.sent, now));
    }

    fn hold(&mut self, limit: usize, hold: Duration, at: (u64, Instant)) {
        self.held = limit;
        self.hold = hold;
        self.enter(Phase::Held, limit, at);
    }

    /// Notes what calls come to while the limit is in use, whatever their tools.
    fn note_held(&mut self, answer: Answer) {
        if answer.number >= self.trial.first && answer.in_flight * 4 > self.held * 3 {
            self.trial.means[answer.tool % TOOLS].add(Mean::of(answer));
        }
    }

    fn look_again(&mut self, sent: u64, now: Instant) {
        let age = now.saturating_duration_since(self.since);
        if age >= self.hold && total(&self.trial.means) >= CALLS_MIN {
            self.lower(false, self.held / 2, (sent, now));
        } else if age >= self.hold + HOLD {
            // So many are not sent any more.
            self.free(now, Phase::Free { rests_until: now, up_to: 0 });
        }
    }

    /// Whether enough calls were answered in a trial. One that lasts for too long ends here.
    fn is_proven(&mut self, sent: u64, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.since);
        if self.trial.is_over() {
            if self.trial.is_enough() {
                self.trial.count_rest();
                return true;
            }
            self.trial = Trial::new(sent, self.limit);
        }
        let round = Duration::from_micros(mean_of(&self.before).took_us() as u64);
        if age > HOLD + round * TRIAL_ROUNDS {
            self.give_up(now);
        }
        false
    }

    /// A trial has come to naught.
    fn give_up(&mut self, now: Instant) {
        if self.held > 0 {
            return self.free(now, Phase::Free { rests_until: now, up_to: 0 });
        }
        let up_to = twice(&self.before).saturating_mul(1 << self.doubts);
        let rests_until = now + HOLD * (1 << self.doubts);
        self.free(now, Phase::Free { rests_until, up_to });
        self.doubts = (self.doubts + 1).min(DOUBTS_MAX);
    }

    fn free(&mut self, now: Instant, phase: Phase) {
        self.levels = Default::default();
        self.held = 0;
        self.enter(phase, usize::MAX, (0, now));
    }

    fn enter(&mut self, phase: Phase, limit: usize, (sent, now): (u64, Instant)) {
        self.phase = phase;
        self.limit = limit;
        self.since = now;
        self.trial = Trial::new(sent, limit);
    }
}

/// Of one tool, the calls at this level, and all those at a quarter of it and less.
fn few_and_many(levels: &[Mean; LEVELS], level: usize) -> Option<(Mean, Mean)> {
    let many = levels[level];
    if many.calls < CALLS_MIN {
        return None;
    }
    let few = mean_of(&levels[..level.saturating_sub(1)]);
    (few.calls >= CALLS_MIN).then_some((few, many))
}

fn level(in_flight: usize) -> usize {
    (in_flight.max(1).ilog2() as usize).min(LEVELS - 1)
}

/// Twice as many as were in flight.
fn twice(means: &[Mean]) -> usize {
    places(2.0 * mean_of(means).in_flight.exp2())
}

/// One at the least.
fn places(calls: f32) -> usize {
    (calls.ceil() as usize).max(1)
}

#[cfg(test)]
mod tests;
