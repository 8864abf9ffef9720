//! Numbers as their digits: equality, whole numbers, and numbers that came as text. Nothing is
//! ever rounded through a float.

use std::hash::{Hash, Hasher};

use serde_json::{Number, Value};

/// Longer texts are not read as integers, as in pydantic (Python's own limit).
const INTEGER_DIGITS_MAX: usize = 4300;
/// A whole number is written out to at most this many digits; a larger one (`1e300`) stays as it
/// is written, which says the same.
const WHOLE_DIGITS_MAX: i64 = 40;

/// The number with exactly these digits; the text must be a JSON number.
pub(super) fn exact(text: &str) -> Number {
    text.parse().expect("the text was checked to be a JSON number")
}

/// What a number is to a reader who wants an integer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// It is written as one, or too large to write out.
    AsWritten,
    /// It is one, written with a fraction or an exponent.
    Written(Number),
    /// It has a fractional part.
    Fraction,
}

/// Whether the number is whole, and how it is written as an integer.
pub(super) fn whole(number: &Number) -> Whole {
    let text = number.as_str();
    if !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return Whole::AsWritten;
    }
    let decimal = Decimal::of(text);
    if decimal.exponent < 0 {
        return Whole::Fraction;
    }
    let Ok(zeros) = usize::try_from(decimal.exponent) else { return Whole::AsWritten };
    if decimal.exponent.saturating_add(i64::try_from(decimal.digits.len()).unwrap_or(i64::MAX))
        > WHOLE_DIGITS_MAX
    {
        return Whole::AsWritten;
    }
    if decimal.digits.is_empty() {
        return Whole::Written(Number::from(0));
    }
    let sign = if decimal.is_negative { "-" } else { "" };
    Whole::Written(exact(&format!("{sign}{}{}", decimal.digits, "0".repeat(zeros))))
}

/// Whether two numbers are the same, however they are written.
pub(super) fn same(left: &Number, right: &Number) -> bool {
    left.as_str() == right.as_str() || Decimal::of(left.as_str()) == Decimal::of(right.as_str())
}

/// Hashes a number so that it comes to the same however it is written.
pub(super) fn hash(number: &Number, state: &mut impl Hasher) {
    Decimal::of(number.as_str()).hash(state);
}

/// Whether two values are equal as JSON Schema sees it: `1` is `1.0`.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => same(left, right),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let found = |(name, value)| right.get(name).is_some_and(|other| equal(value, other));
            left.len() == right.len() && left.iter().all(found)
        }
        (left, right) => left == right,
    }
}

/// Why a text is not an integer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotInteger {
    /// It does not read as one.
    Unreadable,
    /// It has too many digits.
    TooLong,
}

/// Reads a text as pydantic reads an integer: blanks around it, a sign, single underscores
/// between digits, and a fraction of zeros are fine.
pub(super) fn integer_from_text(text: &str) -> Result<Number, NotInteger> {
    let text = text.trim();
    if text.len() > INTEGER_DIGITS_MAX {
        return Err(NotInteger::TooLong);
    }
    let (is_negative, unsigned) = split_sign(text);
    let (digits, zeros) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    if zeros.is_empty() || zeros.bytes().any(|byte| byte != b'0') {
        return Err(NotInteger::Unreadable);
    }
    let digits = without_underscores(digits).ok_or(NotInteger::Unreadable)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotInteger::Unreadable);
    }
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(Number::from(0));
    }
    let sign = if is_negative { "-" } else { "" };
    Ok(exact(&format!("{sign}{significant}")))
}

/// Why a text is not a number.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotNumber {
    /// It does not read as one.
    Unreadable,
    /// It is infinite or not a number, which JSON cannot say.
    NotFinite,
}

/// Reads a text as pydantic reads a float, keeping its digits.
pub(super) fn number_from_text(text: &str) -> Result<Number, NotNumber> {
    let text = without_underscores(text.trim()).ok_or(NotNumber::Unreadable)?;
    let float: f64 = text.parse().map_err(|_| NotNumber::Unreadable)?;
    if !float.is_finite() {
        return Err(NotNumber::NotFinite);
    }
    let (is_negative, unsigned) = split_sign(&text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => unsigned.split_at(at),
        None => (unsigned, ""),
    };
    let (digits, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = digits.trim_start_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    let sign = if is_negative { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    Ok(exact(&format!("{sign}{digits}{point}{fraction}{exponent}")))
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// The text without underscores, if each of them stands between two digits.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit_at =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let is_fine = |(at, _)| digit_at(usize::checked_sub(at, 1)) && digit_at(Some(at + 1));
    text.match_indices('_').all(is_fine).then(|| text.replace('_', ""))
}

/// `digits * 10^exponent`; the digits neither start nor end with a zero, and zero has none.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

// === impl Decimal ===

impl Decimal {
    fn of(text: &str) -> Self {
        let (is_negative, unsigned) = split_sign(text);
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (&unsigned[..at], exponent_of(&unsigned[at + 1..])),
            None => (unsigned, 0),
        };
        let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{before}{after}");
        let trimmed = all.trim_end_matches('0');
        let digits = trimmed.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Self { is_negative: false, digits, exponent: 0 };
        }
        let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
        let shift = length(&all[trimmed.len()..]) - length(after);
        Self { is_negative, digits, exponent: exponent.saturating_add(shift) }
    }
}

/// An exponent beyond 64 bits is as good as the largest one.
fn exponent_of(text: &str) -> i64 {
    let limit = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    text.parse().unwrap_or(limit)
}
