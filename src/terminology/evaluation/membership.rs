//! Whether one code is in a value set, in three answers.

use super::super::code_system::items;
use super::super::version::{is_pattern, is_version};
use super::super::{Membership, Problem};
use super::{Evaluation, MAX_DEPTH, filters, passes};
use serde_json::Value;

/// The code that is asked for.
#[derive(Clone, Copy)]
struct Asked<'q> {
    system: &'q str,
    version: Option<&'q str>,
    code: &'q str,
}

impl Evaluation<'_> {
    /// Whether a code is in a value set. `version`: that of the coding, which has to be the
    /// one that the set means where both name one.
    ///
    /// # Errors
    /// `NotFound`, `NotSupported`, `Invalid`, `TooCostly`: what is not known makes an answer,
    /// not an error.
    pub fn membership(
        &self,
        value_set: &Value,
        system: &str,
        version: Option<&str>,
        code: &str,
    ) -> Result<Membership, Problem> {
        let asked = Asked {
            system,
            version,
            code,
        };
        self.holds(value_set, asked, MAX_DEPTH)
    }

    fn holds(
        &self,
        value_set: &Value,
        asked: Asked<'_>,
        depth: usize,
    ) -> Result<Membership, Problem> {
        let depth = self.visit(value_set, depth)?;
        let compose = &value_set["compose"];
        let in_expansion = || {
            let (members, is_whole) = self.expanded(&value_set["expansion"])?;
            let has = members.has(asked.system, asked.version, asked.code);
            Some(match has || is_whole {
                true => Membership::from(has),
                false => Membership::Unknown,
            })
        };
        if compose.is_null() {
            return Ok(in_expansion().unwrap_or(Membership::Unknown));
        }
        let mut found = Membership::No;
        for include in items(&compose["include"]) {
            found = found.or(self.part_holds(value_set, include, asked, depth)?);
        }
        for exclude in items(&compose["exclude"]) {
            found = found.and(!self.part_holds(value_set, exclude, asked, depth)?);
        }
        if compose["inactive"] == false
            && found == Membership::Yes
            && self.is_inactive(compose, asked)
        {
            found = Membership::No;
        }
        match found {
            Membership::Unknown => Ok(in_expansion().unwrap_or(Membership::Unknown)),
            found => Ok(found),
        }
    }

    fn is_inactive(&self, compose: &Value, asked: Asked<'_>) -> bool {
        let mut includes = items(&compose["include"]).filter(|one| one["system"] == asked.system);
        includes.any(|include| {
            let found = self.system(asked.system, include).ok().flatten();
            found.is_some_and(|found| {
                let at = found.find(asked.code);
                at.is_some_and(|at| found.is_inactive(at))
            })
        })
    }

    fn part_holds(
        &self,
        value_set: &Value,
        include: &Value,
        asked: Asked<'_>,
        depth: usize,
    ) -> Result<Membership, Problem> {
        let mut found = match include["system"].as_str() {
            Some(system) if system == asked.system => self.system_holds(include, asked)?,
            Some(_) => return Ok(Membership::No),
            None => Membership::Yes,
        };
        let mut imported = items(&include["valueSet"])
            .filter_map(Value::as_str)
            .peekable();
        if include["system"].is_null() && imported.peek().is_none() {
            return Ok(Membership::No);
        }
        for canonical in imported {
            found = found.and(self.holds(self.value_set(value_set, canonical)?, asked, depth)?);
        }
        Ok(found)
    }

    fn system_holds(&self, include: &Value, asked: Asked<'_>) -> Result<Membership, Problem> {
        let found = self.system(asked.system, include)?;
        let meant = found
            .and_then(|found| found.version.as_deref())
            .or(include["version"].as_str());
        // Of several versions that an include allows, the newest stands for all.
        let named = include["version"].as_str();
        let allows = |version: &str| {
            named.is_some_and(|named| is_pattern(named) && is_version(version, named))
        };
        if let (Some(asked), Some(meant)) = (asked.version, meant)
            && !allows(asked)
            && !is_version(meant, asked)
        {
            return Ok(Membership::No);
        }
        let at = found.and_then(|found| found.find(asked.code));
        if at.is_none() && found.is_some_and(|found| found.is_complete) {
            return Ok(Membership::No);
        }
        if include["concept"].is_array() {
            let same = |code: &str| match found {
                Some(found) => found.same(code, asked.code),
                None => code == asked.code,
            };
            let mut codes = items(&include["concept"]).filter_map(|one| one["code"].as_str());
            return Ok(codes.any(same).into());
        }
        let (Some(found), Some(at)) = (found, at) else {
            return Ok(Membership::Unknown);
        };
        if !found.is_complete {
            // What is above or below a concept may lie in the part that is not here.
            let is_filtered = items(&include["filter"]).next().is_some();
            return Ok(match is_filtered {
                true => Membership::Unknown,
                false => Membership::Yes,
            });
        }
        Ok(passes(&filters(found, include)?, found, at)?.into())
    }
}
