//! What a key means.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::model::{Model, Question};

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Act {
    Quit,
    Nothing,
    Order { server: String, order: &'static str },
}

/// Lines that page up and down go.
const PAGE: isize = 10;

/// What a key does: the model changes by itself, the rest is for who drives it.
pub(super) fn act(key: KeyEvent, model: &mut Model) -> Act {
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return Act::Quit;
    }
    if let Some(question) = model.question.take() {
        return answered(key.code, question, model);
    }
    model.note = None;
    #[expect(clippy::wildcard_enum_match_arm, reason = "a key that is not ours means nothing")]
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return Act::Quit,
        KeyCode::Down | KeyCode::Char('j') => model.select_by(1),
        KeyCode::Up | KeyCode::Char('k') => model.select_by(-1),
        KeyCode::PageDown => model.select_by(PAGE),
        KeyCode::PageUp => model.select_by(-PAGE),
        KeyCode::Home => model.select_by(isize::MIN),
        KeyCode::End => model.select_by(isize::MAX),
        KeyCode::Char('r') => return order("reconnect", model),
        KeyCode::Char('u') => return order("release", model),
        KeyCode::Char('x') => return order("reset", model),
        // These keep calls from being answered, so that a slip must not be enough.
        KeyCode::Char('h') => ask("hold", model),
        KeyCode::Char('d') => ask("drain", model),
        _ => {}
    }
    Act::Nothing
}

fn answered(code: KeyCode, question: Question, model: &mut Model) -> Act {
    if code != KeyCode::Char('y') {
        model.note = Some(format!("{} not given", question.order));
        return Act::Nothing;
    }
    let Question { server, order } = question;
    model.note = Some(format!("{order} {server} ..."));
    Act::Order { server, order }
}

fn order(order: &'static str, model: &mut Model) -> Act {
    let Some(server) = model.selected().map(str::to_owned) else { return Act::Nothing };
    model.note = Some(format!("{order} {server} ..."));
    Act::Order { server, order }
}

fn ask(order: &'static str, model: &mut Model) {
    let server = model.selected().map(str::to_owned);
    model.question = server.map(|server| Question { server, order });
}
