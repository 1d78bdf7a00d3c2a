//! A MeasureReport beside the Measure that it reports on, where that is known.
//! <https://hl7.org/fhir/R4/measurereport.html>, <https://hl7.org/fhir/R4/measure.html>
//!
//! Groups, their populations and their stratifiers are matched by code; where the Measure has
//! one without a code and the report has one, they match as well. Subjects are listed in
//! reports of type `subject-list` only, and a cohort has no score. Strata are not looked into:
//! their populations need not be those of the group. Criteria are not evaluated.

use serde_json::Value;

use super::walk::Walk;
use crate::error::Issue;

impl Walk<'_> {
    pub(super) fn measure_report(&mut self, report: &Value, path: &str) {
        let canonical = text(report, "measure");
        let Some(measure) = canonical.and_then(|url| self.profiles.find_given("Measure", url))
        else {
            return;
        };
        let scoring = measure.pointer("/scoring/coding");
        let mut scoring = scoring.and_then(Value::as_array).into_iter().flatten();
        let is_cohort = scoring.any(|coding| text(coding, "code") == Some("cohort"));
        let matched = self.matched("group", &measure, report, path);
        for (at, group) in list(report, "group").enumerate() {
            let place = format!("{path}.group[{at}]");
            if is_cohort && group.get("measureScore").is_some() {
                let text = "expected no score of a cohort but found one";
                self.report(
                    Issue::error("business-rule", text),
                    &format!("{place}.measureScore"),
                );
            }
            self.populations(report, group, &place);
            if let Some(Some(asked)) = matched.get(at) {
                self.matched("population", asked, group, &place);
                self.matched("stratifier", asked, group, &place);
            }
        }
    }

    fn populations(&mut self, report: &Value, group: &Value, path: &str) {
        let is_list = text(report, "type") == Some("subject-list");
        for (at, population) in list(group, "population").enumerate() {
            if population.get("subjectResults").is_some() && !is_list {
                let text =
                    "expected subjects in reports of type subject-list only but found them here";
                self.report(
                    Issue::error("business-rule", text),
                    &format!("{path}.population[{at}]"),
                );
            }
            let subjects = population
                .pointer("/subjectResults/reference")
                .and_then(Value::as_str);
            let subjects = subjects.and_then(|reference| listed(report, reference));
            let count = population.get("count").and_then(Value::as_u64);
            if let (Some(found), Some(count)) = (subjects, count)
                && found as u64 != count
            {
                let text =
                    format!("expected as many subjects as are counted, {count}, but found {found}");
                self.report(
                    Issue::error("business-rule", text),
                    &format!("{path}.population[{at}]"),
                );
            }
        }
    }

    /// For each part of a report the part of the Measure that it is about.
    fn matched<'m>(
        &mut self,
        name: &str,
        measure: &'m Value,
        report: &Value,
        path: &str,
    ) -> Vec<Option<&'m Value>> {
        let asked: Vec<&Value> = list(measure, name).collect();
        let given: Vec<&Value> = list(report, name).collect();
        let is_only_one = asked.len() == 1 && given.len() == 1;
        let is_about = |asked: &Value, given: &Value| match (asked.get("code"), given.get("code")) {
            // The report may say several codes of a stratifier.
            (Some(asked), Some(Value::Array(given))) => {
                given.iter().any(|given| is_same_concept(asked, given))
            }
            (Some(asked), Some(given)) => is_same_concept(asked, given),
            (None, None) => is_only_one,
            _ => false,
        };
        let mut matched = Vec::with_capacity(given.len());
        for (at, given) in given.iter().enumerate() {
            let found = asked.iter().find(|asked| is_about(asked, given));
            if found.is_none() {
                let text =
                    format!("expected a {name} with a code of the measure but found another");
                self.report(
                    Issue::error("business-rule", text),
                    &format!("{path}.{name}[{at}]"),
                );
            }
            matched.push(found.copied());
        }
        // Populations may be left out: what was not counted is not told.
        let is_missing = |asked: &Value| !given.iter().any(|given| is_about(asked, given));
        if name != "population" && asked.iter().any(|asked| is_missing(asked)) {
            let text = format!("expected each {name} of the measure but found that one is missing");
            self.report(Issue::error("business-rule", text), path);
        }
        matched
    }
}

/// How many subjects a reference lists: those of a contained List, else the one it means. Of a
/// List elsewhere nothing is known.
fn listed(report: &Value, reference: &str) -> Option<usize> {
    let Some(id) = reference.strip_prefix('#') else {
        return (!reference.contains("List/")).then_some(1);
    };
    let list_of = list(report, "contained").find(|one| text(one, "id") == Some(id))?;
    Some(list(list_of, "entry").count())
}

/// Whether two CodeableConcepts share a coding, or a text where one has no codings.
fn is_same_concept(left: &Value, right: &Value) -> bool {
    let is_same = |one: &Value, other: &Value| {
        ["system", "code"]
            .iter()
            .all(|name| one.get(*name) == other.get(*name))
    };
    let mut codings = list(left, "coding");
    let shares = codings.any(|one| list(right, "coding").any(|other| is_same(one, other)));
    let has_none = list(left, "coding").next().is_none() || list(right, "coding").next().is_none();
    shares || has_none && left.get("text").is_some() && left.get("text") == right.get("text")
}

fn list<'v>(of: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(of: &'v Value, name: &str) -> Option<&'v str> {
    of.get(name)?.as_str()
}
