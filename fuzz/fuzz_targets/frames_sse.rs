//! Bytes as frames of server-sent events.

#![no_main]

use dialect::frame::Framing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz::frames(Framing::Sse, bytes));
