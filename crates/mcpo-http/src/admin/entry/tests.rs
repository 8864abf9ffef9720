use std::time::SystemTime;

use mcpo_core::fault::{Fault, FaultKind};

use super::*;

fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
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
