//! Who we are, and attributes as OTLP has them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mcpo_config::Otlp;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// Our name as the one who measures.
const SCOPE: &str = "mcpo";

/// Who sends, and since when it counts.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) resource: Resource,
    pub(super) scope: InstrumentationScope,
    pub(super) started_ns: u64,
}

// === impl Identity ===

impl Identity {
    #[expect(clippy::disallowed_methods, reason = "counters are said to begin now")]
    pub(super) fn new(otlp: &Otlp) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let mut attributes: Vec<KeyValue> =
            otlp.resource.iter().map(|(key, value)| text(key, value)).collect();
        let mut add = |key: &str, value: &str| {
            if !otlp.resource.iter().any(|(known, _)| known == key) {
                attributes.push(text(key, value));
            }
        };
        add("service.version", version);
        // Another one for each start, as the conventions ask for.
        add("service.instance.id", &format!("{:032x}", fastrand::u128(..)));
        Self {
            resource: Resource { attributes, ..Resource::default() },
            scope: InstrumentationScope {
                name: SCOPE.to_owned(),
                version: version.to_owned(),
                ..InstrumentationScope::default()
            },
            started_ns: nanos(SystemTime::now()),
        }
    }
}

pub(super) fn text(key: &str, value: &str) -> KeyValue {
    of(key, Value::StringValue(value.to_owned()))
}

pub(super) fn number(key: &str, value: i64) -> KeyValue {
    of(key, Value::IntValue(value))
}

fn of(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// Nanoseconds since the Unix epoch; 0 for what was before it.
pub(super) fn nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
