//! From a configured command to one that can be started. The program is looked up before the
//! start, so that a typing error is told as what it is and not as a child that ended.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::endpoint::Stdio;
use crate::error::Cause;

/// Where programs are looked for without a `PATH` (execvp(3)).
const PATH_DEFAULT: &str = "/bin:/usr/bin";
/// Longest first line of a script that the kernel reads (linux/binfmts.h, `BINPRM_BUF_SIZE`).
const SHEBANG_BYTES_MAX: u64 = 256;

/// The command, without its pipes.
///
/// # Errors
/// [`Cause::Start`] with what was looked for and where.
pub(super) fn build(endpoint: &Stdio) -> Result<Command, Cause> {
    let failed = |reason: String| Cause::Start { command: endpoint.command.clone(), reason };
    if let Some(directory) = endpoint.directory.as_ref().filter(|directory| !directory.is_dir()) {
        return Err(failed(format!("its directory `{}` does not exist", directory.display())));
    }
    let program = look_up(endpoint).and_then(check_interpreter).map_err(failed)?;
    let mut command = match &endpoint.launcher {
        Some(launcher) => {
            let mut command = Command::new(&launcher.program);
            command.args(&launcher.arguments).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.args(&endpoint.arguments).env_clear();
    command.envs(endpoint.environment.iter().map(|(name, value)| (name, value)));
    if let Some(directory) = &endpoint.directory {
        command.current_dir(directory);
    }
    Ok(command)
}

fn look_up(endpoint: &Stdio) -> Result<PathBuf, String> {
    let command = endpoint.command.as_str();
    if command.is_empty() {
        return Err("the command is empty".to_owned());
    }
    let directory = endpoint.directory.as_deref().unwrap_or(Path::new(""));
    if command.contains('/') {
        let path = absolute(&directory.join(command)).map_err(|error| error.to_string())?;
        return match check(&path) {
            Found::Yes => Ok(path),
            Found::NotExecutable => Err("it is not an executable file".to_owned()),
            Found::No => Err(format!("it does not exist{}", hint(command))),
        };
    }
    let path = endpoint.environment.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map_or(OsStr::new(PATH_DEFAULT), |(_, value)| value.as_os_str());
    let mut not_executable = None;
    for folder in path.as_bytes().split(|&byte| byte == b':') {
        // An empty entry is the current directory, as for execvp.
        let file = directory.join(Path::new(OsStr::from_bytes(folder))).join(command);
        match check(&file) {
            Found::Yes => return absolute(&file).map_err(|error| error.to_string()),
            Found::NotExecutable => not_executable = Some(file),
            Found::No => {}
        }
    }
    Err(match not_executable {
        Some(file) => format!("`{}` is not executable", file.display()),
        None => format!("it is not in PATH ({}){}", shown(path), hint(command)),
    })
}

/// So many folders of a `PATH` are named: enough to tell whose it is.
const FOLDERS_SHOWN_MAX: usize = 3;

/// A `PATH` as it is told: that of a shell is longer than all the rest of the message.
fn shown(path: &OsStr) -> String {
    let path = path.to_string_lossy();
    let mut folders = path.split(':');
    let first: Vec<&str> = folders.by_ref().take(FOLDERS_SHOWN_MAX).collect();
    match folders.count() {
        0 => first.join(":"),
        more => format!("{} and {more} more", first.join(":")),
    }
}

enum Found {
    Yes,
    NotExecutable,
    No,
}

fn check(path: &Path) -> Found {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 => {
            Found::Yes
        }
        Ok(_) => Found::NotExecutable,
        Err(_) => Found::No,
    }
}

/// The child may start in another directory than ours.
fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

fn hint(command: &str) -> &'static str {
    if command.contains(char::is_whitespace) {
        "; it has blanks in it: the command is the program alone, its arguments belong in the list of arguments"
    } else {
        ""
    }
}

/// A script without its interpreter fails with the same "no such file" as a script that is not
/// there.
fn check_interpreter(program: PathBuf) -> Result<PathBuf, String> {
    let mut start = Vec::new();
    // A program that may be executed but not read is no script.
    let Ok(file) = File::open(&program) else { return Ok(program) };
    if file.take(SHEBANG_BYTES_MAX).read_to_end(&mut start).is_err() {
        return Ok(program);
    }
    let Some(line) =
        start.strip_prefix(b"#!").and_then(|rest| rest.split(|&byte| byte == b'\n').next())
    else {
        return Ok(program);
    };
    let line = line.trim_ascii();
    let interpreter = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let interpreter = Path::new(OsStr::from_bytes(interpreter));
    if interpreter.is_absolute() && !interpreter.exists() {
        let shown = interpreter.display();
        return Err(format!("`{}` needs `{shown}`, which does not exist", program.display()));
    }
    Ok(program)
}

#[cfg(test)]
mod tests;
