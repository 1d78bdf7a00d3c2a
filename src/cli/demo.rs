//! The demo: the fictional records of `fixtures/demo/`, built into the program so that
//! `serve --demo` needs no checkout, and requests worth trying on them.

use crate::access::Access;
use crate::error::Result;
use crate::interaction::{Hub, Return, bundle, history};
use bytes::Bytes;
use std::sync::Arc;
use tracing::{error, info};

macro_rules! fixtures {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../fixtures/demo/", $name, ".json")))),*]
    };
}

/// One transaction each, in the order in which they can be loaded: the first one holds the
/// organizations and practitioners that the others refer to.
const STORIES: [(&str, &str); 8] = fixtures![
    "00-organizations",
    "01-amelie-nunez-oconnor",
    "02-jose-munoz-ibanez",
    "03-lin-yuqing",
    "04-thorunn-bjornsdottir",
    "05-sam-okonkwo-reyes",
    "06-zofia-wisniewska-dangelo",
    "07-siobhan-ni-fhloinn-and-newborn",
];

/// Loads the demo if nothing was ever stored: records that somebody has changed or deleted
/// since stay as they are.
pub async fn load(hub: &Arc<Hub>) -> Result<()> {
    let access = Access::unrestricted();
    if !is_empty(hub, &access).await? {
        info!("the store is not empty: the demo is left as it is");
        return Ok(());
    }
    let mut failed = 0;
    for (name, story) in STORIES {
        let body = Bytes::from_static(story.as_bytes());
        if let Err(problem) = bundle::process(hub, &access, body, Return::Minimal).await {
            error!(demo.file = name, error = %problem, "a demo record could not be loaded");
            failed += 1;
        }
    }
    match failed {
        0 => info!("the demo patients are loaded"),
        _ => error!("the demo is incomplete: {failed} of its files could not be loaded"),
    }
    Ok(())
}

/// Whether nothing was ever stored.
pub async fn is_empty(hub: &Hub, access: &Access) -> Result<bool> {
    let one = [("_count".to_owned(), "1".to_owned())];
    let page = history::history(hub, access, &history::Scope::System, &one).await?;
    Ok(page.entries.is_empty())
}

/// What to try first, for a person at a terminal.
pub fn invitation(base: &str) -> String {
    format!(
        "Try:\n  \
         curl '{base}/Patient/demo-amelie?_pretty=true'\n  \
         curl '{base}/Observation?patient=demo-amelie&code=http://loinc.org%7C85354-9&_sort=-date&_count=3&_pretty=true'\n  \
         curl '{base}/Encounter?patient=demo-jose&_include=Encounter:subject&_pretty=true'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_stories_are_built_in_in_order() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/demo");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the fixtures are part of the repository")
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        files.sort();
        let built_in: Vec<String> = STORIES
            .iter()
            .map(|(name, _)| format!("{name}.json"))
            .collect();
        assert_eq!(built_in, files);
    }
}
