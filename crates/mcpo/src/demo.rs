//! The built-in MCP server: something to look at, and to try a deadline or an error with, before
//! any other server is installed. `mcpo demo` starts mcpo with itself as its upstream.

mod clock;
mod lines;
mod protocol;
mod tools;

use std::io;

use mcpo_config::Flags;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::cli::Demo;
use crate::exit::Exit;
use crate::render;

use lines::Lines;
use protocol::Server;

/// What `mcpo demo` is short for: this program before and behind the `--`.
///
/// # Errors
/// The system does not say which file this program is.
pub(crate) fn flags(options: &Demo) -> io::Result<Flags> {
    let program = std::env::current_exe()?.to_string_lossy().into_owned();
    Ok(Flags {
        host: Some(options.host.clone()),
        port: options.port.clone(),
        name: Some("mcpo demo".to_owned()),
        // Whoever looks around leaves nothing behind.
        no_state: true,
        command: vec![program, "demo-server".to_owned()],
        ..Flags::default()
    })
}

/// Serves MCP on stdin and stdout until stdin ends.
pub(crate) async fn serve_stdio() -> Exit {
    match serve(tokio::io::stdin(), tokio::io::stdout()).await {
        Ok(()) => Exit::Ok,
        // Whoever started us is gone: nothing failed.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(error) => render::failure(&format!("the demo server stops: {error}")),
    }
}

/// Serves until the input ends; calls that still run then are dropped. Answers come in the order
/// in which the calls are done.
///
/// Cancel-safe: no; a part of an answer may be written.
async fn serve(
    input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut lines = Lines::new(input);
    let mut server = Server::default();
    loop {
        let reply = tokio::select! {
            line = lines.next() => match line? {
                Some(line) => server.take(&line),
                None => return Ok(()),
            },
            Some(reply) = server.next_done() => reply,
        };
        if let Some(reply) = reply {
            write(&mut output, &reply).await?;
        }
    }
}

async fn write(output: &mut (impl AsyncWrite + Unpin), reply: &Value) -> io::Result<()> {
    let mut line = reply.to_string();
    line.push('\n');
    output.write_all(line.as_bytes()).await?;
    output.flush().await
}

#[cfg(test)]
mod tests;
