//! The command line, as typed.

use clap::{CommandFactory, Parser};
use mcpo_config::{Flags, Secret};

use super::{Cli, Command, with_tip};

fn flags(words: &str) -> Flags {
    let cli = Cli::try_parse_from(std::iter::once("mcpo").chain(words.split(' '))).expect(words);
    assert!(cli.command.is_none(), "{words}");
    cli.serve.into_flags()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_short_option_of_pythons_mcpo_means_the_same() {
    let parsed = flags(
        "-h ::1 -p 1 -k key -e A=1 -e B=2 -c file -n name -d text -v 2.0 -t cert -K key.pem -H {}",
    );
    let expected = Flags {
        host: some("::1"),
        port: some("1"),
        api_key: Some(Secret::new("key")),
        env: vec![Secret::new("A=1"), Secret::new("B=2")],
        config: some("file"),
        name: some("name"),
        description: some("text"),
        version: some("2.0"),
        ssl_certfile: some("cert"),
        ssl_keyfile: some("key.pem"),
        headers: vec![Secret::new("{}")],
        ..Flags::default()
    };
    assert_eq!(parsed, expected);
}

#[test]
fn every_long_option_is_taken() {
    let parsed = flags(
        "--host a --port 1 --api-key k --strict-auth --cors-allow-origins x --cors-allow-origins y \
         --env A=1 --env-path f --server-type sse --hot-reload --name n --description d --version v \
         --ssl-certfile c --ssl-keyfile k --root-path /r --path-prefix /p --header A:1 \
         --log-level debug --log-format json --tool-timeout 1 --max-tool-timeout 2 \
         --connect-timeout 3 --drain-timeout 4 --max-body-size 5 -- http://h/",
    );
    assert_eq!(parsed.cors_allow_origins, ["x", "y"]);
    assert!(parsed.strict_auth && parsed.hot_reload);
    assert_eq!(parsed.server_type, some("sse"));
    assert_eq!((parsed.root_path, parsed.path_prefix), (some("/r"), some("/p")));
    assert_eq!((parsed.log_level, parsed.log_format), (some("debug"), some("json")));
    assert_eq!((parsed.tool_timeout, parsed.max_tool_timeout), (some("1"), some("2")));
    assert_eq!((parsed.connect_timeout, parsed.drain_timeout), (some("3"), some("4")));
    assert_eq!(parsed.max_body_size, some("5"));
    assert_eq!(parsed.command, ["http://h/"]);
    assert_eq!(flags("--type sse -- x").server_type, some("sse"));
}

#[test]
fn of_an_option_given_twice_the_last_one_counts_and_lists_grow() {
    let parsed = flags("-p 1 --strict-auth -e A=1 --port 2 --strict-auth -e B=2 -- x");
    assert_eq!(parsed.port, some("2"));
    assert!(parsed.strict_auth);
    assert_eq!(parsed.env, [Secret::new("A=1"), Secret::new("B=2")]);
}

#[test]
fn behind_the_dashes_everything_is_the_servers() {
    let parsed = flags("--port 1 -- demo --port 2 -- --help");
    assert_eq!(parsed.port, some("1"));
    assert_eq!(parsed.command, ["demo", "--port", "2", "--", "--help"]);
}

#[test]
fn values_may_begin_with_a_dash_where_that_makes_sense() {
    assert_eq!(flags("--api-key -k -- x").api_key, Some(Secret::new("-k")));
    assert_eq!(flags("--tool-timeout -5 -- x").tool_timeout, some("-5"));
    assert_eq!(flags("--port -1 -- x").port, some("-1"));
}

#[test]
fn a_word_in_front_is_another_command() {
    let command = |words: &[&str]| {
        Cli::try_parse_from(std::iter::once(&"mcpo").chain(words)).expect("it is right").command
    };
    assert!(matches!(command(&["check", "-c", "f"]), Some(Command::Check(_))));
    assert!(matches!(command(&["demo", "-p", "1"]), Some(Command::Demo(_))));
    assert!(matches!(command(&["completions", "bash"]), Some(Command::Completions { .. })));
    assert!(matches!(command(&["demo-server"]), Some(Command::DemoServer)));
}

#[test]
fn version_alone_is_ours_and_with_a_value_the_documents() {
    let ours = |words: &[&str]| {
        Cli::try_parse_from(std::iter::once(&"mcpo").chain(words))
            .expect("it is right")
            .asks_for_our_version()
    };
    assert!(ours(&["-V"]));
    assert!(ours(&["--version"]));
    assert!(!ours(&["--version", "2.0"]));
    assert!(!ours(&["--version", "2.0", "--", "x"]));
    assert!(!ours(&["--config", "f", "--version"]));
    assert!(!ours(&[]));
}

#[test]
fn slips_are_answered_with_a_tip_that_helps() {
    let told = |words: &str| {
        let words = std::iter::once("mcpo").chain(words.split(' '));
        with_tip(Cli::try_parse_from(words).expect_err("it is wrong")).render().to_string()
    };
    let dashes = told("uvx mcp-server-time");
    let tip = "a command or URL stands after `--`: mcpo [OPTIONS] -- uvx ...";
    assert!(dashes.contains(tip), "{dashes}");
    let option = told("--prot 80 -- x");
    assert!(option.contains("'--port'") && !option.contains("as a value"), "{option}");
    for words in ["help", "-h"] {
        let help = told(words);
        assert!(help.contains("for help: mcpo --help"), "{help}");
    }
}

#[test]
fn secrets_do_not_show_in_the_options() {
    let cli = Cli::try_parse_from(["mcpo", "-k", "hunter2", "-e", "A=hunter2", "-H", "A: hunter2"]);
    assert!(!format!("{cli:?}").contains("hunter2"));
}

#[test]
fn the_help_stays_as_it_is() {
    insta::assert_snapshot!(Cli::command().term_width(100).render_help());
}
