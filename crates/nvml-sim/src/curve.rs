//! Quantities that change over time, and their exact integrals.
//!
//! Energy and traffic are counters: what a client sees must be the area under
//! the rate it also sees, at any moment and however seldom it looks. So each
//! curve has a closed form of its integral, and nothing is accumulated by
//! ticking.

use std::f64::consts::TAU;

use serde::Deserialize;

/// A quantity over time, in seconds from the scenario's time zero.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "toml::Value")]
pub enum Curve {
    /// Always the same.
    Constant(f64),
    /// Any of the shapes.
    Shape(Shape),
}

/// The shapes a scenario can name with `kind`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Shape {
    /// From one value to another, then staying there.
    Ramp {
        /// Value until time zero.
        from: f64,
        /// Value from `over` on.
        to: f64,
        /// Seconds the change takes.
        over: f64,
    },
    /// A sine between two values.
    Sine {
        /// Lowest value.
        minimum: f64,
        /// Highest value.
        maximum: f64,
        /// Seconds of one turn.
        period: f64,
        /// Part of a turn by which it is ahead, 0 to 1.
        #[serde(default)]
        phase: f64,
    },
    /// High for the first part of each period, then low.
    Square {
        /// Value of the second part.
        low: f64,
        /// Value of the first part.
        high: f64,
        /// Seconds of both.
        period: f64,
        /// Part of the period that is high, 0 to 1.
        #[serde(default = "half")]
        duty: f64,
    },
    /// Straight lines between points `[seconds, value]`, flat outside.
    Points {
        /// In order of time, at least one.
        points: Vec<(f64, f64)>,
    },
}

fn half() -> f64 {
    0.5
}

impl Default for Curve {
    fn default() -> Self {
        Self::Constant(0.0)
    }
}

impl TryFrom<toml::Value> for Curve {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        let curve = match value {
            toml::Value::Integer(number) => {
                let number = i32::try_from(number).map_err(|_| format!("{number} is out of range"))?;
                Self::Constant(f64::from(number))
            }
            toml::Value::Float(number) => Self::Constant(number),
            table @ toml::Value::Table(_) => {
                Self::Shape(table.try_into().map_err(|error| format!("{error}"))?)
            }
            other => {
                return Err(format!(
                    "a curve is a number or a table with `kind`, not a {}",
                    other.type_str()
                ));
            }
        };
        curve.check()?;
        Ok(curve)
    }
}

impl Curve {
    fn check(&self) -> Result<(), String> {
        let numbers: Vec<f64> = match self {
            Self::Constant(value) => vec![*value],
            Self::Shape(Shape::Ramp { from, to, over }) => vec![*from, *to, *over],
            Self::Shape(Shape::Sine { minimum, maximum, period, phase }) => {
                vec![*minimum, *maximum, *period, *phase]
            }
            Self::Shape(Shape::Square { low, high, period, duty }) => vec![*low, *high, *period, *duty],
            Self::Shape(Shape::Points { points }) => {
                points.iter().flat_map(|(at, value)| [*at, *value]).collect()
            }
        };
        if numbers.iter().any(|number| !number.is_finite() || *number < 0.0) {
            return Err("a curve has only finite numbers that are not negative".into());
        }
        match self {
            Self::Shape(Shape::Ramp { over, .. }) if *over <= 0.0 => Err("`over` must be above 0".into()),
            Self::Shape(Shape::Sine { period, .. } | Shape::Square { period, .. }) if *period <= 0.0 => {
                Err("`period` must be above 0".into())
            }
            Self::Shape(Shape::Square { duty, .. }) if *duty > 1.0 => Err("`duty` is a part of 1".into()),
            Self::Shape(Shape::Points { points }) if points.is_empty() => Err("`points` has no point".into()),
            Self::Shape(Shape::Points { points }) if points.windows(2).any(|pair| pair[0].0 >= pair[1].0) => {
                Err("`points` must rise in time".into())
            }
            _ => Ok(()),
        }
    }

    /// The value at a time.
    #[must_use]
    pub fn value(&self, time: f64) -> f64 {
        let time = time.max(0.0);
        match self {
            Self::Constant(value) => *value,
            Self::Shape(Shape::Ramp { from, to, over }) => from + (to - from) * (time / over).min(1.0),
            Self::Shape(Shape::Sine { minimum, maximum, period, phase }) => {
                let middle = f64::midpoint(*minimum, *maximum);
                middle + (maximum - minimum) / 2.0 * (TAU * (time / period + phase)).sin()
            }
            Self::Shape(Shape::Square { low, high, period, duty }) => {
                if time.rem_euclid(*period) < period * duty { *high } else { *low }
            }
            Self::Shape(Shape::Points { points }) => between(points, time),
        }
    }

    /// The area under the curve from zero to a time.
    #[must_use]
    pub fn integral(&self, time: f64) -> f64 {
        let time = time.max(0.0);
        match self {
            Self::Constant(value) => value * time,
            Self::Shape(Shape::Ramp { to, over, .. }) => {
                let rising = time.min(*over);
                f64::midpoint(self.value(0.0), self.value(rising)) * rising + to * (time - rising)
            }
            Self::Shape(Shape::Sine { minimum, maximum, period, phase }) => {
                let middle = f64::midpoint(*minimum, *maximum);
                let turn = |at: f64| (TAU * (at / period + phase)).cos();
                middle * time + (maximum - minimum) / 2.0 * period / TAU * (turn(0.0) - turn(time))
            }
            Self::Shape(Shape::Square { low, high, period, duty }) => {
                let rest = time.rem_euclid(*period);
                let turns = (time - rest) / period;
                let full = period * (high * duty + low * (1.0 - duty));
                turns * full + high * rest.min(period * duty) + low * (rest - period * duty).max(0.0)
            }
            Self::Shape(Shape::Points { points }) => {
                let inner = points.iter().map(|(at, _)| *at).filter(|at| *at > 0.0 && *at < time);
                let mut edges = vec![0.0];
                edges.extend(inner);
                edges.push(time);
                edges
                    .windows(2)
                    .map(|edge| {
                        (edge[1] - edge[0])
                            * f64::midpoint(between(points, edge[0]), between(points, edge[1]))
                    })
                    .sum()
            }
        }
    }
}

fn between(points: &[(f64, f64)], time: f64) -> f64 {
    let after = points.partition_point(|(at, _)| *at <= time);
    match (after.checked_sub(1).and_then(|before| points.get(before)), points.get(after)) {
        (Some((start, from)), Some((end, to))) => from + (to - from) * (time - start) / (end - start),
        (Some((_, value)), None) | (None, Some((_, value))) => *value,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn curve(text: &str) -> Result<Curve, String> {
        let table: toml::Table = format!("c = {text}").parse().map_err(|error| format!("{error}"))?;
        Curve::try_from(table["c"].clone())
    }

    #[test]
    fn a_value_at_a_time() {
        let table = [
            ("40", 7.0, 40.0),
            ("{ kind = 'ramp', from = 10, to = 90, over = 8 }", 0.0, 10.0),
            ("{ kind = 'ramp', from = 10, to = 90, over = 8 }", 4.0, 50.0),
            ("{ kind = 'ramp', from = 10, to = 90, over = 8 }", 80.0, 90.0),
            ("{ kind = 'sine', minimum = 0, maximum = 100, period = 60 }", 15.0, 100.0),
            ("{ kind = 'sine', minimum = 0, maximum = 100, period = 60, phase = 0.5 }", 15.0, 0.0),
            ("{ kind = 'square', low = 5, high = 95, period = 10, duty = 0.3 }", 12.9, 95.0),
            ("{ kind = 'square', low = 5, high = 95, period = 10, duty = 0.3 }", 13.1, 5.0),
            ("{ kind = 'points', points = [[0, 0], [10, 100], [20, 50]] }", 15.0, 75.0),
            ("{ kind = 'points', points = [[0, 0], [10, 100], [20, 50]] }", 99.0, 50.0),
        ];
        for (text, time, expected) in table {
            let value = curve(text).unwrap().value(time);
            assert!((value - expected).abs() < 1e-9, "{text} at {time} is {value}, not {expected}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let table = [
            ("'fast'", "a curve is a number or a table"),
            ("-1", "not negative"),
            ("inf", "not negative"),
            ("{ kind = 'spiral' }", "unknown variant `spiral`"),
            ("{ kind = 'ramp', from = 0, to = 1, over = 0 }", "`over` must be above 0"),
            ("{ kind = 'ramp', from = 0, to = 1, over = 1, speed = 3 }", "unknown field `speed`"),
            ("{ kind = 'sine', minimum = 0, maximum = 1, period = 0 }", "`period` must be above 0"),
            ("{ kind = 'square', low = 0, high = 1, period = 1, duty = 2 }", "part of 1"),
            ("{ kind = 'points', points = [] }", "no point"),
            ("{ kind = 'points', points = [[5, 1], [5, 2]] }", "rise in time"),
        ];
        for (text, reason) in table {
            let error = curve(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    fn any_curve() -> impl Strategy<Value = Curve> {
        let number = 0.0..100.0;
        prop_oneof![
            number.clone().prop_map(Curve::Constant),
            (number.clone(), number.clone(), 0.1..50.0)
                .prop_map(|(from, to, over)| Curve::Shape(Shape::Ramp { from, to, over })),
            (number.clone(), number.clone(), 5.0..50.0, 0.0..1.0).prop_map(
                |(a, b, period, phase): (f64, f64, f64, f64)| {
                    Curve::Shape(Shape::Sine { minimum: a.min(b), maximum: a.max(b), period, phase })
                }
            ),
            (number.clone(), number.clone(), 5.0..50.0, 0.0..1.0).prop_map(|(low, high, period, duty)| {
                Curve::Shape(Shape::Square { low, high, period, duty })
            }),
            proptest::collection::vec((0.1..10.0, number), 1..6).prop_map(|steps| {
                let mut at = 0.0;
                let points = steps
                    .into_iter()
                    .map(|(step, value)| {
                        at += step;
                        (at, value)
                    })
                    .collect();
                Curve::Shape(Shape::Points { points })
            }),
        ]
    }

    proptest! {
        #[test]
        fn the_integral_is_the_area(curve in any_curve(), end in 0.1..80.0) {
            let steps = 20_000;
            let width = end / f64::from(steps);
            let area: f64 = (0..steps).map(|step| curve.value((f64::from(step) + 0.5) * width) * width).sum();
            // Each edge of a step function falls within one strip.
            let slack = 100.0 * width * (2.0 * end / 5.0 + 3.0) + 0.01;
            prop_assert!((curve.integral(end) - area).abs() < slack, "{} against {area}", curve.integral(end));
        }

        #[test]
        fn the_integral_never_falls(curve in any_curve(), start in 0.0..80.0, length in 0.0..20.0) {
            prop_assert!(curve.integral(start + length) >= curve.integral(start) - 1e-6);
        }
    }
}
