//! `mcpo admin`: looks at the servers of a running mcpo and gives it orders, over its HTTP surface.

mod table;

use std::io::{self, Write as _};
use std::time::Duration;

use clap::{Args, Subcommand};
use mcpo_http::{JournalQuery, Remote, RemoteError};
use serde_json::Value;
use tokio::time::sleep;

use crate::exit::Exit;
use crate::render;
use crate::which::{Which, taken};

/// Above what mcpo gives an order, so that its own answer comes first.
const ORDER_TIME_MAX: Duration = Duration::from_secs(40);

/// What a question that only reads may take.
const LOOK_TIME_MAX: Duration = Duration::from_secs(10);

/// Above the longest time that mcpo gives a check, so that its own answer comes first.
const VALIDATE_TIME_MAX: Duration = Duration::from_secs(70);

/// How often the journal is looked at while it is followed.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// How many entries are asked for each time: all that mcpo keeps.
const FOLLOWED_MAX: u64 = 4096;

/// Options of `mcpo admin`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 done, 1 refused or not reached (validate: a server is not ok), 2 wrong usage."
)]
pub(crate) struct Options {
    #[command(flatten)]
    which: Which,
    /// Print what mcpo answers, as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    ask: Ask,
}

/// What it is asked.
#[derive(Debug, Subcommand)]
enum Ask {
    /// Show every server: state, sessions, breaker, what is wrong and what is done about it
    Servers,
    /// Check all connections now; exits with 1 if a server is not ok
    Validate {
        /// How long each server has to answer [default: 5]
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<f64>,
    },
    /// Show what happened
    Journal {
        /// Only what is about this server
        #[arg(long, value_name = "NAME")]
        server: Option<String>,
        /// The newest so many entries [default: 100]
        #[arg(long, value_name = "COUNT")]
        limit: Option<u64>,
        /// Go on as things happen, until interrupted
        #[arg(long)]
        follow: bool,
    },
    /// Show which answers are kept, and how often they did
    Cache,
    /// Forget the answers that are kept: all, those of a server, or of one tool of it
    Purge {
        /// Of which server
        server: Option<String>,
        /// Of which tool of it
        tool: Option<String>,
    },
    /// Replace every session of a server
    Reconnect {
        /// Which
        name: String,
    },
    /// Send nothing new to a server; its sessions stay, calls in flight end
    Hold {
        /// Which
        name: String,
    },
    /// End a hold or a drain
    Release {
        /// Which
        name: String,
    },
    /// Send nothing new to a server, and close its sessions when their calls have ended
    Drain {
        /// Which
        name: String,
    },
    /// Forget a server's failures: breaker, backoff, retry budget; and try it at once
    Reset {
        /// Which
        name: String,
    },
}

/// Asks, and shows the answer.
pub(crate) async fn run(options: Options) -> Exit {
    let Options { which, json, ask } = options;
    let remote = match which.remote() {
        Ok(remote) => remote,
        Err(exit) => return exit,
    };
    match asked(&remote, &ask, json).await {
        Ok(exit) => exit,
        Err(reason) => render::failure(&reason),
    }
}

async fn asked(remote: &Remote, ask: &Ask, json: bool) -> Result<Exit, String> {
    match ask {
        Ask::Servers => {
            let answer = taken(remote, remote.servers(LOOK_TIME_MAX).await)?;
            Ok(shown(&answer, json, table::servers))
        }
        Ask::Validate { timeout } => {
            let answer = taken(remote, remote.validate(*timeout, VALIDATE_TIME_MAX).await)?;
            let written = shown(&answer, json, table::validated);
            Ok(if answer["ok"] == Value::Bool(true) { written } else { Exit::Failure })
        }
        Ask::Journal { server, limit, follow } => {
            let query = JournalQuery { after: None, server: server.as_deref(), limit: *limit };
            journal(remote, query, *follow, json).await
        }
        Ask::Cache => {
            let answer = taken(remote, remote.cache(LOOK_TIME_MAX).await)?;
            Ok(shown(&answer, json, table::cache))
        }
        Ask::Purge { server, tool } => {
            let (server, tool) = (server.as_deref(), tool.as_deref());
            let answer = taken(remote, remote.purge(server, tool, ORDER_TIME_MAX).await)?;
            Ok(shown(&answer, json, table::purged))
        }
        Ask::Reconnect { name } => order(remote, name, "reconnect", json).await,
        Ask::Hold { name } => order(remote, name, "hold", json).await,
        Ask::Release { name } => order(remote, name, "release", json).await,
        Ask::Drain { name } => order(remote, name, "drain", json).await,
        Ask::Reset { name } => order(remote, name, "reset", json).await,
    }
}

async fn order(remote: &Remote, name: &str, order: &str, json: bool) -> Result<Exit, String> {
    let answer = taken(remote, remote.order(name, order, ORDER_TIME_MAX).await)?;
    Ok(shown(&answer, json, table::one))
}

/// Shows the journal; with `follow` for as long as there is somebody to read it, also over a
/// restart of mcpo.
async fn journal(
    remote: &Remote,
    mut query: JournalQuery<'_>,
    follow: bool,
    json: bool,
) -> Result<Exit, String> {
    let mut answer = taken(remote, remote.journal(query, LOOK_TIME_MAX).await)?;
    if !follow {
        return Ok(shown(&answer, json, table::journal));
    }
    // It says where to begin. Later on all that happens is shown, however much it is at once.
    query.limit = Some(FOLLOWED_MAX);
    loop {
        for entry in answer["entries"].as_array().into_iter().flatten() {
            if write(entry, json, table::entry).is_err() {
                // Nobody reads any more.
                return Ok(Exit::Ok);
            }
        }
        query.after = answer["next_after"].as_u64().or(query.after);
        sleep(FOLLOW_EVERY).await;
        answer = followed(remote, &mut query).await?;
    }
}

/// The next entries. While mcpo is away there are none; one that was started anew counts anew.
async fn followed(remote: &Remote, query: &mut JournalQuery<'_>) -> Result<Value, String> {
    let told = match remote.journal(*query, LOOK_TIME_MAX).await {
        Err(RemoteError::Unreachable(..) | RemoteError::Broken(..) | RemoteError::Slow(_)) => {
            return Ok(Value::Null);
        }
        told => taken(remote, told)?,
    };
    let newest = told["next_after"].as_u64();
    if newest.is_some() && newest < query.after {
        query.after = None;
        return taken(remote, remote.journal(*query, LOOK_TIME_MAX).await);
    }
    Ok(told)
}

/// Shows an answer, once. Somebody who stops reading (`| head`) is no failure.
fn shown(answer: &Value, json: bool, people: fn(&Value) -> String) -> Exit {
    match write(answer, json, people) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Failure,
        Ok(()) | Err(_) => Exit::Ok,
    }
}

/// Prints an answer as it came, on one line, or in the shape for people.
fn write(answer: &Value, json: bool, people: fn(&Value) -> String) -> io::Result<()> {
    let text = if json { format!("{answer}\n") } else { people(answer) };
    let mut stdout = anstream::stdout();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

#[cfg(test)]
mod tests;
