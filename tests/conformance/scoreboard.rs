//! `conformance/README.md`: a section for each suite, written by its run and by nothing else.
//!
//! `ANDIRON_GOLDEN=1` writes the section of every suite that runs; without it a run fails where
//! its section is not what it would write. Sections stand in the order of their names, each
//! between two remarks that name it.

use std::sync::{Mutex, PoisonError};

/// Suites run side by side; the file is one.
static FILE: Mutex<()> = Mutex::new(());

const HEAD: &str = "# Conformance\n\nWritten by the runs of the suites (`ANDIRON_GOLDEN=1 cargo test --test andiron conformance`), \
never by hand. Ledgers\nbeside this file name each case that fails and why it may; they are compared exactly.\n";

/// The section of a suite as it should be.
pub fn check(suite: &str, section: &str) {
    let _guard = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = super::conformance("README.md");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let wanted = with_section(&text, suite, section);
    if std::env::var_os("ANDIRON_GOLDEN").is_some() {
        std::fs::write(&path, wanted).expect("the scoreboard can be written");
    } else {
        let is_current = text == wanted;
        assert!(
            is_current,
            "conformance/README.md is not current: ANDIRON_GOLDEN=1 writes\n{section}"
        );
    }
}

fn begin(suite: &str) -> String {
    format!("<!-- suite {suite} -->\n")
}

const END: &str = "<!-- end -->\n";

/// The text with a suite's section in place of what it had.
fn with_section(text: &str, suite: &str, section: &str) -> String {
    let mut sections: Vec<(String, String)> = Vec::new();
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once("<!-- suite ") {
        let Some((name, behind)) = behind.split_once(" -->\n") else {
            break;
        };
        let Some((body, behind)) = behind.split_once(END) else {
            break;
        };
        sections.push((name.to_owned(), body.to_owned()));
        rest = behind;
    }
    sections.retain(|(name, _)| name != suite);
    sections.push((suite.to_owned(), section.to_owned()));
    sections.sort();
    let mut whole = HEAD.to_owned();
    for (name, body) in &sections {
        whole.push_str(&format!("\n{}{body}{END}", begin(name)));
    }
    whole
}

#[test]
fn sections_are_replaced_and_sorted() {
    let one = with_section("", "b", "## B\n");
    let two = with_section(&one, "a", "## A\n");
    let three = with_section(&two, "b", "## B, again\n");
    assert_eq!(with_section(&three, "a", "## A\n"), three);
    let (a, b) = (three.find("## A\n"), three.find("## B, again\n"));
    assert!(a.is_some() && a < b, "{three}");
    assert!(!three.contains("## B\n"), "{three}");
}
