use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use serde_json::{Value, json};

use super::keys::{Act, act};
use super::model::{Model, Seen};
use super::*;

fn server(name: &str, standing: &str, state: &str) -> Value {
    json!({
        "name": name, "standing": standing, "state": state, "score": 100,
        "calls_per_second": 1.5, "error_rate": 0.0, "p50": 0.0004, "p99": 0.25,
        "sessions": 1, "in_use": 0, "breaker": "closed", "reason": null,
        "processes": {"rss_bytes": 52_428_800}, "in_flight": 0,
    })
}

fn seen() -> Seen {
    let mut broken = server("mail\u{1b}[31m", "down", "resting");
    broken["reason"] = "it cannot be reached".into();
    broken["score"] = 0.into();
    broken["processes"] = Value::Null;
    Seen {
        picture: json!({
            "version": "0.1.0", "uptime": 7300.0, "status": "degraded", "score": 71,
            "reasons": [{"why": "mail is down"}],
            "whole": {"calls_per_second": 1.5, "error_rate": 0.0125, "p50": 0.0004, "p99": 2.5,
                "in_flight": 0, "queued": 0},
            "machine": {"cpu": 0.05}, "process": {"rss_bytes": 12_582_912},
            "servers": [server("time", "ok", "ready"), broken],
        }),
        journal: json!({
            "entries": [
                {"seq": 1, "at": "2026-11-22T14:03:07Z", "level": "info", "server": "time",
                    "sentence": "ready with 5 tools"},
                {"seq": 2, "at": "2026-11-22T14:03:09Z", "level": "error", "server": "mail\n",
                    "sentence": "it cannot be reached"},
            ],
            "next_after": 2,
        }),
    }
}

fn model() -> Model {
    let mut model = Model::new("http://127.0.0.1:8000".to_owned());
    model.saw(seen());
    model
}

fn screen(model: &Model) -> String {
    screen_of(model, (110, 14), &mut TableState::new())
}

fn screen_of(model: &Model, (width, height): (u16, u16), table: &mut TableState) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::all(frame, model, table)).unwrap();
    terminal.backend().to_string()
}

fn press(model: &mut Model, code: KeyCode) -> Act {
    act(KeyEvent::from(code), model)
}

#[test]
fn the_screen_says_what_is_wrong_first_and_obeys_no_hostile_name() {
    let screen = screen(&model());
    assert!(!screen.contains('\u{1b}'), "{screen}");
    insta::assert_snapshot!(screen);
}

#[test]
fn what_was_seen_stays_while_mcpo_does_not_answer() {
    let mut model = model();
    model.looked(Err("nobody can be reached at http://127.0.0.1:8000".to_owned()));
    let screen = screen(&model);
    assert!(screen.contains("not reached") && screen.contains("trying again"), "{screen}");
    assert!(screen.contains("time"), "{screen}");
}

#[test]
fn a_narrow_screen_and_an_empty_picture_are_drawn_too() {
    for size in [(1, 1), (20, 5), (40, 8)] {
        screen_of(&Model::new(String::new()), size, &mut TableState::new());
        screen_of(&model(), size, &mut TableState::new());
    }
}

#[test]
fn names_and_what_is_wrong_are_there_on_a_narrow_screen_too() {
    let screen = screen_of(&model(), (60, 14), &mut TableState::new());
    assert!(screen.contains("time") && screen.contains("it cannot be reached"), "{screen}");
    assert!(!screen.contains("memory"), "figures give way: {screen}");
    let screen = screen_of(&model(), (40, 12), &mut TableState::new());
    assert!(screen.contains("time"), "events give way: {screen}");
}

#[test]
fn what_pulls_the_score_down_is_said_with_its_server_and_many_are_counted() {
    let mut model = model();
    model.picture["reasons"] = json!([{"part": "state", "why": "it is away", "server": "mail"}]);
    assert!(screen(&model).contains("mail: it is away"), "{}", screen(&model));
    model.picture["servers"].as_array_mut().unwrap().push(server("disk", "down", "held"));
    let screen = screen(&model);
    assert!(screen.contains("2 of 3 servers are down") && !screen.contains("away"), "{screen}");
}

#[test]
fn what_is_pointed_at_is_on_the_screen_however_many_servers_there_are() {
    let mut model = model();
    let many = (0..40).map(|index| server(&format!("s{index}"), "ok", "ready"));
    model.picture["servers"] = many.collect();
    let mut table = TableState::new();
    for step in [KeyCode::End, KeyCode::Up, KeyCode::Home, KeyCode::PageDown, KeyCode::Down] {
        press(&mut model, step);
        let screen = screen_of(&model, (80, 20), &mut table);
        let name = model.selected().unwrap();
        assert!(screen.contains(&format!("\"{name} ")), "{name} after {step:?}: {screen}");
    }
    assert_eq!(model.selected(), Some("s11"));
}

#[test]
fn one_that_was_started_anew_is_told_and_its_events_are_not_skipped() {
    let mut model = model();
    let mut anew = seen();
    anew.picture["uptime"] = 2.0.into();
    anew.journal["next_after"] = 1.into();
    model.looked(Ok(anew));
    assert_eq!(model.last_seq(), 1);
    assert!(model.events.iter().any(|event| event["sentence"] == "mcpo was started anew"));
}

#[test]
fn what_came_of_an_order_stands_until_the_next_key() {
    let mut model = model();
    model.note = Some("reconnect mail: done".to_owned());
    assert!(screen(&model).contains("reconnect mail: done"));
    press(&mut model, KeyCode::Down);
    assert!(!screen(&model).contains("done"));
}

#[test]
fn orders_go_to_the_server_that_is_pointed_at_and_the_grave_ones_are_asked_twice() {
    let mut model = model();
    let mail = "mail\u{1b}[31m".to_owned();
    assert_eq!(model.selected(), Some(mail.as_str()), "the worst one is on top");
    assert_eq!(
        press(&mut model, KeyCode::Char('r')),
        Act::Order { server: mail, order: "reconnect" }
    );
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Down);
    assert_eq!(model.selected(), Some("time"), "the last one is the last");
    assert_eq!(press(&mut model, KeyCode::Char('h')), Act::Nothing);
    assert!(screen(&model).contains("hold time?"));
    assert_eq!(press(&mut model, KeyCode::Char('n')), Act::Nothing);
    assert_eq!(model.question, None);
    press(&mut model, KeyCode::Char('d'));
    assert_eq!(
        press(&mut model, KeyCode::Char('y')),
        Act::Order { server: "time".to_owned(), order: "drain" }
    );
    assert_eq!(press(&mut model, KeyCode::Char('q')), Act::Quit);
}

#[test]
fn the_pointer_stays_on_its_server_when_the_order_changes() {
    let mut model = model();
    press(&mut model, KeyCode::Down);
    let mut healed = seen();
    healed.picture["servers"][1]["standing"] = "ok".into();
    model.saw(healed);
    assert_eq!(model.selected(), Some("time"));
    assert_eq!(model.selected_index(), Some(0));
}
