//! Readers for single values: a text in, the value or what is wrong with it out. The messages
//! follow "the value is wrong because"; they never repeat the value.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

/// The longest time of any setting: longer ones are a mistake of unit.
const SECONDS_MAX: f64 = 86_400.0;

/// Bounds of `--max-body-size`: less cannot hold a call, more could exhaust any machine.
const BODY_BYTES_MIN: usize = 1 << 10;
const BODY_BYTES_MAX: usize = 1 << 30;

/// Headers that the transport sets itself.
const OWN_HEADERS: [&str; 7] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
];

/// Seconds, whole or with a fraction; more than zero and at most a day.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = seconds_or_zero(text)?;
    if seconds.is_zero() { Err("must be more than 0 seconds".to_owned()) } else { Ok(seconds) }
}

/// Seconds, whole or with a fraction; at least zero and at most a day.
pub(super) fn seconds_or_zero(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let seconds = text.parse::<f64>().ok().filter(|_| is_decimal);
    let Some(seconds) = seconds else {
        return Err("is not a number of seconds such as 30 or 0.5".to_owned());
    };
    if seconds < 0.0 {
        return Err("must not be negative".to_owned());
    }
    if seconds > SECONDS_MAX {
        return Err(format!(
            "is more than a day ({SECONDS_MAX} s); it is counted in seconds, not milliseconds"
        ));
    }
    let duration = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    // Below a nanosecond it rounds to nothing, which was not meant.
    if duration.is_zero() && seconds > 0.0 { Err("is too small".to_owned()) } else { Ok(duration) }
}

/// A whole number within bounds.
pub(super) fn whole(text: &str, min: usize, max: usize) -> Result<usize, String> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        Ok(_) | Err(_) if is_digits => Err(format!("must be between {min} and {max}")),
        Ok(_) | Err(_) => Err("is not a whole number".to_owned()),
    }
}

/// Bytes, with or without a unit: `1048576`, `512k`, `16MiB`, `10MB`.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    const WRONG: &str = "is not a size such as 1048576, 512KiB or 16MiB";
    let text = text.trim();
    let digits_end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let number: usize = text[..digits_end].parse().map_err(|_| WRONG.to_owned())?;
    let unit: usize = match text[digits_end..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "k" | "ki" | "kib" => 1 << 10,
        "mb" => 1_000_000,
        "m" | "mi" | "mib" => 1 << 20,
        "gb" => 1_000_000_000,
        "g" | "gi" | "gib" => 1 << 30,
        _ => return Err(WRONG.to_owned()),
    };
    match number.checked_mul(unit) {
        Some(bytes) if (BODY_BYTES_MIN..=BODY_BYTES_MAX).contains(&bytes) => Ok(bytes),
        Some(_) | None => Err("must be between 1 KiB and 1 GiB".to_owned()),
    }
}

/// What a header comes to.
#[derive(Debug)]
pub(super) enum Header {
    Sent(HeaderName),
    /// The transport sets it: the operator's value would be in the way.
    Own(HeaderName),
}

/// Checks a header's name and value.
pub(super) fn header(name: &str, value: &str) -> Result<Header, String> {
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err("is no name of a header: letters, digits and `-` only".to_owned());
    };
    if OWN_HEADERS.contains(&parsed.as_str()) {
        return Ok(Header::Own(parsed));
    }
    match HeaderValue::from_str(value) {
        Ok(_) if value.trim() == value => Ok(Header::Sent(parsed)),
        Ok(_) => Err("has a value with blanks at its start or end".to_owned()),
        Err(_) => {
            Err("has a value that no header can hold (a line break or a character beyond ASCII)"
                .to_owned())
        }
    }
}

/// Whether a text can be the name of a variable.
pub(super) fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && name.trim() == name
}

/// The first `${...}` in a text: it would be passed on as it stands.
pub(super) fn placeholder(text: &str) -> Option<&str> {
    let start = text.find("${")?;
    let end = text[start..].find('}')?;
    Some(&text[start..=start + end])
}

#[cfg(test)]
mod tests;
