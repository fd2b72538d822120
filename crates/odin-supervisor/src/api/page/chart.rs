//! A small chart, drawn here: nothing is fetched to see it.

/// Size of the drawing, in its own units.
const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 48.0;

/// One series as a line, with its numbers in words.
#[derive(Debug, PartialEq)]
pub(super) struct Sparkline {
    pub(super) title: String,
    /// The newest value.
    pub(super) now: String,
    /// Smallest and greatest value.
    pub(super) range: String,
    /// Points of the line, as SVG writes them.
    pub(super) points: String,
}

impl Sparkline {
    /// Draws values, oldest first; none of fewer than two.
    pub(super) fn new(title: &str, unit: &str, values: &[f64]) -> Option<Self> {
        let last = values.last().filter(|_| values.len() > 1)?;
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // A percentage is drawn on its whole scale: 3 % must not look like 97 %.
        let (bottom, top) =
            if unit == "%" { (0.0, 100.0) } else { (low.min(0.0), high.max(low.min(0.0) + 1.0)) };
        let mut points = String::new();
        let step = WIDTH / (values.len() - 1).to_string().parse::<f64>().ok()?;
        let mut x = 0.0;
        for value in values {
            let y = HEIGHT - (value.clamp(bottom, top) - bottom) / (top - bottom) * HEIGHT;
            points.push_str(&format!("{x:.1},{y:.1} "));
            x += step;
        }
        Some(Self {
            title: title.to_owned(),
            now: format!("{} {unit}", number(*last)),
            range: format!("{} to {} {unit}", number(low), number(high)),
            points: points.trim_end().to_owned(),
        })
    }
}

/// A number with a decimal only where it says something.
fn number(value: f64) -> String {
    if value.fract().abs() < 0.05 || value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_in_its_frame_and_says_its_numbers() {
        let line = Sparkline::new("Utilisation", "%", &[0.0, 50.0, 100.0]).expect("a line");
        assert_eq!(line.points, "0.0,48.0 120.0,24.0 240.0,0.0");
        assert_eq!((line.now.as_str(), line.range.as_str()), ("100 %", "0 to 100 %"));
        let flat = Sparkline::new("Power", "W", &[71.25, 71.25]).expect("a line");
        assert_eq!(flat.now, "71.2 W");
        assert!(!flat.points.contains("NaN"));
    }

    #[test]
    fn one_value_is_no_line() {
        assert_eq!(Sparkline::new("Power", "W", &[]), None);
        assert_eq!(Sparkline::new("Power", "W", &[1.0]), None);
    }
}
