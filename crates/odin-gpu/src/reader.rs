//! One round of readings of one device, as the catalogue plans it.
//!
//! The reader learns: what a device does not support is asked again only now
//! and then, what cannot change without a reset is read now and then, the
//! hundreds of counters of single links are read every few rounds, and a getter
//! whose numbers were all given already is not called at all. What a round does
//! not read it tells again.

mod batch;

use nvml_wrapper::Device;

use crate::catalogue::{ABSENT, CATALOGUE, Cadence, FieldPlan, MAXIMUM_FANS, Rhythm};
use crate::fields::{C2C_LINK_COUNT, Form, LINK_COUNT, MAXIMUM_LINKS};
use crate::getters::{Each, Number, Word};
use crate::nvml::{Buffer, FieldBatch, Result, Session, Value};

use batch::Batch;

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
    rhythm: Rhythm,
    round: u64,
    pub(crate) buffer: Box<Buffer>,
    /// Getters this device does not answer.
    mute: Vec<bool>,
    /// Readings of what is not read every round.
    kept: Vec<f64>,
    /// Fields of every round.
    batch: Option<Batch>,
    /// Fields of links, and how many of them had a number.
    link_batch: Option<Batch>,
    link_fields: u32,
    links: u32,
    c2c_links: u32,
    fans: u32,
    answered: Answered,
}

impl Reader {
    pub(crate) fn new(rhythm: Rhythm) -> Self {
        Self {
            rhythm,
            round: 0,
            buffer: Buffer::new(),
            mute: vec![false; CATALOGUE.getters.len()],
            kept: vec![ABSENT; CATALOGUE.slots()],
            batch: None,
            link_batch: None,
            link_fields: 0,
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
            (self.batch, self.link_batch) = (None, None);
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

    /// Whether the last round read the counters of links.
    pub(crate) fn has_read_links(&self) -> bool {
        self.round.checked_sub(1).is_some_and(|last| self.rhythm.is_due(Cadence::Links, last))
    }

    fn read_fields(&mut self, session: &Session, device: &Device<'_>, values: &mut [f64]) -> Result<()> {
        let links = (self.links, self.c2c_links);
        let every = read_batch(&mut self.batch, Cadence::Round, links, session, device, values)?;
        let is_due = self.rhythm.is_due(Cadence::Links, self.round);
        if is_due {
            let batch = &mut self.link_batch;
            self.link_fields = read_batch(batch, Cadence::Links, links, session, device, values)?;
        }
        for slot in self.link_batch.iter().flat_map(|batch| batch.slots(&CATALOGUE)) {
            keep_or_tell(is_due, &mut self.kept, values, slot);
        }
        self.answered.fields = every + self.link_fields;
        Ok(())
    }

    fn read_getters(&mut self, session: &Session, device: &Device<'_>, values: &mut [f64]) -> Result<()> {
        for (index, plan) in CATALOGUE.getters.iter().enumerate() {
            let slots = || plan.numbers.iter().flat_map(|(_, slots)| slots);
            if !self.rhythm.is_due(plan.cadence, self.round) {
                for slot in slots() {
                    keep_or_tell(false, &mut self.kept, values, *slot);
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
            if plan.cadence != Cadence::Round {
                for slot in slots() {
                    keep_or_tell(true, &mut self.kept, values, *slot);
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

/// Reads the fields of one cadence; how many had a number.
fn read_batch(
    batch: &mut Option<Batch>,
    cadence: Cadence,
    (links, c2c_links): (u32, u32),
    session: &Session,
    device: &Device<'_>,
    values: &mut [f64],
) -> Result<u32> {
    let fresh = batch.is_none();
    let old = session.nvml().field_id_scheme() == nvml_wrapper::FieldIdScheme::V12;
    let batch = batch.get_or_insert_with(|| Batch::all(&CATALOGUE, cadence, links, c2c_links, old));
    check(session.fields(device, &mut batch.values))?;
    let answered = batch.decode(&CATALOGUE, values);
    if fresh {
        batch.keep_answered(&CATALOGUE, old);
    }
    Ok(answered)
}

/// Keeps what was read just now, or tells again what was kept.
fn keep_or_tell(is_read: bool, kept: &mut [f64], values: &mut [f64], slot: usize) {
    let Some(kept) = kept.get_mut(slot) else { return };
    if is_read {
        *kept = values.get(slot).copied().unwrap_or(ABSENT);
    } else {
        give(values, slot, *kept);
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
