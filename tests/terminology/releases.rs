//! The loaders, on small files that are made up here in the layouts of their publishers.

use super::loaded::load;
use super::{codes, told, value};
use crate::harness::{Server, database, settings};
use andiron::terminology::release::{Kind, Options};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use tempfile::TempDir;

/// Files in a folder, each a path and its lines.
fn folder(files: &[(&str, &[&str])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, lines) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("within")).expect("a folder");
        std::fs::write(path, lines.join("\r\n") + "\r\n").expect("written");
    }
    folder
}

/// The same as a zip.
fn archive(files: &[(&str, &[&str])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let file = std::fs::File::create(folder.path().join("release.zip")).expect("a file");
    let mut writer = zip::ZipWriter::new(file);
    for (path, lines) in files {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(*path, options).expect("started");
        writer
            .write_all((lines.join("\n") + "\n").as_bytes())
            .expect("written");
    }
    writer.finish().expect("finished");
    folder
}

async fn server_with(kind: Kind, folder: &Path, options: Options) -> Result<Server, String> {
    let database = database().await;
    load(&database, kind, folder, options).await?;
    Ok(Server::on(database, settings()).await)
}

async fn lookup(server: &Server, system: &str, code: &str) -> Value {
    let path = format!("/CodeSystem/$lookup?system={system}&code={code}");
    let reply = server.get(&path).await;
    reply.expect(200);
    reply.json()
}

async fn expanded(server: &Server, system: &str, filters: Value) -> String {
    let compose = json!({"include": [{"system": system, "filter": filters}]});
    let value_set = json!({"resourceType": "ValueSet", "status": "active", "compose": compose});
    let reply = server.post("/ValueSet/$expand", &value_set).await;
    reply.expect(200);
    codes(&reply.json()["expansion"]["contains"])
}

fn is_a(code: &str) -> Value {
    json!([{"property": "concept", "op": "is-a", "value": code}])
}

const SCT: &str = "http://snomed.info/sct";
const CORE: &str = "900000000000207008";
const FSN: &str = "900000000000003001";
const SYNONYM: &str = "900000000000013009";

/// Four concepts of nobody's in RF2.
fn rf2() -> Vec<(&'static str, Vec<String>)> {
    let row = |cells: &[&str]| cells.join("\t");
    let concept =
        |id: &str, active: &str| row(&[id, "20020131", active, CORE, "900000000000074008"]);
    let described = |id: &str, active: &str, of: &str, kind: &str, term: &str| {
        row(&[
            id,
            "20020131",
            active,
            CORE,
            of,
            "en",
            kind,
            term,
            "900000000000448009",
        ])
    };
    let related = |id: &str, active: &str, from: &str, to: &str, kind: &str| {
        row(&[
            id,
            "20020131",
            active,
            CORE,
            from,
            to,
            "0",
            kind,
            "900000000000011006",
            "900000000000451002",
        ])
    };
    let preferred =
        |refset: &str, of: &str, how: &str| row(&["uuid", "20020131", "1", CORE, refset, of, how]);
    vec![
        (
            "Snapshot/Terminology/sct2_Concept_Snapshot_INT_20240101.txt",
            vec![
                row(&[
                    "id",
                    "effectiveTime",
                    "active",
                    "moduleId",
                    "definitionStatusId",
                ]),
                concept("1001", "1"),
                concept("1002", "1"),
                concept("1003", "1"),
                concept("1004", "0"),
            ],
        ),
        (
            "Snapshot/Terminology/sct2_Description_Snapshot-en_INT_20240101.txt",
            vec![
                row(&[
                    "id",
                    "effectiveTime",
                    "active",
                    "moduleId",
                    "conceptId",
                    "languageCode",
                    "typeId",
                    "term",
                    "caseSignificanceId",
                ]),
                described("2001", "1", "1001", FSN, "Thing (thing)"),
                described("2002", "1", "1002", FSN, "Vessel \"big\" (thing)"),
                described("2003", "1", "1002", SYNONYM, "Ship"),
                described("2004", "1", "1002", SYNONYM, "Boat"),
                described("2005", "0", "1002", SYNONYM, "Bark"),
                described("2006", "1", "1003", FSN, "Mast (thing)"),
                described("2007", "1", "1004", FSN, "Ark (thing)"),
            ],
        ),
        (
            "Snapshot/Terminology/sct2_Relationship_Snapshot_INT_20240101.txt",
            vec![
                row(&[
                    "id",
                    "effectiveTime",
                    "active",
                    "moduleId",
                    "sourceId",
                    "destinationId",
                    "relationshipGroup",
                    "typeId",
                    "characteristicTypeId",
                    "modifierId",
                ]),
                related("3001", "1", "1002", "1001", "116680003"),
                related("3002", "1", "1003", "1001", "116680003"),
                related("3003", "1", "1003", "1002", "9009"),
                related("3004", "0", "1004", "1001", "116680003"),
            ],
        ),
        (
            "Snapshot/Refset/Language/der2_cRefset_LanguageSnapshot-en_INT_20240101.txt",
            vec![
                row(&[
                    "id",
                    "effectiveTime",
                    "active",
                    "moduleId",
                    "refsetId",
                    "referencedComponentId",
                    "acceptabilityId",
                ]),
                preferred("900000000000509007", "2004", "900000000000548007"),
                preferred("900000000000508004", "2003", "900000000000548007"),
            ],
        ),
        (
            "Full/Terminology/sct2_Concept_Full_INT_20240101.txt",
            vec!["not read".to_owned()],
        ),
    ]
}

fn borrowed<'f>(files: &'f [(&'f str, Vec<String>)]) -> Vec<(&'f str, Vec<&'f str>)> {
    let one = |(path, lines): &'f (&'f str, Vec<String>)| {
        (*path, lines.iter().map(String::as_str).collect())
    };
    files.iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn snomed_ct_from_a_folder_and_from_a_zip() {
    let files = rf2();
    let files = borrowed(&files);
    let files: Vec<(&str, &[&str])> = files.iter().map(|(p, l)| (*p, l.as_slice())).collect();
    for release in [folder(&files), archive(&files)] {
        let server = server_with(Kind::Snomed, release.path(), Options::default()).await;
        let server = server.expect("loaded");
        let found = lookup(&server, SCT, "1002").await;
        assert_eq!(value(&found, "display"), "Boat");
        let version = "http://snomed.info/sct/900000000000207008/version/20240101";
        assert_eq!(value(&found, "version"), version);
        assert_eq!(told(&found, "designation").len(), 3);
        assert_eq!(
            value(&lookup(&server, SCT, "1003").await, "display"),
            "Mast (thing)"
        );
        let properties = told(&lookup(&server, SCT, "1003").await, "property").join(" ");
        assert_eq!(
            properties,
            "parent=1001 inactive=false effectiveTime=20020131 moduleId=900000000000207008 \
             sufficientlyDefined=false 9009=1002"
        );
        let inactive = lookup(&server, SCT, "1004").await;
        assert!(told(&inactive, "property").contains(&"inactive=true".to_owned()));
        assert_eq!(expanded(&server, SCT, is_a("1001")).await, "1001 1002 1003");
        let by_attribute = json!([{"property": "9009", "op": "=", "value": "1002"}]);
        assert_eq!(expanded(&server, SCT, by_attribute).await, "1003");
        let implicit = "/ValueSet/$expand?url=http://snomed.info/sct?fhir_vs=isa/1001&filter=ship";
        let found = server.get(implicit).await.json();
        assert_eq!(codes(&found["expansion"]["contains"]), "1002");
    }
    let british = Options {
        refset: Some("900000000000508004".to_owned()),
        ..Options::default()
    };
    let release = folder(&files);
    let server = server_with(Kind::Snomed, release.path(), british).await;
    let found = lookup(&server.expect("loaded"), SCT, "1002").await;
    assert_eq!(value(&found, "display"), "Ship");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_rf2_is_told() {
    for (at, line, text, expected) in [
        (
            0,
            0,
            "id\tactive",
            "line 1: expected a column effectiveTime but found id, active",
        ),
        (
            0,
            2,
            "1002\t20020131\tyes\tm\td",
            "line 3, column active: expected 0 or 1 but found \"yes\"",
        ),
        (
            0,
            2,
            "1001\t20020131\t1\tm\td",
            "line 3, column id: expected a concept that was not listed",
        ),
        (
            1,
            2,
            "2002\t\t1\t\t77\ten\tx\tT\t",
            "line 3, column conceptId: expected a concept that is listed but found \"77\"",
        ),
        (
            2,
            1,
            "1\t\t1\t\t1002",
            "line 2, column destinationId: expected a field but found a row of 5",
        ),
    ] {
        let mut files = rf2();
        files[at].1[line] = text.to_owned();
        let files = borrowed(&files);
        let files: Vec<(&str, &[&str])> = files.iter().map(|(p, l)| (*p, l.as_slice())).collect();
        let release = folder(&files);
        let outcome = server_with(Kind::Snomed, release.path(), Options::default()).await;
        let problem = outcome.err().expect("refused");
        assert!(problem.contains(expected), "{text}: {problem}");
    }
    let empty = folder(&[("readme.txt", &["nothing"])]);
    let outcome = server_with(Kind::Snomed, empty.path(), Options::default()).await;
    let problem = outcome.err().expect("refused");
    assert!(problem.contains("sct2_Concept_Snapshot*.txt"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn loinc() {
    const HEADER: &str = "\"LOINC_NUM\",\"COMPONENT\",\"PROPERTY\",\"TIME_ASPCT\",\"SYSTEM\",\
        \"SCALE_TYP\",\"METHOD_TYP\",\"CLASS\",\"VersionLastChanged\",\"CHNG_TYPE\",\
        \"DefinitionDescription\",\"STATUS\",\"CONSUMER_NAME\",\"CLASSTYPE\",\"ORDER_OBS\",\
        \"SHORTNAME\",\"EXTERNAL_COPYRIGHT_NOTICE\",\"LONG_COMMON_NAME\"";
    let release = folder(&[
        (
            "LoincTable/Loinc.csv",
            &[
                HEADER,
                "\"1-1\",\"Sand\",\"MCnc\",\"Pt\",\"Box\",\"Qn\",\"\",\"TOY\",\"2.9\",\"\",\"\",\
                 \"ACTIVE\",\"\",\"1\",\"Both\",\"Sand Box-mCnc\",\"\",\"Sand [Mass/volume] in Box\"",
                "\"2-9\",\"Rain\",\"Vol\",\"24H\",\"Box\",\"Qn\",\"Gauge\",\"TOY\",\"2.77\",\"\",\
                 \"Water, \"\"wet\"\"\",\"DEPRECATED\",\"Rain\",\"1\",\"Both\",\"\",\"(c) Cloud\",\
                 \"Rain [Volume] in Box\"",
            ],
        ),
        (
            "AccessoryFiles/AnswerFile/AnswerList.csv",
            &[
                "AnswerListId,AnswerListName,AnswerStringId,SequenceNumber,DisplayText",
                "LL1-1,Weather,LA1-1,1,Wet",
                "LL1-1,Weather,LA2-2,2,Dry",
                "LL2-2,Sea,LA1-1,1,Wet",
            ],
        ),
        (
            "AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv",
            &[
                "PATH_TO_ROOT,SEQUENCE,IMMEDIATE_PARENT,CODE,CODE_TEXT",
                ",1,,LP1-1,Garden",
                "LP1-1,1,LP1-1,LP2-2,Box",
                "LP1-1.LP2-2,1,LP2-2,1-1,Sand",
                "LP1-1.LP2-2,2,LP2-2,2-9,Rain",
            ],
        ),
    ]);
    let server = server_with(Kind::Loinc, release.path(), Options::default()).await;
    let (server, url) = (server.expect("loaded"), "http://loinc.org");
    let found = lookup(&server, url, "2-9").await;
    assert_eq!(value(&found, "version"), "2.77");
    assert_eq!(value(&found, "display"), "Rain [Volume] in Box");
    let properties = told(&found, "property");
    for one in [
        "definition=Water, \"wet\"",
        "parent=LP2-2",
        "inactive=true",
        "SYSTEM=Box",
        "copyright=3rdParty",
    ] {
        assert!(
            properties.contains(&one.to_owned()),
            "{one}: {properties:?}"
        );
    }
    assert!(found.to_string().contains("Rain:Vol:24H:Box:Qn:Gauge"));
    // Case does not matter.
    assert_eq!(
        value(&lookup(&server, url, "la1-1").await, "display"),
        "Wet"
    );
    assert_eq!(
        expanded(&server, url, is_a("LP1-1")).await,
        "1-1 2-9 LP1-1 LP2-2"
    );
    for (property, value, expected) in [
        ("LIST", "LL1-1", "LA1-1 LA2-2"),
        ("SCALE_TYP", "Qn", "1-1 2-9"),
        ("copyright", "LOINC", "1-1"),
        ("STATUS", "DEPRECATED", "2-9"),
    ] {
        let filter = json!([{"property": property, "op": "=", "value": value}]);
        assert_eq!(expanded(&server, url, filter).await, expected, "{property}");
    }
    let changed = folder(&[("Loinc.csv", &["\"LOINC_NUM\",\"NAME\"", "1-1,x"])]);
    let outcome = server_with(Kind::Loinc, changed.path(), Options::default()).await;
    let problem = outcome.err().expect("refused");
    assert!(
        problem
            .contains("Loinc.csv, line 1: expected a column COMPONENT but found LOINC_NUM, NAME"),
        "{problem}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rxnorm() {
    let name = |code: &str, sab: &str, kind: &str, text: &str, suppress: &str| {
        format!("{code}|ENG||||||7|||1|{sab}|{kind}|1|{text}||{suppress}|4096|")
    };
    let names = [
        name("11", "RXNORM", "SY", "Elixir of youth", "N"),
        name("11", "RXNORM", "IN", "elixir", "N"),
        name("11", "OTHER", "IN", "licensed", "N"),
        name("12", "RXNORM", "SCD", "elixir 5 MG Oral Tablet", "N"),
        name("13", "RXNORM", "SCD", "elixir 1 MG Oral Tablet", "O"),
        name("14", "OTHER", "SCD", "not ours", "N"),
    ];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let release = folder(&[
        ("rrf/RXNCONSO.RRF", &names),
        ("prescribe/rrf/RXNCONSO.RRF", &["broken"]),
        (
            "rrf/RXNREL.RRF",
            &[
                "11||CUI|RO|12||CUI|has_ingredient|1||RXNORM|RXNORM|||N|4096|",
                "11||CUI|RN|13||CUI|isa|1||RXNORM|RXNORM|||N|4096|",
                "|7|AUI|RO||8|AUI|x|1||RXNORM|RXNORM|||N|4096|",
            ],
        ),
        (
            "rrf/RXNSAT.RRF",
            &["12|||7|AUI|12|||NDC|RXNORM|00001|N|4096|"],
        ),
        ("rrf/RXNSTY.RRF", &["12|T200|A1|Clinical Drug|AT1|256|"]),
        (
            "rrf/RXNSAB.RRF",
            &["C1|C2|x|RXNORM|RxNorm|RXNORM|24AA|20240101|||||||||||||ENG|Y|Y|x|x|"],
        ),
    ]);
    let server = server_with(Kind::Rxnorm, release.path(), Options::default()).await;
    let (server, url) = (
        server.expect("loaded"),
        "http://www.nlm.nih.gov/research/umls/rxnorm",
    );
    let found = lookup(&server, url, "11").await;
    assert_eq!(value(&found, "display"), "elixir");
    let found = lookup(&server, url, "12").await;
    assert_eq!(
        told(&found, "property").join(" "),
        "inactive=false SAB=RXNORM TTY=SCD has_ingredient=11 NDC=00001 STY=T200"
    );
    for (property, value, expected) in [
        ("TTY", "SCD", "12 13"),
        ("has_ingredient", "CUI:11", "12"),
        ("STY", "T200", "12"),
        ("inactive", "true", "13"),
    ] {
        let filter = json!([{"property": property, "op": "=", "value": value}]);
        assert_eq!(expanded(&server, url, filter).await, expected, "{property}");
    }
    assert_eq!(expanded(&server, url, is_a("11")).await, "11 13");
    let missing = folder(&[("RXNCONSO.RRF", &names)]);
    let outcome = server_with(Kind::Rxnorm, missing.path(), Options::default()).await;
    assert!(outcome.err().expect("refused").contains("--version"));
}

#[tokio::test(flavor = "multi_thread")]
async fn icd_10_cm() {
    let line = |order: &str, code: &str, valid: &str, short: &str, long: &str| {
        format!("{order} {code:<7} {valid} {short:<60} {long}")
    };
    let lines = [
        line("00001", "Z99", "0", "Odd things", "Odd things of all kinds"),
        line("00002", "Z991", "0", "Odd hats", "Odd hats"),
        line(
            "00003",
            "Z991XA",
            "1",
            "Odd hats, first",
            "Odd hats, initial encounter",
        ),
        line("00004", "Z992", "1", "Odd shoes", "Odd shoes"),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let release = folder(&[
        ("icd10cm_order_2024.txt", &lines),
        ("icd10cm_order_addenda_2024.txt", &["Add: nothing"]),
    ]);
    let server = server_with(Kind::Icd10cm, release.path(), Options::default()).await;
    let (server, url) = (server.expect("loaded"), "http://hl7.org/fhir/sid/icd-10-cm");
    let found = lookup(&server, url, "z99.1xa").await;
    assert_eq!(value(&found, "version"), "2024");
    assert_eq!(value(&found, "display"), "Odd hats, initial encounter");
    assert_eq!(expanded(&server, url, is_a("Z99.1")).await, "Z99.1 Z99.1XA");
    let headers = json!([{"property": "abstract", "op": "=", "value": "true"}]);
    assert_eq!(expanded(&server, url, headers).await, "Z99 Z99.1");
    for (line, expected) in [
        ("00001 Z99     2 x", "column 15 (valid): expected 0 or 1"),
        ("code", "column 1-5 (order): expected a number"),
        ("00001 Z!      1 x", "column 7-13 (code): expected a code"),
    ] {
        let release = folder(&[("icd10cm_order_2024.txt", &[line])]);
        let outcome = server_with(Kind::Icd10cm, release.path(), Options::default()).await;
        let problem = outcome.err().expect("refused");
        assert!(
            problem.contains("line 1") && problem.contains(expected),
            "{problem}"
        );
    }
}
