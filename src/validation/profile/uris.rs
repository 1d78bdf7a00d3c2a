//! Texts that identify: the forms of URNs, and canonicals that mean what the element takes.
//! <https://hl7.org/fhir/R4/datatypes.html#uri>, <https://hl7.org/fhir/R4/references.html#canonical>

use super::entries::is_absolute;
use super::extensions::is_example;
use super::walk::Walk;
use crate::error::{Issue, Severity};
use crate::fhirpath::Node;
use crate::validation::issues::shown;

impl<'w> Walk<'w> {
    pub(super) fn uri(&mut self, node: Node<'w>, path: &str) {
        let Some(text) = node.text() else { return };
        if let Some(id) = text.strip_prefix("urn:uuid:")
            && !is_uuid(id)
        {
            // R4 asks for lower case, in a note that its own examples miss.
            let severity = match is_uuid(&id.to_ascii_lowercase()) {
                true => Severity::Warning,
                false => Severity::Error,
            };
            let text = format!(
                "expected a UUID in lower case behind urn:uuid: but found {}",
                shown(id)
            );
            let issue = Issue::error("value", text);
            self.report(Issue { severity, ..issue }, path);
        }
        if let Some(id) = text.strip_prefix("urn:oid:")
            && !is_oid(id)
        {
            let text = format!("expected an OID behind urn:oid: but found {}", shown(id));
            self.report(Issue::error("value", text), path);
        }
        // Extensions weigh their own urls; whether others are examples matters to few.
        let is_own = || path.ends_with(".url") && path.contains("xtension[");
        if self.profiles.settings.example_urls == Severity::Error && !is_own() && is_example(text) {
            let text = "expected no URL of an example domain but found one";
            self.report(Issue::error("value", text), path);
        }
        if node.node_type.key == "canonical" {
            self.canonical(text, node, path);
        }
    }

    fn canonical(&mut self, text: &str, node: Node<'w>, path: &str) {
        if text.starts_with('#') {
            return;
        }
        if !is_absolute(text) {
            let severity = self.profiles.settings.relative_canonicals;
            let text = format!(
                "expected a canonical URL that is absolute but found {}",
                shown(text)
            );
            let issue = Issue::error("value", text);
            return self.report(Issue { severity, ..issue }, path);
        }
        let Some(choice) = node.choice else { return };
        let wanted = &choice.field.target_types;
        let has = |kind: &str| self.profiles.has(kind, text);
        if wanted.is_empty() || wanted.iter().any(|kind| kind == "Resource" || has(kind)) {
            return;
        }
        if let Some(found) = CANONICAL.iter().find(|kind| has(kind)) {
            let text = format!(
                "expected the canonical of {} but found that of a {found}",
                wanted.join(" or ")
            );
            self.report(Issue::error("value", text), path);
        }
    }
}

/// What has a canonical URL and is at hand in a server's definitions.
const CANONICAL: [&str; 14] = [
    "StructureDefinition",
    "ValueSet",
    "CodeSystem",
    "ConceptMap",
    "SearchParameter",
    "OperationDefinition",
    "CapabilityStatement",
    "CompartmentDefinition",
    "ImplementationGuide",
    "NamingSystem",
    "Questionnaire",
    "Measure",
    "Library",
    "PlanDefinition",
];

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// <https://hl7.org/fhir/R4/datatypes.html#oid>
fn is_oid(text: &str) -> bool {
    let mut arcs = text.split('.');
    let is_number = |arc: &str| {
        !arc.is_empty()
            && arc.bytes().all(|byte| byte.is_ascii_digit())
            && (arc == "0" || !arc.starts_with('0'))
    };
    matches!(arcs.next(), Some("0" | "1" | "2")) && text.contains('.') && arcs.all(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urns_have_their_forms() {
        for (text, expected) in [
            ("c757873d-ec9a-4326-a141-556f43239520", true),
            ("C757873D-EC9A-4326-A141-556F43239520", false),
            ("c757873d-ec9a-4326-a141-556f43239520a", false),
            ("c757873dec9a4326a141556f43239520", false),
        ] {
            assert_eq!(is_uuid(text), expected, "{text}");
        }
        for (text, expected) in [
            ("2.16.840.1.113883", true),
            ("1.2", true),
            ("1", false),
            ("3.2", false),
            ("1.02", false),
            ("1..2", false),
        ] {
            assert_eq!(is_oid(text), expected, "{text}");
        }
    }
}
