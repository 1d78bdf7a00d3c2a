//! The evaluator on small resources. Cases quote <https://hl7.org/fhirpath/N1/>.

use super::functions::target_type;
use super::infer::{Kind, infer};
use super::{Context, EvaluationError, Expression, Item, Limits, Model, Node, Outside, Scalar};
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

/// No text and no expression panics, and what has a spelling means the same in it.
mod any_input {
    use super::*;
    use proptest::prelude::*;

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
