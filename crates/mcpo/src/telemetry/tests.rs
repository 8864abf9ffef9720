//! Which lines are let through, and what is told at the start.

use std::num::NonZeroUsize;

use mcpo_config::{Config, Flags, LogLevel};
use tracing::Level;

use super::{bounds_of_one_caller, filter};

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

#[test]
fn what_one_caller_may_do_is_told_where_all_are_one() {
    let flags = Flags { command: vec!["x".to_owned()], no_state: true, ..Flags::default() };
    let mut config = Config::load(&flags).expect("the options are right");
    assert_eq!(bounds_of_one_caller(&config), None);
    config.load.max_per_identity = NonZeroUsize::new(3);
    config.servers[0].load.max_per_identity = NonZeroUsize::new(2);
    let settings = "MCPO_MAX_CONCURRENT_PER_IDENTITY, maxConcurrentPerIdentity";
    assert_eq!(bounds_of_one_caller(&config).as_deref(), Some(settings));
    config.load.identity_header = Some("x-user".parse().expect("a header"));
    assert_eq!(bounds_of_one_caller(&config), None);
}
