//! The one place where a measured quantity becomes an integer of the ABI.

/// The nearest whole number, zero for what is negative or not a number.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate, and that is meant"
)]
pub fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// As [`whole`], for a 32-bit value.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate, and that is meant"
)]
pub fn whole32(value: f64) -> u32 {
    value.round() as u32
}
