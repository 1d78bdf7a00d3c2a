//! `$install-package`, and what is live of a package: definitions, search parameters, terminology.

use super::search_parameter::work_off;
use super::{patient, patient_with_id};
use crate::harness::{Reply, Server, database, settings};
use andiron::access::Access;
use andiron::config::Validation;
use andiron::jobs::{self, Work};
use andiron::operation::remove_package;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;
use std::time::Duration;

const BASE: &str = "http://example.org/guide";

/// A package as tools make it: entries below `package/`, gzipped.
pub fn pack(manifest: &Value, files: &[(&str, Value)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, text: String| {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("package/{name}"), text.as_bytes())
            .expect("memory takes it");
    };
    add("package.json", manifest.to_string());
    for (name, resource) in files {
        add(name, resource.to_string());
    }
    let tar = tar.into_inner().expect("memory takes it");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&tar).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

pub fn manifest(name: &str, version: &str, dependencies: Value) -> Value {
    json!({"name": name, "version": version, "fhirVersions": ["4.0.1"], "canonical": BASE,
        "dependencies": dependencies})
}

pub async fn install(server: &Server, query: &str, package: Vec<u8>) -> Reply {
    let path = format!("/fhir/$install-package{query}");
    let headers = ["Content-Type: application/gzip"];
    server.send("POST", &path, &headers, package).await
}

/// A Patient that has a name, or from version 2 on a birth date; with a colour of its own.
fn guide(version: &str) -> Vec<u8> {
    let element = match version.starts_with('1') {
        true => "name",
        false => "birthDate",
    };
    let parameter = |id: &str, code: &str, base: &str, kind: &str, expression: &str| {
        json!({"resourceType": "SearchParameter", "id": id, "url": format!("{BASE}/SearchParameter/{id}"),
            "version": version, "name": "X", "description": "x", "status": "active", "code": code, "base": [base],
            "type": kind, "expression": expression})
    };
    let url = |kind: &str, id: &str| format!("{BASE}/{kind}/{id}");
    let colour = json!({"resourceType": "StructureDefinition", "id": "colour", "url": url("StructureDefinition", "colour"),
        "version": version, "name": "Colour", "status": "active", "kind": "complex-type", "abstract": false,
        "type": "Extension", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
        "derivation": "constraint", "context": [{"type": "element", "expression": "Patient"}],
        "differential": {"element": [
            {"id": "Extension.url", "path": "Extension.url", "fixedUri": url("StructureDefinition", "colour")},
            {"id": "Extension.value[x]", "path": "Extension.value[x]", "min": 1, "type": [{"code": "code"}],
                "binding": {"strength": "required", "valueSet": url("ValueSet", "colours")}}]}});
    let files = [
        (
            "StructureDefinition-person.json",
            json!({"resourceType": "StructureDefinition", "id": "person",
            "url": url("StructureDefinition", "person"), "version": version, "name": "Person", "status": "active",
            "kind": "resource", "abstract": false, "type": "Patient", "derivation": "constraint",
            "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
            "differential": {"element": [{"id": format!("Patient.{element}"), "path": format!("Patient.{element}"), "min": 1}]}}),
        ),
        ("StructureDefinition-colour.json", colour),
        (
            "CodeSystem-colours.json",
            json!({"resourceType": "CodeSystem", "id": "colours", "url": url("CodeSystem", "colours"),
            "version": version, "status": "active", "content": "complete",
            "concept": [{"code": "red", "display": "Red"}, {"code": "green"}]}),
        ),
        (
            "ValueSet-colours.json",
            json!({"resourceType": "ValueSet", "id": "colours", "url": url("ValueSet", "colours"),
            "version": version, "status": "active",
            "compose": {"include": [{"system": url("CodeSystem", "colours")}]}}),
        ),
        (
            "SearchParameter-colour.json",
            parameter(
                "colour",
                "colour",
                "Patient",
                "token",
                &format!("Patient.extension('{BASE}/StructureDefinition/colour').value"),
            ),
        ),
        (
            "SearchParameter-same.json",
            parameter("same", "gender", "Patient", "token", "Patient.gender"),
        ),
        (
            "SearchParameter-taken.json",
            parameter(
                "taken",
                "birthdate",
                "Patient",
                "date",
                "Patient.deceased.ofType(dateTime)",
            ),
        ),
        (
            "ImplementationGuide-guide.json",
            json!({"resourceType": "ImplementationGuide", "id": "guide",
            "url": url("ImplementationGuide", "guide"), "version": version, "name": "Guide", "status": "active",
            "packageId": "test.guide", "fhirVersion": ["4.0.1"], "definition": {"resource": [
                {"reference": {"reference": "StructureDefinition/person"}},
                {"reference": {"reference": "Patient/example"}}]}}),
        ),
        ("Patient-example.json", patient_with_id("example", "x")),
        ("example/Patient-other.json", patient_with_id("other", "x")),
    ];
    pack(
        &manifest("test.guide", version, json!({"hl7.fhir.r4.core": "4.0.1"})),
        &files,
    )
}

/// The values of a part of the packages of an answer.
fn parts(reply: &Reply, name: &str) -> Vec<Value> {
    let answer = reply.json();
    let packages = answer["parameter"].as_array().cloned().unwrap_or_default();
    let parts = packages.iter().filter_map(|one| one["part"].as_array());
    let named = parts.flatten().filter(|part| part["name"] == name);
    named
        .filter_map(|part| part.as_object()?.values().nth(1).cloned())
        .collect()
}

fn colourful(id: &str, colour: &str, claims: &str) -> Value {
    let mut patient = patient_with_id(id, id);
    patient["meta"] = json!({ "profile": [claims] });
    patient["extension"] =
        json!([{"url": format!("{BASE}/StructureDefinition/colour"), "valueCode": colour}]);
    patient
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_package_brings_is_stored_and_live() {
    let server = Server::with(|settings| settings.validation = Validation::Profile).await;
    server
        .put("/Patient/early", &colourful("early", "red", "urn:x"))
        .await
        .expect(201);
    let installed = install(&server, "", guide("1.0.0")).await;
    assert_eq!(parts(installed.expect(200), "status"), ["installed"]);
    assert_eq!(parts(&installed, "resources"), [8]);
    assert_eq!(parts(&installed, "searchParameters"), [1]);
    let told = installed.text();
    assert!(
        told.contains("SearchParameter-taken.json is stored and not live"),
        "{told}"
    );
    assert!(!told.contains("SearchParameter-same.json"), "{told}");

    // By id and by canonical; examples are not there, whatever refers to them.
    server
        .get("/StructureDefinition/person-1.0.0")
        .await
        .expect(200);
    let found = server
        .get(&format!(
            "/ValueSet?url={BASE}/ValueSet/colours&version=1.0.0"
        ))
        .await;
    assert_eq!(found.expect(200).ids(), ["colours-1.0.0"]);
    server.get("/Patient/example").await.expect(404);
    let guide_stored = server.get("/ImplementationGuide/guide-1.0.0").await.json();
    let listed = &guide_stored["definition"]["resource"];
    assert_eq!(
        listed[0]["reference"]["reference"],
        "StructureDefinition/person-1.0.0"
    );
    assert_eq!(
        listed[1]["reference"]["reference"],
        format!("{BASE}/Patient/example")
    );

    // Terminology, profiles, search.
    let expanded = server
        .get(&format!("/ValueSet/$expand?url={BASE}/ValueSet/colours"))
        .await;
    assert_eq!(expanded.expect(200).json()["expansion"]["total"], 2);
    let profile = format!("{BASE}/StructureDefinition/person");
    let blue = server
        .put("/Patient/a", &colourful("a", "blue", &profile))
        .await;
    assert!(
        blue.expect(422).issues().contains("colours"),
        "{}",
        blue.text()
    );
    server
        .put("/Patient/a", &colourful("a", "green", &profile))
        .await
        .expect(201);
    server.get("/Patient?colour=green").await.expect(400);
    work_off(&server).await;
    assert_eq!(
        server.get("/Patient?colour=green").await.expect(200).ids(),
        ["a"]
    );
    assert_eq!(
        server.get("/Patient?colour=red").await.expect(200).ids(),
        ["early"]
    );

    let statement = server.get("/metadata").await.json();
    assert_eq!(
        statement["implementationGuide"],
        json!([format!("{BASE}/ImplementationGuide/guide|1.0.0")])
    );
    let resources = statement["rest"][0]["resource"].as_array().expect("a list");
    let of_patient = resources
        .iter()
        .find(|one| one["type"] == "Patient")
        .expect("it is there");
    assert_eq!(
        of_patient["supportedProfile"],
        json!([profile, format!("{profile}|1.0.0")])
    );
    assert!(
        of_patient["searchParam"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|one| one["name"] == "colour")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_installed_once() {
    let server = Server::start().await;
    install(&server, "", guide("1.0.0")).await.expect(200);
    let before = server
        .get("/StructureDefinition/_history?_count=1")
        .await
        .json()["total"]
        .clone();
    let again = install(&server, "", guide("1.0.0")).await;
    assert_eq!(parts(again.expect(200), "status"), ["unchanged"]);
    assert_eq!(
        server
            .get("/StructureDefinition/_history?_count=1")
            .await
            .json()["total"],
        before
    );
    let other = pack(&manifest("test.guide", "1.0.0", json!({})), &[]);
    let refused = install(&server, "", other).await;
    assert!(
        refused
            .expect(409)
            .issues()
            .contains("test.guide#1.0.0 is installed with another content")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_versions_stand_side_by_side() {
    let server = Server::with(|settings| settings.validation = Validation::Profile).await;
    // Ids that users have are not theirs to take.
    let mine = json!({"resourceType": "ValueSet", "id": "colours-2.0.0", "status": "draft"});
    server
        .put("/ValueSet/colours-2.0.0", &mine)
        .await
        .expect(201);
    install(&server, "", guide("1.0.0")).await.expect(200);
    work_off(&server).await;
    let second = install(&server, "", guide("2.0.0")).await;
    assert_eq!(parts(second.expect(200), "status"), ["installed"]);
    assert_eq!(
        server.get("/ValueSet/colours-2.0.0").await.json()["status"],
        "draft"
    );
    let found = server
        .get(&format!(
            "/ValueSet?url={BASE}/ValueSet/colours&version=2.0.0"
        ))
        .await;
    let ids = found.expect(200).ids();
    assert!(
        ids.len() == 1 && ids[0].starts_with("colours-") && ids[0].ends_with("-2.0.0"),
        "{ids:?}"
    );

    // By version, or the newest. What was indexed for one version is for the next.
    let profile = format!("{BASE}/StructureDefinition/person");
    let old = colourful("a", "green", &format!("{profile}|1.0.0"));
    server.put("/Patient/a", &old).await.expect(201);
    let new = colourful("b", "green", &profile);
    let refused = server.put("/Patient/b", &new).await;
    assert!(
        refused.expect(422).issues().contains("birthDate"),
        "{}",
        refused.text()
    );
    assert_eq!(
        server.get("/Patient?colour=green").await.expect(200).ids(),
        ["a"]
    );
    let live = server.hub.live.current();
    let versions: Vec<_> = live
        .states
        .iter()
        .map(|one| one.custom.definition.version.as_str())
        .collect();
    assert_eq!(versions, ["2.0.0"]);

    // One is taken out; what was changed stays.
    let mut changed = server.get("/CodeSystem/colours-2.0.0").await.json();
    changed["title"] = json!("Mine");
    server
        .put("/CodeSystem/colours-2.0.0", &changed)
        .await
        .expect(200);
    let access = Access::unrestricted();
    let removed = remove_package::remove(&server.hub, &access, "test.guide", "2.0.0");
    let removed = removed.await.expect("it is taken out");
    assert_eq!(
        (removed.deleted, removed.kept),
        (7, vec!["CodeSystem/colours-2.0.0".to_owned()])
    );
    server.put("/Patient/b", &new).await.expect(201);
    server
        .get("/StructureDefinition/person-2.0.0")
        .await
        .expect(410);
    server.get("/ValueSet/colours-2.0.0").await.expect(200);
    let gone = remove_package::remove(&server.hub, &access, "test.guide", "2.0.0").await;
    assert!(gone.is_err());
    // And comes again.
    install(&server, "", guide("2.0.0")).await.expect(200);
    let back = server.get("/StructureDefinition/person-2.0.0").await;
    assert_eq!(back.expect(200).header("etag"), Some("W/\"3\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn dependencies_have_to_be_there_or_let_go() {
    let server = Server::start().await;
    let needs = json!({"hl7.fhir.r4.core": "4.0.1", "test.guide": "2.0.x", "other.guide": "1.0.0"});
    let upper = || pack(&manifest("upper.guide", "1.0.0", needs.clone()), &[]);
    install(&server, "", guide("1.0.0")).await.expect(200);
    let refused = install(&server, "", upper()).await;
    let issues = refused.expect(422).issues();
    assert!(
        issues.contains("upper.guide#1.0.0 needs test.guide 2.0.x, but there is only 1.0.0"),
        "{issues}"
    );
    assert!(
        issues.contains("upper.guide#1.0.0 needs other.guide 1.0.0, which is not there"),
        "{issues}"
    );
    install(&server, "", guide("2.0.7")).await.expect(200);
    install(&server, "", upper()).await.expect(422);
    install(&server, "?without=other.guide", upper())
        .await
        .expect(400);
    let installed = install(&server, "?without-dependency=other.guide", upper()).await;
    assert_eq!(
        parts(installed.expect(200), "missing"),
        ["other.guide#1.0.0"]
    );
    // What others need stays.
    let access = Access::unrestricted();
    let needed = remove_package::remove(&server.hub, &access, "test.guide", "2.0.7").await;
    let error = needed.expect_err("it is needed").to_string();
    assert!(
        error.contains("test.guide#2.0.7 is needed by upper.guide#1.0.0"),
        "{error}"
    );
    let free = remove_package::remove(&server.hub, &access, "test.guide", "1.0.0").await;
    assert_eq!(free.expect("nobody needs it").deleted, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_package_is_refused() {
    let server = Server::with(|settings| settings.limits.body_size = 100_000).await;
    let whole = guide("1.0.0");
    let bomb = vec![("a.txt", json!("x".repeat(4 << 20)))];
    for (body, status, says) in [
        (b"{}".to_vec(), 400, "cannot be read"),
        (whole[..whole.len() / 2].to_vec(), 400, "cannot be read"),
        (pack(&json!({"name": "x"}), &[]), 400, "expected a version"),
        (
            pack(&manifest("x", "1", json!({})), &bomb),
            400,
            "more than 1600000 bytes",
        ),
        (vec![0; 200_000], 413, "body-size"),
    ] {
        let reply = install(&server, "", body).await;
        assert!(
            reply.expect(status).issues().contains(says),
            "{says}: {}",
            reply.text()
        );
    }
    let headers = ["Content-Type: application/fhir+json"];
    server
        .send("POST", "/fhir/$install-package", &headers, whole.clone())
        .await
        .expect(415);
    let gzip = ["Content-Type: application/gzip"];
    server
        .send("POST", "/fhir/Patient", &gzip, whole)
        .await
        .expect(415);
    let stored = server.get("/_history").await.entries();
    assert_eq!(stored, [] as [Value; 0], "nothing came of it");
}

/// D3 of what packages bring: the other node enforces it as soon as it hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_take_a_package_over() {
    let options = database().await;
    let mut settings = settings();
    settings.validation = Validation::Profile;
    let a = Server::on(options.clone(), settings.clone()).await;
    let b = Server::on(options, settings).await;
    let of_a = jobs::start(&a.hub, Work::Yes).await.expect("it starts");
    let of_b = jobs::start(&b.hub, Work::No).await.expect("it starts");
    install(&a, "", guide("1.0.0")).await.expect(200);
    let profile = format!("{BASE}/StructureDefinition/person");
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let wrong = colourful("a", "blue", &profile);
        if b.post("/Patient", &wrong).await.status == 422 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "b never heard of it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    b.put("/Patient/b", &colourful("b", "red", &profile))
        .await
        .expect(201);
    while b.get("/Patient?colour=red").await.status != 200 {
        assert!(std::time::Instant::now() < deadline, "it was never indexed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(b.get("/Patient?colour=red").await.ids(), ["b"]);
    let statement = b.get("/metadata").await.text();
    assert!(statement.contains(&format!("{profile}|1.0.0")));
    let expanded = b
        .get(&format!("/ValueSet/$expand?url={BASE}/ValueSet/colours"))
        .await;
    assert_eq!(expanded.expect(200).json()["expansion"]["total"], 2);
    // Two at once are one after the other, and both are there.
    let (one, two) = tokio::join!(
        install(&a, "", guide("2.0.0")),
        install(&b, "", guide("2.0.0"))
    );
    let mut statuses = [
        parts(one.expect(200), "status"),
        parts(two.expect(200), "status"),
    ];
    statuses.sort_by_key(|status| status[0].to_string());
    assert_eq!(statuses, [["installed"], ["unchanged"]]);
    of_b.stop().await;
    of_a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_held_to_what_the_configuration_says() {
    let profile = format!("{BASE}/StructureDefinition/person");
    let kind = |name: &str| andiron::fhir::ResourceType::parse(name).expect("a type");
    let server = Server::with(|settings| {
        settings.overrides.profiles = [(profile.clone(), true)].into();
        settings.overrides.types = [
            (kind("Group"), Validation::Profile),
            (kind("Basic"), Validation::Off),
        ]
        .into();
        let required = vec![profile.clone()];
        settings.overrides.required = [(kind("Patient"), required)].into();
    })
    .await;
    // What is required and not known lets nothing through.
    let nameless = json!({"resourceType": "Patient"});
    let unknown = server.post("/Patient", &nameless).await;
    assert!(
        unknown
            .expect(422)
            .issues()
            .contains("has to be installed first"),
        "{}",
        unknown.text()
    );
    install(&server, "", guide("1.0.0")).await.expect(200);
    let refused = server.post("/Patient", &nameless).await;
    assert!(
        refused.expect(422).issues().contains("Patient.name"),
        "{}",
        refused.text()
    );
    server.post("/Patient", &patient("1")).await.expect(201);
    let dry = server.post("/Patient/$validate", &nameless).await;
    assert!(
        dry.expect(200).issues().contains("Patient.name"),
        "{}",
        dry.text()
    );
    // By type.
    server
        .post("/Basic", &json!({"resourceType": "Basic", "nope": 1}))
        .await
        .expect(201);
    let group = json!({"resourceType": "Group", "type": "person", "actual": false,
        "member": [{"entity": {"reference": "Patient/x"}}]});
    let refused = server.post("/Group", &group).await;
    assert!(
        refused.expect(422).issues().contains("grp-1"),
        "{}",
        refused.text()
    );
    // A batch tells each entry with its place, a transaction that which fails it.
    let entry = |resource: &Value| {
        let kind = resource["resourceType"].clone();
        json!({"resource": resource, "request": {"method": "POST", "url": kind}})
    };
    let entries = [entry(&patient("2")), entry(&nameless), entry(&group)];
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    let answer = server.post("", &batch).await;
    let answers = answer.expect(200).entries();
    let told = |at: usize| answers[at]["response"].to_string();
    assert!(told(0).contains("201"), "{}", told(0));
    assert!(
        told(1).contains("422") && told(1).contains("Bundle.entry[1].resource.name"),
        "{}",
        told(1)
    );
    assert!(
        told(2).contains("422") && told(2).contains("Bundle.entry[2].resource"),
        "{}",
        told(2)
    );
    let transaction = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    let refused = server.post("", &transaction).await;
    let issues = refused.expect(422).issues();
    assert!(issues.contains("Bundle.entry[1].resource.name"), "{issues}");
    assert!(issues.contains("grp-1"), "each entry is told: {issues}");
}
