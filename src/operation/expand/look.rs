//! What is asked of an expansion.

use super::super::terminology::Call;
use super::all_names;
use crate::error::Result;
use crate::terminology::language::{forbids_others, languages};
use crate::terminology::{Member, text};

/// How the expansion is to look.
pub(super) struct Look<'a> {
    /// Folded words.
    pub filter: Vec<String>,
    pub offset: usize,
    pub count: Option<usize>,
    pub designations: bool,
    pub definition: bool,
    pub active_only: bool,
    pub nested: bool,
    pub languages: Vec<&'a str>,
    /// No other language will do.
    pub forbids_others: bool,
    pub excluded: Vec<&'a str>,
}

impl<'a> Look<'a> {
    pub fn parse(call: &'a Call<'_>) -> Result<Look<'a>> {
        let given = &call.given;
        let filter = text::words(given.text("filter").unwrap_or_default());
        let (offset, count) = (given.count("offset")?, given.count("count")?);
        let is_paged = offset.is_some() || count.is_some() || !filter.is_empty();
        Ok(Look {
            filter,
            offset: offset.unwrap_or_default(),
            count,
            designations: given.boolean("includeDesignations")? == Some(true),
            definition: given.boolean("includeDefinition")? == Some(true),
            active_only: given.boolean("activeOnly")? == Some(true),
            nested: given.boolean("excludeNested")? == Some(false) && !is_paged,
            languages: given
                .text("displayLanguage")
                .map(languages)
                .unwrap_or_default(),
            forbids_others: given.text("displayLanguage").is_some_and(forbids_others),
            excluded: given.texts("exclude-system").collect(),
        })
    }

    /// Whether a code system, or a version of it, is left out.
    pub fn excludes(&self, system: &str, version: Option<&str>) -> bool {
        self.excluded.iter().any(|one| match one.split_once('|') {
            Some((url, excluded)) => url == system && Some(excluded) == version,
            None => *one == system,
        })
    }

    pub fn shows(&self, member: &Member) -> bool {
        let is_hidden = self.excludes(&member.system, member.version.as_deref())
            || self.active_only && member.is_inactive();
        !is_hidden && self.finds(member)
    }

    /// Whether each word of the filter begins a word of the code or of what it is called.
    fn finds(&self, member: &Member) -> bool {
        if self.filter.is_empty() {
            return true;
        }
        let mut there = text::words(&member.code);
        there.extend(all_names(member).into_iter().flat_map(text::words));
        text::finds(&self.filter, &there)
    }
}
