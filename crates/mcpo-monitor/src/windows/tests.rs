use mcpo_core::event::Event;
use mcpo_core::fault::Fault;
use mcpo_core::sketch::Sketch;
use mcpo_upstream::journal::Journal;
use mcpo_upstream::meter::CallResult;
use proptest::prelude::*;

use super::*;
use crate::picture::{FIVE_MINUTES, HOUR, MINUTE};

const SECOND: Duration = Duration::from_secs(1);

fn reading(tool: &str) -> ToolReading {
    ToolReading {
        tool: tool.to_owned(),
        ended: [0; CallResult::ALL.len()],
        in_flight: 0,
        peak: 0,
        duration: Sketch::default(),
        duration_sum: Duration::ZERO,
        duration_bounds: None,
        waited_sum: Duration::ZERO,
        upstream_sum: Duration::ZERO,
        bytes_in: 0,
        bytes_out: 0,
        exemplars: Vec::new(),
    }
}

fn add(reading: &mut ToolReading, result: CallResult, took: Duration) {
    reading.ended[result as usize] += 1;
    if result != CallResult::Cancelled {
        reading.duration.add(took.as_secs_f64());
        reading.duration_sum += took;
        reading.waited_sum += took / 4;
        reading.upstream_sum += took / 2;
    }
}

fn upstream(tools: &[ToolReading]) -> UpstreamReading {
    let (upstream, tools) = ("up".to_owned(), tools.to_vec());
    let mut duration = Sketch::default();
    tools.iter().for_each(|tool| duration.merge(&tool.duration));
    UpstreamReading { upstream, duration, tools, ..UpstreamReading::default() }
}

/// Nothing was turned away, and nothing is kept.
fn no_load() -> Loads<'static> {
    static EMPTY: CacheReading = CacheReading {
        enabled: false,
        entries: 0,
        bytes: 0,
        entries_max: 0,
        bytes_max: 0,
        servers: Vec::new(),
    };
    Loads { shed: ByReason::default(), cache: &EMPTY }
}

/// A clock, windows, and one tool that is called.
struct Bench {
    windows: Windows,
    started: Instant,
    now: Instant,
    tool: ToolReading,
}

impl Bench {
    fn new() -> Self {
        let started = Instant::now();
        Self { windows: Windows::new(started), started, now: started, tool: reading("read") }
    }

    /// Time passes, with a turn every five seconds.
    fn pass(&mut self, length: Duration) {
        let until = self.now + length;
        while self.now < until {
            self.now = (self.now + 5 * SECOND).min(until);
            self.turn();
        }
    }

    fn turn(&mut self) {
        let reading = upstream(std::slice::from_ref(&self.tool));
        self.windows.turn(self.now, &[reading], &Counters::default(), no_load());
    }

    fn call(&mut self, result: CallResult, millis: u64) {
        add(&mut self.tool, result, Duration::from_millis(millis));
    }

    fn windows(&self) -> [WindowPicture; 3] {
        let all = CallPicture {
            ended: self.tool.ended,
            duration: self.tool.duration.clone(),
            duration_sum: self.tool.duration_sum,
            waited_sum: self.tool.waited_sum,
            upstream_sum: self.tool.upstream_sum,
            ..CallPicture::default()
        };
        let windows = self.windows.of("up", &all, self.now);
        let of_tool = self.windows.of_tool("up", &self.tool, self.now);
        for (all, tool) in windows.iter().zip(of_tool) {
            let figures = |of: &WindowPicture| (of.ended, of.duration_sum, of.waited_sum);
            assert_eq!(figures(all), figures(&tool), "it is the only tool");
        }
        windows
    }

    fn totals(&self) -> [u64; 3] {
        self.windows().map(|window| window.total())
    }

    fn burn(&self) -> [u64; 4] {
        let burn = self.windows.burn("up", Tally::of(&self.tool.ended));
        [burn.five_minutes, burn.half_hour, burn.hour, burn.six_hours].map(|tally| tally.total())
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_in_each_window_at_once_and_leaves_it_in_time() {
    let mut bench = Bench::new();
    bench.pass(3000 * SECOND);
    bench.call(CallResult::Ok, 80);
    assert_eq!((bench.totals(), bench.burn()), ([1, 1, 1], [1, 1, 1, 1]));
    let minute = &bench.windows()[MINUTE];
    assert_eq!(minute.duration.count(), 1);
    assert_eq!(minute.duration_sum, Duration::from_millis(80));
    assert_eq!(minute.mean_wait(), Some(Duration::from_millis(20)));
    assert_eq!(minute.upstream_sum, Duration::from_millis(40));
    let steps = [
        (49, [1, 1, 1], [1, 1, 1, 1]),
        (11, [0, 1, 1], [1, 1, 1, 1]),
        (179, [0, 1, 1], [1, 1, 1, 1]),
        (61, [0, 0, 1], [0, 1, 1, 1]),
        (1500, [0, 0, 1], [0, 0, 1, 1]),
        (900, [0, 0, 1], [0, 0, 1, 1]),
        (900, [0, 0, 0], [0, 0, 0, 1]),
        (5 * 3600 - 900, [0, 0, 0], [0, 0, 0, 1]),
        (900, [0, 0, 0], [0, 0, 0, 0]),
    ];
    for (seconds, totals, burn) in steps {
        bench.pass(seconds * SECOND);
        let after = bench.now - bench.started;
        assert_eq!((bench.totals(), bench.burn()), (totals, burn), "at {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn windows_say_how_much_of_their_time_they_saw() {
    let mut bench = Bench::new();
    let lengths = |bench: &Bench| bench.windows.empty(bench.now).map(|window| window.length);
    assert_eq!(lengths(&bench), [Duration::ZERO; 3]);
    bench.pass(33 * SECOND);
    assert_eq!(lengths(&bench), [33 * SECOND; 3]);
    bench.call(CallResult::Ok, 1);
    assert_eq!(bench.windows()[MINUTE].per_second(), 1.0 / 33.0);
    bench.pass(2 * 3600 * SECOND);
    let [minute, five_minutes, hour] = lengths(&bench);
    assert!((50..=60).contains(&minute.as_secs()), "{minute:?}");
    assert!((240..=300).contains(&five_minutes.as_secs()), "{five_minutes:?}");
    assert!((2700..=3600).contains(&hour.as_secs()), "{hour:?}");
}

#[tokio::test(start_paused = true)]
async fn numbers_that_begin_anew_are_counted_from_there() {
    let mut bench = Bench::new();
    (0..5).for_each(|_| bench.call(CallResult::Ok, 10));
    bench.pass(20 * SECOND);
    bench.tool = reading("read");
    bench.call(CallResult::Unknown, 10);
    assert_eq!(bench.totals(), [6; 3]);
    bench.pass(20 * SECOND);
    assert_eq!((bench.totals(), bench.burn()), ([6; 3], [6; 4]));
}

#[tokio::test(start_paused = true)]
async fn what_comes_late_counts_for_the_last_slot() {
    let mut bench = Bench::new();
    bench.call(CallResult::Ok, 10);
    bench.now += 600 * SECOND;
    bench.turn();
    assert_eq!(bench.totals(), [1; 3]);
    bench.pass(61 * SECOND);
    assert_eq!(bench.totals(), [0, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn six_hours_are_seeded_and_forgotten() {
    let mut bench = Bench::new();
    let tally = |bad| Tally { good: 100, bad };
    for quarters in (1..=26).rev() {
        bench.windows.seed("up", quarters * 900 * SECOND, tally(1));
    }
    let burn = bench.windows.burn("up", Tally::default());
    assert_eq!(burn.five_minutes, Tally::default());
    assert!(burn.six_hours.bad >= 23, "{burn:?}");
    bench.call(CallResult::Refused, 1);
    bench.pass(3600 * SECOND);
    let burn = bench.windows.burn("up", Tally::of(&bench.tool.ended));
    assert!((20..=22).contains(&burn.six_hours.bad), "{burn:?}");
    bench.pass(6 * 3600 * SECOND);
    assert_eq!(bench.burn(), [0; 4]);
    bench.windows.turn(bench.now + 10 * SECOND, &[], &Counters::default(), no_load());
    assert!(bench.windows.upstreams.is_empty(), "nobody knows it any more");
}

#[tokio::test(start_paused = true)]
async fn faults_and_recoveries_of_the_last_hour_are_counted() {
    let mut bench = Bench::new();
    let journal = Journal::new();
    let lost = |kind| Event::SessionLost {
        upstream: "up".to_owned(),
        fault: Fault::new(kind, ""),
        retry_in: Duration::ZERO,
    };
    let told = |bench: &Bench, journal: &Journal| {
        let hour = bench.windows.last_hour("up", &journal.counters().upstreams["up"]);
        (hour.faults, hour.recoveries)
    };
    journal.record(&lost(FaultKind::Disconnected));
    journal.record(&lost(FaultKind::Timeout));
    let both = vec![(FaultKind::Disconnected, 1), (FaultKind::Timeout, 1)];
    assert_eq!(told(&bench, &journal), (both.clone(), 1));
    bench.windows.turn(bench.now + 10 * SECOND, &[], &journal.counters(), no_load());
    assert_eq!(told(&bench, &journal), (both, 1));
    journal.record(&lost(FaultKind::Timeout));
    bench.windows.turn(bench.now + 1800 * SECOND, &[], &journal.counters(), no_load());
    let more = vec![(FaultKind::Disconnected, 1), (FaultKind::Timeout, 2)];
    assert_eq!(told(&bench, &journal), (more, 1));
    bench.windows.turn(bench.now + 4400 * SECOND, &[], &journal.counters(), no_load());
    assert_eq!(told(&bench, &journal), (vec![(FaultKind::Timeout, 1)], 0));
    bench.windows.turn(bench.now + 9000 * SECOND, &[], &journal.counters(), no_load());
    assert_eq!(told(&bench, &journal), (vec![], 0));
}

/// What the windows of these tools take up, without the tables that hold them.
fn bytes(windows: &Windows) -> usize {
    let heap = |track: &Track| track.base.len() + track.slots.bytes();
    let named =
        |name: &str, track: &Track| size_of::<(Box<str>, Track)>() + name.len() + heap(track);
    let of = |one: &Upstream| {
        one.tools.iter().map(|(name, track)| named(name, track)).sum::<usize>() + heap(&one.all)
    };
    windows.upstreams.values().map(of).sum()
}

/// The mean of what each of some tools takes up that are called that often for an hour and more.
fn bytes_per_tool(calls_in_ten_seconds: usize, seconds: u32) -> usize {
    const TOOLS: usize = 20;
    let mut bench = Bench::new();
    let mut tools: Vec<ToolReading> =
        (0..TOOLS).map(|number| reading(&format!("a_tool_of_{number}"))).collect();
    let mut dice = 7_u64;
    for _ in 0..seconds / 10 {
        for tool in &mut tools {
            for _ in 0..calls_in_ten_seconds {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // From 20 to 84 ms: two octaves, where most of what a tool does is.
                add(tool, CallResult::Ok, Duration::from_millis(20 + (dice >> 58)));
            }
        }
        bench.now += 10 * SECOND;
        bench.windows.turn(bench.now, &[upstream(&tools)], &Counters::default(), no_load());
    }
    bytes(&bench.windows) / TOOLS
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_tools_cost_a_few_mebibytes() {
    // Each called once: 1.0 MiB for ten thousand.
    let once = bytes_per_tool(1, 10);
    assert!(once <= 130, "{once} bytes");
    // Each called once in ten seconds, a thousand calls a second: 7.0 MiB.
    let often = bytes_per_tool(1, 5400);
    assert!(often <= 800, "{often} bytes");
    // Each called ten times a second, a hundred thousand calls a second in all: 19 MiB.
    let always = bytes_per_tool(100, 5400);
    assert!(always <= 2300, "{always} bytes");
}

fn any_delta() -> impl Strategy<Value = Delta> {
    let counts = proptest::array::uniform6(prop_oneof![Just(0), 0..u64::MAX]);
    let sums = proptest::array::uniform3(any::<u64>());
    let buckets = proptest::collection::vec((0..2048_u16, 1..u64::from(u32::MAX)), 0..20);
    (counts, sums, buckets).prop_map(|(ended, sums_us, buckets)| Delta {
        ended,
        sums_us,
        duration: Sketch::from_buckets(buckets),
    })
}

proptest! {
    #[test]
    fn what_is_packed_is_unpacked(deltas in proptest::collection::vec(any_delta(), 1..5)) {
        let mut packed = Vec::new();
        deltas.iter().for_each(|delta| delta.pack(&mut packed));
        let mut left = packed.as_slice();
        for delta in &deltas {
            prop_assert_eq!(&Delta::unpack(&mut left), delta);
        }
        prop_assert!(left.is_empty());
    }

    /// Whatever happens when, a window holds exactly what ended after its beginning.
    #[test]
    fn windows_hold_what_ended_after_they_began(
        steps in proptest::collection::vec((1..400_u64, 0..4_u64), 1..60),
    ) {
        let mut bench = Bench::new();
        let mut calls: Vec<(Slot, u64)> = Vec::new();
        for (seconds, count) in steps {
            bench.pass(Duration::from_secs(seconds));
            (0..count).for_each(|_| bench.call(CallResult::Ok, 5));
            calls.push((Slot::of(bench.started, bench.now), count));
            let now = Slot::of(bench.started, bench.now);
            let since = |first: Slot| -> u64 {
                calls.iter().filter(|(slot, _)| *slot >= first).map(|(_, count)| count).sum()
            };
            prop_assert_eq!(bench.totals(), now.windows().map(since));
            prop_assert_eq!(bench.burn()[0], since(now.minutes_ago(4)));
            prop_assert_eq!(bench.burn()[3], since(now.quarters_ago(23)));
            let hour = &bench.windows()[HOUR];
            prop_assert_eq!(hour.duration.count(), hour.total());
            prop_assert!(bench.windows()[FIVE_MINUTES].length <= 300 * SECOND);
        }
    }
}
