//! Server-sent events after the WHATWG grammar.
