//! A document of GraphQL as a tree that is ready to be checked and run: the operation that is
//! meant, its variables put in, its fragments laid where they are spread.
//! <https://spec.graphql.org/October2021/#sec-Document>
//!
//! What the document may cost is decided here, before anything of it is looked at: the parser
//! descends as deep as the text nests, and fragments that spread each other multiply.

use super::Limits;
use super::problem::Problem;
use super::variables::{self, Variables, marked};
use crate::fhirpath::Expression;
use async_graphql_parser::types::{
    Directive, DocumentOperations, ExecutableDocument, Field as ParsedField, OperationDefinition,
    OperationType, Selection, SelectionSet,
};
use async_graphql_parser::{Pos, Positioned, parse_query};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::convert::Infallible;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    pub is_mutation: bool,
    pub items: Vec<Item>,
}

/// One of a selection set.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Field(Box<Field>),
    /// A fragment: of the things of this type, or of all without one.
    On {
        condition: Option<(String, Pos)>,
        items: Vec<Item>,
        is_skipped: bool,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The name in the answer: the alias, or else the field's own.
    pub key: String,
    pub name: String,
    pub location: Pos,
    pub arguments: Vec<Argument>,
    /// The argument of that name, compiled.
    pub fhirpath: Option<Expression>,
    pub shape: Shape,
    pub items: Vec<Item>,
    /// By `@skip` or `@include`; it is checked all the same.
    pub is_skipped: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    pub name: String,
    pub value: Value,
    pub location: Pos,
}

/// FHIR's own directives: <https://hl7.org/fhir/R4/graphql.html#flattening>
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    pub flatten: bool,
    pub first: bool,
    pub singleton: bool,
    pub slice: Option<Slice>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Slice {
    /// `$index`
    Index,
    Path(Expression),
}

impl Field {
    pub fn argument(&self, name: &str) -> Option<&Argument> {
        self.arguments.iter().find(|argument| argument.name == name)
    }

    /// Whether another field of the same key may be merged with it.
    pub fn is_like(&self, other: &Field) -> bool {
        let equal = |argument: &Argument| {
            other.argument(&argument.name).map(|other| &other.value) == Some(&argument.value)
        };
        self.name == other.name
            && self.shape == other.shape
            && self.arguments.len() == other.arguments.len()
            && self.arguments.iter().all(equal)
    }
}

/// Reads the operation of that name, or the only one.
///
/// # Errors
/// Everything that is wrong with it, as far as it can be told without the definitions.
pub fn read(
    text: &str,
    operation_name: Option<&str>,
    given: &Map<String, Value>,
    limits: &Limits,
) -> Result<Operation, Vec<Problem>> {
    check_text(text, limits).map_err(|problem| vec![problem])?;
    let document = parse_query(text).map_err(|error| vec![syntax(&error)])?;
    let operation = chosen(&document, operation_name).map_err(|problem| vec![problem])?;
    let (variables, problems) = variables::read(&operation.node, given);
    let mut reader = Reader {
        document: &document,
        variables,
        limits,
        fields: 0,
        levels: 0,
        open: Vec::new(),
        spread: HashSet::new(),
        used: HashSet::new(),
        problems,
        is_stopped: false,
    };
    reader.refuse_directives(&operation.node.directives);
    let items = reader.items(&operation.node.selection_set, 1);
    if !reader.is_stopped {
        reader.tell_unused(&operation.node);
    }
    match reader.problems.is_empty() {
        false => Err(reader.problems),
        true => Ok(Operation {
            is_mutation: operation.node.ty == OperationType::Mutation,
            items,
        }),
    }
}

/// Refuses what is too long or nests too deeply to be parsed.
fn check_text(text: &str, limits: &Limits) -> Result<(), Problem> {
    if text.len() > limits.text {
        return Err(Problem::costly(format!(
            "expected a document of at most {} bytes but found {}",
            limits.text,
            text.len()
        )));
    }
    let measure = Measure::of(text.as_bytes());
    if measure.nesting > limits.nesting {
        return Err(Problem::costly(format!(
            "expected brackets to nest at most {} deep but found {}",
            limits.nesting, measure.nesting
        )));
    }
    // A field has a name, and may have an alias, a directive or the frame of a fragment.
    match measure.names > limits.fields.saturating_mul(4) {
        false => Ok(()),
        true => Err(Problem::costly(format!(
            "expected at most {} fields but found about {}",
            limits.fields,
            measure.names / 2
        ))),
    }
}

/// What can be told of a document by its letters alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Measure {
    /// How deep the brackets nest, strings and comments apart.
    nesting: usize,
    /// Names outside of arguments.
    names: usize,
}

impl Measure {
    fn of(text: &[u8]) -> Measure {
        let mut measure = Measure::default();
        let (mut depth, mut arguments, mut at) = (0_usize, 0_usize, 0);
        while let Some(byte) = text.get(at) {
            at += match byte {
                b'{' | b'(' | b'[' => {
                    depth += 1;
                    arguments += usize::from(*byte == b'(');
                    measure.nesting = measure.nesting.max(depth);
                    1
                }
                b'}' | b')' | b']' => {
                    depth = depth.saturating_sub(1);
                    arguments = arguments.saturating_sub(usize::from(*byte == b')'));
                    1
                }
                b'#' => length_until(&text[at..], |rest| matches!(rest[0], b'\n' | b'\r')),
                b'"' if text[at..].starts_with(b"\"\"\"") => {
                    3 + length_of_string(&text[at + 3..], b"\"\"\"")
                }
                b'"' => 1 + length_of_string(&text[at + 1..], b"\""),
                byte if is_of_name(*byte) => {
                    measure.names += usize::from(arguments == 0);
                    length_until(&text[at..], |rest| !is_of_name(rest[0]))
                }
                _ => 1,
            };
        }
        measure
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn length_until(text: &[u8], is_end: impl Fn(&[u8]) -> bool) -> usize {
    let found = (0..text.len()).find(|at| is_end(&text[*at..]));
    found.unwrap_or(text.len())
}

/// The length up to and with the quotes that end it; what a backslash precedes ends nothing.
fn length_of_string(text: &[u8], quotes: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            _ if text[at..].starts_with(quotes) => return at + quotes.len(),
            _ => at += 1,
        }
    }
    text.len()
}

fn syntax(error: &async_graphql_parser::Error) -> Problem {
    let problem = Problem::invalid(format!("expected a document of GraphQL: {error}"));
    match error.positions().next() {
        Some(location) => problem.at(location),
        None => problem,
    }
}

fn chosen<'d>(
    document: &'d ExecutableDocument,
    name: Option<&str>,
) -> Result<&'d Positioned<OperationDefinition>, Problem> {
    let name = name.filter(|name| !name.is_empty());
    let operation = match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => operation,
        (DocumentOperations::Single(_), Some(name)) => {
            let text = format!("expected an operation called {name} but found one without a name");
            return Err(Problem::invalid(text));
        }
        (DocumentOperations::Multiple(operations), Some(name)) => {
            operations.get(name).ok_or_else(|| {
                Problem::invalid(format!(
                    "expected an operation called {name} but found none"
                ))
            })?
        }
        (DocumentOperations::Multiple(operations), None) => {
            let mut all = operations.values();
            match (all.next(), all.next()) {
                (Some(only), None) => only,
                _ => {
                    let text = "expected operationName to say which operation of several is meant";
                    return Err(Problem::invalid(text));
                }
            }
        }
    };
    match operation.node.ty {
        OperationType::Subscription => {
            Err(Problem::invalid("subscriptions of GraphQL are not supported").at(operation.pos))
        }
        _ => Ok(operation),
    }
}

struct Reader<'d> {
    document: &'d ExecutableDocument,
    variables: Variables,
    limits: &'d Limits,
    /// Fields and fragments so far.
    fields: usize,
    /// Selection sets around the one that is read, those of fragments too.
    levels: usize,
    /// The fragments that are being laid.
    open: Vec<&'d str>,
    spread: HashSet<&'d str>,
    used: HashSet<String>,
    problems: Vec<Problem>,
    /// It costs too much already.
    is_stopped: bool,
}

impl<'d> Reader<'d> {
    fn stop(&mut self, text: String, location: Pos) {
        self.is_stopped = true;
        // What costs too much is not worth the rest.
        self.problems = vec![Problem::costly(text).at(location)];
    }

    fn say(&mut self, text: impl Into<String>, location: Pos) {
        if !self.is_stopped && self.problems.len() < self.limits.problems {
            self.problems.push(Problem::invalid(text).at(location));
        }
    }

    fn items(&mut self, set: &'d Positioned<SelectionSet>, depth: usize) -> Vec<Item> {
        if depth > self.limits.depth {
            let text = format!("expected fields to nest at most {} deep", self.limits.depth);
            self.stop(text, set.pos);
        }
        self.levels += 1;
        if self.levels > self.limits.nesting {
            let most = self.limits.nesting;
            let text = format!("expected fields and fragments to nest at most {most} deep");
            self.stop(text, set.pos);
        }
        let mut items = Vec::new();
        for selection in &set.node.items {
            if self.is_stopped {
                break;
            }
            self.fields += 1;
            if self.fields > self.limits.fields {
                let text = format!(
                    "expected at most {} fields, those of fragments counted wherever they are spread",
                    self.limits.fields
                );
                self.stop(text, set.pos);
                break;
            }
            items.extend(self.item(&selection.node, depth));
        }
        self.levels -= 1;
        items
    }

    fn item(&mut self, selection: &'d Selection, depth: usize) -> Option<Item> {
        match selection {
            Selection::Field(field) => Some(Item::Field(Box::new(self.field(field, depth)))),
            Selection::InlineFragment(fragment) => {
                let node = &fragment.node;
                let is_skipped = self.is_skipped(&node.directives);
                let condition = node.type_condition.as_ref();
                Some(Item::On {
                    condition: condition.map(|found| (found.node.on.node.to_string(), found.pos)),
                    is_skipped,
                    items: self.items(&node.selection_set, depth),
                })
            }
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name;
                let is_skipped = self.is_skipped(&spread.node.directives);
                let Some((name_, fragment)) =
                    self.document.fragments.get_key_value(name.node.as_str())
                else {
                    let text = format!("expected a fragment called {} but found none", name.node);
                    self.say(text, name.pos);
                    return None;
                };
                if self.open.contains(&name_.as_str()) {
                    self.say(format!("the fragment {name_} spreads itself"), name.pos);
                    return None;
                }
                self.spread.insert(name_);
                self.open.push(name_);
                self.refuse_directives(&fragment.node.directives);
                let items = self.items(&fragment.node.selection_set, depth);
                self.open.pop();
                let condition = &fragment.node.type_condition;
                Some(Item::On {
                    condition: Some((condition.node.on.node.to_string(), condition.pos)),
                    is_skipped,
                    items,
                })
            }
        }
    }

    fn field(&mut self, field: &'d Positioned<ParsedField>, depth: usize) -> Field {
        let node = &field.node;
        let arguments = self.arguments(&Directive {
            name: node.name.clone(),
            arguments: node.arguments.clone(),
        });
        let path = arguments
            .iter()
            .find(|argument| argument.name == "fhirpath");
        let fhirpath = path.and_then(|path| self.expression(path));
        let mut shape = Shape::default();
        let mut is_skipped = false;
        for directive in &node.directives {
            if !self.shapes(directive, &mut shape) {
                is_skipped |= self.is_skipped(std::slice::from_ref(directive));
            }
        }
        let items = match node.selection_set.node.items.is_empty() {
            true => Vec::new(),
            false => self.items(&node.selection_set, depth + 1),
        };
        Field {
            key: node.response_key().node.to_string(),
            name: node.name.node.to_string(),
            location: field.pos,
            arguments,
            fhirpath,
            shape,
            items,
            is_skipped,
        }
    }

    /// The arguments of a directive, or those of a field in the same form. One whose variable
    /// has no value is as good as absent.
    fn arguments(&mut self, of: &Directive) -> Vec<Argument> {
        let mut arguments: Vec<Argument> = Vec::new();
        for (name, value) in &of.arguments {
            if arguments
                .iter()
                .any(|known| known.name == name.node.as_str())
            {
                self.say(format!("the argument {} stands twice", name.node), name.pos);
            }
            // The type of values is not ours to name: it becomes JSON, its variables marked.
            let marked = value.node.clone().into_const_with(|name| {
                Ok::<_, Infallible>(serde_json::from_value(marked(&name)).unwrap_or_default())
            });
            let json = match marked {
                Ok(marked) => serde_json::to_value(marked).unwrap_or_default(),
                Err(never) => match never {},
            };
            match variables::put_in(json, &self.variables, &mut self.used) {
                Ok(None) => {}
                Ok(Some(json)) => arguments.push(Argument {
                    name: name.node.to_string(),
                    value: json,
                    location: value.pos,
                }),
                Err(text) => self.say(text, value.pos),
            }
        }
        arguments
    }

    fn expression(&mut self, argument: &Argument) -> Option<Expression> {
        let compiled = match argument.value.as_str() {
            Some(text) => Expression::compile(text).map_err(|error| error.to_string()),
            None => Err(format!("expected a text but found {}", argument.value)),
        };
        compiled
            .map_err(|error| self.say(format!("expected FHIRPath: {error}"), argument.location))
            .ok()
    }

    /// Whether it is one of FHIR's own directives, which is noted.
    fn shapes(&mut self, directive: &Positioned<Directive>, shape: &mut Shape) -> bool {
        let name = directive.node.name.node.as_str();
        match name {
            "flatten" => shape.flatten = true,
            "first" => shape.first = true,
            "singleton" => shape.singleton = true,
            "slice" => {
                let arguments = self.arguments(&directive.node);
                shape.slice = match arguments.as_slice() {
                    [path] if path.name == "path" && path.value == "$index" => Some(Slice::Index),
                    [path] if path.name == "path" => self.expression(path).map(Slice::Path),
                    _ => {
                        self.say("expected @slice to have the argument path", directive.pos);
                        None
                    }
                };
                return true;
            }
            _ => return false,
        }
        if !directive.node.arguments.is_empty() {
            self.say(
                format!("expected @{name} to have no arguments"),
                directive.pos,
            );
        }
        true
    }

    /// What `@skip` and `@include` say.
    fn is_skipped(&mut self, directives: &[Positioned<Directive>]) -> bool {
        let mut is_skipped = false;
        for directive in directives {
            let name = directive.node.name.node.as_str();
            if !matches!(name, "skip" | "include") {
                let text = format!("expected a directive that is known here but found @{name}");
                self.say(text, directive.pos);
                continue;
            }
            let arguments = self.arguments(&directive.node);
            match arguments.as_slice() {
                [
                    Argument {
                        name: argument,
                        value: Value::Bool(value),
                        ..
                    },
                ] if argument == "if" => {
                    is_skipped |= *value == (name == "skip");
                }
                found => {
                    let found = found
                        .first()
                        .map_or("nothing".to_owned(), |f| f.value.to_string());
                    let text =
                        format!("expected @{name}(if:) to be true or false but found {found}");
                    self.say(text, directive.pos);
                }
            }
        }
        is_skipped
    }

    fn refuse_directives(&mut self, directives: &[Positioned<Directive>]) {
        for directive in directives {
            let name = &directive.node.name.node;
            let text = format!("expected no directive here but found @{name}");
            self.say(text, directive.pos);
        }
    }

    fn tell_unused(&mut self, operation: &OperationDefinition) {
        for definition in &operation.variable_definitions {
            let name = definition.node.name.node.as_str();
            if !self.used.contains(name) {
                self.say(
                    format!("the variable ${name} is never used"),
                    definition.pos,
                );
            }
        }
        // Of several operations another one may spread it.
        if self.document.operations.iter().len() == 1 {
            for (name, fragment) in &self.document.fragments {
                if !self.spread.contains(name.as_str()) {
                    self.say(format!("the fragment {name} is never spread"), fragment.pos);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(text: &str) -> String {
        let read = read(text, None, &Map::new(), &Limits::default());
        match read {
            Ok(_) => String::new(),
            Err(problems) => problems[0].message(),
        }
    }

    #[test]
    fn documents_are_read_or_refused() {
        for (text, says) in [
            ("{ id name { given } }", ""),
            ("query a { id }", ""),
            ("{ ...f } fragment f on Patient { id }", ""),
            ("{ id @skip(if: true) }", ""),
            ("{ name(fhirpath: \"family.exists()\") { family } }", ""),
            (
                "{ name @slice(path: \"use\") @flatten { family @singleton } }",
                "",
            ),
            ("", "expected a document of GraphQL"),
            ("{ id", "expected a document of GraphQL"),
            ("query a { id } query b { id }", "which operation"),
            ("subscription { id }", "not supported"),
            ("{ ...f }", "expected a fragment called f"),
            ("{ id } fragment f on Patient { id }", "never spread"),
            ("{ ...f } fragment f on Patient { ...f }", "spreads itself"),
            ("{ id @nope }", "found @nope"),
            ("{ id @skip }", "found nothing"),
            ("{ id @skip(if: 1) }", "found 1"),
            ("{ id @first(x: 1) }", "no arguments"),
            ("{ name @slice { id } }", "argument path"),
            ("{ name(fhirpath: \"(\") { id } }", "expected FHIRPath"),
            ("{ name(a: 1, a: 1) { id } }", "stands twice"),
            ("query ($a: Boolean) { id }", "never used"),
            ("{ name(use: $a) { id } }", "$a"),
        ] {
            let found = said(text);
            assert!(found.contains(says), "{text}: {found}");
            assert_eq!(found.is_empty(), says.is_empty(), "{text}: {found}");
        }
    }

    #[test]
    fn bombs_are_refused_before_they_burst() {
        let deep = format!("{}id{}", "{ a ".repeat(20), "}".repeat(20));
        let brackets = format!("{{ a(b: {}1{}) }}", "[".repeat(9_000), "]".repeat(9_000));
        let wide = format!("{{ {} }}", "id ".repeat(2_000));
        let mut fragments = "{ ...f0 }".to_owned();
        for level in 0..40 {
            let next = level + 1;
            fragments.push_str(&format!(
                " fragment f{level} on Patient {{ ...f{next} ...f{next} }}"
            ));
        }
        fragments.push_str(" fragment f40 on Patient { id }");
        let long = format!("{{ id }} # {}", "x".repeat(100_000));
        let mut chain = "{ ...f0 }".to_owned();
        for level in 0..300 {
            let next = level + 1;
            chain.push_str(&format!(" fragment f{level} on Patient {{ ...f{next} }}"));
        }
        chain.push_str(" fragment f300 on Patient { id }");
        for (text, says) in [
            (deep, "nest at most"),
            (brackets, "brackets"),
            (wide, "fields"),
            (fragments, "fields"),
            (chain, "nest at most"),
            (long, "bytes"),
        ] {
            // The least of a few: what else the machine does is no cost of the document.
            let least = (0..5).map(|_| {
                let start = std::time::Instant::now();
                let found = said(&text);
                assert!(found.contains(says), "{found}");
                start.elapsed().as_millis()
            });
            assert!(least.min() < Some(100), "{says}");
        }
    }

    #[test]
    fn brackets_and_names_count_outside_of_strings_and_comments() {
        for (text, nesting, names) in [
            ("{ a }", 1, 1),
            ("{ a(b: \"{{{\") } # {{{ x", 2, 1),
            ("{ a(b: \"\\\"{{{\") c: d2_ }", 2, 3),
            ("{ a(b: \"\"\"{{\\\"\"\"{{\"\"\") }", 2, 1),
            ("\"", 0, 0),
            ("\"\\", 0, 0),
        ] {
            let measure = Measure { nesting, names };
            assert_eq!(Measure::of(text.as_bytes()), measure, "{text}");
        }
    }

    #[test]
    fn variables_are_put_in() {
        let text = "query ($n: Int = 2, $u: code!) { name(_count: $n, use: $u) { family } }";
        let given = json!({"u": "official"});
        let given = given.as_object().expect("an object");
        let operation = read(text, None, given, &Limits::default()).expect("it is well-formed");
        let Some(Item::Field(name)) = operation.items.first() else {
            panic!("a field");
        };
        let values: Vec<&Value> = name
            .arguments
            .iter()
            .map(|argument| &argument.value)
            .collect();
        assert_eq!(values, [&json!(2), &json!("official")]);
    }
}
