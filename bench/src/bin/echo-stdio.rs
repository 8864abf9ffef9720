//! An echoing MCP server on stdin and stdout that costs next to nothing: whatever lines one read
//! gives are answered with one write. With `--mute` it reads and never answers; `--tools N` for
//! more than one tool, `--read-only` for tools that say so.

use std::io::{Read, Result, Write};

use bench::echo::{Done, Server};

/// What one read takes at most: more than a pipe holds.
const READ_BYTES: usize = 128 << 10;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let tools = arguments.iter().skip_while(|argument| *argument != "--tools").nth(1);
    let tools = tools.map_or(Ok(1), |tools| tools.parse()).map_err(std::io::Error::other)?;
    serve(&Server::new(tools, has("--read-only")), has("--mute"))
}

fn serve(server: &Server, mute: bool) -> Result<()> {
    let (mut stdin, mut stdout) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut chunk = vec![0; READ_BYTES];
    let (mut buffer, mut out) = (Vec::new(), Vec::new());
    // How far the buffer was searched in vain: a line of megabytes comes in many reads.
    let mut searched = 0;
    loop {
        let size = stdin.read(&mut chunk)?;
        if size == 0 {
            return Ok(());
        }
        if mute {
            continue;
        }
        buffer.extend_from_slice(&chunk[..size]);
        let mut from = 0;
        while let Some(end) = memchr::memchr(b'\n', &buffer[searched..]).map(|at| searched + at) {
            if server.answer(&buffer[from..end], &mut out) != Done::Nothing {
                out.push(b'\n');
            }
            from = end + 1;
            searched = from;
        }
        buffer.drain(..from);
        searched = buffer.len();
        stdout.write_all(&out)?;
        stdout.flush()?;
        out.clear();
    }
}
