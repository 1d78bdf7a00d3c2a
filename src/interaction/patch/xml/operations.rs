//! The operations of an XML Patch: <https://www.rfc-editor.org/rfc/rfc5261#section-4>.
//!
//! The root is `diff` as in the RFC's examples, or `patch`, in any namespace: neither the RFC
//! nor FHIR says.

use super::super::{MOST_OPERATIONS, shown};
use super::selector::{Name, Prefixes, Selector};
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::xml::{Element, Node, Reader, Start, Token};

/// A patch that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch(pub Vec<Operation>);

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub selector: Selector,
    /// As it was written, for messages.
    pub written: String,
    pub action: Action,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Add {
        position: Position,
        content: Vec<Node>,
    },
    AddAttribute {
        name: Name,
        value: String,
    },
    AddDeclaration,
    Replace {
        content: Vec<Node>,
    },
    Remove {
        /// Whether spaces before and after go as well.
        before: bool,
        after: bool,
    },
}

/// `pos`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    Append,
    Prepend,
    Before,
    After,
}

/// Reads a patch.
///
/// # Errors
/// `Invalid` where it is not well-formed, and with an issue for each operation that is none;
/// `TooLarge` for too many.
pub fn read(text: &[u8]) -> Result<Patch> {
    let mut reader = Reader::new(text)?;
    let mut prefixes = Prefixes::default();
    let (mut operations, mut issues) = (Vec::new(), Vec::new());
    let mut is_inside = false;
    loop {
        match reader.next_token()? {
            Token::Start(root) if !is_inside => {
                if !matches!(root.name, "diff" | "patch") {
                    let says = format!("expected <diff> but found <{}>", root.name);
                    return Err(reader.refusal(root.at, &says));
                }
                declare(&mut prefixes, &root);
                is_inside = true;
            }
            Token::Start(start) => {
                let index = operations.len() + issues.len();
                if index >= MOST_OPERATIONS {
                    let says =
                        format!("expected at most {MOST_OPERATIONS} operations in one patch");
                    return Err(Error::new(Category::TooLarge, says));
                }
                let mut prefixes = prefixes.clone();
                declare(&mut prefixes, &start);
                let element = Element::read(&mut reader, &start)?;
                match operation(element, &prefixes) {
                    Ok(operation) => operations.push(operation),
                    Err(says) => issues.push(Issue::error(
                        "structure",
                        format!("operation {index}, counted from 0: {says}"),
                    )),
                }
            }
            Token::Text(text) if !text.trim().is_empty() => {
                return Err(reader.refusal(reader.at(), "expected operations but found text"));
            }
            Token::Done => break,
            _ => {}
        }
    }
    match (issues.is_empty(), operations.is_empty()) {
        (false, _) => Err(Error::of(Category::Invalid, issues)),
        (true, true) => Err(Error::coded(
            Category::Invalid,
            "structure",
            "expected operations in the patch (add, replace, remove) but found none",
        )),
        (true, false) => Ok(Patch(operations)),
    }
}

fn declare(prefixes: &mut Prefixes, start: &Start) {
    for (prefix, namespace) in &start.declared {
        let prefix = (*prefix).to_owned();
        prefixes.0.insert(prefix, namespace.clone().into_owned());
    }
}

fn operation(element: Element, prefixes: &Prefixes) -> Result<Operation, String> {
    let written = element
        .attribute("sel")
        .ok_or("expected an attribute `sel`")?;
    let written = written.to_owned();
    let selector = Selector::parse(&written, prefixes)
        .map_err(|says| format!("the selector {}: {says}", shown(&written)))?;
    let action = match element.name.as_str() {
        "add" => add(element, prefixes)?,
        "replace" => Action::Replace {
            content: element.children,
        },
        "remove" => {
            let spaces = element.attribute("ws");
            if !matches!(spaces, None | Some("before" | "after" | "both")) {
                return Err("expected `ws` to be before, after or both".to_owned());
            }
            Action::Remove {
                before: matches!(spaces, Some("before" | "both")),
                after: matches!(spaces, Some("after" | "both")),
            }
        }
        other => {
            return Err(format!(
                "expected <add>, <replace> or <remove> but found <{other}>"
            ));
        }
    };
    Ok(Operation {
        selector,
        written,
        action,
    })
}

fn add(element: Element, prefixes: &Prefixes) -> Result<Action, String> {
    let Some(kind) = element.attribute("type") else {
        let position = match element.attribute("pos") {
            None => Position::Append,
            Some("prepend") => Position::Prepend,
            Some("before") => Position::Before,
            Some("after") => Position::After,
            Some(other) => {
                return Err(format!(
                    "expected `pos` to be before, after or prepend but found {}",
                    shown(other)
                ));
            }
        };
        return Ok(Action::Add {
            position,
            content: element.children,
        });
    };
    if element.elements().next().is_some() {
        return Err("expected text as the value of what is added but found an element".to_owned());
    }
    match (kind.strip_prefix('@'), kind.strip_prefix("namespace::")) {
        (Some(name), _) => Ok(Action::AddAttribute {
            name: prefixes.name(name, true)?,
            value: element.text(),
        }),
        (None, Some(_)) => Ok(Action::AddDeclaration),
        (None, None) => Err(format!(
            "expected `type` to be an @attribute or a namespace::prefix but found {}",
            shown(kind)
        )),
    }
}
