//! `server-filesystem`: reads and writes in a folder of the test's own.

use serde_json::json;

use crate::case::{answers, check, fails};
use crate::places::{node, npm, scratch, text};

const TOOLS: [&str; 14] = [
    "read_file",
    "read_text_file",
    "read_media_file",
    "read_multiple_files",
    "write_file",
    "edit_file",
    "create_directory",
    "list_directory",
    "list_directory_with_sizes",
    "directory_tree",
    "move_file",
    "search_files",
    "get_file_info",
    "list_allowed_directories",
];

#[tokio::test]
async fn filesystem_reads_and_writes_inside_its_folder_only() {
    let folder = scratch().join("files");
    std::fs::create_dir_all(&folder).expect("the scratch folder is writable");
    std::fs::write(folder.join("hello.txt"), "hello\nworld\n")
        .expect("the scratch folder is writable");
    let (inside, outside) = (text(&folder), text(&scratch().join("config.json")));
    let (hello, written) = (format!("{inside}/hello.txt"), format!("{inside}/new.txt"));
    let content = |text: String| json!({"content": text});
    let calls = [
        answers("read_text_file", json!({"path": hello}), content("hello\nworld\n".to_owned())),
        answers("read_text_file", json!({"path": hello, "head": 1}), content("hello".to_owned())),
        answers(
            "write_file",
            json!({"path": written, "content": "tab\tquote\" λ\n"}),
            content(format!("Successfully wrote to {written}")),
        ),
        answers("read_text_file", json!({"path": written}), content("tab\tquote\" λ\n".to_owned())),
        answers(
            "list_directory",
            json!({"path": inside}),
            content("[FILE] hello.txt\n[FILE] new.txt".to_owned()),
        ),
        answers(
            "list_allowed_directories",
            json!({}),
            content(format!("Allowed directories:\n{inside}")),
        ),
        fails(
            "read_text_file",
            json!({"path": outside}),
            "Access denied - path outside allowed directories",
        ),
    ];
    let script = npm("@modelcontextprotocol/server-filesystem/dist/index.js");
    check(json!({"command": node(), "args": [script, inside]}), &TOOLS, &calls).await;
    let on_disk = std::fs::read_to_string(folder.join("new.txt")).expect("the call wrote it");
    assert_eq!(on_disk, "tab\tquote\" λ\n");
}
