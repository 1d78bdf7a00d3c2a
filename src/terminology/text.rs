//! The words of a text, as `filter` looks for them: without case, accents and punctuation.
//! <https://hl7.org/fhir/R4/valueset-operation-expand.html> (`filter`: "a text filter")
//!
//! One folding for what is stored and for what is asked, in memory and in the tables. Words
//! are not stemmed, and nothing is left out for being common.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Characters of a word at most: what is longer is cut, in the question too.
const MAX_LENGTH: usize = 100;

/// The words of a text, folded, in their order.
pub fn words(text: &str) -> Vec<String> {
    let folded: String = text.nfkd().filter(|c| !is_combining_mark(*c)).collect();
    let lower = folded.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(MAX_LENGTH).collect())
        .collect()
}

/// Whether each of the words that are asked for begins one of the words that are there.
pub fn finds(asked: &[String], there: &[String]) -> bool {
    let begins = |one: &String| there.iter().any(|word| word.starts_with(one.as_str()));
    asked.iter().all(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded() {
        for (text, expected) in [
            (
                "Myocardial infarction (disorder)",
                "myocardial infarction disorder",
            ),
            ("Ménière's", "meniere s"),
            ("1234-5", "1234 5"),
            ("ﬁbrosis", "fibrosis"),
            (" - ", ""),
            ("Straße Ω", "straße ω"),
        ] {
            assert_eq!(words(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn each_word_begins_one() {
        let there = words("Myocardial infarction");
        for (asked, expected) in [
            ("myo inf", true),
            ("INF", true),
            ("ocard", false),
            ("", true),
        ] {
            assert_eq!(finds(&words(asked), &there), expected, "{asked}");
        }
    }
}
