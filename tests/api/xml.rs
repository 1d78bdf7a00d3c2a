//! XML in and out: <https://hl7.org/fhir/R4/xml.html>, table TG of XML.

use super::get;
use crate::harness::{Reply, Server};
use serde_json::json;

const XML: &str = "Content-Type: application/fhir+xml";
const ACCEPT: &str = "Accept: application/fhir+xml";

const OBSERVATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Observation xmlns="http://hl7.org/fhir"><id value="o"/><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p class='x'>a<br/></p></div></text><status value="final"/><code><text value="x"/></code><issued><extension url="urn:e"><valueCode value="unknown"/></extension></issued><valueQuantity><value value="1.00"/></valueQuantity></Observation>"#;

/// What the server adds to a resource, taken away.
fn without_meta(xml: &str) -> String {
    match (xml.find("<meta>"), xml.find("</meta>")) {
        (Some(start), Some(end)) => format!("{}{}", &xml[..start], &xml[end + 7..]),
        _ => xml.to_owned(),
    }
}

#[track_caller]
fn expect_xml(reply: &Reply, status: u16) -> String {
    reply.expect(status);
    let content_type = reply.header("content-type");
    assert_eq!(content_type, Some("application/fhir+xml; charset=utf-8"));
    let text = reply.text();
    assert!(text.starts_with("<?xml"), "{text}");
    text
}

#[tokio::test]
async fn a_resource_comes_and_goes_in_xml() {
    let server = Server::start().await;
    let path = "/fhir/Observation/o";
    let put = server.send("PUT", path, &[XML, ACCEPT], OBSERVATION).await;
    assert_eq!(without_meta(&expect_xml(&put, 201)), OBSERVATION);
    // Table TG2: the digits survive a read and a write in XML.
    let read = get(&server, path, &[ACCEPT]).await;
    let text = expect_xml(&read, 200);
    assert_eq!(without_meta(&text), OBSERVATION);
    assert_eq!(read.header("etag"), Some("W/\"1\""));
    assert_eq!(read.headers("vary").first(), Some(&"accept"));
    let again = server.send("PUT", path, &[XML, ACCEPT], text).await;
    assert_eq!(again.header("etag"), Some("W/\"1\""), "{}", again.text());
    let json = get(&server, path, &[]).await;
    assert!(json.text().contains("\"value\":1.00"), "{}", json.text());
    assert!(json.text().contains("\"_issued\""));
    let same = get(&server, path, &[ACCEPT, "If-None-Match: W/\"1\""]).await;
    same.expect(304);
    let version = get(&server, "/fhir/Observation/o/_history/1", &[ACCEPT]).await;
    assert_eq!(without_meta(&expect_xml(&version, 200)), OBSERVATION);
    let head = server.send("HEAD", path, &[ACCEPT], "").await;
    head.expect(200);
    assert_eq!(
        (head.body.len(), head.header("content-type")),
        (0, read.header("content-type"))
    );
    let pretty = get(&server, "/fhir/Observation/o?_pretty=true&_format=xml", &[]).await;
    assert!(expect_xml(&pretty, 200).contains("\n  <status value=\"final\"/>"));
    let summary = get(&server, "/fhir/Observation/o?_summary=true", &[ACCEPT]).await;
    let summary = expect_xml(&summary, 200);
    assert!(!summary.contains("<div") && summary.contains("SUBSETTED"));
    let post = server
        .send(
            "POST",
            "/fhir/Observation",
            &[XML, "Prefer: return=OperationOutcome"],
            OBSERVATION,
        )
        .await;
    post.expect(201);
    assert!(post.json()["issue"].is_array());
}

#[tokio::test]
async fn every_interaction_answers_in_xml() {
    let server = Server::start().await;
    server
        .put(
            "/Patient/p",
            &json!({"resourceType": "Patient", "id": "p", "active": true}),
        )
        .await
        .expect(201);
    for path in [
        "/fhir/Patient",
        "/fhir/Patient?active=true&_elements=active",
        "/fhir?_type=Patient",
        "/fhir/Patient/p/_history",
        "/fhir/_history",
        "/fhir/metadata",
        "/fhir/Patient/p/$meta",
        "/fhir/_job",
    ] {
        let reply = get(&server, path, &[ACCEPT]).await;
        expect_xml(&reply, 200);
        let zipped = get(&server, path, &[ACCEPT, "Accept-Encoding: gzip"]).await;
        zipped.expect(200);
    }
    let metadata = get(&server, "/fhir/metadata", &[]).await.json();
    assert!(
        metadata["format"]
            .as_array()
            .is_some_and(|all| all.contains(&json!("xml")))
    );
    let bundle = get(&server, "/fhir/Patient?_format=xml", &[]).await;
    let bundle = expect_xml(&bundle, 200);
    assert!(
        bundle.contains("<resource><Patient><id value=\"p\"/>"),
        "{bundle}"
    );
    let form = ["Content-Type: application/x-www-form-urlencoded"];
    let found = server
        .send(
            "POST",
            "/fhir/Patient/_search",
            &form,
            "active=true&_format=xml",
        )
        .await;
    expect_xml(&found, 200);
    let refused = server
        .send(
            "POST",
            "/fhir/Patient/_search",
            &form,
            "nonsense=1&_format=xml",
        )
        .await;
    expect_xml(&refused, 400);
    let refused = server
        .send(
            "POST",
            "/fhir/Patient/_search?_format=xml",
            &form,
            "nonsense=1&_format=json",
        )
        .await;
    assert!(expect_xml(&refused, 400).contains("<OperationOutcome"));
    for (content_type, accept) in [
        ("application/xml", "application/xml"),
        ("text/xml", "text/xml"),
    ] {
        let headers = [
            &format!("Content-Type: {content_type}"),
            &format!("Accept: {accept}"),
        ];
        let headers = headers.map(String::as_str);
        let reply = server
            .send(
                "POST",
                "/fhir/Patient",
                &headers,
                "<Patient xmlns=\"http://hl7.org/fhir\"/>",
            )
            .await;
        reply.expect(201);
        let wanted = format!("{accept}; charset=utf-8");
        assert_eq!(reply.header("content-type"), Some(wanted.as_str()));
    }
}

/// Table TG21: an error under Accept XML is told in XML.
#[tokio::test]
async fn errors_are_told_as_they_are_asked_for() {
    let server = Server::start().await;
    for (path, headers, status) in [
        ("/fhir/Patient/none", &[ACCEPT][..], 404),
        ("/fhir/Patient/none?_format=xml", &[], 404),
        ("/fhir/Nobody", &[ACCEPT], 404),
        ("/fhir/Nobody/1/2/3/4/5", &[ACCEPT], 404),
        ("/fhir/Patient?nonsense=1", &[ACCEPT], 400),
        ("/fhir/Patient/!", &[ACCEPT], 400),
    ] {
        let reply = server.send("GET", path, headers, "").await;
        let text = expect_xml(&reply, status);
        assert!(
            text.contains("<OperationOutcome xmlns=\"http://hl7.org/fhir\"><issue>"),
            "{text}"
        );
    }
    let reply = server.send("PATCH", "/fhir/metadata", &[ACCEPT], "").await;
    expect_xml(&reply, 405);
    let reply = get(&server, "/fhir/Patient/none", &["Accept: text/turtle"]).await;
    reply.expect(406);
    assert!(reply.issues().contains("application/fhir+xml"));
}

#[tokio::test]
async fn bad_xml_is_refused_with_its_place() {
    let server = Server::with(|settings| settings.limits.body_size = 1 << 20).await;
    let ns = "xmlns=\"http://hl7.org/fhir\"";
    let deep = format!(
        "<Patient {ns}>{}{}</Patient>",
        "<extension url=\"u\">".repeat(600),
        "</extension>".repeat(600)
    );
    let laughs = format!(
        "<!DOCTYPE p [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><Patient {ns}><id value=\"&b;\"/></Patient>"
    );
    let external = format!(
        "<!DOCTYPE p [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><Patient {ns}><id value=\"&x;\"/></Patient>"
    );
    for (body, says) in [
        // Tables TG8 to TG11.
        (deep.as_str(), "json-depth"),
        (&laughs, "document type"),
        (&external, "document type"),
        (
            &format!("<?php x?><Patient {ns}/>"),
            "processing instruction",
        ),
        (
            &format!("<Patient {ns}><birthDate value=\"2000\"/><active value=\"true\"/></Patient>"),
            "expected <active> before",
        ),
        ("<Patient xmlns=\"urn:x\"/>", "http://hl7.org/fhir"),
        (
            &format!("<Patient {ns}>\n <nmae/></Patient>"),
            "line 2 column 2",
        ),
        // The rules of JSON hold for what has come in XML.
        (
            &format!("<Patient {ns}><birthDate value=\"soon\"/></Patient>"),
            "Patient.birthDate",
        ),
        (
            &format!("<Patient {ns}><name/></Patient>"),
            "Patient.name[0]",
        ),
        (
            &format!("<Observation {ns}/>"),
            "expected a Patient but found a Observation",
        ),
        ("{\"resourceType\":\"Patient\"}", "outside of the root"),
        ("", "no element"),
    ] {
        let reply = server
            .send("POST", "/fhir/Patient", &[XML], body.to_owned())
            .await;
        reply.expect(400);
        assert!(reply.issues().contains(says), "{says}: {}", reply.text());
    }
    let latin =
        "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><Patient xmlns=\"http://hl7.org/fhir\"/>";
    let reply = server.send("POST", "/fhir/Patient", &[XML], latin).await;
    reply.expect(415);
    let comments = format!("<!-- a --><Patient {ns}><!-- b --><active value=\"true\"/></Patient>");
    let reply = server.send("POST", "/fhir/Patient", &[XML], comments).await;
    reply.expect(201);
    assert!(!reply.text().contains("comment"), "{}", reply.text());
}

#[tokio::test]
async fn bundles_come_and_go_in_xml() {
    let server = Server::start().await;
    let entry = |n: usize| {
        format!(
            "<entry><fullUrl value=\"urn:uuid:00000000-0000-4000-8000-{n:012}\"/><resource><Patient>\
             <name><family value=\"X{n}\"/></name></Patient></resource><request>\
             <method value=\"POST\"/><url value=\"Patient\"/></request></entry>"
        )
    };
    for (kind, count) in [("batch", 2), ("transaction", 800)] {
        let entries: String = (0..count).map(entry).collect();
        let bundle = format!(
            "<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"{kind}\"/>{entries}</Bundle>"
        );
        let reply = server.send("POST", "/fhir", &[XML, ACCEPT], bundle).await;
        let text = expect_xml(&reply, 200);
        assert_eq!(
            text.matches("<status value=\"201 Created\"/>").count(),
            count
        );
    }
    let large = get(&server, "/fhir/Patient?_count=700", &[ACCEPT]).await;
    assert_eq!(expect_xml(&large, 200).matches("<Patient>").count(), 700);
}

#[tokio::test]
async fn convert_answers_in_the_other_format() {
    let server = Server::start().await;
    let path = "/fhir/$convert";
    let json = server.send("POST", path, &[XML], OBSERVATION).await;
    json.expect(200);
    assert!(json.text().contains("\"value\":1.00"));
    let headers = ["Content-Type: application/fhir+json", ACCEPT];
    let xml = server.send("POST", path, &headers, json.text()).await;
    assert_eq!(expect_xml(&xml, 200), OBSERVATION);
    for (body, says) in [
        ("{\"resourceType\":\"Nobody\"}", "Nobody"),
        ("{\"resourceType\":\"Patient\",\"unknown\":1}", "unknown"),
        ("[]", "JSON object"),
    ] {
        let reply = server.send("POST", path, &headers[..1], body).await;
        reply.expect(400);
        assert!(reply.issues().contains(says), "{}", reply.text());
    }
    get(&server, path, &[]).await.expect(405);
    let nothing = get(&server, "/fhir/Observation?_count=0", &[]).await;
    assert_eq!(nothing.json()["total"], 0);
}
