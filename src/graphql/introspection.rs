//! What the schema says of itself: `__schema` and `__type`, made of the definitions when they are
//! asked for. <https://spec.graphql.org/October2021/#sec-Introspection>
//!
//! Types of FHIR are objects, primitives are scalars: those of GraphQL where they mean the same,
//! else by FHIR's name. `Resource` is an interface of all resource types. A resource that is sent is
//! a scalar too (`PatientInput`): its rules are FHIR's, and broken ones are told by validation.
//!
//! Not listed: `[Type]List` within a resource, but for the one that the query is run on, and there
//! where a search parameter names its type. All of them with all their arguments are 30 MB.

use super::schema::type_name;
use crate::definitions::TypeKind;
use crate::fhir::ResourceType;
use crate::fhirpath::{Choice, Model, Type};
use crate::search::registry::{Kind, Parameter, Registry};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A thing of the schema.
#[derive(Clone, Debug)]
pub enum Meta<'m> {
    Schema,
    Type(Of<'m>),
    Field {
        name: String,
        arguments: Vec<(String, Of<'m>)>,
        of: Of<'m>,
    },
    Input(String, Of<'m>),
    EnumValue(String),
    /// Name, locations, arguments.
    Directive(&'static str, &'static [&'static str], Vec<(String, Of<'m>)>),
}

/// A type, or a list of one, or one that is never null.
#[derive(Clone, Debug)]
pub enum Of<'m> {
    Always(Box<Of<'m>>),
    List(Box<Of<'m>>),
    Named(Named<'m>),
}

#[derive(Clone, Debug)]
pub enum Named<'m> {
    Scalar(String),
    /// A type of FHIR that is an object.
    Fhir(&'m Type),
    Query,
    Mutation,
    Resource,
    ResourceType,
    Connection(ResourceType),
    Edge(ResourceType),
}

/// What a field of a thing of the schema holds.
pub enum Says<'m> {
    Value(Value),
    One(Meta<'m>),
    Many(Vec<Meta<'m>>),
}

/// What introspection reads.
#[derive(Clone, Copy)]
pub struct Ground<'m> {
    pub model: &'m Model,
    pub registry: &'m Registry,
    /// The type that a query is run on, if it is run on a resource.
    pub root: Option<ResourceType>,
}

/// A kind of things: its name, its fields that are values, and those that are things of a kind.
pub type KindOf = (
    &'static str,
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
);

/// All kinds of things.
pub const KINDS: [KindOf; 6] = [
    (
        "__Schema",
        &["description"],
        &[
            ("types", "__Type"),
            ("queryType", "__Type"),
            ("mutationType", "__Type"),
            ("subscriptionType", "__Type"),
            ("directives", "__Directive"),
        ],
    ),
    (
        "__Type",
        &["kind", "name", "description", "specifiedByURL"],
        &[
            ("fields", "__Field"),
            ("interfaces", "__Type"),
            ("possibleTypes", "__Type"),
            ("enumValues", "__EnumValue"),
            ("inputFields", "__InputValue"),
            ("ofType", "__Type"),
        ],
    ),
    (
        "__Field",
        &["name", "description", "isDeprecated", "deprecationReason"],
        &[("args", "__InputValue"), ("type", "__Type")],
    ),
    (
        "__InputValue",
        &[
            "name",
            "description",
            "defaultValue",
            "isDeprecated",
            "deprecationReason",
        ],
        &[("type", "__Type")],
    ),
    (
        "__EnumValue",
        &["name", "description", "isDeprecated", "deprecationReason"],
        &[],
    ),
    (
        "__Directive",
        &["name", "description", "locations", "isRepeatable"],
        &[("args", "__InputValue")],
    ),
];

impl Meta<'_> {
    /// Its kind among [`KINDS`].
    pub fn kind(&self) -> &'static str {
        match self {
            Meta::Schema => "__Schema",
            Meta::Type(_) => "__Type",
            Meta::Field { .. } => "__Field",
            Meta::Input(..) => "__InputValue",
            Meta::EnumValue(_) => "__EnumValue",
            Meta::Directive(..) => "__Directive",
        }
    }
}

fn scalar<'m>(name: &str) -> Of<'m> {
    Of::Named(Named::Scalar(name.to_owned()))
}

fn list(of: Of<'_>) -> Of<'_> {
    Of::List(Box::new(of))
}

fn always(of: Of<'_>) -> Of<'_> {
    Of::Always(Box::new(of))
}

/// The scalar of a primitive type of FHIR.
fn primitive<'m>(code: &str) -> Of<'m> {
    scalar(match code {
        "boolean" => "Boolean",
        "string" | "xhtml" | "markdown" => "String",
        "integer" | "positiveInt" | "unsignedInt" => "Int",
        other => other,
    })
}

impl<'m> Named<'m> {
    pub fn name(&self) -> String {
        match self {
            Named::Scalar(name) => name.clone(),
            Named::Fhir(of) if of.kind == TypeKind::Primitive => "Element".to_owned(),
            Named::Fhir(of) => type_name(&of.key),
            Named::Query => "Query".to_owned(),
            Named::Mutation => "Mutation".to_owned(),
            Named::Resource => "Resource".to_owned(),
            Named::ResourceType => "ResourceType".to_owned(),
            Named::Connection(of) => format!("{of}Connection"),
            Named::Edge(of) => format!("{of}Edge"),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Named::Scalar(_) => "SCALAR",
            Named::Resource => "INTERFACE",
            Named::ResourceType => "ENUM",
            _ => "OBJECT",
        }
    }
}

impl<'m> Ground<'m> {
    /// Every type by its name.
    pub fn types(&self) -> BTreeMap<String, Named<'m>> {
        let mut types = BTreeMap::new();
        let mut open: Vec<Named<'m>> = vec![
            Named::Query,
            Named::Mutation,
            Named::Resource,
            Named::ResourceType,
        ];
        for name in ["Boolean", "String", "Int", "Float", "ID"] {
            open.push(Named::Scalar(name.to_owned()));
        }
        for of in ResourceType::all() {
            open.extend(self.model.resource(of).map(Named::Fhir));
            open.extend([Named::Connection(of), Named::Edge(of)]);
            open.push(Named::Scalar(format!("{of}Input")));
        }
        while let Some(named) = open.pop() {
            if let Named::Fhir(of) = &named {
                for choice in of.choices() {
                    let next = match choice.field.is_primitive {
                        true => match primitive(&choice.field.type_code) {
                            Of::Named(named) => Some(named),
                            _ => None,
                        },
                        false => choice.value_type(self.model).map(Named::Fhir),
                    };
                    open.extend(next.filter(|next| !types.contains_key(&next.name())));
                }
            }
            types.insert(named.name(), named);
        }
        if let Some(element) = self.element() {
            types.insert(element.name(), element);
        }
        types
    }

    /// What stands beside a primitive.
    fn element(&self) -> Option<Named<'m>> {
        let patient = self.model.resource(ResourceType::parse("Patient")?)?;
        let born = patient.choice("birthDate")?.value_type(self.model)?;
        Some(Named::Fhir(born))
    }

    fn fields(&self, of: &Named<'m>) -> Vec<Meta<'m>> {
        match of {
            Named::Fhir(of) if of.kind == TypeKind::Primitive => self.companion_fields(of),
            Named::Fhir(of) => self.fhir_fields(of),
            Named::Query => match self.root.and_then(|root| self.model.resource(root)) {
                Some(root) => self.fhir_fields(root),
                None => self.query_fields(),
            },
            Named::Mutation => self.mutation_fields(),
            Named::Resource => {
                // What every resource has, and as it has it.
                let patient = ResourceType::parse("Patient").and_then(|of| self.model.resource(of));
                let common = ["id", "implicitRules", "language", "meta"];
                let choices = patient.into_iter().flat_map(Type::choices);
                let choices = choices.filter(|choice| common.contains(&choice.json_name.as_str()));
                let fields = choices.map(|choice| self.element_field(choice));
                fields
                    .chain([field("resourceType", always(scalar("String")))])
                    .collect()
            }
            Named::Connection(of) => {
                let mut fields: Vec<Meta<'m>> = ["count", "offset", "pagesize"]
                    .iter()
                    .map(|name| field(name, scalar("Int")))
                    .collect();
                let cursors = ["first", "previous", "next", "last"];
                fields.extend(cursors.iter().map(|name| field(name, scalar("ID"))));
                fields.push(field("edges", list(Of::Named(Named::Edge(*of)))));
                fields
            }
            Named::Edge(of) => {
                let mut fields = vec![
                    field("mode", scalar("code")),
                    field("score", scalar("Float")),
                ];
                let resource = self.model.resource(*of);
                fields.extend(resource.map(|of| field("resource", Of::Named(Named::Fhir(of)))));
                fields
            }
            Named::Scalar(_) | Named::ResourceType => Vec::new(),
        }
    }

    fn companion_fields(&self, of: &'m Type) -> Vec<Meta<'m>> {
        of.choices()
            .filter(|choice| matches!(choice.json_name.as_str(), "id" | "extension"))
            .map(|choice| self.element_field(choice))
            .collect()
    }

    fn fhir_fields(&self, of: &'m Type) -> Vec<Meta<'m>> {
        let mut fields = Vec::new();
        for choice in of.choices() {
            fields.push(self.element_field(choice));
            if let (Some(name), Some(element)) = (&choice.companion, self.element()) {
                fields.push(field(name, repeated(choice, Of::Named(element))));
            }
        }
        if of.key == "Reference" {
            fields.push(Meta::Field {
                name: "resource".to_owned(),
                arguments: vec![
                    ("optional".to_owned(), scalar("Boolean")),
                    ("type".to_owned(), Of::Named(Named::ResourceType)),
                ],
                of: Of::Named(Named::Resource),
            });
        }
        if of.kind == TypeKind::Resource {
            fields.push(field("resourceType", always(scalar("String"))));
            let target = ResourceType::parse(&of.key).filter(|of| self.root == Some(*of));
            if let Some(target) = target {
                for source in ResourceType::all() {
                    let mut parameters = self.registry.parameters(source).iter();
                    if parameters.any(|parameter| points_at(parameter, target)) {
                        let reference = ("_reference".to_owned(), always(scalar("String")));
                        fields.extend(self.searches(source, Some(reference)));
                    }
                }
            }
        }
        fields
    }

    fn element_field(&self, choice: &'m Choice) -> Meta<'m> {
        if choice.field.is_primitive {
            return field(
                &choice.json_name,
                repeated(choice, primitive(&choice.field.type_code)),
            );
        }
        let mut arguments = vec![
            ("fhirpath".to_owned(), scalar("String")),
            ("_count".to_owned(), scalar("Int")),
            ("_offset".to_owned(), scalar("Int")),
        ];
        let value_type = choice.value_type(self.model);
        let leaves = value_type.into_iter().flat_map(Type::choices);
        let leaves = leaves.filter(|leaf| leaf.field.is_primitive);
        arguments
            .extend(leaves.map(|leaf| (leaf.json_name.clone(), primitive(&leaf.field.type_code))));
        let of = value_type.map_or(Named::Resource, Named::Fhir);
        Meta::Field {
            name: choice.json_name.clone(),
            arguments,
            of: repeated(choice, Of::Named(of)),
        }
    }

    fn query_fields(&self) -> Vec<Meta<'m>> {
        let mut fields = Vec::new();
        for of in ResourceType::all() {
            let Some(resource) = self.model.resource(of) else {
                continue;
            };
            fields.push(Meta::Field {
                name: of.name().to_owned(),
                arguments: vec![("id".to_owned(), always(scalar("ID")))],
                of: Of::Named(Named::Fhir(resource)),
            });
            fields.extend(self.searches(of, None));
        }
        fields
    }

    /// `[Type]List` and `[Type]Connection`; within a resource with the parameter that points there.
    fn searches(&self, of: ResourceType, reference: Option<(String, Of<'m>)>) -> Vec<Meta<'m>> {
        let is_reverse = reference.is_some();
        let mut arguments: Vec<(String, Of<'m>)> = reference.into_iter().collect();
        let parameters = self.registry.parameters(of).iter();
        let parameters = parameters.filter(|parameter| parameter.supported);
        let parameters = parameters.filter(|parameter| !is_reverse || parameter.code != "_id");
        arguments.extend(
            parameters.map(|parameter| (parameter.code.replace('-', "_"), list(scalar("String")))),
        );
        for name in ["_filter", "_sort", "_list", "fhirpath"] {
            arguments.push((name.to_owned(), scalar("String")));
        }
        arguments.push(("_count".to_owned(), scalar("Int")));
        let resource = self.model.resource(of);
        let listed = resource.map(|resource| Meta::Field {
            name: format!("{of}List"),
            arguments: arguments.clone(),
            of: list(Of::Named(Named::Fhir(resource))),
        });
        if !is_reverse {
            arguments.push(("cursor".to_owned(), scalar("ID")));
        }
        let connection = Meta::Field {
            name: format!("{of}Connection"),
            arguments,
            of: Of::Named(Named::Connection(of)),
        };
        listed.into_iter().chain([connection]).collect()
    }

    fn mutation_fields(&self) -> Vec<Meta<'m>> {
        let mut fields = Vec::new();
        for of in ResourceType::all() {
            let id = ("id".to_owned(), always(scalar("ID")));
            let resource = ("res".to_owned(), always(scalar(&format!("{of}Input"))));
            let result = self.model.resource(of).map(Named::Fhir);
            let result = result.map_or(scalar("String"), Of::Named);
            for (suffix, arguments, of_field) in [
                ("Create", vec![resource.clone()], result.clone()),
                ("Update", vec![id.clone(), resource], result),
                ("Delete", vec![id], scalar("Boolean")),
            ] {
                fields.push(Meta::Field {
                    name: format!("{of}{suffix}"),
                    arguments,
                    of: of_field,
                });
            }
        }
        fields
    }

    /// What a thing of the schema says under a name of [`KINDS`].
    pub fn says(&self, meta: &Meta<'m>, name: &str) -> Says<'m> {
        let none = || Says::Value(Value::Null);
        let inputs = |arguments: &[(String, Of<'m>)]| {
            let inputs = arguments.iter().cloned();
            Says::Many(inputs.map(|(name, of)| Meta::Input(name, of)).collect())
        };
        let named = |named| Says::One(Meta::Type(Of::Named(named)));
        match (meta, name) {
            (_, "isDeprecated" | "isRepeatable") => Says::Value(json!(false)),
            (Meta::Schema, "types") => {
                let types = self.types().into_values();
                Says::Many(types.map(|named| Meta::Type(Of::Named(named))).collect())
            }
            (Meta::Schema, "queryType") => match self.root.and_then(|of| self.model.resource(of)) {
                Some(root) => named(Named::Fhir(root)),
                None => named(Named::Query),
            },
            (Meta::Schema, "mutationType") if self.root.is_none() => named(Named::Mutation),
            (Meta::Schema, "directives") => Says::Many(directives()),
            (Meta::Type(of), _) => self.type_says(of, name),
            (
                Meta::Field { name: own, .. } | Meta::Input(own, _) | Meta::EnumValue(own),
                "name",
            ) => Says::Value(json!(own)),
            (Meta::Field { arguments, .. } | Meta::Directive(_, _, arguments), "args") => {
                inputs(arguments)
            }
            (Meta::Field { of, .. } | Meta::Input(_, of), "type") => {
                Says::One(Meta::Type(of.clone()))
            }
            (Meta::Directive(own, ..), "name") => Says::Value(json!(own)),
            (Meta::Directive(_, locations, _), "locations") => Says::Value(json!(locations)),
            _ => none(),
        }
    }

    fn type_says(&self, of: &Of<'m>, name: &str) -> Says<'m> {
        let none = || Says::Value(Value::Null);
        let named = match of {
            Of::Named(named) => named,
            Of::List(inner) | Of::Always(inner) => {
                return match name {
                    "kind" if matches!(of, Of::List(_)) => Says::Value(json!("LIST")),
                    "kind" => Says::Value(json!("NON_NULL")),
                    "ofType" => Says::One(Meta::Type((**inner).clone())),
                    _ => none(),
                };
            }
        };
        let resources = || {
            let resources = ResourceType::all().filter_map(|of| self.model.resource(of));
            resources
                .map(|of| Meta::Type(Of::Named(Named::Fhir(of))))
                .collect()
        };
        match (name, named.kind()) {
            ("kind", kind) => Says::Value(json!(kind)),
            ("name", _) => Says::Value(json!(named.name())),
            ("fields", "OBJECT" | "INTERFACE") => Says::Many(self.fields(named)),
            ("interfaces", "OBJECT") => Says::Many(match named {
                Named::Fhir(of) if of.kind == TypeKind::Resource => {
                    vec![Meta::Type(Of::Named(Named::Resource))]
                }
                _ => Vec::new(),
            }),
            ("interfaces", "INTERFACE") => Says::Many(Vec::new()),
            ("possibleTypes", "INTERFACE") => Says::Many(resources()),
            ("enumValues", "ENUM") => {
                let names = ResourceType::all().map(|of| Meta::EnumValue(of.name().to_owned()));
                Says::Many(names.collect())
            }
            _ => none(),
        }
    }
}

fn field<'m>(name: &str, of: Of<'m>) -> Meta<'m> {
    Meta::Field {
        name: name.to_owned(),
        arguments: Vec::new(),
        of,
    }
}

fn repeated<'m>(choice: &Choice, of: Of<'m>) -> Of<'m> {
    match choice.field.is_array {
        true => list(of),
        false => of,
    }
}

fn points_at(parameter: &Parameter, target: ResourceType) -> bool {
    let is_reference = parameter.kind == Kind::Reference && parameter.supported;
    is_reference && parameter.targets.contains(&target)
}

fn directives<'m>() -> Vec<Meta<'m>> {
    const EVERYWHERE: &[&str] = &["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"];
    const FIELD: &[&str] = &["FIELD"];
    let condition = || vec![("if".to_owned(), always(scalar("Boolean")))];
    vec![
        Meta::Directive("skip", EVERYWHERE, condition()),
        Meta::Directive("include", EVERYWHERE, condition()),
        Meta::Directive("flatten", FIELD, Vec::new()),
        Meta::Directive("first", FIELD, Vec::new()),
        Meta::Directive("singleton", FIELD, Vec::new()),
        Meta::Directive(
            "slice",
            FIELD,
            vec![("path".to_owned(), always(scalar("String")))],
        ),
    ]
}
