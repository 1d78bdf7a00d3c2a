//! `andiron package`: from files, with what lies beside them, and what a server makes of it.

use super::program::{Serving, andiron, data_dir, run, text};
use crate::rest::packages::{manifest, pack};
use serde_json::json;
use std::path::Path;
use std::process::Output;

async fn package(data: &Path, arguments: &[&str]) -> Output {
    let mut command = andiron();
    let command = command.arg("package").args(arguments);
    run(command.arg("--data-dir").arg(data)).await
}

#[tokio::test]
async fn packages_are_installed_with_what_lies_beside_them() {
    let data = data_dir();
    let folder = data_dir();
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let value_set = |id: &str| json!({"resourceType": "ValueSet", "id": id, "url": format!("urn:{id}"), "status": "active"});
    let needs = json!({"hl7.fhir.r4.core": "4.0.1", "lower": "1.0.x", "absent": "2.0.0"});
    let upper = pack(
        &manifest("upper", "1.0.0", needs),
        &[("a.json", value_set("a"))],
    );
    let lower = |version: &str| {
        let files = [
            ("b.json", value_set("b")),
            ("example/c.json", value_set("c")),
        ];
        pack(&manifest("lower", version, json!({})), &files)
    };
    for (name, bytes) in [
        ("upper.tgz", upper),
        ("any-name.tgz", lower("1.0.0")),
        ("another.tar.gz", lower("1.0.10")),
        ("not-wanted.tgz", lower("2.0.0")),
        ("broken.tgz", b"nothing".to_vec()),
    ] {
        std::fs::write(file(name), bytes).expect("written");
    }

    let broken = package(
        data.path(),
        &["add", &file("broken.tgz"), &file("nowhere.tgz")],
    )
    .await;
    assert_eq!(broken.status.code(), Some(1));
    let told = text(&broken.stderr);
    assert!(
        told.contains("broken.tgz: the archive cannot be read"),
        "{told}"
    );
    assert!(told.contains("nowhere.tgz: it cannot be opened"), "{told}");
    assert!(
        !data.path().join("postgres").exists(),
        "no database was made for it"
    );

    let missing = package(data.path(), &["add", &file("upper.tgz")]).await;
    assert_eq!(missing.status.code(), Some(1));
    let told = text(&missing.stderr);
    assert!(
        told.contains("upper#1.0.0 needs absent 2.0.0, which is not there"),
        "{told}"
    );
    assert!(told.contains("--without-dependency NAME"), "{told}");
    let none = package(data.path(), &["list"]).await;
    assert_eq!(text(&none.stdout), "no package is installed\n");

    let without = ["add", &file("upper.tgz"), "--without-dependency", "absent"];
    let added = package(data.path(), &without).await;
    assert!(added.status.success(), "{}", text(&added.stderr));
    assert_eq!(
        text(&added.stdout),
        "installed lower#1.0.10: 1 resources\n      1 ValueSet\n  1 examples are left out\n\
         installed upper#1.0.0: 1 resources\n      1 ValueSet\n  without absent 2.0.0\n"
    );
    let again = package(data.path(), &["add", &file("upper.tgz")]).await;
    assert_eq!(
        text(&again.stdout),
        "upper#1.0.0 was installed before\n  without absent 2.0.0\n"
    );
    let listed = package(data.path(), &["list"]).await;
    let told = text(&listed.stdout);
    assert!(told.starts_with("lower#1.0.10  1 resources, 2"), "{told}");
    assert!(told.ends_with("  missing: absent 2.0.0\n"), "{told}");

    let server = Serving::start(data.path(), &[]).await;
    let (status, found) = server.get("/fhir/ValueSet?url=urn:a").await;
    assert_eq!(
        (status, &found["entry"][0]["resource"]["id"]),
        (200, &json!("a-1.0.0"))
    );
    let busy = package(data.path(), &["list"]).await;
    assert!(
        text(&busy.stderr).contains("$install-package"),
        "{}",
        text(&busy.stderr)
    );
    assert!(server.stop().await.0.success());

    for (name, status, says) in [
        ("lower", 1, "expected a name and a version"),
        ("lower#9", 1, "lower#9 is not installed"),
        ("lower#1.0.10", 1, "lower#1.0.10 is needed by upper#1.0.0"),
        ("upper#1.0.0", 0, "removed upper#1.0.0: 1 resources"),
        ("lower#1.0.10", 0, "removed lower#1.0.10: 1 resources"),
    ] {
        let removed = package(data.path(), &["remove", name]).await;
        let told = text(&removed.stderr) + &text(&removed.stdout);
        assert_eq!(removed.status.code(), Some(status), "{name}: {told}");
        assert!(told.contains(says), "{name}: {told}");
    }
}
