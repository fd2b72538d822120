//! The plan of one round: which calls are made, and which sample each number
//! becomes.
//!
//! A sample of a device is one *slot*: a metric with its labels. All devices
//! have the same slots, in the order of the exposition, so a round of readings
//! is one vector of numbers and a scrape walks it once.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use crate::family::{self, Family};
use crate::fields::{self, Form, MAXIMUM_LINKS, Over};
use crate::getters::{self, Each, Number};

/// Most fans that are asked for.
pub(crate) const MAXIMUM_FANS: u32 = 8;

/// Number that is not there. A slot is never 0 for want of an answer.
pub(crate) const ABSENT: f64 = f64::NAN;

/// The one plan of this program.
pub(crate) static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::of_tables);

/// Slots, and the calls that fill them.
#[derive(Debug)]
pub(crate) struct Catalogue {
    /// Metrics with their slots.
    pub(crate) metrics: Vec<Metric>,
    /// Calls by field.
    pub(crate) fields: Vec<FieldPlan>,
    /// Calls by getter, in the order of the table.
    pub(crate) getters: Vec<GetterPlan>,
    slots: usize,
    /// Metrics by their name.
    by_name: HashMap<&'static str, usize>,
}

/// One metric and its slots.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) family: Family,
    /// First slot.
    pub(crate) first: usize,
    /// Labels of each slot, without braces.
    pub(crate) labels: Vec<String>,
}

/// One field and where its numbers go.
#[derive(Debug)]
pub(crate) struct FieldPlan {
    pub(crate) id: u32,
    /// Its number before 580.82.
    pub(crate) old_id: u32,
    pub(crate) over: Over,
    pub(crate) cadence: Cadence,
    pub(crate) form: Form,
    pub(crate) scale: f64,
    /// One slot, or one for each link.
    pub(crate) slots: Vec<usize>,
}

/// One getter and where its numbers go.
#[derive(Debug)]
pub(crate) struct GetterPlan {
    pub(crate) each: Each,
    pub(crate) cadence: Cadence,
    /// Each number with its slots: one, or one for each link or fan.
    pub(crate) numbers: Vec<(&'static Number, Vec<usize>)>,
}

impl Catalogue {
    /// Number of slots.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// The slot of a metric with these labels.
    pub(crate) fn slot(&self, family: &str, labels: &str) -> Option<usize> {
        let metric = self.metrics.get(*self.by_name.get(family)?)?;
        let at = metric.labels.iter().position(|found| found == labels)?;
        Some(metric.first + at)
    }

    fn of_tables() -> Self {
        let mut samples = Samples::default();
        for field in fields::all() {
            samples.add(field.family, field.labels, over_links(field.over));
        }
        for lane in fields::LANES {
            samples.add(lane.family, lane.labels, Repeat::Links);
        }
        for getter in getters::all() {
            for number in getter.numbers {
                samples.add(number.family, number.labels, repeat(getter.each));
            }
        }
        let metrics = samples.metrics();
        let slots = metrics.iter().map(|metric| metric.labels.len()).sum();
        let by_name = metrics.iter().enumerate().map(|(at, metric)| (metric.family.name, at)).collect();
        let mut catalogue = Self { metrics, fields: Vec::new(), getters: Vec::new(), slots, by_name };
        catalogue.fields = catalogue.plan_fields();
        catalogue.getters = catalogue.plan_getters();
        catalogue
    }

    fn plan_fields(&self) -> Vec<FieldPlan> {
        let plain = fields::all().map(|field| FieldPlan {
            id: field.id,
            old_id: field.id_for(true),
            over: field.over,
            cadence: Cadence::of_field(field.over),
            form: field.form,
            scale: field.scale,
            slots: self.slots_of(field.family, field.labels, over_links(field.over)),
        });
        let lanes = fields::LANES.iter().flat_map(|lane| {
            let slots = self.slots_of(lane.family, lane.labels, Repeat::Links);
            lane.links()
                .zip(slots)
                .map(|((_, id), slot)| FieldPlan {
                    id,
                    old_id: id,
                    over: Over::Scope(0),
                    cadence: Cadence::Links,
                    form: Form::Number,
                    scale: lane.scale,
                    slots: vec![slot],
                })
                .collect::<Vec<_>>()
        });
        plain.chain(lanes).collect()
    }

    fn plan_getters(&self) -> Vec<GetterPlan> {
        getters::all()
            .map(|getter| GetterPlan {
                each: getter.each,
                cadence: Cadence::of_getter(getter),
                numbers: getter
                    .numbers
                    .iter()
                    .map(|number| (number, self.slots_of(number.family, number.labels, repeat(getter.each))))
                    .collect(),
            })
            .collect()
    }

    fn slots_of(&self, family: &str, labels: &str, repeat: Repeat) -> Vec<usize> {
        repeat.labels(labels).filter_map(|labels| self.slot(family, &labels)).collect()
    }
}

/// In which rounds a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cadence {
    /// In every round.
    Round,
    /// Every few rounds: an NVLink GPU has hundreds of counters of links, far
    /// more than of everything else.
    Links,
    /// Now and then: only a setting, a driver or a reset changes it.
    Steady,
}

/// Rounds between two readings of what is not read in every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rhythm {
    links: u64,
    steady: u64,
}

impl Rhythm {
    /// Of rounds that begin so often. Counters of links are never told when
    /// they are older than `maximum_age`.
    pub(crate) fn of(interval: Duration, maximum_age: Duration) -> Self {
        let rounds = |span: Duration| {
            let rounds = span.as_millis() / interval.as_millis().max(1);
            u64::try_from(rounds).unwrap_or(u64::MAX)
        };
        Self {
            links: rounds(LINKS_EVERY.min(maximum_age)).clamp(1, 5),
            steady: rounds(STEADY_EVERY).clamp(1, 30),
        }
    }

    /// Whether calls of a cadence are made in a round; the first, 0, makes all.
    pub(crate) fn is_due(self, cadence: Cadence, round: u64) -> bool {
        round.is_multiple_of(match cadence {
            Cadence::Round => 1,
            Cadence::Links => self.links,
            Cadence::Steady => self.steady,
        })
    }
}

const LINKS_EVERY: Duration = Duration::from_secs(5);
const STEADY_EVERY: Duration = Duration::from_secs(30);

impl Cadence {
    fn of_field(over: Over) -> Self {
        match over {
            Over::Scope(_) => Self::Round,
            Over::EachLink
            | Over::SumOfLinks
            | Over::MaximumOfLinks
            | Over::SumOfC2c
            | Over::MaximumOfC2c => Self::Links,
        }
    }

    fn of_getter(getter: &getters::Getter) -> Self {
        match getter.each {
            _ if getter.is_steady() => Self::Steady,
            Each::Device | Each::Fan | Each::Instance => Self::Round,
            Each::Link | Each::SumOfLinks | Each::MaximumOfLinks => Self::Links,
        }
    }
}

/// How often one row has a sample.
#[derive(Clone, Copy)]
enum Repeat {
    Once,
    Links,
    Fans,
}

impl Repeat {
    fn labels(self, labels: &str) -> Box<dyn Iterator<Item = String> + '_> {
        let (name, count) = match self {
            Self::Once => return Box::new(std::iter::once(labels.to_owned())),
            Self::Links => ("link", MAXIMUM_LINKS),
            Self::Fans => ("fan", MAXIMUM_FANS),
        };
        let comma = if labels.is_empty() { "" } else { "," };
        Box::new((0..count).map(move |number| format!("{labels}{comma}{name}=\"{number}\"")))
    }
}

fn over_links(over: Over) -> Repeat {
    if over == Over::EachLink { Repeat::Links } else { Repeat::Once }
}

fn repeat(each: Each) -> Repeat {
    match each {
        Each::Link => Repeat::Links,
        Each::Fan => Repeat::Fans,
        Each::Device | Each::Instance | Each::SumOfLinks | Each::MaximumOfLinks => Repeat::Once,
    }
}

/// Samples as the rows name them, before they have slots.
#[derive(Default)]
struct Samples(Vec<(&'static str, Vec<String>)>);

impl Samples {
    fn add(&mut self, family: &'static str, labels: &str, repeat: Repeat) {
        let at = self.0.iter().position(|(name, _)| *name == family).unwrap_or_else(|| {
            self.0.push((family, Vec::new()));
            self.0.len() - 1
        });
        let Some((_, known)) = self.0.get_mut(at) else { return };
        for labels in repeat.labels(labels) {
            if !known.contains(&labels) {
                known.push(labels);
            }
        }
    }

    /// Metrics in the order of the families, which is that of the page.
    fn metrics(mut self) -> Vec<Metric> {
        let mut first = 0;
        family::of_nvml()
            .filter_map(|family| {
                let (_, labels) = self.0.iter_mut().find(|(name, _)| *name == family.name)?;
                let metric = Metric { family, first, labels: std::mem::take(labels) };
                first += metric.labels.len();
                Some(metric)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
