//! Money: integer nano-dollars, never a float.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Nano-dollars of one dollar.
const NANOS_PER_USD: i64 = 1_000_000_000;

/// Decimal places of a dollar that an amount can have.
const PLACES: usize = 9;

/// The most bytes of an amount as text: nineteen digits and a point.
const TEXT_MAX: usize = 20;

/// An amount in 10⁻⁹ US dollars; at most 9.2 billion dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub i64);

impl Nanos {
    /// Nothing.
    pub const ZERO: Nanos = Nanos(0);

    /// The sum, or the largest amount there is.
    #[must_use]
    pub fn plus(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(other.0))
    }

    /// The sum, unless it is larger than any amount can be.
    #[must_use]
    pub fn checked_add(self, other: Nanos) -> Option<Nanos> {
        self.0.checked_add(other.0).map(Nanos)
    }

    /// The difference, unless it is beyond what an amount can be.
    #[must_use]
    pub fn checked_sub(self, other: Nanos) -> Option<Nanos> {
        self.0.checked_sub(other.0).map(Nanos)
    }

    /// That many times the amount, unless it is larger than any amount can be.
    #[must_use]
    pub fn checked_mul(self, times: i64) -> Option<Nanos> {
        self.0.checked_mul(times).map(Nanos)
    }
}

/// Why a text is no amount of money.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// It is no decimal number of dollars.
    #[error("`{0}` is no amount of money; write dollars such as `500 USD` or `0.25 USD`")]
    NotAnAmount(String),
    /// It is less than nothing.
    #[error("`{0}` is negative; an amount of money is 0 USD or more")]
    Negative(String),
    /// It is finer than a nano-dollar.
    #[error("`{0}` has more than nine decimal places; the smallest amount is 0.000000001 USD")]
    TooFine(String),
    /// It is larger than any amount can be.
    #[error("`{0}` is too large; the largest amount is {max} USD", max = Nanos(i64::MAX))]
    TooLarge(String),
    /// It is in another currency.
    #[error("`{0}` is not in US dollars; the only currency is USD")]
    Currency(String),
}

impl FromStr for Nanos {
    type Err = MoneyError;

    /// Reads dollars as an exact decimal, with or without ` USD`: `500 USD`, `0.25`.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let said = || text.to_owned();
        let trimmed = text.trim();
        let number_end = trimmed
            .find(|c: char| c.is_whitespace() || c.is_ascii_alphabetic())
            .unwrap_or(trimmed.len());
        let (number, currency) = trimmed.split_at(number_end);
        match currency.trim() {
            "" | "USD" => {}
            _ if number.is_empty() => return Err(MoneyError::NotAnAmount(said())),
            _ => return Err(MoneyError::Currency(said())),
        }
        let (negative, number) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(MoneyError::NotAnAmount(said()));
        }
        if negative {
            return Err(MoneyError::Negative(said()));
        }
        let fine = fraction.trim_end_matches('0');
        if fine.len() > PLACES {
            return Err(MoneyError::TooFine(said()));
        }
        let whole: i64 = whole.parse().map_err(|_| MoneyError::TooLarge(said()))?;
        let fine: i64 = format!("{fine:0<PLACES$}")
            .parse()
            .map_err(|_| MoneyError::NotAnAmount(said()))?;
        let nanos = whole.checked_mul(NANOS_PER_USD);
        let nanos = nanos.and_then(|nanos| nanos.checked_add(fine));
        nanos.map(Nanos).ok_or_else(|| MoneyError::TooLarge(said()))
    }
}

impl fmt::Display for Nanos {
    /// US dollars with nine places, such as `0.000001500`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Written digit by digit from the end: every answer tells its cost.
        let mut text = [b'0'; TEXT_MAX];
        let mut rest = self.0.unsigned_abs();
        let mut written = 0;
        for (at, place) in text.iter_mut().rev().enumerate() {
            if at > PLACES + 1 && rest == 0 {
                break;
            }
            written = at + 1;
            if at == PLACES {
                *place = b'.';
                continue;
            }
            let [digit, ..] = (rest % 10).to_le_bytes();
            *place = b'0' + digit;
            rest /= 10;
        }
        let text = text.get(TEXT_MAX - written..).unwrap_or_default();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        f.write_str(str::from_utf8(text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dollars_are_read_exactly() {
        let read = |text: &str| text.parse::<Nanos>().map(|nanos| nanos.0);
        assert_eq!(read("500 USD"), Ok(500_000_000_000));
        assert_eq!(read("0.25 USD"), Ok(250_000_000));
        assert_eq!(read("500"), Ok(500_000_000_000));
        assert_eq!(read("0.000000001USD"), Ok(1));
        assert_eq!(read("1.5000000000000"), Ok(1_500_000_000));
        assert_eq!(read("9223372036.854775807"), Ok(i64::MAX));
    }

    #[test]
    fn what_is_no_amount_is_refused_with_its_own_words() {
        let why = |text: &str| text.parse::<Nanos>().unwrap_err();
        assert_eq!(why("-1 USD"), MoneyError::Negative("-1 USD".to_owned()));
        assert!(why("-1 USD").to_string().contains("negative"));
        assert!(matches!(why("0.0000000001"), MoneyError::TooFine(_)));
        assert!(matches!(
            why("9223372036.854775808"),
            MoneyError::TooLarge(_)
        ));
        assert!(matches!(
            why("99999999999999999999"),
            MoneyError::TooLarge(_)
        ));
        assert!(matches!(why("5 EUR"), MoneyError::Currency(_)));
        assert!(matches!(why("1e3 USD"), MoneyError::Currency(_)));
        for text in [
            "", "USD", "much", "1,000", ".5", "5.", "--1", "+1", "1.-5", "$5",
        ] {
            assert!(matches!(why(text), MoneyError::NotAnAmount(_)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_amount_that_is_written_reads_as_itself(nanos in 0..i64::MAX) {
            prop_assert_eq!(format!("{} USD", Nanos(nanos)).parse(), Ok(Nanos(nanos)));
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,30}") {
            let _ = text.parse::<Nanos>();
        }
    }
}
