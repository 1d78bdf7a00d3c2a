//! Composites of an element: which of its values stand together.
//!
//! Tokens, references and uris of a tuple are hashed together to one value: a tuple of
//! nothing else is an entry, and where the last part has an order (quantity, number, date,
//! string) its rows stand in a slot named by that value. Two last parts that are numbers
//! are one row, the first its `low`, the second its `high`.
//!
//! A coding is found in four forms, which would be four times the rows. Most resources are
//! *plain*: in them a code has one system throughout and every element has a coding of each
//! system that any has. There the rows of the bare code are enough, for who has `system|code`
//! at all has it in the same elements. The others have rows of every form, in slots of their
//! own, and an entry that says so.
//!
//! | asked | plain resources | the others |
//! |---|---|---|
//! | `code$v` | row of `code` | row of `code` |
//! | `system\|code$v` | row of `code`, and the parameter of the part finds `system\|code` | row of `system\|code` |
//! | `system\|$v` | the parameters of both parts find theirs | row of `system\|` |
//!
//! A row's slot is 32 bits, so that the parameter of a token is always asked beside a row.

use super::compile_part;
use super::forms::{Forms, Wanted};
use super::part::Part;
use crate::access::Tenant;
use crate::error::Issue;
use crate::fhir::decimal::Decimal;
use crate::fhir::{Instant, ResourceType};
use crate::fhirpath::{Ast, Context, Expression, Item};
use crate::search::index::{IndexRows, QuantityRow, Slot, combine};
use crate::search::params::{Sink, either, escape, negate, number};
use crate::search::plan::Predicate;
use crate::search::registry::{Branch, Kind, Parameter, extract};

/// Elements whose values are compared with each other, each with each, so that rows can be
/// spared: nearly all resources have fewer.
const COMPARED: usize = 100;

/// How many tuples of one resource are indexed: more than any real one has.
const TUPLES: usize = 20_000;

/// A composite of one element.
#[derive(Debug)]
pub struct Element {
    root: Expression,
    /// Those that are equal or not, then those with an order; `order` has their places in a
    /// query.
    parts: Vec<Part>,
    order: Vec<usize>,
    /// How many parts are equal or not.
    tokens: usize,
    /// What plain resources have.
    plain: Slot,
    /// What the others have.
    full: Slot,
    /// The entry of the others.
    mixed: Slot,
    /// Whether there are plain resources: only of two parts each can do without the other.
    is_compact: bool,
    /// The definition's expressions are those of the other part: either order is understood.
    is_exchanged: bool,
}

/// One element of a resource.
struct Instance<'a> {
    forms: Vec<Forms>,
    values: Vec<Vec<Item<'a>>>,
}

impl Element {
    /// # Errors
    /// Parts that cannot be indexed together, as a sentence.
    pub fn new(
        resource_type: ResourceType,
        root: &Ast,
        parts: Vec<Part>,
    ) -> Result<Element, String> {
        let texts: Vec<String> = parts.iter().map(|p| p.expression.to_string()).collect();
        let text = format!("{root} ({})", texts.join(" $ "));
        let is_exchanged = matches!(parts.as_slice(), [a, b] if a.is_exchanged_with(b));
        let numbered = parts.into_iter().enumerate();
        let (tokens, values): (Vec<_>, Vec<_>) = numbered.partition(|(_, part)| is_token(part));
        let is_number = |(_, part): &(usize, Part)| part.own.kind == Kind::Number;
        match values.as_slice() {
            [] | [_] => {}
            [first, second] if is_number(first) && is_number(second) => {}
            _ => return Err("expected at most one part with an order, or two numbers".to_owned()),
        }
        let count = tokens.len();
        let (order, parts): (Vec<usize>, Vec<Part>) = tokens.into_iter().chain(values).unzip();
        let has_order = |part: &Part| has_rows(part.own.kind) && part.own.branches.len() == 1;
        if !parts[count..].iter().all(has_order) {
            return Err("expected parts of one slot with an order".to_owned());
        }
        Ok(Element {
            root: Expression::from(root.clone()),
            is_compact: parts.len() == 2 && count > 0,
            parts,
            order,
            tokens: count,
            plain: Slot::new(resource_type, &text),
            full: Slot::new(resource_type, &format!("{text} full")),
            mixed: Slot::new(resource_type, &format!("{text} mixed")),
            is_exchanged,
        })
    }

    pub fn slot(&self) -> Slot {
        self.plain
    }

    /// The codes of the parts, as a query has them.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        let place = |at: usize| self.order.iter().position(|other| *other == at);
        let parts = (0..self.parts.len()).filter_map(move |at| self.parts.get(place(at)?));
        parts.map(|part| part.own.code.as_str())
    }

    /// Indexes the tuples of a resource; `rows` has all that the parts' own parameters do.
    pub fn extract<'a>(&'a self, context: &Context<'a>, tenant: Tenant, rows: &mut IndexRows) {
        let roots = self.root.evaluate(context, context.resource);
        let roots = roots.unwrap_or_default();
        let instances: Vec<Instance<'a>> = roots
            .iter()
            .filter_map(|root| self.instance(context, root))
            .collect();
        if instances.is_empty() {
            return;
        }
        let is_plain = self.is_compact
            && instances.len() <= COMPARED
            && self.is_plain(&instances, tenant, rows);
        if self.is_compact && !is_plain {
            rows.entries.push(self.mixed.entry(tenant, 0));
        }
        let mut left = TUPLES;
        for instance in &instances {
            let lists: Vec<Vec<i64>> = instance
                .forms
                .iter()
                .map(|forms| {
                    if is_plain {
                        forms.keys.clone()
                    } else {
                        forms.all()
                    }
                })
                .collect();
            let slot = if is_plain { self.plain } else { self.full };
            for tuple in tuples(&lists, left) {
                left -= 1;
                self.put(slot, tuple, instance, tenant, rows);
            }
        }
    }

    fn instance<'a>(&'a self, context: &Context<'a>, root: &Item<'a>) -> Option<Instance<'a>> {
        let Item::Node(node) = root else {
            return None;
        };
        let (tokens, values) = self.parts.split_at(self.tokens);
        let items = |part: &'a Part| part.expression.evaluate(context, *node).unwrap_or_default();
        Some(Instance {
            forms: tokens
                .iter()
                .map(|part| Forms::of(&part.own, &items(part), context.base))
                .collect(),
            values: values.iter().map(items).collect(),
        })
    }

    fn put(
        &self,
        slot: Slot,
        tuple: i64,
        instance: &Instance<'_>,
        tenant: Tenant,
        rows: &mut IndexRows,
    ) {
        match instance.values.as_slice() {
            [] => rows.entries.push(slot.entry(tenant, tuple)),
            [items] => self.put_values(slot.with(tuple), items, tenant, rows),
            [first, second, ..] => {
                for (low, high) in number::pairs(first, second) {
                    let slot = slot.with(tuple).row();
                    rows.quantities.push(QuantityRow::number(slot, low, high));
                }
            }
        }
    }

    fn put_values(&self, slot: Slot, items: &[Item<'_>], tenant: Tenant, rows: &mut IndexRows) {
        let mut sink = Sink {
            tenant,
            slot,
            marks: &[],
            rows,
        };
        // A reference is never among the values.
        extract(
            self.parts[self.tokens].own.kind,
            items,
            "",
            &mut sink,
            &mut Vec::new(),
        );
    }

    /// Whether the rows of bare codes are enough: see the head of this file.
    fn is_plain(&self, instances: &[Instance<'_>], tenant: Tenant, rows: &IndexRows) -> bool {
        let derived_alike = (0..self.tokens).all(|part| {
            let forms = || instances.iter().map(|instance| &instance.forms[part]);
            let mut pairs = forms().flat_map(|forms| &forms.derived);
            pairs.all(|pair| forms().all(|f| f.derived.contains(pair) == f.keys.contains(&pair.1)))
        });
        let has_other = |instance: &Instance<'_>, part: usize| {
            let mut others = (0..self.tokens).filter(|other| *other != part);
            others.all(|other| !instance.forms[other].is_empty())
                && instance.values.iter().all(|items| !items.is_empty())
        };
        let wholes_alike = (0..self.tokens).all(|part| {
            let mut wholes = instances.iter().flat_map(|i| &i.forms[part].wholes);
            wholes.all(|whole| {
                let mut others = instances.iter().filter(|i| has_other(i, part));
                others.all(|instance| instance.forms[part].wholes.contains(whole))
            })
        });
        derived_alike && wholes_alike && self.has_all_values(instances, tenant, rows)
    }

    /// Whether the parameter of the part with an order finds the values of these and no more.
    fn has_all_values(&self, instances: &[Instance<'_>], tenant: Tenant, rows: &IndexRows) -> bool {
        let Some(branch) = self
            .parts
            .get(self.tokens)
            .and_then(|p| p.own.branches.first())
        else {
            return true;
        };
        let mut own = IndexRows::default();
        for items in instances.iter().flat_map(|instance| &instance.values) {
            self.put_values(branch.slot, items, tenant, &mut own);
        }
        own.of_slot(branch.slot) == rows.of_slot(branch.slot)
    }

    /// The predicate of a tuple's parts, still escaped, as many as there are.
    ///
    /// # Errors
    /// Those of the parts.
    pub fn compile(&self, values: &[&str], base: &str, now: Instant) -> Result<Predicate, Issue> {
        let straight = self.compile_ordered(values, base, now);
        if !self.is_exchanged {
            return straight;
        }
        let reversed: Vec<&str> = values.iter().rev().copied().collect();
        match (straight, self.compile_ordered(&reversed, base, now)) {
            (Ok(one), Ok(other)) => Ok(either(vec![one, other])),
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
            (Err(issue), Err(_)) => Err(issue),
        }
    }

    fn compile_ordered(
        &self,
        values: &[&str],
        base: &str,
        now: Instant,
    ) -> Result<Predicate, Issue> {
        let places = self.order.iter().zip(&self.parts);
        let values: Vec<(&Part, &str)> = places.map(|(at, part)| (part, values[*at])).collect();
        let (tokens, ordered) = values.split_at(self.tokens);
        let wanted = tokens
            .iter()
            .map(|(part, value)| Wanted::of(&part.own, value, base, now))
            .collect::<Result<Vec<_>, _>>()?;
        let full = wanted
            .iter()
            .map(|one| one.forms.clone())
            .collect::<Vec<_>>();
        let keys = wanted
            .iter()
            .map(|one| one.keys.clone())
            .collect::<Vec<_>>();
        let mut found: Vec<(Slot, i64)> = Vec::new();
        if self.is_compact {
            found.extend(
                tuples(&keys, TUPLES)
                    .into_iter()
                    .map(|tuple| (self.plain, tuple)),
            );
        }
        found.extend(
            tuples(&full, TUPLES)
                .into_iter()
                .map(|tuple| (self.full, tuple)),
        );
        let indexed = compile_tuples(&found, ordered, base, now)?;
        let is_whole = wanted.iter().any(|one| one.keys.is_empty());
        let is_sure = ordered.is_empty() && !is_whole;
        let beside = wanted.iter().filter(|one| !is_sure || !one.is_exact());
        let mut all: Vec<Predicate> = beside.map(|one| one.own.clone()).collect();
        all.push(match self.is_compact && is_whole {
            true => {
                let own = ordered.iter();
                let mut plain = own
                    .map(|(part, value)| compile_part(&part.own, value, base, now))
                    .collect::<Result<Vec<_>, _>>()?;
                plain.push(negate(Predicate::Entries(vec![(self.mixed, 0)])));
                either(vec![indexed, Predicate::And(plain)])
            }
            false => indexed,
        });
        Ok(Predicate::And(all))
    }
}

/// What finds these tuples, with the values of the ordered parts beside them.
fn compile_tuples(
    found: &[(Slot, i64)],
    ordered: &[(&Part, &str)],
    base: &str,
    now: Instant,
) -> Result<Predicate, Issue> {
    let slots = || found.iter().map(|(slot, tuple)| slot.with(*tuple));
    match ordered {
        [] => Ok(either(vec![Predicate::Entries(found.to_vec())])),
        [(part, value)] => {
            let Some(branch) = part.own.branches.first() else {
                return Ok(Predicate::Nothing);
            };
            let branches = slots().map(|slot| {
                let mut branch: Branch = branch.clone();
                branch.slot = slot;
                branch
            });
            let own = Parameter {
                branches: branches.collect(),
                ..part.own.clone()
            };
            compile_part(&own, value, base, now)
        }
        [(_, first), (_, second), ..] => {
            let test = |value: &str| {
                let test = number::compile_test(&escape::unescape(value)?)?;
                Ok(test.map(Decimal::to_string))
            };
            let (first, second) = (test(first)?, test(second)?);
            let pairs = slots().map(|slot| Predicate::NumberPair {
                slot: slot.row(),
                first: first.clone(),
                second: second.clone(),
            });
            Ok(either(pairs.collect()))
        }
    }
}

fn is_token(part: &Part) -> bool {
    matches!(part.own.kind, Kind::Token | Kind::Reference | Kind::Uri)
}

fn has_rows(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Date | Kind::Number | Kind::Quantity | Kind::String
    )
}

/// Each way to take one hash of every list, hashed together; at most so many.
fn tuples(lists: &[Vec<i64>], most: usize) -> Vec<i64> {
    let mut tuples: Vec<Vec<i64>> = vec![Vec::new()];
    for list in lists {
        let longer = tuples.iter().flat_map(|tuple| {
            list.iter().map(|hash| {
                let mut longer = tuple.clone();
                longer.push(*hash);
                longer
            })
        });
        tuples = longer.take(most).collect();
    }
    tuples.iter().map(|tuple| combine(tuple)).collect()
}
