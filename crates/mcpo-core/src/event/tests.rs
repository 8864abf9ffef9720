mod sentence;

use std::collections::BTreeSet;

use super::*;

fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind, "")
}

fn text() -> String {
    "time".to_owned()
}

/// One of each, the fault of those that have one being a broken connection.
fn all() -> Vec<Event> {
    let (upstream, tool, took) = (text(), text(), Duration::ZERO);
    let broken = fault(FaultKind::Disconnected);
    let mut all = of_upstreams();
    all.extend([
        Event::CallSentAgain {
            upstream: upstream.clone(),
            tool: tool.clone(),
            attempt: 1,
            fault: broken.clone(),
        },
        Event::CallFailed {
            upstream: upstream.clone(),
            tool: tool.clone(),
            outcome: OutcomeKind::Unknown,
            fault: broken,
            attempts: 1,
        },
        Event::CallRecovered { upstream: upstream.clone(), tool: tool.clone(), attempts: 2, took },
        Event::CallsShed {
            upstream: Some(upstream.clone()),
            reason: ShedReason::ServerFull,
            count: 1,
            over: took,
        },
        Event::ToolsChanged { upstream: upstream.clone(), added: vec![], removed: vec![] },
        Event::ToolFlawed { upstream: upstream.clone(), tool, note: text() },
        Event::ToolsVanished { upstream: upstream.clone(), tools: vec![] },
        Event::ToolsUnknown { upstream: upstream.clone(), names: vec![] },
        Event::OrderGiven { upstream, order: "drain" },
        Event::ConfigReloaded { started: vec![], stopped: vec![], replaced: vec![], kept: vec![] },
        Event::ConfigRefused { problems: vec![] },
        Event::ClockJumped { by: took },
    ]);
    all
}

fn of_upstreams() -> Vec<Event> {
    let (upstream, took, fault) = (text(), Duration::ZERO, fault(FaultKind::Disconnected));
    vec![
        Event::UpstreamReady {
            upstream: upstream.clone(),
            tools: 1,
            protocol_version: text(),
            took,
        },
        Event::UpstreamFailed {
            upstream: upstream.clone(),
            fault: fault.clone(),
            failures: 1,
            retry_in: took,
        },
        Event::SessionLost { upstream: upstream.clone(), fault: fault.clone(), retry_in: took },
        Event::SessionProbed { upstream: upstream.clone(), session: 1, fault: Some(fault.clone()) },
        Event::SessionReplaced { upstream: upstream.clone(), session: 1, fault: fault.clone() },
        Event::ToolsStale { upstream: upstream.clone(), fault: fault.clone() },
        Event::UpstreamStopped { upstream: upstream.clone() },
        Event::Recovered { upstream: upstream.clone(), away: took, fault: fault.clone() },
        Event::Held {
            upstream: upstream.clone(),
            by: HeldBy::Fault,
            fault: Some(fault.clone()),
            cure: text(),
        },
        Event::Released { upstream: upstream.clone() },
        Event::BreakerOpened { upstream: upstream.clone(), fault, open_for: took },
        Event::BreakerClosed { upstream: upstream.clone(), after: took },
        Event::BudgetSpent { upstream: upstream.clone() },
        Event::PoolGrew { upstream: upstream.clone(), sessions: 2 },
        Event::PoolShrank { upstream, sessions: 1 },
    ]
}

#[test]
fn an_event_is_named_as_its_variant_is() {
    let mut names = BTreeSet::new();
    for event in all() {
        let debug = format!("{event:?}");
        let variant = debug.split([' ', '{']).next().unwrap_or_default();
        let mut expected = String::new();
        for letter in variant.chars() {
            if letter.is_uppercase() && !expected.is_empty() {
                expected.push('_');
            }
            expected.extend(letter.to_lowercase());
        }
        assert_eq!(event.name(), expected);
        assert!(names.insert(event.name()));
    }
}

#[test]
fn an_event_tells_its_upstream_and_its_fault_where_it_shows_one() {
    for event in all() {
        let debug = format!("{event:?}");
        assert_eq!(event.upstream().is_some(), debug.contains("upstream: "), "{debug}");
        assert_eq!(event.fault().is_some(), debug.contains("Fault {"), "{debug}");
        let expected = event.fault().map(|_| (Severity::Medium, Cure::Reconnect));
        assert_eq!(event.severity().zip(event.cure()), expected);
    }
}

#[test]
fn only_what_a_person_must_mend_is_an_error() {
    let errors: Vec<&str> =
        all().iter().filter(|event| event.level() == Level::Error).map(Event::name).collect();
    assert_eq!(errors, ["held", "config_refused"]);
    let held = |by| Event::Held { upstream: text(), by, fault: None, cure: text() };
    assert_eq!(held(HeldBy::Operator).level(), Level::Info);
}

#[test]
fn a_failure_that_goes_on_is_told_less_and_less_often() {
    let level = |failures, kind| {
        let retry_in = Duration::ZERO;
        Event::UpstreamFailed { upstream: text(), fault: fault(kind), failures, retry_in }.level()
    };
    let told: Vec<u32> =
        (1..=40).filter(|&count| level(count, FaultKind::Unreachable) == Level::Warn).collect();
    assert_eq!(told, [1, 2, 4, 8, 16, 32]);
    assert_eq!(level(4, FaultKind::NotStartable), Level::Error);
    assert_eq!(level(3, FaultKind::NotStartable), Level::Debug);
}

#[test]
fn calls_that_are_sent_away_untried_make_no_line_each() {
    for kind in FaultKind::ALL {
        let (outcome, attempts) = (OutcomeKind::NotSent, 0);
        let (upstream, tool) = (text(), text());
        let event = Event::CallFailed { upstream, tool, outcome, fault: fault(kind), attempts };
        let quiet =
            matches!(kind, FaultKind::Overloaded | FaultKind::Held | FaultKind::BreakerOpen);
        assert_eq!(event.level() == Level::Debug, quiet, "{kind}");
    }
}
