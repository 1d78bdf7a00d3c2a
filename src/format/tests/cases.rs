//! Resource by resource: what becomes of what, and what is refused.

use super::{canonical_json, json_of, xml_of};
use crate::definitions::Definitions;
use crate::fhir::json;
use crate::format::{to_json, to_xml};

const XMLNS: &str = "xmlns=\"http://hl7.org/fhir\"";

/// Both ways, to the letter. `NS` stands for the declaration of the namespace.
#[test]
fn xml_and_json_say_the_same() {
    for (xml, json) in [
        (r#"<Patient NS/>"#, r#"{"resourceType":"Patient"}"#),
        (
            r#"<Patient NS><id value="p"/><active value="true"/><birthDate value="2000"/></Patient>"#,
            r#"{"resourceType":"Patient","id":"p","active":true,"birthDate":"2000"}"#,
        ),
        // TG6: values and extensions stay aligned.
        (
            r#"<Patient NS><name id="n"><given value="A"/><given id="g"><extension url="urn:e"><valueCode value="c"/></extension></given><given value="B"/></name></Patient>"#,
            r#"{"resourceType":"Patient","name":[{"id":"n","given":["A",null,"B"],"_given":[null,{"id":"g","extension":[{"url":"urn:e","valueCode":"c"}]},null]}]}"#,
        ),
        (
            r#"<Patient NS><name><given><extension url="urn:e"><valueCode value="c"/></extension></given></name></Patient>"#,
            r#"{"resourceType":"Patient","name":[{"_given":[{"extension":[{"url":"urn:e","valueCode":"c"}]}]}]}"#,
        ),
        // TG7: an extension without a value, and an id beside one.
        (
            r#"<Patient NS><gender id="x" value="male"/><birthDate><extension url="urn:e"><valueCode value="unknown"/></extension></birthDate></Patient>"#,
            r#"{"resourceType":"Patient","gender":"male","_gender":{"id":"x"},"_birthDate":{"extension":[{"url":"urn:e","valueCode":"unknown"}]}}"#,
        ),
        // TG1, TG2: decimals to the letter.
        (
            r#"<Observation NS><valueQuantity><value value="1.00"/></valueQuantity><component><valueQuantity><value value="1E-22"/></valueQuantity></component><component><valueQuantity><value value="-0.0"/></valueQuantity></component><component><valueInteger value="7"/></component></Observation>"#,
            r#"{"resourceType":"Observation","valueQuantity":{"value":1.00},"component":[{"valueQuantity":{"value":1E-22}},{"valueQuantity":{"value":-0.0}},{"valueInteger":7}]}"#,
        ),
        (
            r#"<Observation NS><contained><Patient><id value="p"/></Patient></contained><contained><Group/></contained><status value="final"/></Observation>"#,
            r##"{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"p"},{"resourceType":"Group"}],"status":"final"}"##,
        ),
        (
            r#"<Bundle NS><type value="collection"/><entry><fullUrl value="urn:x"/><resource><Bundle><type value="collection"/><entry><resource><Patient/></resource></entry></Bundle></resource></entry></Bundle>"#,
            r#"{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:x","resource":{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient"}}]}}]}"#,
        ),
        // A member called like the mark of a resource.
        (
            r#"<ExampleScenario NS><instance><resourceId value="i"/><resourceType value="Patient"/></instance></ExampleScenario>"#,
            r#"{"resourceType":"ExampleScenario","instance":[{"resourceId":"i","resourceType":"Patient"}]}"#,
        ),
        (
            r#"<Patient NS><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p class='x'>a &amp; &#233;<br/><!-- c --></p></div></text></Patient>"#,
            r#"{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class='x'>a &amp; &#233;<br/><!-- c --></p></div>"}}"#,
        ),
        (
            r#"<Basic NS><code><text value="&quot;&lt;&amp;&gt;' &#10;&#9;&#13; é😀"/></code></Basic>"#,
            r#"{"resourceType":"Basic","code":{"text":"\"<&>' \n\t\r é😀"}}"#,
        ),
    ] {
        let xml = xml.replace("NS", XMLNS);
        assert_eq!(json_of(&xml).as_deref(), Ok(json), "{xml}");
        let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
        assert_eq!(xml_of(json), format!("{declaration}{xml}"));
    }
}

/// Spellings of XML that mean the same.
#[test]
fn what_only_spells_is_read_past() {
    for xml in [
        "\u{FEFF}<?xml version='1.0' encoding='utf-8'?>\n<!-- c --><Patient xmlns='http://hl7.org/fhir'>\n <!-- c --> <active value='true' /> </Patient>\n<!-- c -->",
        "<f:Patient xmlns:f='http://hl7.org/fhir'><f:active value='true'></f:active></f:Patient>",
        "<Patient xmlns='http://hl7.org/fhir' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:schemaLocation='a b'><active value='t&#114;ue'><!-- c --></active></Patient>",
    ] {
        let json = r#"{"resourceType":"Patient","active":true}"#;
        assert_eq!(json_of(xml).as_deref(), Ok(json), "{xml}");
    }
    let prefixed = "<Patient xmlns='http://hl7.org/fhir' xmlns:h='http://www.w3.org/1999/xhtml'>\
        <text><status value='generated'/><h:div><h:p>a</h:p></h:div></text></Patient>";
    let json = json_of(prefixed).expect("a patient");
    let div = r#""<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>a</p></div>""#;
    assert!(json.contains(div), "{json}");
}

#[test]
fn what_has_no_place_is_refused_with_it() {
    let deep = format!(
        "<Patient NS>{}<valueCode value='x'/>{}</Patient>",
        "<extension url='u'>".repeat(600),
        "</extension>".repeat(600)
    );
    for (xml, says) in [
        (
            "<Patient/>",
            "in the namespace http://hl7.org/fhir but found \"\" at line 1 column 1",
        ),
        ("<Patient xmlns='urn:x'/>", "but found \"urn:x\""),
        (
            "<Nobody NS/>",
            "expected a resource of FHIR R4 but found <Nobody>",
        ),
        ("<patient NS/>", "found <patient>"),
        (
            "<Patient NS>\n  <nmae/></Patient>",
            "Patient has no element <nmae> at line 2 column 3",
        ),
        (
            "<Patient NS><name><x/></name></Patient>",
            "HumanName has no element <x>",
        ),
        (
            "<Patient NS><name><id value='x'/></name></Patient>",
            "has no element <id>",
        ),
        (
            "<Patient NS foo='1'/>",
            "an attribute `foo` is not known here",
        ),
        ("<Patient NS id='1'/>", "an attribute `id` is not known"),
        (
            "<Patient NS><active value='true' url='x'/></Patient>",
            "`url` is not known",
        ),
        (
            "<Patient NS><name value='x'/></Patient>",
            "`value` is not known",
        ),
        ("<Patient NS>text</Patient>", "found text"),
        (
            "<Patient NS><active value='true'>t</active></Patient>",
            "found text",
        ),
        // TG11: elements out of order, or in another namespace.
        (
            "<Patient NS><birthDate value='2000'/><active value='true'/></Patient>",
            "expected <active> before <birthDate>",
        ),
        (
            "<Patient NS><active xmlns='urn:x' value='true'/></Patient>",
            "found \"urn:x\"",
        ),
        (
            "<Patient NS><active value='true'/><active value='true'/></Patient>",
            "expected <active> once",
        ),
        (
            "<Patient NS><name/><active value='true'/><name/></Patient>",
            "expected <active> before <name>",
        ),
        (
            "<Patient NS><active value='yes'/></Patient>",
            "a boolean, true or false, but found \"yes\"",
        ),
        (
            "<Patient NS><active/></Patient>",
            "expected a value or an extension but found neither",
        ),
        (
            "<Observation NS><valueInteger value='01'/></Observation>",
            "a number but found \"01\"",
        ),
        (
            "<Observation NS><valueInteger value=' 1'/></Observation>",
            "a number but found \" 1\"",
        ),
        (
            "<Observation NS><valueInteger value='1}'/></Observation>",
            "a number but found",
        ),
        (
            "<Patient NS><contained/></Patient>",
            "expected a resource but found none",
        ),
        (
            "<Patient NS><contained><Group/><Group/></contained></Patient>",
            "one resource but found more",
        ),
        (
            "<Patient NS><contained>x</contained></Patient>",
            "found text",
        ),
        (
            "<Patient NS><contained id='x'><Group/></contained></Patient>",
            "takes no attributes",
        ),
        (
            "<Patient NS><text><div/></text></Patient>",
            "expected <div> in the namespace http://www.w3.org/1999/xhtml",
        ),
        (
            "<Patient NS><text><div xmlns='http://www.w3.org/1999/xhtml'><o:p xmlns:o='urn:o'/></div></text></Patient>",
            "without prefixes",
        ),
        (&deep, "json-depth"),
    ] {
        let xml = xml.replace("NS", XMLNS);
        let error = json_of(&xml).expect_err(&xml);
        assert!(error.contains(says), "{xml}: {error}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_its_path() {
    let xml = "<Patient xmlns='http://hl7.org/fhir'><active value='x'/><name><given value='a'/>\
        <given foo=''/></name><contact><nmae/></contact><deceasedBoolean value='1'/></Patient>";
    let error = to_json(&Definitions::r4(), xml.as_bytes(), 100).expect_err("a bad patient");
    let places: Vec<&str> = error
        .issues
        .iter()
        .filter_map(|issue| issue.expression.as_deref())
        .collect();
    assert_eq!(
        places,
        [
            "Patient.active",
            "Patient.name[0].given[1]",
            "Patient.name[0].given[1]",
            "Patient.contact[0]",
            "Patient"
        ]
    );
}

/// The depth is that of the JSON, so that what XML may say JSON may say too.
#[test]
fn the_limit_on_depth_is_the_one_of_json() {
    let xml = "<Patient xmlns='http://hl7.org/fhir'><contact><name><given value='a'/></name>\
        </contact></Patient>";
    let depths = |most| to_json(&Definitions::r4(), xml.as_bytes(), most);
    let json = depths(6).expect("deep enough");
    assert!(json::parse(&json, 5).is_ok());
    assert!(depths(4).is_err());
}

#[test]
fn pretty_indents_all_but_narratives() {
    let json = r#"{"resourceType":"Patient","text":{"status":"empty","div":"<div><p>a</p></div>"},"name":[{"id":"n","given":["a"]}]}"#;
    let pretty = to_xml(&Definitions::r4(), json.as_bytes(), true).expect("a patient");
    let lines: Vec<&str> = pretty.lines().collect();
    assert_eq!(
        lines,
        [
            r#"<?xml version="1.0" encoding="UTF-8"?>"#,
            r#"<Patient xmlns="http://hl7.org/fhir">"#,
            "  <text>",
            r#"    <status value="empty"/>"#,
            r#"    <div xmlns="http://www.w3.org/1999/xhtml"><p>a</p></div>"#,
            "  </text>",
            r#"  <name id="n">"#,
            r#"    <given value="a"/>"#,
            "  </name>",
            "</Patient>",
        ]
    );
    let back = json_of(&pretty).expect("what we write we read");
    let value = |text: &str| canonical_json(json::parse(text.as_bytes(), 9).expect("JSON"));
    assert_eq!(value(&back), value(json));
}

/// What validation would have refused does no harm where it is off.
#[test]
fn odd_json_becomes_what_xml_can_say() {
    for (json, says) in [
        (
            r#"{"resourceType":"Patient","unknown":1,"active":{"a":1},"name":"x"}"#,
            "<Patient xmlns=\"http://hl7.org/fhir\"/>",
        ),
        (
            r#"{"resourceType":"Patient","contained":[{"a":1},7]}"#,
            "<Patient xmlns=\"http://hl7.org/fhir\"/>",
        ),
        (
            r#"{"resourceType":"Patient","name":[{"text":"a\u0001b"}]}"#,
            "value=\"a\u{FFFD}b\"",
        ),
        (
            r#"{"resourceType":"Patient","gender":"\"/><x"}"#,
            "value=\"&quot;/&gt;&lt;x\"",
        ),
    ] {
        let xml = xml_of(json);
        assert!(xml.contains(says), "{xml}");
    }
    for json in ["[]", r#"{"resourceType":"Nobody"}"#, "{}", "{"] {
        assert!(to_xml(&Definitions::r4(), json.as_bytes(), false).is_err());
    }
}
