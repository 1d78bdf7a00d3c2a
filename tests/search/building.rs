//! Searches while a custom parameter is being built, that do not name the type it is of.

use crate::harness::Server;
use crate::rest::search_parameter::{parameter, work_off};
use serde_json::json;

/// Observations of a patient and of a device, both made in 2020; the date of the device is
/// what a custom parameter reads.
async fn observations(server: &Server) {
    let made = json!([{"url": "http://example.org/made", "valueDate": "2020-02-02"}]);
    server
        .put(
            "/Patient/p",
            &json!({"resourceType": "Patient", "id": "p", "birthDate": "2020-01-01"}),
        )
        .await
        .expect(201);
    server
        .put(
            "/Device/d",
            &json!({"resourceType": "Device", "id": "d", "extension": made}),
        )
        .await
        .expect(201);
    for (id, subject) in [("of-p", "Patient/p"), ("of-d", "Device/d")] {
        let observation = json!({"resourceType": "Observation", "id": id, "status": "final",
            "code": {"text": "x"}, "subject": {"reference": subject}});
        server
            .put(&format!("/Observation/{id}"), &observation)
            .await
            .expect(201);
    }
    let made = parameter(
        "birthdate",
        "Device",
        "date",
        "Device.extension('http://example.org/made').value",
    );
    server
        .put("/SearchParameter/birthdate", &made)
        .await
        .expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_leaves_out_no_type_whose_parameter_is_not_indexed_yet() {
    let server = Server::start().await;
    observations(&server).await;
    for query in [
        "/Observation?subject.birthdate=2020",
        "/Observation?_filter=subject.birthdate%20eq%202020",
    ] {
        let refused = server.get(query).await;
        let issues = refused.expect(400).issues();
        assert!(issues.contains("not indexed yet"), "{query}: {issues}");
        let lenient = ["Prefer: handling=lenient"];
        let partial = server
            .send("GET", &format!("/fhir{query}"), &lenient, "")
            .await;
        let text = partial.expect(200).text();
        assert!(text.contains("The result is partial"), "{query}: {text}");
    }
    // What names the type is not about it.
    let named = server
        .get("/Observation?subject:Patient.birthdate=2020")
        .await;
    assert_eq!(named.expect(200).ids(), ["of-p"]);
    work_off(&server).await;
    let mut found = server
        .get("/Observation?subject.birthdate=2020")
        .await
        .expect(200)
        .ids();
    found.sort();
    assert_eq!(found, ["of-d", "of-p"]);
}

/// Criteria that overlooked a type would create what is there, or spare what is meant.
#[tokio::test(flavor = "multi_thread")]
async fn criteria_leave_out_no_type_whose_parameter_is_not_indexed_yet() {
    let server = Server::start().await;
    observations(&server).await;
    let criteria = "subject.birthdate=2020-02";
    let observation = json!({"resourceType": "Observation", "status": "final",
        "code": {"text": "x"}, "subject": {"reference": "Device/d"}});
    let header = format!("If-None-Exist: {criteria}");
    let refused = server
        .post_with("/Observation", &[&header], &observation)
        .await;
    let issues = refused.expect(400).issues();
    assert!(issues.contains("not indexed yet"), "{issues}");
    let refused = server.delete(&format!("/Observation?{criteria}")).await;
    let issues = refused.expect(400).issues();
    assert!(issues.contains("not indexed yet"), "{issues}");
    work_off(&server).await;
    server
        .post_with("/Observation", &[&header], &observation)
        .await
        .expect(200);
}

/// A base of DomainResource is all types but the three that are none.
#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_may_be_of_all_domain_resources() {
    let server = Server::start().await;
    let narrative = json!({"status": "generated",
        "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"});
    let patient = json!({"resourceType": "Patient", "id": "p", "text": narrative});
    server.put("/Patient/p", &patient).await.expect(201);
    let own = parameter(
        "narrative",
        "DomainResource",
        "token",
        "DomainResource.text.status",
    );
    server
        .put("/SearchParameter/narrative", &own)
        .await
        .expect(201);
    work_off(&server).await;
    let found = server.get("/Patient?narrative=generated").await;
    assert_eq!(found.expect(200).ids(), ["p"]);
    server.get("/Binary?narrative=generated").await.expect(400);
}

/// Who adds an expression decides what every later write costs: that has an end.
#[tokio::test(flavor = "multi_thread")]
async fn an_expression_that_explodes_does_not_hold_up_writes() {
    let server = Server::start().await;
    let inner = (0..5).fold("%resource.extension.exists()".to_owned(), |inner, _| {
        format!("%resource.extension.where({inner}).exists()")
    });
    let expression = format!("Patient.extension.where({inner}).value.ofType(code)");
    let own = parameter("explosive", "Patient", "token", &expression);
    server
        .put("/SearchParameter/explosive", &own)
        .await
        .expect(201);
    work_off(&server).await;
    let extensions: Vec<_> = (0..200)
        .map(|n| json!({"url": format!("http://e/{n}"), "valueCode": "x"}))
        .collect();
    for (id, count) in [("few", 2), ("many", 200)] {
        let patient =
            json!({"resourceType": "Patient", "id": id, "extension": extensions[..count]});
        server
            .put(&format!("/Patient/{id}"), &patient)
            .await
            .expect(201);
    }
    let found = server.get("/Patient?explosive=x").await;
    assert_eq!(found.expect(200).ids(), ["few"]);
}
