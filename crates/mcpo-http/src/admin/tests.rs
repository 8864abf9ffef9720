use super::*;

#[test]
fn paths_name_servers_piece_by_piece() {
    assert_eq!(Ask::find("servers"), Some(Ask::Servers));
    assert_eq!(Ask::find("servers/two%20words%2F"), Some(Ask::Server("two words/".into())));
    for path in ["", "servers/", "server", "servers/a/b/c", "servers/%ff", "Servers"] {
        assert_eq!(Ask::find(path), None, "{path}");
    }
}
