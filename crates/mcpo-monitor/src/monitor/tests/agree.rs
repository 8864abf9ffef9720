//! Every face is made from one picture: when an upstream is down all of them say so, at the same
//! moment, and none of them of its neighbour.

use mcpo_upstream::order::Order;
use serde_json::Value;

use super::*;
use crate::alerts::Engine;
use crate::exposition::{self, Format};
use crate::faces;

/// What each face says of an upstream in the same picture.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    /// The live picture's, as the others' below, told as «it cannot be called».
    is_down: bool,
    is_down_in_metrics: bool,
    is_down_in_text: bool,
    is_down_in_diagnosis: bool,
    costs_points: bool,
    has_alert: bool,
    has_issue: bool,
    is_reported: bool,
}

const WELL: Said = Said {
    is_down: false,
    is_down_in_metrics: false,
    is_down_in_text: false,
    is_down_in_diagnosis: false,
    costs_points: false,
    has_alert: false,
    has_issue: false,
    is_reported: false,
};

const DOWN: Said = Said {
    is_down: true,
    is_down_in_metrics: true,
    is_down_in_text: true,
    is_down_in_diagnosis: true,
    costs_points: true,
    has_alert: true,
    has_issue: true,
    is_reported: true,
};

/// What is said of `broken` and of `sound`, and of the whole.
async fn said(play: &Play) -> (Said, Said, String) {
    let facts = facts::facts(&play.monitor).await;
    let picture = Arc::clone(facts.picture.as_ref().expect("it runs"));
    let (live, metrics) = (faces::live(&picture), faces::metrics(&picture));
    let mut engine = Engine::new(&Monitoring::default());
    engine.look(&picture, picture.at);
    let alerts = engine.alerts();
    let text = exposition::text(&picture, &alerts, Format::Prometheus004);
    let diagnosis = diagnosis::diagnose(&facts);
    let of = |name: &str| {
        let is_its = |one: &&Value| one["name"] == name;
        let shown = live["servers"].as_array().and_then(|all| all.iter().find(is_its));
        let shown = shown.expect("it is shown");
        let health = &metrics["system_health"];
        let whole = picture.whole.score.reasons.iter();
        let errors = health["active_errors"].as_array().expect("a list");
        Said {
            is_down: shown["standing"] == "down",
            is_down_in_metrics: health["connection_health"][name] == false,
            is_down_in_text: text.contains(&format!("mcpo_server_up{{mcpo_server=\"{name}\"}} 0")),
            is_down_in_diagnosis: !diagnosis.connection_health[name],
            costs_points: shown["score"].as_u64() < Some(100)
                && whole.clone().any(|reason| reason.server.as_deref() == Some(name)),
            has_alert: alerts.active.iter().any(|one| one.server.as_deref() == Some(name)),
            has_issue: diagnosis.issues.iter().any(|one| one.server.as_deref() == Some(name)),
            is_reported: errors.iter().any(|error| error["server"] == name),
        }
    };
    assert_eq!(live["status"], metrics["system_health"]["overall_status"]);
    assert_eq!(live["status"], metrics["error_recovery"]["system_status"]);
    assert_eq!(live["score"], metrics["system_health"]["score"]);
    assert_eq!(live["score"], diagnosis.score);
    (of("broken"), of("sound"), live["status"].as_str().expect("a word").to_owned())
}

#[tokio::test(start_paused = true)]
async fn all_faces_say_at_once_that_an_upstream_is_down_or_well() {
    let play = Play::ready(&["broken", "sound"], Monitoring::default()).await;
    let order = async |order: Order| {
        let by = Instant::now() + SECOND;
        play.upstream("broken").order(order, by).await.expect("it is carried out");
    };
    let (well, degraded) = ("healthy".to_owned(), "degraded".to_owned());
    assert_eq!(said(&play).await, (WELL, WELL, well.clone()));

    play.listens("broken", false);
    play.until("broken", |view| !view.is_ready()).await;
    let mut looks = 0;
    // While it is tried, rests, and is tried again.
    while looks < 100 {
        let (broken, sound, status) = said(&play).await;
        assert_eq!((&sound, &status), (&WELL, &degraded));
        // In its first moments it is being healed, which is no issue yet.
        let has_issue = broken.has_issue || looks > 0;
        assert_eq!(Said { has_issue, ..broken }, Said { has_issue, ..DOWN }, "look {looks}");
        sleep(317 * MILLIS).await;
        looks += 1;
    }
    play.listens("broken", true);
    play.until("broken", View::is_ready).await;
    assert_eq!(said(&play).await, (WELL, WELL, well.clone()));

    order(Order::Hold).await;
    // Nothing failed.
    let held = Said { is_reported: false, ..DOWN };
    assert_eq!(said(&play).await, (held, WELL, degraded));
    order(Order::Release).await;
    play.until("broken", View::is_ready).await;
    assert_eq!(said(&play).await, (WELL, WELL, well));
}
