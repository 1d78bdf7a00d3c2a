//! Strict reading of XML as a line of tokens.
//!
//! `quick-xml` finds the tags; what it leaves open is decided here, and it reads nothing but
//! the text at hand. Namespaces are resolved: a token says what its name means, not how its
//! prefix is spelt.

use super::{FHIR, XHTML, XML, escape};
use crate::error::{Category, Error, Result};
use crate::fhir::json::without_byte_order_mark;
use quick_xml::NsReader;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::name::{QName, ResolveResult};
use std::borrow::Cow;
use std::cell::Cell;

/// How deep elements may nest, a narrative's included.
const DEEPEST: usize = 600;

/// Attributes of one element at most.
const MOST_ATTRIBUTES: usize = 100;

/// What a name belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespace {
    None,
    Fhir,
    Xhtml,
    Other(String),
}

impl Namespace {
    pub fn of(name: &str) -> Namespace {
        match name {
            "" => Namespace::None,
            FHIR => Namespace::Fhir,
            XHTML => Namespace::Xhtml,
            other => Namespace::Other(other.to_owned()),
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Namespace::None => "",
            Namespace::Fhir => FHIR,
            Namespace::Xhtml => XHTML,
            Namespace::Other(name) => name,
        }
    }
}

/// An attribute that is no declaration of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    pub namespace: Namespace,
    /// Without its prefix.
    pub name: &'a str,
    pub value: Cow<'a, str>,
}

/// The beginning of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start<'a> {
    pub namespace: Namespace,
    /// Without its prefix.
    pub name: &'a str,
    pub attributes: Vec<Attribute<'a>>,
    /// True where no name in the tag has a prefix but `xml`.
    pub is_plain: bool,
    /// The namespaces that the tag declares, by prefix; the default one's is empty.
    pub declared: Vec<(&'a str, Cow<'a, str>)>,
    /// Offset of its `<`, for [`Reader::raw`] and [`Reader::refusal`].
    pub at: usize,
}

impl Start<'_> {
    /// True where the tag says `xmlns="…"`.
    pub fn declares_default(&self) -> bool {
        self.declared.iter().any(|(prefix, _)| prefix.is_empty())
    }

    /// The value of an attribute without a namespace.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        let found = attributes.find(|a| a.name == name && a.namespace == Namespace::None)?;
        Some(&found.value)
    }
}

/// A piece of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    Start(Start<'a>),
    /// Of the element that was begun last; also where it was written `<br/>`.
    End,
    /// Of an element, in pieces where it has references or comments in it.
    Text(Cow<'a, str>),
    Comment(&'a str),
    /// The document has ended as it should.
    Done,
}

/// Reads one document.
pub struct Reader<'a> {
    text: &'a str,
    inner: NsReader<&'a [u8]>,
    depth: usize,
    has_root: bool,
    /// Where the last token begins.
    at: usize,
    /// The place that was told last, from which the next one is counted.
    told: Cell<Place>,
}

/// An offset with its line and where that begins.
#[derive(Clone, Copy, Default)]
struct Place {
    offset: usize,
    /// Lines before it.
    lines: usize,
    start: usize,
}

impl Place {
    /// The place of an offset further on.
    fn forward(self, text: &str, to: usize) -> Place {
        let to = to.min(text.len());
        let mut place = Place { offset: to, ..self };
        for (index, byte) in text.as_bytes()[self.offset..to].iter().enumerate() {
            if *byte == b'\n' {
                place.lines += 1;
                place.start = self.offset + index + 1;
            }
        }
        place
    }
}

impl<'a> Reader<'a> {
    /// # Errors
    /// `Invalid`: not UTF-8, or a character that XML forbids.
    pub fn new(text: &'a [u8]) -> Result<Reader<'a>> {
        let text = std::str::from_utf8(without_byte_order_mark(text)).map_err(|error| {
            let at = error.valid_up_to();
            let says = format!("expected XML in UTF-8 but found an invalid byte at offset {at}");
            Error::coded(Category::Invalid, "structure", says)
        })?;
        let mut inner = NsReader::from_str(text);
        let config = inner.config_mut();
        config.check_comments = true;
        config.expand_empty_elements = true;
        let reader = Reader {
            text,
            inner,
            depth: 0,
            has_root: false,
            at: 0,
            told: Cell::default(),
        };
        match forbidden(text) {
            None => Ok(reader),
            Some(at) => Err(reader.refusal(at, "a character that XML forbids stands here")),
        }
    }

    /// Where the last token begins.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Where the last token ends.
    fn position(&self) -> usize {
        usize::try_from(self.inner.buffer_position()).unwrap_or(self.text.len())
    }

    /// The text from an offset to the end of the last token.
    pub fn raw(&self, from: usize) -> &'a str {
        self.text.get(from..self.position()).unwrap_or_default()
    }

    /// `at line 3 column 14`
    pub fn place(&self, at: usize) -> String {
        let told = self.told.get();
        let from = if told.offset <= at {
            told
        } else {
            Place::default()
        };
        let place = from.forward(self.text, at);
        self.told.set(place);
        let (line, column) = (place.lines + 1, place.offset - place.start + 1);
        format!("at line {line} column {column}")
    }

    /// The error for something at an offset.
    pub fn refusal(&self, at: usize, says: &str) -> Error {
        let place = self.place(at);
        Error::coded(
            Category::Invalid,
            "structure",
            format!("the body is not acceptable XML: {says} {place}"),
        )
    }

    /// The next token.
    ///
    /// # Errors
    /// `Invalid` with line and column for what is not well-formed or not allowed;
    /// `UnsupportedMediaType` for another encoding than UTF-8.
    pub fn next_token(&mut self) -> Result<Token<'a>> {
        loop {
            self.at = self.position();
            let event = self.inner.read_event().map_err(|error| {
                let at = usize::try_from(self.inner.error_position()).unwrap_or(self.at);
                self.refusal(at, &error.to_string())
            })?;
            if let Some(token) = self.token(event)? {
                return Ok(token);
            }
        }
    }

    /// Reads past the rest of the element that was begun last.
    ///
    /// # Errors
    /// As [`Reader::next_token`].
    pub fn skip(&mut self) -> Result<()> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.next_token()?;
        }
        Ok(())
    }

    fn token(&mut self, event: Event<'a>) -> Result<Option<Token<'a>>> {
        let token = match event {
            Event::Start(start) => self.start(&start).map(Token::Start),
            Event::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                Ok(Token::End)
            }
            Event::Text(text) => match (self.depth, text.into_inner()) {
                (0, text) if text.trim_matches(is_space).is_empty() => return Ok(None),
                (0, _) => Err("there is text outside of the root element".to_owned()),
                (_, text) if text.contains("]]>") => Err("`]]>` stands in text".to_owned()),
                (_, Cow::Borrowed(text)) => escape::text(text).map(Token::Text),
                (_, Cow::Owned(text)) => {
                    escape::text(&text).map(|text| Token::Text(Cow::Owned(text.into_owned())))
                }
            },
            Event::CData(_) | Event::GeneralRef(_) if self.depth == 0 => {
                Err("there is text outside of the root element".to_owned())
            }
            Event::CData(data) => {
                let data = data.xml10_content().into_owned();
                Ok(Token::Text(Cow::Owned(data)))
            }
            Event::GeneralRef(name) => {
                escape::reference(&name).map(|c| Token::Text(Cow::Owned(c.to_string())))
            }
            Event::Comment(_) => {
                let raw = self.raw(self.at);
                let inner = raw.strip_prefix("<!--").and_then(|r| r.strip_suffix("-->"));
                Ok(Token::Comment(inner.unwrap_or_default()))
            }
            Event::Decl(declaration) => return self.declaration(&declaration).map(|()| None),
            Event::DocType(_) => Err("a document type is not allowed".to_owned()),
            Event::PI(_) => Err("a processing instruction is not allowed".to_owned()),
            Event::Eof if self.depth > 0 => Err("the document ends before its elements".to_owned()),
            Event::Eof if !self.has_root => Err("there is no element".to_owned()),
            Event::Eof => Ok(Token::Done),
            Event::Empty(_) => Err("an element is neither begun nor ended".to_owned()),
        };
        let token = token.map_err(|says| self.refusal(self.at, &says))?;
        Ok(Some(token))
    }

    /// `<?xml version="1.0" encoding="UTF-8"?>`, at the very beginning.
    fn declaration(&self, declaration: &BytesDecl) -> Result<()> {
        let refuse = |says: &str| Err(self.refusal(self.at, says));
        if self.at > 0 {
            return refuse("the XML declaration stands elsewhere than at the beginning");
        }
        if declaration.version().ok().as_deref() != Some("1.0") {
            return refuse("expected version 1.0 of XML but found another");
        }
        match declaration.encoding().transpose() {
            Ok(None) => Ok(()),
            Ok(Some(name)) if is_utf8(&name) => Ok(()),
            Ok(Some(name)) => {
                let name: String = name.chars().take(40).collect();
                Err(Error::new(
                    Category::UnsupportedMediaType,
                    format!("expected XML in UTF-8 but found the encoding {name:?}"),
                ))
            }
            Err(error) => refuse(&error.to_string()),
        }
    }

    fn start(&mut self, start: &BytesStart) -> Result<Start<'a>, String> {
        if self.depth == 0 && std::mem::replace(&mut self.has_root, true) {
            return Err("there is a second root element".to_owned());
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("elements nest deeper than {DEEPEST}"));
        }
        let name_end = self.at + 1 + start.name().0.len();
        let tag_end = name_end + start.attributes_raw().len();
        // Sliced anew, since what the event holds does not live as long as the text.
        let name = self.text.get(self.at + 1..name_end).unwrap_or_default();
        let tag = self.text.get(name_end..tag_end).unwrap_or_default();
        check_name(name)?;
        let (resolved, _) = self.inner.resolver().resolve_element(QName(name));
        let mut read = Start {
            namespace: namespace(resolved)?,
            name: local(name),
            attributes: Vec::new(),
            is_plain: !name.contains(':'),
            declared: Vec::new(),
            at: self.at,
        };
        for (count, attribute) in Attributes::new(tag, 0).enumerate() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            if count >= MOST_ATTRIBUTES {
                return Err(format!(
                    "an element has more than {MOST_ATTRIBUTES} attributes"
                ));
            }
            let Cow::Borrowed(value) = attribute.value else {
                return Err("an attribute cannot be read".to_owned());
            };
            self.attribute(&mut read, tag, attribute.key, value)?;
        }
        Ok(read)
    }

    fn attribute(
        &self,
        start: &mut Start<'a>,
        tag: &'a str,
        key: QName<'a>,
        value: &'a str,
    ) -> Result<(), String> {
        check_name(key.0)?;
        // The key is a part of the tag, so that this is its offset in it.
        let offset = (key.0.as_ptr() as usize).saturating_sub(tag.as_ptr() as usize);
        if !tag[..offset].ends_with(is_space) {
            return Err(format!("there is no space before the attribute {}", key.0));
        }
        let value = escape::attribute(value)?;
        if key.0 == "xmlns" {
            start.declared.push(("", value));
            return Ok(());
        }
        if let Some(prefix) = key.0.strip_prefix("xmlns:") {
            start.is_plain = false;
            start.declared.push((prefix, value));
            return Ok(());
        }
        let (resolved, _) = self.inner.resolver().resolve_attribute(key);
        let namespace = namespace(resolved)?;
        start.is_plain &= matches!(&namespace, Namespace::None) || namespace.name() == XML;
        let name = local(key.0);
        let is_same = |a: &Attribute| a.name == name && a.namespace == namespace;
        if start.attributes.iter().any(is_same) {
            return Err(format!("the attribute {name} occurs twice"));
        }
        start.attributes.push(Attribute {
            namespace,
            name,
            value,
        });
        Ok(())
    }
}

/// The offset of the first character that may not stand in a document.
fn forbidden(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let suspect = |byte: &u8| matches!(byte, 0..=8 | 0xB | 0xC | 0xE..=0x1F | 0xEF);
    let mut from = 0;
    while let Some(found) = bytes[from..].iter().position(suspect) {
        let at = from + found;
        let c = text[at..].chars().next()?;
        if !escape::is_allowed(c) {
            return Some(at);
        }
        from = at + c.len_utf8();
    }
    None
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_utf8(name: &str) -> bool {
    ["utf-8", "utf8", "us-ascii"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

fn local(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

fn namespace(resolved: ResolveResult) -> Result<Namespace, String> {
    match resolved {
        ResolveResult::Unbound => Ok(Namespace::None),
        ResolveResult::Bound(namespace) => Ok(Namespace::of(namespace.into_inner())),
        ResolveResult::Unknown(prefix) => {
            let prefix: String = prefix.chars().take(40).collect();
            Err(format!("the prefix {prefix:?} is not declared"))
        }
    }
}

/// `Name` with at most one colon inside, letters beyond ASCII taken as they come:
/// <https://www.w3.org/TR/xml-names/#NT-QName>
fn check_name(name: &str) -> Result<(), String> {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let is_later = |c: char| is_first(c) || c.is_ascii_digit() || matches!(c, '-' | '.');
    let is_part = |part: &str| part.starts_with(is_first) && part.chars().all(is_later);
    let is_name = match name.split_once(':') {
        Some((prefix, local)) => is_part(prefix) && is_part(local),
        None => is_part(name),
    };
    match is_name {
        true => Ok(()),
        false => {
            let name: String = name.chars().take(40).collect();
            Err(format!("{name:?} is no name of an element or attribute"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<Token<'_>>> {
        let mut reader = Reader::new(text.as_bytes())?;
        let mut tokens = Vec::new();
        loop {
            match reader.next_token()? {
                Token::Done => return Ok(tokens),
                token => tokens.push(token),
            }
        }
    }

    #[test]
    fn names_are_resolved_and_references_replaced() {
        let text = "\u{FEFF}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- c -->\
            <f:a xmlns:f=\"http://hl7.org/fhir\" id = '1 &amp;&#10;2'>x&lt;<![CDATA[<]]>\
            <b xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\"/></f:a> \n";
        let tokens = all(text).expect("well-formed");
        let Token::Start(a) = &tokens[1] else {
            panic!("{tokens:?}");
        };
        assert_eq!((a.name, &a.namespace), ("a", &Namespace::Fhir));
        assert_eq!(a.attribute("id"), Some("1 &\n2"));
        assert!(!a.is_plain && !a.declares_default());
        let texts: String = tokens
            .iter()
            .filter_map(|token| match token {
                Token::Text(text) => Some(text.as_ref()),
                _ => None,
            })
            .collect();
        assert_eq!(texts, "x<<");
        let Token::Start(b) = &tokens[tokens.len() - 3] else {
            panic!("{tokens:?}");
        };
        assert_eq!((b.name, &b.namespace), ("b", &Namespace::Xhtml));
        assert!(b.is_plain && b.declares_default());
    }

    /// Table TG9: XML with DOCTYPE, entity or processing instruction.
    #[test]
    fn what_is_not_allowed_is_refused_with_its_place() {
        let deep = "<a>".repeat(DEEPEST + 1);
        let wide: String = (0..=MOST_ATTRIBUTES).map(|n| format!(" a{n}=''")).collect();
        let wide = format!("<a{wide}/>");
        for (text, says) in [
            ("", "there is no element"),
            ("<!-- only -->", "there is no element"),
            (
                "<!DOCTYPE a><a/>",
                "document type is not allowed at line 1 column 1",
            ),
            (
                "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
                "document type",
            ),
            ("<a>&x;</a>", "the entity \"x\" is not known"),
            ("<a b='&x;'/>", "the entity \"x\" is not known"),
            ("<?php x?><a/>", "processing instruction"),
            ("<a/><?xml version='1.0'?>", "elsewhere"),
            ("<?xml version='1.1'?><a/>", "version 1.0"),
            ("<?xml version='1.0' encoding='latin1'?><a/>", "\"latin1\""),
            ("<a>\n<b></a>", "line 2"),
            ("<a>", "ends before"),
            ("</a>", ""),
            ("<a/><b/>", "second root"),
            ("x<a/>", "outside of the root"),
            ("<a/>x", "outside of the root"),
            ("&amp;<a/>", "outside of the root"),
            ("<a b=1/>", ""),
            ("<a b/>", ""),
            ("<a b='1' b='2'/>", ""),
            ("<a b='1'c='2'/>", "no space before the attribute c"),
            ("<a b='<'/>", "`<` stands unescaped"),
            ("<a>]]></a>", "`]]>`"),
            ("<a><!-- -- --></a>", ""),
            ("<1/>", "no name"),
            ("<a:b:c xmlns:a='x'/>", "no name"),
            ("< a/>", "no name"),
            ("<f:a/>", "the prefix \"f\" is not declared"),
            ("<a f:b=''/>", "the prefix \"f\" is not declared"),
            ("<a xmlns:p='x' xmlns:q='x' p:b='' q:b=''/>", "occurs twice"),
            ("<a>\u{1}</a>", "forbids stands here at line 1 column 4"),
            ("<a>\u{FFFF}</a>", "forbids"),
            ("<a>&#1;</a>", "no character of XML"),
            ("<a>&", ""),
            ("<a><", ""),
            (deep.as_str(), "nest deeper"),
            (wide.as_str(), "more than 100 attributes"),
        ] {
            let error = all(text).expect_err(text);
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
        assert!(Reader::new(b"<a>\xff</a>").is_err());
    }

    #[test]
    fn elements_can_be_skipped_and_cut_out() {
        let text = "<a><b x='1'><c>t</c><d/></b><e/></a>";
        let mut reader = Reader::new(text.as_bytes()).expect("UTF-8");
        reader.next_token().expect("a");
        let Ok(Token::Start(b)) = reader.next_token() else {
            panic!("expected b");
        };
        reader.skip().expect("well-formed");
        assert_eq!(reader.raw(b.at), "<b x='1'><c>t</c><d/></b>");
        let Ok(Token::Start(e)) = reader.next_token() else {
            panic!("expected e");
        };
        assert_eq!((e.name, reader.raw(e.at)), ("e", "<e/>"));
    }
}
