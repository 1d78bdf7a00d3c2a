//! One pair of a query string, taken apart by its name.
//!
//! <https://hl7.org/fhir/R4/search.html#parameters>
//!
//! ```text
//! pair    = name "=" value
//! name    = *step code [":" modifier]
//! step    = code [":" type] "."  |  "_has:" source ":" reference ":"
//! include = ("_include" | "_revinclude") [":" modifier] "=" source ":" code [":" target]
//! ```
//!
//! Nothing is looked up here: whether a code exists is the question of `resolve`. Values
//! stay escaped, since only the file of their search type knows how to split them.

use std::fmt;

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

/// A condition on resources, or on what is one or more steps away from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term<'a> {
    /// From the searched resource to the one that the condition is about.
    pub steps: Vec<Step<'a>>,
    pub code: &'a str,
    pub modifier: Option<&'a str>,
    /// All alternatives, still escaped.
    pub value: &'a str,
}

/// One step of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// `subject:Patient.`: to what is referred to.
    To {
        code: &'a str,
        /// A type, if it is well written.
        modifier: Option<&'a str>,
    },
    /// `_has:Observation:patient:`: to what refers here.
    From { source: &'a str, reference: &'a str },
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::To { code, modifier } => write!(f, "{}.", named(code, *modifier)),
            Step::From { source, reference } => write!(f, "_has:{source}:{reference}:"),
        }
    }
}

/// The name as it was written.
impl fmt::Display for Term<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            write!(f, "{step}")?;
        }
        f.write_str(&named(self.code, self.modifier))
    }
}

fn named(code: &str, modifier: Option<&str>) -> String {
    match modifier {
        Some(modifier) => format!("{code}:{modifier}"),
        None => code.to_owned(),
    }
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
    /// Ours: how the search is answered, instead of the answer.
    Explain,
    Format,
    Pretty,
}

impl ResultName {
    const ALL: [(&'static str, ResultName); 11] = [
        ("_sort", ResultName::Sort),
        ("_count", ResultName::Count),
        ("_total", ResultName::Total),
        ("_summary", ResultName::Summary),
        ("_elements", ResultName::Elements),
        ("_contained", ResultName::Contained),
        ("_containedType", ResultName::ContainedType),
        ("_score", ResultName::Score),
        ("_explain", ResultName::Explain),
        ("_format", ResultName::Format),
        ("_pretty", ResultName::Pretty),
    ];

    /// The names, for suggestions.
    pub fn names<'a>() -> impl Iterator<Item = &'a str> {
        Self::ALL.iter().map(|(name, _)| *name)
    }

    /// As it stands in a query: `_sort`.
    pub fn text(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, result)| *result == self)
            .map_or("", |(name, _)| name)
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

/// Takes the name of a condition apart; a step that is not whole is left in the code, which
/// nothing is called.
pub fn parse_term<'a>(name: &'a str, value: &'a str) -> Term<'a> {
    let (mut steps, mut rest) = (Vec::new(), name);
    while let Some((step, after)) = split_step(rest) {
        steps.push(step);
        rest = after;
    }
    let (code, modifier) = split_modifier(rest);
    Term {
        steps,
        code,
        modifier,
        value,
    }
}

fn split_step(name: &str) -> Option<(Step<'_>, &str)> {
    if let Some(chain) = name.strip_prefix("_has:") {
        let (source, rest) = chain.split_once(':')?;
        let (reference, rest) = rest.split_once(':')?;
        return Some((Step::From { source, reference }, rest));
    }
    let (head, rest) = name.split_once('.')?;
    let (code, modifier) = split_modifier(head);
    Some((Step::To { code, modifier }, rest))
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
        let term = |steps: &[Step<'static>], code, modifier| {
            Item::Filter(Term {
                steps: steps.to_vec(),
                code,
                modifier,
                value: "v",
            })
        };
        let to = |code, modifier| Step::To { code, modifier };
        let from = |source, reference| Step::From { source, reference };
        for (name, item) in [
            ("code", term(&[], "code", None)),
            ("code:not", term(&[], "code", Some("not"))),
            ("subject.name", term(&[to("subject", None)], "name", None)),
            (
                "subject:Patient.name:exact",
                term(&[to("subject", Some("Patient"))], "name", Some("exact")),
            ),
            (
                "_has:Observation:patient:code:not",
                term(&[from("Observation", "patient")], "code", Some("not")),
            ),
            (
                "subject._has:Group:member:_id",
                term(&[to("subject", None), from("Group", "member")], "_id", None),
            ),
            (
                "_has:Encounter:reason-reference:_has:Task:encounter:owner.organization",
                term(
                    &[
                        from("Encounter", "reason-reference"),
                        from("Task", "encounter"),
                        to("owner", None),
                    ],
                    "organization",
                    None,
                ),
            ),
            ("_has:Group", term(&[], "_has", Some("Group"))),
            ("_has:Group:x", term(&[], "_has", Some("Group:x"))),
            ("_has", term(&[], "_has", None)),
            ("a..b", term(&[to("a", None), to("", None)], "b", None)),
            ("a.", term(&[to("a", None)], "", None)),
            ("_count", Item::Result(ResultName::Count, "v")),
            ("_count:x", term(&[], "_count", Some("x"))),
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
            ("", term(&[], "", None)),
        ] {
            let parsed = parse(name, "v");
            assert_eq!(parsed, item, "{name}");
            if let Item::Filter(term) = parsed {
                assert_eq!(term.to_string(), name, "a term spells itself");
            }
        }
    }
}
