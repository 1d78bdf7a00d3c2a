//! Which concepts of one code system a value set has, as a condition: what SQL asks of a system
//! in tables, whatever else the value set draws on.

use super::super::code_system::{CodeSystem, items};
use super::super::filter::Condition;
use super::super::{Problem, Reason};
use super::{Evaluation, MAX_DEPTH, named};
use serde_json::Value;
use std::collections::BTreeSet;

/// A condition on the concepts of a code system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    Everything,
    Nothing,
    /// Concepts that are in use.
    Active,
    Codes(Vec<String>),
    Filter(Condition),
    Not(Box<Selection>),
    And(Vec<Selection>),
    Or(Vec<Selection>),
}

impl Selection {
    pub fn and(self, other: Selection) -> Selection {
        match (self, other) {
            (Selection::Nothing, _) | (_, Selection::Nothing) => Selection::Nothing,
            (Selection::Everything, part) | (part, Selection::Everything) => part,
            (Selection::And(mut parts), part) => {
                parts.push(part);
                Selection::And(parts)
            }
            (left, right) => Selection::And(vec![left, right]),
        }
    }

    pub fn or(self, other: Selection) -> Selection {
        match (self, other) {
            (Selection::Everything, _) | (_, Selection::Everything) => Selection::Everything,
            (Selection::Nothing, part) | (part, Selection::Nothing) => part,
            (Selection::Codes(mut codes), Selection::Codes(more)) => {
                codes.extend(more);
                Selection::Codes(codes)
            }
            (Selection::Or(mut parts), part) => {
                parts.push(part);
                Selection::Or(parts)
            }
            (left, right) => Selection::Or(vec![left, right]),
        }
    }

    /// The codes that its conditions speak of as concepts.
    pub fn name(&self, found: &mut BTreeSet<String>) {
        match self {
            Selection::Filter(condition) => found.extend(condition.names()),
            Selection::Not(part) => part.name(found),
            Selection::And(parts) | Selection::Or(parts) => {
                parts.iter().for_each(|part| part.name(found));
            }
            _ => {}
        }
    }
}

impl std::ops::Not for Selection {
    type Output = Selection;

    fn not(self) -> Selection {
        match self {
            Selection::Everything => Selection::Nothing,
            Selection::Nothing => Selection::Everything,
            Selection::Not(part) => *part,
            part => Selection::Not(Box::new(part)),
        }
    }
}

impl Evaluation<'_> {
    /// The concepts of this system that the value set has.
    ///
    /// # Errors
    /// Any [`Problem`].
    pub fn selection(&self, value_set: &Value, system: &CodeSystem) -> Result<Selection, Problem> {
        self.selected(value_set, system, false, MAX_DEPTH)
    }

    /// `is_excluded`: what the value set is asked for is taken out of another, in whatever
    /// version it has it.
    fn selected(
        &self,
        value_set: &Value,
        system: &CodeSystem,
        is_excluded: bool,
        depth: usize,
    ) -> Result<Selection, Problem> {
        let depth = self.visit(value_set, depth)?;
        let compose = &value_set["compose"];
        if compose.is_null() {
            return self.expanded_codes(value_set, system);
        }
        let mut all = Selection::Nothing;
        for include in items(&compose["include"]) {
            all = all.or(self.part_of(value_set, include, system, is_excluded, depth)?);
        }
        for exclude in items(&compose["exclude"]) {
            all = all.and(!self.part_of(value_set, exclude, system, true, depth)?);
        }
        if compose["inactive"] == false {
            all = all.and(Selection::Active);
        }
        Ok(all)
    }

    fn part_of(
        &self,
        value_set: &Value,
        include: &Value,
        system: &CodeSystem,
        is_excluded: bool,
        depth: usize,
    ) -> Result<Selection, Problem> {
        let value_sets = || items(&include["valueSet"]).filter_map(Value::as_str);
        let mut part = match include["system"].as_str() {
            Some(url) if url == system.url => {
                let found = self.system(url, include)?;
                let same = found.is_some_and(|found| found.version == system.version);
                match same || is_excluded {
                    true => of_system(system, include)?,
                    false => return Ok(Selection::Nothing),
                }
            }
            Some(_) => return Ok(Selection::Nothing),
            None if value_sets().next().is_none() => return Ok(Selection::Nothing),
            None => Selection::Everything,
        };
        for canonical in value_sets() {
            let other = self.value_set(value_set, canonical)?;
            part = part.and(self.selected(other, system, is_excluded, depth)?);
        }
        Ok(part)
    }

    /// A value set without a definition is its expansion.
    fn expanded_codes(&self, value_set: &Value, system: &CodeSystem) -> Result<Selection, Problem> {
        let members = self.listed(&value_set["expansion"]).ok_or_else(|| {
            let text = format!(
                "the value set `{}` has neither a definition nor a whole expansion",
                named(value_set)
            );
            Problem::new(Reason::NotKnown, text)
        })?;
        let members = members.into_list().into_iter();
        let codes: Vec<String> = members
            .filter(|member| member.system == system.url)
            .map(|member| member.code)
            .collect();
        Ok(match codes.is_empty() {
            true => Selection::Nothing,
            false => Selection::Codes(codes),
        })
    }
}

fn of_system(system: &CodeSystem, include: &Value) -> Result<Selection, Problem> {
    if include["concept"].is_array() {
        let codes = items(&include["concept"]).filter_map(|one| one["code"].as_str());
        return Ok(Selection::Codes(codes.map(str::to_owned).collect()));
    }
    let mut all = Selection::Everything;
    for filter in items(&include["filter"]) {
        let condition = Condition::parse(&system.url, filter);
        let condition = condition.map_err(|text| Problem::new(Reason::Invalid, text))?;
        all = all.and(Selection::Filter(condition));
    }
    Ok(all)
}
