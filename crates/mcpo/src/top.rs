//! `mcpo top`: the live picture of a running mcpo in a terminal, and orders to its servers.

mod draw;
mod keys;
mod model;
mod table;
mod words;

use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use mcpo_http::Remote;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::widgets::TableState;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::exit::Exit;
use crate::render;
use crate::signals::Signals;
use crate::which::{Which, taken};

use keys::Act;
use model::Model;

/// From picture to picture: as often as the dashboard.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What one question may take before mcpo counts as not answering.
const LOOK_TIME_MAX: Duration = Duration::from_secs(5);

/// Above what mcpo gives an order, so that its own answer comes first.
const ORDER_TIME_MAX: Duration = Duration::from_secs(40);

/// How long the thread that reads keys waits for one before it looks whether it is still needed.
const KEY_WAIT: Duration = Duration::from_millis(200);

/// Keys that wait to be worked off; whoever types faster than this is not heard.
const KEYS_MAX: usize = 64;

/// Options of `mcpo top`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    which: Which,
}

/// What happens while it runs.
enum Happening {
    Key(Event),
    Looked(Result<model::Seen, String>),
    Ordered(String),
    Signalled,
}

/// Shows the picture until `q`.
pub(crate) async fn run(options: Options) -> Exit {
    let remote = match options.which.remote() {
        Ok(remote) => remote,
        Err(exit) => return exit,
    };
    if !io::stdout().is_terminal() {
        return render::failure("`mcpo top` needs a terminal; `mcpo admin servers` does not");
    }
    // What is wrong at the very first look is told as by any other command.
    let mut model = Model::new(remote.address());
    match look(&remote, 0, 0.0).await {
        Ok(seen) => model.saw(seen),
        Err(reason) => return render::failure(&reason),
    }
    // A signal must not leave the terminal as it is while we draw.
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return render::failure(&format!("cannot listen for signals: {error}")),
    };
    let mut terminal = match ratatui::try_init() {
        Ok(terminal) => terminal,
        Err(error) => return render::failure(&format!("cannot draw here: {error}")),
    };
    let ended = show(&mut terminal, &remote, &mut model, signals).await;
    ratatui::restore();
    match ended {
        Ok(()) => Exit::Ok,
        Err(error) => render::failure(&format!("cannot draw any more: {error}")),
    }
}

async fn show(
    terminal: &mut DefaultTerminal,
    remote: &Remote,
    model: &mut Model,
    mut signals: Signals,
) -> io::Result<()> {
    let (keys_tx, mut keys) = mpsc::channel(KEYS_MAX);
    let mut reading = JoinSet::new();
    reading.spawn_blocking(move || read_keys(&keys_tx));
    let mut ordering: JoinSet<String> = JoinSet::new();
    let mut table = TableState::new();
    // It goes on while keys are pressed: who scrolls wants to see how things are, too.
    let mut looking = pin!(look_after(LOOK_EVERY, remote, model.last_seq(), model.uptime()));
    loop {
        terminal.draw(|frame| draw::all(frame, model, &mut table))?;
        let happening = tokio::select! {
            Some(key) = keys.recv() => Happening::Key(key),
            Some(done) = ordering.join_next(), if !ordering.is_empty() => {
                Happening::Ordered(done.unwrap_or_else(|error| error.to_string()))
            }
            looked = &mut looking => Happening::Looked(looked),
            () = signals.next() => Happening::Signalled,
        };
        match happening {
            Happening::Looked(looked) => {
                model.looked(looked);
                looking.set(look_after(LOOK_EVERY, remote, model.last_seq(), model.uptime()));
            }
            Happening::Ordered(note) => {
                model.note = Some(note);
                // What came of it is to be seen at once.
                looking.set(look_after(Duration::ZERO, remote, model.last_seq(), model.uptime()));
            }
            Happening::Key(Event::Key(key)) if key.kind == KeyEventKind::Press => {
                match keys::act(key, model) {
                    Act::Quit => return Ok(()),
                    Act::Nothing => {}
                    Act::Order { server, order } => {
                        ordering.spawn(give(remote.clone(), server, order));
                    }
                }
            }
            // A terminal of another size is drawn anew; nothing else is of interest.
            Happening::Key(_) => {}
            Happening::Signalled => return Ok(()),
        }
    }
}

/// Gives an order; gives what to say of it.
async fn give(remote: Remote, server: String, order: &'static str) -> String {
    let told = remote.order(&server, order, ORDER_TIME_MAX).await;
    match taken(&remote, told) {
        Ok(_answer) => format!("{order} {server}: done"),
        Err(reason) => format!("{order} {server}: {reason}"),
    }
}

/// Ends once nobody takes the keys any more.
fn read_keys(keys: &mpsc::Sender<Event>) {
    while !keys.is_closed() {
        match event::poll(KEY_WAIT) {
            Ok(true) => {
                let Ok(key) = event::read() else { return };
                if keys.blocking_send(key).is_err() {
                    return;
                }
            }
            Ok(false) => {}
            Err(_) => return,
        }
    }
}

/// Cancel-safe: the same is asked again by the next one.
async fn look_after(
    wait: Duration,
    remote: &Remote,
    after: u64,
    uptime: f64,
) -> Result<model::Seen, String> {
    sleep(wait).await;
    look(remote, after, uptime).await
}

/// Asks for the picture, and for what happened after the entry of that number. An mcpo that is up
/// for less than `uptime`, in seconds, was started anew, and numbers its entries anew.
async fn look(remote: &Remote, after: u64, uptime: f64) -> Result<model::Seen, String> {
    let picture = taken(remote, remote.picture(LOOK_TIME_MAX).await)?;
    let began_anew = model::uptime_of(&picture) < uptime;
    let query = mcpo_http::JournalQuery {
        after: (after > 0 && !began_anew).then_some(after),
        server: None,
        limit: Some(model::EVENTS_MAX as u64),
    };
    let journal = taken(remote, remote.journal(query, LOOK_TIME_MAX).await)?;
    Ok(model::Seen { picture, journal })
}

#[cfg(test)]
mod tests;
