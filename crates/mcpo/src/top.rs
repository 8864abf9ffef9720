//! `mcpo top`: the live picture of a running mcpo in a terminal, and orders to its servers.

mod draw;
mod keys;
mod model;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use clap::Args;
use mcpo_http::Remote;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::exit::Exit;
use crate::render;
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
    Ordered(Result<(), String>),
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
    match look(&remote, 0).await {
        Ok(seen) => model.saw(seen),
        Err(reason) => return render::failure(&reason),
    }
    let mut terminal = match ratatui::try_init() {
        Ok(terminal) => terminal,
        Err(error) => return render::failure(&format!("cannot draw here: {error}")),
    };
    let ended = show(&mut terminal, &remote, &mut model).await;
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
) -> io::Result<()> {
    let (keys_tx, mut keys) = mpsc::channel(KEYS_MAX);
    let mut reading = JoinSet::new();
    reading.spawn_blocking(move || read_keys(&keys_tx));
    let mut ordering: JoinSet<Result<(), String>> = JoinSet::new();
    loop {
        terminal.draw(|frame| draw::all(frame, model))?;
        let after = model.last_seq();
        let happening = tokio::select! {
            Some(key) = keys.recv() => Happening::Key(key),
            Some(done) = ordering.join_next(), if !ordering.is_empty() => {
                Happening::Ordered(done.unwrap_or_else(|error| Err(error.to_string())))
            }
            looked = next_look(remote, after) => Happening::Looked(looked),
        };
        match happening {
            Happening::Looked(Ok(seen)) => model.saw(seen),
            Happening::Looked(Err(reason)) => model.lost(reason),
            Happening::Ordered(done) => model.ordered(done),
            Happening::Key(Event::Key(key)) if key.kind == KeyEventKind::Press => {
                match keys::act(key, model) {
                    Act::Quit => return Ok(()),
                    Act::Nothing => {}
                    Act::Order { server, order } => {
                        let remote = remote.clone();
                        ordering.spawn(async move {
                            let told = remote.order(&server, order, ORDER_TIME_MAX).await;
                            taken(&remote, told).map(drop)
                        });
                    }
                }
            }
            // A terminal of another size is drawn anew; nothing else is of interest.
            Happening::Key(_) => {}
        }
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

/// Cancel-safe: a key that comes in between puts the next look off by a second at most.
async fn next_look(remote: &Remote, after: u64) -> Result<model::Seen, String> {
    sleep(LOOK_EVERY).await;
    look(remote, after).await
}

async fn look(remote: &Remote, after: u64) -> Result<model::Seen, String> {
    let picture = taken(remote, remote.picture(LOOK_TIME_MAX).await)?;
    let query = mcpo_http::JournalQuery {
        after: (after > 0).then_some(after),
        server: None,
        limit: Some(model::EVENTS_MAX as u64),
    };
    let journal = taken(remote, remote.journal(query, LOOK_TIME_MAX).await)?;
    Ok(model::Seen { picture, journal })
}

#[cfg(test)]
mod tests;
