//! The official FHIRPath tests: 935 expressions, each with what it gives or the phase that
//! refuses it. The format is told in `suites/fhirpath-r4/README.md`.
//!
//! An error counts in the phase that is named or in an earlier one. Beside the suite's own
//! verdicts, no expression that has a value may be refused by the check of types.

use super::{compare, scoreboard, shared};
use andiron::definitions::Definitions;
use andiron::fhir::xml::{self, Element};
use andiron::fhir::{Instant, json};
use andiron::fhirpath::infer;
use andiron::fhirpath::temporal::Kind;
use andiron::fhirpath::{Context, Expression, Item, Model, Node, Scalar};
use andiron::format::to_json;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const SUITE: &str = "fhirpath-r4";
/// How deep a resource nests.
const DEPTH: usize = 100;
const LEDGER: &str = "fhirpath-r4.tsv";

/// One case of the suite.
struct Case {
    /// Group and name; a second one of the same name has `#2` behind it.
    name: String,
    group: String,
    expression: String,
    input: Option<String>,
    is_predicate: bool,
    /// The phase that refuses it.
    invalid: Option<String>,
    /// Type, where it is stated, and text.
    outputs: Vec<(Option<String>, String)>,
    is_ordered: bool,
}

fn named<'e>(element: &'e Element, name: &str) -> impl Iterator<Item = &'e Element> {
    element.elements().filter(move |child| child.name == name)
}

fn cases(suite: &Element) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for group in named(suite, "group") {
        for test in named(group, "test") {
            let of_group = group.attribute("name").unwrap_or_default().to_owned();
            let name = test.attribute("name").unwrap_or_default();
            let mut name = format!("{of_group}/{name}");
            if cases.iter().any(|case| case.name == name) {
                name.push_str("#2");
            }
            let expression = named(test, "expression").next().expect("an expression");
            let outputs = named(test, "output").map(|output| {
                let of_type = output.attribute("type").map(str::to_owned);
                (of_type, output.text())
            });
            cases.push(Case {
                name,
                group: of_group,
                expression: expression.text(),
                input: test.attribute("inputfile").map(str::to_owned),
                is_predicate: test.attribute("predicate") == Some("true"),
                invalid: expression.attribute("invalid").map(str::to_owned),
                outputs: outputs.collect(),
                is_ordered: test.attribute("ordered") != Some("false"),
            });
        }
    }
    cases
}

/// What happened to a case.
enum Outcome {
    /// Refused in that phase, with the message.
    Refused(Phase, String),
    /// The type and text of each item.
    Given(Vec<(String, String)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Syntax,
    Semantic,
    Execution,
}

fn run(model: &Model, case: &Case, resource: &Value) -> Outcome {
    let expression = match Expression::compile(&case.expression) {
        Ok(expression) => expression,
        Err(error) => return Outcome::Refused(Phase::Syntax, error.to_string()),
    };
    let node = Node::resource(model, resource).expect("the input is a resource");
    if case.invalid.as_deref() == Some("semantic") {
        let problems = expression.check(model, &infer::Kind::Resource(node.node_type));
        if let Some(problem) = problems.into_iter().next() {
            return Outcome::Refused(Phase::Semantic, problem.message);
        }
    }
    let context = Context {
        now: Some(Instant::now()),
        ..Context::new(model, node, "http://andiron.test/fhir")
    };
    match expression.evaluate(&context, node) {
        Err(error) => Outcome::Refused(Phase::Execution, error.to_string()),
        Ok(items) if case.is_predicate => {
            let exists = !items.is_empty();
            Outcome::Given(vec![("boolean".to_owned(), exists.to_string())])
        }
        Ok(items) => Outcome::Given(items.iter().map(shown).collect()),
    }
}

/// Type and text of an item, as the suite writes them.
fn shown(item: &Item<'_>) -> (String, String) {
    let kind = match item {
        Item::Node(node) => node.node_type.name().to_owned(),
        other => {
            let name = other.system().map_or("", |system| system.name());
            let (first, rest) = name.split_at(usize::from(!name.is_empty() && name != "Quantity"));
            format!("{}{rest}", first.to_lowercase())
        }
    };
    let text = match item.scalar() {
        None => kind.clone(),
        Some(Scalar::Boolean(value)) => value.to_string(),
        Some(Scalar::String(text)) => text.to_owned(),
        Some(Scalar::Integer(value)) => value.to_string(),
        Some(Scalar::Decimal(value)) => value.written(),
        Some(Scalar::Temporal(value)) if value.kind == Kind::Time => format!("@T{value}"),
        Some(Scalar::Temporal(value)) => format!("@{value}"),
        Some(Scalar::Quantity(value)) => value.to_string(),
    };
    (kind, text)
}

/// Why an outcome is not what was expected; `None` where it is.
fn difference(case: &Case, outcome: &Outcome) -> Option<String> {
    let expected = case.invalid.as_deref().filter(|phase| *phase != "false");
    let phase = expected.map(|phase| match phase {
        "syntax" => Phase::Syntax,
        "semantic" => Phase::Semantic,
        _ => Phase::Execution,
    });
    match (phase, outcome) {
        (Some(phase), Outcome::Refused(found, _)) if *found <= phase => None,
        (Some(phase), Outcome::Refused(found, message)) => Some(format!(
            "expected an error of {phase:?} but found one of {found:?}: {message}"
        )),
        (Some(phase), Outcome::Given(items)) => Some(format!(
            "expected an error of {phase:?} but found {items:?}"
        )),
        (None, Outcome::Refused(_, message)) => Some(format!("refused: {message}")),
        (None, Outcome::Given(items)) => {
            let mut found = items.clone();
            let mut wanted = case.outputs.clone();
            if !case.is_ordered {
                found.sort();
                wanted.sort();
            }
            let is_same = |((kind, text), (of_type, wanted)): (
                &(String, String),
                &(Option<String>, String),
            )| {
                let is_of_type = of_type.as_ref().is_none_or(|of_type| of_type == kind);
                is_of_type && text == wanted
            };
            let holds = found.len() == wanted.len() && found.iter().zip(&wanted).all(is_same);
            (!holds).then(|| format!("expected {wanted:?} but found {found:?}"))
        }
    }
}

/// The text of a resource in XML with what every resource has in front: `observation-example.xml`
/// has an extension behind its status, where no server takes it.
fn in_order(text: &[u8]) -> String {
    const FIRST: [&str; 7] = [
        "id",
        "meta",
        "implicitRules",
        "language",
        "text",
        "contained",
        "extension",
    ];
    let mut root = Element::parse(text).expect("the input is XML");
    root.children.sort_by_key(|child| match child {
        xml::Node::Element(child) => {
            let place = FIRST.iter().position(|name| *name == child.name);
            place.unwrap_or(FIRST.len())
        }
        _ => FIRST.len(),
    });
    root.to_text()
}

fn input(model: &Model, folder: &Path, name: &str) -> Value {
    let path = folder.join("input").join(name);
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let text = match name.ends_with(".json") {
        true => text,
        false => {
            let text = in_order(&text);
            to_json(model.definitions(), text.as_bytes(), DEPTH).expect("the input is a resource")
        }
    };
    json::parse(&text, DEPTH).expect("the input is JSON")
}

#[test]
fn fhirpath_suite_gives_what_its_ledger_says() {
    let Some(folder) = shared("suites/fhirpath-r4") else {
        return;
    };
    let model = Model::new(Definitions::r4());
    let text = std::fs::read(folder.join("tests-fhir-r4.xml")).expect("the suite");
    let cases = cases(&Element::parse(&text).expect("the suite is XML"));
    let mut inputs: BTreeMap<String, Value> = BTreeMap::new();
    let nothing = serde_json::json!({"resourceType": "Basic"});
    let mut failed = BTreeMap::new();
    let mut refused = Vec::new();
    for case in &cases {
        if let Some(name) = &case.input
            && !inputs.contains_key(name)
        {
            inputs.insert(name.clone(), input(&model, &folder, name));
        }
        let resource = case.input.as_ref().map_or(&nothing, |name| &inputs[name]);
        let outcome = run(&model, case, resource);
        if let Some(how) = difference(case, &outcome) {
            failed.insert(case.name.clone(), how);
        }
        if let (None, Outcome::Given(items)) = (&case.invalid, &outcome)
            && !items.is_empty()
        {
            refused.extend(wrongly_refused(&model, case, resource));
        }
    }
    scoreboard::check(SUITE, &section(&cases, &failed));
    compare(LEDGER, &failed);
    assert_eq!(
        refused,
        [] as [String; 0],
        "the check refuses what has a value"
    );
}

/// What the check says of an expression that has a value.
fn wrongly_refused(model: &Model, case: &Case, resource: &Value) -> Option<String> {
    let expression = Expression::compile(&case.expression).ok()?;
    let node = Node::resource(model, resource)?;
    let problems = expression.check(model, &infer::Kind::Resource(node.node_type));
    let problem = problems.into_iter().next()?;
    Some(format!(
        "{}: {} ({})",
        case.name, problem.message, case.expression
    ))
}

fn section(cases: &[Case], failed: &BTreeMap<String, String>) -> String {
    let errors = cases.iter().filter(|case| case.invalid.is_some()).count();
    let passed = cases.len() - failed.len();
    let mut groups: Vec<(&str, usize, usize)> = Vec::new();
    for case in cases {
        let fails = usize::from(failed.contains_key(&case.name));
        match groups.iter_mut().find(|(name, ..)| *name == case.group) {
            Some((_, all, failing)) => {
                *all += 1;
                *failing += fails;
            }
            None => groups.push((&case.group, 1, fails)),
        }
    }
    let whole = groups.iter().filter(|(.., failing)| *failing == 0).count();
    let mut text = format!(
        "## FHIRPath (`fhirpath-r4`)\n\n{passed} of {} cases pass, {errors} of all expect an error; {whole} of {} groups are whole.\n\
         The rest contradict the specification, each in its way: [`{LEDGER}`]({LEDGER}).\n\n\
         | group | cases | fail |\n|---|---:|---:|\n",
        cases.len(),
        groups.len(),
    );
    for (name, all, failing) in groups.iter().filter(|(.., failing)| *failing > 0) {
        text.push_str(&format!("| {name} | {all} | {failing} |\n"));
    }
    text
}
