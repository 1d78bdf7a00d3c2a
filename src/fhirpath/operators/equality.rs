//! `=` and `~`, and collections without repetitions.
//! <https://hl7.org/fhirpath/N1/#equality>

use super::numbers::{Numbers, numbers};
use crate::fhir::decimal::Decimal;
use crate::fhirpath::context::{Evaluated, EvaluationError, Items, Scope};
use crate::fhirpath::item::{Item, Scalar};
use crate::fhirpath::quantity::equivalent;
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;

/// Items without repetitions, in the order that they came.
#[derive(Default)]
pub struct Distinct<'a> {
    items: Items<'a>,
    /// The strings, once there are many.
    texts: HashSet<Cow<'a, str>>,
    /// Where the other items are, once there are many.
    others: Vec<usize>,
}

/// More items than this are not looked through one by one.
const MANY: usize = 16;

impl<'a> Distinct<'a> {
    /// Adds an item unless it is there; whether it was added.
    ///
    /// # Errors
    /// More comparisons than the limits allow.
    pub fn push(&mut self, scope: &Scope<'_, 'a>, item: Item<'a>) -> Result<bool, EvaluationError> {
        if self.items.len() < MANY {
            scope.charge(self.items.len())?;
            let is_new = !has(&self.items, &item);
            if is_new {
                self.items.push(item);
            }
            return Ok(is_new);
        }
        if self.items.len() == MANY && self.texts.is_empty() && self.others.is_empty() {
            for at in 0..self.items.len() {
                let item = self.items[at].clone();
                self.note(&item, at);
            }
        }
        let is_new = if is_string(&item) {
            scope.charge(1)?;
            item.text().is_none_or(|text| !self.texts.contains(&*text))
        } else {
            scope.charge(self.others.len())?;
            let equal = |at: &usize| items_equal(&self.items[*at], &item) == Some(true);
            !self.others.iter().any(equal)
        };
        if is_new {
            self.note(&item, self.items.len());
            self.items.push(item);
        }
        Ok(is_new)
    }

    fn note(&mut self, item: &Item<'a>, at: usize) {
        match item.text().filter(|_| is_string(item)) {
            Some(text) => {
                self.texts.insert(text);
            }
            None => self.others.push(at),
        }
    }

    pub fn into_items(self) -> Items<'a> {
        self.items
    }
}

fn is_string(item: &Item<'_>) -> bool {
    matches!(item.scalar(), Some(Scalar::String(_)))
}

/// Both without repetitions.
///
/// # Errors
/// More comparisons than the limits allow.
pub fn union<'a>(scope: &Scope<'_, 'a>, left: Items<'a>, right: Items<'a>) -> Evaluated<'a> {
    if left.len() + right.len() < 2 {
        return Ok(if left.is_empty() { right } else { left });
    }
    let mut all = Distinct::default();
    for item in left.into_iter().chain(right) {
        all.push(scope, item)?;
    }
    Ok(all.into_items())
}

pub fn distinct<'a>(scope: &Scope<'_, 'a>, items: Items<'a>) -> Evaluated<'a> {
    union(scope, items, Vec::new())
}

/// Whether an item of the collection is equal to this one.
pub fn has(items: &[Item<'_>], item: &Item<'_>) -> bool {
    items
        .iter()
        .any(|known| items_equal(known, item) == Some(true))
}

/// `=`: not known when either side is empty.
pub fn equal(left: &[Item<'_>], right: &[Item<'_>]) -> Option<bool> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    if left.len() != right.len() {
        return Some(false);
    }
    let mut all = Some(true);
    for (left, right) in left.iter().zip(right) {
        match items_equal(left, right) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => all = None,
        }
    }
    all
}

/// A place is equal to itself, which is cheaper to see than that its value is.
fn is_same_place(left: &Item<'_>, right: &Item<'_>) -> bool {
    match (left, right) {
        (Item::Node(left), Item::Node(right)) => match (left.value, right.value) {
            (Some(left), Some(right)) => std::ptr::eq(left, right),
            (None, None) => match (left.companion, right.companion) {
                (Some(left), Some(right)) => std::ptr::eq(left, right),
                _ => false,
            },
            _ => false,
        },
        _ => false,
    }
}

fn items_equal(left: &Item<'_>, right: &Item<'_>) -> Option<bool> {
    if is_same_place(left, right) {
        return Some(true);
    }
    match (left.scalar(), right.scalar()) {
        (Some(left), Some(right)) => scalars_equal(&left, &right),
        (None, None) => Some(match (left, right) {
            (Item::Node(left), Item::Node(right)) => match (left.value, right.value) {
                (Some(left), Some(right)) => json_equal(left, right),
                (None, None) => match (left.companion, right.companion) {
                    (Some(left), Some(right)) => json_equal(left, right),
                    _ => false,
                },
                _ => false,
            },
            (Item::Target(left), Item::Target(right)) => left == right,
            (Item::Type(a, b), Item::Type(c, d)) => a == c && b == d,
            _ => false,
        }),
        _ => Some(false),
    }
}

fn scalars_equal(left: &Scalar<'_>, right: &Scalar<'_>) -> Option<bool> {
    match (left, right) {
        (Scalar::String(left), Scalar::String(right)) => Some(left == right),
        (Scalar::Boolean(left), Scalar::Boolean(right)) => Some(left == right),
        (Scalar::Integer(left), Scalar::Integer(right)) => Some(left == right),
        (Scalar::Temporal(left), Scalar::Temporal(right)) => {
            if !left.is_comparable(right) {
                return Some(false);
            }
            left.compare(right).map(Ordering::is_eq)
        }
        _ => match numbers(left, right) {
            Some(Numbers::Decimals(left, right)) => Some(*left == *right),
            Some(Numbers::Quantities(left, right)) => left.compare(&right).map(Ordering::is_eq),
            None => Some(false),
        },
    }
}

fn json_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            match (
                Decimal::parse(left.as_str()),
                Decimal::parse(right.as_str()),
            ) {
                (Some(left), Some(right)) => left == right,
                _ => left == right,
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len() && pairs.all(|(left, right)| json_equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let is_there = |(name, left)| {
                let right: Option<&Value> = right.get(name);
                right.is_some_and(|right| json_equal(left, right))
            };
            left.len() == right.len() && left.iter().all(is_there)
        }
        _ => left == right,
    }
}

/// `~`: in any order, and what is not known is not equivalent.
pub fn are_equivalent(left: &[Item<'_>], right: &[Item<'_>]) -> bool {
    in_any_order(left, right, items_equivalent)
}

/// Lists that are very long are compared in order: nobody counts those comparisons.
fn lists_equivalent(left: &[Value], right: &[Value]) -> bool {
    if left.len().max(right.len()) <= LONGEST_UNORDERED {
        return in_any_order(left, right, json_equivalent);
    }
    let mut pairs = left.iter().zip(right);
    left.len() == right.len() && pairs.all(|(left, right)| json_equivalent(left, right))
}

const LONGEST_UNORDERED: usize = 200;

fn in_any_order<T>(left: &[T], right: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    let mut is_taken = vec![false; right.len()];
    left.len() == right.len()
        && left.iter().all(|left| {
            let mut candidates = right.iter().zip(&mut is_taken);
            let found = candidates.find(|(right, taken)| !**taken && same(left, right));
            found.map(|(_, taken)| *taken = true).is_some()
        })
}

fn items_equivalent(left: &Item<'_>, right: &Item<'_>) -> bool {
    if is_same_place(left, right) {
        return true;
    }
    match (left.scalar(), right.scalar()) {
        (Some(Scalar::String(left)), Some(Scalar::String(right))) => texts_equivalent(left, right),
        (Some(left), Some(right)) => match numbers(&left, &right) {
            Some(Numbers::Decimals(left, right)) => equivalent(&left, &right),
            Some(Numbers::Quantities(left, right)) => {
                left.is_equivalent(&right).unwrap_or_default()
            }
            None => scalars_equal(&left, &right).unwrap_or_default(),
        },
        (None, None) => match (left, right) {
            (Item::Node(left), Item::Node(right)) => match (left.value, right.value) {
                (Some(left), Some(right)) => json_equivalent(left, right),
                _ => false,
            },
            _ => items_equal(left, right).unwrap_or_default(),
        },
        _ => false,
    }
}

/// Without case, any space being a blank.
fn texts_equivalent(left: &str, right: &str) -> bool {
    let folded = |c: char| if c.is_whitespace() { ' ' } else { c };
    let folded = |text: &str| text.to_lowercase().chars().map(folded).collect::<String>();
    folded(left) == folded(right)
}

fn json_equivalent(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => texts_equivalent(left, right),
        (Value::Number(left), Value::Number(right)) => {
            match (
                Decimal::parse(left.as_str()),
                Decimal::parse(right.as_str()),
            ) {
                (Some(left), Some(right)) => equivalent(&left, &right),
                _ => left == right,
            }
        }
        (Value::Array(left), Value::Array(right)) => lists_equivalent(left, right),
        (Value::Object(left), Value::Object(right)) => {
            let is_there = |(name, left)| {
                let right: Option<&Value> = right.get(name);
                right.is_some_and(|right| json_equivalent(left, right))
            };
            left.len() == right.len() && left.iter().all(is_there)
        }
        _ => left == right,
    }
}
