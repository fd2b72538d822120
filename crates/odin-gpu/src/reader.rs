//! One round of readings of one device, as the catalogue plans it.
//!
//! The reader learns: what a device does not support is asked again only now
//! and then, what cannot change without a reset is read now and then, and a
//! getter whose numbers were all given already is not called at all.

use nvml_wrapper::Device;

use crate::catalogue::{ABSENT, CATALOGUE, Catalogue, FieldPlan, MAXIMUM_FANS};
use crate::fields::{C2C_LINK_COUNT, Form, LINK_COUNT, MAXIMUM_LINKS, Over};
use crate::getters::{Each, Number, Word};
use crate::nvml::{Buffer, Code, FieldBatch, Result, Session, Value};

/// Rounds between two readings of what only a setting or a reset changes.
pub(crate) const STEADY_ROUNDS: u64 = 30;

/// Rounds after which everything is asked again, supported or not.
const RELEARN_ROUNDS: u64 = 60;

/// How many calls a device answered with a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) fields: u32,
    pub(crate) getters: u32,
}

/// What is known of one device between two rounds.
#[derive(Debug)]
pub(crate) struct Reader {
    round: u64,
    pub(crate) buffer: Box<Buffer>,
    /// Getters this device does not answer.
    mute: Vec<bool>,
    /// Readings of steady getters.
    steady: Vec<f64>,
    batch: Option<Batch>,
    links: u32,
    c2c_links: u32,
    fans: u32,
    answered: Answered,
}

/// The fields of one call: which plan, and which link of it, each is for.
struct Batch {
    values: FieldBatch,
    targets: Vec<(usize, usize)>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Batch").field("fields", &self.targets.len()).finish_non_exhaustive()
    }
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            round: 0,
            buffer: Buffer::new(),
            mute: vec![false; CATALOGUE.getters.len()],
            steady: vec![ABSENT; CATALOGUE.slots()],
            batch: None,
            links: 0,
            c2c_links: 0,
            fans: 0,
            answered: Answered::default(),
        }
    }

    /// Reads everything into `values`, which has one place for each slot.
    ///
    /// # Errors
    /// The code that ends the device or the library; a call that is merely not
    /// answered leaves its slots absent.
    pub(crate) fn read(
        &mut self,
        session: &Session,
        device: &Device<'_>,
        values: &mut Vec<f64>,
    ) -> Result<Answered> {
        values.clear();
        values.resize(CATALOGUE.slots(), ABSENT);
        if self.round.is_multiple_of(RELEARN_ROUNDS) {
            self.mute.fill(false);
            self.batch = None;
            self.count_links(session, device)?;
        }
        self.answered = Answered::default();
        self.read_fields(session, device, values)?;
        self.read_getters(session, device, values)?;
        self.round += 1;
        Ok(self.answered)
    }

    /// Links decide how often the fields of links are asked for.
    fn count_links(&mut self, session: &Session, device: &Device<'_>) -> Result<()> {
        let mut batch = FieldBatch::new([(LINK_COUNT, 0), (C2C_LINK_COUNT, 0)].into_iter());
        check(session.fields(device, &mut batch))?;
        let count = |at: usize| match batch.value(at) {
            Ok(Value::Unsigned(count)) => u32::try_from(count).unwrap_or_default().min(MAXIMUM_LINKS),
            _ => 0,
        };
        (self.links, self.c2c_links) = (count(0), count(1));
        self.fans = device.num_fans().unwrap_or_default().min(MAXIMUM_FANS);
        Ok(())
    }

    fn read_fields(&mut self, session: &Session, device: &Device<'_>, values: &mut [f64]) -> Result<()> {
        let fresh = self.batch.is_none();
        let old = session.nvml().field_id_scheme() == nvml_wrapper::FieldIdScheme::V12;
        let (links, c2c_links) = (self.links, self.c2c_links);
        let batch = self.batch.get_or_insert_with(|| Batch::all(&CATALOGUE, links, c2c_links, old));
        check(session.fields(device, &mut batch.values))?;
        self.answered.fields = batch.decode(&CATALOGUE, values);
        if fresh {
            batch.keep_answered(&CATALOGUE, old);
        }
        Ok(())
    }

    fn read_getters(&mut self, session: &Session, device: &Device<'_>, values: &mut [f64]) -> Result<()> {
        let steady_round = self.round.is_multiple_of(STEADY_ROUNDS);
        for (index, plan) in CATALOGUE.getters.iter().enumerate() {
            let slots = || plan.numbers.iter().flat_map(|(_, slots)| slots);
            if plan.steady && !steady_round {
                for slot in slots() {
                    give(values, *slot, self.steady.get(*slot).copied().unwrap_or(ABSENT));
                }
                continue;
            }
            let given = slots().all(|slot| values.get(*slot).is_some_and(|value| !value.is_nan()));
            if given || self.mute.get(index).copied().unwrap_or(true) {
                continue;
            }
            let (times, folded) = match plan.each {
                Each::Device => (1, false),
                Each::Link => (self.links, false),
                Each::Fan => (self.fans, false),
                Each::Instance => continue,
                Each::SumOfLinks | Each::MaximumOfLinks => (self.links, true),
            };
            let mut answered = times == 0;
            for each in 0..times {
                match session.read(device, index, each, &mut self.buffer) {
                    Ok(()) => {
                        answered = true;
                        for (number, slots) in &plan.numbers {
                            let value = number.read(&self.buffer);
                            let at = if folded { 0 } else { each as usize };
                            let Some(slot) = slots.get(at) else { continue };
                            match (plan.each, folded && each > 0) {
                                (Each::SumOfLinks, true) => fold(values, *slot, value, |a, b| a + b),
                                (Each::MaximumOfLinks, true) => fold(values, *slot, value, f64::max),
                                _ => give(values, *slot, value),
                            }
                        }
                    }
                    Err(code) if code.ends_device() || code.ends_library() => return Err(code),
                    Err(_) => {}
                }
            }
            if let Some(mute) = self.mute.get_mut(index) {
                *mute = !answered;
            }
            if plan.steady {
                for slot in slots() {
                    let value = values.get(*slot).copied().unwrap_or(ABSENT);
                    if let Some(kept) = self.steady.get_mut(*slot) {
                        *kept = value;
                    }
                }
            }
        }
        self.answered.getters = CATALOGUE
            .getters
            .iter()
            .filter(|plan| {
                plan.numbers.iter().flat_map(|(_, slots)| slots).any(|slot| is_given(values, *slot))
            })
            .count()
            .try_into()
            .unwrap_or(u32::MAX);
        Ok(())
    }
}

impl Batch {
    /// Every field, for every link it is asked of.
    fn all(catalogue: &Catalogue, links: u32, c2c_links: u32, old: bool) -> Self {
        let targets = catalogue.fields.iter().enumerate().flat_map(|(at, plan)| {
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
    fn decode(&self, catalogue: &Catalogue, values: &mut [f64]) -> u32 {
        let mut answered = 0;
        for (request, (at, link)) in self.targets.iter().enumerate() {
            let Some(plan) = catalogue.fields.get(*at) else { continue };
            let Ok(value) = self.values.value(request) else { continue };
            let value = plan.read(value);
            if value.is_nan() {
                continue;
            }
            answered += u32::from(*link == 0);
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

    /// Drops the requests that were refused, until all are asked again.
    fn keep_answered(&mut self, catalogue: &Catalogue, old: bool) {
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

impl FieldPlan {
    fn read(&self, value: Value) -> f64 {
        let number = match value {
            Value::Unsigned(value) => match self.form {
                Form::ErrorRate => return error_rate(value),
                Form::Number => unsigned(value),
            },
            Value::Signed(value) => value as f64,
            Value::Float(value) => value,
        };
        number * self.scale
    }
}

impl Number {
    /// The number in the buffer, in base units; absent when NVML marks it so.
    pub(crate) fn read(&self, buffer: &Buffer) -> f64 {
        if let Some(offset) = self.unless_zero
            && u32::from_ne_bytes(buffer.bytes(offset)) == 0
        {
            return ABSENT;
        }
        let value = match self.word {
            Word::U8 => f64::from(u8::from_ne_bytes(buffer.bytes(self.offset))),
            Word::U32 => unsigned_32(u32::from_ne_bytes(buffer.bytes(self.offset))),
            Word::I32 => f64::from(i32::from_ne_bytes(buffer.bytes(self.offset))),
            Word::U64 => unsigned(u64::from_ne_bytes(buffer.bytes(self.offset))),
            Word::Bit(bit) => {
                f64::from(u8::from(u64::from_ne_bytes(buffer.bytes(self.offset)) >> bit & 1 == 1))
            }
        };
        value * self.scale
    }
}

/// All ones is NVML's "not available" (`NVML_VALUE_NOT_AVAILABLE`).
fn unsigned(value: u64) -> f64 {
    if value == u64::MAX { ABSENT } else { value as f64 }
}

fn unsigned_32(value: u32) -> f64 {
    if value == u32::MAX { ABSENT } else { f64::from(value) }
}

fn error_rate(value: u64) -> f64 {
    let exponent = i32::try_from(value & 0xFF).unwrap_or_default();
    let mantissa = u8::try_from(value >> 8 & 0xF).unwrap_or_default();
    f64::from(mantissa) * 10f64.powi(-exponent)
}

fn is_given(values: &[f64], slot: usize) -> bool {
    values.get(slot).is_some_and(|value| !value.is_nan())
}

/// Fills a slot that is still empty: the first source wins.
fn give(values: &mut [f64], slot: usize, value: f64) {
    if let Some(place) = values.get_mut(slot)
        && place.is_nan()
    {
        *place = value;
    }
}

/// Combines with what the slot has already.
fn fold(values: &mut [f64], slot: usize, value: f64, combine: impl Fn(f64, f64) -> f64) {
    if let Some(place) = values.get_mut(slot)
        && !value.is_nan()
    {
        *place = if place.is_nan() { value } else { combine(*place, value) };
    }
}

/// Lets only what ends the device or the library end a round.
fn check(result: Result<()>) -> Result<()> {
    match result {
        Err(code) if code.ends_device() || code.ends_library() => Err(code),
        _ => Ok(()),
    }
}
