//! Packages that are well made, and archives that are not.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::Write;
use tar::{Builder, EntryType, Header};

const SMALL: Bounds = Bounds {
    unpacked: 100_000,
    entry: 10_000,
    entries: 20,
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header
}

/// A header with a name that the library would not write.
fn entry(tar: &mut Vec<u8>, kind: EntryType, name: &str, bytes: &[u8]) {
    let mut header = header(kind, bytes.len() as u64);
    let place = &mut header.as_mut_bytes()[..100];
    place[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    tar.extend_from_slice(bytes);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

fn manifest() -> Value {
    json!({"name": "test.guide", "version": "1.0.0", "fhirVersions": ["4.0.1"],
        "canonical": "http://example.org/guide/", "dependencies": {"hl7.fhir.r4.core": "4.0.1"}})
}

/// A package of a manifest and these files.
fn pack(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = Vec::new();
    let manifest = manifest().to_string();
    entry(&mut tar, EntryType::Regular, MANIFEST, manifest.as_bytes());
    for (name, text) in files {
        entry(&mut tar, EntryType::Regular, name, text.as_bytes());
    }
    tar.resize(tar.len() + 1024, 0);
    gzip(&tar)
}

fn refusal(bytes: &[u8]) -> String {
    Package::read(bytes, &SMALL).expect_err("it is refused")
}

#[test]
fn a_package_is_read() {
    let bytes = pack(&[
        (
            "./package/ValueSet-b.json",
            r#"{"resourceType":"ValueSet","url":"http://x/b"}"#,
        ),
        (
            "package/CodeSystem-a.json",
            "\u{FEFF}{\"resourceType\":\"CodeSystem\",\"id\":\"a\"}",
        ),
        (
            "package/Patient-p.json",
            r#"{"resourceType":"Patient","id":"p"}"#,
        ),
        ("package/.index.json", r#"{"index-version":1}"#),
        ("package/openapi.json", r#"{"swagger":"2.0"}"#),
        ("package/readme.txt", "{"),
        ("package/example/Patient-e.json", "{ not looked at"),
        ("package/other/spec.json", "{ not looked at"),
        ("elsewhere/x.json", "{"),
    ]);
    let package = Package::read(&bytes[..], &SMALL).expect("it is fine");
    let contents = package.contents.iter();
    let contents: Vec<String> = contents
        .map(|one| format!("{}/{}", one.resource_type, one.id))
        .collect();
    assert_eq!(contents, ["CodeSystem/a", "ValueSet/b"]);
    assert_eq!(package.others, ["package/Patient-p.json"]);
    assert_eq!(package.examples[0].name, "package/example/Patient-e.json");
    assert_eq!(package.manifest.label(), "test.guide#1.0.0");
    assert_eq!(
        package.manifest.canonical.as_deref(),
        Some("http://example.org/guide")
    );
    let manifest = Package::read_manifest(&bytes[..], &SMALL).expect("it is fine");
    assert_eq!(manifest, package.manifest);

    // Packed again in another order it is the same; with another letter it is not.
    let (one, two) = (("package/a.json", "{}"), ("package/b.json", "{}"));
    let hash = |files: &[(&str, &str)]| {
        let package = Package::read(&pack(files)[..], &SMALL).expect("it is fine");
        package.hash
    };
    assert_eq!(hash(&[one, two]), hash(&[two, one]));
    assert_ne!(hash(&[one, two]), hash(&[one, ("package/b.json", "{ }")]));
    assert_ne!(hash(&[one]), hash(&[two]));
}

#[test]
fn names_that_lead_outside_are_refused() {
    for name in [
        "../evil.json",
        "package/../../evil.json",
        "/etc/evil.json",
        "package/..",
        "C:/evil.json",
        "package\\..\\evil.json",
        "package/\u{1}\u{7f}/../x",
    ] {
        let says = refusal(&pack(&[(name, "{}")]));
        assert!(says.contains("paths within the archive"), "{name}: {says}");
    }
    let mut tar = Vec::new();
    entry(&mut tar, EntryType::Regular, "a", b"");
    // No UTF-8.
    tar[0] = 0xFF;
    let mut header = Header::from_byte_slice(&tar[..512]).clone();
    header.set_cksum();
    tar[..512].copy_from_slice(header.as_bytes());
    assert!(refusal(&gzip(&tar)).contains("paths within the archive"));
}

#[test]
fn links_and_devices_are_refused() {
    for (kind, says) in [
        (EntryType::Symlink, "a symbolic link"),
        (EntryType::Link, "a hard link"),
        (EntryType::Char, "a device"),
        (EntryType::Block, "a device"),
        (EntryType::Fifo, "a device"),
        (EntryType::Continuous, "another kind"),
    ] {
        let mut tar = Vec::new();
        entry(&mut tar, kind, "package/x.json", b"");
        let found = refusal(&gzip(&tar));
        assert!(
            found.contains(says) && found.contains("package/x.json"),
            "{found}"
        );
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let large = "x".repeat(10_001);
    assert!(
        refusal(&pack(&[("package/a.txt", &large)])).contains("package/a.txt: expected at most")
    );
    let filling = "x".repeat(9_000);
    let names: Vec<String> = (0..12).map(|n| format!("package/{n}.txt")).collect();
    let files: Vec<(&str, &str)> = names
        .iter()
        .map(|name| (name.as_str(), filling.as_str()))
        .collect();
    assert!(refusal(&pack(&files)).contains("more than 100000 bytes"));
    let names: Vec<String> = (0..30).map(|n| format!("package/{n}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert!(refusal(&pack(&files)).contains("at most 20 entries"));

    // A bomb: a gigabyte of nothing behind the end of the tar, which only its checksum needs.
    let mut tar = Vec::new();
    entry(
        &mut tar,
        EntryType::Regular,
        MANIFEST,
        manifest().to_string().as_bytes(),
    );
    tar.resize(tar.len() + (8 << 20), 0);
    assert!(refusal(&gzip(&tar)).contains("more than 100000 bytes"));

    // Names that are told in entries of their own.
    let mut builder = Builder::new(Vec::new());
    let long = format!("package/{}.json", "x".repeat(300_000));
    builder
        .append_data(&mut header(EntryType::Regular, 2), &long, &b"{}"[..])
        .expect("memory takes it");
    let tar = builder.into_inner().expect("memory takes it");
    assert!(refusal(&gzip(&tar)).contains("more than 100000 bytes"));
}

#[test]
fn what_is_broken_is_refused() {
    let whole = pack(&[(
        "package/a.json",
        &json!({"a": "b".repeat(5000)}).to_string(),
    )]);
    for length in [
        0,
        1,
        9,
        30,
        whole.len() / 2,
        whole.len() - 9,
        whole.len() - 1,
    ] {
        let says = refusal(&whole[..length]);
        assert!(says.contains("archive"), "{length}: {says}");
    }
    assert!(refusal(b"{}").contains("the archive cannot be read"));
    assert!(refusal(b"PK\x03\x04 a zip, not a gzip").contains("the archive cannot be read"));
    assert!(refusal(&gzip(b"not a tar")).contains("the archive cannot be read"));
    assert!(refusal(&gzip(b"")).contains("package/package.json"));
    let mut flipped = whole.clone();
    let end = flipped.len() - 6;
    flipped[end] ^= 1;
    assert!(
        refusal(&flipped).contains("archive"),
        "the checksum is looked at"
    );
    // An entry that promises more than there is.
    let mut tar = header(EntryType::Regular, 5000);
    tar.set_path("package/a.json").expect("a short name");
    tar.set_cksum();
    assert!(refusal(&gzip(tar.as_bytes())).contains("package/a.json"));
}

/// Whatever is done to an archive, reading it ends, and with words.
#[test]
fn damage_is_an_error_and_never_a_panic() {
    let files = [
        ("package/a.json", r#"{"resourceType":"ValueSet","id":"a"}"#),
        ("package/example/b.json", "{}"),
    ];
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&pack(&files)[..])
        .read_to_end(&mut plain)
        .expect("it was packed here");
    // A generator of its own, so that a failure can be had again.
    let mut state = 42_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let mut refused = 0;
    for _ in 0..1_000 {
        let mut damaged = plain.clone();
        for _ in 0..=random(4) {
            let at = random(damaged.len());
            damaged[at] = u8::try_from(random(256)).expect("a byte");
        }
        damaged.truncate(damaged.len() - random(3) * random(500));
        let mut bytes = gzip(&damaged);
        if random(4) == 0 {
            let at = random(bytes.len());
            bytes[at] ^= 1 << random(8);
        }
        refused += usize::from(Package::read(&bytes[..], &SMALL).is_err());
        let _ = Package::read_manifest(&bytes[..], &SMALL);
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn what_is_wrong_in_it_is_told_with_its_entry() {
    let value_set = r#"{"resourceType":"ValueSet","id":"v"}"#;
    for (files, says) in [
        (&[("package/a.json", "{")][..], "package/a.json:"),
        (&[("package/a.json", r#"{"a":1,"a":2}"#)], "package/a.json:"),
        (
            &[("package/a.json", "{}"), ("./package//a.json", "{}")],
            "package/a.json again",
        ),
        (
            &[("package/a.json", value_set), ("package/b.json", value_set)],
            "ValueSet/v in package/a.json and in package/b.json",
        ),
    ] {
        let found = refusal(&pack(files));
        assert!(found.contains(says), "{found}");
    }
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    assert!(refusal(&pack(&[("package/a.json", &deep)])).contains("package/a.json:"));
}

#[test]
fn manifests_are_read() {
    for (manifest, says) in [
        (json!({"version": "1"}), "expected a name"),
        (json!({"name": "a", "version": 1}), "expected a version"),
        (
            json!({"name": "a", "version": "1"}),
            "names no version of FHIR",
        ),
        (
            json!({"name": "a", "version": "1", "fhirVersions": ["5.0.0"]}),
            "a is for 5.0.0",
        ),
        (
            json!({"name": "a", "version": "1", "fhir-version-list": ["4.3.0"]}),
            "a is for 4.3.0",
        ),
        (
            json!({"name": "a", "version": "1", "fhirVersions": []}),
            "names no version of FHIR",
        ),
    ] {
        let found = Manifest::parse(&manifest).expect_err("it is refused");
        assert!(found.contains(says), "{found}");
    }
    for manifest in [
        json!({"name": "a", "version": "1", "fhirVersions": ["4.0.0"]}),
        json!({"name": "a", "version": "1", "fhir-version-list": ["3.0.2", "4.0.1"]}),
        json!({"name": "a", "version": "1", "dependencies": {"hl7.fhir.r4.core": "4.0.1"}}),
    ] {
        Manifest::parse(&manifest).expect("it is of R4");
    }
    for (version, wanted, expected) in [
        ("6.1.0", "6.1.0", true),
        ("6.1.2", "6.1.x", true),
        ("6.2.0", "6.1.x", false),
        ("6.2.0", "6.x", true),
        ("6.1.0", "^6.0.0", false),
        ("6.1.0", "", false),
        ("1.0.0-ballot", "1.0.0", false),
    ] {
        assert_eq!(satisfies(version, wanted), expected, "{version} {wanted}");
    }
}

#[test]
fn what_others_need_comes_first() {
    let package = |name: &str, version: &str, needs: &[(&str, &str)]| Manifest {
        name: name.to_owned(),
        version: version.to_owned(),
        title: None,
        canonical: None,
        dependencies: needs
            .iter()
            .map(|(name, wanted)| Dependency {
                name: (*name).to_owned(),
                wanted: (*wanted).to_owned(),
            })
            .collect(),
    };
    let asked = [package(
        "a",
        "1.0.0",
        &[("b", "1.1.x"), ("hl7.fhir.r4.core", "4.0.1")],
    )];
    let beside = [
        package("b", "1.1.9", &[]),
        package("b", "1.1.10", &[("c", "2.0.0")]),
        package("b", "1.2.0", &[]),
        package("c", "2.0.0", &[("a", "1.0.0")]),
        package("unasked", "1.0.0", &[("nobody", "1")]),
    ];
    let (places, missing) = order(&asked, &beside, &[], &[]);
    assert_eq!(
        (places, missing.len()),
        (vec![4, 2, 0], 0),
        "c, b of the newest, a"
    );
    let installed = [("b".to_owned(), "1.1.0".to_owned())];
    let (places, _) = order(&asked, &beside, &installed, &[]);
    assert_eq!(places, [0], "what is installed is enough");
    let installed = [("a".to_owned(), "1.0.0".to_owned())];
    let (places, missing) = order(&asked, &[], &installed, &[]);
    assert_eq!(
        (places, missing.len()),
        (vec![0], 0),
        "what is there lacks nothing"
    );

    let (_, missing) = order(&asked, &beside[2..], &[], &[]);
    let told: Vec<String> = missing.iter().map(Missing::to_string).collect();
    assert_eq!(told, ["a#1.0.0 needs b 1.1.x, but there is only 1.2.0"]);
    let asked = [
        package(
            "x",
            "1",
            &[("y", "1"), ("z", "2.x"), ("hl7.fhir.r4.core", "4.3.0")],
        ),
        package("y", "2", &[("z", "2.x")]),
    ];
    let (_, missing) = order(&asked, &[], &[], &["y".to_owned()]);
    let told: Vec<String> = missing.iter().map(Missing::to_string).collect();
    assert_eq!(
        told,
        [
            "x#1 needs z 2.x, which is not there",
            "x#1 needs hl7.fhir.r4.core 4.3.0, but there is only 4.0.1",
            "y#2 needs z 2.x, which is not there",
        ]
    );
}
