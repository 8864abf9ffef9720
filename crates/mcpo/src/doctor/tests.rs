use std::collections::BTreeMap;

use mcpo_monitor::alerts::Severity;
use mcpo_monitor::diagnosis::{Diagnosis, Issue, Status};

use super::page::page;

fn plain(diagnosis: &Diagnosis) -> String {
    anstream::adapter::strip_str(&page(diagnosis)).to_string()
}

#[test]
fn the_page_says_what_is_wrong_why_and_what_to_do() {
    let issue = Issue {
        id: "upstream_unreachable",
        severity: Severity::Critical,
        server: Some("mail".to_owned()),
        what: "nobody listens at 127.0.0.1:9".to_owned(),
        since: None,
        evidence: vec!["connection refused\n\u{1b}[31mred".to_owned()],
        cause: vec!["dns ok".to_owned(), "tcp refused".to_owned()],
        fix: vec!["start the server, or correct its url".to_owned()],
    };
    let diagnosis = Diagnosis {
        status: Status::Critical,
        score: 40,
        issues: vec![issue],
        recommendations: vec!["give the server a timeout of its own".to_owned()],
        metrics: BTreeMap::new(),
        connection_health: BTreeMap::from([("mail".to_owned(), false), ("time".to_owned(), true)]),
        timestamp: 0.0,
    };
    insta::assert_snapshot!(plain(&diagnosis), @r"
    critical  score 40 of 100

      x mail
      + time

    critical mail: nobody listens at 127.0.0.1:9 (upstream_unreachable)
      cause  dns ok -> tcp refused
      seen   connection refused
      seen    [31mred
      do     start the server, or correct its url

    would make things better:
      - give the server a timeout of its own
    ");
}
