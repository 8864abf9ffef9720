use std::collections::BTreeSet;

use super::*;

#[test]
fn the_table_has_each_kind_once_and_in_order() {
    let kinds: Vec<FaultKind> = table().map(|row| row.kind).collect();
    assert_eq!(kinds, FaultKind::ALL);
    assert!(kinds.is_sorted(), "the order of the enum");
    let names: BTreeSet<&str> = kinds.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), kinds.len());
}

#[test]
fn each_kind_is_explained_in_one_plain_sentence() {
    let mut meanings = BTreeSet::new();
    for row in table() {
        let meaning = row.meaning;
        assert!(
            meaning.ends_with('.') && !meaning[..meaning.len() - 1].contains(". "),
            "{meaning}"
        );
        assert!(
            meaning.starts_with(char::is_uppercase) || meaning.starts_with("mcpo"),
            "{meaning}"
        );
        assert!(!meaning.contains(['|', '\n']), "it stands in a table: {meaning}");
        assert!(meanings.insert(meaning), "said of two kinds: {meaning}");
    }
}

#[test]
fn what_only_a_person_can_mend_is_critical() {
    for row in table().filter(|row| row.needs_operator) {
        assert_eq!(row.severity, Severity::Critical, "{}", row.kind);
    }
    for row in table().filter(|row| row.cure == Cure::Hold) {
        assert!(row.needs_operator, "{}", row.kind);
    }
}

#[test]
fn only_a_refused_connection_was_free() {
    let stages = [Stage::Name, Stage::Refused, Stage::Route, Stage::Tls, Stage::Other];
    for stage in stages.map(Some).into_iter().chain([None]) {
        let fault = Fault { stage, ..Fault::new(FaultKind::Unreachable, "") };
        assert_eq!(fault.was_free(), stage == Some(Stage::Refused));
    }
}
