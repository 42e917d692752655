//! Bytes as a request of `Gemini`.

#![no_main]

use dialect::Dialect;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz::request(Dialect::Gemini, bytes));
