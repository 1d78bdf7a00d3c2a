//! Selectors, and what they find: <https://www.rfc-editor.org/rfc/rfc5261#section-4.1>.
//!
//! ```text
//! selector  = [ "/" ] *( step "/" ) last
//! last      = step / "@" name / "text()" [ index ] / "comment()" [ index ] / "namespace::" name
//! step      = ( name / "*" ) *( index / "[" test "=" quoted "]" )
//! test      = "." / path            path = *( name "/" ) ( name / "@" name )
//! index     = "[" 1*DIGIT "]"
//! ```
//!
//! The RFC allows one name in a test; a path is allowed here, since what FHIR says stands in
//! attributes of children: `f:name[f:use/@value='official']`.

use super::apply::Budget;
use crate::error::Result;
use crate::fhir::xml::tree::Attribute;
use crate::fhir::xml::{Element, FHIR, Namespace, Node, XHTML, XML};
use std::collections::HashMap;

/// What is wrong with a selector.
type Says = String;

/// What a selector is read with.
#[derive(Clone, Debug, Default)]
pub struct Prefixes(pub HashMap<String, String>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    steps: Vec<Step>,
    last: Last,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    /// `None` for `*`.
    name: Option<Name>,
    predicates: Vec<Predicate>,
}

/// What is meant of the elements that the steps lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Last {
    Element,
    Attribute(Name),
    Text(Option<usize>),
    Comment(Option<usize>),
    Declaration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Predicate {
    Position(usize),
    Equals { path: Path, value: String },
}

/// Elements below the one that is tested, then an attribute or the text of the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Path {
    elements: Vec<Name>,
    attribute: Option<Name>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub namespace: Namespace,
    pub local: String,
}

/// What was found: indexes of children from the root on, none for the root itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Element(Vec<usize>),
    Text(Vec<usize>),
    Comment(Vec<usize>),
    /// Of the element, its attribute.
    Attribute(Vec<usize>, usize),
    /// Of the element, a declaration of a namespace.
    Declaration(Vec<usize>),
}

impl Prefixes {
    /// The name that is written so; without a prefix it has the default namespace, unless it
    /// is an attribute's.
    ///
    /// # Errors
    /// No name, or a prefix that is not declared.
    pub fn name(&self, written: &str, is_attribute: bool) -> Result<Name, Says> {
        let (prefix, local) = written.split_once(':').unwrap_or(("", written));
        let is_name = |part: &str| {
            part.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && part
                    .chars()
                    .all(|c| c.is_alphanumeric() || "_-.".contains(c))
        };
        if !is_name(local) || (written.contains(':') && !is_name(prefix)) {
            return Err(format!("expected a name but found {written:?}"));
        }
        let namespace = match (prefix, self.0.get(prefix)) {
            ("", _) if is_attribute => Namespace::None,
            (_, Some(declared)) => Namespace::of(declared),
            ("" | "f", None) => Namespace::of(FHIR),
            ("h", None) => Namespace::of(XHTML),
            ("xml", None) => Namespace::of(XML),
            _ => return Err(format!("the prefix {prefix:?} is not declared")),
        };
        Ok(Name {
            namespace,
            local: local.to_owned(),
        })
    }
}

impl Selector {
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, prefixes: &Prefixes) -> Result<Selector, Says> {
        let mut steps = Vec::new();
        let mut rest = text.trim();
        rest = rest.strip_prefix('/').unwrap_or(rest);
        loop {
            let end = step_end(rest)?;
            let (piece, after) = rest.split_at(end);
            let Some(after) = after.strip_prefix('/') else {
                let last = parse_last(piece, prefixes)?;
                if last == Last::Element {
                    steps.push(parse_step(piece, prefixes)?);
                }
                return Ok(Selector { steps, last });
            };
            steps.push(parse_step(piece, prefixes)?);
            rest = after;
        }
    }

    /// What it finds in a document. The budget is of all selectors of a patch.
    ///
    /// # Errors
    /// Those of [`Budget::spend`].
    pub fn find(&self, root: &Element, budget: &mut Budget) -> Result<Vec<Found>> {
        let mut here: Vec<Vec<usize>> = Vec::new();
        for (depth, step) in self.steps.iter().enumerate() {
            if depth == 0 {
                // The document has one child, its root.
                let mut found = vec![(0, root)];
                step.keep(&mut found, budget)?;
                here = found.iter().map(|_| Vec::new()).collect();
                continue;
            }
            let mut next = Vec::new();
            for path in here {
                let Some(element) = element_at(root, &path) else {
                    continue;
                };
                budget.spend(element.children.len())?;
                let mut children = elements(element);
                step.keep(&mut children, budget)?;
                next.extend(children.into_iter().map(|(at, _)| joined(&path, at)));
            }
            here = next;
        }
        let mut found = Vec::new();
        for path in here {
            if let Some(element) = element_at(root, &path) {
                budget.spend(element.children.len())?;
                self.last.find(element, path, &mut found);
            }
        }
        Ok(found)
    }
}

/// The element at a path of indexes.
pub fn element_at<'e>(root: &'e Element, path: &[usize]) -> Option<&'e Element> {
    let mut element = root;
    for at in path {
        match element.children.get(*at) {
            Some(Node::Element(child)) => element = child,
            _ => return None,
        }
    }
    Some(element)
}

fn joined(path: &[usize], at: usize) -> Vec<usize> {
    let mut path = path.to_vec();
    path.push(at);
    path
}

/// The elements among the children, with their indexes.
fn elements(element: &Element) -> Vec<(usize, &Element)> {
    let children = element.children.iter().enumerate();
    let elements = children.filter_map(|(at, child)| match child {
        Node::Element(child) => Some((at, child)),
        _ => None,
    });
    elements.collect()
}

impl Step {
    fn keep(&self, found: &mut Vec<(usize, &Element)>, budget: &mut Budget) -> Result<()> {
        if let Some(name) = &self.name {
            found.retain(|(_, element)| name.is_of(element));
        }
        for predicate in &self.predicates {
            match predicate {
                Predicate::Position(position) => {
                    let kept = position
                        .checked_sub(1)
                        .and_then(|at| found.get(at).copied());
                    *found = kept.into_iter().collect();
                }
                Predicate::Equals { path, value } => {
                    for (_, element) in found.iter() {
                        budget.spend(element.children.len())?;
                    }
                    found.retain(|(_, element)| path.leads_to(element, value));
                }
            }
        }
        Ok(())
    }
}

impl Name {
    fn is_of(&self, element: &Element) -> bool {
        self.local == element.name && self.namespace == element.namespace
    }

    fn is_of_attribute(&self, attribute: &Attribute) -> bool {
        self.local == attribute.name && self.namespace == attribute.namespace
    }
}

impl Path {
    fn leads_to(&self, element: &Element, value: &str) -> bool {
        let mut here = vec![element];
        for name in &self.elements {
            here = here
                .iter()
                .flat_map(|element| element.elements().filter(|child| name.is_of(child)))
                .collect();
        }
        here.iter().any(|element| match &self.attribute {
            Some(name) => {
                let mut attributes = element.attributes.iter();
                attributes.any(|a| name.is_of_attribute(a) && a.value == value)
            }
            None => element.text() == value,
        })
    }
}

impl Last {
    fn find(&self, element: &Element, path: Vec<usize>, found: &mut Vec<Found>) {
        match self {
            Last::Element => found.push(Found::Element(path)),
            Last::Declaration => found.push(Found::Declaration(path)),
            Last::Attribute(name) => {
                let mut attributes = element.attributes.iter();
                let at = attributes.position(|attribute| name.is_of_attribute(attribute));
                found.extend(at.map(|at| Found::Attribute(path, at)));
            }
            Last::Text(position) => {
                let is_text = |node: &Node| matches!(node, Node::Text(_));
                let places = places(element, *position, is_text);
                found.extend(places.map(|at| Found::Text(joined(&path, at))));
            }
            Last::Comment(position) => {
                let is_comment = |node: &Node| matches!(node, Node::Comment(_));
                let places = places(element, *position, is_comment);
                found.extend(places.map(|at| Found::Comment(joined(&path, at))));
            }
        }
    }
}

/// The indexes of the children of a kind, or of the one at a position counted from 1.
fn places<'e>(
    element: &'e Element,
    position: Option<usize>,
    is_meant: impl Fn(&Node) -> bool + 'e,
) -> impl Iterator<Item = usize> + 'e {
    let children = element.children.iter().enumerate();
    let meant = children.filter(move |(_, child)| is_meant(child));
    let numbered = (1..).zip(meant.map(|(at, _)| at));
    numbered
        .filter(move |(number, _)| position.is_none_or(|position| position == *number))
        .map(|(_, at)| at)
}

/// Where the step at the beginning ends: at a `/` that stands in no bracket.
fn step_end(text: &str) -> Result<usize, Says> {
    let (mut is_in_bracket, mut quote) = (false, None);
    for (at, c) in text.char_indices() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) if is_in_bracket => quote = Some(c),
            ('[', None) => is_in_bracket = true,
            (']', None) => is_in_bracket = false,
            ('/', None) if !is_in_bracket => return Ok(at),
            _ => {}
        }
    }
    match is_in_bracket {
        true => Err("a bracket is not closed".to_owned()),
        false => Ok(text.len()),
    }
}

fn parse_last(piece: &str, prefixes: &Prefixes) -> Result<Last, Says> {
    if let Some(name) = piece.strip_prefix('@') {
        return prefixes.name(name, true).map(Last::Attribute);
    }
    if let Some(name) = piece.strip_prefix("namespace::") {
        return prefixes.name(name, true).map(|_| Last::Declaration);
    }
    if let Some(rest) = piece.strip_prefix("text()") {
        return parse_index(rest).map(Last::Text);
    }
    if let Some(rest) = piece.strip_prefix("comment()") {
        return parse_index(rest).map(Last::Comment);
    }
    match piece.starts_with("id(") || piece.starts_with("processing-instruction(") {
        true => Err(format!("{piece:?} is not supported: no resource has one")),
        false => Ok(Last::Element),
    }
}

/// Nothing, or `[n]`.
fn parse_index(text: &str) -> Result<Option<usize>, Says> {
    if text.is_empty() {
        return Ok(None);
    }
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let position = inner.and_then(|digits| digits.trim().parse().ok());
    match position {
        Some(position) => Ok(Some(position)),
        None => Err(format!("expected an index such as [1] but found {text:?}")),
    }
}

fn parse_step(piece: &str, prefixes: &Prefixes) -> Result<Step, Says> {
    let (name, mut rest) = piece.split_at(piece.find('[').unwrap_or(piece.len()));
    let name = match name {
        "*" => None,
        name => Some(prefixes.name(name, false)?),
    };
    let mut predicates = Vec::new();
    while !rest.is_empty() {
        let end = predicate_end(rest)?;
        let (predicate, after) = rest.split_at(end);
        predicates.push(parse_predicate(predicate, prefixes)?);
        rest = after;
    }
    Ok(Step { name, predicates })
}

/// Where the predicate at the beginning ends: after the `]` that stands in no quotes.
fn predicate_end(text: &str) -> Result<usize, Says> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) => quote = Some(c),
            (']', None) => return Ok(at + 1),
            _ => {}
        }
    }
    Err("a bracket is not closed".to_owned())
}

fn parse_predicate(text: &str, prefixes: &Prefixes) -> Result<Predicate, Says> {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or_else(|| format!("expected a predicate in brackets but found {text:?}"))?;
    let Some((path, quoted)) = inner.split_once('=') else {
        let index = parse_index(text)?;
        return Ok(Predicate::Position(index.unwrap_or_default()));
    };
    let quoted = quoted.trim();
    let value = ['\'', '"'].iter().find_map(|quote| {
        let inner = quoted.strip_prefix(*quote)?.strip_suffix(*quote)?;
        (!inner.contains(*quote)).then(|| inner.to_owned())
    });
    Ok(Predicate::Equals {
        path: parse_path(path.trim(), prefixes)?,
        value: value.ok_or_else(|| format!("expected a quoted value but found {quoted:?}"))?,
    })
}

fn parse_path(text: &str, prefixes: &Prefixes) -> Result<Path, Says> {
    let mut path = Path::default();
    if text == "." {
        return Ok(path);
    }
    for piece in text.split('/') {
        match piece.strip_prefix('@') {
            _ if path.attribute.is_some() => return Err(format!("{text:?} leads nowhere")),
            Some(name) => path.attribute = Some(prefixes.name(name, true)?),
            None => path.elements.push(prefixes.name(piece, false)?),
        }
    }
    Ok(path)
}
