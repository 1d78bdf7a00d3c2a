//! R4's own invariants on its own examples: each has an answer wherever it applies. Which
//! examples break which invariant is the business of validation.

use crate::rest::fidelity::{files, unpack};
use andiron::definitions::{Definitions, TypeKind};
use andiron::fhir::Instant;
use andiron::fhirpath::{Context, Expression, Item, Model, Node};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// By the path of an element, or the name of a type, the keys and expressions stated there.
type Invariants = HashMap<String, Vec<(String, Expression)>>;

fn invariants(definitions: &Definitions) -> Invariants {
    let mut all = Invariants::new();
    let structures = definitions.artifacts("StructureDefinition");
    for artifact in structures.filter(|one| one.derivation != "constraint") {
        let structure = definitions.structure(&artifact.url).expect("it is listed");
        for element in &structure.elements {
            let known = all.entry(element.path.clone()).or_default();
            for constraint in &element.constraints {
                let is_known = known.iter().any(|(key, _)| *key == constraint.key);
                if let Some(text) = constraint.expression.as_deref().filter(|_| !is_known) {
                    let expression = Expression::compile_invariant(text).expect(text);
                    known.push((constraint.key.clone(), expression));
                }
            }
        }
    }
    all
}

/// Every node below and with `node`, with the resource that it is in and what contains that.
fn visit<'a>(
    model: &'a Model,
    node: Node<'a>,
    within: (Node<'a>, Node<'a>),
    each: &mut dyn FnMut(Node<'a>, Node<'a>, Node<'a>),
) {
    each(node, within.0, within.1);
    let mut children = Vec::new();
    node.push_all_children(model, &mut children);
    for child in children {
        let Item::Node(child) = child else { continue };
        let is_contained = child.choice.is_some_and(|one| one.json_name == "contained");
        let within = match child.node_type.kind == TypeKind::Resource {
            true if is_contained => (child, within.1),
            true => (child, child),
            false => within,
        };
        visit(model, child, within, each);
    }
}

/// A slice of the examples; all of them with `ANDIRON_WHOLE=1`.
#[test]
fn every_invariant_has_an_answer() {
    let Some(folder) = unpack("suites/r4-examples/r4-4.0.1-examples-json.tar.xz") else {
        return;
    };
    let step = match std::env::var_os("ANDIRON_WHOLE") {
        Some(_) => 1,
        None => 23,
    };
    let model = Model::new(Definitions::r4());
    let invariants = invariants(model.definitions());
    let (mut count, mut errors) = (0, BTreeMap::new());
    for path in files(folder.path()).into_iter().step_by(step) {
        let text = std::fs::read_to_string(&path).expect("a file");
        let resource: Value = serde_json::from_str(&text).unwrap_or_default();
        let Some(root) = Node::resource(&model, &resource) else {
            continue;
        };
        visit(&model, root, (root, root), &mut |node, resource, root| {
            let context = Context {
                root,
                now: Some(Instant::now()),
                ..Context::new(&model, resource, "http://andiron.test/fhir")
            };
            let element = node.choice.map(|choice| choice.field.path.as_str());
            let stated = [Some(node.node_type.key.as_str()), element];
            let stated = stated.into_iter().flatten();
            for (key, expression) in stated.filter_map(|at| invariants.get(at)).flatten() {
                count += 1;
                if let Err(error) = expression.holds(&context, node) {
                    errors.insert(key.clone(), format!("{}: {error}", path.display()));
                }
            }
        });
    }
    assert!(count > 10_000, "{count}");
    assert!(errors.is_empty(), "{errors:#?}");
}
