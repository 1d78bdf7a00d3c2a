//! The answers of a QuestionnaireResponse, beside the Questionnaire that they answer.
//! <https://hl7.org/fhir/R4/questionnaireresponse.html#notes>,
//! <https://hl7.org/fhir/R4/questionnaire.html>, and the extensions that bound an answer.
//!
//! Every linkId is known where it stands, groups have no answers, displays no items; an answer
//! is of the type of its question, one of its options and within its bounds (`answer`), and no
//! more often there than asked for. What is required is there, and what is not asked
//! (`enabled`) is not, once the answers are `completed` or `amended`. The rules of the
//! Questionnaire itself are in `definition`.

mod answer;
mod definition;
mod enabled;

use serde_json::Value;

use super::walk::Walk;
use crate::error::Issue;
use enabled::is_enabled;

const EXTENSIONS: &str = "http://hl7.org/fhir/StructureDefinition/";

/// A Questionnaire nested deeper than this is taken for a mistake.
const DEEPEST: usize = 32;

/// Where the walk over the answers is.
#[derive(Clone)]
struct Place<'v> {
    /// The response and what is around this item: groups, and answers that have items.
    within: Vec<&'v Value>,
    /// Whether the answers are said to be complete.
    is_done: bool,
}

impl<'v> Place<'v> {
    fn below(&self, given: &'v Value) -> Place<'v> {
        let mut within = self.within.clone();
        within.push(given);
        Place { within, ..*self }
    }
}

impl Walk<'_> {
    /// Where the Questionnaire is known; else a warning is due to nobody: it may be anywhere.
    pub(super) fn answers(&mut self, response: &Value, path: &str) {
        let canonical = response.get("questionnaire").and_then(Value::as_str);
        let Some(questionnaire) = canonical.and_then(|url| self.questionnaire(response, url))
        else {
            return;
        };
        let is_done = matches!(
            response.get("status").and_then(Value::as_str),
            Some("completed" | "amended")
        );
        let place = Place {
            within: vec![response],
            is_done,
        };
        self.items(&questionnaire, response, &place, path);
    }

    fn questionnaire(&self, response: &Value, url: &str) -> Option<std::sync::Arc<Value>> {
        let Some(id) = url.strip_prefix('#') else {
            return self.profiles.find_given("Questionnaire", url);
        };
        let mut contained = list(response, "contained");
        let found = contained.find(|one| text(one, "id") == Some(id))?;
        Some(std::sync::Arc::new(found.clone()))
    }

    /// The items of a response, a group or an answer, beside those of the Questionnaire.
    fn items(&mut self, asked: &Value, given: &Value, place: &Place<'_>, path: &str) {
        if place.within.len() > DEEPEST {
            return;
        }
        let mut last = 0;
        for (index, item) in list(given, "item").enumerate() {
            let at = format!("{path}.item[{index}]");
            let link = text(item, "linkId").unwrap_or_default();
            let found = list(asked, "item").position(|own| text(own, "linkId") == Some(link));
            let Some(found) = found else {
                let text = "expected a linkId that the questionnaire has here but found another";
                self.report(Issue::error("structure", text), &at);
                continue;
            };
            if found < last {
                let text = "expected the items in the order of the questionnaire";
                self.report(Issue::error("structure", text), &at);
            }
            last = last.max(found);
            if let Some(question) = list(asked, "item").nth(found) {
                if place.is_done
                    && has_answers(item)
                    && is_enabled(question, &place.within) == Some(false)
                {
                    let text = "expected no answer to what is not asked under these conditions";
                    self.report(Issue::error("business-rule", text), &at);
                }
                self.item(question, item, place, &at);
            }
        }
        for question in list(asked, "item") {
            self.how_many(question, given, place, path);
        }
    }

    fn how_many(&mut self, question: &Value, given: &Value, place: &Place<'_>, path: &str) {
        let link = text(question, "linkId");
        let is_meant = |item: &&Value| text(item, "linkId") == link;
        let items: Vec<&Value> = list(given, "item").filter(is_meant).collect();
        let is_group = matches!(text(question, "type"), Some("group" | "display"));
        let answers: usize = items.iter().map(|item| list(item, "answer").count()).sum();
        let count = if is_group { items.len() } else { answers };
        let first = list(given, "item").position(|item| text(item, "linkId") == link);
        let at = first.map_or(path.to_owned(), |index| format!("{path}.item[{index}]"));
        let is_required = question.get("required") == Some(&Value::Bool(true));
        let bound = number(question, "questionnaire-minOccurs");
        // Where it is not required it may be left out, not answered too rarely.
        let least = match (is_required, bound) {
            (true, bound) => bound.unwrap_or(1),
            (false, Some(bound)) if !items.is_empty() => bound,
            (false, _) => 0,
        };
        let is_asked = place.is_done && is_enabled(question, &place.within) == Some(true);
        if is_asked && (count as u64) < least {
            let text = match count {
                0 => "expected an answer, which is required, but found none".to_owned(),
                count => format!("expected at least {least} answers but found {count}"),
            };
            self.report(Issue::error("required", text), &at);
        }
        let is_hollow = is_group && is_required && is_asked;
        let hollow = items
            .iter()
            .filter(|item| list(item, "item").next().is_none());
        if is_hollow && list(question, "item").next().is_some() && hollow.count() > 0 {
            let text = "expected items in a group that is required but found none";
            self.report(Issue::error("required", text), &at);
        }
        let repeats = question.get("repeats") == Some(&Value::Bool(true));
        let most = match repeats {
            true => number(question, "questionnaire-maxOccurs").unwrap_or(u64::MAX),
            false => 1,
        };
        if count as u64 > most {
            let text = format!("expected at most {most} but found {count}");
            self.report(Issue::error("structure", text), &at);
        }
    }

    fn item(&mut self, question: &Value, item: &Value, place: &Place<'_>, at: &str) {
        let kind = text(question, "type").unwrap_or_default();
        let has_answers = item.get("answer").is_some();
        match kind {
            // `question` is abstract: nothing can be answered to it.
            "group" | "display" | "question" => {
                if has_answers {
                    let text = format!("expected no answer in an item of type {kind}");
                    self.report(Issue::error("structure", text), at);
                }
                if kind == "display" {
                    let text = "expected no item for a display";
                    return self.report(Issue::error("structure", text), at);
                }
                self.items(question, item, &place.below(item), at);
            }
            _ => {
                if item.get("item").is_some() {
                    let text = "expected items below the answer of a question but found them below the question";
                    self.report(Issue::error("structure", text), at);
                }
                for (index, answer) in list(item, "answer").enumerate() {
                    let at = format!("{at}.answer[{index}]");
                    self.answer(question, kind, answer, &at);
                    self.items(question, answer, &place.below(answer), &at);
                }
                self.exclusive(question, item, at);
            }
        }
    }
}

/// Whether there is an answer, here or in an item below.
fn has_answers(item: &Value) -> bool {
    list(item, "answer").next().is_some() || list(item, "item").any(has_answers)
}

fn list<'v>(of: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(of: &'v Value, name: &str) -> Option<&'v str> {
    of.get(name)?.as_str()
}

fn number(question: &Value, name: &str) -> Option<u64> {
    extension(question, name)?.as_u64()
}

/// The value of an extension by the end of its URL.
fn extension<'v>(question: &'v Value, name: &str) -> Option<&'v Value> {
    extensions(question, name).next()
}

fn extensions<'v>(question: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    list(question, "extension").filter_map(move |extension| {
        let url = text(extension, "url")?;
        if url.strip_prefix(EXTENSIONS)? != name {
            return None;
        }
        let members = extension.as_object()?;
        let value = members.iter().find(|(name, _)| name.starts_with("value"))?;
        Some(value.1)
    })
}
