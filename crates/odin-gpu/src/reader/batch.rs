//! Fields that are read by one call.

use super::{fold, give};
use crate::catalogue::{Cadence, Catalogue};
use crate::fields::Over;
use crate::nvml::{Code, FieldBatch};

/// The fields of one call: which plan, and which link of it, each is for.
pub(super) struct Batch {
    pub(super) values: FieldBatch,
    targets: Vec<(usize, usize)>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Batch").field("fields", &self.targets.len()).finish_non_exhaustive()
    }
}

impl Batch {
    /// Every field of one cadence, for every link it is asked of.
    pub(super) fn all(
        catalogue: &Catalogue,
        cadence: Cadence,
        links: u32,
        c2c_links: u32,
        old: bool,
    ) -> Self {
        let plans = catalogue.fields.iter().enumerate().filter(|(_, plan)| plan.cadence == cadence);
        let targets = plans.flat_map(|(at, plan)| {
            let times = match plan.over {
                Over::Scope(_) => 1,
                Over::EachLink | Over::SumOfLinks | Over::MaximumOfLinks => links,
                Over::SumOfC2c | Over::MaximumOfC2c => c2c_links,
            };
            (0..times as usize).map(move |link| (at, link))
        });
        Self::of(catalogue, targets.collect(), old)
    }

    fn of(catalogue: &Catalogue, targets: Vec<(usize, usize)>, old: bool) -> Self {
        let values = FieldBatch::new(targets.iter().filter_map(|(at, link)| {
            let plan = catalogue.fields.get(*at)?;
            let scope = match plan.over {
                Over::Scope(scope) => scope,
                _ => u32::try_from(*link).unwrap_or_default(),
            };
            Some((if old { plan.old_id } else { plan.id }, scope))
        }));
        Self { values, targets }
    }

    /// Puts each value where its plan says; returns how many fields had one.
    pub(super) fn decode(&self, catalogue: &Catalogue, values: &mut [f64]) -> u32 {
        let mut answered = 0;
        let mut counted = usize::MAX;
        for (request, (at, link)) in self.targets.iter().enumerate() {
            let Some(plan) = catalogue.fields.get(*at) else { continue };
            let Ok(value) = self.values.value(request) else { continue };
            let value = plan.read(value);
            if value.is_nan() {
                continue;
            }
            // Once, whichever of its links it is that answers.
            answered += u32::from(counted != *at);
            counted = *at;
            let slot = |at: usize| plan.slots.get(at).copied().unwrap_or(usize::MAX);
            match plan.over {
                Over::Scope(_) => give(values, slot(0), value),
                Over::EachLink => give(values, slot(*link), value),
                Over::SumOfLinks | Over::SumOfC2c => fold(values, slot(0), value, |a, b| a + b),
                Over::MaximumOfLinks | Over::MaximumOfC2c => fold(values, slot(0), value, f64::max),
            }
        }
        answered
    }

    /// The slots it fills.
    pub(super) fn slots<'a>(&'a self, catalogue: &'a Catalogue) -> impl Iterator<Item = usize> + 'a {
        let plans = self.targets.iter().filter_map(|(at, link)| Some((catalogue.fields.get(*at)?, *link)));
        plans.filter_map(|(plan, link)| match plan.over {
            Over::EachLink => plan.slots.get(link).copied(),
            // Of whichever links answered; the first need not be one of them.
            _ => plan.slots.first().copied(),
        })
    }

    /// Drops the requests that were refused, until all are asked again.
    pub(super) fn keep_answered(&mut self, catalogue: &Catalogue, old: bool) {
        let refused = |code: Code| {
            matches!(code, Code::NOT_SUPPORTED | Code::INVALID_ARGUMENT | Code::FUNCTION_NOT_FOUND)
        };
        let targets: Vec<_> = self
            .targets
            .iter()
            .enumerate()
            .filter(|(request, _)| !self.values.value(*request).is_err_and(refused))
            .map(|(_, target)| *target)
            .collect();
        *self = Self::of(catalogue, targets, old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::CATALOGUE;

    #[test]
    fn a_sum_has_its_slot_although_the_first_link_does_not_answer() {
        let is_sum = |plan: &crate::catalogue::FieldPlan| plan.over == Over::SumOfLinks;
        let at = CATALOGUE.fields.iter().position(is_sum).expect("a sum over links");
        let batch = Batch::of(&CATALOGUE, vec![(at, 3), (at, 4)], false);
        let slots: Vec<usize> = batch.slots(&CATALOGUE).collect();
        assert!(slots.contains(&CATALOGUE.fields[at].slots[0]), "{slots:?}");
    }
}
