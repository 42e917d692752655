//! Dollars as catalogues write them, as whole pico-dollars.
//!
//! The number is read as the shortest decimal that means the same float, so `2.5e-07`
//! is exact. What is finer than a pico-dollar is rounded to the nearest.

use anyhow::{Context, ensure};
use serde_json::Value;

/// The number times ten to the power of `places`, rounded.
pub(super) fn scaled(value: &Value, places: i32) -> anyhow::Result<u64> {
    let number = value.as_number().context("an amount that is no number")?;
    decimal(&number.to_string(), places).with_context(|| format!("the amount {number}"))
}

fn decimal(text: &str, places: i32) -> anyhow::Result<u64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: u64 = format!("{whole}{fraction}").parse()?;
    let exponent: i32 = exponent.parse()?;
    let shift = exponent + places - i32::try_from(fraction.len())?;
    let Ok(up) = u32::try_from(shift) else {
        let down = shift.unsigned_abs();
        let unit = 10_u64.checked_pow(down).unwrap_or(u64::MAX);
        return Ok(digits.saturating_add(unit / 2) / unit);
    };
    let unit = 10_u64.checked_pow(up).context("too large")?;
    let scaled = digits.checked_mul(unit);
    ensure!(scaled.is_some(), "too large");
    scaled.context("too large")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::scaled;

    #[test]
    fn amounts_are_read_to_the_last_place() {
        assert_eq!(scaled(&json!(2.5e-07), 12).unwrap(), 250_000);
        assert_eq!(scaled(&json!(0.000_015), 12).unwrap(), 15_000_000);
        assert_eq!(scaled(&json!(0.3), 6).unwrap(), 300_000);
        assert_eq!(scaled(&json!(5), 6).unwrap(), 5_000_000);
        assert_eq!(
            scaled(&json!(9.499_999_999_999_999e-07), 12).unwrap(),
            950_000
        );
        assert_eq!(scaled(&json!(0.083_333_333_333_333_3), 6).unwrap(), 83_333);
        assert!(scaled(&json!(-1), 6).is_err());
        assert!(scaled(&json!("1"), 6).is_err());
    }
}
