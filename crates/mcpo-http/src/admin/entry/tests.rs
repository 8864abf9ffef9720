use mcpo_core::fault::{Fault, FaultKind};

use super::*;

fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

#[test]
fn times_are_written_as_in_the_calendar() {
    for (millis, written) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (1_767_225_599_001, "2025-12-31T23:59:59.001Z"),
        (1_767_225_600_000, "2026-01-01T00:00:00.000Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ] {
        assert_eq!(rfc_3339(at(millis)), written);
    }
}

#[test]
fn an_entry_says_all_that_its_event_says() {
    let event = Event::SessionLost {
        upstream: "time".to_owned(),
        fault: Fault::new(FaultKind::Disconnected, "it ended with code 1"),
        retry_in: Duration::from_millis(1500),
    };
    let expected = json!({
        "seq": 7, "at": "1970-01-01T00:00:01.000Z", "event": "session_lost", "level": "warn",
        "server": "time",
        "sentence": "session lost (it went away); a new one is made in 1.5 s",
        "severity": "medium", "cure": "reconnect",
        "fields": {
            "retry_in_ms": 1500, "fault": "disconnected", "detail": "it ended with code 1",
        },
    });
    assert_eq!(entry(&Entry { seq: 7, at: at(1000), event }), expected);
}

#[test]
fn what_happened_to_mcpo_itself_names_no_server() {
    let entry = entry(&Entry {
        seq: 1,
        at: at(0),
        event: Event::ClockJumped { by: Duration::from_secs(2) },
    });
    assert_eq!((&entry["server"], &entry["fields"]["by_ms"]), (&Value::Null, &json!(2000)));
    assert_eq!(entry.get("cure"), None);
}
