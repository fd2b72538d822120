//! A small chart, drawn here: nothing is fetched to see it.

use crate::api::facts::{CHART_SECONDS, CHART_STEP};
use crate::api::view::Sample;

/// Size of the drawing, in its own units.
const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 60.0;
/// Rows of the table beside a chart, and the seconds between two.
const ROWS: u32 = 7;
const ROW_SECONDS: u32 = CHART_SECONDS / (ROWS - 1);
/// What is said where no value was read.
const NOTHING: &str = "no reading";

/// One series as a line, with its numbers in words.
#[derive(Debug, PartialEq)]
pub(super) struct Chart {
    pub(super) title: String,
    /// The newest value.
    pub(super) now: String,
    /// Smallest and greatest value.
    pub(super) range: String,
    /// What the height of the drawing stands for.
    pub(super) scale: String,
    /// The line, in as many pieces as there are gaps between.
    pub(super) lines: Vec<Line>,
    /// Values for the table, the newest first.
    pub(super) rows: Vec<String>,
}

/// A piece without a gap.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    /// Points of the line, as SVG writes them.
    pub(super) points: String,
    /// The same, closed at the bottom.
    pub(super) area: String,
}

impl Chart {
    /// Draws samples, oldest first, of the half hour before `end`; nothing when
    /// there are none. `full` is the greatest value there can be, where known.
    pub(super) fn new(
        title: &str,
        unit: &str,
        samples: &[Sample],
        end: f64,
        full: Option<f64>,
    ) -> Option<Self> {
        let (time, newest) = *samples.last()?;
        let low = samples.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
        let high = samples.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max);
        // From zero and to a round number: 3 % must not look like 97 %, nor a
        // watt more or less like a leap.
        let top = full.unwrap_or_else(|| round_up(high)).max(high).max(1.0);
        let point = |(time, value): &Sample| {
            let x = WIDTH - (end - time) / f64::from(CHART_SECONDS) * WIDTH;
            let y = HEIGHT - value.clamp(0.0, top) / top * HEIGHT;
            (x.clamp(0.0, WIDTH), y)
        };
        let lines = samples.chunk_by(|one, next| is_next(one.0, next.0));
        Some(Self {
            title: title.to_owned(),
            now: if is_next(time, end) { with_unit(newest, unit) } else { NOTHING.to_owned() },
            range: range(low, high, unit),
            scale: format!("0 to {}", with_unit(top, unit)),
            lines: lines.map(|piece| Line::through(piece.iter().map(point))).collect(),
            rows: (0..ROWS)
                .map(|row| {
                    let at = end - f64::from(row * ROW_SECONDS);
                    let sample = samples.iter().rev().find(|(time, _)| *time <= at && is_next(*time, at));
                    sample.map_or_else(|| NOTHING.to_owned(), |(_, value)| with_unit(*value, unit))
                })
                .collect(),
        })
    }
}

impl Line {
    fn through(points: impl Iterator<Item = (f64, f64)>) -> Self {
        let mut points: Vec<(f64, f64)> = points.collect();
        // One reading alone would be a point, which nobody sees.
        if let [(x, y)] = points[..] {
            points.insert(0, ((x - 2.0).max(0.0), y));
        }
        let written = |points: &[(f64, f64)]| {
            points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
        };
        let line = written(&points);
        let ends = [points.first(), points.last()].map(|end| end.map_or(0.0, |(x, _)| *x));
        let area = format!("{:.1},{HEIGHT} {line} {:.1},{HEIGHT}", ends[0], ends[1]);
        Self { points: line, area }
    }
}

/// What the rows of the table are called.
pub(super) fn row_names() -> impl Iterator<Item = String> {
    (0..ROWS).map(|row| match row * ROW_SECONDS / 60 {
        0 => "now".to_owned(),
        minutes => format!("{minutes} min ago"),
    })
}

/// Whether no sample is missing between two times.
fn is_next(one: f64, next: f64) -> bool {
    next - one < f64::from(CHART_STEP) * 1.5
}

/// The next of 1, 2, 5, 10, 20, 50 ... that is not smaller.
fn round_up(value: f64) -> f64 {
    let mut power = 1.0;
    loop {
        for step in [1.0, 2.0, 5.0] {
            if step * power >= value || power >= 1e12 {
                return step * power;
            }
        }
        power *= 10.0;
    }
}

/// A number with a decimal only where it says something; MiB as GiB.
fn number(value: f64, unit: &str) -> String {
    let value = if unit == "MiB" { value / 1024.0 } else { value };
    if value.fract().abs() < 0.05 || value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

/// Between what values a line is.
fn range(low: f64, high: f64, unit: &str) -> String {
    let (lowest, highest) = (number(low, unit), with_unit(high, unit));
    if with_unit(low, unit) == highest {
        "steady".to_owned()
    } else {
        format!("between {lowest} and {highest}")
    }
}

fn with_unit(value: f64, unit: &str) -> String {
    format!("{} {}", number(value, unit), if unit == "MiB" { "GiB" } else { unit })
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: f64 = 1_000_000_000.0;

    /// Samples one step apart, the last at the end.
    fn samples(values: &[f64]) -> Vec<Sample> {
        let mut time = END;
        let mut found: Vec<Sample> = Vec::new();
        for value in values.iter().rev() {
            found.insert(0, (time, *value));
            time -= f64::from(CHART_STEP);
        }
        found
    }

    #[test]
    fn a_line_is_where_its_time_is_and_says_its_numbers() {
        let chart =
            Chart::new("Utilisation", "%", &samples(&[0.0, 50.0, 100.0]), END, Some(100.0)).expect("a chart");
        assert_eq!(chart.lines.len(), 1);
        // Two steps of fifteen seconds are four of 240 units.
        assert_eq!(chart.lines[0].points, "236.0,60.0 238.0,30.0 240.0,0.0");
        assert_eq!(chart.lines[0].area, "236.0,60 236.0,60.0 238.0,30.0 240.0,0.0 240.0,60");
        assert_eq!((chart.now.as_str(), chart.range.as_str()), ("100 %", "between 0 and 100 %"));
        assert_eq!(chart.rows[..2], ["100 %", NOTHING]);
        assert_eq!(chart.rows.len(), row_names().count());
    }

    #[test]
    fn what_was_not_read_is_a_gap_and_not_the_value_of_now() {
        let mut found = samples(&[10.0, 20.0, 30.0, 40.0, 50.0]);
        found.remove(2);
        let chart = Chart::new("Power", "W", &found, END + 60.0, None).expect("a chart");
        assert_eq!(chart.lines.len(), 2);
        assert_eq!(chart.now, NOTHING);
        assert_eq!(Chart::new("Power", "W", &[], END, None), None);
    }

    #[test]
    fn one_reading_is_seen() {
        let chart = Chart::new("Power", "W", &[(END, 71.25)], END, None).expect("a chart");
        assert_eq!((chart.now.as_str(), chart.scale.as_str()), ("71.2 W", "0 to 100 W"));
        assert_eq!(chart.range, "steady");
        assert_eq!(chart.lines[0].points.split(' ').count(), 2);
        assert!(!chart.lines[0].points.contains("NaN"));
    }

    #[test]
    fn scales_end_at_round_numbers() {
        for (value, top) in [(-3.0, 1.0), (0.0, 1.0), (1.0, 1.0), (3.0, 5.0), (700.0, 1000.0), (1e300, 1e12)]
        {
            assert_eq!(round_up(value), top, "{value}");
        }
        let memory =
            Chart::new("Memory used", "MiB", &[(END, 49414.0)], END, Some(81559.0)).expect("a chart");
        assert_eq!((memory.now.as_str(), memory.scale.as_str()), ("48.3 GiB", "0 to 79.6 GiB"));
    }
}
