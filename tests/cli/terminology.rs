//! `andiron terminology`: load, list, remove.

use super::program::{andiron, data_dir, run, text};
use std::path::Path;
use std::process::Output;

async fn terminology(data: &Path, arguments: &[&str]) -> Output {
    let mut command = andiron();
    command.arg("terminology").args(arguments);
    run(command.arg("--data-dir").arg(data)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_system_is_loaded_listed_and_removed() {
    let (data, files) = (data_dir(), tempfile::tempdir().expect("a folder"));
    let file = files.path().join("fruits.csv");
    std::fs::write(&file, "code,display,inactive\na,Apple,\nb,Pear,true\n").expect("written");
    let file = file.to_str().expect("a path");
    let load = [
        "load",
        "csv",
        file,
        "--url",
        "http://fruits",
        "--version",
        "7",
    ];
    for (arguments, expected) in [
        (&["list"][..], "no code system is loaded"),
        (
            &load,
            "loaded http://fruits|7: 2 concepts, 1 of them inactive",
        ),
        (&load, "http://fruits|7 is loaded already: nothing was done"),
        (&["list"], "http://fruits|7  2 concepts, csv"),
        (&["remove", "http://fruits|7"], "removed http://fruits|7"),
    ] {
        let output = terminology(data.path(), arguments).await;
        let (said, wrong) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {wrong}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    for (arguments, expected) in [
        (
            &["remove", "http://fruits"][..],
            "no code system http://fruits is loaded",
        ),
        (&["load", "csv", file], "expected --url"),
        (
            &["load", "excel", file],
            "expected snomed, loinc, rxnorm, icd10cm or csv",
        ),
        (
            &["load", "loinc", file],
            "expected one Loinc.csv but found 0",
        ),
        (&["load", "snomed", "/nowhere"], "cannot read /nowhere"),
    ] {
        let output = terminology(data.path(), arguments).await;
        let wrong = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {wrong}");
        assert!(wrong.contains(expected), "{arguments:?}: {wrong}");
    }
}
