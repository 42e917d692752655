//! Bytes as a stream of `OpenaiChat`.

#![no_main]

use dialect::Dialect;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz::stream(Dialect::OpenaiChat, bytes));
