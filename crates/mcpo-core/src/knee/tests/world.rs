//! Callers, a limit and an upstream, in virtual time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use super::Answer;
use crate::limit::{AdaptiveLimit, Sent};

const CEILING: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not zero");

pub(super) const SECOND: u64 = 1_000_000;
pub(super) const MILLI: u64 = 1000;

/// Dice that fall the same way each time (Steele, Lea and Flood, `SplitMix`, 2014).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1, without 0.
    pub(super) fn share(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 1.0) / (1u64 << 53) as f64
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// With this mean, as the time between calls that know nothing of each other.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.share().ln()
    }

    /// With this median; two in three are within so many octaves of it.
    pub(super) fn heavy(&mut self, median: f64, octaves: f64) -> f64 {
        let normal =
            (-2.0 * self.share().ln()).sqrt() * (std::f64::consts::TAU * self.share()).cos();
        median * (normal * octaves).exp2()
    }
}

/// One call, times in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) tool: usize,
    pub(super) work: u64,
}

#[derive(Debug, Clone, Copy)]
struct Flight {
    call: Call,
    answers: u64,
    is_over: bool,
    came: u64,
    sent: u64,
    number: u64,
    in_flight: usize,
}

/// What became of the calls since it was asked last.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) good: usize,
    pub(super) late: usize,
    pub(super) refused: usize,
    pub(super) waited: usize,
    pub(super) total: Vec<u64>,
}

pub(super) struct World {
    learnt: AdaptiveLimit,
    origin: Instant,
    pub(super) now: u64,
    pub(super) limit: usize,
    /// How many are worked on at once.
    pub(super) workers: usize,
    /// How many may wait for that; one more is refused at once.
    pub(super) waiting_max: usize,
    /// Work takes so many times as long.
    pub(super) slowness: u64,
    /// The line is a third as long as the limit, at most.
    pub(super) is_short: bool,
    pub(super) in_time: u64,
    /// Nothing is heard of for about so long, and so often in a second.
    pub(super) pauses: (u64, f64),
    /// Who is not answered in time goes away, and is worked on all the same.
    pub(super) is_impatient: bool,
    line: VecDeque<(u64, Call)>,
    queue: VecDeque<u64>,
    worked_on: BinaryHeap<Reverse<(u64, u64)>>,
    flights: Vec<Flight>,
    /// In the order in which they were sent, those that are out.
    out: VecDeque<u64>,
    in_flight: usize,
    pub(super) tally: Tally,
}

impl World {
    pub(super) fn new(workers: usize) -> Self {
        let origin = super::origin();
        Self {
            learnt: AdaptiveLimit::new(CEILING, origin),
            origin,
            now: 0,
            limit: CEILING.get(),
            workers,
            waiting_max: usize::MAX,
            slowness: 1,
            is_short: true,
            in_time: 250 * MILLI,
            pauses: (0, 0.0),
            is_impatient: false,
            line: VecDeque::new(),
            queue: VecDeque::new(),
            worked_on: BinaryHeap::new(),
            flights: Vec::new(),
            out: VecDeque::new(),
            in_flight: 0,
            tally: Tally::default(),
        }
    }

    fn at(&self, us: u64) -> Instant {
        self.origin + Duration::from_micros(us)
    }

    /// Until then answers are given.
    pub(super) fn run_until(&mut self, until: u64) {
        self.pass(until, false);
    }

    /// Nothing is heard of until then, and all at once after it.
    fn pause_until(&mut self, until: u64) {
        self.pass(until, true);
    }

    fn pass(&mut self, until: u64, is_deaf: bool) {
        let mut unheard = Vec::new();
        while let Some(Reverse((at, slot))) = self.worked_on.peek().copied() {
            if at > until {
                break;
            }
            self.worked_on.pop();
            self.now = at;
            if is_deaf {
                unheard.push(slot);
            } else {
                self.time_out();
                self.answer(slot);
            }
            self.work();
        }
        self.now = until;
        for slot in unheard {
            self.answer(slot);
        }
        self.time_out();
    }

    /// Those who are not answered in time.
    fn time_out(&mut self) {
        while self.is_impatient
            && let Some(slot) = self.out.front().copied()
        {
            let flight = &mut self.flights[slot as usize];
            if !flight.is_over && flight.came + self.in_time > self.now {
                break;
            }
            self.out.pop_front();
            if flight.is_over {
                continue;
            }
            flight.is_over = true;
            let flight = *flight;
            self.tally.late += 1;
            if flight.sent - flight.came < self.in_time / 2 {
                let sent = Sent { at: self.at(flight.sent), answers: flight.answers };
                self.learnt.lost(sent, self.in_flight, self.at(self.now));
            }
            self.learnt.gone(flight.number);
            self.limit = self.learnt.get();
            self.in_flight -= 1;
            self.let_in();
        }
    }

    pub(super) fn come(&mut self, call: Call) {
        if self.in_flight < self.limit && self.line.is_empty() {
            return self.send(self.now, call);
        }
        self.tally.waited += 1;
        let line_max = if self.is_short { self.limit.div_ceil(3) } else { 1024 };
        if self.line.len() >= line_max {
            self.tally.refused += 1;
        } else {
            self.line.push_back((self.now, call));
        }
    }

    fn send(&mut self, came: u64, call: Call) {
        let answers = self.learnt.answers();
        let number = self.learnt.send();
        if self.worked_on.len() >= self.workers && self.queue.len() >= self.waiting_max {
            let sent = Sent { at: self.at(self.now), answers };
            self.learnt.lost(sent, self.in_flight + 1, self.at(self.now));
            self.limit = self.learnt.get();
            self.tally.refused += 1;
            return;
        }
        self.in_flight += 1;
        let in_flight = self.in_flight;
        let slot = self.flights.len() as u64;
        let sent = self.now;
        let is_over = false;
        self.flights.push(Flight { call, answers, is_over, came, sent, number, in_flight });
        self.out.push_back(slot);
        self.queue.push_back(slot);
        self.work();
    }

    fn work(&mut self) {
        while self.worked_on.len() < self.workers
            && let Some(slot) = self.queue.pop_front()
        {
            let work = self.flights[slot as usize].call.work;
            self.worked_on.push(Reverse((self.now + work * self.slowness, slot)));
        }
    }

    fn answer(&mut self, slot: u64) {
        let flight = self.flights[slot as usize];
        if flight.is_over {
            return;
        }
        self.flights[slot as usize].is_over = true;
        self.in_flight -= 1;
        let total = self.now - flight.came;
        let in_time = total <= self.in_time;
        *(if in_time { &mut self.tally.good } else { &mut self.tally.late }) += 1;
        self.tally.total.push(total);
        let answer = Answer {
            tool: flight.call.tool,
            number: flight.number,
            in_flight: flight.in_flight,
            took: Duration::from_micros(self.now - flight.sent),
        };
        let now = self.at(self.now);
        self.learnt.answered(self.in_flight + 1);
        self.learnt.took(answer, self.in_flight + 1, now);
        self.limit = self.learnt.get();
        self.let_in();
    }

    fn let_in(&mut self) {
        while self.in_flight < self.limit
            && let Some((came, call)) = self.line.pop_front()
        {
            self.send(came, call);
        }
    }

    /// Calls come for so long, so many a second, each as the dice say.
    pub(super) fn load(
        &mut self,
        seconds: f64,
        per_second: f64,
        dice: &mut Dice,
        mut call: impl FnMut(&mut Dice) -> Call,
    ) -> Tally {
        self.tally = Tally::default();
        let ends = self.now + (seconds * SECOND as f64) as u64;
        let mut next = self.now as f64;
        let (pause, pauses_per_second) = self.pauses;
        loop {
            next += dice.exponential(SECOND as f64 / per_second);
            if next as u64 >= ends {
                break;
            }
            if pause > 0 && dice.share() < pauses_per_second / per_second {
                self.pause_until(self.now + dice.exponential(pause as f64) as u64);
            }
            self.run_until(self.now.max(next as u64));
            let one = call(dice);
            self.come(one);
        }
        self.run_until(self.now.max(ends));
        std::mem::take(&mut self.tally)
    }
}

impl Tally {
    pub(super) fn quantile(&mut self, quantile: f64) -> u64 {
        self.total.sort_unstable();
        let last = self.total.len() - 1;
        self.total[(last as f64 * quantile) as usize]
    }
}
