//! The JSON of the resources, made of the facts: as Synthea writes them, but shorter, some 0.9 KB
//! each. <https://hl7.org/fhir/R4/resourcelist.html>

use crate::codes::{BLOOD_PRESSURE, CODES};
use crate::grow::{
    self, Kind, PER_ENCOUNTER, PER_PERSON, Random, World, date, date_time, family, given, instant,
    ssn, tenths,
};

/// What is to be stored of one resource.
pub struct Resource {
    pub kind: Kind,
    pub id: String,
    /// Milliseconds since 1970.
    pub stored: i64,
    pub body: String,
}

const LOINC: &str = "http://loinc.org";
const SNOMED: &str = "http://snomed.info/sct";
const UCUM: &str = "http://unitsofmeasure.org";

/// Conditions, procedures, drugs, vaccines: what `code` says of other resources.
const CONCEPTS: [(&str, &str); 12] = [
    ("40055000", "Chronic sinusitis (disorder)"),
    ("444814009", "Viral sinusitis (disorder)"),
    ("195662009", "Acute viral pharyngitis (disorder)"),
    ("10509002", "Acute bronchitis (disorder)"),
    ("162864005", "Body mass index 30+ - obesity (finding)"),
    ("15777000", "Prediabetes"),
    ("430193006", "Medication Reconciliation (procedure)"),
    ("185347001", "Encounter for problem"),
    ("308136", "amLODIPine 2.5 MG Oral Tablet"),
    ("314076", "lisinopril 10 MG Oral Tablet"),
    (
        "710824005",
        "Assessment of health and social care needs (procedure)",
    ),
    ("140", "Influenza, seasonal, injectable, preservative free"),
];

/// Calls `take` with everything of one person, in the order of storing.
pub fn visit(world: &World, person: u32, mut take: impl FnMut(Resource)) {
    let mut ordinal = 0;
    let mut put = |kind: Kind, number: u64, rest: String| {
        let id = world.id(kind, number);
        let stored = world.stored(person, ordinal);
        ordinal += 1;
        let body = format!(
            "{{\"resourceType\":\"{kind:?}\",\"id\":\"{id}\",\"meta\":{{\"versionId\":\"1\",\
             \"lastUpdated\":\"{}\",\"profile\":[\"http://hl7.org/fhir/us/core/StructureDefinition/us-core-{}\"]}},{rest}}}",
            instant(stored),
            kind.name().to_lowercase(),
        );
        take(Resource {
            kind,
            id,
            stored,
            body,
        });
    };
    let of = &world.people[person as usize];
    put(Kind::Patient, u64::from(person), patient(world, person));
    for number in of.encounters.clone() {
        put(Kind::Encounter, u64::from(number), encounter(world, number));
    }
    for number in of.observations.clone() {
        put(
            Kind::Observation,
            u64::from(number),
            observation(world, number),
        );
    }
    let mut random = Random::new(world.seed ^ 1, u64::from(person));
    let mut other = 0;
    let mut next = || {
        other += 1;
        u64::from(person) << 20 | other
    };
    for encounter in of.encounters.clone() {
        for (kind, percent) in PER_ENCOUNTER {
            for _ in 0..times(percent, &mut random) {
                let rest = event(world, kind, person, Some(encounter), &mut random);
                put(kind, next(), rest);
            }
        }
    }
    for (kind, percent) in PER_PERSON {
        for _ in 0..times(percent, &mut random) {
            let number = next();
            let rest = match kind {
                Kind::Practitioner | Kind::Organization | Kind::Location => {
                    place(kind, number, &mut random)
                }
                _ => event(world, kind, person, None, &mut random),
            };
            put(kind, number, rest);
        }
    }
    put(
        Kind::Provenance,
        u64::from(person),
        provenance(world, person),
    );
}

/// 206 percent is twice, and in six of a hundred cases once more.
fn times(percent: u64, random: &mut Random) -> u64 {
    percent / 100 + u64::from(random.percent(percent % 100))
}

fn concept(system: &str, code: &str, display: &str) -> String {
    format!(
        "{{\"coding\":[{{\"system\":\"{system}\",\"code\":\"{code}\",\"display\":\"{display}\"}}],\
         \"text\":\"{display}\"}}"
    )
}

fn subject(world: &World, name: &str, person: u32) -> String {
    let id = world.id(Kind::Patient, u64::from(person));
    format!("\"{name}\":{{\"reference\":\"Patient/{id}\"}}")
}

fn seen(world: &World, encounter: Option<u32>) -> String {
    encounter.map_or(String::new(), |encounter| {
        let id = world.id(Kind::Encounter, u64::from(encounter));
        format!(",\"encounter\":{{\"reference\":\"Encounter/{id}\"}}")
    })
}

fn patient(world: &World, number: u32) -> String {
    let person = &world.people[number as usize];
    let id = world.id(Kind::Patient, u64::from(number));
    let (family, first, middle) = (
        family(person.family),
        given(person.givens[0]),
        given(person.givens[1]),
    );
    let (gender, prefix, birth_sex) = match person.male {
        true => ("male", "Mr.", "M"),
        false => ("female", "Mrs.", "F"),
    };
    let deceased = person.death.map_or(String::new(), |at| {
        format!("\"deceasedDateTime\":\"{}\",", date_time(at))
    });
    format!(
        "\"extension\":[{{\"url\":\"http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex\",\"valueCode\":\"{birth_sex}\"}}],\
         \"identifier\":[{{\"system\":\"https://github.com/synthetichealth/synthea\",\"value\":\"{id}\"}},\
         {{\"type\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/v2-0203\",\"code\":\"MR\",\"display\":\"Medical Record Number\"}}],\"text\":\"Medical Record Number\"}},\"system\":\"http://hospital.smarthealthit.org\",\"value\":\"{id}\"}},\
         {{\"type\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/v2-0203\",\"code\":\"SS\",\"display\":\"Social Security Number\"}}],\"text\":\"Social Security Number\"}},\"system\":\"http://hl7.org/fhir/sid/us-ssn\",\"value\":\"{ssn}\"}}],\
         \"name\":[{{\"use\":\"official\",\"family\":\"{family}\",\"given\":[\"{first}\",\"{middle}\"],\"prefix\":[\"{prefix}\"]}}],\
         \"telecom\":[{{\"system\":\"phone\",\"value\":\"555-{:03}-{:04}\",\"use\":\"home\"}}],\
         \"gender\":\"{gender}\",\"birthDate\":\"{}\",{deceased}\
         \"address\":[{{\"line\":[\"{} Main Street\"],\"city\":\"Springfield\",\"state\":\"MA\",\"postalCode\":\"{:05}\",\"country\":\"US\"}}],\
         \"multipleBirthBoolean\":false,\
         \"communication\":[{{\"language\":{{\"coding\":[{{\"system\":\"urn:ietf:bcp:47\",\"code\":\"en-US\",\"display\":\"English\"}}],\"text\":\"English\"}}}}]",
        number % 1000,
        number % 9973,
        date(person.birth),
        number % 997 + 1,
        1000 + number % 1700,
        ssn = ssn(number),
    )
}

fn encounter(world: &World, number: u32) -> String {
    let encounter = world.encounters[number as usize];
    let id = world.id(Kind::Encounter, u64::from(number));
    let period = format!(
        "\"period\":{{\"start\":\"{}\",\"end\":\"{}\"}}",
        date_time(encounter.at),
        date_time(encounter.at + 900)
    );
    format!(
        "\"identifier\":[{{\"use\":\"official\",\"system\":\"https://github.com/synthetichealth/synthea\",\"value\":\"{id}\"}}],\
         \"status\":\"finished\",\"class\":{{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ActCode\",\"code\":\"AMB\"}},\
         \"type\":[{}],{},\
         \"participant\":[{{\"type\":[{}],{period},\"individual\":{{\"display\":\"Dr. Sandy901 Turner526\"}}}}],{period}",
        concept(SNOMED, "185347001", "Encounter for problem"),
        subject(world, "subject", encounter.person),
        concept(
            "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
            "PPRF",
            "primary performer"
        ),
    )
}

fn quantity(name: &str, value: i32, unit: &str) -> String {
    format!(
        "\"{name}\":{{\"value\":{},\"unit\":\"{unit}\",\"system\":\"{UCUM}\",\"code\":\"{unit}\"}}",
        tenths(value)
    )
}

fn observation(world: &World, number: u32) -> String {
    let observation = world.observations[number as usize];
    let known = CODES.get(observation.code as usize);
    let (display, category, unit) = match known {
        Some(code) => (code.display, code.category, code.unit),
        None => ("A seldom done examination", "survey", "{score}"),
    };
    let value = if observation.code == BLOOD_PRESSURE {
        let component = |code: &str, display: &str, value| {
            format!(
                "{{\"code\":{},{}}}",
                concept(LOINC, code, display),
                quantity("valueQuantity", value, unit)
            )
        };
        format!(
            "\"component\":[{},{}]",
            component("8480-6", "Systolic Blood Pressure", observation.value),
            component("8462-4", "Diastolic Blood Pressure", observation.second)
        )
    } else {
        quantity("valueQuantity", observation.value, unit)
    };
    let at = date_time(observation.at);
    format!(
        "\"status\":\"{}\",\"category\":[{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/observation-category\",\"code\":\"{category}\",\"display\":\"{category}\"}}]}}],\
         \"code\":{},{}{},\"effectiveDateTime\":\"{at}\",\"issued\":\"{}.292Z\",{value}",
        if observation.amended {
            "amended"
        } else {
            "final"
        },
        concept(LOINC, &grow::code(observation.code), display),
        subject(world, "subject", observation.person),
        seen(world, observation.encounter),
        at.trim_end_matches('Z'),
    )
}

fn provenance(world: &World, person: u32) -> String {
    let of = &world.people[person as usize];
    let mut targets = vec![format!(
        "{{\"reference\":\"Patient/{}\"}}",
        world.id(Kind::Patient, u64::from(person))
    )];
    targets.extend(of.encounters.clone().map(|number| {
        let id = world.id(Kind::Encounter, u64::from(number));
        format!("{{\"reference\":\"Encounter/{id}\"}}")
    }));
    format!(
        "\"target\":[{}],\"recorded\":\"2021-07-01T08:00:00.000Z\",\
         \"agent\":[{{\"type\":{},\"who\":{{\"display\":\"Springfield Hospital\"}}}}]",
        targets.join(","),
        concept(
            "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
            "author",
            "Author"
        ),
    )
}

/// Everything else that happens to a person: a code, a date, and whom it is about.
fn event(
    world: &World,
    kind: Kind,
    person: u32,
    encounter: Option<u32>,
    random: &mut Random,
) -> String {
    let at = encounter.map_or(grow::END - 86_400, |encounter| {
        world.encounters[encounter as usize].at
    });
    let at = date_time(at);
    let (code, display) = random.pick(&CONCEPTS);
    let code = concept(SNOMED, code, display);
    let seen = seen(world, encounter);
    let subject = |name| subject(world, name, person);
    let money = random.below(90_000);
    match kind {
        Kind::Claim => format!(
            "\"status\":\"active\",\"type\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/claim-type\",\"code\":\"institutional\"}}]}},\"use\":\"claim\",{},\"billablePeriod\":{{\"start\":\"{at}\",\"end\":\"{at}\"}},\"created\":\"{at}\",\"provider\":{{\"display\":\"Springfield Hospital\"}},\"priority\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/processpriority\",\"code\":\"normal\"}}]}},\"insurance\":[{{\"sequence\":1,\"focal\":true,\"coverage\":{{\"display\":\"Medicare\"}}}}],\"item\":[{{\"sequence\":1,\"productOrService\":{code}{}}}],\"total\":{{\"value\":{}.{:02},\"currency\":\"USD\"}}",
            subject("patient"),
            seen.replace("\"encounter\":{", "\"encounter\":[{")
                .replace("\"}", "\"}]"),
            money / 100,
            money % 100
        ),
        Kind::ExplanationOfBenefit => format!(
            "\"status\":\"active\",\"type\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/claim-type\",\"code\":\"professional\"}}]}},\"use\":\"claim\",{},\"billablePeriod\":{{\"start\":\"{at}\",\"end\":\"{at}\"}},\"created\":\"{at}\",\"insurer\":{{\"display\":\"Medicare\"}},\"provider\":{{\"display\":\"Springfield Hospital\"}},\"outcome\":\"complete\",\"insurance\":[{{\"focal\":true,\"coverage\":{{\"display\":\"Medicare\"}}}}],\"item\":[{{\"sequence\":1,\"productOrService\":{code}}}],\"payment\":{{\"amount\":{{\"value\":{}.{:02},\"currency\":\"USD\"}}}}",
            subject("patient"),
            money / 100,
            money % 100
        ),
        Kind::DiagnosticReport => format!(
            "\"status\":\"final\",\"category\":[{{\"coding\":[{{\"system\":\"{LOINC}\",\"code\":\"34117-2\",\"display\":\"History and physical note\"}}]}}],\"code\":{code},{}{seen},\"effectiveDateTime\":\"{at}\",\"issued\":\"{at}\",\"performer\":[{{\"display\":\"Springfield Hospital\"}}]",
            subject("subject")
        ),
        Kind::DocumentReference => format!(
            "\"status\":\"current\",\"type\":{code},{},\"date\":\"{at}\",\"content\":[{{\"attachment\":{{\"contentType\":\"text/plain\",\"data\":\"Q2hpZWYgQ29tcGxhaW50OiBObyBjb21wbGFpbnRzLgo=\"}}}}]{}",
            subject("subject"),
            seen.replacen("\"encounter\":", "\"context\":{\"encounter\":[", 1)
                + if seen.is_empty() { "" } else { "]}" }
        ),
        Kind::MedicationRequest => format!(
            "\"status\":\"stopped\",\"intent\":\"order\",\"medicationCodeableConcept\":{code},{}{seen},\"authoredOn\":\"{at}\",\"requester\":{{\"display\":\"Dr. Sandy901 Turner526\"}}",
            subject("subject")
        ),
        Kind::Procedure => format!(
            "\"status\":\"completed\",\"code\":{code},{}{seen},\"performedPeriod\":{{\"start\":\"{at}\",\"end\":\"{at}\"}}",
            subject("subject")
        ),
        Kind::SupplyDelivery => format!(
            "\"status\":\"completed\",{},\"suppliedItem\":{{\"quantity\":{{\"value\":2}},\"itemCodeableConcept\":{code}}},\"occurrenceDateTime\":\"{at}\"",
            subject("patient")
        ),
        Kind::Immunization => format!(
            "\"status\":\"completed\",\"vaccineCode\":{code},{}{seen},\"occurrenceDateTime\":\"{at}\",\"primarySource\":true",
            subject("patient")
        ),
        Kind::Condition => format!(
            "\"clinicalStatus\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/condition-clinical\",\"code\":\"active\"}}]}},\"category\":[{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/condition-category\",\"code\":\"encounter-diagnosis\"}}]}}],\"code\":{code},{}{seen},\"onsetDateTime\":\"{at}\",\"recordedDate\":\"{at}\"",
            subject("subject")
        ),
        Kind::AllergyIntolerance => format!(
            "\"category\":[\"environment\"],\"criticality\":\"low\",\"code\":{code},{},\"recordedDate\":\"{at}\"",
            subject("patient")
        ),
        Kind::CarePlan => format!(
            "\"status\":\"active\",\"intent\":\"order\",\"category\":[{code}],{},\"period\":{{\"start\":\"{at}\"}}",
            subject("subject")
        ),
        _ => format!(
            "\"status\":\"active\",{},\"period\":{{\"start\":\"{at}\"}},\"reasonCode\":[{code}]",
            subject("subject")
        ),
    }
}

/// Those that are about nobody.
fn place(kind: Kind, number: u64, random: &mut Random) -> String {
    let name = format!(
        "{} {number}",
        grow::word(grow::FAMILIES, random.below(60) as u32)
    );
    let identifier = format!(
        "\"identifier\":[{{\"system\":\"http://hl7.org/fhir/sid/us-npi\",\"value\":\"{number}\"}}],"
    );
    match kind {
        Kind::Practitioner => format!(
            "{identifier}\"active\":true,\"name\":[{{\"family\":\"{name}\",\"given\":[\"Sandy901\"],\"prefix\":[\"Dr.\"]}}],\"gender\":\"female\""
        ),
        Kind::Organization => format!("{identifier}\"active\":true,\"name\":\"{name} HOSPITAL\""),
        _ => format!("{identifier}\"status\":\"active\",\"name\":\"{name} CLINIC\""),
    }
}
