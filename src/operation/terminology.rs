//! What the terminology operations share: where they read, which resource and which coding
//! they are asked of, and how what cannot be told is refused.
//! <https://hl7.org/fhir/R4/terminology-service.html>

use super::given::{Given, missing};
use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::interaction::Hub;
use crate::search::live::Edition;
use crate::search::lookup::library::Purpose;
use crate::search::lookup::stored::Stored;
use crate::terminology::code_system::items;
use crate::terminology::remote::Remote;
use crate::terminology::{Library, Problem, Reason, Versions};
use serde_json::Value;
use sqlx::{Postgres, Transaction};
use std::sync::Arc;

/// A call of one of the operations.
pub struct Call<'a> {
    pub hub: &'a Hub,
    pub access: &'a Access,
    /// The resource in the URL.
    pub id: Option<&'a str>,
    pub given: Given,
    /// Who may be asked for what is not known here.
    pub remote: Option<&'a Remote>,
}

/// One state of the database, to read definitions from.
pub struct Snapshot<'a> {
    transaction: Transaction<'static, Postgres>,
    edition: Arc<Edition>,
    access: &'a Access,
}

impl Snapshot<'_> {
    pub fn stored(&mut self) -> Stored<'_> {
        Stored {
            connection: &mut self.transaction,
            access: self.access,
            registry: &self.edition.searchable,
        }
    }
}

impl<'a> Call<'a> {
    pub async fn snapshot(&self) -> Result<Snapshot<'a>> {
        Ok(Snapshot {
            edition: self.hub.live.current(),
            transaction: self.hub.store.snapshot(self.access).await?,
            access: self.access,
        })
    }

    /// The resource that is asked: that of the URL, the one that was sent as the parameter
    /// `sent`, or the one that `url` names.
    ///
    /// # Errors
    /// `NotFound`; `Invalid`: none of them.
    pub async fn resource(
        &self,
        stored: &mut Stored<'_>,
        type_name: &str,
        sent: &str,
    ) -> Result<Arc<Value>> {
        let found = self.find_resource(stored, type_name, sent).await?;
        found.ok_or_else(|| missing("url"))
    }

    /// The same; `None` where none is named.
    pub async fn find_resource(
        &self,
        stored: &mut Stored<'_>,
        type_name: &str,
        sent: &str,
    ) -> Result<Option<Arc<Value>>> {
        if let Some(id) = self.id {
            let found = stored.by_id(type_name, id).await?;
            return Ok(Some(found.ok_or_else(|| unknown(type_name, id))?));
        }
        if let Some(resource) = self.given.resource(sent) {
            if resource["resourceType"] != type_name {
                let text = format!("expected a {type_name} as the parameter {sent}");
                return Err(Error::coded(Category::Invalid, "structure", text));
            }
            return Ok(Some(Arc::new(resource.clone())));
        }
        let Some(url) = self.given.text("url") else {
            return match self
                .given
                .text("context")
                .filter(|_| type_name == "ValueSet")
            {
                None => Ok(None),
                Some(context) => bound(stored, context).await.map(Some),
            };
        };
        let version = match type_name {
            "ValueSet" => self.given.text("valueSetVersion"),
            "ConceptMap" => self.given.text("conceptMapVersion"),
            _ => self.given.text("version"),
        };
        let canonical = match version {
            Some(version) if !url.contains('|') => format!("{url}|{version}"),
            _ => url.to_owned(),
        };
        let found = stored.by_canonical(type_name, &canonical).await?;
        Ok(Some(found.ok_or_else(|| unknown(type_name, &canonical))?))
    }

    /// The supplements that are asked for (`useSupplement`, of R5).
    pub fn supplements(&self) -> Vec<String> {
        self.given
            .texts("useSupplement")
            .map(str::to_owned)
            .collect()
    }

    /// The value set that is asked, and all that it draws on.
    ///
    /// # Errors
    /// `NotFound`: the value set, or one that it includes. `Invalid`: none is named.
    pub async fn value_set(
        &self,
        stored: &mut Stored<'_>,
        purpose: &Purpose,
    ) -> Result<(Arc<Value>, Library)> {
        let value_set = self.resource(stored, "ValueSet", "valueSet").await?;
        let mut library = Library::with_versions(Versions {
            asked: purpose.versions.clone(),
            ..self.versions()?
        });
        let gathered = stored
            .gather(&mut library, value_set.clone(), purpose)
            .await;
        gathered.map_err(costly)?;
        Ok((value_set, library))
    }

    /// The versions of code systems that `$expand` is asked to use, and those of value sets
    /// (`default-valueset-version`, of R5).
    ///
    /// # Errors
    /// `Invalid`: a canonical without a version.
    pub fn versions(&self) -> Result<Versions> {
        let mut versions = Versions::default();
        for (name, map) in [
            ("system-version", &mut versions.default),
            ("force-system-version", &mut versions.force),
            ("check-system-version", &mut versions.check),
        ] {
            for canonical in self.given.texts(name) {
                let (system, version) = canonical.split_once('|').ok_or_else(|| {
                    let text = format!("expected system|version as {name} but found {canonical:?}");
                    Error::coded(Category::Invalid, "value", text)
                })?;
                map.insert(system.to_owned(), version.to_owned());
            }
        }
        for canonical in self.given.texts("default-valueset-version") {
            if let Some((url, version)) = canonical.split_once('|') {
                let (url, version) = (url.to_owned(), version.to_owned());
                versions.value_sets.insert(url, version);
            }
        }
        Ok(versions)
    }
}

/// The value set that is bound to an element, which is named as `[StructureDefinition]#[path or
/// id]`; of a type of FHIR the path alone will do.
///
/// # Errors
/// `NotFound`: the definition, its element, a binding, or the value set.
async fn bound(stored: &mut Stored<'_>, context: &str) -> Result<Arc<Value>> {
    let (url, path) = match context.split_once('#') {
        Some((url, path)) => (url.to_owned(), path),
        None => {
            let kind = context.split('.').next().unwrap_or_default();
            let url = format!("http://hl7.org/fhir/StructureDefinition/{kind}");
            (url, context)
        }
    };
    let definition = stored.by_canonical("StructureDefinition", &url).await?;
    let definition = definition.ok_or_else(|| unknown("StructureDefinition", &url))?;
    let elements = |part: &str| items(&definition[part]["element"]);
    let mut elements = elements("snapshot").chain(elements("differential"));
    let value_set = elements.find_map(|element| {
        let is_it = element["id"] == path || element["path"] == path;
        element["binding"]["valueSet"].as_str().filter(|_| is_it)
    });
    let value_set = value_set.ok_or_else(|| {
        let text = format!("expected an element with a binding but found `{context}`");
        Error::new(Category::NotFound, text)
    })?;
    let found = stored.by_canonical("ValueSet", value_set).await?;
    found.ok_or_else(|| unknown("ValueSet", value_set))
}

pub fn unknown(type_name: &str, name: &str) -> Error {
    Error::new(
        Category::NotFound,
        format!("expected a {type_name} that is known here but found `{name}`"),
    )
}

/// A value set that cannot be evaluated.
pub fn refusal(problem: Problem) -> Error {
    let code = match problem.reason {
        Reason::NotFound | Reason::NotKnown => "not-found",
        Reason::NotSupported => "not-supported",
        Reason::Invalid | Reason::Version => "invalid",
        Reason::TooCostly => "too-costly",
    };
    let category = match problem.reason {
        Reason::NotFound => Category::NotFound,
        _ => Category::Unprocessable,
    };
    Error::coded(category, code, problem.text)
}

/// What a value set draws on may be too much: 422, as for any expansion that is.
fn costly(error: Error) -> Error {
    match error.category {
        Category::TooCostly => Error::of(Category::Unprocessable, error.issues),
        _ => error,
    }
}
