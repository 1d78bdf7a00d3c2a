//! SearchParameters, typed: <https://hl7.org/fhir/R4/searchparameter.html>.
//!
//! Expressions are FHIRPath text here; the search engine parses them.

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
            expression: text(definition, "expression"),
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
