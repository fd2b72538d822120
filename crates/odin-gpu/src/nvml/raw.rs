//! Calls into NVML that nvml-wrapper does not have, or turns into enums.
//!
//! The wrapper is used for what lives and dies: loading, devices, identity,
//! processes, MIG. Numbers come through here, for two reasons: it lacks about
//! eighty getters of NVML 13 and all fields above 274, and it refuses values
//! its enums do not know, while a number a newer driver gives is still a
//! number.
//!
//! This is the one file of the product with `unsafe`. Every getter has the
//! form `nvmlReturn_t f(device, selector..., out...)` with `unsigned int`
//! selectors and pointer outs, so a getter is data ([`Getter`]): its symbol,
//! its selectors and the layout of what it writes.

#![allow(unsafe_code, reason = "NVML is a C library; each block states its contract")]

use std::ffi::c_void;

use nvml_wrapper::{Device, EventSet, Nvml};
use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlEventData_t, nvmlFieldValue_t, nvmlReturn_t, nvmlValue_t,
};

use super::{Code, Result};
use crate::getters::Getter;

type Status = nvmlReturn_t;
type Word = u32;
type Place = *mut c_void;

/// Address of a getter, by the number of its selectors and outs.
#[derive(Clone, Copy)]
enum Function {
    S0O1(unsafe extern "C" fn(nvmlDevice_t, Place) -> Status),
    S0O2(unsafe extern "C" fn(nvmlDevice_t, Place, Place) -> Status),
    S0O3(unsafe extern "C" fn(nvmlDevice_t, Place, Place, Place) -> Status),
    S0O4(unsafe extern "C" fn(nvmlDevice_t, Place, Place, Place, Place) -> Status),
    S1O1(unsafe extern "C" fn(nvmlDevice_t, Word, Place) -> Status),
    S1O2(unsafe extern "C" fn(nvmlDevice_t, Word, Place, Place) -> Status),
    S2O1(unsafe extern "C" fn(nvmlDevice_t, Word, Word, Place) -> Status),
    S2O2(unsafe extern "C" fn(nvmlDevice_t, Word, Word, Place, Place) -> Status),
    S3O1(unsafe extern "C" fn(nvmlDevice_t, Word, Word, Word, Place) -> Status),
}

/// Where a getter writes: words of eight bytes, aligned for every NVML type.
#[derive(Debug)]
pub(crate) struct Buffer([u64; Self::WORDS]);

impl Buffer {
    /// Enough for the largest structure of the table.
    pub(crate) const WORDS: usize = 160;

    pub(crate) fn new() -> Box<Self> {
        Box::new(Self([0; Self::WORDS]))
    }

    /// Bytes at `offset`, as NVML left them.
    pub(crate) fn bytes<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut bytes = [0; N];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let at = offset + at;
            let word = self.0.get(at / 8).copied().unwrap_or_default();
            *byte = word.to_ne_bytes()[at % 8];
        }
        bytes
    }
}

/// An initialised library with the addresses of its getters.
///
/// The addresses are private and only used through a borrow of the session,
/// so none outlives the library it points into.
pub(crate) struct Session {
    nvml: Nvml,
    getters: Vec<(&'static Getter, Option<Function>)>,
}

impl Session {
    /// Resolves the getters; a symbol an older library lacks is none.
    pub(crate) fn new(nvml: Nvml, table: impl Iterator<Item = &'static Getter>) -> Self {
        let getters = table.map(|getter| (getter, find(&nvml, getter))).collect();
        Self { nvml, getters }
    }

    pub(crate) fn nvml(&self) -> &Nvml {
        &self.nvml
    }

    /// Number of getters the library has no symbol for.
    pub(crate) fn missing(&self) -> usize {
        self.getters.iter().filter(|(_, function)| function.is_none()).count()
    }

    /// Number of the getters of the table.
    pub(crate) fn known(&self) -> usize {
        self.getters.len()
    }

    /// Calls the getter at `index` of the table; `each` replaces the selector
    /// [`Getter::EACH`].
    pub(crate) fn read(
        &self,
        device: &Device<'_>,
        index: usize,
        each: u32,
        buffer: &mut Buffer,
    ) -> Result<()> {
        let Some((getter, function)) = self.getters.get(index) else { return Err(Code::NOT_FOUND) };
        let Some(function) = function else { return Err(Code::FUNCTION_NOT_FOUND) };
        let mut select = [0; 3];
        for (to, from) in select.iter_mut().zip(getter.select) {
            *to = if *from == Getter::EACH { each } else { *from };
        }
        let [a, b, c] = select;
        // What NVML writes to, as no call may write past it.
        let Some(written) = buffer.0.get_mut(..getter.out.size.div_ceil(8)) else {
            return Err(Code::INVALID_ARGUMENT);
        };
        written.fill(0);
        for (offset, word) in getter.out.words {
            let word = if *word == Getter::EACH { each } else { *word };
            set_word(&mut buffer.0, *offset, word);
        }
        let base = buffer.0.as_mut_ptr();
        let place = |slot: usize| -> Place { base.wrapping_add(slot).cast() };
        // SAFETY: `handle` is valid while its `Nvml` lives, which `device`
        // borrows.
        let handle = unsafe { device.handle() };
        // SAFETY: `find` chose the variant by the number of selectors and outs
        // in the table, whose rows repeat NVML's public prototypes; the address
        // belongs to `self.nvml`, which is loaded and initialised. Each out
        // points into `buffer`, which is aligned to eight bytes; a word takes
        // one slot, a structure has the whole buffer, and a test holds every
        // structure of the table within it.
        let status = unsafe {
            match *function {
                Function::S0O1(call) => call(handle, place(0)),
                Function::S0O2(call) => call(handle, place(0), place(1)),
                Function::S0O3(call) => call(handle, place(0), place(1), place(2)),
                Function::S0O4(call) => call(handle, place(0), place(1), place(2), place(3)),
                Function::S1O1(call) => call(handle, a, place(0)),
                Function::S1O2(call) => call(handle, a, place(0), place(1)),
                Function::S2O1(call) => call(handle, a, b, place(0)),
                Function::S2O2(call) => call(handle, a, b, place(0), place(1)),
                Function::S3O1(call) => call(handle, a, b, c, place(0)),
            }
        };
        Code::check(status)
    }

    /// Reads all fields of `batch` in one call.
    pub(crate) fn fields(&self, device: &Device<'_>, batch: &mut FieldBatch) -> Result<()> {
        let count = i32::try_from(batch.0.len()).map_err(|_| Code::INVALID_ARGUMENT)?;
        if count == 0 {
            return Ok(());
        }
        let Ok(call) = self.nvml.lib().nvmlDeviceGetFieldValues.as_ref() else {
            return Err(Code::FUNCTION_NOT_FOUND);
        };
        // SAFETY: the array has `count` elements that NVML fills in place; the
        // handle is valid as in `read`.
        Code::check(unsafe { call(device.handle(), count, batch.0.as_mut_ptr()) })
    }

    /// Kinds of events the device can raise, with those the wrapper does not
    /// know.
    pub(crate) fn supported_events(&self, device: &Device<'_>) -> Result<u64> {
        let Ok(call) = self.nvml.lib().nvmlDeviceGetSupportedEventTypes.as_ref() else {
            return Err(Code::FUNCTION_NOT_FOUND);
        };
        let mut mask = 0;
        // SAFETY: `mask` is the one out of this getter; the handle is valid as
        // in `read`.
        Code::check(unsafe { call(device.handle(), &raw mut mask) })?;
        Ok(mask)
    }

    /// Registers a device for the events of `mask`.
    pub(crate) fn register(&self, device: &Device<'_>, mask: u64, set: &EventSet<'_>) -> Result<()> {
        let Ok(call) = self.nvml.lib().nvmlDeviceRegisterEvents.as_ref() else {
            return Err(Code::FUNCTION_NOT_FOUND);
        };
        // SAFETY: both handles are valid while the library they borrow lives.
        Code::check(unsafe { call(device.handle(), mask, set.handle()) })
    }

    /// Waits for one event; nvml-wrapper drops the kinds it does not know.
    pub(crate) fn wait<'a>(&'a self, set: &EventSet<'a>, milliseconds: u32) -> Result<Event<'a>> {
        let Ok(call) = self.nvml.lib().nvmlEventSetWait_v2.as_ref() else {
            return Err(Code::FUNCTION_NOT_FOUND);
        };
        let mut data = nvmlEventData_t {
            device: std::ptr::null_mut(),
            eventType: 0,
            eventData: 0,
            gpuInstanceId: u32::MAX,
            computeInstanceId: u32::MAX,
        };
        // SAFETY: the set is valid while it is borrowed; `data` is written by
        // NVML and lives across the call.
        Code::check(unsafe { call(set.handle(), &raw mut data, milliseconds) })?;
        // SAFETY: NVML gives the handle of a device of this library.
        let device = unsafe { Device::new(data.device, &self.nvml) };
        Ok(Event { device, kind: data.eventType, data: data.eventData })
    }
}

/// One event of an event set.
pub(crate) struct Event<'a> {
    pub(crate) device: Device<'a>,
    /// One bit of NVML's event types.
    pub(crate) kind: u64,
    /// The XID, for an XID event.
    pub(crate) data: u64,
}

/// Field values that are read in one call.
pub(crate) struct FieldBatch(Vec<nvmlFieldValue_t>);

impl FieldBatch {
    /// Requests `(field id, scope id)`, in order.
    pub(crate) fn new(requests: impl Iterator<Item = (u32, u32)>) -> Self {
        Self(requests.map(|(id, scope)| request(id, scope)).collect())
    }

    /// The value of the request at `index`, whatever type NVML chose for it.
    pub(crate) fn value(&self, index: usize) -> Result<Value> {
        let field = self.0.get(index).ok_or(Code::NOT_FOUND)?;
        Code::check(field.nvmlReturn)?;
        let value = &field.value;
        // SAFETY: `valueType` says which member NVML wrote; all members are
        // plain numbers within the eight bytes of the union, which were zeroed
        // before the call, so every one of them is initialised.
        unsafe {
            match field.valueType {
                0 => Ok(Value::Float(value.dVal)),
                1 => Ok(Value::Unsigned(u64::from(value.uiVal))),
                2 => Ok(Value::Unsigned(value.ulVal)),
                3 => Ok(Value::Unsigned(value.ullVal)),
                4 => Ok(Value::Signed(value.sllVal)),
                5 => Ok(Value::Signed(i64::from(value.siVal))),
                6 => Ok(Value::Unsigned(u64::from(value.usVal))),
                _ => Err(Code::NO_DATA),
            }
        }
    }
}

/// A number as NVML gave it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

fn request(id: u32, scope: u32) -> nvmlFieldValue_t {
    nvmlFieldValue_t {
        fieldId: id,
        scopeId: scope,
        timestamp: 0,
        latencyUsec: 0,
        valueType: 0,
        // A library that leaves an element untouched has not answered it.
        nvmlReturn: Code::NO_DATA.0,
        value: nvmlValue_t { ullVal: 0 },
    }
}

/// Writes a 32-bit word into the buffer at a byte offset.
fn set_word(buffer: &mut [u64], offset: usize, word: u32) {
    let Some(slot) = buffer.get_mut(offset / 8) else { return };
    let mut bytes = slot.to_ne_bytes();
    if let Some(place) = bytes.get_mut(offset % 8..offset % 8 + 4) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    *slot = u64::from_ne_bytes(bytes);
}

/// Looks a getter up by its symbol.
fn find(nvml: &Nvml, getter: &Getter) -> Option<Function> {
    let library = &nvml.lib().__library;
    macro_rules! symbol {
        ($variant:ident) => {{
            // SAFETY: the symbol is a public NVML getter with exactly this
            // number of selectors and outs, as its row in the table says; the
            // copied address is kept beside the library in `Session`.
            unsafe { library.get(getter.symbol.as_bytes()) }.ok().map(|symbol| Function::$variant(*symbol))
        }};
    }
    match (getter.select.len(), getter.out.count) {
        (0, 1) => symbol!(S0O1),
        (0, 2) => symbol!(S0O2),
        (0, 3) => symbol!(S0O3),
        (0, 4) => symbol!(S0O4),
        (1, 1) => symbol!(S1O1),
        (1, 2) => symbol!(S1O2),
        (2, 1) => symbol!(S2O1),
        (2, 2) => symbol!(S2O2),
        (3, 1) => symbol!(S3O1),
        _ => None,
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Session").field("getters", &self.getters.len()).finish_non_exhaustive()
    }
}
