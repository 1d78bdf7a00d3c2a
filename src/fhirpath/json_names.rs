//! Choices by the names that JSON has for them.
//!
//! FHIRPath calls `value[x]` `value`, whatever its type is. Published guides write the name of the
//! JSON now and then: `extension.where(...).valueDateTime` (a SearchParameter of US Core 6.1.0),
//! `valueString.exists()` (an invariant of IPS 1.1.0). Where such texts come from, the name is read
//! as `value.ofType(dateTime)`, which is what it means.

use std::borrow::Cow;

/// The types that `value[x]` is named with.
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

/// The expression with `value.ofType(dateTime)` for each name `valueDateTime`; what stands in
/// quotes is left alone.
pub(super) fn with_types(expression: &str) -> Cow<'_, str> {
    const NAME: &str = "value";
    if !expression.contains(NAME) {
        return Cow::Borrowed(expression);
    }
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut whole = String::with_capacity(expression.len());
    let (mut quote, mut is_escaped, mut before) = (None, false, ' ');
    let mut rest = expression;
    while let Some(letter) = rest.chars().next() {
        let begins = quote.is_none() && !is_inner(before) && before != '%';
        if let Some(behind) = rest.strip_prefix(NAME).filter(|_| begins) {
            let end = behind.find(|c: char| !is_inner(c));
            let word = &behind[..end.unwrap_or(behind.len())];
            let is_upper = word.starts_with(|c: char| c.is_ascii_uppercase());
            let mut known = TYPED.iter().filter(|_| is_upper);
            if let Some(name) = known.find(|name| name.eq_ignore_ascii_case(word)) {
                whole.push_str(&format!("{NAME}.ofType({name})"));
                rest = &behind[word.len()..];
                before = ')';
                continue;
            }
        }
        match quote {
            Some(open) if letter == open && !is_escaped => quote = None,
            None if matches!(letter, '\'' | '`' | '"') => quote = Some(letter),
            _ => {}
        }
        is_escaped = letter == '\\' && !is_escaped;
        whole.push(letter);
        before = letter;
        rest = &rest[letter.len_utf8()..];
    }
    Cow::Owned(whole)
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
            ("valueString.empty()", "value.ofType(string).empty()"),
            (
                "iif(valueCode='x',1,%valueCode)",
                "iif(value.ofType(code)='x',1,%valueCode)",
            ),
            (
                "a = 'it\\'s valueCode' or `valueCode`",
                "a = 'it\\'s valueCode' or `valueCode`",
            ),
            (
                "evalueCode | é.valueCode",
                "evalueCode | é.value.ofType(code)",
            ),
        ] {
            assert_eq!(with_types(given), read);
        }
    }
}
