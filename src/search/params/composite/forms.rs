//! The forms in which a token is found, told apart: `code` is the key, `system|code` and
//! `|code` are derived from it, `system|` is of a whole system.

use super::compile_part;
use crate::access::Tenant;
use crate::error::Issue;
use crate::fhir::Instant;
use crate::fhirpath::Item;
use crate::search::index::{IndexRows, Slot, hash};
use crate::search::params::Sink;
use crate::search::params::token::Asked;
use crate::search::plan::{Lookup, Predicate};
use crate::search::registry::{Kind, Parameter, extract};
use serde_json::Value;

/// That there is a value: what `system|` asks of a code whose system is known.
const PRESENT: &str = "present";

/// The hashes by which a part of an element is found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Forms {
    pub keys: Vec<i64>,
    /// Each with its key.
    pub derived: Vec<(i64, i64)>,
    pub wholes: Vec<i64>,
}

impl Forms {
    /// Of what a part gives; `own` is the parameter that it is searched as.
    pub fn of(own: &Parameter, items: &[Item<'_>], base: &str) -> Forms {
        let mut forms = Forms::default();
        for item in items {
            match item {
                Item::Node(node) if own.kind == Kind::Token => {
                    let code = match node.node_type.key.as_str() {
                        "CodeableConcept" => {
                            let codings = node.get("coding").and_then(Value::as_array);
                            for coding in codings.into_iter().flatten() {
                                forms.add_coding(coding, "code");
                            }
                            continue;
                        }
                        "Coding" => "code",
                        "Identifier" => "value",
                        _ => {
                            forms.add_others(own, item, base);
                            continue;
                        }
                    };
                    if let Some(value) = node.value {
                        forms.add_coding(value, code);
                    }
                }
                _ => forms.add_others(own, item, base),
            }
        }
        if has_implied_system(own) && !forms.is_empty() {
            forms.wholes.push(hash(PRESENT));
        }
        forms.keys.sort_unstable();
        forms.keys.dedup();
        forms.derived.sort_unstable();
        forms.derived.dedup();
        forms.wholes.sort_unstable();
        forms.wholes.dedup();
        forms
    }

    fn add_coding(&mut self, coding: &Value, code: &str) {
        let text = |name: &str| coding.get(name).and_then(Value::as_str).map(str::to_owned);
        let entry = |asked: Asked| hash(&asked.entry(""));
        let system = text("system");
        if let Some(code) = text(code) {
            let key = entry(Asked::Code(code.clone()));
            self.keys.push(key);
            self.derived.push(match &system {
                Some(system) => (entry(Asked::Pair(system.clone(), code)), key),
                None => (entry(Asked::NoSystem(code)), key),
            });
        }
        if let Some(system) = system {
            self.wholes.push(entry(Asked::System(system)));
        }
    }

    /// What has no forms is found as its search type has it.
    fn add_others(&mut self, own: &Parameter, item: &Item<'_>, base: &str) {
        let mut rows = IndexRows::default();
        let slot = Slot::new(own.resource_type, "");
        let mut sink = Sink {
            tenant: Tenant::DEFAULT,
            slot,
            marks: &[],
            rows: &mut rows,
        };
        extract(
            own.kind,
            std::slice::from_ref(item),
            base,
            &mut sink,
            &mut Vec::new(),
        );
        // An entry is the hash XOR the seed of the slot, and so the other way round.
        let hashes = rows.entries.iter();
        self.keys
            .extend(hashes.map(|entry| slot.entry(Tenant::DEFAULT, *entry)));
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.wholes.is_empty()
    }

    pub fn all(&self) -> Vec<i64> {
        let derived = self.derived.iter().map(|(derived, _)| *derived);
        let keys = self.keys.iter().copied();
        keys.chain(derived)
            .chain(self.wholes.iter().copied())
            .collect()
    }
}

/// What a query asks of a part that is equal or not.
#[derive(Debug)]
pub struct Wanted {
    /// As the part's own parameter finds it, in any element.
    pub own: Predicate,
    pub forms: Vec<i64>,
    /// Their keys; empty where a whole system is asked for.
    pub keys: Vec<i64>,
}

impl Wanted {
    /// # Errors
    /// Those of the part's parameter.
    pub fn of(own: &Parameter, value: &str, base: &str, now: Instant) -> Result<Wanted, Issue> {
        let predicate = compile_part(own, value, base, now)?;
        let mut forms = Vec::new();
        collect(&predicate, &mut forms);
        let keys = match own.kind {
            Kind::Token => match Asked::parse(value)? {
                Asked::System(_) => Vec::new(),
                Asked::Code(_) => forms.clone(),
                Asked::Pair(system, code) => {
                    let derived = Asked::Pair(system, code.clone());
                    keys_of(&forms, &derived, code)
                }
                Asked::NoSystem(code) => {
                    let derived = Asked::NoSystem(code.clone());
                    keys_of(&forms, &derived, code)
                }
            },
            _ => forms.clone(),
        };
        Ok(Wanted {
            own: predicate,
            forms,
            keys,
        })
    }

    /// Whether the keys say all: neither a system nor a version or type of a reference.
    pub fn is_exact(&self) -> bool {
        self.keys == self.forms && matches!(self.own, Predicate::Entries(_))
    }
}

/// The forms, with the bare code for the one that is derived from it.
fn keys_of(forms: &[i64], derived: &Asked, code: String) -> Vec<i64> {
    let derived = hash(&derived.entry(""));
    let key = hash(&Asked::Code(code).entry(""));
    let key_of = |form: &i64| if *form == derived { key } else { *form };
    forms.iter().map(key_of).collect()
}

/// The hashes of all entries in a predicate of alternatives.
fn collect(predicate: &Predicate, hashes: &mut Vec<i64>) {
    match predicate {
        Predicate::Entries(entries) => {
            for (_, hash) in entries {
                if !hashes.contains(hash) {
                    hashes.push(*hash);
                }
            }
        }
        Predicate::Present(_) => hashes.push(hash(PRESENT)),
        Predicate::Lookup(lookup) => {
            if let Lookup::BareId { entries, .. } = &**lookup {
                collect(&Predicate::Entries(entries.clone()), hashes);
            }
        }
        // Of a versioned reference: to any version. That its JSON tells the version is asked of
        // the resource beside, by `own`.
        Predicate::And(parts) | Predicate::Or(parts) => {
            parts.iter().for_each(|part| collect(part, hashes));
        }
        _ => {}
    }
}

fn has_implied_system(own: &Parameter) -> bool {
    let mut branches = own.branches.iter();
    branches.any(|branch| branch.leaves().plain.iter().any(Option::is_some))
}
