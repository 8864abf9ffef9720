//! Bad input from every side: configurations, upstreams and downstreams. A clear error each,
//! nothing hangs, and the exit codes are those that `mcpo --help` tells.

mod catalogs;
mod configurations;
mod downstreams;
mod starts;
mod upstreams;
