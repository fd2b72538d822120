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

use std::ffi::{CStr, c_void};
use std::marker::PhantomData;

use nvml_wrapper::{Device, EventSet, Nvml};
use nvml_wrapper_sys::bindings::{
    NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED, nvmlComputeInstance_t, nvmlComputeInstanceInfo_t,
    nvmlComputeInstancePlacement_t, nvmlComputeInstanceProfileInfo_t, nvmlDevice_t, nvmlEventData_t,
    nvmlFieldValue_t, nvmlGpuInstance_t, nvmlGpuInstanceInfo_t, nvmlGpuInstancePlacement_t,
    nvmlGpuInstanceProfileInfo_t, nvmlGpuInstanceProfileInfo_v2_t, nvmlReturn_t, nvmlValue_t,
};

use super::{Buffer, Code, KindInfo, Result, Value};
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
            buffer.set_word(*offset, word);
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

/// A GPU instance or compute instance of an open library. Its handle is only
/// given to the library that made it; one of an instance that was destroyed is
/// refused by NVML.
pub(crate) struct Part<'a, Handle>(Handle, PhantomData<&'a Session>);

/// Calls a function of the library, where it has it. Expands to an unsafe call:
/// each use states its contract.
macro_rules! call {
    ($session:expr, $name:ident($($argument:expr),* $(,)?)) => {
        match $session.nvml.lib().$name.as_ref() {
            Ok(function) => Code::check(function($($argument),*)),
            Err(_) => Err(Code::FUNCTION_NOT_FOUND),
        }
    };
}

/// Cutting GPUs (MIG). Every structure below is plain numbers and arrays of
/// them, for which zero is a value.
impl Session {
    /// Kind of GPU instance by its `NVML_GPU_INSTANCE_PROFILE_*`.
    pub(crate) fn kind(&self, device: &Device<'_>, number: u32) -> Result<KindInfo> {
        // SAFETY: all members are numbers; the handle is valid as in `read`,
        // and `info` is the structure of the header that its version names.
        let (mut info, told) = unsafe {
            let mut info: nvmlGpuInstanceProfileInfo_v2_t = std::mem::zeroed();
            info.version = u32::try_from(size_of_val(&info)).map_err(|_| Code::UNKNOWN)? | 2 << 24;
            let told =
                call!(self, nvmlDeviceGetGpuInstanceProfileInfoV(device.handle(), number, &raw mut info));
            (info, told)
        };
        if told != Err(Code::FUNCTION_NOT_FOUND) {
            told?;
            if let Some(last) = info.name.last_mut() {
                *last = 0;
            }
            // SAFETY: the array ends with the zero written above.
            let name = unsafe { CStr::from_ptr(info.name.as_ptr()) }.to_string_lossy().into_owned();
            let (id, memory_mib) = (info.id, info.memorySizeMB);
            return Ok(KindInfo {
                id,
                slices: info.sliceCount,
                instances: info.instanceCount,
                memory_mib,
                name: Some(name),
            });
        }
        // SAFETY: as above; this structure has no version.
        let info = unsafe {
            let mut info: nvmlGpuInstanceProfileInfo_t = std::mem::zeroed();
            call!(self, nvmlDeviceGetGpuInstanceProfileInfo(device.handle(), number, &raw mut info))?;
            info
        };
        let (id, memory_mib) = (info.id, info.memorySizeMB);
        Ok(KindInfo { id, slices: info.sliceCount, instances: info.instanceCount, memory_mib, name: None })
    }

    /// Memory slices at which a GPU instance of a kind can begin, and how many
    /// one takes.
    pub(crate) fn places(&self, device: &Device<'_>, kind: u32) -> Result<(Vec<u32>, u32)> {
        let mut count = 0;
        let null = std::ptr::null_mut();
        // SAFETY: with no array the call only writes the count.
        unsafe {
            call!(
                self,
                nvmlDeviceGetGpuInstancePossiblePlacements_v2(device.handle(), kind, null, &raw mut count)
            )
        }?;
        let mut places = vec![nvmlGpuInstancePlacement_t { start: 0, size: 0 }; count as usize];
        // SAFETY: the array has `count` elements, as the count says.
        unsafe {
            let array = places.as_mut_ptr();
            call!(
                self,
                nvmlDeviceGetGpuInstancePossiblePlacements_v2(device.handle(), kind, array, &raw mut count)
            )
        }?;
        places.truncate(count as usize);
        let size = places.first().map_or(0, |place| place.size);
        Ok((places.iter().map(|place| place.start).collect(), size))
    }

    /// The GPU instances of a kind, of which there are at most so many.
    pub(crate) fn parts(
        &self,
        device: &Device<'_>,
        kind: u32,
        most: u32,
    ) -> Result<Vec<Part<'_, nvmlGpuInstance_t>>> {
        let mut found = vec![std::ptr::null_mut(); most as usize];
        let mut count = 0;
        // SAFETY: the array has room for all instances of the kind that the
        // device can have, as the header wants it.
        unsafe {
            call!(self, nvmlDeviceGetGpuInstances(device.handle(), kind, found.as_mut_ptr(), &raw mut count))
        }?;
        Ok(found.into_iter().take(count as usize).map(|handle| Part(handle, PhantomData)).collect())
    }

    /// Memory slice at which a GPU instance begins, and how many it takes.
    pub(crate) fn part(&self, part: &Part<'_, nvmlGpuInstance_t>) -> Result<(u32, u32)> {
        // SAFETY: `info` is the header's structure, of numbers and pointers; the
        // handle is of this library.
        let info = unsafe {
            let mut info: nvmlGpuInstanceInfo_t = std::mem::zeroed();
            call!(self, nvmlGpuInstanceGetInfo(part.0, &raw mut info))?;
            info
        };
        Ok((info.placement.start, info.placement.size))
    }

    /// Kind of compute instance by its `NVML_COMPUTE_INSTANCE_PROFILE_*`: what
    /// creation asks for, its slices, and how many there can be.
    pub(crate) fn compute_kind(
        &self,
        part: &Part<'_, nvmlGpuInstance_t>,
        number: u32,
    ) -> Result<(u32, u32, u32)> {
        let engines = NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED;
        // SAFETY: as in `part`.
        let info = unsafe {
            let mut info: nvmlComputeInstanceProfileInfo_t = std::mem::zeroed();
            call!(
                self,
                nvmlGpuInstanceGetComputeInstanceProfileInfo(part.0, number, engines, &raw mut info)
            )?;
            info
        };
        Ok((info.id, info.sliceCount, info.instanceCount))
    }

    /// The compute instances of a kind, of which there are at most so many.
    pub(crate) fn compute_parts(
        &self,
        part: &Part<'_, nvmlGpuInstance_t>,
        kind: u32,
        most: u32,
    ) -> Result<Vec<Part<'_, nvmlComputeInstance_t>>> {
        let mut found = vec![std::ptr::null_mut(); most as usize];
        let mut count = 0;
        // SAFETY: as in `parts`.
        unsafe {
            call!(self, nvmlGpuInstanceGetComputeInstances(part.0, kind, found.as_mut_ptr(), &raw mut count))
        }?;
        Ok(found.into_iter().take(count as usize).map(|handle| Part(handle, PhantomData)).collect())
    }

    /// Compute slice at which a compute instance begins, and how many it has.
    pub(crate) fn compute_part(&self, part: &Part<'_, nvmlComputeInstance_t>) -> Result<(u32, u32)> {
        // SAFETY: as in `part`.
        let info = unsafe {
            let mut info: nvmlComputeInstanceInfo_t = std::mem::zeroed();
            call!(self, nvmlComputeInstanceGetInfo_v2(part.0, &raw mut info))?;
            info
        };
        Ok((info.placement.start, info.placement.size))
    }

    /// Switches MIG mode; the inner result says whether it is so now already.
    pub(crate) fn set_mig_mode(&self, device: &Device<'_>, enabled: bool) -> Result<Result<()>> {
        let mut activation = Code::UNKNOWN.0;
        // SAFETY: the handle is valid as in `read`; `activation` is the one out.
        unsafe {
            call!(self, nvmlDeviceSetMigMode(device.handle(), u32::from(enabled), &raw mut activation))
        }?;
        Ok(Code::check(activation))
    }

    /// Makes a GPU instance at a place.
    pub(crate) fn create_part(
        &self,
        device: &Device<'_>,
        kind: u32,
        (start, size): (u32, u32),
    ) -> Result<Part<'_, nvmlGpuInstance_t>> {
        let place = nvmlGpuInstancePlacement_t { start, size };
        let mut made = std::ptr::null_mut();
        // SAFETY: `place` is read and `made` written during the call alone.
        unsafe {
            call!(
                self,
                nvmlDeviceCreateGpuInstanceWithPlacement(
                    device.handle(),
                    kind,
                    &raw const place,
                    &raw mut made
                )
            )
        }?;
        Ok(Part(made, PhantomData))
    }

    /// Makes a compute instance, at a place unless it fills the GPU instance.
    pub(crate) fn create_compute(
        &self,
        part: &Part<'_, nvmlGpuInstance_t>,
        kind: u32,
        place: Option<(u32, u32)>,
    ) -> Result<()> {
        let mut made = std::ptr::null_mut();
        let Some((start, size)) = place else {
            // SAFETY: `made` is written during the call alone.
            return unsafe { call!(self, nvmlGpuInstanceCreateComputeInstance(part.0, kind, &raw mut made)) };
        };
        let place = nvmlComputeInstancePlacement_t { start, size };
        // SAFETY: as in `create_part`.
        unsafe {
            let place = &raw const place;
            call!(self, nvmlGpuInstanceCreateComputeInstanceWithPlacement(part.0, kind, place, &raw mut made))
        }
    }

    /// Destroys a GPU instance that has no compute instances.
    pub(crate) fn destroy_part(&self, part: Part<'_, nvmlGpuInstance_t>) -> Result<()> {
        // SAFETY: the handle is of this library and not used after this.
        unsafe { call!(self, nvmlGpuInstanceDestroy(part.0)) }
    }

    /// Destroys a compute instance.
    pub(crate) fn destroy_compute(&self, part: Part<'_, nvmlComputeInstance_t>) -> Result<()> {
        // SAFETY: as in `destroy_part`.
        unsafe { call!(self, nvmlComputeInstanceDestroy(part.0)) }
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
