//! README's recipes are true: each is asked of the demo's records and finds as many as it says.
//! <https://hl7.org/fhir/R4/search.html>

use super::get;
use crate::harness::Server;
use std::path::Path;

/// The requests between the marks, as path and the number behind `#`.
fn recipes(readme: &str) -> Vec<(String, u64)> {
    let (_, rest) = readme.split_once("<!-- recipes -->").expect("they begin");
    let (section, _) = rest.split_once("<!-- /recipes -->").expect("they end");
    let lines = section.lines();
    lines
        .filter_map(|line| line.strip_prefix("curl \"$B"))
        .map(|line| {
            let (path, rest) = line.split_once('"').expect("the URL ends");
            let count = rest.trim().strip_prefix("# ").expect("a number behind #");
            let count = count.split(' ').next().and_then(|word| word.parse().ok());
            // What the shell makes of it.
            (path.replace("\\$", "$"), count.expect("a number"))
        })
        .collect()
}

#[tokio::test]
async fn the_recipes_find_what_they_say() {
    let server = Server::start().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::fs::read_dir(root.join("fixtures/demo")).expect("fixtures");
    let mut stories: Vec<_> = folder.flatten().map(|entry| entry.path()).collect();
    stories.sort();
    for story in stories {
        let text = std::fs::read(story).expect("a story");
        let sent = server.send("POST", "/fhir", &[super::JSON], text).await;
        sent.expect(200);
    }
    let readme = std::fs::read_to_string(root.join("README.md")).expect("there is a README");
    let recipes = recipes(&readme);
    assert!(recipes.len() >= 15);
    let mut wrong = Vec::new();
    for (path, expected) in recipes {
        let asks = if path.contains('?') { '&' } else { '?' };
        let reply = get(&server, &format!("/fhir{path}{asks}_total=accurate"), &[]).await;
        let total = reply.json()["total"].as_u64();
        if total != Some(expected) {
            wrong.push(format!(
                "{path}: {total:?}, not {expected}: {}",
                reply.status
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
