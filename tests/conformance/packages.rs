//! The published packages: each installs, and its own examples are valid where they are.

use super::{compare, scoreboard};
use crate::harness::{Server, database, settings};
use crate::rest::packages::install;
use andiron::config::{Limits, Validation};
use andiron::definitions::Definitions;
use andiron::error::Issue;
use andiron::fhir::{Instant, ResourceType, json};
use andiron::jobs::{self, Work};
use andiron::package::{Bounds, Entry, Package};
use andiron::validation::Validator;
use andiron::validation::profile::Profiles;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

const PACKAGES: [&str; 7] = [
    "us_core_311",
    "us_core_400",
    "us_core_501",
    "us_core_610",
    "us_core_700",
    "us_core_800",
    "ips_v110",
];

const LEDGER: &str = "package-examples.tsv";

/// A package of the shared material.
pub fn read(archive: &Path) -> Package {
    let file = File::open(archive).expect("a package");
    Package::read(file, &Bounds::default())
        .unwrap_or_else(|error| panic!("{}: {error}", archive.display()))
}

/// Examples refer to each other, and are at hand for that as they were for whoever published them.
fn resources(examples: &[Entry]) -> Vec<Value> {
    let parse = |one: &Entry| json::parse(&one.bytes, 100).ok();
    examples.iter().filter_map(parse).collect()
}

/// What the guide says that its examples are examples of, by `Type/id`.
fn told(package: &Package) -> BTreeMap<String, String> {
    let guides = package.contents.iter();
    let guides = guides.filter(|one| one.resource_type.name() == "ImplementationGuide");
    let mut told = BTreeMap::new();
    for guide in guides {
        let guide = guide.resource().expect("JSON");
        let listed = guide["definition"]["resource"].as_array().cloned();
        for one in listed.into_iter().flatten() {
            let names = (
                one["reference"]["reference"].as_str(),
                one["exampleCanonical"].as_str(),
            );
            if let (Some(reference), Some(canonical)) = names {
                told.insert(reference.to_owned(), canonical.to_owned());
            }
        }
    }
    told
}

/// The errors of each example, against the profiles that it claims, or is said to be of.
fn errors(
    package: &Package,
    validator: &Validator,
    profiles: &Profiles,
) -> BTreeMap<String, Vec<Issue>> {
    let told = told(package);
    let version = &package.manifest.version;
    let mut all = BTreeMap::new();
    for example in &package.examples {
        let name = example.name.rsplit('/').next().unwrap_or_default();
        let Some(name) = name
            .strip_suffix(".json")
            .filter(|name| !name.starts_with('.'))
        else {
            continue;
        };
        let depth = Limits::default().json_depth;
        let resource: Value = match json::parse(&example.bytes, depth) {
            Ok(resource) => resource,
            Err(error) => panic!("{name}: {error}"),
        };
        let kind = resource["resourceType"]
            .as_str()
            .and_then(ResourceType::parse);
        let Some(kind) = kind else {
            continue;
        };
        let mut issues = validator.validate(kind, &resource);
        let id = resource["id"].as_str().unwrap_or_default();
        let said = told.get(&format!("{kind}/{id}"));
        let said = said.map(|canonical| format!("{canonical}|{version}"));
        let asked: Vec<&str> = said.iter().map(String::as_str).collect();
        issues.extend(profiles.validate_at(&resource, &asked, Some(Instant::now())));
        issues.retain(Issue::is_error);
        all.insert(name.to_owned(), issues);
    }
    all
}

/// Claims of profiles that the package and R4 do not have, by example.
fn unknown_claims(examples: &[Entry], profiles: &Profiles) -> usize {
    let claims = examples.iter().filter_map(|example| {
        let resource: Value = json::parse(&example.bytes, usize::MAX).ok()?;
        let claims = resource["meta"]["profile"].as_array()?.clone();
        Some(claims.into_iter())
    });
    let mut claims = claims.flatten();
    let is_unknown = |claim: &Value| !profiles.is_known(claim.as_str().unwrap_or_default());
    claims.by_ref().filter(is_unknown).count()
}

#[test]
fn the_examples_of_packages_are_valid() {
    let Some(folder) = super::shared("packages") else {
        return;
    };
    let definitions = Definitions::r4();
    let validator = Validator::new(definitions.clone());
    let (mut failed, mut rows) = (BTreeMap::new(), String::new());
    for name in PACKAGES {
        let package = read(&folder.join(format!("{name}.tgz")));
        let contents = package.contents.iter().map(|one| one.resource());
        let contents: Vec<Value> = contents.collect::<Result<_, _>>().expect("JSON");
        let base = crate::harness::BASE;
        let profiles = Profiles::new(Arc::clone(&definitions), contents, base);
        let profiles = profiles.with_instances(resources(&package.examples));
        let found = errors(&package, &validator, &profiles);
        let valid = found.values().filter(|issues| issues.is_empty()).count();
        rows.push_str(&format!(
            "| {} | {} | {} | {} | {valid} |\n",
            package.manifest.label(),
            package.contents.len(),
            found.len(),
            unknown_claims(&package.examples, &profiles),
        ));
        for (example, issues) in found {
            if let Some(first) = issues.first() {
                let place = first.expression.as_deref().unwrap_or_default();
                let key = format!("{name}/{example}");
                failed.insert(
                    key,
                    format!("{} errors, {place}: {}", issues.len(), first.text),
                );
            }
        }
    }
    compare(LEDGER, &failed);
    let section = format!(
        "## Packages (`packages`)\n\n\
         What the packages bring, and their own examples against the profiles that they claim or that the guide says\n\
         they are of, offline, with no other package at hand, once for each package alone and once with all of them on\n\
         one server. Valid is what has no error; what has one: [`{LEDGER}`]({LEDGER}).\n\
         Claims of profiles that neither the package nor R4 has are not checked.\n\n\
         | package | resources | examples | claims not known | valid |\n\
         |---|---:|---:|---:|---:|\n{rows}"
    );
    scoreboard::check("packages", &section);
}

/// What the packages need and nobody has here.
const WITHOUT: &str = "?without-dependency=hl7.terminology.r4&without-dependency=us.nlm.vsac\
    &without-dependency=hl7.fhir.uv.bulkdata&without-dependency=hl7.fhir.uv.smart-app-launch\
    &without-dependency=hl7.fhir.uv.sdc&without-dependency=hl7.fhir.uv.extensions.r4\
    &without-dependency=hl7.fhir.uv.extensions&without-dependency=us.cdc.phinvads\
    &without-dependency=ihe.formatcode.fhir&without-dependency=fhir.dicom";

/// All of them on one server, side by side; then it starts again as if there were none.
#[tokio::test(flavor = "multi_thread")]
async fn packages_install_and_are_enforced() {
    let Some(folder) = super::shared("packages") else {
        return;
    };
    let options = database().await;
    let mut settings = settings();
    settings.validation = Validation::Profile;
    let server = Server::on(options.clone(), settings.clone()).await;
    let refused = install(&server, "", bytes(&folder, "us_core_610")).await;
    let missing = refused.expect(422).issues();
    assert!(
        missing.contains("needs hl7.terminology.r4 5.0.0, which is not there"),
        "{missing}"
    );
    assert!(
        missing.contains("needs us.nlm.vsac 0.10.0, which is not there"),
        "{missing}"
    );

    let mut told = Vec::new();
    for name in PACKAGES {
        let installed = install(&server, WITHOUT, bytes(&folder, name)).await;
        let answer = installed.expect(200).json();
        let issues = answer["parameter"][1]["resource"]["issue"]
            .as_array()
            .cloned();
        let texts = issues.into_iter().flatten();
        told.extend(texts.map(|issue| format!("{name} {}", issue["diagnostics"])));
        assert_eq!(answer["parameter"][0]["part"][2]["valueCode"], "installed");
    }
    assert_eq!(told, TOLD);
    let begun = Clock::now();
    let again = install(&server, "", bytes(&folder, "us_core_610")).await;
    assert_eq!(
        again.expect(200).json()["parameter"][0]["part"][2]["valueCode"],
        "unchanged"
    );
    eprintln!("installed again in {:?}", begun.elapsed());

    // Another server on what is there: ready, with everything loaded.
    let begun = Clock::now();
    let server = Server::on(options, settings).await;
    let background = jobs::start(&server.hub, Work::No).await.expect("it starts");
    let ready = begun.elapsed();
    eprintln!("ready with {} packages in {ready:?}", PACKAGES.len());
    assert!(ready < Duration::from_secs(10), "{ready:?}");
    let begun = Clock::now();
    server
        .create(&serde_json::json!({"resourceType": "ValueSet", "status": "draft", "url": "urn:x"}))
        .await;
    eprintln!("one more value set in {:?}", begun.elapsed());
    let begun = Clock::now();
    let parameter = crate::rest::search_parameter::eyes();
    server
        .put("/SearchParameter/eyes", &parameter)
        .await
        .expect(201);
    eprintln!("one more search parameter in {:?}", begun.elapsed());
    let begun = Clock::now();
    let statement = server.get("/metadata").await.json();
    eprintln!("CapabilityStatement in {:?}", begun.elapsed());
    let guides = statement["implementationGuide"].as_array().expect("a list");
    assert_eq!(guides.len(), PACKAGES.len(), "{guides:?}");
    in_each_version(&server, &folder).await;
    side_by_side(&server, &folder);
    background.stop().await;
}

/// With all versions at hand each example keeps what it claims in its own.
fn side_by_side(server: &Server, folder: &Path) {
    let profiles = server.hub.profiles.profiles();
    let mut failed = BTreeMap::new();
    for name in PACKAGES {
        let mut package = read(&folder.join(format!("{name}.tgz")));
        let version = &package.manifest.version;
        for example in &mut package.examples {
            let Ok(mut resource) = json::parse(&example.bytes, 100) else {
                continue;
            };
            name_versions(&mut resource, &|claim| {
                let versioned = format!("{claim}|{version}");
                profiles.is_known(&versioned).then_some(versioned)
            });
            example.bytes = resource.to_string().into_bytes();
        }
        let profiles = profiles.with(profiles.given().cloned());
        let profiles = profiles.with_instances(resources(&package.examples));
        for (example, issues) in errors(&package, &server.hub.validator, &profiles) {
            if let Some(first) = issues.first() {
                let place = first.expression.as_deref().unwrap_or_default();
                failed.insert(
                    format!("{name}/{example}"),
                    format!("{place}: {}", first.text),
                );
            }
        }
    }
    compare(LEDGER, &failed);
}

/// Renames the profiles that resources claim, those within others too.
fn name_versions(value: &mut Value, rename: &dyn Fn(&str) -> Option<String>) {
    let claims = value.pointer_mut("/meta/profile");
    for claim in claims.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(name) = claim.as_str().and_then(rename) {
            *claim = Value::from(name);
        }
    }
    match value {
        Value::Object(object) => object
            .values_mut()
            .for_each(|one| name_versions(one, rename)),
        Value::Array(items) => items.iter_mut().for_each(|one| name_versions(one, rename)),
        _ => {}
    }
}

/// What is known not to be live, told at installation.
const TOLD: [&str; 0] = [];

fn bytes(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(format!("{name}.tgz"))).expect("a package")
}

/// Over HTTP: an example is valid against its profile in its own version, and not without what
/// that asks for.
async fn in_each_version(server: &Server, folder: &Path) {
    const PATIENT: &str = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient";
    for name in PACKAGES
        .into_iter()
        .filter(|name| name.starts_with("us_core"))
    {
        let package = read(&folder.join(format!("{name}.tgz")));
        let mut example: Value = package
            .examples
            .iter()
            .filter(|one| one.name.ends_with("/Patient-example.json"))
            .map(|one| json::parse(&one.bytes, 100).expect("JSON"))
            .next()
            .expect("each has it");
        let path = format!(
            "/Patient/$validate?profile={PATIENT}|{}",
            package.manifest.version
        );
        let path = path.replace('|', "%7C");
        let valid = server.post(&path, &example).await;
        assert!(
            !valid.expect(200).text().contains("\"error\""),
            "{name}: {}",
            valid.text()
        );
        example
            .as_object_mut()
            .expect("an object")
            .remove("identifier");
        let invalid = server.post(&path, &example).await;
        let places = invalid.expect(200).text();
        assert!(
            places.contains("\"error\"") && places.contains("Patient.identifier"),
            "{name}: {places}"
        );
    }
}
