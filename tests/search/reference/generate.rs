//! Draws queries: every parameter of every type that the data has, every modifier, prefix
//! and form of value, chains and `_has` and composites, in every combination.

use super::ledger;
use super::literals;
use super::pointing::{Points, target};
use super::query::{Include, Query, Scope, Term};
use super::random::Random;
use super::world::{Element, Record, Subject, World};
use andiron::definitions::{SearchParameter, SearchParameterType as Kind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How deep chains go.
const DEEPEST: usize = 3;

pub struct Draw<'w> {
    world: &'w World,
    random: Random,
    kinds: Vec<&'w str>,
    /// By type, who refers to it: type and parameter.
    referrers: BTreeMap<String, Vec<(String, String)>>,
}

impl<'w> Draw<'w> {
    pub fn new(world: &'w World, seed: u64) -> Draw<'w> {
        let kinds: BTreeSet<&str> = world.records.iter().map(|r| r.kind.as_str()).collect();
        Draw {
            world,
            random: Random::seeded(seed),
            kinds: kinds.into_iter().collect(),
            referrers: referrers(world),
        }
    }

    /// The next query.
    pub fn query(&mut self) -> Query {
        loop {
            let scope = self.scope();
            let kinds = match &scope {
                Scope::Types(kinds) => kinds.clone(),
                Scope::Compartment { kind, .. } => kind.iter().cloned().collect(),
            };
            let wanted = 1 + self.random.below(5).saturating_sub(2);
            let mut terms = Vec::new();
            for _ in 0..wanted {
                terms.extend(self.term_of_all(&kinds));
            }
            let is_compartment = matches!(scope, Scope::Compartment { .. });
            if terms.is_empty() && !is_compartment {
                continue;
            }
            let sort = match self.random.percent(20) {
                true => self.sort(&kinds),
                false => Vec::new(),
            };
            let includes = match kinds.as_slice() {
                [kind] if self.random.percent(9) => self.includes(kind),
                _ => Vec::new(),
            };
            let plain = matches!(&scope, Scope::Types(kinds) if kinds.len() == 1);
            return Query {
                scope,
                terms,
                sort,
                includes,
                total: self.random.percent(15),
                post: plain && self.random.percent(5),
            };
        }
    }

    /// Half of the time by resource, so that common types are common; else every type alike.
    fn kind(&mut self) -> String {
        let world = self.world;
        let by_record = self
            .random
            .percent(50)
            .then(|| self.random.pick(&world.records));
        match by_record.flatten() {
            Some(record) => record.kind.clone(),
            None => (*self.random.pick(&self.kinds).expect("there are types")).to_owned(),
        }
    }

    fn scope(&mut self) -> Scope {
        match self.random.below(100) {
            0 => Scope::Types(Vec::new()),
            1..4 => {
                let kinds: BTreeSet<String> = (0..3).map(|_| self.kind()).collect();
                Scope::Types(kinds.into_iter().collect())
            }
            4..8 => self
                .compartment()
                .unwrap_or_else(|| Scope::Types(vec![self.kind()])),
            _ => Scope::Types(vec![self.kind()]),
        }
    }

    fn compartment(&mut self) -> Option<Scope> {
        let owners = [
            "Patient",
            "Patient",
            "Encounter",
            "Practitioner",
            "Device",
            "RelatedPerson",
        ];
        let owner = *self.random.pick(&owners)?;
        let id = self.record(owner)?.id.clone();
        let compartment = self.world.definitions.compartment(owner)?;
        let kinds: Vec<&String> = compartment.resources.keys().collect();
        let stored: Vec<&&String> = kinds
            .iter()
            .filter(|k| self.kinds.contains(&k.as_str()))
            .collect();
        let kind = match self.random.percent(25) {
            true => None,
            false => Some((**self.random.pick(&stored)?).to_owned()),
        };
        Some(Scope::Compartment {
            owner: owner.to_owned(),
            id,
            kind,
        })
    }

    fn record(&mut self, kind: &str) -> Option<&'w Record> {
        let of_kind: Vec<&Record> = self
            .world
            .records
            .iter()
            .filter(|r| r.kind == kind)
            .collect();
        self.random.pick(&of_kind).copied()
    }

    /// A term that all these types understand.
    fn term_of_all(&mut self, kinds: &[String]) -> Option<Term> {
        let Some(first) = self.random.pick(kinds).cloned() else {
            let kind = self.kind();
            return self.plain_of(&kind, |p| p.code.starts_with('_'));
        };
        let term = self.term(&first, 0)?;
        let known = |kind: &String| {
            kinds.len() == 1
                || super::condition::compile(self.world, kind, &term.name, &term.values).is_ok()
        };
        kinds.iter().all(known).then_some(term)
    }

    fn term(&mut self, kind: &str, depth: usize) -> Option<Term> {
        let roll = self.random.below(100);
        for _ in 0..12 {
            let drawn = match roll {
                0..13 if depth < DEEPEST => self.chain(kind, depth),
                13..22 if depth < DEEPEST => self.has(kind, depth),
                _ => self.plain(kind),
            };
            if drawn.is_some() {
                return drawn;
            }
        }
        self.plain(kind)
    }

    fn parameter(
        &mut self,
        kind: &str,
        fits: impl Fn(&SearchParameter) -> bool,
    ) -> Option<Arc<SearchParameter>> {
        let all = self.world.definitions.search_parameters_for(kind);
        let fitting: Vec<&Arc<SearchParameter>> = all
            .iter()
            .filter(|p| p.expression.is_some() && p.kind != Kind::Special && fits(p))
            .collect();
        // Most of the parameters of all types are about `meta`, which few examples have.
        let own: Vec<&Arc<SearchParameter>> = fitting
            .iter()
            .filter(|p| !p.code.starts_with('_'))
            .copied()
            .collect();
        let from = if self.random.percent(85) {
            own
        } else {
            fitting
        };
        self.random.pick(&from).map(|p| (*p).clone())
    }

    fn plain(&mut self, kind: &str) -> Option<Term> {
        // What few types have, or few do with it, comes more often than it is there.
        let rare = |p: &SearchParameter| match p.kind {
            Kind::Composite | Kind::Uri | Kind::Quantity | Kind::Number => true,
            _ => p.code == "identifier",
        };
        let seldom = self.random.percent(12);
        self.plain_of(kind, |p| !seldom || rare(p))
    }

    fn plain_of(&mut self, kind: &str, fits: impl Fn(&SearchParameter) -> bool) -> Option<Term> {
        let parameter = self.parameter(kind, fits)?;
        let modifier = self.modifier(&parameter);
        let wanted = match self.random.below(10) {
            0..7 => 1,
            7..9 => 2,
            _ => 3 + self.random.below(3),
        };
        let wanted = if modifier.as_deref() == Some("missing") {
            1
        } else {
            wanted
        };
        let mut values: Vec<String> = Vec::new();
        for _ in 0..wanted * 4 {
            if values.len() == wanted {
                break;
            }
            let drawn = match parameter.kind {
                Kind::Composite => self.tuple(kind, &parameter),
                _ => self.value(kind, &parameter, modifier.as_deref()),
            };
            values.extend(drawn.filter(|value| !value.is_empty() && !value.contains('\0')));
        }
        let name = match modifier {
            Some(modifier) => format!("{}:{modifier}", parameter.code),
            None => parameter.code.clone(),
        };
        (!values.is_empty()).then_some(Term { name, values })
    }

    fn modifier(&mut self, parameter: &SearchParameter) -> Option<String> {
        let known: &[&str] = match parameter.kind {
            Kind::Composite | Kind::Special => return None,
            _ if self.random.percent(8) => return Some("missing".to_owned()),
            Kind::String => &["exact", "contains", "contains", "text"],
            Kind::Token if parameter.code == "_id" => &["not"],
            Kind::Token if parameter.code == "identifier" => &["not", "text", "of-type"],
            Kind::Token if parameter.code.contains("type") => &["not", "in", "above", "below"],
            Kind::Token => &["not", "not", "text", "in", "not-in"],
            Kind::Uri => &["above", "below"],
            Kind::Reference => {
                if self.random.percent(10) {
                    return Some("identifier".to_owned());
                }
                let targets: &[String] = &parameter.target;
                let kind = self
                    .random
                    .percent(25)
                    .then(|| self.random.pick(targets).cloned());
                return kind.flatten();
            }
            Kind::Date | Kind::Number | Kind::Quantity => return None,
        };
        let modifier = self.random.percent(35).then(|| self.random.pick(known));
        modifier.flatten().map(|modifier| (*modifier).to_owned())
    }

    fn value(
        &mut self,
        kind: &str,
        parameter: &SearchParameter,
        modifier: Option<&str>,
    ) -> Option<String> {
        for _ in 0..6 {
            let record = self.record(kind)?;
            let values = self.world.values(Subject::whole(&record.json), parameter);
            let Some(element) = self.random.pick(&values) else {
                if modifier == Some("missing") {
                    return Some(
                        if self.random.percent(50) {
                            "true"
                        } else {
                            "false"
                        }
                        .to_owned(),
                    );
                }
                continue;
            };
            return literals::draw(&mut self.random, self.world, parameter, modifier, element);
        }
        None
    }

    /// The parts of one element; sometimes those of several, which fit none.
    fn tuple(&mut self, kind: &str, parameter: &SearchParameter) -> Option<String> {
        let record = self.record(kind)?;
        let tuples = self.world.tuples(Subject::whole(&record.json), parameter);
        let mut parts = Vec::new();
        let mixed = self.random.percent(20);
        let mut tuple = self.random.pick(&tuples)?;
        for (at, component) in parameter.component.iter().enumerate() {
            if mixed {
                tuple = self.random.pick(&tuples)?;
            }
            let element: &Element = self.random.pick(tuple.get(at)?)?;
            let definition = self
                .world
                .definitions
                .search_parameter_by_url(&component.definition)?;
            let drawn = literals::draw(&mut self.random, self.world, definition, None, element)?;
            parts.push(drawn);
        }
        Some(parts.join("$"))
    }

    /// Follows a reference that a resource really has.
    fn chain(&mut self, kind: &str, depth: usize) -> Option<Term> {
        let parameter = self.parameter(kind, |p| p.kind == Kind::Reference)?;
        let record = self.record(kind)?;
        let values = self.world.values(Subject::whole(&record.json), &parameter);
        let element = self.random.pick(&values)?;
        let found = match target(element, self.world) {
            Points::Local(kind, _) => kind,
            Points::Contained(id) => {
                let contained = record.json["contained"].as_array()?;
                let one = contained
                    .iter()
                    .find(|one| one["id"].as_str() == Some(&id))?;
                one["resourceType"].as_str()?.to_owned()
            }
            Points::Elsewhere(_) if element.is_uri => self.random.pick(&parameter.target)?.clone(),
            Points::Elsewhere(_) | Points::Nothing => return None,
        };
        if !parameter.target.contains(&found) && !parameter.target.is_empty() {
            return None;
        }
        let term = self.term(&found, depth + 1)?;
        let modified = term.name.contains(':');
        let differ = modified || ledger::differ(self.world, &parameter, &term.name);
        let untyped = parameter.target.len() == 1 || !differ && self.random.percent(25);
        let colon = if untyped {
            String::new()
        } else {
            format!(":{found}")
        };
        Some(Term {
            name: format!("{}{colon}.{}", parameter.code, term.name),
            values: term.values,
        })
    }

    fn has(&mut self, kind: &str, depth: usize) -> Option<Term> {
        let referrers = self.referrers.get(kind)?;
        let (source, code) = self.random.pick(referrers)?.clone();
        if source == "Bundle" {
            // What stands in a Bundle is no resource of its own: this is refused.
            return None;
        }
        let term = self.term(&source, depth + 1)?;
        Some(Term {
            name: format!("_has:{source}:{code}:{}", term.name),
            values: term.values,
        })
    }

    fn includes(&mut self, kind: &str) -> Vec<Include> {
        let mut all: Vec<Include> = Vec::new();
        let mut at = kind.to_owned();
        for step in 0..1 + self.random.below(3) {
            let Some(include) = self.include(&at, step > 0) else {
                break;
            };
            at = match (include.reverse, &include.target) {
                (true, _) => include.source.clone(),
                (false, Some(target)) => target.clone(),
                (false, None) => self.kind(),
            };
            if !all.contains(&include) {
                all.push(include);
            }
        }
        all
    }

    /// An include of, or into, resources of that type.
    fn include(&mut self, kind: &str, later: bool) -> Option<Include> {
        let iterate = later || self.random.percent(20);
        if self.random.percent(40) {
            let (source, code) = self.random.pick(self.referrers.get(kind)?)?.clone();
            let target = self.random.percent(30).then(|| kind.to_owned());
            return Some(Include {
                reverse: true,
                iterate,
                source,
                code,
                target,
            });
        }
        let parameter = self.parameter(kind, |p| p.kind == Kind::Reference)?;
        let all = self.random.percent(15);
        let target = self.random.pick(&parameter.target).cloned();
        let target = target.filter(|_| !all && self.random.percent(40));
        Some(Include {
            reverse: false,
            iterate,
            source: kind.to_owned(),
            code: if all {
                "*".to_owned()
            } else {
                parameter.code.clone()
            },
            target,
        })
    }

    fn sort(&mut self, kinds: &[String]) -> Vec<String> {
        let Some(kind) = kinds.first() else {
            return Vec::new();
        };
        // Several types have to know it alike.
        let world = self.world;
        let is_of_all = |p: &SearchParameter| {
            let of = |kind: &String| world.parameter(kind, &p.code).map(|other| other.kind);
            kinds.iter().all(|kind| of(kind) == Some(p.kind))
        };
        let wanted = if self.random.percent(30) { 2 } else { 1 };
        let mut keys = Vec::new();
        for _ in 0..wanted {
            let code = match self.random.below(10) {
                0 => Some("_id".to_owned()),
                1 => Some("_lastUpdated".to_owned()),
                _ => {
                    // A whole resource in the place of a reference has no order.
                    let is_whole = |p: &SearchParameter| {
                        let expression = p.expression.as_deref().unwrap_or_default();
                        expression.ends_with(".resource")
                    };
                    let sortable = |p: &SearchParameter| {
                        p.kind != Kind::Composite && !is_whole(p) && is_of_all(p)
                    };
                    self.parameter(kind, sortable).map(|p| p.code.clone())
                }
            };
            let code = code.filter(|code| {
                !keys
                    .iter()
                    .any(|k: &String| k.trim_start_matches('-') == code)
            });
            let sign = if self.random.percent(50) { "-" } else { "" };
            keys.extend(code.map(|code| format!("{sign}{code}")));
        }
        keys
    }
}

/// Who really refers to whom.
fn referrers(world: &World) -> BTreeMap<String, Vec<(String, String)>> {
    let mut found: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for record in &world.records {
        let all = world.definitions.search_parameters_for(&record.kind).iter();
        for parameter in all.filter(|p| p.kind == Kind::Reference) {
            let values = world.values(Subject::whole(&record.json), parameter);
            for element in values.iter() {
                if let Points::Local(kind, id) = target(element, world)
                    && (parameter.target.is_empty() || parameter.target.contains(&kind))
                    && world.find(&format!("{kind}/{id}")).is_some()
                {
                    let referrer = (record.kind.clone(), parameter.code.clone());
                    found.entry(kind).or_default().insert(referrer);
                }
            }
        }
    }
    let found = found.into_iter();
    found
        .map(|(kind, all)| (kind, all.into_iter().collect()))
        .collect()
}
