use super::*;

#[test]
fn paths_name_servers_piece_by_piece() {
    assert_eq!(Ask::find("servers"), Some(Ask::Servers));
    assert_eq!(Ask::find("servers/two%20words%2F"), Some(Ask::Server("two words/".into())));
    let order = Ask::Order("a".into(), "hold".into());
    assert_eq!(Ask::find("servers/a/hold"), Some(order));
    for path in
        ["", "servers/", "server", "servers//hold", "servers/a/b/c", "servers/%ff", "Servers"]
    {
        assert_eq!(Ask::find(path), None, "{path}");
    }
}
