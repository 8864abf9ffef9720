//! See `mcpo_fuzz::schemas::arguments`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpo_fuzz::schemas::arguments(data));
