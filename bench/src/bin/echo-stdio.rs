//! An echoing MCP server on stdin and stdout that costs next to nothing: whatever lines one read
//! gives are answered with one write. With `--mute` it reads and never answers.

use std::io::{Read, Result, Write};

/// What one read takes at most: more than a pipe holds.
const READ_BYTES: usize = 128 << 10;

fn main() -> Result<()> {
    let mute = std::env::args().any(|argument| argument == "--mute");
    let (mut stdin, mut stdout) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut chunk = vec![0; READ_BYTES];
    let (mut buffer, mut out) = (Vec::new(), Vec::new());
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
        while let Some(length) = memchr::memchr(b'\n', &buffer[from..]) {
            if bench::echo::answer(&buffer[from..from + length], &mut out) {
                out.push(b'\n');
            }
            from += length + 1;
        }
        buffer.drain(..from);
        stdout.write_all(&out)?;
        stdout.flush()?;
        out.clear();
    }
}
