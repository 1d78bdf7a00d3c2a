//! The filters of value sets over the concepts of one code system.
//! <https://hl7.org/fhir/R4/valueset-filter-operator.html>
//!
//! Filters that a system defines for itself (SNOMED CT's `expression`) are not known here.

use super::code_system::{At, CodeSystem};
use fancy_regex::{Regex, RegexBuilder};
use serde_json::Value;
use std::collections::BTreeSet;

/// Steps of one match of a regular expression: what needs more is taken for a trap.
const MAX_STEPS: usize = 100_000;

/// <https://hl7.org/fhir/R4/valueset-filter-operator.html>, and `child-of` of R5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    IsA,
    IsNotA,
    DescendentOf,
    ChildOf,
    Generalizes,
    Equals,
    In,
    NotIn,
    Exists,
    Regex,
}

const OPS: [(&str, Op); 10] = [
    ("is-a", Op::IsA),
    ("is-not-a", Op::IsNotA),
    ("descendent-of", Op::DescendentOf),
    ("child-of", Op::ChildOf),
    ("generalizes", Op::Generalizes),
    ("=", Op::Equals),
    ("in", Op::In),
    ("not-in", Op::NotIn),
    ("exists", Op::Exists),
    ("regex", Op::Regex),
];

impl Op {
    pub fn name(self) -> &'static str {
        let found = OPS.iter().find(|(_, op)| *op == self);
        found.map_or("", |(name, _)| name)
    }

    /// Whether it is about the hierarchy, and so about codes alone.
    fn is_of_hierarchy(self) -> bool {
        matches!(
            self,
            Op::IsA | Op::IsNotA | Op::DescendentOf | Op::ChildOf | Op::Generalizes
        )
    }
}

/// One `filter` as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub property: String,
    pub op: Op,
    pub value: String,
}

impl Condition {
    /// `system`: the URL of the code system, for messages.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn parse(system: &str, filter: &Value) -> Result<Condition, String> {
        let part = |member: &str| {
            let text = filter[member].as_str().filter(|text| !text.is_empty());
            text.ok_or_else(|| format!("a filter of the system `{system}` has no {member}"))
        };
        let (property, op, value) = (part("property")?, part("op")?, part("value")?);
        let of_code = matches!(property, "concept" | "code");
        let known = OPS.iter().find(|(name, _)| *name == op).map(|(_, op)| *op);
        match known.filter(|op| of_code || !op.is_of_hierarchy()) {
            Some(op) => Ok(Condition {
                property: property.to_owned(),
                op,
                value: value.to_owned(),
            }),
            None => Err(format!(
                "a filter `{property} {op}` over the system `{system}` is not supported"
            )),
        }
    }

    /// The values that it lists.
    pub fn values(&self) -> Vec<String> {
        match self.op {
            Op::In | Op::NotIn => self
                .value
                .split(',')
                .map(|one| one.trim().to_owned())
                .collect(),
            _ => vec![self.value.clone()],
        }
    }

    /// The regular expression, which has to match the whole value.
    pub fn pattern(&self) -> String {
        format!("^(?:{})$", self.value)
    }

    /// The codes that it speaks of.
    pub fn names(&self) -> Vec<String> {
        let of_code = matches!(self.property.as_str(), "concept" | "code");
        let of_relation = matches!(self.property.as_str(), "parent" | "child");
        match self.op {
            op if of_code && op.is_of_hierarchy() => vec![self.value.clone()],
            Op::Equals | Op::In | Op::NotIn if of_relation => self.values(),
            _ => Vec::new(),
        }
    }
}

/// One `filter`, ready to be asked of concepts.
#[derive(Debug)]
pub struct Filter {
    property: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    /// The concept is one of these, or is none of them.
    Among(BTreeSet<String>, bool),
    /// One of its values is one of these, or none is.
    Value(Vec<String>, bool),
    Exists(bool),
    Regex(Box<Regex>),
}

impl Filter {
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn compile(system: &CodeSystem, filter: &Value) -> Result<Filter, String> {
        let condition = Condition::parse(&system.url, filter)?;
        let value = condition.value.as_str();
        let test = match condition.op {
            Op::IsA => Test::Among(system.below(value), true),
            Op::IsNotA => Test::Among(system.below(value), false),
            Op::Generalizes => Test::Among(system.above(value), true),
            Op::DescendentOf => {
                let mut below = system.below(value);
                below.retain(|code| !system.same(code, value));
                Test::Among(below, true)
            }
            Op::ChildOf => Test::Among(system.children(value).iter().cloned().collect(), true),
            Op::Equals | Op::In => Test::Value(condition.values(), true),
            Op::NotIn => Test::Value(condition.values(), false),
            Op::Exists => Test::Exists(value == "true"),
            Op::Regex => Test::Regex(Box::new(whole(&condition)?)),
        };
        Ok(Filter {
            property: condition.property,
            test,
        })
    }

    /// # Errors
    /// A regular expression needs too many steps.
    pub fn passes(&self, system: &CodeSystem, at: At) -> Result<bool, String> {
        let values = || system.values(at, &self.property);
        Ok(match &self.test {
            Test::Among(codes, wanted) => codes.contains(&system.concepts[at].code) == *wanted,
            Test::Value(listed, wanted) => {
                let among = |value: &String| listed.iter().any(|one| self.same(system, value, one));
                values().iter().any(among) == *wanted
            }
            Test::Exists(wanted) => values().is_empty() != *wanted,
            Test::Regex(regex) => {
                for value in values() {
                    let matched = regex.is_match(&value);
                    let matched = matched.map_err(|_| {
                        format!(
                            "the regular expression of a filter over `{}` needs too many steps",
                            system.url
                        )
                    })?;
                    if matched {
                        return Ok(true);
                    }
                }
                false
            }
        })
    }

    fn same(&self, system: &CodeSystem, left: &str, right: &str) -> bool {
        match self.property.as_str() {
            "code" | "concept" | "parent" | "child" => system.same(left, right),
            _ => left == right,
        }
    }
}

fn whole(condition: &Condition) -> Result<Regex, String> {
    let compiled = RegexBuilder::new(&condition.pattern())
        .backtrack_limit(MAX_STEPS)
        .build();
    compiled.map_err(|error| {
        format!(
            "the regular expression {:?} of a filter is none: {error}",
            condition.value
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::code_system::tests::animals;
    use super::*;
    use serde_json::json;

    #[test]
    fn filters_of_value_sets() {
        let system = CodeSystem::of(&animals());
        for (property, op, value, expected) in [
            ("concept", "is-a", "dog", Some("dog beagle")),
            ("code", "descendent-of", "dog", Some("beagle")),
            ("concept", "child-of", "animal", Some("dog cat hamster")),
            ("concept", "is-not-a", "animal", Some("pet x y")),
            (
                "concept",
                "generalizes",
                "beagle",
                Some("animal dog beagle"),
            ),
            ("concept", "=", "cat", Some("cat")),
            ("concept", "in", "cat, dog", Some("dog cat")),
            (
                "purrs",
                "not-in",
                "true",
                Some("animal dog beagle pet hamster x y"),
            ),
            ("parent", "=", "animal", Some("dog cat hamster")),
            ("child", "exists", "true", Some("animal dog pet x y")),
            ("purrs", "=", "true", Some("cat")),
            ("purrs", "exists", "true", Some("cat")),
            ("concept", "regex", "c.*", Some("cat")),
            ("concept", "regex", "a", Some("")),
            ("concept", "regex", "(", None),
            ("purrs", "is-a", "cat", None),
            ("concept", "=", "", None),
        ] {
            let filter = json!({"property": property, "op": op, "value": value});
            let found = Filter::compile(&system, &filter).ok().map(|filter| {
                let passes = |at: &At| filter.passes(&system, *at).expect("few steps");
                let codes = (0..system.concepts.len()).filter(passes);
                let codes = codes.map(|at| system.concepts[at].code.as_str());
                codes.collect::<Vec<_>>().join(" ")
            });
            assert_eq!(found.as_deref(), expected, "{property} {op} {value}");
        }
    }

    #[test]
    fn a_trap_ends() {
        let code = "a".repeat(40);
        let system = json!({"content": "complete", "concept": [{"code": format!("{code}!")}]});
        let system = CodeSystem::of(&system);
        let filter = json!({"property": "code", "op": "regex", "value": "(a|aa)+(?=b)c"});
        let filter = Filter::compile(&system, &filter).expect("compiles");
        assert!(!matches!(filter.passes(&system, 0), Ok(true)));
    }
}
