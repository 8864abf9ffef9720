//! Which lines are let through.

use mcpo_config::LogLevel;
use tracing::Level;

use super::filter;

#[test]
fn libraries_are_quieter_than_we_are() {
    for (level, target, quietest) in [
        (LogLevel::Debug, "mcpo_http::tools", Level::DEBUG),
        (LogLevel::Debug, "hyper::proto", Level::INFO),
        (LogLevel::Info, "mcpo", Level::INFO),
        (LogLevel::Info, "hyper", Level::WARN),
        (LogLevel::Warning, "mcpo_upstream", Level::WARN),
        (LogLevel::Error, "mcpo_upstream", Level::ERROR),
        (LogLevel::Critical, "mcpo_upstream", Level::ERROR),
    ] {
        let filter = filter(level);
        for each in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
            assert_eq!(
                filter.would_enable(target, &each),
                each <= quietest,
                "{level:?} {target} {each}"
            );
        }
    }
}
