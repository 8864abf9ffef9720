//! Holds our answers against those of Python mcpo 0.0.20, recorded by
//! `scripts/capture-arguments.py`.

use super::*;

const RECORDED: &str = include_str!("../fixtures/python_0_0_20.json");

const LOSSLESS: &str = "the original loses this keyword; we check the server's own schema";
const DIGITS: &str = "numbers keep their digits, where the original goes through a float";
const NO_INFINITY: &str = "JSON has no infinity: the original sends null, we refuse";
const ALL_OPTIONAL: &str = "no body is taken as {} where all arguments are optional";
const REQUIRED_NULL: &str = "a required null arrives, where the original drops a required argument";
const EXTRA: &str = "the schema welcomes further arguments: dropping them would lose data";
const MODEL_NAME: &str =
    "the original makes up a name for a model in a union, we count the branches";
const DEFAULT: &str = "a default is filled in as it would be checked if it were sent";

/// Where we answer otherwise on purpose: tool, body, reason.
const DIFFERENT: &[(&str, &str, &str)] = &[
    ("int", r#"{"v": 1e300}"#, DIGITS),
    ("int", r#"{"v": 1e400}"#, DIGITS),
    ("int", "fffe", "every body that is not UTF-8 is 400; the original takes this one for UTF-16"),
    ("num", r#"{"v": 123456789012345678901234567890}"#, DIGITS),
    ("num", r#"{"v": 0.1000000000000000055511151231257827}"#, DIGITS),
    ("num", r#"{"v": "inf"}"#, NO_INFINITY),
    ("num", r#"{"v": "nan"}"#, NO_INFINITY),
    ("num", r#"{"v": "infinity"}"#, NO_INFINITY),
    ("num", r#"{"v": "1e400"}"#, NO_INFINITY),
    ("any", r#"{"v": null}"#, REQUIRED_NULL),
    ("null", r#"{"v": null}"#, REQUIRED_NULL),
    ("req_nullable", r#"{"v": null}"#, REQUIRED_NULL),
    ("int_or_list", r#"{"v": null}"#, REQUIRED_NULL),
    ("dict_int", r#"{"v": {"a":"1"}}"#, LOSSLESS),
    ("dict_int", r#"{"v": {"a":"x"}}"#, LOSSLESS),
    ("opt_str", "", ALL_OPTIONAL),
    ("opt_str", "null", ALL_OPTIONAL),
    ("opt_str_default", "", ALL_OPTIONAL),
    ("opt_str_default_null", r#"{"v": null}"#, "null is what the default says; it is left out"),
    ("default_wrong_type", "{}", DEFAULT),
    ("default_object", "{}", DEFAULT),
    ("obj_or_str", r#"{"v": {}}"#, MODEL_NAME),
    ("obj_or_str", r#"{"v": 5}"#, MODEL_NAME),
    ("two_objects", r#"{"v": {"b":1}}"#, MODEL_NAME),
    ("one_of", r#"{"v": []}"#, LOSSLESS),
    ("all_of", r#"{"v": "5"}"#, LOSSLESS),
    ("all_of", r#"{"v": 1}"#, LOSSLESS),
    ("open", r#"{"v":1,"w":2}"#, EXTRA),
    ("open_int", r#"{"v":1,"w":"2"}"#, EXTRA),
    ("open_int", r#"{"v":1,"w":"x"}"#, EXTRA),
    ("free", r#"{"w":1}"#, EXTRA),
    ("enum", r#"{"v": "z"}"#, LOSSLESS),
    ("enum_int", r#"{"v": 3}"#, LOSSLESS),
    ("const", r#"{"v": "x"}"#, LOSSLESS),
    ("bounds", r#"{"v": 0}"#, LOSSLESS),
    ("bounds", r#"{"v": "11"}"#, LOSSLESS),
    ("pattern", r#"{"v": "a"}"#, LOSSLESS),
    ("pattern", r#"{"v": "aaaaa"}"#, LOSSLESS),
    ("pattern", r#"{"v": "ab"}"#, LOSSLESS),
    ("sized", r#"{"v": []}"#, LOSSLESS),
    ("sized", r#"{"v": [1,2,3]}"#, LOSSLESS),
];

#[test]
fn every_recorded_answer_is_ours_but_for_those_that_differ_on_purpose() {
    let recorded: Value = serde_json::from_str(RECORDED).unwrap();
    let rows = recorded["rows"].as_array().unwrap();
    assert!(rows.len() > 350, "the recording is complete");
    for row in rows {
        let tool = row["tool"].as_str().unwrap();
        let (body, name) = body_of(row);
        let (status, answer) = answer(&recorded["schemas"][tool], &body);
        let is_same = row["status"] == status && number::equal(&answer, &row["answer"]);
        let excuse =
            DIFFERENT.iter().find(|other| other.0 == tool && other.1 == name).map(|other| other.2);
        let told = format!(
            "{tool} {name}\n  original: {} {}\n  ours: {status} {answer}",
            row["status"], row["answer"]
        );
        match excuse {
            None => assert!(is_same, "{told}"),
            Some(reason) => assert!(!is_same, "no longer differs ({reason}): {told}"),
        }
    }
}

#[test]
fn every_difference_is_of_a_recorded_row() {
    let recorded: Value = serde_json::from_str(RECORDED).unwrap();
    let rows = recorded["rows"].as_array().unwrap();
    for (tool, body, _) in DIFFERENT {
        assert!(
            rows.iter().any(|row| row["tool"] == *tool && body_of(row).1 == *body),
            "{tool} {body}"
        );
    }
}

/// The bytes that were sent, and how the row is named.
fn body_of(row: &Value) -> (Vec<u8>, &str) {
    match (&row["body"], &row["hex"]) {
        (Value::String(text), _) => (text.clone().into_bytes(), text),
        (_, Value::String(hex)) => {
            let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            ((0..hex.len()).step_by(2).map(byte).collect(), hex)
        }
        (_, _) => panic!("a row has a body"),
    }
}
