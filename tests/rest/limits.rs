//! Limits and bad input: every one a clear 4xx, never 5xx.

use super::bundle::bundle;
use super::patient;
use crate::harness::Server;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_is_named_in_its_error() {
    let server = Server::with(|settings| {
        settings.limits.body_size = 2_000;
        settings.limits.bundle_entries = 2;
        settings.limits.json_depth = 20;
        settings.limits.url_length = 500;
        settings.limits.max_page_size = 3;
    })
    .await;
    let headers = ["Content-Type: application/fhir+json"];
    let mut large = patient("1");
    large["name"] = json!([{"text": "x".repeat(3_000)}]);
    let reply = server.post("/Patient", &large).await;
    reply.expect(413);
    assert!(reply.issues().contains("body-size"));
    let entry = json!({"request": {"method": "GET", "url": "Patient"}});
    let reply = server
        .post(
            "",
            &bundle("batch", vec![entry.clone(), entry.clone(), entry]),
        )
        .await;
    reply.expect(413);
    assert!(reply.issues().contains("bundle-entries"));
    let nested = format!(
        "{{\"resourceType\":\"Patient\",\"x\":{}{}}}",
        "[".repeat(100),
        "]".repeat(100)
    );
    let reply = server.send("POST", "/fhir/Patient", &headers, nested).await;
    reply.expect(400);
    assert!(reply.issues().contains("json-depth"));
    let reply = server
        .get(&format!("/Patient?name={}", "x".repeat(600)))
        .await;
    reply.expect(414);
    assert!(reply.issues().contains("url-length"));
    for n in 0..5 {
        server.create(&patient(&n.to_string())).await;
    }
    let page = server.get("/Patient?_count=99999999").await;
    assert_eq!(page.ids().len(), 3);
    assert!(page.link("self").expect("a self link").contains("_count=3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_the_clients_fault_and_says_where() {
    let server = Server::start().await;
    let headers = ["Content-Type: application/fhir+json"];
    let deep = format!(
        "{}1{}",
        "{\"extension\":[".repeat(50_000),
        "]}".repeat(50_000)
    );
    let extension = (0..600).fold(
        json!({"url": "urn:x", "valueString": "x"}),
        |inner, _| json!({"url": "urn:x", "extension": [inner]}),
    );
    let nested = json!({"resourceType": "Patient", "extension": [extension]}).to_string();
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"{".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"\"Patient\"".to_vec(),
        b"{\"resourceType\":\"Patient\",\"id\":\"\xff\"}".to_vec(),
        b"{\"resourceType\":\"Patient\",\"active\":true,\"active\":true}".to_vec(),
        br#"{"resourceType":"Patient","name":[{"text":"a\u0000b"}]}"#.to_vec(),
        br#"{"resourceType":"Patient","name":[{"text":"\ud800"}]}"#.to_vec(),
        br#"{"resourceType":"Patient","name":"Ada"}"#.to_vec(),
        br#"{"resourceType":"Patient","name":[]}"#.to_vec(),
        br#"{"resourceType":"Patient","name":[{}]}"#.to_vec(),
        br#"{"resourceType":"Patient","name":[{"text":""}]}"#.to_vec(),
        br#"{"resourceType":"Patient","name":null}"#.to_vec(),
        br#"{"resourceType":"Patient","birthDate":"2024-02-30"}"#.to_vec(),
        br#"{"resourceType":"Patient","gender":"robot"}"#.to_vec(),
        br#"{"resourceType":"Patient","multipleBirthInteger":2147483648}"#.to_vec(),
        br#"{"resourceType":"Patient","multipleBirthInteger":1.0}"#.to_vec(),
        br#"{"resourceType":"Patient","deceasedBoolean":true,"deceasedDateTime":"2024"}"#.to_vec(),
        br#"{"resourceType":"Patient","unknown":1}"#.to_vec(),
        br#"{"resourceType":"Patient","_unknown":{"id":"x"}}"#.to_vec(),
        br#"{"resourceType":"Patient","$serde_json::private::Number":"1"}"#.to_vec(),
        br#"{"resourceType":"Patient","contained":[{"resourceType":"Nope","id":"x"}]}"#.to_vec(),
        deep.into_bytes(),
        nested.into_bytes(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let reply = server
            .send("POST", "/fhir/Patient", &headers, body.clone())
            .await;
        reply.expect(400);
        assert!(!reply.issues().is_empty());
        assert!(reply.header("x-request-id").is_some(), "{shown}");
        let reply = server.send("POST", "/fhir", &headers, body).await;
        assert!(
            (400..500).contains(&reply.status),
            "{shown}: {}",
            reply.status
        );
    }
    assert!(server.get("/Patient").await.ids().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_urls_and_values_are_refused() {
    let server = Server::start().await;
    for (path, status) in [
        ("/Patient?name=%ff", 400),
        ("/Patient?name=%zz", 400),
        ("/Patient?name=%00", 400),
        ("/Patient?nope=x", 400),
        ("/Patient?name:foo=x", 400),
        ("/Patient?birthdate=2024-02-30", 400),
        ("/Patient?birthdate=foo", 400),
        ("/Patient?birthdate=xx2024", 400),
        ("/Patient?_count=-1", 400),
        ("/Patient?_count=abc", 400),
        ("/Patient?_sort=nope", 400),
        ("/Patient?_sort=pg_sleep(5)", 400),
        ("/Patient?_include=Foo:bar", 400),
        ("/Patient?_revinclude=Provedance:*", 400),
        ("/Patient?_cursor=abc", 400),
        ("/Patient?_total=maybe", 400),
        ("/Patient?_summary=maybe", 400),
        ("/Observation?value-quantity=ll109", 400),
        ("/Observation?code:50050", 400),
        ("/Patient/%00", 404),
        ("/Patient/a/_history/x%20y", 404),
        ("?_type=Nope", 400),
        ("/Patient?identifier='%3BDROP%20TABLE%20resource%3B--", 200),
    ] {
        let reply = server.get(path).await;
        assert!(
            reply.status == status || (status == 404 && reply.status == 400),
            "{path}: {} {}",
            reply.status,
            reply.text()
        );
        if status != 200 {
            assert!(!reply.issues().is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_values_are_written_and_found() {
    let server = Server::start().await;
    let long = "v".repeat(5_000);
    let id = server.create(&patient(&long)).await;
    let search = format!("identifier=urn:t|{long}");
    let headers = ["Content-Type: application/x-www-form-urlencoded"];
    let find = async |form: String| {
        server
            .send("POST", "/fhir/Patient/_search", &headers, form)
            .await
            .ids()
    };
    assert_eq!(find(search.clone()).await, [id.as_str()]);
    let mut other = search.clone();
    other.pop();
    other.push('w');
    assert_eq!(find(other).await, Vec::<String>::new());
    let mut resource = patient("2");
    resource["name"] = json!([{"family": "x".repeat(2_000)}]);
    let named = server.create(&resource).await;
    assert_eq!(
        find(format!("family:exact={}", "x".repeat(2_000))).await,
        [named.as_str()]
    );
    assert_eq!(
        find(format!("family={}", "x".repeat(1_500))).await,
        [named.as_str()]
    );
    assert_eq!(
        find(format!("family={}", "x".repeat(2_001))).await,
        Vec::<String>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subsetted_resource_is_not_put_back() {
    let server = Server::start().await;
    let id = server.create(&patient("1")).await;
    let part: Value = server
        .get(&format!("/Patient/{id}?_summary=true"))
        .await
        .json();
    assert_eq!(part["meta"]["tag"][0]["code"], "SUBSETTED");
    server
        .put(&format!("/Patient/{id}"), &part)
        .await
        .expect(422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_asks_too_much_is_refused_wherever_it_stands() {
    let server = Server::start().await;
    let id = server.create(&patient("1")).await;
    let headers = ["Content-Type: application/x-www-form-urlencoded"];
    let post = async |path: &str, form: String| {
        let path = format!("/fhir{path}/_search");
        server.send("POST", &path, &headers, form).await
    };
    let list = |name: &str, values: usize| {
        let values: Vec<String> = (0..values).map(|n| format!("v{n}")).collect();
        format!("{name}={},{id}", values.join(","))
    };
    // Lists of a thousand work, of all types too.
    for (path, form) in [("/Patient", list("_id", 4_000)), ("", list("_id", 1_000))] {
        let reply = post(path, form).await;
        reply.expect(200);
        assert_eq!(reply.ids(), [id.as_str()]);
    }
    for (path, form) in [
        ("", list("_tag", 1_000)),
        ("/Patient", list("name", 4_000)),
        ("/Patient", list("birthdate:missing=true&identifier", 4_000)),
        ("/Observation", list("code:not", 4_000)),
    ] {
        post(path, form).await.expect(200);
    }
    let many = "name=a&".repeat(1_001);
    for (path, form, limit) in [
        ("/Patient", list("_id", 5_000), "search-values"),
        ("", list("_id", 2_000), "search-values"),
        ("/Patient", many.clone(), "search-parameters"),
    ] {
        let reply = post(path, form).await;
        reply.expect(400);
        assert!(reply.issues().contains(limit), "{}", reply.text());
        assert!(reply.issues().contains("too-costly"), "{}", reply.text());
    }
    let reply = server.get(&format!("/Patient?{many}")).await;
    reply.expect(400);
    assert!(reply.issues().contains("search-parameters"));
    let entry = json!({"request": {"method": "GET", "url": format!("Patient?{many}")}});
    let reply = server.post("", &bundle("batch", vec![entry])).await;
    reply.expect(200);
    assert!(
        reply.text().contains("search-parameters"),
        "{}",
        reply.text()
    );
    let reply = post("/Patient", format!("name={}", "x".repeat(2 << 20))).await;
    reply.expect(413);
    assert!(reply.issues().contains("url-length"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_day_of_the_calendar_is_after_everything() {
    let server = Server::start().await;
    server.create(&patient("1")).await;
    for (asked, found) in [
        ("le9999-12-31", 1),
        ("lt9999-12-31", 1),
        ("ge9999-12-31", 0),
        ("gt9999-12-31", 0),
        ("9999-12-31", 0),
        ("le9999", 1),
        ("ge0001-01-01", 1),
        ("lt0001-01-01", 0),
    ] {
        let reply = server.get(&format!("/Patient?_lastUpdated={asked}")).await;
        reply.expect(200);
        assert_eq!(reply.ids().len(), found, "{asked}");
    }
}
