//! Code systems in tables: loaded from the files of their publishers, asked by SQL, never read
//! whole. <https://hl7.org/fhir/R4/codesystem.html>
//!
//! ```text
//! release (files) -> Sink (rows) -> write (COPY, closure, indexes) -> partition of `concept`
//!                                                                        |
//!            excerpt: the concepts that a question names, as a CodeSystem <
//!            page:    the members that a Selection has, counted and paged <
//! ```
//!
//! `code_system` has a row per version; `concept` a partition per version, one row a concept:
//! `above` holds the numbers of all that is above it, so that what is below a concept is
//! `above @> {its number}`; `keys` hold a hash of each property with its value; `words` the
//! folded words of all its names. Designations and properties are the JSON of the resource.
//!
//! ## Decisions
//! - **2026-11-22: the closure is an array per concept with a GIN index, not a row per pair.**
//!   A pair as a row costs 40 bytes and its two index entries 32 more (SNOMED CT: 6 million
//!   pairs, some 430 MB); as an element of an array 4, and in the index 1 or 2. What is above a
//!   concept comes with its row.
//! - *A version is a partition.* It is filled and indexed alone, attached in the transaction that
//!   names it, and dropped without a trace; indexes and statistics are those of one system.
//! - *What is loaded stands before what is stored*: a CodeSystem resource of LOINC without its
//!   codes, as packages have it, does not hide the table.
//! - *The last version that was loaded is the default.*
//! - **2026-11-22: a page is fast, counting is not.** Of a million concepts a page in the order of
//!   the system stops when it is full (0.2 ms where a word is in a quarter of all), while counting
//!   reads a posting list whole (80 ms) or visits each row. So members are counted up to 1,000,
//!   and not at all where the planner expects more than 5,000 entries to be read for it; what is
//!   below one concept alone is known from its row. What is below few concepts is found by its
//!   index first: the planner would walk the order and hope (17 ms became 3).
//! - *Text search is `tsvector` with prefixes*, on words that we fold ourselves: extensions
//!   such as `pg_trgm` may not be there, and configurations differ between installations.

mod closure;
mod excerpt;
mod page;
mod sink;
mod statement;
mod write;

pub use excerpt::{Wanted, below_or_above, excerpt};
pub use page::{Counted, Effort, Page, codes, count, page};
pub use sink::{Chunk, Concept, Designation, Sink};
pub use write::{Load, Loaded, System, remove};

use super::version::{is_pattern, is_version};
use crate::error::Result;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

/// One version of a code system that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub id: i32,
    pub url: String,
    pub version: Option<String>,
    /// Which loader it came by.
    pub kind: String,
    pub name: String,
    pub language: Option<String>,
    /// `CodeSystem.content`
    pub content: String,
    pub is_case_sensitive: bool,
    pub concepts: i32,
    pub inactive: i32,
    pub is_default: bool,
    /// When it was loaded, as PostgreSQL writes it.
    pub loaded: String,
}

impl Table {
    /// Its canonical, with the version where it has one.
    pub fn canonical(&self) -> String {
        match &self.version {
            Some(version) => format!("{}|{version}", self.url),
            None => self.url.clone(),
        }
    }
}

const ALL: &str = "SELECT id, url, version, kind, name, language, content, case_sensitive, \
      concepts, inactive, is_default, loaded::text AS loaded \
    FROM code_system ORDER BY url, id";

const OF_URL: &str = "SELECT id, url, version, kind, name, language, content, case_sensitive, \
      concepts, inactive, is_default, loaded::text AS loaded \
    FROM code_system WHERE url = $1 ORDER BY is_default DESC, id DESC";

/// Every fixed statement of the tables, for the test that prepares them.
pub fn statements() -> impl Iterator<Item = &'static &'static str> {
    [ALL, OF_URL]
        .as_slice()
        .iter()
        .chain(&excerpt::STATEMENTS)
        .chain(&write::STATEMENTS)
}

/// What is loaded.
pub async fn all(connection: &mut PgConnection) -> Result<Vec<Table>> {
    let rows = sqlx::query(ALL).fetch_all(connection).await?;
    rows.iter().map(table).collect()
}

/// The versions of a system, the default first, then the newest.
pub async fn of_url(connection: &mut PgConnection, url: &str) -> Result<Vec<Table>> {
    let rows = sqlx::query(OF_URL).bind(url).fetch_all(connection).await?;
    rows.iter().map(table).collect()
}

/// The version that a canonical means.
pub async fn find(connection: &mut PgConnection, canonical: &str) -> Result<Option<Table>> {
    let (url, version) = match canonical.split_once('|') {
        Some((url, version)) => (url, Some(version)),
        None => (canonical, None),
    };
    let all = of_url(connection, url).await?;
    let Some(named) = version else {
        return Ok(all.into_iter().next());
    };
    let fits = |table: &Table| match is_pattern(named) {
        true => is_version(table.version.as_deref().unwrap_or_default(), named),
        false => table.version.as_deref() == Some(named),
    };
    Ok(all.into_iter().find(fits))
}

fn table(row: &PgRow) -> Result<Table> {
    let version: String = row.try_get("version")?;
    Ok(Table {
        id: row.try_get("id")?,
        url: row.try_get("url")?,
        version: Some(version).filter(|version| !version.is_empty()),
        kind: row.try_get("kind")?,
        name: row.try_get("name")?,
        language: row.try_get("language")?,
        content: row.try_get("content")?,
        is_case_sensitive: row.try_get("case_sensitive")?,
        concepts: row.try_get("concepts")?,
        inactive: row.try_get("inactive")?,
        is_default: row.try_get("is_default")?,
        loaded: row.try_get("loaded")?,
    })
}

/// The hash of a property and its value; without one, of the property alone.
pub(super) fn key(property: &str, value: Option<&str>) -> i64 {
    let text = match value {
        Some(value) => format!("{property}\0{value}"),
        None => property.to_owned(),
    };
    i64::from_ne_bytes(xxhash_rust::xxh3::xxh3_64(text.as_bytes()).to_ne_bytes())
}
