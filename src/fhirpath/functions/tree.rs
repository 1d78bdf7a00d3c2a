//! The tree: <https://hl7.org/fhirpath/N1/#tree-navigation>

use crate::fhirpath::ast::Ast;
use crate::fhirpath::context::{Evaluated, Items, Scope};
use crate::fhirpath::item::Item;

pub fn children<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    let mut all = Vec::new();
    for item in &input {
        push_children(scope, item, &mut all);
    }
    Ok(all)
}

/// Level after level.
pub fn descendants<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    let mut all = Vec::new();
    for item in &input {
        push_children(scope, item, &mut all);
    }
    let mut at = 0;
    while let Some(item) = all.get(at).cloned() {
        scope.charge(1)?;
        push_children(scope, &item, &mut all);
        at += 1;
    }
    Ok(all)
}

fn push_children<'a>(scope: &Scope<'_, 'a>, item: &Item<'a>, out: &mut Items<'a>) {
    if let Item::Node(node) = item {
        node.push_all_children(scope.model(), out);
    }
}
