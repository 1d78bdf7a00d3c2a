//! Snapshots from differentials: every element of a profile, each with all that holds for it.
//! <https://hl7.org/fhir/R4/profiling.html#snapshot>,
//! <https://hl7.org/fhir/R4/elementdefinition.html>
//!
//! ```text
//! base's snapshot ──parse──▶ tree ──lay each element of the differential──▶ tree ──flatten──▶ snapshot
//!                            │     place   the steps of its path; what it walks into is unfolded
//!                            │     merge   what it says over what was said
//!                            └ a node: its definition, its children, its slices
//! ```
//!
//! A base without a snapshot is generated first. Types are unfolded where the differential goes into
//! them and nowhere else: a datatype, the profile that an element names, what a contentReference
//! repeats. A slice begins as its element was in the base, so that what the profile says of all
//! elements is said once, at the element.
//!
//! Deliberately not here: sorting a differential (one out of order is an error), and judging
//! whether the values of a profile make sense; that is `validation`.
//!
//! ## Decisions
//!
//! **2026-11-22: what the definitions do not hold, a snapshot has not.** The definitions of R4 are
//! trimmed to facts (see [`trim`](super::trim)): an element from there comes with its identity,
//! cardinality, types, binding, constraints and flags, and without short, definition, comment,
//! examples and mappings. What a stored profile says itself is kept to the letter. So a generated
//! snapshot decides every instance as the published one does, and reads shorter.
//!
//! **2026-11-22: a tree, not two cursors.** The published algorithm walks base and differential side
//! by side and needs a case for every way in which they may be apart. A tree by names and slices
//! takes an element wherever it belongs; order is checked at the end, by where each one landed.

mod merge;
mod place;
mod tree;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::error::Issue;
use tree::Node;

/// How many bases, and types within types, are followed: deeper than this is taken for a circle.
const DEEPEST: usize = 24;

/// Elements that a snapshot may have.
const MOST_ELEMENTS: usize = 20_000;

/// A StructureDefinition by its canonical, with or without a snapshot.
pub type Lookup<'l> = dyn Fn(&str) -> Option<Arc<Value>> + 'l;

/// The definition with its snapshot, generated from its differential whether it had one or not.
///
/// # Errors
/// Everything in the differential that does not fit the base, each at its element.
pub fn snapshot(lookup: &Lookup<'_>, definition: &Value) -> Result<Value, Vec<Issue>> {
    let mut generator = Generator {
        lookup,
        known: HashMap::new(),
        open: Vec::new(),
    };
    let root = generator.generate(definition)?;
    let mut elements = Vec::new();
    root.flatten(&mut elements);
    let mut whole = definition.clone();
    let elements = json!({ "element": elements });
    match whole.as_object_mut() {
        Some(members) => {
            let at = members.keys().position(|name| name == "differential");
            members.shift_remove("snapshot");
            let at = at.map_or(members.len(), |at| at.min(members.len()));
            members.shift_insert(at, "snapshot".to_owned(), elements);
        }
        None => return Err(vec![error("expected a StructureDefinition")]),
    }
    Ok(whole)
}

fn error(text: impl Into<String>) -> Issue {
    Issue::error("processing", text)
}

struct Generator<'l> {
    lookup: &'l Lookup<'l>,
    /// The trees of definitions by canonical.
    known: HashMap<String, Arc<Node>>,
    /// The definitions that are being generated.
    open: Vec<String>,
}

impl Generator<'_> {
    /// The tree of a definition that is looked up.
    fn tree(&mut self, canonical: &str) -> Result<Arc<Node>, Vec<Issue>> {
        let canonical = canonical.split('#').next().unwrap_or(canonical);
        if let Some(known) = self.known.get(canonical) {
            return Ok(known.clone());
        }
        let found = (self.lookup)(canonical);
        let found = found.ok_or_else(|| {
            vec![error(format!(
                "expected a definition that is known but found {canonical}"
            ))]
        })?;
        let elements = found["snapshot"]["element"].as_array();
        let mut tree = match elements.filter(|elements| !elements.is_empty()) {
            Some(elements) => Node::parse(elements).map_err(|text| vec![error(text)])?,
            None => self.generate(&found)?,
        };
        tree.settle();
        let tree = Arc::new(tree);
        self.known.insert(canonical.to_owned(), tree.clone());
        Ok(tree)
    }

    /// The tree of a definition, from its differential.
    fn generate(&mut self, definition: &Value) -> Result<Node, Vec<Issue>> {
        let url = definition["url"].as_str().unwrap_or_default().to_owned();
        if self.open.len() >= DEEPEST || (!url.is_empty() && self.open.contains(&url)) {
            return Err(vec![error(format!("{url} stands on itself"))]);
        }
        let Some(base) = definition["baseDefinition"].as_str() else {
            return Err(vec![error("expected a baseDefinition but found none")]);
        };
        let is_profile = definition["derivation"] == "constraint";
        let of = |definition: &Value| definition["type"].as_str().map(str::to_owned);
        let below = (self.lookup)(base).and_then(|base| of(&base));
        if is_profile && below.is_some() && of(definition) != below {
            let text = format!(
                "expected a profile on {} to have that type but found {}",
                below.unwrap_or_default(),
                definition["type"]
            );
            return Err(vec![error(text)]);
        }
        self.open.push(url);
        let tree = self.tree(base);
        let laid = tree.and_then(|base| place::lay_all(self, definition, &base));
        self.open.pop();
        laid
    }
}

#[cfg(test)]
mod tests;
