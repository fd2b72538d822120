//! How much of a repository may be of no use before a prune writes packs anew.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The limit of `--max-unused`, written as restic writes it: a share of what
/// is left after a prune (`10%`), an amount (`500M`), or `unlimited`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MaxUnused {
    text: String,
    limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// Hundredths of a percent of what is left.
    Share(u64),
    Bytes(u64),
    Unlimited,
}

/// A text that is no such limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a limit of unused data: {0:?}; write a share (\"10%\"), an amount (\"500M\") or \"unlimited\"")]
pub struct InvalidMaxUnused(String);

impl MaxUnused {
    /// Unused bytes that may stay beside so many used ones.
    #[must_use]
    pub fn allowed(&self, used: u64) -> u64 {
        match self.limit {
            // A share of the whole that is left, not of its used part.
            Limit::Share(share) => {
                let allowed = u128::from(used) * u128::from(share) / u128::from(10_000 - share);
                u64::try_from(allowed).unwrap_or(u64::MAX)
            }
            Limit::Bytes(bytes) => bytes,
            Limit::Unlimited => u64::MAX,
        }
    }
}

impl Default for MaxUnused {
    fn default() -> Self {
        Self { text: "10%".to_owned(), limit: Limit::Share(1_000) }
    }
}

impl FromStr for MaxUnused {
    type Err = InvalidMaxUnused;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidMaxUnused(text.to_owned());
        let limit = if text == "unlimited" {
            Limit::Unlimited
        } else if let Some(share) = text.strip_suffix('%') {
            Limit::Share(hundredths(share).filter(|share| *share < 10_000).ok_or_else(invalid)?)
        } else {
            Limit::Bytes(amount(text).ok_or_else(invalid)?)
        };
        Ok(Self { text: text.to_owned(), limit })
    }
}

/// `5` or `2.5` or `0.25`, in hundredths.
fn hundredths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let scale = match part.len() {
        1 => 10,
        2 => 1,
        _ => return None,
    };
    digits(whole)?.checked_mul(100)?.checked_add(digits(part)? * scale)
}

/// `300`, `300K`, `300M`, `300G`, `300T`, in powers of 1024.
fn amount(text: &str) -> Option<u64> {
    let scale = |unit: char| ["kK", "mM", "gG", "tT"].iter().position(|names| names.contains(unit));
    let unit = text.chars().last()?;
    match scale(unit) {
        Some(power) => {
            let number = digits(text.strip_suffix(unit)?)?;
            number.checked_mul(1024_u64.checked_pow(u32::try_from(power).ok()? + 1)?)
        }
        None => digits(text),
    }
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl TryFrom<String> for MaxUnused {
    type Error = InvalidMaxUnused;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MaxUnused> for String {
    fn from(limit: MaxUnused) -> Self {
        limit.text
    }
}

impl fmt::Display for MaxUnused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_allows_what_it_says() {
        for (text, used, allowed) in [
            ("0", 1000, 0),
            ("0%", 1000, 0),
            ("10%", 900, 100),
            ("2.5%", 975, 25),
            ("50%", 1000, 1000),
            ("300", 1, 300),
            ("2k", 1, 2048),
            ("1T", 1, 1 << 40),
            ("unlimited", 1, u64::MAX),
            ("99.99%", u64::MAX, u64::MAX),
        ] {
            let limit: MaxUnused = text.parse().expect(text);
            assert_eq!(limit.allowed(used), allowed, "{text}");
            assert_eq!(limit.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for text in [
            "",
            "%",
            "100%",
            "-1",
            "-5%",
            "1.234%",
            ".5%",
            "5.%",
            "ten",
            "5 %",
            "5x",
            "G",
            "18446744073709551616",
        ] {
            assert!(text.parse::<MaxUnused>().is_err(), "{text:?}");
        }
        assert_eq!("10%".parse(), Ok(MaxUnused::default()));
    }
}
