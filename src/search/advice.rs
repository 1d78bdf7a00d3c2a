//! What would make a search cheaper that took too long, by what its plan has to read.
//!
//! It says which part of the query is dear, never how much: that is for `_explain` to show.

use super::plan::{Plan, Predicate, SortBy};

/// Advice for the caller of a search that was given up, for a person.
pub fn advice(plan: &Plan) -> String {
    let mut advice = Vec::new();
    if finds_few(&plan.filter) {
        advice.push("ask for less at once, such as a smaller `_count`");
    } else {
        advice.push(
            "add a parameter that few resources pass, such as `identifier`, `patient` or a range \
             of dates",
        );
    }
    if any(&plan.filter, &|part| {
        matches!(part, Predicate::Words { .. })
    }) {
        advice.push("`_text` and `_content` read each resource that the rest of the query leaves");
    }
    if any(&plan.filter, &|part| {
        matches!(part, Predicate::Json { .. } | Predicate::Element(_))
    }) {
        advice.push(
            "modifiers that look for text, and filters within a path of `_filter`, read each \
             resource that the rest leaves",
        );
    }
    let is_step = |part: &Predicate| {
        matches!(
            part,
            Predicate::Refers { .. } | Predicate::Referred { .. } | Predicate::Lookup(_)
        )
    };
    if any(&plan.filter, &is_step) {
        advice.push("let a chain or `_has` end at fewer resources");
    }
    let by_json = |by: &SortBy| matches!(by, SortBy::Json(_));
    if plan.sort.iter().any(|key| by_json(&key.by)) {
        advice.push("`_sort` by a token, a reference or a uri reads every match; dates do not");
    }
    if !plan.includes.is_empty() {
        advice.push("ask for fewer `_include` and `_revinclude`");
    }
    advice.push("`_explain=true` shows how the search is run");
    format!("To make it shorter: {}.", advice.join("; "))
}

/// Whether it names resources, so that there is no better filter to add.
fn finds_few(filter: &Predicate) -> bool {
    let names = |part: &Predicate| matches!(part, Predicate::Id(_) | Predicate::Keys(_));
    match filter {
        Predicate::And(parts) => parts.iter().any(names),
        one => names(one),
    }
}

fn any(filter: &Predicate, test: &dyn Fn(&Predicate) -> bool) -> bool {
    test(filter)
        || match filter {
            Predicate::And(parts) | Predicate::Or(parts) => {
                parts.iter().any(|part| any(part, test))
            }
            Predicate::Not(part) => any(part, test),
            Predicate::Refers { filter, .. } | Predicate::Referred { filter, .. } => {
                any(filter, test)
            }
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::plan::{SortKey, Total, Words};

    #[test]
    fn advice_names_the_dear_part() {
        let words = Predicate::Words {
            within: Words::Content,
            query: "x".to_owned(),
        };
        let by_code = SortKey {
            by: SortBy::Json(Vec::new()),
            descending: false,
        };
        let id = Predicate::Id(vec!["a".to_owned()]);
        for (filter, sort, expected, unexpected) in [
            (Predicate::Everything, vec![], "`identifier`", "_content"),
            (Predicate::Not(Box::new(words)), vec![], "_content", "_sort"),
            (
                Predicate::Everything,
                vec![by_code],
                "`_sort` by a token",
                "_has",
            ),
            (id, vec![], "`_count`", "`identifier`"),
        ] {
            let told = advice(&Plan {
                types: Vec::new(),
                filter,
                sort,
                count: 20,
                total: Total::Unasked,
                includes: Vec::new(),
            });
            assert!(told.contains(expected), "{told}");
            assert!(!told.contains(unexpected), "{told}");
        }
    }
}
