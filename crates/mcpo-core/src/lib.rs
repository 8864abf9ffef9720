//! The words and the decisions of mcpo: what can go wrong, what a call can come to, what a
//! tool is, and how a schema becomes OpenAPI. Pure: no runtime, clock, dice or socket.

pub mod arguments;
pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod canonical;
pub mod catalog;
pub mod event;
pub mod fault;
pub mod health;
pub mod hope;
pub mod identity;
pub mod knee;
pub mod life;
pub mod limit;
pub mod load;
pub mod openapi;
pub mod outcome;
pub mod places;
pub mod pool;
pub mod queue;
pub mod retry;
pub mod schema;
pub mod sketch;
pub mod trace;
pub mod traffic;
