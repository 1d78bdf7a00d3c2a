//! The evaluator on small resources. Cases quote <https://hl7.org/fhirpath/N1/>.

use super::infer::{Kind, infer};
use super::{Context, Expression, Item, Model, Node};
use crate::definitions::Definitions;
use crate::fhir::ResourceType;
use serde_json::{Value, json};
use std::sync::LazyLock;

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::new(Definitions::r4()));

fn sample() -> Value {
    json!({
        "resourceType": "Observation",
        "id": "o1",
        "contained": [{"resourceType": "Patient", "id": "p", "active": true}],
        "_status": {"extension": [{"url": "http://why", "valueCode": "unknown"}]},
        "category": [{"coding": [{"system": "s", "code": "a"}, {"system": "t", "code": "b"}]},
            {"text": "only"}],
        "subject": {"reference": "#p"},
        "focus": [{"reference": "Patient/1"}, {"reference": "http://x/fhir/Group/2/_history/1"},
            {"type": "Device", "identifier": {"value": "d"}}, {"reference": "urn:uuid:1"}],
        "valueQuantity": {"value": 1.50, "unit": "m"},
        "note": [{"text": "one"}, {"text": "two"}],
        "component": [{"valueString": "x"}, {"valueQuantity": {"value": 2}}, {"valueBoolean": false}],
    })
}

fn shown(item: &Item<'_>) -> String {
    match item {
        Item::Node(node) => match node.value {
            Some(Value::String(text)) => text.clone(),
            Some(value) if value.is_object() => node.node_type.key.clone(),
            Some(value) => value.to_string(),
            None => "no value".to_owned(),
        },
        Item::Boolean(value) => value.to_string(),
        Item::String(text) | Item::Number(text) | Item::Date(text) => text.to_string(),
        Item::Target(resource_type) => format!("a {resource_type}"),
    }
}

fn evaluate(text: &str) -> Result<Vec<String>, String> {
    let resource = sample();
    let expression = Expression::compile(text).map_err(|error| error.to_string())?;
    let node = Node::resource(&MODEL, &resource).ok_or("no resource")?;
    let context = Context {
        model: &MODEL,
        resource: node,
        base: "http://me/fhir",
    };
    let items = expression
        .evaluate(&context, node)
        .map_err(|error| error.to_string())?;
    Ok(items.iter().map(shown).collect())
}

#[test]
fn expressions_give_what_the_specification_says() {
    let table: &[(&str, &[&str])] = &[
        ("Observation.id", &["o1"]),
        ("id", &["o1"]),
        ("Resource.id", &["o1"]),
        ("DomainResource.contained.active", &["true"]),
        ("Patient.id", &[]),
        ("Observation.nope", &[]),
        ("Observation.category.coding.code", &["a", "b"]),
        ("category.coding.where(system = 't').code", &["b"]),
        ("category.coding[1].code", &["b"]),
        ("category.coding[2]", &[]),
        ("category.first().coding.last().code", &["b"]),
        ("Observation.status", &["no value"]),
        ("Observation.status.exists()", &["true"]),
        ("Observation.status.hasValue()", &["false"]),
        ("id.hasValue()", &["true"]),
        ("status.extension('http://why').value", &["unknown"]),
        ("status.extension('http://other').value", &[]),
        ("Observation.value", &["Quantity"]),
        ("(Observation.value as Quantity).unit", &["m"]),
        ("Observation.value.as(CodeableConcept)", &[]),
        ("Observation.component.value", &["x", "Quantity", "false"]),
        (
            "(component.value as string) | (component.value as boolean)",
            &["x", "false"],
        ),
        ("component.value.ofType(FHIR.Quantity).value", &["2"]),
        ("component.value as String", &["x"]),
        ("value is Quantity", &["true"]),
        ("value is Element", &["true"]),
        ("value is string", &["false"]),
        ("effective is string", &[]),
        ("subject.resolve()", &["Patient"]),
        ("subject.resolve().active", &["true"]),
        ("subject.where(resolve() is Patient)", &["Reference"]),
        ("subject.where(resolve() is Group)", &[]),
        ("focus.resolve()", &["a Patient", "a Group", "a Device"]),
        (
            "focus.where(resolve() is Group).reference",
            &["http://x/fhir/Group/2/_history/1"],
        ),
        ("value.value = 1.5", &["true"]),
        ("value.value != 2", &["true"]),
        ("id = 'o1' and value.exists()", &["true"]),
        ("id = 'x' or id = 'o1'", &["true"]),
        ("id = 'x' xor effective.exists()", &["false"]),
        ("id = 'x' implies {}", &["true"]),
        ("effective = 'x'", &[]),
        ("effective = 'x' and false", &["false"]),
        ("effective = 'x' or false", &[]),
        ("note.text = 'one'", &["false"]),
        ("note.exists(text = 'two')", &["true"]),
        ("note.empty()", &["false"]),
        ("effective.exists().not()", &["true"]),
        (
            "note.where(text = 'one' or text = 'two').text",
            &["one", "two"],
        ),
        ("id | id", &["o1"]),
        ("'a' | 'b' | 'a'", &["a", "b"]),
        ("%resource.id", &["o1"]),
        (
            "note.where($this.text = %resource.note.text[1]).text",
            &["two"],
        ),
        ("{}", &[]),
        ("subject = subject", &["true"]),
    ];
    for (text, expected) in table {
        let found = evaluate(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(found, *expected, "{text}");
    }
}

#[test]
fn what_cannot_be_evaluated_says_so() {
    for (text, says) in [
        ("note.text and true", "several"),
        ("note is Annotation", "several"),
        ("note.single()", "several"),
        ("1 + 2", "the operator +"),
        ("-1", "a negation"),
        ("%vs", "found %vs"),
        ("note.select(text)", "select() is not supported"),
        ("a.where(b > 1)", "the operator >"),
    ] {
        let error = evaluate(text).expect_err(text);
        assert!(error.contains(says), "{text}: {error}");
    }
}

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
        ("Patient.deceased.exists() and true", &["a boolean"]),
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
            Kind::Boolean => "a boolean",
            Kind::String => "a string",
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected, "{text}");
    }
}
