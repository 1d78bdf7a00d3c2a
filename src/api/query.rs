//! The query string of a request: what all interactions take, and the criteria of the
//! conditional ones. <https://hl7.org/fhir/R4/http.html#parameters>
//!
//! How it is decoded is told in `fhir::query`. What a parameter means is decided below `api`.

use crate::error::Result;
use crate::fhir::query;

/// A query string: as sent, and as decoded pairs in their order.
#[derive(Clone, Debug, Default)]
pub struct Query<'a> {
    pub raw: &'a str,
    pub pairs: Vec<(String, String)>,
}

impl<'a> Query<'a> {
    /// # Errors
    /// `Invalid`: broken percent-encoding, or what it encodes is not UTF-8 or has U+0000.
    pub fn parse(raw: Option<&'a str>) -> Result<Query<'a>> {
        let raw = raw.unwrap_or_default();
        Ok(Query {
            raw,
            pairs: query::pairs(raw)?,
        })
    }

    /// The decoded value of the first parameter of that name.
    pub fn first(&self, name: &str) -> Option<&str> {
        first(&self.pairs, name)
    }

    /// The search criteria of a conditional interaction, still encoded: the query without the
    /// parameters that only say how to answer.
    pub fn criteria(&self) -> String {
        let kept: Vec<&str> = self
            .raw
            .split('&')
            .filter(|pair| !pair.is_empty() && !is_general(pair.split('=').next().unwrap_or(pair)))
            .collect();
        kept.join("&")
    }

    /// Names that are no general parameter: a read takes none of them.
    pub fn unexpected(&self) -> impl Iterator<Item = &str> {
        let names = self.pairs.iter().map(|(name, _)| name.as_str());
        names.filter(|name| !is_general(name))
    }
}

/// Parameters that every interaction takes.
fn is_general(name: &str) -> bool {
    matches!(name, "_format" | "_pretty" | "_summary" | "_elements")
}

/// The value of the first pair of that name.
pub fn first<'p>(pairs: &'p [(String, String)], name: &str) -> Option<&'p str> {
    let pair = pairs.iter().find(|(found, _)| found == name)?;
    Some(&pair.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criteria_lose_what_only_shapes_the_answer() {
        for (raw, expected) in [
            ("identifier=a%7Cb&_format=json", "identifier=a%7Cb"),
            (
                "_pretty=true&a=1&&_summary=true&b=%20&_elements=id",
                "a=1&b=%20",
            ),
            ("_format=json", ""),
            ("_count=100&typo=x", "_count=100&typo=x"),
        ] {
            assert_eq!(Query::parse(Some(raw)).expect(raw).criteria(), expected);
        }
    }
}
