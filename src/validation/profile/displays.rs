//! `Coding.display` beside the code system that defines the code, where that is at hand.
//! <https://hl7.org/fhir/R4/datatypes-definitions.html#Coding.display>
//!
//! A display is right if it is the concept's own or one of its designations, in any language,
//! whatever the case of its letters and the blanks in it. Codes that are not known are none of
//! this: bindings weigh them; nor are the displays of systems with very many codes.

use std::collections::HashMap;

use serde_json::Value;

use super::walk::Walk;
use crate::error::Issue;
use crate::fhirpath::Node;

/// The texts of each code of a code system.
pub(super) type Displays = HashMap<String, Vec<String>>;

impl<'w> Walk<'w> {
    pub(super) fn display(&mut self, node: Node<'w>, path: &str) {
        let text = |name: &str| node.get(name).and_then(Value::as_str);
        let (Some(display), Some(system), Some(code)) =
            (text("display"), text("system"), text("code"))
        else {
            return;
        };
        let Some(displays) = self.profiles.displays(system) else {
            return;
        };
        let Some(known) = displays.get(code).filter(|known| !known.is_empty()) else {
            return;
        };
        if !known.iter().any(|known| is_same(known, display)) {
            let text = format!("expected the display of {system}|{code} but found another");
            let issue = Issue::error("value", text);
            let severity = self.profiles.settings.wrong_displays;
            self.report(Issue { severity, ..issue }, &format!("{path}.display"));
        }
    }
}

/// Code systems with more codes are not held in memory a second time for their displays.
const MOST_CODES: usize = 20_000;

/// Those of a CodeSystem; none of a large one.
pub(super) fn of(code_system: &Value) -> Displays {
    let mut displays = Displays::new();
    push(code_system, &mut displays);
    match displays.len() {
        0..MOST_CODES => displays,
        _ => Displays::new(),
    }
}

fn push(within: &Value, displays: &mut Displays) {
    for concept in list(within, "concept") {
        if displays.len() >= MOST_CODES {
            return;
        }
        let designations = list(concept, "designation").filter_map(|one| one.get("value"));
        let texts = concept.get("display").into_iter().chain(designations);
        if let Some(code) = concept.get("code").and_then(Value::as_str) {
            let known = displays.entry(code.to_owned()).or_default();
            known.extend(texts.filter_map(Value::as_str).map(str::to_owned));
        }
        push(concept, displays);
    }
}

/// Whether two texts are the same but for the case of letters and for blanks.
fn is_same(known: &str, display: &str) -> bool {
    let letters = |text: &'_ str| {
        text.chars()
            .filter(|c| !c.is_whitespace())
            .flat_map(char::to_lowercase)
            .collect::<String>()
    };
    known == display || letters(known) == letters(display)
}

fn list<'v>(of: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn designations_are_displays_too() {
        let displays = of(
            &json!({"concept": [{"code": "a", "display": "Alpha  One", "concept": [
            {"code": "b", "designation": [{"language": "de", "value": "Beta"}]}]}]}),
        );
        assert_eq!(displays["a"], ["Alpha  One"]);
        assert_eq!(displays["b"], ["Beta"]);
        for (known, display, expected) in
            [("Alpha  One", "alpha one", true), ("Alpha", "Beta", false)]
        {
            assert_eq!(is_same(known, display), expected, "{display}");
        }
    }
}
