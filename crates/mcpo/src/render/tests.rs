//! What people read.

use anstream::adapter::strip_str;
use mcpo_config::{Excerpt, Place, Problem, Problems, Severity};

use super::{all, bytes, summary};

fn problem(place: Place) -> Problem {
    let cure = Some("one of `stdio`, `sse`".to_owned());
    let message = "`ssee` is not a type of server".to_owned();
    Problem { severity: Severity::Error, place, path: String::new(), message, cure }
}

#[test]
fn a_problem_of_a_file_points_at_its_place() {
    let excerpt =
        Some(Excerpt { text: "  \"type\": \"ssee\"".to_owned(), mark_start: 10, mark_width: 6 });
    let place = Place::File { file: "config.json".to_owned(), line: 12, column: 11, excerpt };
    let problem = Problem { path: "mcpServers.time.type".to_owned(), ..problem(place) };
    insta::assert_snapshot!(strip_str(&all(&[problem])), @r#"
    error: `ssee` is not a type of server
      --> config.json:12:11
       |
    12 |   "type": "ssee"
       |           ^^^^^^
       = in: mcpServers.time.type
       = help: one of `stdio`, `sse`
    "#);
}

#[test]
fn a_problem_elsewhere_names_its_place() {
    for (place, line) in [
        (Place::Flag("--type"), " --> option --type"),
        (Place::Variable("MCPO_PORT".to_owned()), " --> environment variable MCPO_PORT"),
        (Place::WholeFile("config.json".to_owned()), " --> config.json"),
        (Place::CommandLine, "  = help: one of `stdio`, `sse`"),
    ] {
        let text = strip_str(&all(&[problem(place)])).to_string();
        assert_eq!(text.lines().nth(1), Some(line));
    }
}

#[test]
fn the_last_line_counts() {
    let warning = Problem { severity: Severity::Warning, ..problem(Place::CommandLine) };
    let problems = |all: Vec<Problem>| strip_str(&summary(&Problems { all })).to_string();
    let error = || problem(Place::CommandLine);
    assert_eq!(problems(vec![error()]), "error: mcpo cannot start: 1 error\n");
    assert_eq!(
        problems(vec![error(), error(), warning]),
        "error: mcpo cannot start: 2 errors and 1 warning\n"
    );
}

#[test]
fn bytes_stand_in_a_unit_that_needs_few_digits() {
    let shown = [0.0, 1023.0, 1024.0, 67_108_864.0, 3e9].map(bytes);
    assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "64.0 MiB", "2.8 GiB"]);
}
