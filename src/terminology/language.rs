//! Languages of texts and of those who ask for them.
//! <https://hl7.org/fhir/R4/valueset-operation-expand.html> (`displayLanguage`),
//! <https://www.rfc-editor.org/rfc/rfc4647>

/// Whether a text of this language serves who asks for that one: `de-CH` serves `de`.
pub fn speaks(language: &str, wanted: &str) -> bool {
    let (language, wanted) = (language.to_lowercase(), wanted.to_lowercase());
    language == wanted
        || language
            .strip_prefix(&wanted)
            .is_some_and(|rest| rest.starts_with('-'))
}

/// The languages of an `Accept-Language` or `displayLanguage`, best first.
pub fn languages(header: &str) -> Vec<&str> {
    let tags = header.split(',').map(|part| {
        let mut parts = part.trim().split(';');
        let tag = parts.next().unwrap_or_default().trim();
        let weight = parts
            .find_map(|part| part.trim().strip_prefix("q=")?.parse::<f32>().ok())
            .unwrap_or(1.0);
        (tag, weight)
    });
    let mut tags: Vec<(&str, f32)> = tags
        .filter(|(tag, weight)| !tag.is_empty() && *tag != "*" && *weight > 0.0)
        .collect();
    tags.sort_by(|left, right| right.1.total_cmp(&left.1));
    tags.into_iter().map(|(tag, _)| tag).collect()
}

/// Whether a list says that no other language will do: `en, *;q=0`.
pub fn forbids_others(header: &str) -> bool {
    header.split(',').any(|part| {
        let mut parts = part.split(';').map(str::trim);
        let weight = |part: &str| part.strip_prefix("q=")?.parse::<f32>().ok();
        parts.next() == Some("*") && parts.any(|part| weight(part) == Some(0.0))
    })
}

/// Whether a text is a list of languages.
pub fn is_list(header: &str) -> bool {
    let is_tag = |part: &str| {
        let tag = part.split(';').next().unwrap_or_default().trim();
        let is_subtag = |one: &str| {
            (1..=8).contains(&one.len()) && one.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        tag.is_empty() || tag == "*" || tag.split('-').all(is_subtag)
    };
    header.split(',').all(is_tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_by_weight_and_region() {
        assert_eq!(languages("de;q=0.5, en-US, *;q=0.1"), ["en-US", "de"]);
        for (language, wanted, expected) in [
            ("de-CH", "de", true),
            ("de", "de-CH", false),
            ("DE", "de", true),
            ("den", "de", false),
        ] {
            assert_eq!(speaks(language, wanted), expected, "{language} {wanted}");
        }
    }

    #[test]
    fn lists_may_be_none_and_forbid() {
        for (header, is_a_list, forbids) in [
            ("en, *; q=0", true, true),
            ("de-CH;q=0.5,*", true, false),
            ("*;q=0.1", true, false),
            ("-", false, false),
            ("en us", false, false),
        ] {
            assert_eq!(is_list(header), is_a_list, "{header}");
            assert_eq!(forbids_others(header), forbids, "{header}");
        }
    }
}
