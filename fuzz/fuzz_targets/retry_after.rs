//! See `mcpo_mcp::fuzzing::retry_after`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpo_mcp::fuzzing::retry_after(data));
