//! What is asked, over HTTP and as the bare statement.

use crate::grow::{SYSTEM, code, word};
use serde_json::{Value, json};

/// Property, operator and value of a filter.
type Filter = (&'static str, &'static str, &'static str);

/// Value sets over the system by their ids, with their filters.
pub const VALUE_SETS: [(&str, &[Filter]); 4] = [
    ("bench-all", &[]),
    ("bench-large", &[("concept", "is-a", "C0000001")]),
    ("bench-middle", &[("concept", "descendent-of", "C0000234")]),
    (
        "bench-kind",
        &[("kind", "=", "k"), ("concept", "is-a", "C0000002")],
    ),
];

pub fn value_set(id: &str, filters: &[Filter]) -> Value {
    let filters: Vec<Value> = filters
        .iter()
        .map(|(property, op, value)| json!({"property": property, "op": op, "value": value}))
        .collect();
    let mut include = json!({"system": SYSTEM});
    if !filters.is_empty() {
        include["filter"] = json!(filters);
    }
    json!({"resourceType": "ValueSet", "id": id, "url": format!("http://bench/{id}"),
        "status": "active", "compose": {"include": [include]}})
}

/// A question, with several values of it that take turns.
pub struct Shape {
    pub name: &'static str,
    pub requests: Vec<String>,
    pub floors: Vec<String>,
}

/// A page of a value set for each filter, and the statement that it comes down to.
fn pages(name: &'static str, id: &str, filters: &[String], more: &str, condition: &str) -> Shape {
    let requests = filters.iter().map(|filter| {
        let filter = match filter.is_empty() {
            true => String::new(),
            false => format!("&filter={}", filter.replace(' ', "%20")),
        };
        format!("/fhir/ValueSet/$expand?url=http://bench/{id}&count=20{filter}{more}")
    });
    let floors = filters.iter().map(|filter| {
        let words: Vec<String> = filter
            .split(' ')
            .map(|word| format!("'{word}':*"))
            .collect();
        let words = match filter.is_empty() {
            true => String::new(),
            false => format!(" AND words @@ $q${}$q$::tsquery", words.join(" & ")),
        };
        format!(
            "SELECT code, display FROM concept WHERE system = 1{words}{condition} \
             ORDER BY number LIMIT 20"
        )
    });
    Shape {
        name,
        requests: requests.collect(),
        floors: floors.collect(),
    }
}

pub fn shapes(concepts: u32) -> Vec<Shape> {
    let ranked = |ranks: &[u64]| ranks.iter().map(|rank| word(*rank)).collect::<Vec<_>>();
    let cut = |ranks: &[u64], letters: usize| {
        let cut = |rank: &u64| word(*rank).chars().take(letters).collect::<String>();
        ranks.iter().map(cut).collect::<Vec<_>>()
    };
    let both = |one: u64, other: u64| vec![format!("{} {}", word(one), word(other))];
    let nothing = vec![String::new()];
    let below = |number: u32| format!(" AND (number = {number} OR above @> ARRAY[{number}])");
    let some = |step: u32| (0..50).map(move |at| code((at * step + 7) % concepts));
    let validate = |path: &'static str| {
        some(19_997)
            .map(|code| format!("/fhir/{path}&system={SYSTEM}&code={code}"))
            .collect::<Vec<_>>()
    };
    let find = some(19_997).map(|code| {
        format!("SELECT code, display, above FROM concept WHERE system = 1 AND code = '{code}'")
    });
    let find: Vec<String> = find.collect();
    vec![
        pages("all, first page", "bench-all", &nothing, "", ""),
        pages(
            "all, page at 500,000",
            "bench-all",
            &nothing,
            "&offset=500000",
            "",
        ),
        pages(
            "filter: rare words",
            "bench-all",
            &ranked(&[19_000, 18_000, 17_500, 16_111]),
            "",
            "",
        ),
        pages(
            "filter: words of some hundreds",
            "bench-all",
            &ranked(&[900, 700, 555, 800]),
            "",
            "",
        ),
        pages(
            "filter: words of some thousands",
            "bench-all",
            &ranked(&[30, 50, 70, 90]),
            "",
            "",
        ),
        pages(
            "filter: the most common words",
            "bench-all",
            &ranked(&[0, 1, 2]),
            "",
            "",
        ),
        pages(
            "filter: beginnings of three letters",
            "bench-all",
            &cut(&[3, 100, 2000], 3),
            "",
            "",
        ),
        pages("filter: two common words", "bench-all", &both(0, 1), "", ""),
        pages(
            "filter: a common word, active only",
            "bench-all",
            &ranked(&[1, 5]),
            "&activeOnly=true",
            " AND flags & 1 = 0",
        ),
        pages(
            "is-a, a ninth of all",
            "bench-large",
            &nothing,
            "",
            &below(1),
        ),
        pages(
            "is-a, with a rare word",
            "bench-large",
            &ranked(&[19_000, 18_000]),
            "",
            &below(1),
        ),
        pages(
            "is-a, with a common word",
            "bench-large",
            &ranked(&[0, 10]),
            "",
            &below(1),
        ),
        pages(
            "descendent-of, some thousands",
            "bench-middle",
            &nothing,
            "",
            " AND above @> ARRAY[234]",
        ),
        pages(
            "descendent-of, with a common word",
            "bench-middle",
            &ranked(&[0, 10]),
            "",
            " AND above @> ARRAY[234]",
        ),
        Shape {
            name: "property and is-a",
            requests: vec![
                "/fhir/ValueSet/$expand?url=http://bench/bench-kind&count=20".to_owned(),
            ],
            floors: vec![
                "SELECT code, display FROM concept WHERE system = 1 AND above @> ARRAY[2] \
                AND properties LIKE '%\"k\"%' ORDER BY number LIMIT 20"
                    .to_owned(),
            ],
        },
        Shape {
            name: "$validate-code in is-a",
            requests: validate("ValueSet/$validate-code?url=http://bench/bench-large"),
            floors: find.clone(),
        },
        Shape {
            name: "$validate-code of the system",
            requests: validate("CodeSystem/$validate-code?"),
            floors: find.clone(),
        },
        Shape {
            name: "$lookup",
            requests: validate("CodeSystem/$lookup?"),
            floors: find,
        },
    ]
}
