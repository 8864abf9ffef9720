//! The real program against real MCP servers, the official conformance suite, a public OpenAPI
//! validator and a real browser. `scripts/test` installs what these need, and builds this
//! target with `--features real-servers`.

mod alertmanager;
mod browser;
mod case;
mod conformance;
mod dashboard;
mod everything;
mod filesystem;
mod heal;
mod http;
mod inflight;
mod memory;
mod otlp;
mod places;
mod probe;
mod process;
mod prometheus;
mod python;
mod silent;
mod time;
