use super::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn each_event_is_told_in_one_sentence_with_its_figures() {
    let gone = || Fault::new(FaultKind::Disconnected, "secret: exit code 1 of /usr/bin/x");
    let (upstream, tool, cure) = (text, text, text);
    let ready = |tools, took| Event::UpstreamReady {
        upstream: text(),
        tools,
        protocol_version: text(),
        took,
    };
    let failed = |outcome, attempts| Event::CallFailed {
        upstream: upstream(),
        tool: tool(),
        outcome,
        fault: gone(),
        attempts,
    };
    let lost = |retry_in| Event::SessionLost { upstream: upstream(), fault: gone(), retry_in };
    let changed = |added: &[&str], removed: &[&str]| Event::ToolsChanged {
        upstream: upstream(),
        added: names(added),
        removed: names(removed),
    };
    let held = |by, fault| Event::Held { upstream: upstream(), by, fault, cure: cure() };
    let shed = |count, over| Event::CallsShed {
        upstream: Some(upstream()),
        reason: ShedReason::ServerFull,
        count,
        over,
    };
    let probed = |fault| Event::SessionProbed { upstream: upstream(), session: 3, fault };
    let cases = [
        (ready(5, ms(120)), "ready after 120 ms, with 5 tools"),
        (ready(1, ms(1_260)), "ready after 1.3 s, with 1 tool"),
        (lost(ms(0)), "session lost (it went away); a new one is made at once"),
        (lost(ms(2_000)), "session lost (it went away); a new one is made in 2.0 s"),
        (changed(&["a", "b"], &[]), "tools 2 added: a, b"),
        (changed(&["a"], &["c"]), "tools 1 added: a; 1 removed: c"),
        (changed(&[], &[]), "tools changed"),
        (failed(OutcomeKind::NotSent, 0), "call of time was not sent (it went away)"),
        (
            failed(OutcomeKind::Unknown, 3),
            "call of time was sent and not answered after 3 attempts (it went away)",
        ),
        (
            Event::CallRecovered { upstream: upstream(), tool: tool(), attempts: 3, took: ms(40) },
            "3 attempts: answered after 40 ms",
        ),
        (shed(1, ms(0)), "1 call turned away (as many wait for it as may)"),
        (shed(512, ms(9_000)), "512 calls turned away within 9.0 s (as many wait for it as may)"),
        (probed(None), "session 3 answered a probe"),
        (probed(Some(gone())), "session 3 did not answer a probe (it went away)"),
        (
            Event::Recovered { upstream: upstream(), away: ms(12), fault: gone() },
            "back after 12 ms",
        ),
        (held(HeldBy::Operator, Some(gone())), "held by an operator until it is released"),
        (held(HeldBy::Fault, Some(gone())), "held (it went away); a person must act"),
        (held(HeldBy::Fault, None), "held; a person must act"),
    ];
    for (event, expected) in cases {
        assert_eq!(event.sentence(), expected);
    }
}

#[test]
fn lists_are_told_as_numbers_and_a_few_names() {
    let cases = [
        (
            Event::ConfigRefused { problems: names(&["path /etc/x: bad"]) },
            "configuration refused (1 problem); the one before stays in force",
        ),
        (
            Event::ConfigReloaded {
                started: names(&["a"]),
                stopped: vec![],
                replaced: names(&["b", "c"]),
                kept: vec![],
            },
            "configuration reloaded: 1 started, 0 stopped, 2 replaced, 0 kept",
        ),
        (
            Event::ToolsVanished {
                upstream: text(),
                tools: names(&["a", "b", "c", "d", "e", "f", "g"]),
            },
            "came back without a, b, c, d, e, 2 more",
        ),
        (
            Event::OrderGiven { upstream: text(), order: "drain" },
            "an operator gave the order \"drain\"",
        ),
    ];
    for (event, expected) in cases {
        assert_eq!(event.sentence(), expected);
    }
}

#[test]
fn no_sentence_tells_a_detail_or_is_more_than_one_short_line() {
    const SECRET: &str = "hunter2";
    for mut event in all() {
        hide(&mut event, SECRET);
        let sentence = event.sentence();
        assert!(!sentence.is_empty(), "{}", event.name());
        assert!(!sentence.contains(SECRET), "{sentence}");
        assert!(!sentence.ends_with('.') && !sentence.contains("  "), "{sentence}");
        assert!(sentence.len() < 200, "{sentence}");
    }
}

/// Puts a word wherever only operators look.
fn hide(event: &mut Event, secret: &str) {
    let shown = format!("{event:?}");
    match event {
        Event::UpstreamFailed { fault, .. }
        | Event::SessionLost { fault, .. }
        | Event::ToolsStale { fault, .. }
        | Event::CallSentAgain { fault, .. }
        | Event::CallFailed { fault, .. }
        | Event::SessionReplaced { fault, .. }
        | Event::Recovered { fault, .. }
        | Event::BreakerOpened { fault, .. } => fault.detail = secret.into(),
        Event::SessionProbed { fault, .. } => {
            *fault = Some(Fault::new(FaultKind::Timeout, secret));
        }
        Event::Held { fault, cure, .. } => {
            *fault = Some(Fault::new(FaultKind::Timeout, secret));
            *cure = secret.to_owned();
        }
        Event::ConfigRefused { problems } => *problems = vec![secret.to_owned(); 99],
        Event::ToolFlawed { note, .. } => *note = secret.to_owned(),
        Event::UpstreamReady { .. }
        | Event::ToolsChanged { .. }
        | Event::UpstreamStopped { .. }
        | Event::CallRecovered { .. }
        | Event::CallsShed { .. }
        | Event::Released { .. }
        | Event::BreakerClosed { .. }
        | Event::BudgetSpent { .. }
        | Event::PoolGrew { .. }
        | Event::PoolShrank { .. }
        | Event::ToolsVanished { .. }
        | Event::ToolsUnknown { .. }
        | Event::ConfigReloaded { .. }
        | Event::ClockJumped { .. }
        | Event::OrderGiven { .. } => assert!(!shown.contains("Fault {"), "{shown}"),
    }
}

#[test]
fn names_of_others_stay_on_one_line_and_short() {
    let told = |tool: &str| {
        let event = Event::ToolFlawed { upstream: text(), tool: tool.to_owned(), note: text() };
        event.sentence()
    };
    assert!(told("a\nb\u{1b}[31m").contains("a\u{fffd}b\u{fffd}[31m has"));
    let long = told(&"ß".repeat(1000));
    assert_eq!(long.matches('ß').count(), 64);
    assert!(long.contains('…'));
    assert!(!told(&"ß".repeat(64)).contains('…'));
}

#[test]
fn lengths_are_told_as_people_say_them() {
    let told = |away| Event::Recovered { upstream: text(), away, fault: fault(FaultKind::Timeout) };
    let cases = [
        (Duration::from_micros(20), "less than 1 ms"),
        (ms(1), "1 ms"),
        (ms(999), "999 ms"),
        (ms(1_000), "1.0 s"),
        (ms(9_940), "9.9 s"),
        (ms(60_000), "60 s"),
        (Duration::from_secs(120), "2 min"),
        (Duration::from_secs(7_200), "2 h"),
        (Duration::from_secs(172_800), "2 days"),
        (Duration::MAX, "213503982334601 days"),
    ];
    for (away, expected) in cases {
        assert_eq!(told(away).sentence(), format!("back after {expected}"));
    }
}
