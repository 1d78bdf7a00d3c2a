//! XML to JSON, token by token along the definitions.
//!
//! Goes on after an element that it cannot place, so that one answer tells all of them. What
//! XML can say and JSON cannot (elements out of order, one that does not repeat twice) is
//! refused here; what both can say wrongly is left to `validation`.

use super::{COMPANION, is_attribute, narrative};
use crate::definitions::{Definitions, Field, TypeInfo};
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::ResourceType;
use crate::fhir::json::is_number;
use crate::fhir::xml::{Namespace, Reader, SCHEMA_INSTANCE, Start, Token};
use std::fmt::{Display, Write};

/// Issues in one answer at most.
const MOST_ISSUES: usize = 200;

/// The JSON text of a resource in XML; `depth` is the deepest nesting of that JSON.
///
/// # Errors
/// `Invalid` with line and column: not well-formed, not a resource, or with an element path
/// each element, attribute, text or value that has no place in the definitions.
pub fn to_json(definitions: &Definitions, text: &[u8], depth: usize) -> Result<Vec<u8>> {
    let mut conversion = Conversion {
        definitions,
        reader: Reader::new(text)?,
        out: Vec::with_capacity(text.len()),
        path: String::new(),
        issues: Vec::new(),
        depth,
    };
    conversion.document()?;
    match conversion.issues.is_empty() {
        true => Ok(conversion.out),
        false => Err(Error::of(Category::Invalid, conversion.issues)),
    }
}

struct Conversion<'a, 'd> {
    definitions: &'d Definitions,
    reader: Reader<'a>,
    out: Vec<u8>,
    path: String,
    issues: Vec<Issue>,
    /// How much deeper the JSON may nest.
    depth: usize,
}

/// The element of which items were read last, which may go on.
struct Run<'i> {
    index: usize,
    name: &'i str,
    field: &'i Field,
    count: usize,
    /// Of a primitive: its values and what stands beside them, each an item of JSON.
    values: Vec<u8>,
    companions: Vec<u8>,
    has_value: bool,
    has_companion: bool,
}

impl<'a> Conversion<'a, '_> {
    fn document(&mut self) -> Result<()> {
        loop {
            match self.reader.next_token()? {
                Token::Start(start) => {
                    self.path.push_str(start.name);
                    self.resource(&start)?;
                }
                Token::Done => return Ok(()),
                _ => {}
            }
        }
    }

    fn report(&mut self, at: usize, says: impl Display) {
        if self.issues.len() < MOST_ISSUES {
            let text = format!("{says} {}", self.reader.place(at));
            let issue = Issue::error("structure", text).at(self.path.clone());
            self.issues.push(issue);
        }
    }

    fn report_and_skip(&mut self, start: &Start, says: impl Display) -> Result<()> {
        self.report(start.at, says);
        self.reader.skip()
    }

    /// Runs one step further down the path.
    fn below(
        &mut self,
        step: impl Display,
        run: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let length = self.path.len();
        write!(self.path, "{step}").map_err(Error::fault)?;
        let done = run(self);
        self.path.truncate(length);
        done
    }

    /// Runs one level further inside the JSON.
    fn inside(&mut self, at: usize, run: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.enter(at)?;
        let done = run(self);
        self.depth += 1;
        done
    }

    fn enter(&mut self, at: usize) -> Result<()> {
        let deeper = self.depth.checked_sub(1);
        self.depth = deeper.ok_or_else(|| {
            let says = "it nests deeper than the limit `json-depth` allows";
            self.reader.refusal(at, says).at(self.path.clone())
        })?;
        Ok(())
    }

    /// A resource, the document's or one inside another.
    fn resource(&mut self, start: &Start<'a>) -> Result<()> {
        if start.namespace != Namespace::Fhir {
            return self.report_and_skip(start, expected_namespace(start));
        }
        let info = ResourceType::parse(start.name)
            .and_then(|known| self.definitions.type_info(known.name()));
        let Some(info) = info else {
            let says = format!("expected a resource of FHIR R4 but found <{}>", start.name);
            return self.report_and_skip(start, says);
        };
        self.out.extend_from_slice(b"{\"resourceType\":\"");
        self.out.extend_from_slice(info.key.as_bytes());
        self.out.push(b'"');
        self.inside(start.at, |inside| inside.members(&info, start))?;
        self.out.push(b'}');
        Ok(())
    }

    /// An element with members.
    fn object(&mut self, key: &str, start: &Start<'a>) -> Result<()> {
        let Some(info) = self.definitions.type_info(key) else {
            return self.report_and_skip(start, format!("the type {key} is not known"));
        };
        let open = self.out.len();
        self.inside(start.at, |inside| inside.members(&info, start))?;
        match self.out.get_mut(open) {
            // The comma before the first member.
            Some(first) => *first = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
        Ok(())
    }

    /// All members of an element, each written with a comma before it, up to its end.
    fn members(&mut self, info: &TypeInfo, start: &Start<'a>) -> Result<()> {
        self.attributes(info, start)?;
        let mut run = None;
        loop {
            match self.reader.next_token()? {
                Token::Start(child) => self.child(info, &mut run, &child)?,
                Token::End | Token::Done => break,
                Token::Comment(_) => {}
                Token::Text(text) if is_blank(&text) => {}
                Token::Text(_) => {
                    let at = self.reader.at();
                    self.report(at, "expected elements and attributes but found text");
                }
            }
        }
        self.close(run)
    }

    /// `id` and `url`; `value` where the companion of a primitive is read.
    fn attributes(&mut self, info: &TypeInfo, start: &Start<'a>) -> Result<()> {
        for attribute in &start.attributes {
            let name = attribute.name;
            match &attribute.namespace {
                Namespace::Other(other) if other == SCHEMA_INSTANCE => {}
                Namespace::None if is_attribute(info, name) && info.field(name).is_some() => {
                    push_name(&mut self.out, name)?;
                    push_string(&mut self.out, &attribute.value)?;
                }
                Namespace::None if name == "value" && info.key == COMPANION => {}
                _ => {
                    let says = format!("an attribute `{name}` is not known here");
                    self.report(start.at, says);
                }
            }
        }
        Ok(())
    }

    fn child<'i>(
        &mut self,
        info: &'i TypeInfo,
        run: &mut Option<Run<'i>>,
        child: &Start<'a>,
    ) -> Result<()> {
        let found = info.fields.get_full(child.name);
        let Some((index, name, field)) = found.filter(|(_, name, _)| !is_attribute(info, name))
        else {
            let says = format!("{} has no element <{}>", info.key, short(child.name));
            return self.report_and_skip(child, says);
        };
        if child.namespace != namespace_of(field) {
            return self.report_and_skip(child, expected_namespace(child));
        }
        if run.as_ref().is_none_or(|run| run.index != index) {
            if let Some(last) = run.as_ref().filter(|run| run.index > index) {
                let says = format!("expected <{name}> before <{}>", last.name);
                return self.report_and_skip(child, says);
            }
            self.close(run.take())?;
            *run = Some(self.open(index, name, field, child.at)?);
        }
        let Some(run) = run else {
            return Ok(());
        };
        run.count += 1;
        if run.count > 1 && !field.is_array {
            return self.report_and_skip(child, format!("expected <{name}> once"));
        }
        if field.is_array {
            let step = format!(".{}[{}]", field.name, run.count - 1);
            return self.below(step, |below| below.item(run, child));
        }
        let step = format!(".{}", field.name);
        self.below(step, |below| below.item(run, child))
    }

    /// Begins a member. What is written of a primitive is kept until all of it is known.
    fn open<'i>(
        &mut self,
        index: usize,
        name: &'i str,
        field: &'i Field,
        at: usize,
    ) -> Result<Run<'i>> {
        if field.is_array {
            self.enter(at)?;
        }
        if !field.is_primitive {
            push_name(&mut self.out, name)?;
            if field.is_array {
                self.out.push(b'[');
            }
        }
        Ok(Run {
            index,
            name,
            field,
            count: 0,
            values: Vec::new(),
            companions: Vec::new(),
            has_value: false,
            has_companion: false,
        })
    }

    fn close(&mut self, run: Option<Run>) -> Result<()> {
        let Some(run) = run else {
            return Ok(());
        };
        let many = run.field.is_array;
        if many {
            self.depth += 1;
        }
        if !run.field.is_primitive {
            if many {
                self.out.push(b']');
            }
            return Ok(());
        }
        for (prefix, is_there, items) in [
            ("", run.has_value, &run.values),
            ("_", run.has_companion, &run.companions),
        ] {
            if !is_there {
                continue;
            }
            push_name(&mut self.out, &format!("{prefix}{}", run.name))?;
            if many {
                self.out.push(b'[');
            }
            self.out.extend_from_slice(items);
            if many {
                self.out.push(b']');
            }
        }
        Ok(())
    }

    fn item(&mut self, run: &mut Run, child: &Start<'a>) -> Result<()> {
        if run.field.is_primitive {
            return self.primitive(run, child);
        }
        if run.count > 1 {
            self.out.push(b',');
        }
        match run.field.is_resource {
            true => self.wrapped(child),
            false => self.object(&run.field.type_key, child),
        }
    }

    /// The one resource inside `<contained>` or `<resource>`.
    fn wrapped(&mut self, wrapper: &Start<'a>) -> Result<()> {
        if !wrapper.attributes.is_empty() {
            self.report(
                wrapper.at,
                format!("<{}> takes no attributes", wrapper.name),
            );
        }
        let mut count = 0;
        loop {
            match self.reader.next_token()? {
                Token::Start(start) => {
                    count += 1;
                    match count {
                        1 => self.resource(&start)?,
                        _ => {
                            self.report_and_skip(&start, "expected one resource but found more")?
                        }
                    }
                }
                Token::Text(text) if !is_blank(&text) => {
                    self.report(self.reader.at(), "expected a resource but found text");
                }
                Token::End | Token::Done => break,
                Token::Comment(_) | Token::Text(_) => {}
            }
        }
        if count == 0 {
            self.report(wrapper.at, "expected a resource but found none");
        }
        Ok(())
    }

    fn primitive(&mut self, run: &mut Run, child: &Start<'a>) -> Result<()> {
        if run.count > 1 {
            run.values.push(b',');
            run.companions.push(b',');
        }
        if run.field.type_code == "xhtml" {
            let div = narrative::to_string(&mut self.reader, child)?;
            run.has_value = true;
            return push_string(&mut run.values, &div);
        }
        let value = child.attribute("value");
        match value {
            Some(value) => self.value(run, value, child.at)?,
            None => run.values.extend_from_slice(b"null"),
        }
        let companion = self.companion(child)?;
        run.has_value |= value.is_some();
        run.has_companion |= companion.is_some();
        if value.is_none() && companion.is_none() {
            self.report(
                child.at,
                "expected a value or an extension but found neither",
            );
        }
        let companion = companion.as_deref().unwrap_or(b"null");
        run.companions.extend_from_slice(companion);
        Ok(())
    }

    /// What stands beside the value of a primitive, as JSON; `None` where nothing does.
    fn companion(&mut self, start: &Start<'a>) -> Result<Option<Vec<u8>>> {
        let outer = std::mem::take(&mut self.out);
        let read = self.object(COMPANION, start);
        let companion = std::mem::replace(&mut self.out, outer);
        read?;
        Ok((companion != b"{}").then_some(companion))
    }

    fn value(&mut self, run: &mut Run, text: &str, at: usize) -> Result<()> {
        let wanted = match run.field.type_code.as_str() {
            "boolean" if matches!(text, "true" | "false") => None,
            "boolean" => Some("a boolean, true or false,"),
            "decimal" | "integer" | "positiveInt" | "unsignedInt" if is_number(text) => None,
            "decimal" | "integer" | "positiveInt" | "unsignedInt" => Some("a number"),
            _ => return push_string(&mut run.values, text),
        };
        match wanted {
            None => run.values.extend_from_slice(text.as_bytes()),
            Some(wanted) => {
                let says = format!("expected {wanted} but found {:?}", short(text));
                self.report(at, says);
            }
        }
        Ok(())
    }
}

fn namespace_of(field: &Field) -> Namespace {
    match field.type_code.as_str() {
        "xhtml" => Namespace::Xhtml,
        _ => Namespace::Fhir,
    }
}

fn expected_namespace(start: &Start) -> String {
    let wanted = match start.name {
        "div" => Namespace::Xhtml,
        _ => Namespace::Fhir,
    };
    format!(
        "expected <{}> in the namespace {} but found {:?}",
        short(start.name),
        wanted.name(),
        short(start.namespace.name())
    )
}

/// Text of the client's in a message, cut where it is long.
fn short(text: &str) -> &str {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

fn push_name(out: &mut Vec<u8>, name: &str) -> Result<()> {
    out.push(b',');
    push_string(out, name)?;
    out.push(b':');
    Ok(())
}

fn push_string(out: &mut Vec<u8>, text: &str) -> Result<()> {
    serde_json::to_writer(out, text).map_err(Error::fault)
}
