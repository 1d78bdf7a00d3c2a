//! Logical ids: `[A-Za-z0-9\-\.]{1,64}`, case-sensitive.
//! <https://hl7.org/fhir/R4/datatypes.html#id>

use std::fmt;

/// A logical id that keeps the rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(String);

impl Id {
    /// The id, if the text keeps the rule.
    pub fn parse(text: &str) -> Option<Id> {
        Id::is_valid(text).then(|| Id(text.to_owned()))
    }

    pub fn is_valid(text: &str) -> bool {
        (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
    }

    /// A new id of the server: a UUID of version 7, whose leading time keeps index pages
    /// of neighbours together.
    pub fn random() -> Id {
        Id(uuid::Uuid::now_v7().to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_the_rule() {
        let longest = "a".repeat(64);
        for good in ["a", "A.b-9", longest.as_str()] {
            assert!(Id::parse(good).is_some(), "{good}");
        }
        let too_long = "a".repeat(65);
        for bad in ["", "a_b", "a/b", "ä", " a", too_long.as_str()] {
            assert!(Id::parse(bad).is_none(), "{bad}");
        }
        assert!(Id::is_valid(Id::random().as_str()));
    }
}
