//! What the registry makes of all of R4.

use super::*;
use crate::search::registry::Parameter;

/// Every expression of R4 compiles, and what it gives is of a kind that is extracted.
#[test]
fn all_parameters_of_r4_compile() {
    let mut unsupported: Vec<String> = Vec::new();
    let mut rows: HashMap<i32, String> = HashMap::new();
    let mut count = 0;
    for of in ResourceType::all() {
        for parameter in REGISTRY.parameters(of) {
            count += 1;
            let name = format!("{of}.{}", parameter.code);
            if !parameter.supported {
                unsupported.push(parameter.code.clone());
                assert!(parameter.branches.is_empty(), "{name}");
            }
            for branch in &parameter.branches {
                let text = format!("{of} {}", branch.expression);
                let known = rows
                    .entry(branch.slot.row())
                    .or_insert_with(|| text.clone());
                assert_eq!(*known, text, "two slots with one row number");
            }
        }
    }
    unsupported.sort();
    unsupported.dedup();
    assert_eq!(
        unsupported,
        ["_query"],
        "this has no expression and is not about words"
    );
    println!("{count} parameters on types, {} slots", rows.len());
    let several = |p: &&Parameter| p.branches.len() > 1;
    let ordered = |p: &&Parameter| {
        matches!(
            p.kind,
            Kind::Date | Kind::Number | Kind::Quantity | Kind::String
        )
    };
    let split: Vec<String> = ResourceType::all()
        .flat_map(|of| REGISTRY.parameters(of))
        .filter(several)
        .filter(ordered)
        .map(|p| format!("{}.{}", p.resource_type, p.code))
        .collect();
    assert_eq!(
        split,
        ["Observation.combo-value-quantity"],
        "these sort by several slots"
    );
}

/// What is not answered by the registry, and why; the rest of the 1,375 is.
const ANSWERED_ELSEWHERE: [(&str, &str); 1] = [(
    "_query",
    "names an operation; the base specification defines none",
)];

#[test]
fn every_published_parameter_is_supported() {
    let published = REGISTRY.model().definitions().search_parameters();
    assert_eq!(published.len(), 1375);
    let mut refused = Vec::new();
    for parameter in published {
        let on_all = ["Resource", "DomainResource"];
        let bases = parameter.base.iter().flat_map(|base| match base.as_str() {
            base if on_all.contains(&base) => vec!["Patient", "Observation"],
            base => vec![base],
        });
        for base in bases {
            let of = resource_type(base);
            let found = REGISTRY.parameter(of, &parameter.code);
            if !found.is_some_and(|found| found.supported) {
                refused.push(parameter.code.as_str());
            }
        }
    }
    refused.sort_unstable();
    refused.dedup();
    let mut expected = ANSWERED_ELSEWHERE.map(|(code, _)| code);
    expected.sort_unstable();
    assert_eq!(refused, expected);
}

/// The types that each kind reads: anything else that an expression gives is not indexed.
fn is_read(kind: Kind, given: &Given<'_>) -> bool {
    let node_type = match given {
        Given::Value(_) => return kind == Kind::Token,
        Given::Resource(node_type) | Given::Element(_, node_type) => node_type,
    };
    let is = |names: &[&str]| names.iter().any(|name| node_type.is(name));
    match kind {
        Kind::Token => {
            node_type.kind == TypeKind::Primitive
                || is(&["Coding", "CodeableConcept", "Identifier", "ContactPoint"])
        }
        Kind::Reference => is(&["Reference", "uri", "Resource"]),
        Kind::Uri => is(&["uri"]),
        Kind::String => is(&["string", "HumanName", "Address", "CodeableConcept", "uri"]),
        Kind::Date => is(&["date", "dateTime", "instant", "Period", "Timing"]),
        Kind::Number => is(&["decimal", "integer", "Range", "Quantity"]),
        Kind::Quantity => is(&["Quantity", "Money", "Range", "SampledData"]),
        Kind::Special => node_type.key == "Location.position",
        Kind::Composite => false,
    }
}

/// What R4's expressions give that its search types do not compare, and expressions that
/// give nothing: the exact list.
#[test]
fn what_expressions_give_is_read() {
    let mut surprises = Vec::new();
    for of in ResourceType::all() {
        let root = REGISTRY.model().resource(of).expect("defined");
        for parameter in REGISTRY.parameters(of) {
            for branch in &parameter.branches {
                let given = infer(
                    REGISTRY.model(),
                    branch.expression.ast(),
                    &Given::Resource(root),
                );
                if given.is_empty() {
                    surprises.push(format!(
                        "{of}.{}: nothing of {}",
                        parameter.code, branch.expression
                    ));
                }
                for given in given.iter().filter(|given| !is_read(parameter.kind, given)) {
                    let (Given::Element(_, node_type) | Given::Resource(node_type)) = given else {
                        panic!("{of}.{} gives {given:?}", parameter.code);
                    };
                    surprises.push(format!("{of}.{}: {}", parameter.code, node_type.key));
                }
            }
        }
    }
    assert_eq!(
        surprises,
        [
            // The type of the entry is in the resource: found when it is indexed.
            "Bundle.composition: nothing of Bundle.entry[0].resource",
            "Bundle.message: nothing of Bundle.entry[0].resource",
            // Choices of which only some members are of the parameter's kind.
            "CarePlan.activity-date: string",
            "Consent.source-reference: Attachment",
            "Immunization.date: string",
            "Procedure.date: string",
            "Procedure.date: Age",
            "Procedure.date: Range",
        ]
    );
}

/// One `bigint` holds the presence of every type, and what is of all types has the same bits.
#[test]
fn presence_fits_into_one_number() {
    let mut most = (0, resource_type("Patient"));
    for of in ResourceType::all() {
        let parameters = REGISTRY.parameters(of);
        let mut all = 0;
        for parameter in parameters.iter().filter(|p| p.supported) {
            let has_bits = matches!(parameter.kind, Kind::Token | Kind::Reference | Kind::Uri)
                && !matches!(parameter.code.as_str(), "_id" | "_lastUpdated");
            for branch in &parameter.branches {
                let bits = branch.presence.count_ones();
                assert_eq!(bits, u32::from(has_bits), "{of}.{}", parameter.code);
                all |= branch.presence;
            }
        }
        assert!(all >= 0, "{of} leaves the sign alone");
        most = most.max((all.count_ones(), of));
        for (bit, code) in ["_profile", "_security", "_source", "_tag"]
            .iter()
            .enumerate()
        {
            let parameter = REGISTRY.parameter(of, code).expect("of all types");
            assert_eq!(parameter.branches[0].presence, 1 << bit, "{of}.{code}");
        }
    }
    println!("{} has the most presence bits: {}", most.1, most.0);
    let of = resource_type("Observation");
    let bits = |code: &str| -> i64 {
        let branches = &REGISTRY.parameter(of, code).expect("a parameter").branches;
        branches
            .iter()
            .fold(0, |bits, branch| bits | branch.presence)
    };
    assert_ne!(
        bits("subject"),
        bits("patient"),
        "one slot, but Patients only"
    );
    assert_eq!(bits("combo-code"), bits("code") | bits("component-code"));
}

/// `system|` is answered by presence where a branch is of one code alone: were there other
/// values beside it, it would find them too.
#[test]
fn a_code_with_a_system_stands_alone_in_its_branch() {
    for of in ResourceType::all() {
        let parameters = REGISTRY.parameters(of).iter();
        for parameter in parameters.filter(|p| p.kind == Kind::Token) {
            for branch in &parameter.branches {
                let leaves = branch.leaves();
                let is_alone = !leaves.coded && !leaves.folded && leaves.plain.len() == 1;
                let has_system = leaves.plain.iter().any(Option::is_some);
                assert!(
                    !has_system || is_alone,
                    "{of}.{}: {leaves:?}",
                    parameter.code
                );
            }
        }
    }
}

#[test]
fn parameters_that_narrow_share_their_slot() {
    let of = resource_type("Observation");
    let slot = |code: &str| REGISTRY.parameter(of, code).expect("a parameter").branches[0].slot;
    assert_eq!(slot("subject"), slot("patient"));
    assert_eq!(slot("combo-code"), slot("code"));
    let rows = |code: &str| {
        let branches = &REGISTRY.parameter(of, code).expect("a parameter").branches;
        branches
            .iter()
            .map(|branch| branch.slot)
            .collect::<Vec<_>>()
    };
    let parts = [rows("component-value-quantity"), rows("value-quantity")].concat();
    assert_eq!(rows("combo-value-quantity"), parts);
    assert_eq!(parts.len(), 2);
    let codes: Vec<&str> = REGISTRY
        .parameters(of)
        .iter()
        .map(|p| p.code.as_str())
        .collect();
    assert!(codes.is_sorted());
    for code in [
        "_id",
        "_lastUpdated",
        "_tag",
        "_profile",
        "_security",
        "_source",
        "code",
    ] {
        assert!(codes.contains(&code), "{code}");
    }
}

#[test]
fn nothing_in_a_resource_makes_indexing_fail() {
    for strange in [
        json!(null),
        json!([]),
        json!({"resourceType": "Observation"}),
        json!({"resourceType": "Patient", "subject": 3, "code": [[[]]], "status": {}}),
        json!({"subject": {"reference": 5}, "effectivePeriod": "x", "valueQuantity": [{"value": "a"}],
            "category": [null, 3, {"coding": {}}], "identifier": {"value": {}}, "component": 7,
            "meta": {"tag": "x", "profile": [1]}, "contained": [{"resourceType": "Nope"}, 4]}),
    ] {
        let rows = REGISTRY.index(TENANT, resource_type("Observation"), &strange, BASE);
        assert!(rows.dates.is_empty(), "{strange}");
    }
}

#[test]
fn indexing_an_observation_is_quick() {
    let resource = observation(json!({
        "meta": {"versionId": "1", "lastUpdated": "2026-03-03T10:00:02.123Z",
            "profile": ["http://hl7.org/fhir/StructureDefinition/vitalsigns"]},
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "vital-signs", "display": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2", "display": "Body Height"}],
            "text": "Body Height"},
        "subject": {"reference": "Patient/019b0c3e-0000-7000-8000-000000000001"},
        "encounter": {"reference": "Encounter/019b0c3e-0000-7000-8000-000000000002"},
        "effectiveDateTime": "2012-01-04T11:20:22-05:00", "issued": "2012-01-04T11:20:22.344-05:00",
        "valueQuantity": {"value": 154.3, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm"},
    }));
    let rows = index(&resource);
    println!(
        "an Observation has {} entries, {} dates, {} strings, {} quantities",
        rows.entries.len(),
        rows.dates.len(),
        rows.strings.len(),
        rows.quantities.len()
    );
    let rounds = 2000;
    let start = Clock::now();
    for _ in 0..rounds {
        std::hint::black_box(index(std::hint::black_box(&resource)));
    }
    println!("indexing an Observation: {:?}", start.elapsed() / rounds);
}
