//! The operands of a search parameter's expression that apply to a type, each with the slot
//! that its values are indexed under. Which kinds are split and why:
//! [`registry`](super::registry).

use super::contained;
use super::index::{Slot, hash};
use super::places::{Located, locate};
use super::plan::{Predicate, RowTable};
use super::registry::{Kind, Parameter};
use crate::fhir::ResourceType;
use crate::fhirpath::functions::Gives;
use crate::fhirpath::infer::{self, infer};
use crate::fhirpath::{Ast, Choice, Expression, Model, ParseError, System, Type};
use std::sync::{Arc, OnceLock};

/// An operand of a parameter's expression.
#[derive(Clone, Debug)]
pub struct Branch {
    pub slot: Slot,
    pub expression: Expression,
    /// `.where(resolve() is Patient)` at the end of the expression as published; the slot
    /// holds references to other types too.
    pub only: Option<ResourceType>,
    /// The bit that a resource has where this branch has a value; 0 for what has rows.
    pub presence: i64,
    /// Of a custom parameter: presence is an entry of the slot, not a bit.
    pub is_custom: bool,
    resource_type: ResourceType,
    model: Arc<Model>,
    leaves: OnceLock<Leaves>,
}

/// How the values of a branch lead to other resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leads {
    /// References, which name a type and an id.
    ById,
    /// Canonicals, which name a `url` and maybe a version; a local reference may stand there too.
    ByUrl,
    /// They do not: the resource stands in the place itself.
    InPlace,
    /// They do not, as far as the definitions tell.
    Nowhere,
}

/// What the values of a branch are, as far as it matters to a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaves {
    /// Coding, CodeableConcept, Identifier.
    pub coded: bool,
    /// Text that compares without case: string, ContactPoint.
    pub folded: bool,
    /// ContactPoint.
    pub contact: bool,
    /// Primitives, each with the code system of its binding if it is a `code` of one system.
    pub plain: Vec<Option<String>>,
}

/// The branches of an expression that apply to a type.
///
/// # Errors
/// Of the expression.
pub fn compile(
    model: &Arc<Model>,
    resource_type: ResourceType,
    kind: Kind,
    text: &str,
) -> Result<Vec<Branch>, ParseError> {
    let expression = Expression::compile_for_search(text)?;
    let relevant: Vec<&Ast> = expression
        .ast()
        .union_branches()
        .into_iter()
        .filter(|branch| applies_to(branch, resource_type))
        .collect();
    let branch = |ast: Ast, only| {
        let expression = Expression::from(ast);
        Branch {
            slot: Slot::new(resource_type, &expression.to_string()),
            expression,
            only,
            presence: 0,
            is_custom: false,
            resource_type,
            model: model.clone(),
            leaves: OnceLock::new(),
        }
    };
    if has_rows(kind) {
        let whole = relevant.into_iter().cloned().reduce(Ast::union);
        return Ok(whole.map(|whole| branch(whole, None)).into_iter().collect());
    }
    let split = relevant.into_iter().map(|ast| match narrowed(ast) {
        Some((of, only)) => branch(of.clone(), Some(only)),
        None => branch(ast.clone(), None),
    });
    Ok(split.collect())
}

/// Gives a parameter of rows the branches of others that together are all of it, so that no
/// value stands in two slots.
pub fn share_rows(parameters: &mut [Parameter]) {
    let operands = |parameter: &Parameter| -> Vec<String> {
        let branches = parameter.branches.iter();
        let operands = branches.flat_map(|branch| branch.expression.ast().union_branches());
        operands.map(Ast::to_string).collect()
    };
    let all: Vec<(Kind, Vec<String>)> = parameters.iter().map(|p| (p.kind, operands(p))).collect();
    for at in 0..parameters.len() {
        let (kind, mut rest) = all[at].clone();
        if !has_rows(kind) || rest.len() < 2 {
            continue;
        }
        let whole = rest.len();
        let mut parts = Vec::new();
        for (index, (part_kind, part)) in all.iter().enumerate() {
            let fits = !part.is_empty() && part.len() < whole && *part_kind == kind;
            if fits && part.iter().all(|operand| rest.contains(operand)) {
                rest.retain(|operand| !part.contains(operand));
                parts.extend(parameters[index].branches.clone());
            }
        }
        if rest.is_empty() {
            parameters[at].branches = parts;
        }
    }
}

/// Gives every branch of entries its bit, the first parameter and branch the lowest; branches
/// of one slot and one `only` have one. The answer is how many bits there are.
pub fn number_presence(parameters: &mut [Parameter]) -> usize {
    let mut known: Vec<(Slot, Kind, Option<ResourceType>)> = Vec::new();
    for parameter in parameters {
        if !has_presence(parameter) {
            continue;
        }
        for branch in &mut parameter.branches {
            let one = (branch.slot, parameter.kind, branch.only);
            let at = known.iter().position(|other| *other == one);
            let at = at.unwrap_or_else(|| {
                known.push(one);
                known.len() - 1
            });
            let bit = u32::try_from(at).ok().and_then(|at| 1_i64.checked_shl(at));
            branch.presence = bit.unwrap_or_default();
        }
    }
    known.len()
}

fn has_presence(parameter: &Parameter) -> bool {
    !has_rows(parameter.kind) && !matches!(parameter.code.as_str(), "_id" | "_lastUpdated")
}

/// The hash of the entry that says of a custom parameter that there is a value. No value
/// hashes to it: none holds the character U+0000.
pub fn presence_hash(only: Option<ResourceType>) -> i64 {
    hash(&format!("\0present{}", only.map_or("", ResourceType::name)))
}

impl Branch {
    /// How its values lead to other resources.
    pub fn leads(&self) -> Leads {
        let elements = self.elements();
        let is_any = |name| elements.iter().any(|(_, node_type)| node_type.is(name));
        match (is_any("uri"), is_any("Reference")) {
            (true, _) => Leads::ByUrl,
            (false, true) => Leads::ById,
            (false, false) if self.expression.to_string() == contained::IN_PLACE => Leads::InPlace,
            (false, false) => Leads::Nowhere,
        }
    }

    /// Whether a resource has at most one value: a primitive element of its own.
    pub fn is_single(&self) -> bool {
        let leaves = self.leaves();
        let is_plain = !leaves.coded && !leaves.folded && !leaves.plain.is_empty();
        is_plain && self.elements().len() == 1 && self.is_one_element()
    }

    /// Whether it is an element of the root that does not repeat.
    pub fn is_one_element(&self) -> bool {
        let text = self.expression.to_string();
        let is_path_of_one = text.bytes().filter(|byte| *byte == b'.').count() == 1;
        let elements = self.elements();
        is_path_of_one
            && !text.contains('|')
            && !elements.is_empty()
            && elements.iter().all(|(choice, _)| !choice.field.is_array)
    }

    /// The elements that the expression can give, and their types.
    fn elements(&self) -> Vec<(&Choice, &Type)> {
        let Some(root) = self.model.resource(self.resource_type) else {
            return Vec::new();
        };
        let root = infer::Kind::Resource(root);
        let kinds = infer(&self.model, self.expression.ast(), &root);
        let elements = kinds.into_iter().filter_map(|kind| match kind {
            infer::Kind::Element(choice, node_type) => Some((choice, node_type)),
            _ => None,
        });
        elements.collect()
    }

    /// Whether its value is computed and is true or false.
    pub fn computes_truth(&self) -> bool {
        match self.expression.ast() {
            Ast::Binary { operator, .. } => operator.gives_truth(),
            Ast::Is { .. } => true,
            Ast::Call { function, .. } => function.gives == Gives::Value(System::Boolean),
            _ => false,
        }
    }

    /// Holds of the resources that have a value of this branch of entries.
    pub fn present(&self) -> Predicate {
        match self.is_custom {
            true => Predicate::Entries(vec![(self.slot, presence_hash(self.only))]),
            false => Predicate::Present(self.presence),
        }
    }

    /// Where the values of this branch stand in the JSON; `None` where the expression is
    /// more than a path.
    pub fn places(&self) -> Option<Vec<Located<'_>>> {
        let root = self.model.resource(self.resource_type)?;
        locate(&self.model, self.expression.ast(), root)
    }

    /// What the values of this branch are; read from the definitions when first asked.
    pub fn leaves(&self) -> &Leaves {
        self.leaves.get_or_init(|| {
            let mut leaves = Leaves::default();
            let Some(root) = self.model.resource(self.resource_type) else {
                return leaves;
            };
            let kinds = infer(
                &self.model,
                self.expression.ast(),
                &infer::Kind::Resource(root),
            );
            for kind in kinds {
                leaves.add(&self.model, &kind);
            }
            leaves
        })
    }
}

impl Leaves {
    fn add(&mut self, model: &Model, kind: &infer::Kind<'_>) {
        let system = match kind {
            infer::Kind::Resource(_) => return,
            infer::Kind::Value(_) => None,
            infer::Kind::Element(choice, node_type) => match node_type.key.as_str() {
                "Coding" | "CodeableConcept" | "Identifier" => {
                    self.coded = true;
                    return;
                }
                name @ ("string" | "markdown" | "ContactPoint") => {
                    self.folded = true;
                    self.contact |= name == "ContactPoint";
                    return;
                }
                "code" => model
                    .definitions()
                    .implicit_system(&choice.owner, &choice.json_name),
                _ => None,
            },
        };
        if !self.plain.contains(&system) {
            self.plain.push(system);
        }
    }
}

/// Whether values of the kind are rows, not entries.
pub fn has_rows(kind: Kind) -> bool {
    RowTable::of(kind).is_some() || kind == Kind::Special
}

/// Published expressions name the type that each branch is of.
pub fn applies_to(branch: &Ast, resource_type: ResourceType) -> bool {
    match branch.first_name() {
        Some("Resource" | "DomainResource") | None => true,
        Some(name) if name.starts_with(|c: char| c.is_ascii_uppercase()) => {
            name == resource_type.name()
        }
        Some(_) => true,
    }
}

/// `of.where(resolve() is T)` as `of` and `T`.
fn narrowed(ast: &Ast) -> Option<(&Ast, ResourceType)> {
    let Ast::Call {
        of: Some(of),
        function,
        arguments,
        ..
    } = ast
    else {
        return None;
    };
    let [
        Ast::Is {
            of: tested,
            type_name,
            ..
        },
    ] = arguments.as_slice()
    else {
        return None;
    };
    let resolves =
        matches!(&**tested, Ast::Call { of: None, function, .. } if function.name == "resolve");
    let only = ResourceType::parse(type_name)?;
    (function.name == "where" && resolves).then_some((of, only))
}
