//! The evaluator on small resources. Cases quote <https://hl7.org/fhirpath/N1/>.

use super::functions::target_type;
mod limits;
mod types;

use super::infer::Kind;
use super::{Context, EvaluationError, Expression, Item, Model, Node, Outside, Scalar, Type};
use crate::definitions::Definitions;
use crate::fhir::{Instant, ResourceType};
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
        Item::Target(resource_type) => format!("a {resource_type}"),
        Item::Type(namespace, name) => format!("{namespace}.{name}"),
        computed => match computed.scalar() {
            Some(Scalar::Boolean(value)) => value.to_string(),
            Some(Scalar::String(text)) => text.to_owned(),
            Some(Scalar::Integer(value)) => value.to_string(),
            Some(Scalar::Decimal(value)) => value.written(),
            Some(Scalar::Temporal(value)) => value.to_string(),
            Some(Scalar::Quantity(value)) => value.to_string(),
            None => String::new(),
        },
    }
}

fn told(
    expression: &Expression,
    change: impl Fn(&mut Context<'_>),
) -> Result<Vec<String>, EvaluationError> {
    let resource = sample();
    let node = Node::resource(&MODEL, &resource).expect("a resource");
    let mut context = Context::new(&MODEL, node, "http://me/fhir");
    context.now = Instant::parse("2026-11-22T10:30:00.5Z");
    change(&mut context);
    let items = expression.evaluate(&context, node)?;
    Ok(items.iter().map(shown).collect())
}

fn evaluate(text: &str) -> Result<Vec<String>, String> {
    let expression = Expression::compile(text).map_err(|error| error.to_string())?;
    told(&expression, |_| {}).map_err(|error| error.to_string())
}

fn check_table(
    table: &[(&str, &[&str])],
    compile: fn(&str) -> Result<Expression, super::ParseError>,
) {
    for (text, expected) in table {
        let expression = compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let found = told(&expression, |_| {});
        let found = found.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(found, *expected, "{text}");
        let again = compile(&expression.to_string());
        let again = again.unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert_eq!(again.to_string(), expression.to_string(), "{text}");
    }
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
        ("component.value.ofType(FHIR.Quantity).value", &["2"]),
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
    check_table(table, Expression::compile);
    check_table(table, Expression::compile_for_search);
}

/// What the official tests leave out.
#[test]
fn the_rest_of_the_language() {
    check_table(
        &[
            ("status.extension.value", &["unknown"]),
            ("status.extension.url", &["http://why"]),
            ("status.children().url", &["http://why"]),
            ("id.getValue().type().name", &["String"]),
            ("id.type().namespace", &["FHIR"]),
            ("type().name", &["Observation"]),
            ("valueQuantity", &[]),
            ("value.unit & ' and ' & issued", &["m and "]),
            ("value.children().count()", &["2"]),
            (
                "descendants().where($this is Annotation).text",
                &["one", "two"],
            ),
            ("value > 1 'm'", &[]),
            ("value = 1.5", &[]),
            ("value.value + 1", &["2.5"]),
            ("2147483647 + 1", &[]),
            ("2147483647 + 1.0", &["2147483648.0"]),
            ("-2147483648", &["-2147483648"]),
            ("1 / 3", &["0.3333333333333333333333333333"]),
            ("-7 div 2", &["-3"]),
            ("-7 mod 2", &["-1"]),
            ("7.5 mod 2", &["1.5"]),
            (
                "10000000000000000000000000000000000000001.5 div 2",
                &["5000000000000000000000000000000000000000"],
            ),
            ("1.5.round()", &["2"]),
            ("(-1.5).round()", &["-2"]),
            ("2.power(10)", &["1024"]),
            ("2.power(-1)", &["0.5"]),
            ("2.power(40)", &[]),
            ("1.1.power(2)", &["1.21"]),
            ("2.sqrt()", &["1.4142135623731"]),
            ("today()", &["2026-11-22"]),
            ("now()", &["2026-11-22T10:30:00.500Z"]),
            ("timeOfDay()", &["10:30:00.500"]),
            ("now().toDate() = today()", &["true"]),
            ("@2026-11-22T10:30:00.5Z = now()", &["true"]),
            ("@2014-01-31 + 1 month", &["2014-02-28"]),
            ("@2014-03-31T10:00 - 1 month", &["2014-02-28T10:00"]),
            ("@T23:30 + 45 minutes", &["00:15"]),
            ("@2014.highBoundary()", &["2014-12-31"]),
            ("@2014-02.highBoundary(8)", &["2014-02-28"]),
            ("@2014.lowBoundary(5)", &[]),
            ("@2014-05-06T07:08.monthOf()", &["5"]),
            ("@2014.monthOf()", &[]),
            ("'a,b,,c'.split(',').join('|')", &["a|b||c"]),
            ("'häß'.upper()", &["HÄSS"]),
            ("'日本語'.substring(1, 1)", &["本"]),
            ("'日本語'.indexOf('語')", &["2"]),
            ("'abcabc'.lastIndexOf('b')", &["4"]),
            ("'a.b'.matches('^a\\\\.b$')", &["true"]),
            ("'foobar'.matches('^(?!foobaz).*$')", &["true"]),
            ("'A'.matches('a', 'i')", &["true"]),
            (
                "'2020-01'.replaceMatches('(\\\\d+)-(\\\\d+)', '$2/$1')",
                &["01/2020"],
            ),
            ("'x'.encode('hex').decode('hex')", &["x"]),
            ("'<é>'.escape('html').unescape('html')", &["<é>"]),
            (
                "'tab\\tq\\\"'.escape('json').unescape('json')",
                &["tab\tq\""],
            ),
            ("' a b ' ~ '\\tA\\nB '", &["true"]),
            ("'a' in {}", &["false"]),
            ("{} contains 'a'", &["false"]),
            ("{} in note", &[]),
            ("note.select($index)", &["0", "1"]),
            ("note.select(text + $index.toString())", &["one0", "two1"]),
            ("note.text.aggregate($total & $this, '')", &["onetwo"]),
            ("(3 | 1 | 2).sort($this desc)", &["3", "2", "1"]),
            ("note.sort(text desc).text", &["two", "one"]),
            ("coalesce(issued, note.text)", &["one", "two"]),
            ("note.text | note.text", &["one", "two"]),
            ("(note | note).count()", &["2"]),
            ("note.combine(note).count()", &["4"]),
            ("note.intersect(note.first()).text", &["one"]),
            ("iif(issued.exists(), 1 / 0, 'none')", &["none"]),
            ("%context.id", &["o1"]),
            ("%rootResource.id", &["o1"]),
            ("%`ext-a`", &["http://hl7.org/fhir/StructureDefinition/a"]),
            ("value.is(FHIR.Quantity)", &["true"]),
            ("id is System.String", &["false"]),
            ("id is id", &["true"]),
            ("id is string", &["true"]),
            ("contained.first().active and true", &["true"]),
            (
                "contained[0].conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')",
                &["true"],
            ),
            ("checkModifiers('http://x').id", &["o1"]),
            ("'<div>x</div>'.htmlChecks()", &["true"]),
            ("1 'wk'.toQuantity('d')", &["7 'd'"]),
            ("45.toQuantity('m')", &[]),
            ("(1 'cm' + 1 'm')", &["101 'cm'"]),
            ("(2 'm').value", &["2"]),
            ("'t'.toBoolean()", &["true"]),
            ("'+5'.toInteger()", &["5"]),
            ("1.00.toString()", &["1.00"]),
            ("@2015T.toString()", &["2015"]),
            ("'2015-02-30'.toDate()", &[]),
        ],
        Expression::compile,
    );
}

/// `as` filters, types are found whatever their case.
#[test]
fn search_parameters_are_read_as_they_are_meant() {
    let table: &[(&str, &[&str])] = &[
        (
            "(component.value as string) | (component.value as boolean)",
            &["x", "false"],
        ),
        ("component.value as String", &["x"]),
        ("component.value as DateTime", &[]),
        ("component.value as Nothing", &[]),
    ];
    check_table(table, Expression::compile_for_search);
    for text in [
        "today()",
        "component.where(now() > issued)",
        "code.memberOf('x')",
    ] {
        let error = Expression::compile_for_search(text).expect_err(text);
        assert!(error.message.contains("asks more"), "{text}: {error}");
    }
}

#[test]
fn what_cannot_be_evaluated_says_so_with_its_place() {
    for (text, says) in [
        ("note.text and true", "several at position 10"),
        ("note is Annotation", "several"),
        ("note as Annotation", "several"),
        ("note.single()", "several at position 5"),
        (
            "id is Nothing",
            "name of a type but found Nothing at position 6",
        ),
        ("id.ofType(Nothing)", "Nothing"),
        ("%vs", "found %vs at position 1"),
        ("note.nope()", "nope() is not supported"),
        (
            "id + 1",
            "`+` is defined for but found id and Integer at position 3",
        ),
        ("note.first() + 1", "Annotation"),
        ("-id", "expected a number for - but found id"),
        ("1 < 'a'", "an order but found Integer and String"),
        ("note.first().upper()", "expected a string"),
        ("note.text.upper()", "several"),
        ("note[id]", "an integer for an index but found id"),
        ("1 'm' + 1 's'", "Quantity and Quantity"),
        (
            "@2014 + 1 'a'",
            "a duration of the calendar but found 1 'a'",
        ),
        ("@9999-12-31 + 1 day", "the years 1 to 9999"),
        ("'a'.matches('(')", "a regular expression"),
        (
            "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('(?=x)|^(a|aa)+\\\\1$')",
            "that ends",
        ),
        ("'a'.encode('rot13')", "base64"),
        ("code.elementDefinition()", "not supported"),
        ("contained[0].conformsTo('http://x')", "http://x"),
        ("id.memberOf('http://x')", "a value set that is known"),
        ("3000000000", "an integer up to 2147483647"),
        ("@2014-13", "that exists"),
        ("1.round(-1)", "a precision"),
    ] {
        let error = evaluate(text).expect_err(text);
        assert!(error.contains(says), "{text}: {error}");
    }
}

/// What the outside knows is asked of it.
#[test]
fn the_outside_is_asked() {
    struct World(Value);
    impl Outside for World {
        fn resolve(&self, reference: &str) -> Option<&Value> {
            (reference == "Patient/1").then_some(&self.0)
        }
        fn conforms_to(&self, profile: &str, _: &Node<'_>) -> Result<Option<bool>, String> {
            Ok(Some(profile == "http://x"))
        }
        fn member_of(&self, _: &str, coded: &Node<'_>) -> Result<Option<bool>, String> {
            Ok(coded.text().map(|code| code == "o1"))
        }
    }
    let world = World(json!({"resourceType": "Patient", "id": "1", "active": false}));
    for (text, expected) in [
        ("focus.resolve().active", &["false"][..]),
        ("focus.resolve().id", &["1"]),
        ("conformsTo('http://x')", &["true"]),
        ("conformsTo('http://y')", &["false"]),
        ("id.memberOf('http://v')", &["true"]),
        ("%mine", &["7"]),
    ] {
        let expression = Expression::compile_with(text, &["mine"]).expect(text);
        let resource = sample();
        let node = Node::resource(&MODEL, &resource).expect("a resource");
        let variables = [("mine", vec![Item::Integer(7)])];
        let context = Context {
            outside: Some(&world),
            variables: &variables,
            ..Context::new(&MODEL, node, "http://me/fhir")
        };
        let items = expression.evaluate(&context, node).expect(text);
        assert_eq!(
            items.iter().map(shown).collect::<Vec<_>>(),
            expected,
            "{text}"
        );
    }
    assert!(target_type("Patient/1", "http://me/fhir").is_some());
}
