//! Bytes as a request of one dialect that goes to another; the first byte says which.

#![no_main]

use dialect::Dialect;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((which, bytes)) = bytes.split_first() {
        let dialect = |at: u8| Dialect::ALL[usize::from(at) % Dialect::ALL.len()];
        fuzz::pair(dialect(*which), dialect(*which / 6), bytes);
    }
});
