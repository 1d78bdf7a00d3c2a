//! SearchParameters, typed: <https://hl7.org/fhir/R4/searchparameter.html>.
//!
//! Expressions are FHIRPath text here; the search engine parses them. Published guides name
//! choices as JSON does now and then (`extension.where(...).valueDateTime`, US Core 6.1.0), which
//! FHIRPath has no word for: such a name is read as `value.ofType(dateTime)`.

use serde_json::Value;

use super::structure::{items, text, texts};

/// `SearchParameter.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SearchParameterType {
    Number,
    Date,
    String,
    Token,
    Reference,
    Composite,
    Quantity,
    Uri,
    Special,
}

impl SearchParameterType {
    /// The code in the specification.
    pub fn as_str(self) -> &'static str {
        match self {
            SearchParameterType::Number => "number",
            SearchParameterType::Date => "date",
            SearchParameterType::String => "string",
            SearchParameterType::Token => "token",
            SearchParameterType::Reference => "reference",
            SearchParameterType::Composite => "composite",
            SearchParameterType::Quantity => "quantity",
            SearchParameterType::Uri => "uri",
            SearchParameterType::Special => "special",
        }
    }

    fn parse(code: &str) -> Option<SearchParameterType> {
        Some(match code {
            "number" => SearchParameterType::Number,
            "date" => SearchParameterType::Date,
            "string" => SearchParameterType::String,
            "token" => SearchParameterType::Token,
            "reference" => SearchParameterType::Reference,
            "composite" => SearchParameterType::Composite,
            "quantity" => SearchParameterType::Quantity,
            "uri" => SearchParameterType::Uri,
            "special" => SearchParameterType::Special,
            _ => return None,
        })
    }
}

/// One SearchParameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchParameter {
    pub url: String,
    pub version: String,
    pub name: String,
    /// The name in a URL: `_id`, `birthdate`.
    pub code: String,
    /// Resource types, `Resource` and `DomainResource` among them.
    pub base: Vec<String>,
    pub kind: SearchParameterType,
    /// FHIRPath; none for `_text`, `_content` and `_query`.
    pub expression: Option<String>,
    /// `normal`, `phonetic`, `nearby`, `distance`, `other`.
    pub usage: String,
    /// The resource types that a reference may point at.
    pub target: Vec<String>,
    /// False where the definition forbids a comma-separated list; the default is true.
    pub multiple_or: bool,
    /// False where the definition forbids a repeated parameter; the default is true.
    pub multiple_and: bool,
    /// `eq`, `ne`, `gt` ...; empty where the definition does not say.
    pub comparator: Vec<String>,
    pub modifier: Vec<String>,
    pub chain: Vec<String>,
    pub component: Vec<SearchComponent>,
}

/// One part of a composite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchComponent {
    /// The canonical of the SearchParameter that gives the part its type.
    pub definition: String,
    /// FHIRPath, from each item that the composite's own expression gives.
    pub expression: String,
}

impl SearchParameter {
    /// Reads a SearchParameter.
    ///
    /// # Errors
    /// In words: no code, no type or an unknown one.
    pub fn parse(definition: &Value) -> Result<SearchParameter, String> {
        let url = text(definition, "url").unwrap_or_default();
        let need = |name: &str| {
            text(definition, name).ok_or_else(|| format!("SearchParameter {url} has no {name}"))
        };
        let kind = need("type")?;
        let kind = SearchParameterType::parse(&kind)
            .ok_or_else(|| format!("SearchParameter {url} has unknown type {kind}"))?;
        let component = items(&definition["component"])
            .map(|c| SearchComponent {
                definition: text(c, "definition").unwrap_or_default(),
                expression: text(c, "expression").unwrap_or_default(),
            })
            .collect();
        Ok(SearchParameter {
            version: text(definition, "version").unwrap_or_default(),
            name: text(definition, "name").unwrap_or_default(),
            code: need("code")?,
            base: texts(&definition["base"]),
            kind,
            expression: text(definition, "expression").map(|text| with_types(&text)),
            usage: text(definition, "xpathUsage").unwrap_or_else(|| "normal".to_owned()),
            target: texts(&definition["target"]),
            multiple_or: definition["multipleOr"] != false,
            multiple_and: definition["multipleAnd"] != false,
            comparator: texts(&definition["comparator"]),
            modifier: texts(&definition["modifier"]),
            chain: texts(&definition["chain"]),
            component,
            url,
        })
    }
}

/// The types that `value[x]` of an extension may be named with.
const TYPED: [&str; 28] = [
    "base64Binary",
    "boolean",
    "canonical",
    "code",
    "date",
    "dateTime",
    "decimal",
    "id",
    "instant",
    "integer",
    "markdown",
    "oid",
    "string",
    "time",
    "uri",
    "url",
    "Address",
    "CodeableConcept",
    "Coding",
    "ContactPoint",
    "HumanName",
    "Identifier",
    "Money",
    "Period",
    "Quantity",
    "Range",
    "Reference",
    "Timing",
];

/// The expression with each `.valueDateTime` as `.value.ofType(dateTime)`; what stands in quotes
/// is left alone.
fn with_types(expression: &str) -> String {
    const NAME: &str = ".value";
    let mut whole = String::with_capacity(expression.len());
    let (mut rest, mut is_quoted) = (expression, false);
    while let Some(letter) = rest.chars().next() {
        let word: &str = match rest.strip_prefix(NAME).filter(|_| !is_quoted) {
            None => "",
            Some(behind) => {
                let end = behind.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                &behind[..end.unwrap_or(behind.len())]
            }
        };
        let is_upper = word.starts_with(|c: char| c.is_ascii_uppercase());
        let mut known = TYPED.iter().filter(|_| is_upper);
        if let Some(name) = known.find(|name| name.eq_ignore_ascii_case(word)) {
            whole.push_str(&format!("{NAME}.ofType({name})"));
            rest = &rest[NAME.len() + word.len()..];
            continue;
        }
        is_quoted ^= letter == '\'';
        whole.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_by_their_names_in_json() {
        for (given, read) in [
            ("a.valueDateTime", "a.value.ofType(dateTime)"),
            (
                "a.where(url = 'x.valueCode').valueCodeableConcept.coding",
                "a.where(url = 'x.valueCode').value.ofType(CodeableConcept).coding",
            ),
            (
                "ValueSet.valueSet | a.values",
                "ValueSet.valueSet | a.values",
            ),
            ("a.value.as(Quantity)", "a.value.as(Quantity)"),
            ("a.valuedatetime", "a.valuedatetime"),
            ("é.valueCode", "é.value.ofType(code)"),
        ] {
            assert_eq!(with_types(given), read);
        }
    }
}
