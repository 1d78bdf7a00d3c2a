//! What is deep, long or endless is refused, and nothing panics.

use super::*;
use crate::fhirpath::Limits;
use proptest::prelude::*;

/// Every way to be large ends, and soon.
#[test]
fn limits_hold() {
    let doubled = "'ab'".to_owned() + &".select($this & $this)".repeat(40);
    let many = "(0|1|2|3|4|5|6|7|8|9)";
    let product = format!(
        "{many}.select({many}.select({many}.select({many}.select({many}.select({many}.select({many}))))))"
    );
    for text in [
        doubled.as_str(),
        "repeat($this & 'x')",
        "(1|2).repeatAll($this)",
        "id.repeatAll($this + 'x').count()",
        &product,
        &format!("{many}.select({many}).aggregate($total.combine($total).combine($this), 1)"),
        &format!("{many}.select({many}).aggregate($total.replace('', $total), 'abc')"),
    ] {
        let start = std::time::Instant::now();
        let expression = Expression::compile(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let found = told(&expression, |context| context.limits.steps = 100_000);
        assert!(found.is_err(), "{text}");
        assert!(
            start.elapsed().as_secs() < 10,
            "{text}: {:?}",
            start.elapsed()
        );
    }
    let expression = Expression::compile("(1|2).repeatAll($this)").expect("compiles");
    let limits = Limits {
        steps: u64::MAX,
        deadline: Some(std::time::Instant::now()),
    };
    let error = told(&expression, |context| context.limits = limits).expect_err("too long");
    assert!(error.is_limit(), "{error}");
    let big = format!("{many}.select({many}).aggregate($total * $total, 7.0)");
    assert_eq!(
        evaluate(&big),
        Ok(Vec::new()),
        "longer than is calculated with"
    );
}

const WORDS: [&str; 60] = [
    "a",
    "value",
    "name",
    "id",
    "Observation",
    "note",
    "component",
    "(",
    ")",
    ".",
    ",",
    "[",
    "]",
    "{}",
    "'x'",
    "'1 day'",
    "1",
    "0",
    "2.50",
    "@2014-01",
    "@T10:30",
    "4 'mg'",
    "1 year",
    "%resource",
    "$this",
    "$index",
    "$total",
    " is ",
    " as ",
    " and ",
    " or ",
    " implies ",
    " = ",
    " ~ ",
    " < ",
    " | ",
    " + ",
    " - ",
    " * ",
    " / ",
    " div ",
    " mod ",
    " & ",
    " in ",
    " contains ",
    "-",
    ".where(",
    ".select(",
    ".exists()",
    ".count()",
    ".toString()",
    ".descendants()",
    ".repeat(",
    ".first()",
    ".type()",
    "iif(",
    ".power(",
    ".replace(",
    "Quantity",
    "`",
];

fn try_all(text: &str) {
    for compile in [Expression::compile, Expression::compile_for_search] {
        let Ok(expression) = compile(text) else {
            continue;
        };
        let again = compile(&expression.to_string());
        let again = again.unwrap_or_else(|error| panic!("{text} as {expression}: {error}"));
        assert_eq!(again, expression, "{text}");
        let _ = told(&expression, |context| context.limits.steps = 20_000);
        let observation = ResourceType::parse("Observation").expect("a type");
        let root = MODEL.resource(observation).expect("defined");
        expression.check(&MODEL, &Kind::Resource(root));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC{0,60}") {
        try_all(&text);
    }

    #[test]
    fn any_words(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 1..25)) {
        try_all(&words.concat());
    }
}

/// Trees as deep as they may be, in a thread with as little stack as any of ours.
#[test]
fn depth() {
    for (open, inner, close) in [
        ("(", "1", ")"),
        ("-", "1", ""),
        ("iif(true, ", "1", ")"),
        ("id.select(", "id", ")"),
        ("note.where(", "true", ")"),
        ("1 + (", "1", ")"),
        ("id.combine(", "id", ")"),
    ] {
        for depth in 1..80 {
            try_all(&(open.repeat(depth) + inner + &close.repeat(depth)));
        }
    }
    for step in [".first()", ".select($this)", " | id", " & 'x'", "[0]"] {
        try_all(&("id".to_owned() + &step.repeat(140)));
    }
}
