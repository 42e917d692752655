//! The admin API, seen through real HTTP and its own table.

mod kit;
