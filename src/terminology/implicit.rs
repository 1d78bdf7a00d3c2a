//! Value sets that are meant by their URL alone.
//! <https://hl7.org/fhir/R4/snomedct.html#implicit>, <https://hl7.org/fhir/R4/loinc.html#implicit>
//!
//! | URL | codes |
//! |---|---|
//! | `http://snomed.info/sct?fhir_vs` | all of SNOMED CT |
//! | `…?fhir_vs=isa/[id]` | the concept and all below it |
//! | `http://snomed.info/sct/[module]/version/[date]?fhir_vs…` | the same of that version |
//! | `http://loinc.org/vs` | all of LOINC |
//! | `http://loinc.org/vs/LL…` | the answers of an answer list |
//! | `http://loinc.org/vs/LP…` | what is below a part |
//!
//! Reference sets and expressions (`refset`, `ecl`) are not known here.

use serde_json::{Value, json};

const SNOMED: &str = "http://snomed.info/sct";
const LOINC: &str = "http://loinc.org";

/// The value set that a canonical means by itself.
pub fn implicit(canonical: &str) -> Option<Value> {
    let include = match canonical.strip_prefix("http://loinc.org/vs") {
        Some(rest) => of_loinc(rest)?,
        None => of_snomed(canonical)?,
    };
    Some(
        json!({"resourceType": "ValueSet", "url": canonical, "status": "active",
        "compose": {"include": [include]}}),
    )
}

fn filter(property: &str, op: &str, value: &str) -> Value {
    json!([{"property": property, "op": op, "value": value}])
}

fn of_loinc(rest: &str) -> Option<Value> {
    let code = match rest {
        "" => return Some(json!({"system": LOINC})),
        rest => rest.strip_prefix('/')?,
    };
    let filters = match code.get(..2)? {
        "LL" => filter("LIST", "=", code),
        "LP" => filter("concept", "descendent-of", code),
        _ => return None,
    };
    Some(json!({"system": LOINC, "filter": filters}))
}

fn of_snomed(canonical: &str) -> Option<Value> {
    let (edition, query) = canonical.split_once('?')?;
    let mut include = json!({"system": SNOMED});
    if edition != SNOMED {
        edition.strip_prefix(SNOMED)?.strip_prefix('/')?;
        include["version"] = json!(edition);
    }
    match query.strip_prefix("fhir_vs")? {
        "" => {}
        rest => {
            let id = rest.strip_prefix("=isa/")?;
            let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
            include["filter"] = filter("concept", "is-a", Some(id).filter(|_| is_id)?);
        }
    }
    Some(include)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_sets_by_their_url() {
        for (url, expected) in [
            (
                "http://snomed.info/sct?fhir_vs",
                Some("http://snomed.info/sct||"),
            ),
            (
                "http://snomed.info/sct?fhir_vs=isa/138875005",
                Some("http://snomed.info/sct||is-a 138875005"),
            ),
            (
                "http://snomed.info/sct/900/version/20240101?fhir_vs",
                Some("http://snomed.info/sct|http://snomed.info/sct/900/version/20240101|"),
            ),
            ("http://snomed.info/sct?fhir_vs=isa/x", None),
            ("http://snomed.info/sct?fhir_vs=refset/1", None),
            ("http://snomed.info/sct", None),
            ("http://loinc.org/vs", Some("http://loinc.org||")),
            (
                "http://loinc.org/vs/LL1-1",
                Some("http://loinc.org||= LL1-1"),
            ),
            (
                "http://loinc.org/vs/LP1-1",
                Some("http://loinc.org||descendent-of LP1-1"),
            ),
            ("http://loinc.org/vs/1-1", None),
            ("http://loinc.org/vsx", None),
        ] {
            let found = implicit(url).map(|value_set| {
                let include = &value_set["compose"]["include"][0];
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let filter = &include["filter"][0];
                let filter = format!("{} {}", text(&filter["op"]), text(&filter["value"]));
                let (system, version) = (text(&include["system"]), text(&include["version"]));
                format!("{system}|{version}|{}", filter.trim())
            });
            assert_eq!(found.as_deref(), expected, "{url}");
        }
    }
}
