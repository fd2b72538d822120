//! Writing lines.

use std::io::Write as _;

/// A page that is being written.
pub(super) struct Page<'a> {
    text: &'a mut Vec<u8>,
}

impl<'a> Page<'a> {
    pub(super) fn new(text: &'a mut Vec<u8>) -> Self {
        Self { text }
    }

    pub(super) fn comment(&mut self, words: &str) {
        self.put(&["# ", words, "\n"]);
    }

    /// `# HELP` and `# TYPE` of a metric.
    pub(super) fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.put(&["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"]);
    }

    /// One sample; `prefix` ends where the labels of the device begin.
    pub(super) fn line(&mut self, prefix: &str, labels: &str, value: f64) {
        self.put(&[prefix, labels, "} "]);
        self.number(value);
        self.put(&["\n"]);
    }

    /// One sample by name; without labels it has no braces.
    pub(super) fn sample(&mut self, name: &str, labels: &str, value: f64) {
        if labels.is_empty() {
            self.put(&[name, " "]);
        } else {
            self.put(&[name, "{", labels, "} "]);
        }
        self.number(value);
        self.put(&["\n"]);
    }

    fn put(&mut self, parts: &[&str]) {
        for part in parts {
            self.text.extend_from_slice(part.as_bytes());
        }
    }

    /// Most numbers are whole, and formatting a float is ten times the work.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the number is whole and its magnitude below 2^53, which an i64 holds"
    )]
    fn number(&mut self, value: f64) {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() < EXACT {
            self.whole(value as i64);
        } else {
            // Writing to a Vec does not fail.
            drop(write!(self.text, "{value}"));
        }
    }

    fn whole(&mut self, value: i64) {
        let mut digits = [0_u8; 20];
        let mut at = digits.len();
        let mut left = value.unsigned_abs();
        loop {
            at -= 1;
            let digit = u8::try_from(left % 10).unwrap_or_default();
            if let Some(place) = digits.get_mut(at) {
                *place = b'0' + digit;
            }
            left /= 10;
            if left == 0 {
                break;
            }
        }
        if value < 0 {
            self.text.push(b'-');
        }
        self.text.extend_from_slice(digits.get(at..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_rust_reads_them() {
        for value in [0.0, -0.0, 1.0, -1.0, 42.0, 1e15, 9e15, 1e16, 0.5, -2.25, 1e-9, 123_456_789.125, 1e300]
        {
            let mut text = Vec::new();
            Page::new(&mut text).number(value);
            let text = String::from_utf8(text).expect("UTF-8");
            assert_eq!(text.parse::<f64>().expect(&text), value, "{text}");
        }
    }
}
