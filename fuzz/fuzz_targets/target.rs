//! `onbehalf_engine::fuzzing::target`, driven by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| onbehalf_engine::fuzzing::target(bytes));
