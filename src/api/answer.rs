//! From a route to its interaction and back: reads the request, makes the one call, shapes
//! the response. One function per interaction, none of which knows a rule of FHIR that the
//! interactions below do not know better.

use super::middleware::{caller, request_id};
use super::negotiate::{BodyFormat, Expected};
use super::place::{Place, unknown_operation};
use super::query::Query;
use super::request::{self, Wishes};
use super::router::Route;
use super::{Api, body, error, response};
use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::bundle::Outgoing;
use crate::fhir::{ResourceType, Version, query};
use crate::format;
use crate::graphql;
use crate::interaction::capabilities::Interaction;
use crate::interaction::subset::{Subset, subset};
use crate::interaction::{
    self, Patch, Read, Return, Subject, create, delete, history, patch, read, update, vread,
};
use crate::jobs::profiles;
use crate::operation::elsewhere::or_elsewhere;
use crate::operation::{
    Given, closure, convert, expand, find_matches, install_package, lookup, meta, reindex,
    snapshot, subsumes, terminology, translate, validate, validate_code,
};
use crate::search::{self, Handling};
use crate::terminology::language::is_list;
use crate::terminology::remote::FORWARDED;
use crate::validation::places;
use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// How long the CapabilityStatement waits to hear which profiles are stored.
const PROFILES_TIME: Duration = Duration::from_secs(1);

/// Which route answered, for the log and the metrics.
#[derive(Clone, Copy)]
pub struct Served {
    pub route: &'static Route,
    pub resource_type: Option<ResourceType>,
}

/// A request, read as far as every interaction needs it.
struct Call<'a> {
    api: &'a Api,
    access: Access,
    parts: &'a Parts,
    place: Place,
    query: Query<'a>,
    wishes: Wishes,
}

/// Answers a request that the route table has sent here.
pub async fn answer(api: &Api, route: &'static Route, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let place = Place::parse(route.path, parts.uri.path());
    let resource_type = place.as_ref().ok().and_then(|place| place.resource_type);
    let answered = match place {
        Ok(place) => perform(api, route, place, &parts, body).await,
        Err(error) => Err(error),
    };
    let mut response =
        answered.unwrap_or_else(|error| error::respond(&error, request_id(&parts.extensions)));
    response.extensions_mut().insert(Served {
        route,
        resource_type,
    });
    response
}

async fn perform(
    api: &Api,
    route: &Route,
    place: Place,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    let query = Query::parse(parts.uri.query())?;
    let call = Call {
        api,
        access: caller(),
        wishes: Wishes::parse(&query.pairs, &parts.headers)?,
        parts,
        place,
        query,
    };
    if let Some(resource_type) = call.place.resource_type
        && !route.interaction.is_of(resource_type)
    {
        return Err(unknown_operation(route.interaction.name()));
    }
    if route.interaction.is_write() {
        request::refuse_provenance(&parts.headers)?;
    }
    match route.interaction {
        Interaction::Read => call.read().await,
        Interaction::Vread => call.vread().await,
        Interaction::Create => call.create(body).await,
        Interaction::Update => call.update(call.identified()?, body).await,
        Interaction::ConditionalUpdate => call.update(call.conditional()?, body).await,
        Interaction::Patch => call.patch(call.identified()?, body).await,
        Interaction::ConditionalPatch => call.patch(call.conditional()?, body).await,
        Interaction::Delete => call.delete(call.identified()?).await,
        Interaction::ConditionalDelete => call.delete(call.conditional()?).await,
        Interaction::History => call.history().await,
        Interaction::Search => call.search(body).await,
        Interaction::Bundle => call.bundle(body).await,
        Interaction::Capabilities => call.capabilities().await,
        Interaction::Meta => call.meta(body).await,
        Interaction::MetaAdd => call.meta_add(body).await,
        Interaction::MetaDelete => call.meta_delete(body).await,
        Interaction::Reindex => call.reindex(body).await,
        Interaction::InstallPackage => call.install_package(body).await,
        Interaction::Convert => call.convert(body).await,
        Interaction::Graphql => call.graphql(body).await,
        Interaction::Snapshot => call.snapshot(body).await,
        Interaction::Validate => call.validate(body).await,
        Interaction::Expand
        | Interaction::ValidateCode
        | Interaction::Lookup
        | Interaction::Subsumes
        | Interaction::Translate
        | Interaction::FindMatches
        | Interaction::Closure => call.terminology(route.interaction, body).await,
        Interaction::Job => call.job().await,
    }
}

/// A resource that a request brought.
struct Sent {
    json: Bytes,
    /// False where it was XML.
    is_as_sent: bool,
}

impl Sent {
    /// The text that was sent, where that is JSON.
    fn text(&self) -> Option<&[u8]> {
        self.is_as_sent.then_some(&self.json)
    }

    /// The same failure, its issues with their lines and columns in the text that was sent.
    fn located(&self, mut error: Error) -> Error {
        if let Some(text) = self.text() {
            places::find_lines(&mut error.issues, text, "");
        }
        error
    }
}

impl Call<'_> {
    fn base(&self) -> &str {
        &self.api.hub.settings.base
    }

    fn identified(&self) -> Result<Subject> {
        Ok(Subject::Id(self.place.id()?.to_owned()))
    }

    /// # Errors
    /// `Invalid`: no criteria, which would mean every resource of the type.
    fn conditional(&self) -> Result<Subject> {
        let criteria = self.query.criteria();
        match criteria.is_empty() {
            false => Ok(Subject::Criteria(criteria)),
            true => Err(Error::coded(
                Category::Invalid,
                "required",
                "expected an id in the path or search criteria in the query but found neither",
            )),
        }
    }

    /// The JSON of a resource that came in either format.
    async fn resource(&self, body: Body) -> Result<Bytes> {
        Ok(self.sent(body).await?.json)
    }

    async fn sent(&self, body: Body) -> Result<Sent> {
        Ok(match self.read_body(body, Expected::Resource).await? {
            (BodyFormat::Xml, bytes) => Sent {
                json: self.to_json(bytes).await?,
                is_as_sent: false,
            },
            (_, json) => Sent {
                json,
                is_as_sent: true,
            },
        })
    }

    async fn read_body(&self, body: Body, expected: Expected) -> Result<(BodyFormat, Bytes)> {
        let limit = self.api.hub.settings.limits.body_size;
        body::read(&self.parts.headers, body, expected, limit).await
    }

    /// The JSON of a resource in XML.
    async fn to_json(&self, bytes: Bytes) -> Result<Bytes> {
        let definitions = Arc::clone(&self.api.hub.definitions);
        let (size, depth) = (bytes.len(), self.api.hub.settings.limits.json_depth);
        let convert = move || format::to_json(&definitions, &bytes, depth);
        let json = response::off_the_loop(size, convert).await?;
        Ok(Bytes::from(json))
    }

    /// The body of a version, or the part of it that is asked for.
    fn shown(&self, version: &Version) -> Result<Bytes> {
        let body = version.body.clone().unwrap_or_default();
        let how = Subset::parse(&self.query.pairs)?;
        Ok(subset(&self.api.hub.definitions, &body, &how))
    }

    /// A read takes no search parameters; who asks for strictness is told.
    fn refuse_unexpected(&self) -> Result<()> {
        if self.wishes.preferences.handling != Some(Handling::Strict) {
            return Ok(());
        }
        match self.query.unexpected().next() {
            None => Ok(()),
            Some(name) => Err(Error::coded(
                Category::Invalid,
                "not-supported",
                format!("the parameter {name:?} has no meaning on a read"),
            )),
        }
    }

    async fn read(&self) -> Result<Response> {
        self.refuse_unexpected()?;
        let conditions = request::read_conditions(&self.parts.headers)?;
        let (resource_type, id) = (self.place.resource_type()?, self.place.id()?);
        let hub = &self.api.hub;
        match read::read(hub, &self.access, resource_type, id, &conditions).await? {
            Read::Found(version) => {
                let body = self.shown(&version)?;
                Ok(response::found(&version, body, self.base(), &self.wishes))
            }
            Read::NotModified(version) => Ok(response::not_modified(&version)),
        }
    }

    async fn vread(&self) -> Result<Response> {
        self.refuse_unexpected()?;
        let version = self.place.version.as_deref().unwrap_or_default();
        let (resource_type, id) = (self.place.resource_type()?, self.place.id()?);
        let hub = &self.api.hub;
        let version = vread::vread(hub, &self.access, resource_type, id, version).await?;
        let body = self.shown(&version)?;
        Ok(response::found(&version, body, self.base(), &self.wishes))
    }

    async fn create(&self, body: Body) -> Result<Response> {
        let if_none_exist = request::if_none_exist(&self.parts.headers)?;
        let resource_type = self.place.resource_type()?;
        let sent = self.sent(body).await?;
        let hub = &self.api.hub;
        let written = create::create(
            hub,
            &self.access,
            resource_type,
            sent.json.clone(),
            if_none_exist.as_deref(),
        )
        .await
        .map_err(|error| sent.located(error))?;
        Ok(response::written(&written, self.base(), &self.wishes))
    }

    async fn update(&self, subject: Subject, body: Body) -> Result<Response> {
        let conditions = request::write_conditions(&self.parts.headers)?;
        let resource_type = self.place.resource_type()?;
        let sent = self.sent(body).await?;
        let hub = &self.api.hub;
        let json = sent.json.clone();
        let written = update::update(hub, &self.access, resource_type, subject, json, &conditions)
            .await
            .map_err(|error| sent.located(error))?;
        Ok(response::written(&written, self.base(), &self.wishes))
    }

    async fn patch(&self, subject: Subject, body: Body) -> Result<Response> {
        let conditions = request::write_conditions(&self.parts.headers)?;
        let resource_type = self.place.resource_type()?;
        let patch = match self.read_body(body, Expected::Patch).await? {
            (BodyFormat::XmlPatch, patch) => Patch::Xml(patch),
            (BodyFormat::Json, parameters) => Patch::FhirPath(parameters),
            (BodyFormat::Xml, parameters) => Patch::FhirPath(self.to_json(parameters).await?),
            (_, patch) => Patch::Json(patch),
        };
        let hub = &self.api.hub;
        let written = patch::patch(
            hub,
            &self.access,
            resource_type,
            subject,
            patch,
            &conditions,
        )
        .await?;
        Ok(response::written(&written, self.base(), &self.wishes))
    }

    async fn delete(&self, subject: Subject) -> Result<Response> {
        let conditions = request::write_conditions(&self.parts.headers)?;
        let resource_type = self.place.resource_type()?;
        let hub = &self.api.hub;
        let deleted =
            delete::delete(hub, &self.access, resource_type, subject, &conditions).await?;
        Ok(response::deleted(&deleted, &self.wishes))
    }

    async fn history(&self) -> Result<Response> {
        let scope = match (self.place.resource_type, &self.place.id) {
            (Some(resource_type), Some(id)) => history::Scope::Instance(resource_type, id.clone()),
            (Some(resource_type), None) => history::Scope::Type(resource_type),
            (None, _) => history::Scope::System,
        };
        let how = Subset::parse(&self.query.pairs)?;
        let hub = &self.api.hub;
        let mut bundle = history::history(hub, &self.access, &scope, &self.query.pairs).await?;
        let bodies = bundle.entries.iter_mut();
        for body in bodies.filter_map(|entry| entry.resource.as_mut()) {
            *body = subset(&hub.definitions, body, &how);
        }
        Ok(self.bundled(&bundle))
    }

    fn bundled(&self, bundle: &Outgoing) -> Response {
        response::json(StatusCode::OK, bundle.to_json(), &self.wishes)
    }

    /// GET, or POST with the parameters of the URL and of the form together.
    async fn search(&self, body: Body) -> Result<Response> {
        let mut pairs = self.query.pairs.clone();
        let mut wishes = self.wishes.clone();
        if self.parts.method == Method::POST {
            pairs.extend(self.form(body).await?);
            wishes = Wishes::parse(&pairs, &self.parts.headers)?;
        }
        let answered = self.searched(pairs, &wishes).await;
        Ok(answered.unwrap_or_else(|error| {
            let mut response = error::respond(&error, request_id(&self.parts.extensions));
            // A form may ask for another format than the URL does.
            response::mark(&mut response, &wishes);
            response
        }))
    }

    async fn searched(&self, pairs: Vec<(String, String)>, wishes: &Wishes) -> Result<Response> {
        let request = search::Request {
            scope: self.search_scope(),
            pairs,
            handling: wishes.preferences.handling.unwrap_or(Handling::Strict),
        };
        let found = interaction::search::search(&self.api.hub, &self.access, request).await?;
        let mut response = response::json(StatusCode::OK, found, wishes);
        response::handling_applied(&mut response, wishes);
        Ok(response)
    }

    /// Where is searched.
    fn search_scope(&self) -> search::Scope {
        let Place { member, id, .. } = &self.place;
        match (self.place.resource_type, id, member) {
            (Some(focal), Some(id), Some(member)) => search::Scope::Compartment {
                focal,
                id: id.clone(),
                member: member.resource_type(),
            },
            (Some(resource_type), ..) => search::Scope::Type(resource_type),
            (None, ..) => search::Scope::System,
        }
    }

    /// The form of a POST search; without a Content-Type it has to be empty. It may be longer
    /// than a URL, since that is what it is for, but not as long as a resource.
    ///
    /// # Errors
    /// `TooLarge` naming `url-length`; those of a body and of a query.
    async fn form(&self, body: Body) -> Result<Vec<(String, String)>> {
        /// How many times as long as a URL a form may be.
        const LONGER: usize = 64;
        let headers = &self.parts.headers;
        let is_bare = !headers.contains_key(header::CONTENT_TYPE)
            && axum::body::HttpBody::is_end_stream(&body);
        if is_bare {
            return Ok(Vec::new());
        }
        let limits = &self.api.hub.settings.limits;
        let most = limits.url_length.saturating_mul(LONGER);
        let limit = most.min(limits.body_size);
        let (_, form) = body::read(headers, body, Expected::Form, limit)
            .await
            .map_err(|error| match error.category {
                Category::TooLarge if most < limits.body_size => Error::new(
                    Category::TooLarge,
                    format!(
                        "the form is larger than {most} bytes, {LONGER} times the limit \
                         `url-length`"
                    ),
                ),
                _ => error,
            })?;
        let text = std::str::from_utf8(&form)
            .map_err(|_| Error::invalid("expected a form in UTF-8 but found other bytes"))?;
        query::pairs(text.trim_end_matches(['\r', '\n']))
    }

    async fn bundle(&self, body: Body) -> Result<Response> {
        let body = self.resource(body).await?;
        // By default the entries carry no resources: who sent ten thousand knows them.
        let preference = self.wishes.preferences.response.unwrap_or(Return::Minimal);
        let hub = &self.api.hub;
        let bundle = interaction::bundle::process(hub, &self.access, body, preference).await?;
        let mut response = self.bundled(&bundle);
        response::return_applied(&mut response, &self.wishes);
        Ok(response)
    }

    async fn capabilities(&self) -> Result<Response> {
        profiles::refresh_within(&self.api.hub, PROFILES_TIME).await;
        let statement = self.api.statement(self.query.first("mode"))?;
        let if_none_match = request::joined(&self.parts.headers, &header::IF_NONE_MATCH)?;
        let is_known = if_none_match.is_some_and(|tags| tags.contains(&statement.etag));
        let mut response = match is_known {
            true => response::empty(StatusCode::NOT_MODIFIED),
            false => {
                let how = Subset::parse(&self.query.pairs)?;
                let body = subset(&self.api.hub.definitions, &statement.body, &how);
                response::json(StatusCode::OK, body, &self.wishes)
            }
        };
        response::insert(response.headers_mut(), header::ETAG, statement.etag.clone());
        Ok(response)
    }

    /// What the `$meta` operations are asked of.
    fn meta_scope(&self) -> meta::Scope {
        match (self.place.resource_type, &self.place.id) {
            (Some(resource_type), Some(id)) => meta::Scope::Instance {
                resource_type,
                id: id.clone(),
                version: self.place.version.clone(),
            },
            (Some(resource_type), None) => meta::Scope::Type(resource_type),
            (None, _) => meta::Scope::System,
        }
    }

    /// `$meta` has no parameters, so that the body of a POST is read past.
    async fn meta(&self, _body: Body) -> Result<Response> {
        let hub = &self.api.hub;
        let parameters = meta::meta(hub, &self.access, &self.meta_scope()).await?;
        Ok(self.parameters(&parameters))
    }

    async fn meta_add(&self, body: Body) -> Result<Response> {
        let body = self.resource(body).await?;
        let hub = &self.api.hub;
        let parameters = meta::meta_add(hub, &self.access, &self.meta_scope(), body).await?;
        Ok(self.parameters(&parameters))
    }

    async fn meta_delete(&self, body: Body) -> Result<Response> {
        let body = self.resource(body).await?;
        let hub = &self.api.hub;
        let parameters = meta::meta_delete(hub, &self.access, &self.meta_scope(), body).await?;
        Ok(self.parameters(&parameters))
    }

    /// The body may be absent, and then needs no Content-Type.
    async fn reindex(&self, body: Body) -> Result<Response> {
        let body = match axum::body::HttpBody::is_end_stream(&body) {
            true => Bytes::new(),
            false => self.resource(body).await?,
        };
        let (hub, place) = (&self.api.hub, self.place.resource_type);
        let request = reindex::Request::parse(hub, place, &self.query.pairs, &body)?;
        let job = reindex::start(hub, &self.access, &request).await?;
        let mut response = self.parameters(&reindex::parameters(&job, self.base()));
        *response.status_mut() = StatusCode::ACCEPTED;
        let url = format!("{}/_job/{}", self.base(), job.id);
        response::insert(response.headers_mut(), header::CONTENT_LOCATION, url);
        Ok(response)
    }

    async fn install_package(&self, body: Body) -> Result<Response> {
        let (_, body) = self.read_body(body, Expected::Package).await?;
        let (hub, pairs) = (&self.api.hub, &self.query.pairs);
        let answer = install_package::install_archive(hub, &self.access, body, pairs).await?;
        Ok(self.parameters(&answer))
    }

    async fn convert(&self, body: Body) -> Result<Response> {
        let body = convert::convert(&self.api.hub, self.resource(body).await?)?;
        Ok(response::json(StatusCode::OK, body, &self.wishes))
    }

    /// Always JSON of its own kind, errors too, whatever format is asked for.
    async fn graphql(&self, body: Body) -> Result<Response> {
        let answered = self.graphed(body).await;
        Ok(answered.unwrap_or_else(|error| {
            // Logged as every error is; its body is said in GraphQL's way.
            let status = error::respond(&error, request_id(&self.parts.extensions)).status();
            let answer = graphql::Answer::failed(error);
            response::plain_json(status, &answer.to_json())
        }))
    }

    async fn graphed(&self, body: Body) -> Result<Response> {
        let hub = &self.api.hub;
        let depth = hub.settings.limits.json_depth;
        let request = match self.parts.method == Method::POST {
            false => graphql::Request::of_pairs(&self.query.pairs, depth)?,
            true => match self.read_body(body, Expected::Graphql).await? {
                (BodyFormat::Graphql, document) => graphql::Request::of_document(&document)?,
                (_, json) => graphql::Request::of_json(&json, depth)?,
            },
        };
        let scope = match (self.place.resource_type, &self.place.id) {
            (Some(of), Some(id)) => graphql::Scope::Instance(of, id.clone()),
            _ => graphql::Scope::System,
        };
        if request.may_change {
            request::refuse_provenance(&self.parts.headers)?;
        }
        let answer = graphql::answer(hub, &self.access, scope, &request).await?;
        let status = answer.category().map_or(StatusCode::OK, error::status);
        Ok(response::plain_json(status, &answer.to_json()))
    }

    /// The body may be absent where the URL names a definition.
    async fn snapshot(&self, body: Body) -> Result<Response> {
        let body = match axum::body::HttpBody::is_end_stream(&body) {
            true => Bytes::new(),
            false => self.resource(body).await?,
        };
        let (hub, pairs) = (&self.api.hub, &self.query.pairs);
        let sent = Some(("definition", "StructureDefinition"));
        let given = Given::parse(hub, pairs, &body, sent)?;
        let id = self.place.id.as_deref();
        let whole = snapshot::snapshot(hub, &self.access, id, &given).await?;
        Ok(self.parameters(&whole))
    }

    /// The body may be absent where the URL names a resource.
    async fn validate(&self, body: Body) -> Result<Response> {
        let sent = match axum::body::HttpBody::is_end_stream(&body) {
            true => Sent {
                json: Bytes::new(),
                is_as_sent: false,
            },
            false => self.sent(body).await?,
        };
        let (hub, id) = (&self.api.hub, self.place.id.as_deref());
        let kind = self.place.resource_type.ok_or_else(|| {
            Error::new(
                Category::NotSupported,
                "expected a resource type in the URL",
            )
        })?;
        let pairs = &self.query.pairs;
        let (body, text) = (&sent.json, sent.text());
        let outcome = validate::validate(hub, &self.access, kind, id, pairs, body, text).await?;
        Ok(self.parameters(&outcome))
    }

    /// An operation of terminology. The language of the request is the one of the texts,
    /// where no parameter says otherwise.
    async fn terminology(&self, interaction: Interaction, body: Body) -> Result<Response> {
        let mut pairs = self.query.pairs.clone();
        let body = match self.parts.method == Method::POST {
            true if is_form(&self.parts.headers) => {
                pairs.extend(self.form(body).await?);
                Bytes::new()
            }
            true if !axum::body::HttpBody::is_end_stream(&body) => self.resource(body).await?,
            _ => Bytes::new(),
        };
        let type_name = self.place.resource_type.map_or("", |kind| kind.name());
        let sent = match type_name {
            "ValueSet" => ("valueSet", "ValueSet"),
            "CodeSystem" => ("codeSystem", "CodeSystem"),
            _ => ("conceptMap", "ConceptMap"),
        };
        let given = Given::parse(&self.api.hub, &pairs, &body, Some(sent))?;
        let language = request::joined(&self.parts.headers, &header::ACCEPT_LANGUAGE)?;
        // A header that is no list says nothing; a parameter is asked to mean something.
        let language = language.as_deref().filter(|list| is_list(list));
        let is_forwarded = self.parts.headers.contains_key(FORWARDED);
        let call = terminology::Call {
            hub: &self.api.hub,
            access: &self.access,
            id: self.place.id.as_deref(),
            given: given.or("displayLanguage", language),
            remote: self.api.hub.remote.as_ref().filter(|_| !is_forwarded),
        };
        let here = match interaction {
            Interaction::Expand => expand::expand(&call).await,
            Interaction::Lookup => lookup::lookup(&call).await,
            Interaction::Subsumes => subsumes::subsumes(&call).await,
            Interaction::Translate => translate::translate(&call).await,
            Interaction::FindMatches => find_matches::find_matches(&call).await,
            Interaction::Closure => closure::closure(&call).await,
            _ if type_name == "CodeSystem" => validate_code::in_code_system(&call).await,
            _ => validate_code::in_value_set(&call).await,
        };
        let can_be_asked = matches!(
            interaction,
            Interaction::Expand | Interaction::Lookup | Interaction::ValidateCode
        );
        let answer = match can_be_asked {
            true => {
                let operation = format!("{type_name}/{}", interaction.name());
                or_elsewhere(&call, &operation, here).await?
            }
            false => here?,
        };
        Ok(self.parameters(&answer))
    }

    /// How far a job is, or which there are; DELETE cancels it.
    async fn job(&self) -> Result<Response> {
        let (hub, base) = (&self.api.hub, self.base());
        let Some(id) = &self.place.id else {
            let jobs = reindex::open(hub, &self.access).await?;
            return Ok(self.parameters(&reindex::list(&jobs, base)));
        };
        if self.parts.method == Method::DELETE {
            let job = reindex::cancel(hub, &self.access, id).await?;
            let mut response = self.parameters(&reindex::parameters(&job, base));
            *response.status_mut() = StatusCode::ACCEPTED;
            return Ok(response);
        }
        let job = reindex::find(hub, &self.access, id).await?;
        let mut response = self.parameters(&reindex::parameters(&job, base));
        if reindex::is_open(&job) {
            *response.status_mut() = StatusCode::ACCEPTED;
            let headers = response.headers_mut();
            let progress = header::HeaderName::from_static("x-progress");
            response::insert(headers, progress, reindex::progress(&job));
            response::insert(headers, header::RETRY_AFTER, "1".to_owned());
        }
        Ok(response)
    }

    fn parameters(&self, parameters: &serde_json::Value) -> Response {
        let body = Bytes::from(parameters.to_string());
        response::json(StatusCode::OK, body, &self.wishes)
    }
}

/// Whether the body is a form, as HTML sends it.
fn is_form(headers: &axum::http::HeaderMap) -> bool {
    let found = headers.get(header::CONTENT_TYPE);
    let found = found
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    found.starts_with("application/x-www-form-urlencoded")
}
