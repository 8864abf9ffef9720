use std::sync::Arc;
use std::thread;

use mcpo_core::sketch::Sketch;
use tokio::time::advance;

use super::*;

const OK: Ended = Ended {
    result: CallResult::Ok,
    waited: Duration::ZERO,
    upstream: Duration::ZERO,
    bytes_in: 0,
    bytes_out: 0,
    trace_id: None,
};

fn of(result: CallResult) -> Ended {
    Ended { result, ..OK }
}

fn total(tool: &ToolReading) -> u64 {
    tool.ended.iter().sum()
}

fn only(meter: &Meter) -> ToolReading {
    let [tool] = meter.read().tools.try_into().expect("one tool was called");
    tool
}

fn names(reading: &UpstreamReading) -> Vec<&str> {
    reading.tools.iter().map(|tool| tool.tool.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_call_counts_from_its_begin_to_its_end_as_what_it_came_to() {
    let meter = Meters::default().of("up");
    for (index, result) in CallResult::ALL.into_iter().enumerate() {
        let call = meter.begin("tool");
        assert_eq!((meter.read().in_flight, only(&meter).in_flight), (1, 1));
        advance(Duration::from_secs(1 + index as u64)).await;
        let (waited, upstream) = (Duration::from_secs(1), Duration::from_millis(1));
        call.end(Ended { waited, upstream, bytes_in: 10, bytes_out: 100, ..of(result) });
    }
    let tool = only(&meter);
    assert_eq!(tool.ended, [1; 6]);
    assert_eq!((tool.in_flight, tool.peak), (0, 1));
    // The last of them was cancelled, which says nothing of how long calls take.
    assert_eq!(tool.duration.count(), 5);
    assert_eq!(tool.duration_sum, Duration::from_secs(1 + 2 + 3 + 4 + 5));
    assert_eq!(tool.duration_bounds, Some((Duration::from_secs(1), Duration::from_secs(5))));
    assert_eq!(tool.waited_sum, Duration::from_secs(5));
    assert_eq!(tool.upstream_sum, Duration::from_millis(5));
    assert_eq!((tool.bytes_in, tool.bytes_out), (50, 500));
    assert!(tool.exemplars.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_turned_away_says_nothing_of_how_long_calls_take() {
    let meter = Meters::default().of("up");
    for is_turned_away in [true, false, true] {
        let call = meter.begin("tool");
        advance(Duration::from_secs(if is_turned_away { 0 } else { 2 })).await;
        if is_turned_away {
            call.turned_away();
        } else {
            call.end(Ended { waited: Duration::from_secs(1), ..OK });
        }
    }
    let tool = only(&meter);
    assert_eq!((total(&tool), tool.ended[CallResult::NotSent as usize]), (3, 2));
    assert_eq!(tool.duration_bounds, Some((Duration::from_secs(2), Duration::from_secs(2))));
    assert_eq!(
        (tool.duration_sum, tool.waited_sum),
        (Duration::from_secs(2), Duration::from_secs(1))
    );
}

/// Otherwise a call would be taken as seen before anybody has seen how long it took.
#[test]
fn a_reading_holds_how_long_each_call_took_that_it_has_as_ended() {
    const CALLS: u64 = 20_000;
    let meters = Meters::default();
    let meter = meters.of("up");
    thread::scope(|scope| {
        scope.spawn(|| (0..CALLS).for_each(|_| meter.begin("tool").end(OK)));
        let mut ended = 0;
        while ended < CALLS {
            for reading in meters.read().into_iter().chain(meters.read_briefly()) {
                ended = reading.tools.iter().map(total).sum();
                assert!(reading.duration.count() >= ended);
                let told = reading.tools.iter().map(|tool| tool.duration.count()).sum::<u64>();
                assert!(told == 0 || told >= ended);
            }
        }
    });
}

#[test]
fn a_call_that_is_dropped_was_cancelled_and_one_that_was_none_counts_as_nothing() {
    let meter = Meters::default().of("up");
    drop(meter.begin("tool"));
    meter.begin("tool").void();
    let tool = only(&meter);
    let count = |result| tool.ended[result as usize];
    assert_eq!(count(CallResult::Cancelled), 1);
    assert_eq!((total(&tool), tool.in_flight), (1, 0));
}

#[test]
fn a_call_that_ends_by_a_panic_is_one_of_which_nobody_knows() {
    let meter = Meters::default().of("up");
    let call = meter.begin("tool");
    let broke = thread::scope(|scope| {
        let breaks = scope.spawn(move || {
            let _call = call;
            std::panic::resume_unwind(Box::new(()));
        });
        breaks.join()
    });
    assert!(broke.is_err());
    let tool = only(&meter);
    assert_eq!((tool.ended[CallResult::Unknown as usize], total(&tool)), (1, 1));
    assert_eq!(tool.in_flight, 0);
}

#[test]
fn counts_of_many_threads_add_up_and_the_peak_is_what_was_there_at_most() {
    const THREADS: usize = 4;
    const CALLS: usize = 3000;
    let meters = Meters::default();
    let meter = meters.of("up");
    let together = std::sync::Barrier::new(THREADS);
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let (meter, together) = (&meter, &together);
            scope.spawn(move || {
                let mut dice = fastrand::Rng::with_seed(seed as u64);
                let held = meter.begin("tool-0");
                // All of them are under way at once here, and no more than two each later.
                together.wait();
                for call in 0..CALLS {
                    let begun = meter.begin(&format!("tool-{}", dice.usize(0..8)));
                    begun.end(of(CallResult::ALL[call % 6]));
                }
                drop(held);
            });
        }
    });
    let reading = meter.read();
    assert_eq!(reading.in_flight, 0);
    assert!((THREADS..=2 * THREADS).contains(&reading.peak), "{}", reading.peak);
    let mut ended = [0; 6];
    for tool in &reading.tools {
        (0..6).for_each(|index| ended[index] += tool.ended[index]);
        assert_eq!(tool.in_flight, 0);
        assert!(tool.peak <= reading.peak);
        let cancelled = tool.ended[CallResult::Cancelled as usize];
        assert_eq!(tool.duration.count(), total(tool) - cancelled);
    }
    let each = (THREADS * CALLS / 6) as u64;
    assert_eq!(ended, [each, each, each, each, each, each + THREADS as u64]);
}

/// Random moves against the simplest book there is.
#[tokio::test(start_paused = true)]
async fn whatever_is_begun_and_ended_is_what_is_read() {
    for seed in 0..40 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let meter = Meters::default().of("up");
        let mut open: Vec<(usize, Metered<'_>)> = Vec::new();
        let (mut ended, mut peak, mut most) = ([[0_u64; 6]; 3], [0; 3], 0);
        for _ in 0..200 {
            if dice.bool() {
                let tool = dice.usize(0..3);
                open.push((tool, meter.begin(["a", "b", "c"][tool])));
                let now = open.iter().filter(|(other, _)| *other == tool).count();
                peak[tool] = peak[tool].max(now);
                most = most.max(open.len());
            } else if !open.is_empty() {
                let (tool, call) = open.swap_remove(dice.usize(..open.len()));
                let result = CallResult::ALL[dice.usize(..6)];
                ended[tool][result as usize] += 1;
                if result == CallResult::Cancelled {
                    drop(call);
                } else {
                    call.end(of(result));
                }
            }
            advance(Duration::from_millis(dice.u64(..50))).await;
        }
        let reading = meter.read();
        assert_eq!((reading.in_flight, reading.peak), (open.len(), most), "seed {seed}");
        for tool in &reading.tools {
            let index = usize::from(tool.tool.as_bytes()[0] - b'a');
            assert_eq!((tool.ended, tool.peak), (ended[index], peak[index]), "seed {seed}");
        }
        let mut duration = Sketch::default();
        reading.tools.iter().for_each(|tool| duration.merge(&tool.duration));
        assert_eq!(reading.duration, duration, "seed {seed}");
    }
}

#[test]
fn tools_beyond_the_bounds_are_counted_together() {
    let meters = Meters::default();
    let ups: Vec<Arc<Meter>> = (0..6).map(|index| meters.of(&format!("up-{index}"))).collect();
    for (index, up) in ups.iter().enumerate() {
        for tool in 0..=TOOLS_MAX {
            up.begin(&format!("tool-{tool}")).end(OK);
        }
        // What was counted on its own still is.
        up.begin("tool-0").end(OK);
        let reading = up.read();
        let own = TOOLS_IN_ALL_MAX.saturating_sub(index * TOOLS_MAX).min(TOOLS_MAX);
        assert_eq!(reading.tools.len(), own + 1);
        assert_eq!(reading.tools.iter().map(total).sum::<u64>(), TOOLS_MAX as u64 + 2);
        let other = reading.tools.iter().find(|tool| tool.tool == OTHER).expect("there is one");
        assert_eq!(total(other), (TOOLS_MAX + 2 - own - usize::from(own > 0)) as u64);
    }
}

#[test]
fn hostile_names_of_tools_are_counted_and_none_makes_us_keep_much() {
    let meter = Meters::default().of("up");
    let longest = "x".repeat(TOOL_NAME_BYTES_MAX);
    for name in ["", "a\"b\\c\nd\0", "größe\u{202e}", &longest] {
        meter.begin(name).end(OK);
    }
    meter.begin(&format!("{longest}x")).end(OK);
    meter.begin(OTHER).end(OK);
    let reading = meter.read();
    assert_eq!(names(&reading), ["", OTHER, "a\"b\\c\nd\0", "größe\u{202e}", &longest]);
    assert_eq!(reading.tools.iter().map(total).sum::<u64>(), 6);
}

#[test]
fn a_removed_upstream_keeps_its_numbers_until_there_are_too_many() {
    let meters = Meters::default();
    meters.of("first").begin("tool").end(OK);
    assert_eq!(total(&only(&meters.of("first"))), 1);
    let kept = meters.of("kept");
    for index in 0..2 * UPSTREAMS_MAX {
        meters.of(&format!("up-{index}")).begin("tool").end(OK);
    }
    let read = meters.read();
    assert_eq!(read.len(), UPSTREAMS_MAX);
    assert!(read.iter().any(|reading| reading.upstream == "kept"));
    assert!(!read.iter().any(|reading| reading.upstream == "first"));
    assert!(Arc::ptr_eq(&kept, &meters.of("kept")));
    // Their tools count no longer, or a config that changes often would use up the bound.
    let used: usize = read.iter().map(|reading| reading.tools.len()).sum();
    assert_eq!(used, UPSTREAMS_MAX - 1);
    for tool in 0..TOOLS_MAX {
        kept.begin(&tool.to_string()).end(OK);
    }
    assert_eq!(kept.read().tools.len(), TOOLS_MAX);
}

#[tokio::test(start_paused = true)]
async fn the_last_call_with_a_trace_stands_for_each_bucket() {
    let meter = Meters::default().of("up");
    for (millis, trace) in [(5, 1), (10, 2), (11, 3), (15, 4), (400_000, 5), (20, 0)] {
        let call = meter.begin("tool");
        advance(Duration::from_millis(millis)).await;
        call.end(Ended { trace_id: (trace > 0).then_some([trace; 16]), ..OK });
    }
    let exemplars = only(&meter).exemplars;
    let told: Vec<(u8, f64)> = exemplars.iter().map(|one| (one.trace_id[0], one.seconds)).collect();
    assert_eq!(told, [(2, 0.01), (4, 0.015), (5, 400.0)]);
    assert!(exemplars.iter().all(|one| one.at > 1.6e9));
}
