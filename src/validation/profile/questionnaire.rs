//! The answers of a QuestionnaireResponse, beside the Questionnaire that they answer.
//! <https://hl7.org/fhir/R4/questionnaireresponse.html#notes>,
//! <https://hl7.org/fhir/R4/questionnaire.html>, and the extensions that bound an answer.
//!
//! Every linkId is known where it stands, groups have no answers, displays no items; an answer
//! is of the type of its question, one of its options and within its bounds, and no more often
//! there than asked for. What is required is there once the answers are `completed` or
//! `amended`. A question that is asked under conditions (`enableWhen`) is never missed, since
//! they are not evaluated; value sets of answers are checked where their codes are at hand.

use std::cmp::Ordering;

use serde_json::Value;

use super::values;
use super::walk::Walk;
use crate::error::Issue;

const EXTENSIONS: &str = "http://hl7.org/fhir/StructureDefinition/";

/// A Questionnaire nested deeper than this is taken for a mistake.
const DEEPEST: usize = 32;

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
        self.items(&questionnaire, response, is_done, path, DEEPEST);
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
    fn items(&mut self, asked: &Value, given: &Value, is_done: bool, path: &str, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
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
                self.item(question, item, is_done, &at, depth);
            }
        }
        for question in list(asked, "item") {
            self.how_many(question, given, is_done, path);
        }
    }

    fn how_many(&mut self, question: &Value, given: &Value, is_done: bool, path: &str) {
        let link = text(question, "linkId");
        let is_meant = |item: &&Value| text(item, "linkId") == link;
        let items: Vec<&Value> = list(given, "item").filter(is_meant).collect();
        let is_group = matches!(text(question, "type"), Some("group" | "display"));
        let answers: usize = items.iter().map(|item| list(item, "answer").count()).sum();
        let count = if is_group { items.len() } else { answers };
        let first = list(given, "item").position(|item| text(item, "linkId") == link);
        let at = first.map_or(path.to_owned(), |index| format!("{path}.item[{index}]"));
        let is_required = question.get("required") == Some(&Value::Bool(true));
        let is_always = question.get("enableWhen").is_none();
        let least = number(question, "questionnaire-minOccurs").unwrap_or(1);
        if is_done && is_always && is_required && (count as u64) < least {
            let text = match count {
                0 => "expected an answer, which is required, but found none".to_owned(),
                count => format!("expected at least {least} answers but found {count}"),
            };
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

    fn item(&mut self, question: &Value, item: &Value, is_done: bool, at: &str, depth: usize) {
        let kind = text(question, "type").unwrap_or_default();
        let has_answers = item.get("answer").is_some();
        match kind {
            "group" | "display" => {
                if has_answers {
                    let text = format!("expected no answer in an item of type {kind}");
                    self.report(Issue::error("structure", text), at);
                }
                if kind == "display" {
                    let text = "expected no item for a display";
                    return self.report(Issue::error("structure", text), at);
                }
                self.items(question, item, is_done, at, depth);
            }
            _ => {
                if item.get("item").is_some() {
                    let text = "expected items below the answer of a question but found them below the question";
                    self.report(Issue::error("structure", text), at);
                }
                for (index, answer) in list(item, "answer").enumerate() {
                    let at = format!("{at}.answer[{index}]");
                    self.answer(question, kind, answer, &at);
                    self.items(question, answer, is_done, &at, depth);
                }
            }
        }
    }

    fn answer(&mut self, question: &Value, kind: &str, answer: &Value, at: &str) {
        let members = answer.as_object().into_iter().flatten();
        let mut values =
            members.filter_map(|(name, value)| Some((name.strip_prefix("value")?, value)));
        let Some((found, value)) = values.next() else {
            return;
        };
        let at = format!("{at}.value");
        let wanted: &[&str] = match kind {
            "boolean" => &["Boolean"],
            "decimal" => &["Decimal", "Integer"],
            "integer" => &["Integer"],
            "date" => &["Date"],
            "dateTime" => &["DateTime"],
            "time" => &["Time"],
            "string" | "text" => &["String"],
            "url" => &["Uri"],
            "choice" => &["Coding", "String", "Integer", "Date", "Time", "Reference"],
            "open-choice" => &["Coding", "String"],
            "attachment" => &["Attachment"],
            "reference" => &["Reference"],
            "quantity" => &["Quantity"],
            // A type that is abstract has no answers.
            _ => &[],
        };
        if !wanted.contains(&found) {
            let text = format!("expected an answer of type {kind} but found a {found}");
            return self.report(Issue::error("structure", text), &at);
        }
        self.option(question, kind, found, value, &at);
        self.bounds(question, value, &at);
    }

    fn option(&mut self, question: &Value, kind: &str, found: &str, value: &Value, at: &str) {
        let is_open = kind == "open-choice" && found == "String";
        let options: Vec<&Value> = list(question, "answerOption").collect();
        let is_meant = |option: &&Value| {
            let members = option.as_object().into_iter().flatten();
            let mut values = members.filter(|(name, _)| name.starts_with("value"));
            values.any(|(_, wanted)| match wanted {
                Value::Object(_) => ["system", "code"]
                    .iter()
                    .all(|name| wanted.get(*name) == value.get(*name)),
                wanted => wanted == value,
            })
        };
        if !options.is_empty() && !is_open && !options.iter().any(is_meant) {
            let text = "expected one of the options of the question but found another answer";
            self.report(Issue::error("code-invalid", text), at);
        }
        if let Some(canonical) = text(question, "answerValueSet")
            && let Some(codes) = self.profiles.codes(canonical)
            && let (Some(system), Some(code)) = (text(value, "system"), text(value, "code"))
            && !codes.contains(system, code)
        {
            let text = format!("expected a code of {canonical} but found `{system}|{code}`");
            self.report(Issue::error("code-invalid", text), at);
        }
    }

    /// <https://hl7.org/fhir/R4/questionnaire-profiles.html#extensions>
    fn bounds(&mut self, question: &Value, value: &Value, at: &str) {
        for (name, wrong, word) in [
            ("minValue", Ordering::Less, "least"),
            ("maxValue", Ordering::Greater, "most"),
        ] {
            if let Some(bound) = extension(question, name)
                && values::compare(value, bound) == Some(wrong)
            {
                let text = format!("expected at {word} {bound}");
                self.report(Issue::error("value", text), at);
            }
        }
        if let Some(text) = value.as_str() {
            let length = text.chars().count() as u64;
            let most = question.get("maxLength").and_then(Value::as_u64);
            let least = number(question, "minLength");
            if most.is_some_and(|most| length > most) || least.is_some_and(|least| length < least) {
                let text = format!(
                    "expected {} to {} characters but found {length}",
                    least.unwrap_or(0),
                    most.map_or_else(|| "any number of".to_owned(), |most| most.to_string())
                );
                self.report(Issue::error("too-long", text), at);
            }
            let pattern = extension(question, "regex").and_then(Value::as_str);
            let pattern = pattern.map(|pattern| format!("^(?:{pattern})$"));
            if let Some(Ok(regex)) = pattern.map(|pattern| self.profiles.model.regex(&pattern))
                && matches!(regex.is_match(text), Ok(false))
            {
                let text = "expected an answer that has the pattern of the question";
                self.report(Issue::error("value", text), at);
            }
        }
        if let (Some(most), Value::Number(number)) = (number(question, "maxDecimalPlaces"), value) {
            let places = number
                .as_str()
                .split_once('.')
                .map_or(0, |(_, places)| places.len());
            if places as u64 > most {
                let text = format!("expected at most {most} decimal places but found {places}");
                self.report(Issue::error("value", text), at);
            }
        }
        if let (Some(most), Some(size)) = (
            extension(question, "maxSize").and_then(decimal),
            value.get("size").and_then(Value::as_u64),
        ) && size as f64 > most
        {
            let text = format!("expected at most {most} bytes but found {size}");
            self.report(Issue::error("too-long", text), at);
        }
        self.media(question, value, at);
    }

    fn media(&mut self, question: &Value, value: &Value, at: &str) {
        let mut wanted = extensions(question, "mimeType")
            .filter_map(Value::as_str)
            .peekable();
        if let (Some(_), Some(found)) = (wanted.peek(), text(value, "contentType"))
            && !wanted.any(|wanted| wanted == found)
        {
            let text = "expected a content type that the question allows but found another";
            self.report(Issue::error("value", text), at);
        }
    }
}

fn decimal(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_str().parse().ok(),
        _ => None,
    }
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
