//! Bytes as frames of one JSON array.

#![no_main]

use dialect::frame::Framing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz::frames(Framing::JsonArray, bytes));
