//! Who is next of those who wait for a place: each identity in its turn, so that one that sends many
//! calls waits behind its own; within one the oldest first, and the newest first while there is too
//! much.
//!
//! - **Fair.** Round robin over identities. Of a full line one goes that belongs to the identity
//!   with the most in it, so that nobody is kept out by another's crowd (longest queue drop, as in
//!   McKenney, "Stochastic Fairness Queueing", 1990, and RFC 8290, section 4.1.3).
//! - **Newest first under overload.** While the oldest are in time, the line moves fast enough for
//!   all, however long it stands, and nobody is passed by. Once an identity's oldest has too little
//!   time left to be answered at the pace of the line, it and those behind it are late, and serving
//!   the oldest first would serve only those whose callers are about to give up. Source: Maurer,
//!   "Fail at Scale", ACM Queue 13(8), 2015 (adaptive LIFO), which goes by the time for which the
//!   line has stood alone: calls here say how long they can wait. Before that a line must not have
//!   been empty for an interval, or it is a burst; that is `CoDel`'s, 100 ms or the time of one
//!   round where that is longer (RFC 8289, section 3.2).
//! - **Short under overload.** Once one in three was not started, or not let into a line that has
//!   stood for long, and until hardly anybody is sent away any more or the line has been empty for
//!   an interval, it is kept as short as one round of calls:
//!   whoever finds it full is told so at once, and whoever is let into it is soon served. A few in a
//!   hurry among others do not make that so. No place is free meanwhile, so that as many are answered
//!   as with a long line, where all would wait for about as long as they can. Nobody in the line is
//!   sent away for a newcomer but for one of an identity with fewer in it: who has waited is not told
//!   late what the newcomer can be told at once. A line that was longer is served until it is short.
//! - **Judged by the deadline.** A call that could not be answered in time any more is not started.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::identity::Identity;

/// A line that has not been empty for longer than this is no burst; see the module.
pub const STANDING_MIN: Duration = Duration::from_millis(100);

/// So many count for the share of those who leave in vain: some who have little time by chance, or
/// go away, make no overload of a line in which the others are served.
const IN_VAIN_WINDOW: u32 = 128;

/// All of them.
const ALL: u32 = 1 << 16;

/// From here on there is more than a place for everybody.
const OVERLOADED_FROM: u32 = ALL / 3;

/// Down to here nothing is over: who is sent away by a short line would else fill a long one again.
const OVERLOADED_TO: u32 = ALL / 32;

/// A line of those who wait.
#[derive(Debug)]
pub struct Queue<T> {
    /// None of them is empty.
    lanes: HashMap<Identity, Lane<T>>,
    /// Whose turn it is: the lowest number is next. One for each lane.
    turns: BTreeMap<u64, Identity>,
    /// Length and turn of each lane.
    lengths: BTreeSet<(usize, u64)>,
    len: usize,
    /// The next number of one who waits, and of a turn; never the same twice.
    next: u64,
    /// Since when it has not been empty.
    standing_since: Option<Instant>,
    /// When somebody last joined, or was taken out to be started.
    last: Option<Instant>,
    /// The share of those who came and were not started: a moving average, in parts of [`ALL`].
    in_vain: u32,
    /// That was more than [`OVERLOADED_FROM`], and is not below [`OVERLOADED_TO`] yet.
    is_overloaded: bool,
}

/// Those who wait of one identity.
#[derive(Debug)]
struct Lane<T> {
    turn: u64,
    /// By number, which is the order of coming.
    waiting: BTreeMap<u64, Waiting<T>>,
}

#[derive(Debug)]
struct Waiting<T> {
    deadline: Instant,
    item: T,
}

/// The bounds of a line at one time.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// So many wait at most.
    pub len_max: usize,
    /// So many wait at most under overload.
    pub short_max: usize,
    /// The newest may go first after the line has stood for so long, and do
    pub standing_max: Duration,
    /// where the oldest of their identity has no more time left than that.
    pub late_max: Duration,
}

/// One who has joined a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Joined<T> {
    /// Its number, by which it may leave.
    pub number: u64,
    /// Who had to go for it.
    pub pushed_out: Option<T>,
}

/// Who was next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// It is started.
    Starts(T),
    /// It would not be answered in time any more.
    TooLate(T),
}

// === impl Queue ===

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            lanes: HashMap::new(),
            turns: BTreeMap::new(),
            lengths: BTreeSet::new(),
            len: 0,
            next: 0,
            standing_since: None,
            last: None,
            in_vain: 0,
            is_overloaded: false,
        }
    }
}

impl<T> Queue<T> {
    /// How many wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Joins the line. Where that is full, one of the identity with the most in it goes for one of
    /// an identity with fewer; otherwise, while its newest go first and the line is not a short one,
    /// its oldest goes for the newest.
    ///
    /// # Errors
    /// There is no room; the item comes back.
    pub fn join(
        &mut self,
        identity: &Identity,
        deadline: Instant,
        item: T,
        (now, bounds): (Instant, Bounds),
    ) -> Result<Joined<T>, T> {
        self.come(now, bounds);
        let pushed_out = if self.len < self.len_max(bounds) {
            None
        } else {
            // A crowd that finds the line full is a burst, and makes no overload: who is in it is in
            // time, and so is who comes as it gets shorter. It keeps one from being over, though,
            // and where the line has stood for long it is not the crowd that is too much.
            if self.is_overloaded || self.stands_long(now, bounds) {
                self.count(true);
            }
            match self.make_room(identity, (now, bounds)) {
                None => return Err(item),
                some => some,
            }
        };
        self.standing_since.get_or_insert(now);
        let number = self.number();
        if let Some(lane) = self.lanes.get_mut(identity) {
            self.lengths.remove(&lane.key());
            lane.waiting.insert(number, Waiting { deadline, item });
            self.lengths.insert(lane.key());
        } else {
            let waiting = BTreeMap::from([(number, Waiting { deadline, item })]);
            let lane = Lane { turn: number, waiting };
            self.turns.insert(lane.turn, identity.clone());
            self.lengths.insert(lane.key());
            self.lanes.insert(identity.clone(), lane);
        }
        self.len += 1;
        Ok(Joined { number, pushed_out })
    }

    /// Leaves the line; `None` for one that is not in it any more.
    pub fn leave(&mut self, identity: &Identity, number: u64) -> Option<T> {
        let left = self.take(identity, number)?;
        self.count(true);
        Some(left.item)
    }

    /// Who is next; `needs` says how long a call takes at the least. An identity whose call comes
    /// too late keeps its turn.
    pub fn next(
        &mut self,
        now: Instant,
        bounds: Bounds,
        needs: impl Fn(&T) -> Duration,
    ) -> Option<Next<T>> {
        let identity = self.turns.first_key_value()?.1.clone();
        let lane = self.lanes.get(&identity)?;
        let newest_first = self.is_newest_first(lane, now, bounds);
        let number = lane.end(newest_first)?;
        let Waiting { deadline, item } = self.take(&identity, number)?;
        if now + needs(&item) > deadline {
            self.count(true);
            return Some(Next::TooLate(item));
        }
        self.last = Some(now);
        self.count(false);
        self.end_turn(&identity);
        Some(Next::Starts(item))
    }

    fn is_newest_first(&self, lane: &Lane<T>, now: Instant, bounds: Bounds) -> bool {
        self.stands_long(now, bounds) && lane.left(now) <= bounds.late_max
    }

    fn stands_long(&self, now: Instant, bounds: Bounds) -> bool {
        let standing = self.standing_since.map(|since| now.saturating_duration_since(since));
        standing.is_some_and(|standing| standing > bounds.standing_max)
    }

    /// One comes. What was before a quiet time does not count.
    fn come(&mut self, now: Instant, bounds: Bounds) {
        let quiet = self.last.map(|last| now.saturating_duration_since(last));
        if self.len == 0 && quiet.is_none_or(|quiet| quiet > bounds.standing_max) {
            self.in_vain = 0;
            self.is_overloaded = false;
        }
        self.last = Some(now);
    }

    /// One was started, or came in vain.
    const fn count(&mut self, in_vain: bool) {
        self.in_vain -= self.in_vain / IN_VAIN_WINDOW;
        if in_vain {
            self.in_vain += ALL / IN_VAIN_WINDOW;
        }
        self.is_overloaded =
            self.in_vain > if self.is_overloaded { OVERLOADED_TO } else { OVERLOADED_FROM };
    }

    const fn is_short(&self, bounds: Bounds) -> bool {
        self.is_overloaded && bounds.short_max < bounds.len_max
    }

    const fn len_max(&self, bounds: Bounds) -> usize {
        if self.is_short(bounds) { bounds.short_max } else { bounds.len_max }
    }

    /// Takes one out for one more of that identity.
    fn make_room(&mut self, identity: &Identity, (now, bounds): (Instant, Bounds)) -> Option<T> {
        let &(longest, turn) = self.lengths.last()?;
        let own = self.lanes.get(identity).map_or(0, |lane| lane.waiting.len());
        let is_crowd = longest > own + 1;
        let from = if is_crowd || own == 0 { self.turns.get(&turn)? } else { identity }.clone();
        let lane = self.lanes.get(&from)?;
        let newest_first = self.is_newest_first(lane, now, bounds);
        if !is_crowd && (!newest_first || self.is_short(bounds)) {
            return None;
        }
        // While the oldest go first, it is as if the newest had never been let in.
        let number = lane.end(!newest_first)?;
        self.take(&from, number).map(|waiting| waiting.item)
    }

    fn take(&mut self, identity: &Identity, number: u64) -> Option<Waiting<T>> {
        let lane = self.lanes.get_mut(identity)?;
        let key = lane.key();
        let waiting = lane.waiting.remove(&number)?;
        self.lengths.remove(&key);
        if lane.waiting.is_empty() {
            self.turns.remove(&lane.turn);
            self.lanes.remove(identity);
        } else {
            self.lengths.insert(lane.key());
        }
        self.len -= 1;
        if self.len == 0 {
            self.standing_since = None;
        }
        Some(waiting)
    }

    /// Its turn is over. One whose lane is empty has none.
    fn end_turn(&mut self, identity: &Identity) {
        let turn = self.number();
        let Some(lane) = self.lanes.get_mut(identity) else { return };
        self.lengths.remove(&lane.key());
        self.turns.remove(&lane.turn);
        lane.turn = turn;
        self.turns.insert(turn, identity.clone());
        self.lengths.insert(lane.key());
    }

    const fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

// === impl Lane ===

impl<T> Lane<T> {
    fn key(&self) -> (usize, u64) {
        (self.waiting.len(), self.turn)
    }

    /// How much time its oldest has left.
    fn left(&self, now: Instant) -> Duration {
        let oldest = self.waiting.first_key_value();
        oldest.map_or(Duration::MAX, |(_, one)| one.deadline.saturating_duration_since(now))
    }

    /// The number of the newest, or of the oldest.
    fn end(&self, newest: bool) -> Option<u64> {
        let end =
            if newest { self.waiting.last_key_value() } else { self.waiting.first_key_value() };
        end.map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests;
