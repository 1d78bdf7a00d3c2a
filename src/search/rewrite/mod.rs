//! Rewrites: small named functions from a predicate to an equal predicate that the database
//! answers faster, applied in one visible list.
//!
//! None of them is needed for a right answer, so each can be switched off to find out
//! whether it is the one that is wrong.

mod constants;
mod entries;
mod flatten;

use super::plan::{Plan, Predicate};

/// A rewrite of one node whose parts are rewritten already.
type Rewrite = fn(Predicate) -> Predicate;

/// In this order at every node, from the leaves up.
const REWRITES: [(&str, Rewrite); 7] = [
    ("flatten And and Or", flatten::flatten),
    ("take Not apart", flatten::double_negation),
    ("drop Everything, propagate Nothing", constants::constants),
    (
        "merge the alternatives of an Or",
        entries::merge_alternatives,
    ),
    ("merge the ids of an Or", entries::merge_ids),
    (
        "merge the single entries of an And",
        entries::merge_required,
    ),
    ("unwrap lists of one", flatten::unwrap),
];

/// The plan with its filter rewritten.
pub fn rewrite(mut plan: Plan) -> Plan {
    plan.filter = rewrite_predicate(plan.filter);
    plan
}

/// The predicate, rewritten.
pub fn rewrite_predicate(predicate: Predicate) -> Predicate {
    let inner = predicate.map_parts(&mut rewrite_predicate);
    REWRITES
        .iter()
        .fold(inner, |predicate, (_, rewrite)| rewrite(predicate))
}

#[cfg(test)]
mod tests {
    use super::super::index::Slot;
    use super::super::plan::StringTest;
    use super::Predicate::{And, Entries, EveryEntry, Everything, Not, Nothing, Or};
    use super::*;
    use crate::fhir::ResourceType;

    fn slot(name: &str) -> Slot {
        Slot::new(ResourceType::parse("Patient").expect("a type"), name)
    }

    fn entry(name: &str, value: i64) -> Predicate {
        Entries(vec![(slot(name), value)])
    }

    fn name(text: &str) -> Predicate {
        Predicate::String {
            slot: 1,
            test: StringTest::StartsWith(text.to_owned()),
        }
    }

    #[test]
    fn plans_become_simpler_and_stay_equal() {
        let (a, b, c) = (slot("a"), slot("b"), slot("c"));
        for (given, expected) in [
            (And(vec![]), Everything),
            (Or(vec![]), Nothing),
            (And(vec![Everything, entry("a", 1)]), entry("a", 1)),
            (Or(vec![Everything, entry("a", 1)]), Everything),
            (And(vec![Nothing, entry("a", 1)]), Nothing),
            (Or(vec![Nothing, entry("a", 1)]), entry("a", 1)),
            (Not(Box::new(Not(Box::new(entry("a", 1))))), entry("a", 1)),
            (Not(Box::new(Everything)), Nothing),
            (Not(Box::new(Nothing)), Everything),
            (
                And(vec![
                    entry("a", 1),
                    And(vec![entry("b", 2), Or(vec![entry("c", 3)])]),
                ]),
                EveryEntry(vec![(a, 1), (b, 2), (c, 3)]),
            ),
            (
                Or(vec![
                    entry("a", 1),
                    Or(vec![entry("a", 2), name("x")]),
                    entry("b", 1),
                ]),
                Or(vec![Entries(vec![(a, 1), (a, 2), (b, 1)]), name("x")]),
            ),
            (
                And(vec![
                    Or(vec![entry("a", 1), entry("a", 2)]),
                    entry("b", 1),
                    name("x"),
                    entry("c", 1),
                ]),
                And(vec![
                    EveryEntry(vec![(b, 1), (c, 1)]),
                    Entries(vec![(a, 1), (a, 2)]),
                    name("x"),
                ]),
            ),
            (
                And(vec![
                    Not(Box::new(entry("a", 1))),
                    Not(Box::new(entry("a", 2))),
                ]),
                Not(Box::new(Entries(vec![(a, 1), (a, 2)]))),
            ),
            (Entries(vec![]), Nothing),
            (
                Or(vec![
                    Predicate::Id(vec!["a".into()]),
                    Predicate::Id(vec!["b".into()]),
                    Predicate::Id(vec!["a".into()]),
                ]),
                Predicate::Id(vec!["a".into(), "b".into()]),
            ),
        ] {
            assert_eq!(rewrite_predicate(given.clone()), expected, "{given}");
        }
    }
}
