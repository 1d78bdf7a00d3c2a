//! transaction: all of a Bundle or nothing of it.
//! <https://hl7.org/fhir/R4/http.html#trules>
//!
//! ```text
//! read entries -> lock criteria -> delete -> match criteria, give ids -> lock rows
//!              -> resolve conditional references -> write POST, PUT and PATCH in chunks
//!              -> check references -> answer GET -> commit
//! ```
//!
//! Criteria are matched against what was there before, less what this transaction deletes.
//! Resources are parsed, rewritten and written a chunk at a time, so that memory is bounded
//! by the text of the Bundle. An entry with a conditional reference to a type that this
//! Bundle also writes waits until the others are written, so that the reference finds them.

use super::links::{Links, conditional_references};
use super::request::{self, Action, Request};
use super::{answer, content, deletion_answer, get};
use crate::access::Access;
use crate::config::Integrity;
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::bundle::{Entry, Frame, Outgoing};
use crate::fhir::reference::Target;
use crate::fhir::{Id, Method, ResourceType, Version};
use crate::interaction::update::{Aim, aim, says_the_same, taken};
use crate::interaction::{
    Hub, Return, Subject, WriteConditions, Written, bindings, conditions, criteria, patch, prepare,
    read,
};
use crate::jobs::parameters::refresh_after;
use crate::search::index::resource_key;
use crate::storage;
use crate::storage::write::{self, Change, Current, Moment};
use crate::storage::writer::{Patience, Pointer, missing, refuse_referred};
use crate::validation::profile::Question;
use sqlx::PgConnection;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Entries that are prepared before others are let in: about two milliseconds.
const AT_A_TIME: usize = 32;

/// Does all entries in one transaction; tried again where it loses a race.
pub async fn process(
    hub: &Arc<Hub>,
    access: &Access,
    frame: &Frame<'_>,
    preference: Return,
) -> Result<Outgoing> {
    let requests = (0..frame.entry.len())
        .map(|index| request::parse(hub, frame, index))
        .collect::<Result<Vec<Request>>>()?;
    refuse_repeated_urls(&requests)?;
    let mut patience = Patience::default();
    loop {
        let attempt = Transaction::new(hub, access, &requests, preference).run();
        match attempt.await {
            Err(error) if patience.again(&error).await => {}
            outcome => return outcome,
        }
    }
}

/// bdl-7: a fullUrl stands once in a Bundle.
fn refuse_repeated_urls(requests: &[Request]) -> Result<()> {
    let mut seen = HashSet::new();
    for request in requests {
        if let Some(url) = request.full_url
            && !seen.insert(url)
        {
            return Err(Error::coded(
                Category::Invalid,
                "duplicate",
                format!("expected each fullUrl once but found {url:?} again"),
            )
            .at(format!("Bundle.entry[{}].fullUrl", request.index)));
        }
    }
    Ok(())
}

/// Issues that a refused transaction tells at most.
const MOST_ISSUES: usize = 200;

/// What is wrong with one entry, told with what is wrong with those before: whoever mends a Bundle
/// wants to know of all that is invalid, not of the first.
///
/// # Errors
/// What is not about content, or enough issues: it ends here.
fn both(before: Option<Error>, error: Error) -> Result<Error> {
    let is_content = matches!(error.category, Category::Invalid | Category::Unprocessable);
    let mut whole = match before {
        None if is_content => return Ok(error),
        None => return Err(error),
        Some(before) if !is_content => return Err(before),
        Some(before) => before,
    };
    whole.issues.extend(error.issues);
    whole.issues.sort_by_key(|issue| !issue.is_error());
    match whole.issues.len() < MOST_ISSUES {
        true => Ok(whole),
        false => {
            whole.issues.truncate(MOST_ISSUES);
            Err(whole)
        }
    }
}

/// What a POST, PUT or PATCH entry writes.
struct Aimed {
    resource_type: ResourceType,
    id: String,
    key: i64,
    method: Method,
    conditions: WriteConditions,
    must_be_new: bool,
}

struct Transaction<'a> {
    hub: &'a Arc<Hub>,
    access: &'a Access,
    requests: &'a [Request<'a>],
    preference: Return,
    /// The answers, by entry.
    answers: Vec<Option<Entry>>,
    /// What is written, by entry.
    aimed: Vec<Option<Aimed>>,
    links: Links,
    /// The identities that this transaction touches, to refuse one that is touched twice.
    touched: HashMap<i64, usize>,
    /// The criteria of conditional creates that match nothing, by the name of their lock.
    creates: HashMap<i64, usize>,
    rows: HashMap<i64, Current>,
    deleted: Vec<(ResourceType, String, i64)>,
    /// The keys of what is written.
    written: HashSet<i64>,
    /// What is pointed at besides, by key, with the first entry that does.
    pointers: HashMap<i64, (usize, Pointer)>,
}

impl<'a> Transaction<'a> {
    fn new(
        hub: &'a Arc<Hub>,
        access: &'a Access,
        requests: &'a [Request<'a>],
        preference: Return,
    ) -> Transaction<'a> {
        Transaction {
            hub,
            access,
            requests,
            preference,
            answers: requests.iter().map(|_| None).collect(),
            aimed: requests.iter().map(|_| None).collect(),
            links: Links::default(),
            touched: HashMap::new(),
            creates: HashMap::new(),
            rows: HashMap::new(),
            deleted: Vec::new(),
            written: HashSet::new(),
            pointers: HashMap::new(),
        }
    }

    async fn run(mut self) -> Result<Outgoing> {
        let mut transaction = self.hub.store.begin(self.access).await?;
        let connection = &mut *transaction;
        let mut names = self
            .requests
            .iter()
            .filter_map(|request| request.action.criteria())
            .map(|(kind, criteria)| criteria::lock_name(self.access, kind, criteria))
            .collect();
        write::lock_names(connection, &mut names).await?;
        self.delete(connection).await?;
        self.aim(connection).await?;
        self.lock(connection).await?;
        // Whoever waited for the locks must not stamp a time that is long past.
        let moment = write::moment(connection, self.access).await?;
        self.write(connection, moment).await?;
        self.check_references(connection).await?;
        self.get(connection).await?;
        storage::commit(transaction).await?;
        refresh_after(self.hub, &self.changed_types()).await;
        Ok(Outgoing {
            bundle_type: "transaction-response",
            entries: self
                .answers
                .into_iter()
                .map(Option::unwrap_or_default)
                .collect(),
            ..Outgoing::default()
        })
    }

    fn changed_types(&self) -> Vec<ResourceType> {
        let deleted = self.deleted.iter().map(|(kind, ..)| *kind);
        let written = self.aimed.iter().flatten().map(|aimed| aimed.resource_type);
        deleted.chain(written).collect()
    }

    /// Notes that an entry touches a resource.
    fn touch(&mut self, kind: ResourceType, id: &str, index: usize) -> Result<i64> {
        let key = resource_key(kind, id);
        match self.touched.insert(key, index) {
            None => Ok(key),
            Some(other) => Err(Error::coded(
                Category::Invalid,
                "duplicate",
                format!(
                    "expected each resource once but {kind}/{id} is meant by entry {other} too"
                ),
            )),
        }
    }

    async fn delete(&mut self, connection: &mut PgConnection) -> Result<()> {
        let mut wanted = Vec::new();
        for request in self.requests {
            let Action::Delete {
                resource_type,
                subject,
                conditions,
            } = &request.action
            else {
                continue;
            };
            let ids = match subject {
                Subject::Id(id) => vec![id.clone()],
                Subject::Criteria(criteria) => self
                    .matches_to_delete(connection, *resource_type, criteria)
                    .await
                    .map_err(|error| error.in_entry(request.index))?,
            };
            self.answers[request.index] = Some(deletion_answer(None, self.preference));
            for id in ids {
                let key = self
                    .touch(*resource_type, &id, request.index)
                    .map_err(|error| error.in_entry(request.index))?;
                wanted.push((request.index, *resource_type, id, key, conditions));
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let asked: Vec<_> = wanted
            .iter()
            .map(|(_, kind, _, key, _)| (*kind, *key))
            .collect();
        let rows = write::lock(connection, self.access, &asked).await?;
        let moment = write::moment(connection, self.access).await?;
        let mut changes = Vec::new();
        let mut places = Vec::new();
        for (index, kind, id, key, conditions) in wanted {
            let current = rows.get(&key);
            conditions::check(conditions, current.map(|current| &current.version))
                .map_err(|error| error.in_entry(index))?;
            let Some(current) = current.filter(|current| !current.version.is_deleted()) else {
                continue;
            };
            self.deleted.push((kind, id.clone(), key));
            places.push(index);
            changes.push(Change {
                resource_type: kind,
                id,
                key,
                method: Method::Delete,
                content: None,
                index: Default::default(),
                previous: Some(current.into()),
            });
        }
        let versions = write::apply(connection, self.access, moment, &changes).await?;
        for (index, version) in places.into_iter().zip(&versions) {
            self.answers[index] = Some(deletion_answer(Some(version), self.preference));
        }
        Ok(())
    }

    async fn matches_to_delete(
        &self,
        connection: &mut PgConnection,
        resource_type: ResourceType,
        criteria: &str,
    ) -> Result<Vec<String>> {
        let limit = self.hub.settings.limits.max_conditional_delete;
        let (hub, access) = (self.hub, self.access);
        let ids =
            criteria::held_matches(hub, connection, access, resource_type, criteria, limit + 1)
                .await?;
        if ids.len() > limit {
            return Err(Error::new(
                Category::TooCostly,
                format!(
                    "the criteria match more than {limit} resources, the limit `max-conditional-delete`"
                ),
            ));
        }
        Ok(ids)
    }

    /// Gives every POST, PUT and PATCH its identity, and every fullUrl its target.
    async fn aim(&mut self, connection: &mut PgConnection) -> Result<()> {
        for request in self.requests {
            let matched = match request.action.criteria() {
                Some((kind, criteria)) if !matches!(request.action, Action::Delete { .. }) => {
                    let found = criteria::held_matches(
                        self.hub,
                        connection,
                        self.access,
                        kind,
                        criteria,
                        2,
                    )
                    .await;
                    found
                        .and_then(|ids| criteria::at_most_one(kind, ids))
                        .map_err(|error| error.in_entry(request.index))?
                }
                _ => None,
            };
            self.aim_one(connection, request, matched)
                .await
                .map_err(|error| error.in_entry(request.index))?;
        }
        Ok(())
    }

    async fn aim_one(
        &mut self,
        connection: &mut PgConnection,
        request: &Request<'_>,
        matched: Option<String>,
    ) -> Result<()> {
        let (kind, id, method, conditions, must_be_new) = match &request.action {
            Action::Create { resource_type, .. } => match matched {
                Some(id) => {
                    self.touch(*resource_type, &id, request.index)?;
                    self.link(request, *resource_type, &id);
                    let found =
                        storage::read::find_current(connection, self.access, *resource_type, &id)
                            .await?;
                    let version = found
                        .filter(|version| !version.is_deleted())
                        .ok_or_else(|| vanished(*resource_type, &id))?;
                    let written = Written::Unchanged(version);
                    self.answers[request.index] = Some(answer(self.hub, &written, self.preference));
                    return Ok(());
                }
                None => {
                    self.refuse_equal_creates(request)?;
                    let id = Id::random().to_string();
                    (
                        *resource_type,
                        id,
                        Method::Post,
                        WriteConditions::default(),
                        true,
                    )
                }
            },
            Action::Update {
                resource_type,
                subject,
                conditions,
            } => {
                let Aim { id, must_be_new } = match subject {
                    Subject::Id(id) => Aim {
                        id: id.clone(),
                        must_be_new: false,
                    },
                    Subject::Criteria(_) => {
                        let text = request.resource.unwrap_or_default();
                        let resource = prepare::parse(self.hub, *resource_type, text.as_bytes())?;
                        aim(matched, prepare::id_of(&resource))?
                    }
                };
                (
                    *resource_type,
                    id,
                    Method::Put,
                    conditions.clone(),
                    must_be_new,
                )
            }
            Action::Patch {
                resource_type,
                subject,
                conditions,
                ..
            } => {
                let id = match subject {
                    Subject::Id(id) => Some(id.clone()),
                    Subject::Criteria(_) => matched,
                };
                let id = id.ok_or_else(|| patch::nothing_matches(*resource_type))?;
                let conditions = conditions.clone();
                (*resource_type, id, Method::Patch, conditions, false)
            }
            _ => return Ok(()),
        };
        let key = self.touch(kind, &id, request.index)?;
        self.link(request, kind, &id);
        self.aimed[request.index] = Some(Aimed {
            resource_type: kind,
            id,
            key,
            method,
            conditions,
            must_be_new,
        });
        Ok(())
    }

    /// Two conditional creates with equal criteria would make two of one.
    fn refuse_equal_creates(&mut self, request: &Request<'_>) -> Result<()> {
        let Some((kind, criteria)) = request.action.criteria() else {
            return Ok(());
        };
        let name = criteria::lock_name(self.access, kind, criteria);
        match self.creates.insert(name, request.index) {
            None => Ok(()),
            Some(other) => Err(Error::coded(
                Category::Invalid,
                "duplicate",
                format!("expected different criteria but entry {other} has the same ifNoneExist"),
            )),
        }
    }

    fn link(&mut self, request: &Request<'_>, kind: ResourceType, id: &str) {
        if let Some(url) = request.full_url {
            self.links
                .urls
                .insert(url.to_owned(), format!("{kind}/{id}"));
        }
    }

    /// Locks what is updated, all at once and in order.
    async fn lock(&mut self, connection: &mut PgConnection) -> Result<()> {
        self.written = self.aimed.iter().flatten().map(|aimed| aimed.key).collect();
        let asked: Vec<_> = self
            .aimed
            .iter()
            .flatten()
            .filter(|aimed| matches!(aimed.method, Method::Put | Method::Patch))
            .map(|aimed| (aimed.resource_type, aimed.key))
            .collect();
        self.rows = write::lock(connection, self.access, &asked).await?;
        Ok(())
    }

    /// Writes all POSTs, PUTs and PATCHes: first those whose conditional references can be resolved
    /// now, then, in rounds, those that may refer to what was written before.
    async fn write(&mut self, connection: &mut PgConnection, moment: Moment) -> Result<()> {
        let settings = &self.hub.settings;
        let (base, depth) = (settings.base.as_str(), settings.limits.json_depth);
        let mut waiting: Vec<(usize, Vec<String>)> = (0..self.requests.len())
            .filter(|index| self.aimed[*index].is_some())
            .map(|index| {
                let text = self.requests[index].resource.unwrap_or_default();
                (index, conditional_references(text, depth, base))
            })
            .collect();
        while !waiting.is_empty() {
            let types: HashSet<ResourceType> = waiting
                .iter()
                .filter_map(|(index, _)| Some(self.aimed[*index].as_ref()?.resource_type))
                .collect();
            let blocked = |text: &String| match Target::parse(text, base) {
                Target::Conditional { resource_type, .. } => {
                    !self.links.criteria.contains_key(text) && types.contains(&resource_type)
                }
                _ => false,
            };
            let (mut now, mut later): (Vec<_>, Vec<_>) = std::mem::take(&mut waiting)
                .into_iter()
                .partition(|(_, references)| !references.iter().any(blocked));
            if now.is_empty() {
                // They wait for each other: what is there now decides.
                std::mem::swap(&mut now, &mut later);
            }
            for (index, references) in &now {
                for text in references {
                    self.resolve(connection, text)
                        .await
                        .map_err(|error| error.in_entry(*index))?;
                }
            }
            let now: Vec<usize> = now.into_iter().map(|(index, _)| index).collect();
            self.write_all(connection, moment, &now).await?;
            waiting = later;
        }
        Ok(())
    }

    /// Finds what a conditional reference means: exactly one resource.
    async fn resolve(&mut self, connection: &mut PgConnection, text: &str) -> Result<()> {
        if self.links.criteria.contains_key(text) {
            return Ok(());
        }
        let Target::Conditional {
            resource_type,
            query,
        } = Target::parse(text, &self.hub.settings.base)
        else {
            return Ok(());
        };
        let mut ids =
            criteria::matches(self.hub, connection, self.access, resource_type, query, 2).await?;
        let found = match (ids.len(), ids.pop()) {
            (1, Some(id)) => id,
            (count, _) => {
                let (code, many) = match count {
                    0 => ("not-found", "none"),
                    _ => ("multiple-matches", "several"),
                };
                return Err(Error::coded(
                    Category::PreconditionFailed,
                    code,
                    format!(
                        "expected the conditional reference {text} to match one {resource_type} but it matches {many}"
                    ),
                ));
            }
        };
        self.links
            .criteria
            .insert(text.to_owned(), format!("{resource_type}/{found}"));
        Ok(())
    }

    /// Writes these entries a chunk at a time. Preparing is work for the processor alone, so
    /// that now and then others are let in.
    async fn write_all(
        &mut self,
        connection: &mut PgConnection,
        moment: Moment,
        indexes: &[usize],
    ) -> Result<()> {
        let mut refused = None;
        for chunk in indexes.chunks(write::CHUNK) {
            let mut changes = Vec::with_capacity(chunk.len());
            let mut open = Vec::new();
            for (count, index) in chunk.iter().enumerate() {
                if count % AT_A_TIME == 0 {
                    tokio::task::yield_now().await;
                }
                let (prepared, pointers, questions) = match (self.prepare(*index), &refused) {
                    (Ok(prepared), None) => prepared,
                    (Ok(_), Some(_)) => continue,
                    (Err(error), _) => {
                        refused = Some(both(refused, error)?);
                        continue;
                    }
                };
                open.extend(questions);
                for pointer in pointers {
                    if !self.written.contains(&pointer.key) {
                        self.pointers
                            .entry(pointer.key)
                            .or_insert((*index, pointer));
                    }
                }
                match prepared {
                    Prepared::Change(change) => changes.push((*index, change)),
                    Prepared::Same(version) => {
                        let written = Written::Unchanged(version);
                        self.answers[*index] = Some(answer(self.hub, &written, self.preference));
                    }
                }
            }
            let issues = bindings::settled_within(self.hub, self.access, connection, &open).await?;
            if issues.iter().any(Issue::is_error) {
                refused = Some(both(refused, Error::of(Category::Unprocessable, issues))?);
            }
            if refused.is_some() {
                continue;
            }
            // In one order everywhere: who creates the same ids the other way round waits for
            // the first of them, and not in a circle.
            changes.sort_unstable_by_key(|(_, change)| (change.resource_type, change.key));
            let (places, changes): (Vec<usize>, Vec<Change>) = changes.into_iter().unzip();
            let existed: Vec<bool> = changes.iter().map(|change| self.is_live(change)).collect();
            let versions = write::apply(connection, self.access, moment, &changes).await?;
            for ((index, version), existed) in places.into_iter().zip(versions).zip(existed) {
                let written = match existed {
                    true => Written::Updated(version),
                    false => Written::Created(version),
                };
                self.answers[index] = Some(answer(self.hub, &written, self.preference));
            }
        }
        refused.map_or(Ok(()), Err)
    }

    fn is_live(&self, change: &Change) -> bool {
        self.rows
            .get(&change.key)
            .is_some_and(|current| !current.version.is_deleted())
    }

    fn prepare(&self, index: usize) -> Result<(Prepared, Vec<Pointer>, Vec<Question>)> {
        let (prepared, pointers, mut questions) = self
            .prepare_entry(index)
            .map_err(|error| error.in_entry(index))?;
        for question in &mut questions {
            question.refused.move_to_entry(index);
        }
        Ok((prepared, pointers, questions))
    }

    fn prepare_entry(&self, index: usize) -> Result<(Prepared, Vec<Pointer>, Vec<Question>)> {
        let request = &self.requests[index];
        let aimed = self.aimed[index]
            .as_ref()
            .ok_or_else(|| Error::fault("an entry without an aim is written"))?;
        let Aimed {
            resource_type,
            id,
            key,
            ..
        } = aimed;
        let current = self.rows.get(key);
        let version = current.map(|current| &current.version);
        conditions::check(&aimed.conditions, version)?;
        if let Some(version) = version {
            if version.id != *id {
                return Err(taken(*resource_type, id));
            }
            if aimed.must_be_new && !version.is_deleted() {
                return Err(taken(*resource_type, id));
            }
        }
        let resource = match &request.action {
            Action::Patch { patch, .. } => {
                let found = read::judge(version.cloned(), *resource_type, id, &Default::default())?;
                content::patched(self.hub, &self.links, request, patch, found)?
            }
            _ => content::sent(self.hub, &self.links, request, *resource_type)?,
        };
        let (mut next, questions) = prepare::prepare_asking(
            self.hub,
            self.access,
            *resource_type,
            id,
            resource,
            aimed.method,
        )?;
        let pointers = std::mem::take(&mut next.pointers);
        if let Some(version) = version
            && says_the_same(&next, version)
        {
            return Ok((Prepared::Same(version.clone()), pointers, questions));
        }
        let change = Change {
            resource_type: *resource_type,
            id: id.clone(),
            key: *key,
            method: aimed.method,
            content: next.content,
            index: next.index,
            previous: current.map(Into::into),
        };
        Ok((Prepared::Change(change), pointers, questions))
    }

    /// At the end, when all is written: what is pointed at must be there, and what is
    /// deleted must not be pointed at where integrity is full.
    async fn check_references(&mut self, connection: &mut PgConnection) -> Result<()> {
        let full = self.hub.settings.integrity == Integrity::Full;
        let asked = self
            .pointers
            .values()
            .map(|(_, pointer)| (pointer.resource_type, pointer.key))
            .collect();
        let lost = missing(connection, self.access, asked, full).await?;
        let first = lost
            .iter()
            .filter_map(|key| self.pointers.get(key))
            .min_by_key(|(i, _)| *i);
        if let Some((index, pointer)) = first {
            let pointers = std::slice::from_ref(pointer);
            if let Some(error) = storage::writer::dangling(pointers, 0, &lost) {
                return Err(error.in_entry(*index));
            }
        }
        if full {
            for (kind, id, key) in &self.deleted {
                let entries = self
                    .hub
                    .registry()
                    .referrer_entries(self.access.tenant, *key);
                let target = (*kind, id.as_str());
                let refusal =
                    refuse_referred(connection, self.access, target, &entries, &[]).await?;
                if let Some(error) = refusal {
                    let index = self.touched.get(key).copied().unwrap_or_default();
                    return Err(error.in_entry(index));
                }
            }
        }
        Ok(())
    }

    async fn get(&mut self, connection: &mut PgConnection) -> Result<()> {
        for request in self.requests {
            if matches!(request.action, Action::Get { .. }) {
                let entry = get::answer(self.hub, connection, self.access, &request.action)
                    .await
                    .map_err(|error| error.in_entry(request.index))?;
                self.answers[request.index] = Some(entry);
            }
        }
        Ok(())
    }
}

/// The error for a match that another request deleted before it was read: tried again.
fn vanished(resource_type: ResourceType, id: &str) -> Error {
    Error::lost_race(format!(
        "{resource_type}/{id} matched the criteria but was deleted at the same time; try again"
    ))
}

/// What becomes of an entry.
enum Prepared {
    Change(Change),
    /// It is stored so already.
    Same(Version),
}
