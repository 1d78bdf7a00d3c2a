//! Conditions on the JSON and the words of a resource: what no index holds.
//!
//! The texts of a place are read by an SQL/JSON path from one element of the root, so that
//! the rest of a resource is scanned and not built. The normal form of strings is made here
//! as [`string::normalise`] makes it, with its own table.

use super::condition::of_types;
use super::statement::{Bind, Statement};
use crate::search::index::STRING_LENGTH;
use crate::search::params::string;
use crate::search::plan::{Compared, ElementTest, JsonTest, Place, Reading, Words};

/// Characters of a narrative, and bytes of a resource, whose words are read: PostgreSQL takes
/// a mebibyte of words and where they stand.
const WORDS_OF: i32 = 200_000;

/// A text in one of these places passes.
pub(super) fn text_exists(statement: &mut Statement, places: &[Place], test: &JsonTest) {
    statement.push("EXISTS (SELECT 1 FROM (");
    for (index, place) in places.iter().enumerate() {
        statement.push(if index > 0 { " UNION ALL " } else { "" });
        text_at(statement, place);
    }
    statement.push(") j WHERE ");
    text_test(statement, test);
    statement.push(")");
}

/// An element in one of these places passes.
pub(super) fn element_exists(statement: &mut Statement, tests: &[(Place, ElementTest)]) {
    for (index, (place, test)) in tests.iter().enumerate() {
        statement.push(if index > 0 { " OR " } else { "(" });
        statement.push("EXISTS (SELECT 1 FROM (");
        at_place(statement, place, " AS item");
        statement.push(") e0 WHERE ");
        element_test(statement, test, 0);
        statement.push(")");
    }
    statement.push(if tests.is_empty() { "FALSE" } else { ")" });
}

/// A test of `e0.item`, or of that of a greater number within it.
fn element_test(statement: &mut Statement, test: &ElementTest, depth: usize) {
    match test {
        ElementTest::And(parts) => element_tests(statement, parts, " AND ", depth),
        ElementTest::Or(parts) => element_tests(statement, parts, " OR ", depth),
        ElementTest::Not(part) => {
            statement.push("NOT ");
            element_test(statement, part, depth);
        }
        ElementTest::There(path) => {
            statement.push("EXISTS (SELECT ");
            within(statement, path, depth);
            statement.push(")");
        }
        ElementTest::Text { path, test, is } => {
            statement.push("EXISTS (SELECT 1 FROM (SELECT ");
            within(statement, path, depth);
            statement
                .push(" #>> '{}' AS text) j WHERE ")
                .push(if *is { "(" } else { "NOT (" });
            text_test(statement, test);
            statement.push("))");
        }
        ElementTest::Element(path, test) => {
            statement.push("EXISTS (SELECT 1 FROM (SELECT ");
            within(statement, path, depth);
            statement.push(" AS item) e").number(depth + 1);
            statement.push(" WHERE ");
            element_test(statement, test, depth + 1);
            statement.push(")");
        }
    }
}

fn element_tests(
    statement: &mut Statement,
    parts: &[ElementTest],
    separator: &'static str,
    depth: usize,
) {
    for (index, part) in parts.iter().enumerate() {
        statement.push(if index > 0 { separator } else { "(" });
        element_test(statement, part, depth);
    }
    let nothing = if separator == " AND " {
        "TRUE"
    } else {
        "FALSE"
    };
    statement.push(if parts.is_empty() { nothing } else { ")" });
}

/// What stands at a path of the element, a row each.
fn within(statement: &mut Statement, path: &str, depth: usize) {
    statement.push("jsonb_path_query(e").number(depth);
    statement
        .push(".item, ")
        .bind(Bind::Text(path.to_owned()))
        .push("::text::jsonpath)");
}

/// A test of `j.text`.
fn text_test(statement: &mut Statement, test: &JsonTest) {
    match test {
        JsonTest::Begins(normal) => {
            statement.push("starts_with(");
            normal_form(statement);
            statement
                .push(", ")
                .bind(Bind::Text(normal.clone()))
                .push("::text)");
        }
        JsonTest::Is(normal) => {
            normal_form(statement);
            statement
                .push(" = ")
                .bind(Bind::Text(normal.clone()))
                .push("::text");
        }
        JsonTest::Contains(normal) => {
            statement.push("strpos(");
            normal_form(statement);
            statement
                .push(", ")
                .bind(Bind::Text(normal.clone()))
                .push("::text) > 0");
        }
        JsonTest::Ends(normal) => {
            let length = i32::try_from(normal.chars().count()).unwrap_or(i32::MAX);
            statement.push("right(");
            normal_form(statement);
            statement
                .push(", ")
                .bind(Bind::Int(length))
                .push(") = ")
                .bind(Bind::Text(normal.clone()))
                .push("::text");
        }
        JsonTest::OneOf(texts) => {
            statement
                .push("j.text = ANY(")
                .bind(Bind::Texts(texts.clone()))
                .push("::text[])");
        }
        JsonTest::Below(text, separators) => {
            let separators = separators.chars();
            let beginnings = separators.map(|separator| format!("{text}{separator}"));
            statement
                .push("(j.text = ")
                .bind(Bind::Text(text.clone()))
                .push("::text OR j.text ^@ ANY(")
                .bind(Bind::Texts(beginnings.collect()))
                .push("::text[]))");
        }
    }
}

/// `SELECT … AS text …`, a row for each text of a place.
fn text_at(statement: &mut Statement, place: &Place) {
    at_place(statement, place, " #>> '{}' AS text");
}

/// `SELECT … AS item …`: what stands in a place, a row each, as `named` says.
///
/// A `jsonb` holds no number of more than some ten thousand digits, which FHIR allows: one
/// resource with it would fail all searches that read it. So it is 0 here, where only
/// texts are asked for; and so is what looks like one within a text. The first expression
/// tells cheaply that there is none: replacing in every text takes half as long again.
fn at_place(statement: &mut Statement, place: &Place, named: &'static str) {
    statement.push(
        "SELECT jsonb_path_query((CASE WHEN octet_length(e.t) > 16000 \
         OR e.t ~ '[0-9][eE][-+]?[0-9][0-9][0-9][0-9][0-9]' THEN regexp_replace(e.t, \
         '([:,[]\\s*-?)([0-9.]+[eE][-+]?[0-9]{5,}|[0-9.]{255,}([eE][-+]?[0-9]+)?)', \
         '\\10', 'g') ELSE e.t END)::jsonb, ",
    );
    let path = Bind::Text(place.path.clone());
    statement.bind(path).push("::text::jsonpath)").push(named);
    statement
        .push(" FROM (SELECT (")
        .body()
        .push("::json -> ")
        .bind(Bind::Text(place.element.clone()))
        .push("::text)::text AS t OFFSET 0) e");
}

/// The normal form of `j.text`. Texts of ASCII, which are most, need a short table only.
fn normal_form(statement: &mut Statement) {
    let tables = string::tables();
    let translate = |statement: &mut Statement, (from, to): &(String, String)| {
        statement
            .bind(Bind::Text(from.clone()))
            .push("::text, ")
            .bind(Bind::Text(to.clone()))
            .push("::text)");
    };
    statement.push(
        "btrim(regexp_replace(CASE WHEN octet_length(j.text) = length(j.text) THEN translate(j.text, ",
    );
    translate(statement, &tables.ascii);
    statement.push(" ELSE ");
    for _ in &tables.letters {
        statement.push("replace(");
    }
    statement.push("translate(normalize(j.text, NFKD), ");
    translate(statement, &tables.unicode);
    for (one, several) in &tables.letters {
        statement
            .push(", ")
            .bind(Bind::Text((*one).to_owned()))
            .push("::text, ")
            .bind(Bind::Text((*several).to_owned()))
            .push("::text)");
    }
    statement.push(" END, ' +', ' ', 'g'), ' ')");
}

/// The words of a resource are what is asked for.
pub(super) fn has_words(statement: &mut Statement, within: Words, query: &str) {
    statement.push("(");
    vector(statement, within);
    statement.push(" @@ ");
    words(statement, query);
    statement.push(")");
}

/// The first text in the direction of the first of the readings that has any, of code points
/// and cut: a column `v`.
pub(super) fn first_text(statement: &mut Statement, readings: &[Reading], descending: bool) {
    statement.push("SELECT coalesce(");
    for (index, Reading { places, compared }) in readings.iter().enumerate() {
        statement.push(if index > 0 { ", (SELECT " } else { "(SELECT " });
        statement.push(if descending { "max(" } else { "min(" });
        let cut = |statement: &mut Statement| {
            statement.push(", ").number(STRING_LENGTH);
            statement.push(") COLLATE \"C\"");
        };
        match compared {
            Compared::AsWritten => cut(statement.push("left(j.text")),
            Compared::WithoutCase => {
                cut(statement.push("lower(left(j.text"));
                statement.push(")");
            }
            Compared::Relative(base) => {
                let length = base.chars().count() + 1;
                statement.push("left(CASE WHEN starts_with(j.text, ");
                statement.bind(Bind::Text(base.clone()));
                statement
                    .push("::text) THEN substr(j.text, ")
                    .number(length);
                cut(statement.push(") ELSE j.text END"));
            }
        }
        statement.push(") FROM (");
        for (index, (types, place)) in places.iter().enumerate() {
            statement.push(if index > 0 { " UNION ALL " } else { "" });
            text_at(statement, place);
            if !types.is_empty() {
                statement.push(" WHERE ");
                of_types(statement, types);
            }
        }
        statement.push(") j)");
    }
    statement.push(") AS v");
}

/// How well a match fits words, the best of them, from 0 to 1: an expression for a column of
/// the statement, about the resource that its conditions are about.
///
/// <https://hl7.org/fhir/R4/search.html#score>
pub(super) fn score(statement: &mut Statement, asked: &[(Words, String)]) {
    for (index, (within, query)) in asked.iter().enumerate() {
        statement.push(if index > 0 { ", " } else { "greatest(" });
        statement.push("ts_rank(");
        vector(statement, *within);
        statement.push(", ");
        words(statement, query);
        // 32: rank / (rank + 1)
        statement.push(", 32)");
    }
    statement.push(if asked.is_empty() { "NULL::real" } else { ")" });
}

fn vector(statement: &mut Statement, within: Words) {
    match within {
        Words::Narrative => {
            statement.push("to_tsvector('simple', translate(left(regexp_replace(");
            statement.body();
            statement.push("::json #>> '{text,div}', '<[^>]*>', ' ', 'g'), ");
            statement.bind(Bind::Int(WORDS_OF)).push("), ");
            folding(statement).push(")");
        }
        Words::Content => {
            statement.push("CASE WHEN octet_length(").body();
            statement.push(") <= ");
            statement.bind(Bind::Int(WORDS_OF));
            statement.push(" THEN json_to_tsvector('simple', translate(");
            statement.body().push(", ");
            folding(statement)
                .push("::json, '[\"string\"]') ELSE to_tsvector('simple', translate(left(");
            statement
                .body()
                .push(", ")
                .bind(Bind::Int(WORDS_OF))
                .push("), ");
            folding(statement).push(") END");
        }
    }
}

/// What is asked for. Within a subquery it is read once, not for every resource.
fn words(statement: &mut Statement, query: &str) {
    statement
        .push("(SELECT websearch_to_tsquery('simple', translate(")
        .bind(Bind::Text(query.to_owned()))
        .push("::text, ");
    folding(statement).push("))");
}

/// The rest of a `translate` that takes accents and cases off letters.
fn folding(statement: &mut Statement) -> &mut Statement {
    let (from, to) = &string::tables().folding;
    statement
        .bind(Bind::Text(from.clone()))
        .push("::text, ")
        .bind(Bind::Text(to.clone()))
        .push("::text)")
}
