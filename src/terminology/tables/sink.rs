//! What a release says, as rows of COPY: numbers are given to codes, relations are gathered
//! until all are known, everything else goes on in chunks, so that memory holds the codes and
//! the hierarchy of a system and never its texts.

use super::super::text::words;
use super::closure::close;
use super::key;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt::Write;

/// Bytes after which rows are sent on.
const CHUNK: usize = 1 << 20;

/// A table to copy into while loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Concept,
    Detail,
    Hierarchy,
}

/// Some rows for one of the tables, in the text format of COPY.
#[derive(Debug)]
pub struct Chunk {
    pub stage: Stage,
    pub rows: Vec<u8>,
}

/// A concept as a release lists it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Concept<'a> {
    pub code: &'a str,
    pub display: Option<&'a str>,
    pub definition: Option<&'a str>,
    pub is_inactive: bool,
    pub is_abstract: bool,
}

/// Another name of a concept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Designation<'a> {
    pub language: Option<&'a str>,
    /// Code system, code and display of what kind of name it is.
    pub usage: Option<(&'a str, &'a str, &'a str)>,
    pub value: &'a str,
    /// How well it serves as the display of a concept that came without one: the lowest does;
    /// `None` for never.
    pub as_display: Option<i16>,
}

/// Where rows go; false when nobody takes them any more.
pub type Send<'a> = &'a mut dyn FnMut(Chunk) -> bool;

/// Takes the concepts of a release.
pub struct Sink<'a> {
    numbers: HashMap<Box<str>, u32>,
    edges: Vec<(u32, u32)>,
    concepts: String,
    details: String,
    send: Send<'a>,
    /// Rows are not taken any more: the load has failed on the other side.
    is_closed: bool,
}

impl<'a> Sink<'a> {
    pub fn new(send: Send<'a>) -> Sink<'a> {
        Sink {
            numbers: HashMap::new(),
            edges: Vec::new(),
            concepts: String::new(),
            details: String::new(),
            send,
            is_closed: false,
        }
    }

    /// How many concepts there are so far.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The number of a code that was listed.
    pub fn find(&self, code: &str) -> Option<u32> {
        self.numbers.get(code).copied()
    }

    /// A concept; `None` where its code was listed before.
    pub fn concept(&mut self, concept: &Concept<'_>) -> Option<u32> {
        let number = u32::try_from(self.numbers.len()).ok()?;
        if self.numbers.contains_key(concept.code) {
            return None;
        }
        self.numbers.insert(concept.code.into(), number);
        let flags = i16::from(concept.is_inactive) + 2 * i16::from(concept.is_abstract);
        let mut all = words(concept.code);
        all.extend(words(concept.display.unwrap_or_default()));
        let row = &mut self.concepts;
        let _ = write!(row, "{number}\t{flags}\t");
        text(row, Some(concept.code));
        row.push('\t');
        text(row, concept.display);
        row.push('\t');
        text(row, concept.definition);
        row.push('\t');
        text(row, Some(&all.join(" ")));
        row.push('\n');
        self.flush(CHUNK);
        Some(number)
    }

    pub fn designation(&mut self, number: u32, designation: &Designation<'_>) {
        let mut json = Map::new();
        if let Some(language) = designation.language {
            json.insert("language".to_owned(), json!(language));
        }
        if let Some((system, code, display)) = designation.usage {
            let usage = json!({"system": system, "code": code, "display": display});
            json.insert("use".to_owned(), usage);
        }
        json.insert("value".to_owned(), json!(designation.value));
        let row = &mut self.details;
        let _ = write!(row, "{number}\t");
        match designation.as_display {
            Some(rank) => {
                let _ = write!(row, "{rank}\t");
                text(row, Some(designation.value));
            }
            None => row.push_str("\\N\t\\N"),
        }
        row.push_str("\td\t");
        text(row, Some(&Value::Object(json).to_string()));
        row.push_str("\t\\N\t\\N\t");
        text(row, Some(&words(designation.value).join(" ")));
        row.push('\n');
        self.flush(CHUNK);
    }

    /// A property; `kind` is the name of its `value[x]`, such as `valueCode`.
    pub fn property(&mut self, number: u32, code: &str, kind: &str, value: &Value) {
        let json = json!({"code": code, kind: value});
        let plain = match value {
            Value::String(plain) => plain.clone(),
            Value::Object(coding) => coding["code"].as_str().unwrap_or_default().to_owned(),
            other => other.to_string(),
        };
        let row = &mut self.details;
        let _ = write!(row, "{number}\t\\N\t\\N\tp\t");
        text(row, Some(&json.to_string()));
        let _ = writeln!(row, "\t{}\t{}\t", key(code, Some(&plain)), key(code, None));
        self.flush(CHUNK);
    }

    /// One concept is directly below another.
    pub fn parent(&mut self, child: u32, parent: u32) {
        self.edges.push((child, parent));
    }

    /// The end: what is left, and the hierarchy.
    ///
    /// # Errors
    /// A hierarchy that is too large, for a person.
    pub fn finish(mut self) -> Result<(), String> {
        self.flush(0);
        let closure = close(self.numbers.len(), &self.edges)?;
        self.edges = Vec::new();
        let mut rows = String::new();
        for (number, parents) in closure.parents.iter().enumerate() {
            let (above, below) = (&closure.above[number], closure.below[number]);
            if parents.is_empty() && below == 0 {
                continue;
            }
            let _ = write!(rows, "{number}\t{below}\t");
            array(&mut rows, parents);
            rows.push('\t');
            array(&mut rows, above);
            rows.push('\n');
            if rows.len() > CHUNK {
                self.pass_on(Stage::Hierarchy, std::mem::take(&mut rows));
            }
        }
        self.pass_on(Stage::Hierarchy, rows);
        Ok(())
    }

    fn flush(&mut self, limit: usize) {
        if self.concepts.len() > limit {
            let rows = std::mem::take(&mut self.concepts);
            self.pass_on(Stage::Concept, rows);
        }
        if self.details.len() > limit {
            let rows = std::mem::take(&mut self.details);
            self.pass_on(Stage::Detail, rows);
        }
    }

    fn pass_on(&mut self, stage: Stage, rows: String) {
        if rows.is_empty() || self.is_closed {
            return;
        }
        let rows = rows.into_bytes();
        self.is_closed = !(self.send)(Chunk { stage, rows });
    }
}

/// A value of COPY's text format; what no text of PostgreSQL can hold is left out.
fn text(row: &mut String, value: Option<&str>) {
    let Some(value) = value else {
        row.push_str("\\N");
        return;
    };
    for c in value.chars() {
        match c {
            '\\' => row.push_str("\\\\"),
            '\n' => row.push_str("\\n"),
            '\r' => row.push_str("\\r"),
            '\t' => row.push_str("\\t"),
            '\0' => {}
            other => row.push(other),
        }
    }
}

fn array(row: &mut String, numbers: &[u32]) {
    row.push('{');
    for (at, number) in numbers.iter().enumerate() {
        let _ = match at {
            0 => write!(row, "{number}"),
            _ => write!(row, ",{number}"),
        };
    }
    row.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_copy() {
        let mut chunks = Vec::new();
        let mut send = |chunk: Chunk| {
            chunks.push(format!(
                "{:?} {}",
                chunk.stage,
                String::from_utf8_lossy(&chunk.rows)
            ));
            true
        };
        let mut sink = Sink::new(&mut send);
        let a = Concept {
            code: "a",
            display: Some("A\tb\\"),
            ..Concept::default()
        };
        let b = Concept {
            code: "b",
            is_inactive: true,
            is_abstract: true,
            ..Concept::default()
        };
        assert_eq!(sink.concept(&a), Some(0));
        assert_eq!(sink.concept(&a), None);
        assert_eq!(sink.concept(&b), Some(1));
        sink.designation(
            1,
            &Designation {
                language: Some("de"),
                value: "Bé",
                ..Designation::default()
            },
        );
        sink.property(1, "p", "valueInteger", &json!(3));
        sink.parent(1, 0);
        sink.finish().expect("small");
        let expected = [
            "Concept 0\t0\ta\tA\\tb\\\\\t\\N\ta a b\n1\t3\tb\t\\N\t\\N\tb\n".to_owned(),
            format!(
                "Detail 1\t\\N\t\\N\td\t{{\"language\":\"de\",\"value\":\"Bé\"}}\t\\N\t\\N\tbe\n\
                 1\t\\N\t\\N\tp\t{{\"code\":\"p\",\"valueInteger\":3}}\t{}\t{}\t\n",
                key("p", Some("3")),
                key("p", None)
            ),
            "Hierarchy 0\t1\t{}\t{}\n1\t0\t{0}\t{0}\n".to_owned(),
        ];
        assert_eq!(chunks, expected);
    }
}
