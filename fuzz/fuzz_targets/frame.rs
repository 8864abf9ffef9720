//! See `mcpo_mcp::fuzzing::frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpo_mcp::fuzzing::frame(data));
