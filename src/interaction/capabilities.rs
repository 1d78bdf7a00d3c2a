//! capabilities: what the server says of itself, derived from what it serves.
//! <https://hl7.org/fhir/R4/http.html#capabilities>,
//! <https://hl7.org/fhir/R4/capabilitystatement.html>
//!
//! The route table of `api` hands over its [`Offer`]s; the resource types are those of the
//! definitions and the search parameters those of the registry, so that nothing is said that
//! is not served. The profiles that are stored are listed with their types, and the guides of the
//! packages that are installed; `instantiates` is not claimed, since a guide's own statement asks
//! for more than this server has, such as SMART.
//!
//! ## Decisions
//! 2026-11-21: composed with `serde_json::json!`, not with the typed models of `fhir-model`.
//! Those are of R4B, whose list of resource types lacks 24 types of R4 (such as
//! MedicinalProduct), so that a true statement cannot be said with them.

use super::{Hub, search_combinations};
use crate::config::Integrity;
use crate::fhir::{Instant, ResourceType};
use crate::search::params::Modifier;
use crate::search::registry::{Kind, Parameter, Registry};
use crate::validation::profile::{Given, Profiles};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};

/// What a route does: an interaction of the RESTful API or one of our operations.
/// <https://hl7.org/fhir/R4/valueset-restful-interaction.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interaction {
    Read,
    Vread,
    Create,
    Update,
    ConditionalUpdate,
    Patch,
    ConditionalPatch,
    Delete,
    ConditionalDelete,
    History,
    Search,
    /// A batch or a transaction: the body says which.
    Bundle,
    Capabilities,
    Meta,
    MetaAdd,
    MetaDelete,
    Reindex,
    InstallPackage,
    Convert,
    Graphql,
    Snapshot,
    Validate,
    Expand,
    ValidateCode,
    Lookup,
    Subsumes,
    Translate,
    FindMatches,
    Closure,
    /// A job of the background: how far it is, or to cancel it.
    Job,
}

/// At which level of the API a route stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    System,
    Type,
    Instance,
}

/// One thing that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Offer {
    pub interaction: Interaction,
    pub level: Level,
}

/// Codes of [`Offer`]s in CapabilityStatement.rest: interactions of the system.
const SYSTEM_CODES: &[(Interaction, Level, &str)] = &[
    (Interaction::Bundle, Level::System, "transaction"),
    (Interaction::Bundle, Level::System, "batch"),
    (Interaction::Search, Level::System, "search-system"),
    (Interaction::History, Level::System, "history-system"),
];

/// Codes of [`Offer`]s in CapabilityStatement.rest.resource.
const RESOURCE_CODES: &[(Interaction, Level, &str)] = &[
    (Interaction::Read, Level::Instance, "read"),
    (Interaction::Vread, Level::Instance, "vread"),
    (Interaction::Update, Level::Instance, "update"),
    (Interaction::Patch, Level::Instance, "patch"),
    (Interaction::Delete, Level::Instance, "delete"),
    (Interaction::History, Level::Instance, "history-instance"),
    (Interaction::History, Level::Type, "history-type"),
    (Interaction::Create, Level::Type, "create"),
    (Interaction::Search, Level::Type, "search-type"),
];

impl Interaction {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Interaction::Read => "read",
            Interaction::Vread => "vread",
            Interaction::Create => "create",
            Interaction::Update => "update",
            Interaction::ConditionalUpdate => "conditional-update",
            Interaction::Patch => "patch",
            Interaction::ConditionalPatch => "conditional-patch",
            Interaction::Delete => "delete",
            Interaction::ConditionalDelete => "conditional-delete",
            Interaction::History => "history",
            Interaction::Search => "search",
            Interaction::Bundle => "bundle",
            Interaction::Capabilities => "capabilities",
            Interaction::Meta => "$meta",
            Interaction::MetaAdd => "$meta-add",
            Interaction::MetaDelete => "$meta-delete",
            Interaction::Reindex => "$reindex",
            Interaction::InstallPackage => "$install-package",
            Interaction::Convert => "$convert",
            Interaction::Graphql => "$graphql",
            Interaction::Snapshot => "$snapshot",
            Interaction::Validate => "$validate",
            Interaction::Expand => "$expand",
            Interaction::ValidateCode => "$validate-code",
            Interaction::Lookup => "$lookup",
            Interaction::Subsumes => "$subsumes",
            Interaction::Translate => "$translate",
            Interaction::FindMatches => "$find-matches",
            Interaction::Closure => "$closure",
            Interaction::Job => "job",
        }
    }

    /// Whether it may change resources.
    pub fn is_write(self) -> bool {
        match self {
            Interaction::Create
            | Interaction::Update
            | Interaction::ConditionalUpdate
            | Interaction::Patch
            | Interaction::ConditionalPatch
            | Interaction::Delete
            | Interaction::ConditionalDelete
            | Interaction::Bundle
            | Interaction::InstallPackage
            | Interaction::MetaAdd
            | Interaction::MetaDelete => true,
            Interaction::Read
            | Interaction::Vread
            | Interaction::History
            | Interaction::Search
            | Interaction::Capabilities
            | Interaction::Meta
            | Interaction::Reindex
            | Interaction::Convert
            | Interaction::Graphql
            | Interaction::Snapshot
            | Interaction::Validate
            | Interaction::Expand
            | Interaction::ValidateCode
            | Interaction::Lookup
            | Interaction::Subsumes
            | Interaction::Translate
            | Interaction::FindMatches
            | Interaction::Closure
            | Interaction::Job => false,
        }
    }

    /// The types whose operation this is; `None` where it is one of all types.
    pub fn resource_types(self) -> Option<&'static [&'static str]> {
        match self {
            Interaction::Expand => Some(&["ValueSet"]),
            Interaction::ValidateCode => Some(&["CodeSystem", "ValueSet"]),
            Interaction::Lookup | Interaction::Subsumes | Interaction::FindMatches => {
                Some(&["CodeSystem"])
            }
            Interaction::Translate => Some(&["ConceptMap"]),
            Interaction::Snapshot => Some(&["StructureDefinition"]),
            _ => None,
        }
    }

    /// Whether it is served on this type.
    pub fn is_of(self, resource_type: ResourceType) -> bool {
        let types = self.resource_types();
        types.is_none_or(|types| types.contains(&resource_type.name()))
    }

    /// Name and definition in the statement, for an operation of a type or of all.
    fn operation(self, of: Option<ResourceType>) -> Option<(&'static str, &'static str)> {
        match (self, of.map(ResourceType::name)) {
            (Interaction::Expand, _) => Some((
                "expand",
                "http://hl7.org/fhir/OperationDefinition/ValueSet-expand",
            )),
            (Interaction::ValidateCode, Some("CodeSystem")) => Some((
                "validate-code",
                "http://hl7.org/fhir/OperationDefinition/CodeSystem-validate-code",
            )),
            (Interaction::ValidateCode, _) => Some((
                "validate-code",
                "http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code",
            )),
            (Interaction::Lookup, _) => Some((
                "lookup",
                "http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup",
            )),
            (Interaction::Subsumes, _) => Some((
                "subsumes",
                "http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes",
            )),
            (Interaction::Translate, _) => Some((
                "translate",
                "http://hl7.org/fhir/OperationDefinition/ConceptMap-translate",
            )),
            (Interaction::FindMatches, _) => Some((
                "find-matches",
                "http://hl7.org/fhir/OperationDefinition/CodeSystem-find-matches",
            )),
            _ => self.common_operation(),
        }
    }

    fn common_operation(self) -> Option<(&'static str, &'static str)> {
        match self {
            Interaction::Meta => Some((
                "meta",
                "http://hl7.org/fhir/OperationDefinition/Resource-meta",
            )),
            Interaction::MetaAdd => Some((
                "meta-add",
                "http://hl7.org/fhir/OperationDefinition/Resource-meta-add",
            )),
            Interaction::MetaDelete => Some((
                "meta-delete",
                "http://hl7.org/fhir/OperationDefinition/Resource-meta-delete",
            )),
            Interaction::Convert => Some((
                "convert",
                "http://hl7.org/fhir/OperationDefinition/Resource-convert",
            )),
            Interaction::Graphql => Some((
                "graphql",
                "http://hl7.org/fhir/OperationDefinition/Resource-graphql",
            )),
            Interaction::Snapshot => Some((
                "snapshot",
                "http://hl7.org/fhir/OperationDefinition/StructureDefinition-snapshot",
            )),
            Interaction::Validate => Some((
                "validate",
                "http://hl7.org/fhir/OperationDefinition/Resource-validate",
            )),
            Interaction::InstallPackage => Some((
                "install-package",
                "https://andiron.example/fhir/OperationDefinition/install-package",
            )),
            Interaction::Closure => Some((
                "closure",
                "http://hl7.org/fhir/OperationDefinition/ConceptMap-closure",
            )),
            Interaction::Reindex => Some((
                "reindex",
                "https://andiron.example/fhir/OperationDefinition/reindex",
            )),
            _ => None,
        }
    }
}

/// The CapabilityStatement of this server; `started` is when it began to say so.
pub fn capability_statement(hub: &Hub, offers: &[Offer], started: Instant) -> Value {
    let mut statement = head("CapabilityStatement", hub, started);
    statement.insert("fhirVersion".into(), json!("4.0.1"));
    statement.insert(
        "format".into(),
        json!([
            "json",
            "xml",
            "application/fhir+json",
            "application/json",
            "application/fhir+xml",
            "application/xml",
            "text/xml"
        ]),
    );
    let patches = [
        "application/json-patch+json",
        "application/xml-patch+xml",
        "application/fhir+json",
        "application/fhir+xml",
    ];
    statement.insert("patchFormat".into(), json!(patches));
    let profiles = hub.profiles.profiles();
    let guides: Vec<Value> = guides(&profiles).map(Value::from).collect();
    if !guides.is_empty() {
        statement.insert("implementationGuide".into(), Value::Array(guides));
    }
    let registry = &hub.live.current().searchable;
    statement.insert("rest".into(), json!([rest(hub, registry, offers)]));
    Value::Object(statement)
}

/// The TerminologyCapabilities. Code systems are resources here: a search lists them.
/// <https://hl7.org/fhir/R4/terminologycapabilities.html>
pub fn terminology_capabilities(hub: &Hub, started: Instant) -> Value {
    let mut statement = head("TerminologyCapabilities", hub, started);
    let parameters = [
        "activeOnly",
        "check-system-version",
        "context",
        "count",
        "default-valueset-version",
        "displayLanguage",
        "exclude-system",
        "excludeNested",
        "filter",
        "force-system-version",
        "includeDefinition",
        "includeDesignations",
        "offset",
        "system-version",
        "url",
        "useSupplement",
        "valueSet",
        "valueSetVersion",
    ];
    let parameters = parameters.map(|name| json!({"name": name}));
    let expansion = json!({"hierarchical": true, "paging": true, "incomplete": false,
        "parameter": parameters,
        "textFilter": "Each word begins a word of the display, a designation or the code."});
    statement.insert("expansion".into(), expansion);
    statement.insert("codeSearch".into(), json!("all"));
    statement.insert("validateCode".into(), json!({"translations": false}));
    statement.insert("translation".into(), json!({"needsMap": false}));
    statement.insert("closure".into(), json!({"translation": false}));
    Value::Object(statement)
}

fn head(resource_type: &str, hub: &Hub, started: Instant) -> Map<String, Value> {
    let value = json!({
        "resourceType": resource_type,
        "name": format!("Andiron{resource_type}"),
        "title": "Andiron FHIR R4 server",
        "status": "active",
        "date": started.to_string(),
        "kind": "instance",
        "software": {"name": "Andiron", "version": env!("CARGO_PKG_VERSION")},
        "implementation": {"description": "Andiron FHIR R4 server", "url": hub.settings.base},
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The guides of installed packages.
fn guides(profiles: &Profiles) -> impl Iterator<Item = String> {
    let mut all: Vec<String> = profiles
        .given()
        .filter(|given| given.kind() == "ImplementationGuide" && given.package().is_some())
        .map(|given| canonical(given))
        .collect();
    all.sort();
    all.dedup();
    all.into_iter()
}

fn canonical(given: &Given) -> String {
    match given.version() {
        "" => given.url().to_owned(),
        version => format!("{}|{version}", given.url()),
    }
}

/// The profiles of each type that are stored: by URL, which means the newest version, and with
/// each version that there is.
fn supported_profiles(profiles: &Profiles) -> HashMap<&str, BTreeSet<String>> {
    let mut all: HashMap<&str, BTreeSet<String>> = HashMap::new();
    for given in profiles.given() {
        if let Some(name) = given.profiled() {
            let of_type = all.entry(name).or_default();
            of_type.insert(given.url().to_owned());
            of_type.insert(canonical(given));
        }
    }
    all
}

/// What a search takes that is no parameter of a type.
const SEARCHES: &str = "Searches are strict: what is not known is refused unless Prefer: \
    handling=lenient. _include and _revinclude take Source:parameter, Source:parameter:Target, \
    Source:* and *, each also with :iterate. Chains (subject:Patient.name) and _has nest in each \
    other, up to 8 steps, and lead into contained resources. _contained is false, true or both, \
    _containedType container or contained. _sort takes up to 8 keys: _id, _lastUpdated, \
    near, _score (beside _text or _content, whose matches have a score unless _score is false) and \
    all parameters but composites. _total is none, estimate \
    or accurate. Also _count, _summary, _elements, _format, _pretty. Compartments: \
    Patient/1/Observation, Patient/1/*.";

fn rest(hub: &Hub, registry: &Registry, offers: &[Offer]) -> Value {
    let profiles = hub.profiles.profiles();
    let mut supported = supported_profiles(&profiles);
    let resources: Vec<Value> = ResourceType::all()
        .map(|resource_type| {
            let profiles = supported.remove(resource_type.name()).unwrap_or_default();
            resource(hub, registry, offers, resource_type, profiles)
        })
        .collect();
    // What every type has, any type shows.
    let common: Vec<Value> = ResourceType::parse("Basic")
        .into_iter()
        .flat_map(|basic| served(registry, basic))
        .filter(|parameter| parameter.code.starts_with('_'))
        .map(search_parameter)
        .collect();
    let mut rest = json!({
        "mode": "server",
        "security": {
            "cors": true,
            "description": "No authentication yet: every caller may do everything.",
        },
        "documentation": SEARCHES,
        "resource": resources,
        "interaction": interactions(offers, SYSTEM_CODES),
    });
    let common = common.into_iter().chain(special_parameters()).collect();
    insert_list(&mut rest, "searchParam", common);
    let compartments = hub.definitions.compartments().iter();
    let compartments = compartments
        .map(|compartment| json!(compartment.url))
        .collect();
    insert_list(&mut rest, "compartment", compartments);
    insert_list(&mut rest, "operation", operations(offers, None));
    rest
}

fn resource(
    hub: &Hub,
    registry: &Registry,
    offers: &[Offer],
    resource_type: ResourceType,
    profiles: BTreeSet<String>,
) -> Value {
    let serves = |interaction| offers.iter().any(|offer| offer.interaction == interaction);
    let name = resource_type.name();
    let mut references = vec!["literal", "local"];
    if hub.settings.integrity != Integrity::Off {
        references.push("enforced");
    }
    let mut resource = json!({
        "type": name,
        "profile": format!("http://hl7.org/fhir/StructureDefinition/{name}"),
        "interaction": interactions(offers, RESOURCE_CODES),
        "versioning": "versioned",
        "readHistory": serves(Interaction::Vread),
        "updateCreate": serves(Interaction::Update),
        "conditionalCreate": serves(Interaction::Create),
        "conditionalRead": "full-support",
        "conditionalUpdate": serves(Interaction::ConditionalUpdate),
        "conditionalDelete": match serves(Interaction::ConditionalDelete) {
            true => "multiple",
            false => "not-supported",
        },
        "referencePolicy": references,
    });
    let profiles = profiles.into_iter().map(Value::from).collect();
    insert_list(&mut resource, "supportedProfile", profiles);
    insert_list(
        &mut resource,
        "extension",
        search_combinations::extensions(registry, resource_type),
    );
    insert_list(
        &mut resource,
        "searchInclude",
        includes(registry, resource_type),
    );
    insert_list(
        &mut resource,
        "searchRevInclude",
        reverse_includes(registry, resource_type),
    );
    let parameters = served(registry, resource_type)
        .map(search_parameter)
        .collect();
    insert_list(&mut resource, "searchParam", parameters);
    insert_list(
        &mut resource,
        "operation",
        operations(offers, Some(resource_type)),
    );
    resource
}

/// FHIR's JSON has no empty arrays.
fn insert_list(object: &mut Value, name: &str, list: Vec<Value>) {
    if !list.is_empty() {
        object[name] = Value::Array(list);
    }
}

fn interactions(offers: &[Offer], codes: &[(Interaction, Level, &str)]) -> Vec<Value> {
    codes
        .iter()
        .filter(|&&(interaction, level, _)| offers.contains(&Offer { interaction, level }))
        .map(|(_, _, code)| json!({ "code": code }))
        .collect()
}

/// The operations of a type, or those of the system.
fn operations(offers: &[Offer], of: Option<ResourceType>) -> Vec<Value> {
    let is_here = |offer: &&Offer| match of {
        Some(resource_type) => {
            offer.level != Level::System && offer.interaction.is_of(resource_type)
        }
        None => offer.level == Level::System,
    };
    let mut named: Vec<(&str, &str)> = offers
        .iter()
        .filter(is_here)
        .filter_map(|offer| offer.interaction.operation(of))
        .collect();
    named.sort_unstable();
    named.dedup();
    named
        .into_iter()
        .map(|(name, definition)| json!({"name": name, "definition": definition}))
        .collect()
}

/// The parameters of a type that a search takes: the registry also knows those that it does
/// not serve.
fn served(registry: &Registry, resource_type: ResourceType) -> impl Iterator<Item = &Parameter> {
    let parameters = registry.parameters(resource_type).iter();
    parameters.filter(|parameter| parameter.supported)
}

fn search_parameter(parameter: &Parameter) -> Value {
    let mut said = json!({
        "name": parameter.code,
        "definition": parameter.url,
        "type": kind_code(parameter.kind),
    });
    let mut documentation = Vec::new();
    let modifiers = Modifier::supported_by(parameter);
    if !modifiers.is_empty() {
        documentation.push(format!("Modifiers: {}.", modifiers.join(", ")));
    }
    if parameter.can_be_followed() {
        let code = &parameter.code;
        documentation.push(format!("Chains: {code}.parameter, {code}:Type.parameter."));
    }
    documentation.extend(values(parameter).map(str::to_owned));
    if !documentation.is_empty() {
        said["documentation"] = json!(documentation.join(" "));
    }
    said
}

/// What its values are like, where its type does not say so.
fn values(parameter: &Parameter) -> Option<&'static str> {
    match (parameter.code.as_str(), parameter.kind) {
        ("_text", _) => Some("Words of the narrative: \"a phrase\", this or that, -without."),
        ("_content", _) => Some("Words of all strings: \"a phrase\", this or that, -without."),
        (_, Kind::Composite) => Some("The values of its components with $ between them."),
        (_, Kind::Special) => {
            Some("latitude|longitude, |distance (km; 50 without it), |unit (UCUM) of a circle.")
        }
        _ => None,
    }
}

/// What every search takes and no SearchParameter of R4 defines.
fn special_parameters() -> impl Iterator<Item = Value> {
    [
        ("_has", "_has:Type:reference:parameter=value, also in chains and within itself."),
        ("_list", "The id of a List, or $current-problems, $current-medications, \
                   $current-allergies, $current-drug-allergies: Lists of that code."),
        ("_filter", "Operators eq ne co sw gt lt ge le ap sa eb pr po ss sb in ni re as far as the \
                     type of the parameter has them; and, or, not; chains."),
        ("_type", "In searches of the system and of a whole compartment."),
        ("_explain", "Ours. true: how the search would be run, instead of its matches. An id, or \
                      Type/id: whether that resource matches, and which condition does not hold."),
    ]
    .into_iter()
    .map(|(name, documentation)| {
        json!({"name": name, "type": "special", "documentation": documentation})
    })
}

/// <https://hl7.org/fhir/R4/valueset-search-param-type.html>
fn kind_code(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "number",
        Kind::Date => "date",
        Kind::String => "string",
        Kind::Token => "token",
        Kind::Reference => "reference",
        Kind::Composite => "composite",
        Kind::Quantity => "quantity",
        Kind::Uri => "uri",
        Kind::Special => "special",
    }
}

/// `Observation:subject` for each reference parameter of the type.
fn includes(registry: &Registry, resource_type: ResourceType) -> Vec<Value> {
    served(registry, resource_type)
        .filter(|parameter| parameter.kind == Kind::Reference)
        .map(|parameter| json!(format!("{resource_type}:{}", parameter.code)))
        .collect()
}

/// `Observation:subject` for each reference parameter of any type that may point here.
fn reverse_includes(registry: &Registry, target: ResourceType) -> Vec<Value> {
    let mut names = Vec::new();
    for source in ResourceType::all() {
        for parameter in served(registry, source) {
            let is_open = parameter.targets.is_empty() || parameter.targets.contains(&target);
            if parameter.kind == Kind::Reference && is_open {
                names.push(json!(format!("{source}:{}", parameter.code)));
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_offered_is_said() {
        let offers = [
            Offer {
                interaction: Interaction::Read,
                level: Level::Instance,
            },
            Offer {
                interaction: Interaction::Bundle,
                level: Level::System,
            },
            Offer {
                interaction: Interaction::Meta,
                level: Level::System,
            },
            Offer {
                interaction: Interaction::Meta,
                level: Level::Type,
            },
            Offer {
                interaction: Interaction::Meta,
                level: Level::Instance,
            },
        ];
        let codes = |table| {
            let said = interactions(&offers, table);
            said.iter()
                .map(|one| one["code"].to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(codes(RESOURCE_CODES), [r#""read""#]);
        assert_eq!(codes(SYSTEM_CODES), [r#""transaction""#, r#""batch""#]);
        let named = operations(&offers, ResourceType::parse("Patient"));
        assert_eq!(named.len(), 1);
        assert_eq!(named[0]["name"], "meta");
    }
}
