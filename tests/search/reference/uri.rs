//! URIs, and what is above and below them. <https://hl7.org/fhir/R4/search.html#uri>
//!
//! A path goes on with `/`; a fragment or version told of a path is below it. A slash at the
//! end makes no difference to what is above or below.

use super::world::Element;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriMode {
    Same,
    Above,
    Below,
}

impl UriMode {
    pub fn of(modifier: &str) -> UriMode {
        match modifier {
            "above" => UriMode::Above,
            _ => UriMode::Below,
        }
    }
}

pub fn fits(element: &Element, mode: UriMode, asked: &str) -> bool {
    let Some(text) = element.value.as_str() else {
        return false;
    };
    let is_source = element.owner == "Meta" && element.name == "source";
    let shorter = match element.kind.as_str() {
        "canonical" => text.split_once('|'),
        "uri" if is_source => text.split_once('#'),
        _ => None,
    };
    let shorter = shorter.map(|(short, _)| short);
    match mode {
        UriMode::Same => text == asked || shorter == Some(asked),
        UriMode::Below if asked.contains('|') => {
            let rest = text.strip_prefix(asked);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        }
        UriMode::Below => {
            let rest = text.strip_prefix(asked.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '#', '|']))
        }
        UriMode::Above => {
            let mut texts = std::iter::once(text).chain(shorter);
            texts.any(|text| text == asked || is_ancestor(text, asked))
        }
    }
}

/// Whether a path begins with another, which has at least a host.
fn is_ancestor(text: &str, of: &str) -> bool {
    let path = of.split(['#', '|']).next().unwrap_or_default();
    let bare = text.trim_end_matches('/');
    let slashes = text.len() - bare.len();
    let has_host = match path.split_once("://") {
        Some((scheme, _)) => bare.len() > scheme.len() + 3,
        None => !bare.is_empty(),
    };
    let rest = path.strip_prefix(bare);
    let rest = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    has_host && slashes < 2 && rest
}

/// `image` is above `image/png`, which is above `image/png; …`.
pub fn fits_mime(element: &Element, mode: UriMode, asked: &str) -> bool {
    let Some(text) = element.value.as_str() else {
        return false;
    };
    let below = |text: &str, above: &str| {
        let bare = text.split(';').next().unwrap_or_default().trim_end();
        let kind = text.split('/').next().unwrap_or_default();
        above == text || above == bare || above == kind
    };
    match mode {
        UriMode::Below => below(text, asked.trim_end_matches("/*")),
        UriMode::Above => below(asked.trim_end_matches("/*"), text),
        UriMode::Same => text == asked,
    }
}
