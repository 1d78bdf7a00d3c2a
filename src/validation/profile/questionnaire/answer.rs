//! One answer: its type, the options of the question, and the bounds that extensions set.
//! <https://hl7.org/fhir/R4/questionnaire-profiles.html#extensions>
//!
//! The options of a value set and the units of one are checked where its codes are at hand.

use std::cmp::Ordering;

use serde_json::Value;

use super::{extension, extensions, list, number, text};
use crate::error::Issue;
use crate::fhir::ResourceType;
use crate::validation::profile::values;
use crate::validation::profile::walk::Walk;

/// Of the implementation guide for forms, which others use as well.
const QUANTITIES: [(&str, Ordering, &str); 2] = [
    (
        "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-minQuantity",
        Ordering::Less,
        "least",
    ),
    (
        "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-maxQuantity",
        Ordering::Greater,
        "most",
    ),
];

impl Walk<'_> {
    pub(super) fn answer(&mut self, question: &Value, kind: &str, answer: &Value, at: &str) {
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
        match found {
            "Quantity" => self.quantity(question, value, &at),
            "Reference" => self.referred(question, value, &at),
            _ => {}
        }
    }

    fn option(&mut self, question: &Value, kind: &str, found: &str, value: &Value, at: &str) {
        let is_open = kind == "open-choice" && found == "String";
        let options: Vec<&Value> = list(question, "answerOption").collect();
        let is_meant = |option: &&Value| is_option(option, value);
        if !options.is_empty() && !is_open && !options.iter().any(is_meant) {
            let text = "expected one of the options of the question but found another answer";
            self.report(Issue::error("code-invalid", text), at);
        }
        if let Some(canonical) = text(question, "answerValueSet")
            && !is_open
            && self.is_outside(canonical, value) == Some(true)
        {
            let text = format!("expected a code of {canonical} but found another answer");
            self.report(Issue::error("code-invalid", text), at);
        }
    }

    /// Whether a coding, or a text that is to be a code, is in no way of a value set; `None`
    /// where its codes are not at hand.
    fn is_outside(&self, canonical: &str, value: &Value) -> Option<bool> {
        let system = text(value, "system");
        let Some(codes) = self.profiles.codes(canonical) else {
            return system
                .map(|system| self.profiles.has_no_code_of(canonical, system))
                .filter(|is_outside| *is_outside);
        };
        match (value.as_str(), system, text(value, "code")) {
            (Some(code), ..) => Some(!codes.contains_code(code)),
            (None, Some(system), Some(code)) => Some(!codes.contains(system, code)),
            _ => None,
        }
    }

    /// An option that excludes others stands alone.
    pub(super) fn exclusive(&mut self, question: &Value, item: &Value, at: &str) {
        if list(item, "answer").count() < 2 {
            return;
        }
        let mut exclusive = list(question, "answerOption")
            .filter(|option| {
                extension(option, "questionnaire-optionExclusive") == Some(&Value::Bool(true))
            })
            .peekable();
        if exclusive.peek().is_none() {
            return;
        }
        let options: Vec<&Value> = exclusive.collect();
        for (index, answer) in list(item, "answer").enumerate() {
            let value = value_of(answer);
            if options
                .iter()
                .any(|option| value.is_some_and(|value| is_option(option, value)))
            {
                let text = "expected no other answer beside an option that excludes others";
                self.report(
                    Issue::error("business-rule", text),
                    &format!("{at}.answer[{index}]"),
                );
            }
        }
    }

    /// Quantities: bounds in whatever comparable unit, and the units that may be chosen.
    fn quantity(&mut self, question: &Value, value: &Value, at: &str) {
        for (url, wrong, word) in QUANTITIES {
            let Some(bound) = extension_by_url(question, url) else {
                continue;
            };
            let text = match values::compare(value, bound) {
                Some(order) if order == wrong => {
                    format!("expected at {word} the quantity that the question bounds it by")
                }
                Some(_) => continue,
                None => {
                    "expected a quantity in a unit that compares to the bounds of the question \
                         but found another"
                        .to_owned()
                }
            };
            self.report(Issue::error("value", text), at);
        }
        let mut options = extensions(question, "questionnaire-unitOption").peekable();
        let same = |unit: &Value, name: &str| unit.get(name) == value.get(name);
        let is_meant = |unit: &Value| same(unit, "system") && same(unit, "code");
        if options.peek().is_some() && !options.any(is_meant) {
            let text = "expected one of the units of the question but found another";
            self.report(Issue::error("code-invalid", text), at);
        }
        if let Some(canonical) =
            extension(question, "questionnaire-unitValueSet").and_then(Value::as_str)
            && self.is_outside(canonical, value) == Some(true)
        {
            let text = format!("expected a unit of {canonical} but found another");
            self.report(Issue::error("code-invalid", text), at);
        }
    }

    /// <http://hl7.org/fhir/StructureDefinition/questionnaire-referenceResource>
    fn referred(&mut self, question: &Value, value: &Value, at: &str) {
        let wanted: Vec<&str> = extensions(question, "questionnaire-referenceResource")
            .filter_map(Value::as_str)
            .collect();
        let Some(reference) = text(value, "reference") else {
            return;
        };
        let mut parts = reference
            .split("/_history/")
            .next()
            .unwrap_or(reference)
            .rsplit('/');
        let name = parts.nth(1).unwrap_or_default();
        if ResourceType::parse(name).is_some() && !wanted.is_empty() && !wanted.contains(&name) {
            let text = format!(
                "expected a reference to {} but found one to {name}",
                wanted.join(" or ")
            );
            self.report(Issue::error("structure", text), at);
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
            self.text_answer(question, text, at);
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

    fn text_answer(&mut self, question: &Value, text: &str, at: &str) {
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

/// Whether an answer is what an option offers: codings by system and code.
fn is_option(option: &Value, value: &Value) -> bool {
    value_of(option).is_some_and(|wanted| match wanted {
        Value::Object(_) => ["system", "code"]
            .iter()
            .all(|name| wanted.get(*name) == value.get(*name)),
        wanted => wanted == value,
    })
}

/// The `value[x]` of an answer, an option or an extension.
fn value_of(of: &Value) -> Option<&Value> {
    let mut members = of.as_object()?.iter();
    members
        .find(|(name, _)| name.starts_with("value"))
        .map(|(_, value)| value)
}

fn extension_by_url<'v>(of: &'v Value, url: &str) -> Option<&'v Value> {
    list(of, "extension")
        .find(|one| text(one, "url") == Some(url))
        .and_then(value_of)
}

fn decimal(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_str().parse().ok(),
        _ => None,
    }
}
