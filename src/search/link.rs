//! The links of a page: the URL of a search, spelt from the parameters that were used.
//! <https://hl7.org/fhir/R4/search.html#conformance> (the self link tells what was done)

use super::resolve::Scope;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays readable in a query string; `+` does not, since it would be read as a space.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b',')
    .remove(b'/')
    .remove(b'$')
    .remove(b'*');

/// `base/Patient?name=a&_count=2`
pub fn url<'a>(
    base: &str,
    scope: &Scope,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut text = base.to_owned();
    match scope {
        Scope::System => {}
        Scope::Type(resource_type) => {
            text.push('/');
            text.push_str(resource_type.name());
        }
        Scope::Compartment { focal, id, member } => {
            let member = member.map_or("*", |member| member.name());
            text.push_str(&format!("/{focal}/{id}/{member}"));
        }
    }
    let query = query(pairs);
    if !query.is_empty() {
        text.push('?');
        text.push_str(&query);
    }
    text
}

/// `name=a&_count=2`
pub fn query<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.extend(utf8_percent_encode(name, ENCODED));
        text.push('=');
        text.extend(utf8_percent_encode(value, ENCODED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::ResourceType;

    #[test]
    fn what_could_be_misread_is_encoded() {
        let patient = ResourceType::parse("Patient").expect("a type");
        for (pairs, expected) in [
            (vec![], "http://me/fhir/Patient"),
            (
                vec![
                    ("date", "ge2020-01-01T00:00:00+00:00"),
                    ("name:exact", "a b&c=d%"),
                ],
                "http://me/fhir/Patient?date=ge2020-01-01T00:00:00%2B00:00&name:exact=a%20b%26c%3Dd%25",
            ),
            (
                vec![("identifier", "s|ü")],
                "http://me/fhir/Patient?identifier=s%7C%C3%BC",
            ),
        ] {
            assert_eq!(
                url("http://me/fhir", &Scope::Type(patient), pairs.into_iter()),
                expected
            );
        }
        assert_eq!(
            url("http://me/fhir", &Scope::System, [].into_iter()),
            "http://me/fhir"
        );
        let compartment = |member| Scope::Compartment {
            focal: patient,
            id: "1".to_owned(),
            member,
        };
        for (member, expected) in [
            (None, "http://me/fhir/Patient/1/*?a=b"),
            (Some(patient), "http://me/fhir/Patient/1/Patient?a=b"),
        ] {
            let pairs = [("a", "b")].into_iter();
            assert_eq!(url("http://me/fhir", &compartment(member), pairs), expected);
        }
    }
}
