//! The published packages: each installs, and its own examples are valid where they are.

use super::{compare, scoreboard};
use crate::harness::{Server, database, settings};
use crate::rest::packages::install;
use andiron::config::{Limits, Validation};
use andiron::definitions::Definitions;
use andiron::error::Issue;
use andiron::fhir::{Instant, ResourceType, json};
use andiron::jobs::{self, Work};
use andiron::package::{Bounds, Package};
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

fn read(folder: &Path, name: &str) -> Package {
    let file = File::open(folder.join(format!("{name}.tgz"))).expect("a package");
    Package::read(file, &Bounds::default()).expect("it is well made")
}

/// The errors of each example, against the profiles that it claims.
fn errors(
    package: &Package,
    validator: &Validator,
    profiles: &Profiles,
) -> BTreeMap<String, Vec<Issue>> {
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
        issues.extend(profiles.validate_at(&resource, &[], Some(Instant::now())));
        issues.retain(Issue::is_error);
        all.insert(name.to_owned(), issues);
    }
    all
}

/// Claims of profiles that the package and R4 do not have, by example.
fn unknown_claims(package: &Package, profiles: &Profiles) -> usize {
    let claims = package.examples.iter().filter_map(|example| {
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
        let package = read(&folder, name);
        let contents = package.contents.iter().map(|one| one.resource.clone());
        let contents: Vec<Value> = contents.collect();
        let base = crate::harness::BASE;
        let profiles = Profiles::new(Arc::clone(&definitions), contents, base);
        let found = errors(&package, &validator, &profiles);
        let valid = found.values().filter(|issues| issues.is_empty()).count();
        rows.push_str(&format!(
            "| {} | {} | {} | {} | {valid} |\n",
            package.manifest.label(),
            package.contents.len(),
            found.len(),
            unknown_claims(&package, &profiles),
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
         What the packages bring, and their own examples against the profiles that they claim, offline, with no other\n\
         package at hand: an example is valid that has no error. Those that have one: [`{LEDGER}`]({LEDGER}). Claims of\n\
         profiles that neither the package nor R4 has are not checked.\n\n\
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
    let statement = server.get("/metadata").await.json();
    eprintln!("CapabilityStatement in {:?}", begun.elapsed());
    let guides = statement["implementationGuide"].as_array().expect("a list");
    assert_eq!(guides.len(), PACKAGES.len(), "{guides:?}");
    in_each_version(&server, &folder).await;
    background.stop().await;
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
        let package = read(folder, name);
        let examples = package.examples.iter();
        let mut example: Value = examples
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
