//! Reads what a value set draws on: what is stored here, then what is published.

use super::stored::Stored;
use crate::error::{Category, Error, Result};
use crate::terminology::{CodeSystem, Library, Part};
use serde_json::Value;
use std::sync::Arc;

impl Stored<'_> {
    /// The code system of that canonical.
    pub async fn code_system(&mut self, canonical: &str) -> Result<Option<Arc<CodeSystem>>> {
        let found = self.by_canonical("CodeSystem", canonical).await?;
        Ok(found.map(|found| Arc::new(CodeSystem::of(&found))))
    }

    /// Adds to the library all that the value set draws on; `listed` as in [`Library::needs`].
    ///
    /// # Errors
    /// `TooCostly`.
    pub async fn gather(
        &mut self,
        library: &mut Library,
        value_set: Arc<Value>,
        listed: bool,
    ) -> Result<()> {
        let mut open = vec![value_set];
        while let Some(next) = open.pop() {
            let needs = library.needs(&next, listed);
            let needs = needs.map_err(|problem| Error::new(Category::TooCostly, problem.text))?;
            for part in needs {
                match part {
                    Part::ValueSet(url) => {
                        let found = self.by_canonical("ValueSet", &url).await?;
                        open.extend(found.clone());
                        library.add_value_set(url, found);
                    }
                    Part::CodeSystem(url) => {
                        let found = self.code_system(&url).await?;
                        library.add_code_system(url, found);
                    }
                }
            }
        }
        Ok(())
    }
}
