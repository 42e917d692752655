//! Bytes as a stream of `Cohere`.

#![no_main]

use dialect::Dialect;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz::stream(Dialect::Cohere, bytes));
