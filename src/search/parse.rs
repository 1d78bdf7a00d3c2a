//! One pair of a query string, taken apart by its name.
//!
//! <https://hl7.org/fhir/R4/search.html#parameters>
//!
//! ```text
//! pair    = name "=" value
//! name    = code [":" modifier] ["." chain]  |  "_has:" chain
//! include = ("_include" | "_revinclude") [":" modifier] "=" source ":" code [":" target]
//! ```
//!
//! Nothing is looked up here: whether a code exists is the question of `resolve`. Values
//! stay escaped, since only the file of their search type knows how to split them.

/// What one pair asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    Filter(Term<'a>),
    /// A result parameter such as `_count`.
    Result(ResultName, &'a str),
    Include {
        reverse: bool,
        /// `iterate`, or its older name `recurse`.
        modifier: Option<&'a str>,
        value: &'a str,
    },
    /// Where a page begins: our own parameter in the links of a page.
    Cursor(&'a str),
}

/// A condition on resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term<'a> {
    pub code: &'a str,
    pub modifier: Option<&'a str>,
    /// What follows the first dot, or `_has:`.
    pub chain: Option<&'a str>,
    /// All alternatives, still escaped.
    pub value: &'a str,
}

/// A parameter that says how to answer; each may stand once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultName {
    Sort,
    Count,
    Total,
    Summary,
    Elements,
    Contained,
    ContainedType,
    Score,
    Format,
    Pretty,
}

impl ResultName {
    const ALL: [(&'static str, ResultName); 10] = [
        ("_sort", ResultName::Sort),
        ("_count", ResultName::Count),
        ("_total", ResultName::Total),
        ("_summary", ResultName::Summary),
        ("_elements", ResultName::Elements),
        ("_contained", ResultName::Contained),
        ("_containedType", ResultName::ContainedType),
        ("_score", ResultName::Score),
        ("_format", ResultName::Format),
        ("_pretty", ResultName::Pretty),
    ];

    /// The names, for suggestions.
    pub fn names<'a>() -> impl Iterator<Item = &'a str> {
        Self::ALL.iter().map(|(name, _)| *name)
    }

    fn parse(text: &str) -> Option<ResultName> {
        Self::ALL
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, result)| *result)
    }
}

/// The name of the parameter that carries the cursor.
pub const CURSOR: &str = "_cursor";

/// Takes a decoded pair apart.
pub fn parse<'a>(name: &'a str, value: &'a str) -> Item<'a> {
    if name == CURSOR {
        return Item::Cursor(value);
    }
    if let Some(result) = ResultName::parse(name) {
        return Item::Result(result, value);
    }
    let (head, modifier) = split_modifier(name);
    if let "_include" | "_revinclude" = head {
        return Item::Include {
            reverse: head == "_revinclude",
            modifier,
            value,
        };
    }
    Item::Filter(parse_term(name, value))
}

fn parse_term<'a>(name: &'a str, value: &'a str) -> Term<'a> {
    if let Some(chain) = name.strip_prefix("_has:") {
        return Term {
            code: "_has",
            modifier: None,
            chain: Some(chain),
            value,
        };
    }
    let (head, chain) = match name.split_once('.') {
        Some((head, chain)) => (head, Some(chain)),
        None => (name, None),
    };
    let (code, modifier) = split_modifier(head);
    Term {
        code,
        modifier,
        chain,
        value,
    }
}

fn split_modifier(name: &str) -> (&str, Option<&str>) {
    match name.split_once(':') {
        Some((code, modifier)) => (code, Some(modifier)),
        None => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let term = |code, modifier, chain| {
            Item::Filter(Term {
                code,
                modifier,
                chain,
                value: "v",
            })
        };
        for (name, item) in [
            ("code", term("code", None, None)),
            ("code:not", term("code", Some("not"), None)),
            ("subject.name", term("subject", None, Some("name"))),
            (
                "subject:Patient.name:exact",
                term("subject", Some("Patient"), Some("name:exact")),
            ),
            (
                "_has:Observation:patient:code",
                term("_has", None, Some("Observation:patient:code")),
            ),
            ("_count", Item::Result(ResultName::Count, "v")),
            ("_count:x", term("_count", Some("x"), None)),
            ("_cursor", Item::Cursor("v")),
            (
                "_include:iterate",
                Item::Include {
                    reverse: false,
                    modifier: Some("iterate"),
                    value: "v",
                },
            ),
            (
                "_revinclude",
                Item::Include {
                    reverse: true,
                    modifier: None,
                    value: "v",
                },
            ),
            ("", term("", None, None)),
        ] {
            assert_eq!(parse(name, "v"), item, "{name}");
        }
    }
}
