//! A JSON Patch carried out on one resource, within limits.
//! <https://www.rfc-editor.org/rfc/rfc6902#section-4>
//!
//! Every operation is checked before it grows the document: a few dozen `copy` operations
//! would double it beyond any memory, and a few thousand `move` operations would nest it
//! beyond any stack. Removing and moving are done here, since `json-patch` removes by swap,
//! which loses the order of properties; the rest is that crate's, one operation at a time
//! and without its undoing, which panics on some patches. The document is the caller's to
//! throw away on failure, so nothing needs to be undone.

use super::super::kept::Kept;
use super::super::shown;
use super::size::{Extent, measure, string_bytes};
use crate::config::Limits;
use crate::error::{Category, Error, Result};
use crate::fhir::decimal::Decimal;
use json_patch::jsonptr::Pointer;
use json_patch::{AddOperation, MoveOperation, PatchErrorKind, PatchOperation};
use serde_json::{Map, Number, Value};

/// Bytes copied or moved, and items shifted, by one patch at most. A patch of a resource
/// below 64 KiB cannot reach it; without it a thousand moves of a huge one could take minutes.
const MOST_WORK: usize = 64 << 20;

/// Carries out a patch on a resource whose JSON has `size` bytes.
///
/// # Errors
/// `Unprocessable` where an operation cannot be carried out or a test fails; `Invalid` where
/// the result breaks a limit or changes what is not the client's to change; `TooCostly`.
pub fn apply(
    before: Map<String, Value>,
    size: usize,
    patch: &[PatchOperation],
    limits: &Limits,
) -> Result<Map<String, Value>> {
    let before = Value::Object(before);
    let kept = Kept::of(&before);
    let mut document = Document {
        value: before,
        size,
        work: 0,
        limits,
    };
    for (index, operation) in patch.iter().enumerate() {
        let done = document.perform(operation);
        done.map_err(|refusal| refusal.error(index, operation, limits))?;
    }
    kept.check(&document.value)?;
    match document.value {
        Value::Object(after) => Ok(after),
        _ => Err(Error::coded(
            Category::Unprocessable,
            "structure",
            "expected the patched resource to be an object",
        )),
    }
}

/// The resource while it is patched.
///
/// Invariants: `value` never nests deeper than `json-depth`, and `size` is the bytes of its
/// compact JSON to within one byte for each operation (the comma of a first or last item).
struct Document<'a> {
    value: Value,
    size: usize,
    work: usize,
    limits: &'a Limits,
}

impl Document<'_> {
    fn perform(&mut self, operation: &PatchOperation) -> Result<(), Refusal> {
        match operation {
            PatchOperation::Add(add) => {
                self.admit_add(&add.path, measure(&add.value), self.size)?;
                self.delegate(operation)
            }
            PatchOperation::Replace(replace) => {
                let old = self.value.pointer(replace.path.as_str());
                let freed = old.map_or(0, |old| measure(old).bytes);
                self.admit(&replace.path, measure(&replace.value), 0, freed, self.size)?;
                self.delegate(operation)
            }
            PatchOperation::Copy(copy) => {
                let source = self.value.pointer(copy.from.as_str());
                let extent = measure(source.ok_or(Refusal::NoFrom)?);
                self.charge(extent.bytes)?;
                self.admit_add(&copy.path, extent, self.size)?;
                self.delegate(operation)
            }
            PatchOperation::Test(test) => match self.value.pointer(test.path.as_str()) {
                Some(found) if same(found, &test.value) => Ok(()),
                Some(_) => Err(Refusal::TestFailed),
                None => Err(Refusal::NoPath),
            },
            PatchOperation::Remove(remove) => {
                let removed = self.take(&remove.path)?.ok_or(Refusal::NoPath)?;
                self.size = self.size.saturating_sub(measure(&removed).bytes);
                Ok(())
            }
            PatchOperation::Move(operation) => self.relocate(operation),
        }
    }

    /// `move`: what was there is gone before the new place is looked for.
    fn relocate(&mut self, operation: &MoveOperation) -> Result<(), Refusal> {
        let (from, path) = (&operation.from, &operation.path);
        if from == path {
            // Not taken out and put back, which would make a property the last one.
            let there = self.value.pointer(from.as_str()).is_some();
            return if there { Ok(()) } else { Err(Refusal::NoFrom) };
        }
        if path.starts_with(from) {
            return Err(Refusal::IntoItself);
        }
        let start = self.size;
        let value = self.take(from)?.ok_or(Refusal::NoFrom)?;
        let extent = measure(&value);
        self.size = self.size.saturating_sub(extent.bytes);
        self.charge(extent.bytes)?;
        self.admit_add(path, extent, start)?;
        let path = path.clone();
        self.delegate(&PatchOperation::Add(AddOperation { path, value }))
    }

    /// Takes a value out, the order of what remains unchanged; `None` if it is not there.
    /// `size` loses the name and the comma; the value's own bytes are the caller's to subtract.
    fn take(&mut self, path: &Pointer) -> Result<Option<Value>, Refusal> {
        let frame = self.frame(path);
        let Some((parent, last)) = path.split_back() else {
            return Ok(None);
        };
        let length = match self.value.pointer(parent.as_str()) {
            Some(Value::Array(items)) => items.len(),
            Some(Value::Object(members)) => members.len(),
            _ => return Ok(None),
        };
        self.charge(length)?;
        let taken = match self.value.pointer_mut(parent.as_str()) {
            Some(Value::Array(items)) => {
                let index = last.to_index().ok();
                let index = index.and_then(|index| index.for_len(length).ok());
                index.map(|index| items.remove(index))
            }
            Some(Value::Object(members)) => members.shift_remove(last.decoded().as_ref()),
            _ => None,
        };
        if taken.is_some() {
            self.size = self.size.saturating_sub(frame);
        }
        Ok(taken)
    }

    /// Whether a value of this extent may be added at `path`, as `add` understands it.
    fn admit_add(&mut self, path: &Pointer, new: Extent, start: usize) -> Result<(), Refusal> {
        let frame = self.frame(path);
        let parent = path.parent().and_then(|it| self.value.pointer(it.as_str()));
        if let Some(Value::Array(items)) = parent {
            let length = items.len();
            self.charge(length)?;
            return self.admit(path, new, frame, 0, start);
        }
        let old = self.value.pointer(path.as_str());
        let freed = old.map_or(0, |old| frame + measure(old).bytes);
        self.admit(path, new, frame, freed, start)
    }

    /// Whether a value may stand at `path`, and if so, its size taken into account.
    ///
    /// A resource already beyond the limit may be patched as long as it does not grow over
    /// `start`, its size before the operation.
    fn admit(
        &mut self,
        path: &Pointer,
        new: Extent,
        frame: usize,
        freed: usize,
        start: usize,
    ) -> Result<(), Refusal> {
        if path.count() + new.depth > self.limits.json_depth {
            return Err(Refusal::TooDeep);
        }
        let size = (self.size + frame + new.bytes).saturating_sub(freed);
        if size > self.limits.body_size.max(start) {
            return Err(Refusal::TooLarge);
        }
        self.size = size;
        Ok(())
    }

    /// The bytes around a value at `path`: a comma, and in an object the name and its colon.
    fn frame(&self, path: &Pointer) -> usize {
        let Some((parent, last)) = path.split_back() else {
            return 0;
        };
        match self.value.pointer(parent.as_str()) {
            Some(Value::Object(_)) => string_bytes(&last.decoded()) + 2,
            _ => 1,
        }
    }

    fn charge(&mut self, work: usize) -> Result<(), Refusal> {
        self.work = self.work.saturating_add(work);
        if self.work > MOST_WORK {
            return Err(Refusal::TooMuchWork);
        }
        Ok(())
    }

    fn delegate(&mut self, operation: &PatchOperation) -> Result<(), Refusal> {
        json_patch::patch_unsafe(&mut self.value, std::slice::from_ref(operation)).map_err(
            |error| match error.kind {
                PatchErrorKind::InvalidFromPointer => Refusal::NoFrom,
                _ => Refusal::NoPath,
            },
        )
    }
}

/// Why an operation is not carried out.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    NoPath,
    NoFrom,
    IntoItself,
    TestFailed,
    TooDeep,
    TooLarge,
    TooMuchWork,
}

impl Refusal {
    fn error(self, index: usize, operation: &PatchOperation, limits: &Limits) -> Error {
        let path = shown(operation.path().as_str());
        let (category, code, says) = match self {
            Refusal::NoPath => (
                Category::Unprocessable,
                "processing",
                format!("expected `path` to lead into the resource but found nothing at {path}"),
            ),
            Refusal::NoFrom => (
                Category::Unprocessable,
                "processing",
                "expected `from` to lead to a part of the resource but found nothing".to_owned(),
            ),
            Refusal::IntoItself => (
                Category::Unprocessable,
                "processing",
                format!("expected `path` outside of what is moved but found {path}"),
            ),
            Refusal::TestFailed => (
                Category::Unprocessable,
                "processing",
                format!("expected `value` at {path} but found another"),
            ),
            Refusal::TooDeep => (
                Category::Invalid,
                "too-long",
                format!(
                    "it nests {path} deeper than the limit `json-depth` of {} allows",
                    limits.json_depth
                ),
            ),
            Refusal::TooLarge => (
                Category::Invalid,
                "too-long",
                format!(
                    "it makes the resource larger than the limit `body-size` of {} bytes allows",
                    limits.body_size
                ),
            ),
            Refusal::TooMuchWork => (
                Category::TooCostly,
                "too-costly",
                format!("the patch copies or moves more than {MOST_WORK} bytes in all"),
            ),
        };
        let says = format!("nothing was changed: operation {index}, counted from 0: {says}");
        Error::coded(category, code, says)
    }
}

/// Equality as `test` means it: numbers by value, objects without regard to order.
/// It recurses no deeper than the patch, which was parsed within `json-depth`.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => same_number(left, right),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| same(a, b))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, a)| right.get(name).is_some_and(|b| same(a, b)))
        }
        _ => left == right,
    }
}

fn same_number(left: &Number, right: &Number) -> bool {
    let (left, right) = (left.as_str(), right.as_str());
    left == right
        || match (Decimal::parse(left), Decimal::parse(right)) {
            (Some(left), Some(right)) => left == right,
            _ => false,
        }
}

#[cfg(test)]
mod tests;
