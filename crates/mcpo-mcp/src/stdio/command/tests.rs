//! Claims about finding a command.

use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::endpoint::Launcher;

/// A folder of one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("mcpo-command-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the folder is ours");
        Self(folder)
    }

    fn file(&self, name: &str, mode: u32, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("the folder is ours");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("the file is ours");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn endpoint(command: &str, path: &Path) -> Stdio {
    Stdio {
        command: command.to_owned(),
        arguments: vec!["a b".to_owned()],
        environment: vec![(OsString::from("PATH"), path.as_os_str().to_owned())],
        directory: None,
        launcher: None,
    }
}

fn program(endpoint: &Stdio) -> Result<PathBuf, String> {
    match build(endpoint) {
        Ok(command) => Ok(PathBuf::from(command.as_std().get_program())),
        Err(Cause::Start { command, reason }) => {
            assert_eq!(command, endpoint.command);
            Err(reason)
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_name_is_looked_up_in_the_path_that_the_child_gets() {
    let folder = Folder::new("path");
    let tool = folder.file("tool", 0o755, "");
    assert_eq!(program(&endpoint("tool", &folder.0)), Ok(tool));
    let missing = program(&endpoint("other", &folder.0)).expect_err("it is not there");
    assert!(
        missing.contains("not in PATH") && missing.contains(&*folder.0.to_string_lossy()),
        "{missing}"
    );
    let long = endpoint("other", Path::new("/a:/b:/c:/d:/e"));
    let missing = program(&long).expect_err("it is not there");
    assert_eq!(missing, "it is not in PATH (/a:/b:/c and 2 more)");
    let mut without_path = endpoint("sh", &folder.0);
    without_path.environment.clear();
    assert!(program(&without_path).is_ok());
}

#[test]
fn a_path_is_taken_from_the_directory_of_the_child() {
    let folder = Folder::new("directory");
    let tool = folder.file("tool", 0o755, "");
    let mut there = endpoint("./tool", Path::new("/none"));
    assert!(program(&there).is_err());
    there.directory = Some(folder.0.clone());
    let found = program(&there).expect("it is there");
    assert_eq!(found.canonicalize().expect("it exists"), tool.canonicalize().expect("it exists"));
    there.directory = Some(folder.0.join("none"));
    assert!(program(&there).expect_err("no such directory").contains("directory"));
}

#[test]
fn what_cannot_be_executed_is_told_as_that() {
    let folder = Folder::new("mode");
    let plain = folder.file("plain", 0o644, "");
    assert!(
        program(&endpoint("plain", &folder.0))
            .expect_err("it is no program")
            .contains("not executable")
    );
    assert!(
        program(&endpoint(&plain.to_string_lossy(), &folder.0))
            .expect_err("no program")
            .contains("executable")
    );
    assert!(
        program(&endpoint(&folder.0.to_string_lossy(), &folder.0))
            .expect_err("a folder")
            .contains("executable")
    );
    let script = folder.file("script", 0o755, "#! /none/python3 -u\nprint()\n");
    let reason = program(&endpoint("script", &folder.0)).expect_err("it has no interpreter");
    assert!(reason.contains("/none/python3"), "{reason}");
    symlink(folder.0.join("gone"), folder.0.join("dangling")).expect("the folder is ours");
    assert!(
        program(&endpoint("dangling", &folder.0))
            .expect_err("it points nowhere")
            .contains("not in PATH")
    );
    drop(script);
}

#[test]
fn a_whole_command_line_as_command_is_pointed_out() {
    let reason =
        program(&endpoint("npx -y some-server", Path::new("/none"))).expect_err("it is no program");
    assert!(reason.contains("blanks"), "{reason}");
    assert!(program(&endpoint("", Path::new("/none"))).expect_err("it is empty").contains("empty"));
}

#[test]
fn a_launcher_stands_in_front_of_the_command() {
    let folder = Folder::new("launcher");
    let tool = folder.file("tool", 0o755, "");
    let mut endpoint = endpoint("tool", &folder.0);
    endpoint.launcher = Some(Launcher {
        program: PathBuf::from("/bin/launch"),
        arguments: vec!["now".to_owned()],
        guard: None,
    });
    let command = build(&endpoint).expect("it can be started");
    assert_eq!(command.as_std().get_program(), "/bin/launch");
    let arguments: Vec<_> = command.as_std().get_args().collect();
    assert_eq!(arguments, [OsStr::new("now"), tool.as_os_str(), OsStr::new("a b")]);
}
