//! What the program says of itself while it serves: announcements on stdout, events on stderr.
//!
//! Whoever started it may have stopped listening: a terminal that is closed, a collector
//! that died. That must never end what serves, so nothing here fails or panics.

use std::io::{self, Write as _};

/// Says a line on stderr, after the program's name.
pub fn say(line: &str) {
    // Nobody is left to be told.
    let _ = writeln!(io::stderr().lock(), "bondgate: {line}");
}

/// Writes text to stdout.
pub fn announce(text: &str) {
    let mut out = io::stdout().lock();
    // Nobody is left to be told.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
