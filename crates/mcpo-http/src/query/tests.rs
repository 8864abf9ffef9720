use super::*;

fn why(error: Problem) -> String {
    let Problem::BadQuery { why } = error else { panic!("{error:?}") };
    why
}

#[test]
fn values_are_read_and_misspelt_names_refused() {
    let query = Query::read(
        Some("server=two%20words+x&limit=5&&timeout=0.5"),
        &["server", "limit", "timeout"],
    )
    .unwrap();
    assert_eq!(query.text("server"), Some("two words x"));
    assert_eq!(query.number("limit").unwrap(), Some(5));
    let most = Duration::from_secs(60);
    assert_eq!(query.seconds("timeout", most).unwrap(), Some(Duration::from_millis(500)));
    assert_eq!(query.number("after").unwrap(), None);
    let error = Query::read(Some("servre=x"), &["server", "limit"]).unwrap_err();
    assert_eq!(why(error), "`servre` is not known here, only server, limit");
    assert!(Query::read(Some("x"), &[]).is_err() && Query::read(None, &[]).is_ok());
}

#[test]
fn a_value_that_makes_no_sense_is_refused() {
    let most = Duration::from_secs(60);
    for value in ["", "0", "-1", "61", "NaN", "inf", "5s"] {
        let query = Query::read(Some(&format!("timeout={value}")), &["timeout"]).unwrap();
        let error = why(query.seconds("timeout", most).unwrap_err());
        assert_eq!(error, "`timeout` must be a number of seconds above 0, at most 60", "{value}");
    }
    let query = Query::read(Some("limit=-1"), &["limit"]).unwrap();
    assert_eq!(why(query.number("limit").unwrap_err()), "`limit` must be a whole number");
}
