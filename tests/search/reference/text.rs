//! Texts made comparable. <https://hl7.org/fhir/R4/search.html#string>
//!
//! The rules that this server documents: compatibility decomposition, no combining marks,
//! lower case, punctuation left out, dashes and slashes as spaces, single spaces.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Letters that Unicode does not decompose, as people type them without the right keyboard.
const PLAIN: [(char, &str); 9] = [
    ('ß', "ss"),
    ('æ', "ae"),
    ('œ', "oe"),
    ('ø', "o"),
    ('ł', "l"),
    ('đ', "d"),
    ('ð', "d"),
    ('ħ', "h"),
    ('ı', "i"),
];

/// What is no letter, digit or symbol beyond ASCII.
const PUNCTUATION: &str = "¡§«¶·»¿´¨ʼʹ、。〃〈〉《》「」『』【】\u{FEFF}";

pub fn normalised(text: &str) -> String {
    let plain: String = text.nfkd().filter(|c| !is_combining_mark(*c)).collect();
    let mut words = String::new();
    for c in plain.chars().flat_map(char::to_lowercase) {
        let general = ('\u{2000}'..='\u{206F}').contains(&c);
        let dash = "-/_\u{2212}".contains(c) || ('\u{2010}'..='\u{2015}').contains(&c);
        if let Some((_, plain)) = PLAIN.iter().find(|(letter, _)| *letter == c) {
            words.push_str(plain);
        } else if c == 'ς' {
            words.push('σ');
        } else if c.is_whitespace() || dash {
            words.push(' ');
        } else if !(c.is_ascii_punctuation()
            || c.is_control()
            || general
            || PUNCTUATION.contains(c)
            || is_combining_mark(c))
        {
            words.push(c);
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn texts_are_plain() {
    for (text, plain) in [
        ("Kaśka", "kaska"),
        ("  O'Brien,  St. Mary-Anne ", "obrien st mary anne"),
        ("Straße", "strasse"),
        ("İstanbul", "istanbul"),
        ("ﬁn", "fin"),
        ("...", ""),
    ] {
        assert_eq!(normalised(text), plain, "{text}");
    }
}
