//! Reading and writing through the caller's pointers.
#![allow(unsafe_code, reason = "the pointers of a C ABI")]

use std::ffi::{CStr, c_char, c_uint};

use crate::refusal::{Answer, Refusal};

/// Writes a value, or several, to as many pointers.
pub(super) trait Store<Value> {
    /// Writes them, or none when a pointer is null.
    ///
    /// # Safety
    /// Each pointer is null or valid for writing its type.
    unsafe fn store(self, value: Value) -> Answer<()>;
}

impl<A> Store<A> for (*mut A,) {
    unsafe fn store(self, value: A) -> Answer<()> {
        // SAFETY: the caller's promise.
        unsafe { put(self.0, value) }
    }
}

impl<A, B> Store<(A, B)> for (*mut A, *mut B) {
    unsafe fn store(self, value: (A, B)) -> Answer<()> {
        if self.0.is_null() || self.1.is_null() {
            return Err(Refusal::InvalidArgument);
        }
        // SAFETY: the caller's promise.
        unsafe {
            put(self.0, value.0)?;
            put(self.1, value.1)
        }
    }
}

impl<A, B, C> Store<(A, B, C)> for (*mut A, *mut B, *mut C) {
    unsafe fn store(self, value: (A, B, C)) -> Answer<()> {
        if self.2.is_null() {
            return Err(Refusal::InvalidArgument);
        }
        // SAFETY: the caller's promise.
        unsafe {
            (self.0, self.1).store((value.0, value.1))?;
            put(self.2, value.2)
        }
    }
}

impl<A, B, C, D> Store<(A, B, C, D)> for (*mut A, *mut B, *mut C, *mut D) {
    unsafe fn store(self, value: (A, B, C, D)) -> Answer<()> {
        if self.3.is_null() {
            return Err(Refusal::InvalidArgument);
        }
        // SAFETY: the caller's promise.
        unsafe {
            (self.0, self.1, self.2).store((value.0, value.1, value.2))?;
            put(self.3, value.3)
        }
    }
}

/// Writes one value.
///
/// # Safety
/// The pointer is null or valid for writing.
pub(super) unsafe fn put<T>(pointer: *mut T, value: T) -> Answer<()> {
    if pointer.is_null() {
        return Err(Refusal::InvalidArgument);
    }
    // SAFETY: not null, and the caller's promise.
    unsafe { pointer.write_unaligned(value) };
    Ok(())
}

/// Writes a text with its end into a buffer.
///
/// # Safety
/// The buffer is null or has `length` bytes.
pub(super) unsafe fn text(buffer: *mut c_char, length: c_uint, value: &str) -> Answer<()> {
    if buffer.is_null() {
        return Err(Refusal::InvalidArgument);
    }
    if value.len() >= length as usize {
        return Err(Refusal::InsufficientSize);
    }
    // SAFETY: the buffer holds the text and the zero after it.
    unsafe {
        std::ptr::copy_nonoverlapping(value.as_ptr().cast(), buffer, value.len());
        buffer.add(value.len()).write(0);
    }
    Ok(())
}

/// The caller's structure.
///
/// # Safety
/// The pointer is null or valid, and nobody else uses it during the call.
pub(super) unsafe fn borrow<'a, T>(pointer: *mut T) -> Answer<&'a mut T> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_mut() }.ok_or(Refusal::InvalidArgument)
}

/// The caller's text.
///
/// # Safety
/// The pointer is null or a C string.
pub(super) unsafe fn string<'a>(pointer: *const c_char) -> Answer<&'a str> {
    if pointer.is_null() {
        return Err(Refusal::InvalidArgument);
    }
    // SAFETY: not null, and the caller's promise.
    unsafe { CStr::from_ptr(pointer) }.to_str().map_err(|_| Refusal::InvalidArgument)
}

/// Writes a list into the caller's array, whose room is in `count`; the number
/// there are goes to `count` in any case.
///
/// # Safety
/// `count` is null or valid; `items` is null or has room for `*count`.
pub(super) unsafe fn list<T: Copy>(count: *mut c_uint, items: *mut T, values: &[T]) -> Answer<()> {
    // SAFETY: the caller's promise.
    let room = unsafe { borrow(count) }?;
    let there = c_uint::try_from(values.len()).map_err(|_| Refusal::Unknown)?;
    let had = std::mem::replace(room, there);
    if there == 0 {
        return Ok(());
    }
    if had < there {
        return Err(Refusal::InsufficientSize);
    }
    if items.is_null() {
        return Err(Refusal::InvalidArgument);
    }
    // SAFETY: the array has room for `had` items, which are at least these.
    unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), items, values.len()) };
    Ok(())
}

/// Checks a structure's version: NVML puts its size and a number into it.
pub(super) fn version<T>(given: c_uint, number: u32) -> Answer<()> {
    let size = u32::try_from(size_of::<T>()).map_err(|_| Refusal::Unknown)?;
    if given == size | number << 24 { Ok(()) } else { Err(Refusal::ArgumentVersionMismatch) }
}

/// Copies a text into a field of a structure, cut where it does not fit.
pub(super) fn fill(field: &mut [c_char], value: &str) {
    field.fill(0);
    let room = field.len().saturating_sub(1);
    for (target, byte) in field.iter_mut().take(room).zip(value.bytes()) {
        *target = c_char::from_ne_bytes([byte]);
    }
}
