//! LiteLLM's prices: dollars for one token, as floating-point text; ours are for a million.
//!
//! Read digit by digit, so that `1.5e-07` is exactly 0.15 for a million.

/// Money for a million of what costs this much each; none where it is no amount, or finer
/// than nine places.
pub(super) fn per_million(each: &str) -> Option<String> {
    shifted(each, 6)
}

/// An amount in plain decimals.
pub(super) fn plain(amount: &str) -> Option<String> {
    shifted(amount, 0)
}

fn shifted(text: &str, by: i32) -> Option<String> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, places) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{places}");
    if digits.is_empty() || digits.len() > 30 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // The value is digits × 10^shift.
    let shift = exponent
        .checked_add(by)?
        .checked_sub(i32::try_from(places.len()).ok()?)?;
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    if !(-60..=20).contains(&shift) {
        return None;
    }
    let zeros = "0".repeat(usize::try_from(shift.max(0)).ok()?);
    let below = usize::try_from((-shift).max(0)).ok()?;
    let padded = format!("{:0>width$}{zeros}", digits, width = below + 1);
    let (whole, places) = padded.split_at_checked(padded.len().checked_sub(below)?)?;
    let places = places.trim_end_matches('0');
    match places.len() {
        0 => Some(whole.to_owned()),
        1..=9 => Some(format!("{whole}.{places}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{per_million, plain};

    #[test]
    fn prices_are_moved_exactly() {
        for (each, million) in [
            ("0.00000015", "0.15"),
            ("1.5e-07", "0.15"),
            ("1e-06", "1"),
            ("3.0e-6", "3"),
            ("0", "0"),
            ("0.0", "0"),
            ("0.00003", "30"),
            ("1.25E-7", "0.125"),
            ("2", "2000000"),
        ] {
            assert_eq!(per_million(each).as_deref(), Some(million), "{each}");
        }
        assert_eq!(plain("100.50").as_deref(), Some("100.5"));
    }

    #[test]
    fn what_is_no_amount_or_too_fine_is_none() {
        for text in ["", ".", "-1", "1e", "nan", "1e-20", "1e999999999999", "1,5"] {
            assert_eq!(per_million(text), None, "{text}");
        }
    }
}
