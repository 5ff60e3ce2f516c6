//! Credits: what agent work costs a workspace.

use std::{fmt, iter::Sum, str::FromStr};

/// Millionths in a credit.
const MICROS: i64 = 1_000_000;
/// The most credits of one grant: whole millionths of it, and of sums of many, are exact as an `f64`, too.
const GRANT_MAX: i64 = 1_000_000_000;

/// An exact amount: a whole number of millionths of a credit. Below zero where more was used than there was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credits(i64);

impl Credits {
    /// An amount in millionths of a credit.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The amount in millionths of a credit.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The amount in credits, for reading: the number nearest to it.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / MICROS as f64
    }

    /// The amount nearest to a number of credits.
    pub fn nearest(credits: f64) -> Self {
        Self((credits * MICROS as f64).round() as i64)
    }

    /// An amount to grant: a number of credits other than zero with at most six decimals, up to a thousand million.
    pub fn granted(credits: f64) -> Result<Self, InvalidCredits> {
        let amount = Self::nearest(credits);
        let is_exact = (amount.as_f64() - credits).abs() < 0.01 / MICROS as f64;
        if credits.is_finite() && is_exact && amount.0 != 0 && credits.abs() <= GRANT_MAX as f64 {
            return Ok(amount);
        }
        Err(InvalidCredits)
    }
}

/// A number that is no amount to grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a number of credits up to {GRANT_MAX}, not zero, with at most six decimals")]
pub struct InvalidCredits;

impl FromStr for Credits {
    type Err = InvalidCredits;

    /// Reads an amount to grant.
    fn from_str(text: &str) -> Result<Self, InvalidCredits> {
        Self::granted(text.trim().parse().map_err(|_| InvalidCredits)?)
    }
}

impl fmt::Display for Credits {
    /// As few decimals as tell it exactly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, part) = (self.0.unsigned_abs() / MICROS as u64, self.0.unsigned_abs() % MICROS as u64);
        if part == 0 {
            return write!(f, "{sign}{whole}");
        }
        write!(f, "{sign}{whole}.{}", format!("{part:06}").trim_end_matches('0'))
    }
}

impl Sum for Credits {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self(amounts.map(|amount| amount.0).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_to_the_millionth() {
        let tenths: Credits = (0..10).map(|_| Credits::nearest(0.1)).sum();
        assert_eq!(tenths, Credits::from_micros(1_000_000));
        assert_eq!(Credits::from_micros(1_500_000).to_string(), "1.5");
        assert_eq!(Credits::from_micros(-20).to_string(), "-0.00002");
        assert_eq!(Credits::from_micros(7_000_000).to_string(), "7");
        assert_eq!("12.25".parse(), Ok(Credits::from_micros(12_250_000)));
        assert_eq!("999999999.999999".parse(), Ok(Credits::from_micros(999_999_999_999_999)));
    }

    #[test]
    fn what_cannot_be_granted_is_refused() {
        for text in ["0", "", "ten", "NaN", "inf", "0.0000001", "1.2345678", "1000000001", "-1000000001"] {
            assert_eq!(text.parse::<Credits>(), Err(InvalidCredits), "{text}");
        }
    }
}
