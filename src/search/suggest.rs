//! Which known name a caller most likely meant.
//!
//! The distance is that of Levenshtein; a suggestion is only made where it is small beside
//! the length of the word, so that nobody is sent astray.

/// The nearest of `known`, if it is near.
pub fn nearest<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Comparing is quadratic, and no name of FHIR is longer than this.
    if found.len() > 64 {
        return None;
    }
    let limit = 1 + found.chars().count() / 4;
    known
        .map(|name| (distance(found, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// ` Did you mean x?`, or nothing.
pub fn hint<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(found, known) {
        Some(name) => format!(" Did you mean {name}?"),
        None => String::new(),
    }
}

fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, l) in left.chars().flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (column, r) in right.iter().enumerate() {
            let change = diagonal + usize::from(l != *r);
            diagonal = row[column + 1];
            row[column + 1] = change.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["birthdate", "_lastUpdated", "family", "given", "_id"];
        for (found, expected) in [
            ("birthdat", Some("birthdate")),
            ("birthDate", Some("birthdate")),
            ("_lastupdated", Some("_lastUpdated")),
            ("famly", Some("family")),
            ("id", Some("_id")),
            ("foo", None),
            ("", None),
        ] {
            assert_eq!(nearest(found, known.into_iter()), expected, "{found}");
        }
    }
}
