//! What is known of an expression without a resource: the types that it gives, its mistakes.

use super::*;
use crate::fhirpath::infer::infer;
use std::collections::BTreeSet;

#[test]
fn types_of_an_expression_are_known_without_a_resource() {
    let patient = ResourceType::parse("Patient").expect("a type");
    let root = MODEL.resource(patient).expect("defined");
    for (text, expected) in [
        ("Patient.name.family", &["string"][..]),
        ("Patient.gender", &["code"]),
        ("Patient.contact", &["Patient.contact"]),
        ("(Patient.deceased as boolean)", &["boolean"]),
        ("Patient.deceased", &["boolean", "dateTime"]),
        ("Patient.deceased.exists() and true", &["Boolean"]),
        ("Patient.telecom.where(system = 'phone')", &["ContactPoint"]),
        (
            "Patient.link.other | Patient.generalPractitioner",
            &["Reference", "Reference"],
        ),
        ("Patient", &["Patient"]),
        ("Patient.name.nope", &[]),
    ] {
        let expression = Expression::compile(text).expect(text);
        let kinds = infer(&MODEL, expression.ast(), &Kind::Resource(root));
        let shown = kinds.iter().map(|kind| match kind {
            Kind::Element(_, node_type) | Kind::Resource(node_type) => node_type.key.as_str(),
            Kind::Value(system) => system.name(),
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected, "{text}");
    }
}

#[test]
fn mistakes_are_told_without_a_resource() {
    let observation = ResourceType::parse("Observation").expect("a type");
    let root = Kind::Resource(MODEL.resource(observation).expect("defined"));
    for (text, expected) in [
        ("Observation.value.ofType(Quantity).unit", None),
        ("category.coding.where(system = 's').code", None),
        ("contained.anything.at.all", None),
        ("subject.resolve().name.given", None),
        ("component.select(code | value).exists()", None),
        ("(children() | code).nope", None),
        ("code.coding.code.upper().length() > 3", None),
        ("iif(value.exists(), code.text, 'x').startsWith('y')", None),
        ("note.time + 1 day > @2020", None),
        ("valueQuantity.unit", Some((0, "\"valueQuantity\""))),
        ("Patient.name", Some((0, "\"Patient\""))),
        ("code.coding.where(sistem = 's')", Some((18, "\"sistem\""))),
        ("(value as Quantity).unit", None),
        ("(value as Address).city", Some((10, "one of"))),
        ("(value as Period).unit", Some((18, "element of Period"))),
        ("value is Nothing", Some((9, "\"Nothing\""))),
        (
            "code.startsWith('x')",
            Some((5, "strings but found CodeableConcept")),
        ),
        ("code.text.abs()", Some((10, "numbers but found string"))),
        ("component.children().first()", Some((21, "ordered"))),
        ("iif('x', 1, 2)", Some((0, "a condition"))),
        ("note.time + 7", Some((10, "a duration"))),
    ] {
        let expression = Expression::compile(text).expect(text);
        let problems = expression.check(&MODEL, &root);
        match expected {
            None => assert_eq!(problems, [], "{text}"),
            Some((position, says)) => {
                let problem = problems
                    .first()
                    .unwrap_or_else(|| panic!("{text} is wrong"));
                assert_eq!(problem.position, position, "{text}: {problem:?}");
                assert!(problem.message.contains(says), "{text}: {problem:?}");
            }
        }
    }
}

/// Many kinds within many are followed together.
#[test]
fn what_has_many_kinds_is_inferred_at_once() {
    let patient = ResourceType::parse("Patient").expect("a type");
    let root = Kind::Resource(MODEL.resource(patient).expect("defined"));
    let nested = "extension.select(value.select(".repeat(8) + "$this" + &"))".repeat(8);
    let doubled = "name".to_owned() + &".select($this | $this)".repeat(60);
    for text in [nested, doubled] {
        let start = std::time::Instant::now();
        let expression = Expression::compile(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert!(infer(&MODEL, expression.ast(), &root).len() < 100, "{text}");
        expression.check(&MODEL, &root);
        assert!(
            start.elapsed().as_secs() < 5,
            "{text}: {:?}",
            start.elapsed()
        );
    }
}

/// The kind of item at a path of a definition; `None` for a choice, which has several.
fn kind_at(path: &str) -> Option<Kind<'static>> {
    static TYPES: LazyLock<Vec<std::sync::Arc<Type>>> = LazyLock::new(|| {
        let structures = MODEL.definitions().artifacts("StructureDefinition");
        let types = structures.filter_map(|artifact| MODEL.find(&artifact.type_name));
        types.collect()
    });
    let mut steps = path.split('.');
    let first = steps.next()?;
    let root = TYPES.iter().find(|one| one.key == first)?;
    steps.try_fold(Kind::Resource(root), |kind, step| {
        let choice = kind.fhir_type()?.choice(step)?;
        Some(Kind::Element(choice, choice.value_type(&MODEL)?))
    })
}

/// R4's own invariants, of which two speak of elements that it does not have.
#[test]
fn every_invariant_compiles_and_is_of_what_there_is() {
    let definitions = MODEL.definitions();
    let (mut count, mut wrong) = (0, BTreeSet::new());
    for artifact in definitions.artifacts("StructureDefinition") {
        let Some(structure) = definitions.structure(&artifact.url) else {
            continue;
        };
        if artifact.derivation == "constraint" {
            continue;
        }
        for element in &structure.elements {
            for constraint in &element.constraints {
                let Some(text) = &constraint.expression else {
                    continue;
                };
                count += 1;
                let expression = Expression::compile_invariant(text);
                let expression = expression.unwrap_or_else(|e| panic!("{text}: {e}"));
                let problems = kind_at(&element.path).map(|kind| expression.check(&MODEL, &kind));
                for problem in problems.unwrap_or_default() {
                    wrong.insert(format!("{}: {}", constraint.key, problem.message));
                }
            }
        }
    }
    assert!(count > 8_000, "{count}");
    let keys: BTreeSet<&str> = wrong
        .iter()
        .filter_map(|text| text.split(':').next())
        .collect();
    assert_eq!(keys, BTreeSet::from(["cid-0", "evv-1"]), "{wrong:#?}");
}
