//! What a Questionnaire must keep that its invariants do not tell.
//! <https://hl7.org/fhir/R4/questionnaire-definitions.html>
//!
//! A condition asks for a question that is there, neither its own item nor one below it, which
//! could not be asked before; of several conditions `enableBehavior` says how they are joined.
//! (que-12 as published lets two conditions pass, though it says "more than one".)

use std::collections::HashMap;

use serde_json::Value;

use super::{list, text};
use crate::error::Issue;
use crate::validation::profile::walk::Walk;

impl Walk<'_> {
    pub(in crate::validation::profile) fn questions(&mut self, questionnaire: &Value, path: &str) {
        let mut kinds = HashMap::new();
        push_kinds(questionnaire, &mut kinds);
        self.conditions(questionnaire, &kinds, path);
    }

    fn conditions(&mut self, within: &Value, kinds: &HashMap<&str, &str>, path: &str) {
        for (index, item) in list(within, "item").enumerate() {
            let at = format!("{path}.item[{index}]");
            if list(item, "enableWhen").count() > 1 && item.get("enableBehavior").is_none() {
                let text =
                    "expected enableBehavior where there are several conditions but found none";
                self.report(Issue::error("required", text).keyed("que-12"), &at);
            }
            let mut below = HashMap::new();
            push_kinds(item, &mut below);
            for condition in list(item, "enableWhen") {
                if let Some(question) = text(condition, "question") {
                    let own = text(item, "linkId") == Some(question);
                    self.condition(question, own, below.contains_key(question), kinds, &at);
                }
            }
            self.conditions(item, kinds, &at);
        }
    }

    fn condition(
        &mut self,
        question: &str,
        is_own: bool,
        is_below: bool,
        kinds: &HashMap<&str, &str>,
        at: &str,
    ) {
        let found = match kinds.get(question) {
            _ if is_own => "the item itself",
            _ if is_below => "one below the item",
            None => "a linkId that no item has",
            Some(&("group" | "display")) => "an item that has no answers",
            Some(_) => return,
        };
        let text = format!("expected a condition on another question but found {found}");
        self.report(Issue::error("business-rule", text), at);
    }
}

/// The types of all items below, by linkId.
fn push_kinds<'v>(within: &'v Value, kinds: &mut HashMap<&'v str, &'v str>) {
    for item in list(within, "item") {
        if let Some(link) = text(item, "linkId") {
            kinds.insert(link, text(item, "type").unwrap_or_default());
        }
        push_kinds(item, kinds);
    }
}
