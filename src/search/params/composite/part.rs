//! A part of a composite: which operands of the named parameter it is, and how they are
//! reached from the element.

use crate::definitions::SearchComponent;
use crate::fhir::ResourceType;
use crate::fhirpath::ast::Position;
use crate::fhirpath::{Ast, Expression};
use crate::search::registry::{Branch, Parameter};

/// A part on one element.
#[derive(Clone, Debug)]
pub struct Part {
    /// From the element.
    pub expression: Expression,
    /// The named parameter, with only the branches that have the part's operands.
    pub own: Parameter,
    /// The part's operands, of the resource.
    operands: Vec<Ast>,
    /// What the branches of `own` have beyond them.
    rest: Vec<Ast>,
    /// The operands that the part's own expression is.
    stated: Vec<Ast>,
}

impl Part {
    /// # Errors
    /// As a sentence.
    pub fn new(
        resource_type: ResourceType,
        root: &Ast,
        component: &SearchComponent,
        parameters: &[Parameter],
    ) -> Result<Part, String> {
        let url = component.definition.split('|').next().unwrap_or_default();
        let named = parameters.iter().find(|p| p.url == url && p.supported);
        let named = named
            .ok_or_else(|| format!("expected a component of {resource_type} but found {url}"))?;
        let stated = Expression::compile_for_search(&component.expression)
            .map_err(|error| error.to_string())?;
        let stated: Vec<&Ast> = stated.ast().union_branches();
        let of_resource = stated.iter().map(|ast| onto(ast, root, resource_type));
        let of_resource: Vec<Ast> = of_resource.collect();
        let is_as_stated = of_resource
            .iter()
            .all(|wanted| operands(&named.branches).any(|known| is_same(known, wanted)));
        let chosen: Vec<(Ast, Ast)> = if is_as_stated {
            of_resource
                .iter()
                .cloned()
                .zip(stated.into_iter().cloned())
                .collect()
        } else {
            let beneath = |known: &Ast| Some((known.clone(), beneath(known, root)?));
            operands(&named.branches).filter_map(beneath).collect()
        };
        let (operands, reached): (Vec<Ast>, Vec<Ast>) = chosen.into_iter().unzip();
        let expression = union(reached)
            .map(Expression::from)
            .ok_or_else(|| format!("expected {} to have a part of {root}", named.code))?;
        Ok(Part::of(named, expression, operands, of_resource))
    }

    fn of(named: &Parameter, expression: Expression, operands: Vec<Ast>, stated: Vec<Ast>) -> Part {
        let is_chosen = |ast: &Ast| operands.iter().any(|chosen| is_same(ast, chosen));
        let mut own = named.clone();
        own.branches.retain(|branch| {
            let mut all = branch.expression.ast().union_branches().into_iter();
            all.any(is_chosen)
        });
        let rest = self::operands(&own.branches).filter(|ast| !is_chosen(ast));
        let rest = rest.cloned().collect();
        Part {
            expression,
            own,
            operands,
            rest,
            stated,
        }
    }

    /// What the branches of the named parameter have beyond this part.
    pub fn rest(&self) -> Option<Expression> {
        union(self.rest.clone()).map(Expression::from)
    }

    /// Whether each has the operands that the definition says of the other.
    pub fn is_exchanged_with(&self, other: &Part) -> bool {
        let are = |stated: &[Ast], operands: &[Ast]| {
            let is_there = |one: &Ast| operands.iter().any(|operand| is_same(one, operand));
            stated.iter().all(is_there)
        };
        are(&self.stated, &other.operands) && are(&other.stated, &self.operands)
    }

    /// Whether a resource that has this part has nothing of the rest: all are types of one
    /// choice element of the resource, which has one value.
    pub fn is_exclusive(&self) -> bool {
        let all = self.operands.iter().chain(&self.rest);
        let mut choices = all.map(choice);
        self.rest.is_empty()
            || match choices.next().flatten() {
                Some(first) => choices.all(|other| other == Some(first)),
                None => false,
            }
    }
}

fn operands(branches: &[Branch]) -> impl Iterator<Item = &Ast> {
    let branches = branches.iter();
    branches.flat_map(|branch| branch.expression.ast().union_branches())
}

fn union(operands: Vec<Ast>) -> Option<Ast> {
    operands.into_iter().reduce(Ast::union)
}

/// R4 writes `value.as(DateTime)` here and `as dateTime` there.
fn is_same(left: &Ast, right: &Ast) -> bool {
    left.to_string().eq_ignore_ascii_case(&right.to_string())
}

/// `Observation.value` of `Observation.value.ofType(Quantity)` and what is within that.
fn choice(ast: &Ast) -> Option<&Ast> {
    let of = ast.of()?;
    match (ast, of) {
        (
            Ast::OfType { .. },
            Ast::Member {
                of: Some(owner), ..
            },
        ) if matches!(**owner, Ast::Member { of: None, .. }) => Some(of),
        _ => choice(of),
    }
}

/// `code` of `Observation.component` as `Observation.component.code`; `%resource` is the
/// type by its name.
fn onto(ast: &Ast, root: &Ast, resource_type: ResourceType) -> Ast {
    match ast {
        Ast::Variable(_) => Ast::Member {
            of: None,
            name: resource_type.name().to_owned(),
            at: Position::default(),
        },
        Ast::This => root.clone(),
        Ast::Member { of: None, name, at } => Ast::Member {
            of: Some(Box::new(root.clone())),
            name: name.clone(),
            at: *at,
        },
        Ast::Call {
            of: None,
            function,
            arguments,
            at,
        } => Ast::Call {
            of: Some(Box::new(root.clone())),
            function,
            arguments: arguments.clone(),
            at: *at,
        },
        other => {
            along(other, &|of| Some(onto(of, root, resource_type))).unwrap_or_else(|| other.clone())
        }
    }
}

/// What follows `root` in `ast`, from `$this`.
fn beneath(ast: &Ast, root: &Ast) -> Option<Ast> {
    if ast == root {
        return Some(Ast::This);
    }
    along(ast, &|of| beneath(of, root))
}

/// The same step, applied to what `change` makes of the steps before it.
fn along(ast: &Ast, change: &dyn Fn(&Ast) -> Option<Ast>) -> Option<Ast> {
    let of = Box::new(change(ast.of()?)?);
    match ast {
        Ast::Member { name, at, .. } => Some(Ast::Member {
            of: Some(of),
            name: name.clone(),
            at: *at,
        }),
        Ast::Call {
            function,
            arguments,
            at,
            ..
        } => Some(Ast::Call {
            of: Some(of),
            function,
            arguments: arguments.clone(),
            at: *at,
        }),
        Ast::Indexer { index, .. } => Some(Ast::Indexer {
            of,
            index: index.clone(),
        }),
        Ast::OfType {
            type_name,
            rule,
            at,
            ..
        } => Some(Ast::OfType {
            of,
            type_name: type_name.clone(),
            rule: *rule,
            at: *at,
        }),
        _ => None,
    }
}
