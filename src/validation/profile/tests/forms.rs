//! Questionnaires, their answers, and MeasureReports.

use super::*;

const EXTENSIONS: &str = "http://hl7.org/fhir/StructureDefinition/";
const FORMS: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/";
const UCUM: &str = "http://unitsofmeasure.org";

fn form(items: Value) -> Value {
    json!({"resourceType": "Questionnaire", "url": "http://x/q", "status": "active", "item": items})
}

fn answers(items: Value) -> Value {
    json!({"resourceType": "QuestionnaireResponse", "status": "completed",
        "questionnaire": "http://x/q", "item": items})
}

fn errors(profiles: &Profiles, resource: &Value) -> Vec<String> {
    let issues = profiles.validate(resource, &[]);
    let errors = issues.into_iter().filter(Issue::is_error);
    errors.filter_map(|issue| issue.expression).collect()
}

/// Each row: the question beside its linkId `a`, the answers, whether they are refused.
fn check_answers(rows: &[(Value, Value, bool)]) {
    for (question, given, refused) in rows {
        let mut question = question.clone();
        question["linkId"] = json!("a");
        let profiles = profiles(vec![form(json!([question]))]);
        let response = answers(json!([{"linkId": "a", "answer": given}]));
        let found = errors(&profiles, &response);
        assert_eq!(!found.is_empty(), *refused, "{question} {given} {found:?}");
    }
}

#[test]
fn quantities_are_within_bounds_and_units() {
    let of = |value: i64, code: &str| json!([{"valueQuantity": {"value": value, "system": UCUM, "code": code, "unit": code}}]);
    let most = |value: i64, code: &str| {
        json!({"type": "quantity", "extension": [{"url": format!("{FORMS}sdc-questionnaire-maxQuantity"),
            "valueQuantity": {"value": value, "system": UCUM, "code": code, "unit": code}}]})
    };
    let units = json!({"type": "quantity", "extension": [{"url": format!("{EXTENSIONS}questionnaire-unitOption"),
        "valueCoding": {"system": UCUM, "code": "km"}}]});
    check_answers(&[
        (most(5, "km"), of(4000, "m"), false),
        (most(5, "km"), of(6000, "m"), true),
        (most(5, "km"), of(1, "kg"), true),
        (
            most(5, "km"),
            json!([{"valueQuantity": {"value": 1, "unit": "km"}}]),
            true,
        ),
        (units.clone(), of(1, "km"), false),
        (units, of(1, "kg"), true),
    ]);
}

#[test]
fn answers_are_what_the_question_takes() {
    let exclusive = json!({"type": "choice", "repeats": true, "answerOption": [
        {"valueCoding": {"system": "s", "code": "1"}},
        {"valueCoding": {"system": "s", "code": "2"}},
        {"valueCoding": {"system": "s", "code": "none"}, "extension": [
            {"url": format!("{EXTENSIONS}questionnaire-optionExclusive"), "valueBoolean": true}]}]});
    let coding = |code: &str| json!({"valueCoding": {"system": "s", "code": code}});
    let gender = json!({"type": "choice", "answerValueSet": "http://hl7.org/fhir/ValueSet/administrative-gender"});
    let of_gender = |code: &str| json!([{"valueCoding": {"system": "http://hl7.org/fhir/administrative-gender", "code": code}}]);
    let patient = json!({"type": "reference", "extension": [
        {"url": format!("{EXTENSIONS}questionnaire-referenceResource"), "valueCode": "Patient"}]});
    check_answers(&[
        (exclusive.clone(), json!([coding("1"), coding("2")]), false),
        (exclusive.clone(), json!([coding("none")]), false),
        (exclusive, json!([coding("1"), coding("none")]), true),
        (gender.clone(), of_gender("male"), false),
        (gender, of_gender("none"), true),
        (
            patient.clone(),
            json!([{"valueReference": {"reference": "Patient/1"}}]),
            false,
        ),
        (
            patient,
            json!([{"valueReference": {"reference": "Group/1"}}]),
            true,
        ),
        (
            json!({"type": "attachment"}),
            json!([{"valueAttachment": {"contentType": "text/plain", "data": "YQ==", "size": 1}}]),
            false,
        ),
        (
            json!({"type": "attachment"}),
            json!([{"valueAttachment": {"contentType": "text/plain", "data": "YQ==", "size": 2}}]),
            true,
        ),
        (
            json!({"type": "url"}),
            json!([{"valueUri": "urn:uuid:c757873d"}]),
            true,
        ),
        (
            json!({"type": "question"}),
            json!([{"valueString": "x"}]),
            true,
        ),
    ]);
}

#[test]
fn what_is_not_asked_is_not_answered_and_not_missed() {
    let profiles = profiles(vec![form(json!([
        {"linkId": "a", "type": "boolean"},
        {"linkId": "b", "type": "string", "required": true,
            "enableWhen": [{"question": "a", "operator": "=", "answerBoolean": true}]},
        {"linkId": "g", "type": "group", "required": true, "item": [{"linkId": "c", "type": "string"}]},
        {"linkId": "d", "type": "string", "repeats": true, "extension": [
            {"url": format!("{EXTENSIONS}questionnaire-minOccurs"), "valueInteger": 2}]},
    ]))]);
    let a = |value: bool| json!({"linkId": "a", "answer": [{"valueBoolean": value}]});
    let text = |link: &str| json!({"linkId": link, "answer": [{"valueString": "x"}]});
    let group = json!({"linkId": "g", "item": [text("c")]});
    for (items, expected) in [
        (json!([a(true), text("b"), group]), &[][..]),
        (json!([a(false), group]), &[]),
        (json!([a(true), group]), &["QuestionnaireResponse"]),
        (
            json!([a(false), text("b"), group]),
            &["QuestionnaireResponse.item[1]"],
        ),
        (
            json!([a(false), {"linkId": "g"}]),
            &["QuestionnaireResponse.item[1]"],
        ),
        (
            json!([a(false), group, text("d")]),
            &["QuestionnaireResponse.item[2]"],
        ),
    ] {
        assert_eq!(
            errors(&profiles, &answers(items.clone())),
            expected,
            "{items}"
        );
    }
    let mut draft = answers(json!([a(false), text("b")]));
    draft["status"] = json!("in-progress");
    assert_eq!(errors(&profiles, &draft), [""; 0]);
}

#[test]
fn conditions_ask_for_questions_that_can_be_answered_before() {
    let profiles = profiles(Vec::new());
    let on =
        |question: &str| json!({"question": question, "operator": "exists", "answerBoolean": true});
    for (conditions, behavior, refused) in [
        (json!([on("a")]), None, false),
        (json!([on("a"), on("b")]), Some("all"), false),
        (json!([on("a"), on("b")]), None, true),
        (json!([on("g")]), None, true),
        (json!([on("below")]), None, true),
        (json!([on("text")]), None, true),
        (json!([on("nowhere")]), None, true),
    ] {
        let mut group = json!({"linkId": "g", "type": "group", "enableWhen": conditions,
            "item": [{"linkId": "below", "type": "string"}]});
        if let Some(behavior) = behavior {
            group["enableBehavior"] = json!(behavior);
        }
        let form = form(
            json!([{"linkId": "a", "type": "string"}, {"linkId": "b", "type": "string"},
            {"linkId": "text", "type": "display", "text": "x"}, group]),
        );
        let found = errors(&profiles, &form);
        assert_eq!(!found.is_empty(), refused, "{conditions} {found:?}");
        assert!(
            found.iter().all(|at| at == "Questionnaire.item[3]"),
            "{found:?}"
        );
    }
}

#[test]
fn a_measure_report_reports_on_its_measure() {
    let concept = |code: &str| json!({"coding": [{"system": "s", "code": code}]});
    let measure = json!({"resourceType": "Measure", "url": "http://x/m", "status": "active",
        "scoring": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/measure-scoring", "code": "cohort"}]},
        "group": [{"code": concept("g"), "population": [{"code": concept("p")}], "stratifier": [{"code": concept("s")}]}]});
    let profiles = profiles(vec![measure]);
    let report = |group: Value| {
        json!({"resourceType": "MeasureReport", "status": "complete", "type": "summary",
        "measure": "http://x/m", "period": {"start": "2020"}, "group": [group]})
    };
    let whole = || json!({"code": concept("g"), "population": [{"code": concept("p"), "count": 1}], "stratifier": [{"code": [concept("s")]}]});
    let with = |pointer: &str, value: Value| {
        let mut group = whole();
        group[pointer] = value;
        group
    };
    for (group, expected) in [
        (whole(), &[][..]),
        (
            with("code", concept("h")),
            &["MeasureReport.group[0]", "MeasureReport"],
        ),
        (
            with("population", json!([{"code": concept("q")}])),
            &["MeasureReport.group[0].population[0]"],
        ),
        (with("stratifier", json!([])), &["MeasureReport.group[0]"]),
        (
            with("measureScore", json!({"value": 1})),
            &["MeasureReport.group[0].measureScore"],
        ),
        (
            with(
                "population",
                json!([{"code": concept("p"), "subjectResults": {"reference": "List/1"}}]),
            ),
            &["MeasureReport.group[0].population[0]"],
        ),
    ] {
        assert_eq!(
            errors(&profiles, &report(group.clone())),
            expected,
            "{group}"
        );
    }
}
