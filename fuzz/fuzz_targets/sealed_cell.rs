//! `onbehalf_engine::fuzzing::sealed_cell`, driven by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| onbehalf_engine::fuzzing::sealed_cell(bytes));
