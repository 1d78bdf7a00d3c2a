//! An XML Patch carried out on a document, within limits.
//! <https://www.rfc-editor.org/rfc/rfc5261#section-4.2>
//!
//! The document is the caller's to throw away on failure. Nothing is copied, so that it grows
//! by what the patch brings and no more; what selectors walk and children shift is counted.

use super::operations::{Action, Operation, Patch, Position};
use super::selector::{Found, element_at};
use crate::error::{Category, Error, Result};
use crate::fhir::xml::tree::Attribute;
use crate::fhir::xml::{Element, Node};
use crate::interaction::patch::shown;

/// Elements visited and shifted by one patch at most: some tenths of a second.
const MOST_WORK: usize = 20_000_000;

/// The work that a patch may still do.
pub struct Budget(usize);

impl Budget {
    /// # Errors
    /// `TooCostly` where it is used up.
    pub fn spend(&mut self, work: usize) -> Result<()> {
        self.0 = self.0.checked_sub(work + 1).ok_or_else(|| {
            let says = format!("the patch visits more than {MOST_WORK} elements in all");
            Error::new(Category::TooCostly, says)
        })?;
        Ok(())
    }
}

/// Carries out a patch.
///
/// # Errors
/// `Unprocessable` where a selector does not find exactly one place, or what it finds cannot be
/// treated so; `TooCostly`.
pub fn apply(root: &mut Element, patch: &Patch) -> Result<()> {
    let mut budget = Budget(MOST_WORK);
    for (index, operation) in patch.0.iter().enumerate() {
        let found = operation.selector.find(root, &mut budget)?;
        let refuse = |says: String| {
            let sel = shown(&operation.written);
            Error::coded(
                Category::Unprocessable,
                "processing",
                format!("nothing was changed: operation {index}, counted from 0: {says} at {sel}"),
            )
        };
        let [found] = found.as_slice() else {
            let count = match found.len() {
                0 => "nothing".to_owned(),
                count => format!("{count} places"),
            };
            return Err(refuse(format!("expected one place but found {count}")));
        };
        if let Some((_, path)) = found.place() {
            budget.spend(element_at(root, path).map_or(0, |parent| parent.children.len()))?;
        }
        perform(root, operation, found).map_err(|says| refuse(says.to_owned()))?;
    }
    Ok(())
}

impl Found {
    /// For a node in another: its index, and the path of that other.
    fn place(&self) -> Option<(usize, &[usize])> {
        match self {
            Found::Element(path) | Found::Text(path) | Found::Comment(path) => {
                let (at, parent) = path.split_last()?;
                Some((*at, parent))
            }
            Found::Attribute(..) | Found::Declaration(_) => None,
        }
    }
}

fn perform(root: &mut Element, operation: &Operation, found: &Found) -> Result<(), &'static str> {
    match &operation.action {
        Action::Add { position, content } => add(root, found, *position, content),
        Action::AddAttribute { name, value } => {
            let element = element_of(root, found)?;
            let attribute = Attribute {
                namespace: name.namespace.clone(),
                name: name.local.clone(),
                value: value.clone(),
            };
            let is_same =
                |a: &Attribute| a.name == attribute.name && a.namespace == attribute.namespace;
            if element.attributes.iter().any(is_same) {
                return Err("expected no attribute of that name but found one");
            }
            element.attributes.push(attribute);
            Ok(())
        }
        Action::AddDeclaration => element_of(root, found).map(|_| ()),
        Action::Replace { content } => replace(root, found, content),
        Action::Remove { before, after } => remove(root, found, *before, *after),
    }
}

fn element_of<'e>(root: &'e mut Element, found: &Found) -> Result<&'e mut Element, &'static str> {
    match found {
        Found::Element(path) => element_mut(root, path),
        _ => Err("expected an element but found another node"),
    }
}

fn element_mut<'e>(root: &'e mut Element, path: &[usize]) -> Result<&'e mut Element, &'static str> {
    let mut element = root;
    for at in path {
        match element.children.get_mut(*at) {
            Some(Node::Element(child)) => element = child,
            _ => return Err("expected an element"),
        }
    }
    Ok(element)
}

fn add(
    root: &mut Element,
    found: &Found,
    position: Position,
    content: &[Node],
) -> Result<(), &'static str> {
    let is_beside = matches!(position, Position::Before | Position::After);
    if !is_beside {
        let element = element_of(root, found)?;
        let at = match position {
            Position::Prepend => 0,
            _ => element.children.len(),
        };
        splice(element, at, at, content);
        return Ok(());
    }
    let (at, path) = found
        .place()
        .ok_or("expected a node inside of the resource")?;
    let at = at + usize::from(position == Position::After);
    splice(element_mut(root, path)?, at, at, content);
    Ok(())
}

fn replace(root: &mut Element, found: &Found, content: &[Node]) -> Result<(), &'static str> {
    let is_blank = |node: &Node| matches!(node, Node::Text(text) if text.trim().is_empty());
    let only = || {
        let mut nodes = content.iter().filter(|node| !is_blank(node));
        match (nodes.next(), nodes.next()) {
            (Some(node), None) => Some(node),
            _ => None,
        }
    };
    let (at, path) = match (found, found.place()) {
        (Found::Declaration(_), _) => return Ok(()),
        (Found::Attribute(path, at), _) => {
            let value = text_of(content).ok_or("expected text as the value of an attribute")?;
            let element = element_mut(root, path)?;
            let attribute = element.attributes.get_mut(*at);
            attribute.ok_or("expected an attribute")?.value = value;
            return Ok(());
        }
        (Found::Element(_), None) => {
            let Some(Node::Element(new)) = only() else {
                return Err("expected one element to replace the resource with");
            };
            *root = new.clone();
            return Ok(());
        }
        (_, Some((at, path))) => (at, path),
        (_, None) => return Err("expected a node"),
    };
    let new = match (found, only()) {
        (Found::Element(_), Some(Node::Element(new))) => vec![Node::Element(new.clone())],
        (Found::Comment(_), Some(Node::Comment(new))) => vec![Node::Comment(new.clone())],
        (Found::Text(_), _) => {
            let text = text_of(content).ok_or("expected text to replace a text with")?;
            vec![Node::Text(text)]
        }
        _ => return Err("expected a node of the same kind to replace it with"),
    };
    splice(element_mut(root, path)?, at, at + 1, &new);
    Ok(())
}

/// The text that the content is, unless there is anything else in it.
fn text_of(content: &[Node]) -> Option<String> {
    let texts = content.iter().map(|node| match node {
        Node::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn remove(
    root: &mut Element,
    found: &Found,
    before: bool,
    after: bool,
) -> Result<(), &'static str> {
    match found {
        Found::Declaration(_) => return Ok(()),
        Found::Attribute(path, at) => {
            let element = element_mut(root, path)?;
            if *at < element.attributes.len() {
                element.attributes.remove(*at);
            }
            return Ok(());
        }
        _ => {}
    }
    let (at, path) = found
        .place()
        .ok_or("the resource itself cannot be removed")?;
    let parent = element_mut(root, path)?;
    let is_blank = |at: usize| match parent.children.get(at) {
        Some(Node::Text(text)) => text.trim().is_empty(),
        _ => false,
    };
    let is_before = before && at.checked_sub(1).is_some_and(is_blank);
    let is_after = after && is_blank(at + 1);
    if (before && !is_before) || (after && !is_after) {
        return Err("expected spaces beside what is removed but found none");
    }
    let (from, to) = (at - usize::from(is_before), at + 1 + usize::from(is_after));
    splice(parent, from, to, &[]);
    Ok(())
}

/// Replaces children, and joins texts that come to stand side by side.
fn splice(element: &mut Element, from: usize, to: usize, content: &[Node]) {
    element.children.splice(from..to, content.iter().cloned());
    let mut at = (from + content.len()).min(element.children.len().saturating_sub(1));
    let lowest = from.max(1);
    while at >= lowest {
        if let Some(Node::Text(right)) = element.children.get(at)
            && let Some(Node::Text(left)) = element.children.get(at - 1)
        {
            let joined = format!("{left}{right}");
            element.children[at - 1] = Node::Text(joined);
            element.children.remove(at);
        }
        at -= 1;
    }
}
