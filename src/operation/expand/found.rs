//! The members of an expansion: a list of those in memory, a page of those in tables.

use super::look::Look;
use super::{MAX_CODES, UsedVersions, refusal, too_many};
use crate::error::{Category, Error, Result};
use crate::search::lookup::stored::Stored;
use crate::terminology::tables::{self, Counted, Effort, Page, Table};
use crate::terminology::{CodeSystem, Evaluation, Library, Member, Selection};
use serde_json::Value;
use std::sync::Arc;

/// Members of systems in tables that are counted, where the page does not tell how many there
/// are: each is a row that has to be visited, which would take longer than the page itself.
pub const MAX_COUNTED: usize = 1_000;

/// What an expansion shows.
pub(super) struct Found {
    pub shown: Vec<Member>,
    /// Of all, where they were counted.
    pub total: Option<usize>,
    pub versions: UsedVersions,
    /// What is to be asked of systems in tables.
    selections: Vec<(Arc<CodeSystem>, Selection)>,
    /// Members that are still to be skipped.
    offset: usize,
}

impl Found {
    /// What memory has.
    ///
    /// # Errors
    /// As of the expansion.
    pub fn evaluate(library: &Library, value_set: &Value, look: &Look<'_>) -> Result<Found> {
        let evaluation = Evaluation::new(library);
        let members = evaluation.members(value_set).map_err(refusal)?;
        if let Some(system) = members.whole.keys().next() {
            return Err(not_whole(system));
        }
        let mut versions = UsedVersions::new();
        let mut selections = Vec::new();
        for system in &members.tables {
            use_version(&mut versions, &system.url, &system.version);
            if !look.excludes(&system.url, system.version.as_deref()) {
                let selection = evaluation.selection(value_set, system).map_err(refusal)?;
                selections.push((system.clone(), selection));
            }
        }
        let mut shown = members.into_list();
        for member in &shown {
            use_version(&mut versions, &member.system, &member.version);
        }
        shown.retain(|member| look.shows(member));
        let total = shown.len();
        if look.count.is_none() && total - look.offset.min(total) > MAX_CODES {
            return Err(too_many(total));
        }
        let page = shown.into_iter().skip(look.offset);
        Ok(Found {
            shown: page.take(look.count.unwrap_or(usize::MAX)).collect(),
            total: Some(total),
            versions,
            selections,
            offset: look.offset.saturating_sub(total),
        })
    }

    /// And what tables have.
    ///
    /// # Errors
    /// As of the expansion, and those of the database.
    pub async fn with_tables(
        mut self,
        stored: &mut Stored<'_>,
        library: &Library,
        value_set: &Value,
        look: &Look<'_>,
    ) -> Result<Found> {
        for (system, selection) in std::mem::take(&mut self.selections) {
            if let Some(table) = stored.table(&system.canonical()).await? {
                let page = self.page(stored, &table, &selection, look).await?;
                let listing = Evaluation::new(library);
                let page = library.supplemented(Arc::new(page));
                self.shown
                    .extend(page.concepts.iter().enumerate().map(|(at, concept)| {
                        let listed = listing.listing(value_set, &page.url, &concept.code);
                        Member {
                            system: page.url.clone(),
                            version: page.version.clone(),
                            code: concept.code.clone(),
                            known: Some((page.clone(), at)),
                            listed: listed.map(|listed| Arc::new(listed.clone())),
                        }
                    }));
            }
        }
        Ok(self)
    }

    async fn page(
        &mut self,
        stored: &mut Stored<'_>,
        table: &Table,
        selection: &Selection,
        look: &Look<'_>,
    ) -> Result<CodeSystem> {
        let room = match look.count {
            Some(count) => count - self.shown.len().min(count),
            None => (MAX_CODES + 1) - self.shown.len().min(MAX_CODES),
        };
        let page = Page {
            words: &look.filter,
            is_active: look.active_only,
            offset: self.offset,
            limit: room,
        };
        let found = match room {
            0 => CodeSystem::default(),
            _ => tables::page(stored.connection, table, selection, &page).await?,
        };
        let counted = self
            .count(stored, table, selection, (&page, &found), look)
            .await?;
        match counted {
            Counted::Exactly(count) => {
                self.total = self.total.map(|total| total + count);
                self.offset = self.offset.saturating_sub(count);
            }
            Counted::MoreThan(_) => {
                self.total = None;
                self.offset = 0;
            }
        }
        if look.count.is_none() && self.shown.len() + found.concepts.len() > MAX_CODES {
            return Err(too_many(MAX_CODES + 1));
        }
        Ok(found)
    }
    /// How many members a table has. A page that is not full tells it.
    async fn count(
        &self,
        stored: &mut Stored<'_>,
        table: &Table,
        selection: &Selection,
        (page, found): (&Page<'_>, &CodeSystem),
        look: &Look<'_>,
    ) -> Result<Counted> {
        let shown = found.concepts.len();
        if page.limit > 0 && shown < page.limit && (shown > 0 || page.offset == 0) {
            return Ok(Counted::Exactly(page.offset + shown));
        }
        let most = match look.count {
            Some(0) => (usize::MAX - 1, Effort::Any),
            // What comes behind has to know where it begins.
            Some(_) if shown < page.limit => (usize::MAX - 1, Effort::Any),
            _ => (MAX_COUNTED, Effort::Little),
        };
        tables::count(stored.connection, table, selection, page, most).await
    }
}

fn use_version(versions: &mut UsedVersions, system: &str, version: &Option<String>) {
    if !versions.contains_key(system) {
        versions.insert(system.to_owned(), Default::default());
    }
    if let Some(versions) = versions.get_mut(system)
        && !versions.contains(version)
    {
        versions.insert(version.clone());
    }
}

fn not_whole(system: &str) -> Error {
    Error::coded(
        Category::Unprocessable,
        "not-found",
        format!(
            "the value set includes the code system `{system}`, whose codes are not known here, \
             or only a part of them: it cannot be expanded"
        ),
    )
}
