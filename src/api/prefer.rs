//! The header Prefer: RFC 7240, <https://hl7.org/fhir/R4/http.html#ops>.
//!
//! ```text
//! Prefer     = preference *( "," preference )       also as several headers
//! preference = name [ "=" word ] *( ";" parameter )
//! ```
//!
//! A preference that is not known, or not known with that value, is passed over, as the RFC
//! wants; `respond-async` is one of those for now.

use super::negotiate::split_outside_quotes;
use crate::interaction::Return;
use crate::search::Handling;

/// The preferences of one request; of repeated ones the first counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `return`
    pub response: Option<Return>,
    pub handling: Option<Handling>,
}

impl Preferences {
    /// Reads the values of all Prefer headers.
    pub fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Preferences {
        let mut preferences = Preferences::default();
        for preference in headers.flat_map(|header| split_outside_quotes(header, ',')) {
            let preference = split_outside_quotes(preference, ';')
                .next()
                .unwrap_or_default();
            if let Some((name, value)) = preference.split_once('=') {
                let value = value.trim().trim_matches('"');
                preferences.take(name.trim(), value);
            }
        }
        preferences
    }

    fn take(&mut self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case("return") && self.response.is_none() {
            self.response = find(value, RETURN);
        } else if name.eq_ignore_ascii_case("handling") && self.handling.is_none() {
            self.handling = find(value, HANDLING);
        }
    }

    /// What `Preference-Applied` says of a write that honoured `return`.
    pub fn return_applied(&self) -> Option<&'static str> {
        let wanted = self.response?;
        let (_, _, applied) = RETURN.iter().find(|(_, value, _)| *value == wanted)?;
        Some(applied)
    }

    /// What `Preference-Applied` says of a search that honoured `handling`.
    pub fn handling_applied(&self) -> Option<&'static str> {
        let wanted = self.handling?;
        let (_, _, applied) = HANDLING.iter().find(|(_, value, _)| *value == wanted)?;
        Some(applied)
    }
}

const RETURN: &[(&str, Return, &str)] = &[
    ("minimal", Return::Minimal, "return=minimal"),
    (
        "representation",
        Return::Representation,
        "return=representation",
    ),
    (
        "OperationOutcome",
        Return::OperationOutcome,
        "return=OperationOutcome",
    ),
];

const HANDLING: &[(&str, Handling, &str)] = &[
    ("strict", Handling::Strict, "handling=strict"),
    ("lenient", Handling::Lenient, "handling=lenient"),
];

fn find<T: Copy>(text: &str, table: &[(&str, T, &str)]) -> Option<T> {
    let row = table
        .iter()
        .find(|(name, ..)| name.eq_ignore_ascii_case(text))?;
    Some(row.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read() {
        use Handling::{Lenient, Strict};
        use Return::{Minimal, OperationOutcome, Representation};
        for (headers, response, handling) in [
            (&[][..], None, None),
            (&["return=minimal"], Some(Minimal), None),
            (&["return=OperationOutcome"], Some(OperationOutcome), None),
            (
                &["return = \"representation\"; foo=bar"],
                Some(Representation),
                None,
            ),
            (
                &["handling=lenient, return=minimal"],
                Some(Minimal),
                Some(Lenient),
            ),
            (
                &["handling=strict", "Return=Minimal"],
                Some(Minimal),
                Some(Strict),
            ),
            (
                &["return=minimal", "return=representation"],
                Some(Minimal),
                None,
            ),
            (&["respond-async, handling=strict"], None, Some(Strict)),
            (&["return=everything", ",,;="], None, None),
        ] {
            let found = Preferences::parse(headers.iter().copied());
            assert_eq!(found, Preferences { response, handling }, "{headers:?}");
        }
        let both = Preferences::parse(["return=minimal,handling=lenient"].into_iter());
        assert_eq!(both.return_applied(), Some("return=minimal"));
        assert_eq!(both.handling_applied(), Some("handling=lenient"));
    }
}
