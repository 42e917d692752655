//! What the demonstration prints, and which promises held.
//!
//! Plain lines, so that they can be read from a file too; colours on a terminal only, and never
//! where `NO_COLOR` is set.

use std::io::{self, IsTerminal as _};

use crate::commands::print;

/// The page, as it is written.
pub(super) struct Page {
    colours: bool,
    broken: u32,
}

impl Page {
    /// An empty page.
    pub(super) fn new() -> Self {
        let asked_not = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colours: io::stdout().is_terminal() && !asked_not,
            broken: 0,
        }
    }

    /// A line of plain words.
    ///
    /// # Errors
    /// Where stdout is gone; of all functions here.
    pub(super) fn say(&self, words: &str) -> anyhow::Result<()> {
        print(words)
    }

    /// The head of a part.
    pub(super) fn part(&self, number: u32, title: &str) -> anyhow::Result<()> {
        print(&format!(
            "\n{}",
            self.paint("1", &format!("{number}. {title}"))
        ))
    }

    /// A line of a part: what it is about, and the words or figures.
    pub(super) fn row(&self, what: &str, figures: &str) -> anyhow::Result<()> {
        print(&format!("   {what:<34} {figures}"))
    }

    /// A promise, and whether it held.
    pub(super) fn promise(&mut self, held: bool, words: &str) -> anyhow::Result<()> {
        let mark = if held {
            self.paint("32", "held:")
        } else {
            self.broken += 1;
            self.paint("31", "BROKEN:")
        };
        print(&format!("   {mark} {words}"))
    }

    /// How many promises did not hold.
    pub(super) fn broken(&self) -> u32 {
        self.broken
    }

    fn paint(&self, colour: &str, words: &str) -> String {
        if self.colours {
            format!("\x1b[{colour}m{words}\x1b[0m")
        } else {
            words.to_owned()
        }
    }
}

/// Dollars to nine places.
pub(super) fn usd(nanos: i64) -> String {
    format!("${}", policy::money::Nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::{Page, usd};

    #[test]
    fn a_promise_that_did_not_hold_is_counted() {
        let mut page = Page::new();
        page.promise(true, "one and one is two").unwrap();
        assert_eq!(page.broken(), 0);
        page.promise(false, "one and one is three").unwrap();
        assert_eq!(page.broken(), 1);
    }

    #[test]
    fn dollars_have_nine_places() {
        assert_eq!(usd(1_000_000_001), "$1.000000001");
    }
}
