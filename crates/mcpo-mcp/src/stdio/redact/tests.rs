//! Claims about secrets.

use super::*;

fn redactor(variables: &[(&str, &str)]) -> Redactor {
    let pairs: Vec<_> = variables
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        .collect();
    Redactor::new(&pairs)
}

#[test]
fn values_of_the_environment_are_masked_wherever_they_stand() {
    let redactor =
        redactor(&[("TOKEN", "abcdefgh"), ("LONG_TOKEN", "abcdefgh-and-more"), ("EMPTY", "")]);
    assert_eq!(redactor.redact("x abcdefgh-and-more=abcdefgh."), "x ***=***.");
    assert_eq!(redactor.redact("nothing here"), "nothing here");
}

#[test]
fn short_values_and_what_holds_no_secrets_stay() {
    let redactor =
        redactor(&[("MODE", "verbose"), ("HOME", "/home/somebody"), ("LC_ALL", "de_DE.UTF-8")]);
    let text = "verbose /home/somebody de_DE.UTF-8";
    assert_eq!(redactor.redact(text), text);
}

#[test]
fn a_secret_of_several_lines_is_masked_line_by_line() {
    let redactor = redactor(&[("KEY", "-----BEGIN\nMIIEvQIBADAN\n-----END-----\n")]);
    assert_eq!(redactor.redact("at MIIEvQIBADAN"), "at ***");
}
