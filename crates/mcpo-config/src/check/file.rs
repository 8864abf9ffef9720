//! The configuration file: from its text to the servers in it.

use jsonc_parser::ast::Value;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use crate::check::monitor::MonitorSaid;
use crate::check::{Around, keys, server};
use crate::field::{Field, Table};
use crate::problem::{Place, Problem};
use crate::report::Report;
use crate::server::Server;
use crate::source::{Marked, Source};

/// What the file says.
#[derive(Default)]
pub(super) struct FileSaid {
    /// The servers, in its order, without those that are disabled or wrong.
    pub(super) servers: Vec<Server>,
    pub(super) monitor: MonitorSaid,
}

/// Reads the whole file.
pub(super) fn read(source: &Source, around: &Around<'_>, report: &mut Report) -> FileSaid {
    let Some(value) = parse(source, report) else { return FileSaid::default() };
    let Some(top) = Field::root(source, &value).table(report) else { return FileSaid::default() };
    keys::report_unknown(&top, &keys::TOP, report);
    let servers = servers(source, &top, around, report);
    FileSaid { servers, monitor: MonitorSaid::read(&top, report) }
}

fn servers(
    source: &Source,
    top: &Table<'_>,
    around: &Around<'_>,
    report: &mut Report,
) -> Vec<Server> {
    let whole = || Place::WholeFile(source.name.clone());
    let Some(field) = top.get("mcpServers") else {
        report.push(missing_servers(whole(), top));
        return Vec::new();
    };
    let Some(table) = field.table(report) else { return Vec::new() };
    if table.fields.is_empty() {
        report.push(field.error("no server is configured").cure(EXAMPLE));
    }
    let mut servers = Vec::with_capacity(table.fields.len());
    let mut disabled = 0;
    for (name, field) in &table.fields {
        match server::check(name, field, around, report) {
            server::Checked::Server(server) => servers.push(*server),
            server::Checked::Disabled => disabled += 1,
            server::Checked::Wrong => {}
        }
    }
    if disabled > 0 && disabled == table.fields.len() {
        report.push(
            field.error("every server is disabled").cure("remove `disabled` from one of them"),
        );
    }
    servers
}

const EXAMPLE: &str =
    r#"for example `{"mcpServers": {"time": {"command": "uvx", "args": ["mcp-server-time"]}}}`"#;

fn missing_servers(place: Place, top: &Table<'_>) -> Problem {
    let problem = Problem::error(place, "there is no `mcpServers` in the file");
    match top.get("servers") {
        Some(_) => problem.cure("rename `servers` (VS Code's word) to `mcpServers`"),
        None => problem.cure(EXAMPLE),
    }
}

/// Parses strictly but for comments and trailing commas. After a slip in the syntax it goes on as
/// leniently as can be, so that the other problems are told in the same run.
fn parse<'s>(source: &'s Source, report: &mut Report) -> Option<Value<'s>> {
    let collect = CollectOptions::default();
    let error = match parse_to_ast(&source.text, &collect, &strict()) {
        Ok(parsed) => {
            if parsed.value.is_none() {
                let problem =
                    Problem::error(Place::WholeFile(source.name.clone()), "the file is empty");
                report.push(problem.cure(EXAMPLE));
            }
            return parsed.value;
        }
        Err(error) => error,
    };
    let message = format!("not valid JSON: {}", lower_first(&error.kind().to_string()));
    let problem = Problem::error(source.place(error.range(), Marked::Hidden), message);
    let text = &source.text;
    report.push(match syntax_cure(error.kind(), text) {
        Some(cure) => problem.cure(cure),
        None => problem,
    });
    parse_to_ast(text, &collect, &ParseOptions::default()).ok().and_then(|parsed| parsed.value)
}

fn strict() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_loose_object_property_names: false,
        allow_trailing_commas: true,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

fn syntax_cure(kind: &jsonc_parser::errors::ParseErrorKind, text: &str) -> Option<&'static str> {
    use jsonc_parser::errors::ParseErrorKind as Kind;
    if matches!(kind, Kind::ExpectedComma) {
        Some("put a comma here")
    } else if matches!(kind, Kind::SingleQuotedStringsNotAllowed) {
        Some("use double quotes")
    } else if matches!(kind, Kind::ExpectedStringObjectProperty | Kind::UnexpectedWord) {
        Some("put double quotes around it")
    } else if matches!(kind, Kind::UnterminatedObject | Kind::UnterminatedArray) {
        Some("close every `{` with `}` and every `[` with `]`")
    } else if matches!(kind, Kind::String(_)) && text.contains('\\') {
        Some("close the quote, and write a backslash as `\\\\`, as in `\"C:\\\\Users\"`")
    } else {
        None
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
