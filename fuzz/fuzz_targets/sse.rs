//! See `mcpo_mcp::fuzzing::sse`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpo_mcp::fuzzing::sse(data));
