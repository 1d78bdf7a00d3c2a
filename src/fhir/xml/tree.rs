//! A document as a tree, for what edits it or compares it: XML Patch, tests.
//!
//! Everything that says something is kept, comments included; how prefixes were spelt is not.
//! Written back, each element declares its namespace where it differs from its parent's.

use super::read::{Namespace, Reader, Start, Token};
use super::{XML, escape};
use crate::error::Result;

/// One element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    pub namespace: Namespace,
    pub name: String,
    pub attributes: Vec<Attribute>,
    pub children: Vec<Node>,
}

/// An attribute that is no declaration of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub namespace: Namespace,
    pub name: String,
    pub value: String,
}

/// What stands in an element. Two texts never stand side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Element(Element),
    Text(String),
    Comment(String),
}

impl Element {
    /// Reads a whole document.
    ///
    /// # Errors
    /// Those of [`Reader::next_token`].
    pub fn parse(text: &[u8]) -> Result<Element> {
        let mut reader = Reader::new(text)?;
        let root = loop {
            match reader.next_token()? {
                Token::Start(start) => break Element::read(&mut reader, &start)?,
                Token::Done => return Err(reader.refusal(0, "there is no element")),
                _ => {}
            }
        };
        while reader.next_token()? != Token::Done {}
        Ok(root)
    }

    /// Reads the rest of an element that has begun. The depth of the recursion is limited by
    /// the reader.
    ///
    /// # Errors
    /// Those of [`Reader::next_token`].
    pub fn read<'a>(reader: &mut Reader<'a>, start: &Start<'a>) -> Result<Element> {
        let mut element = Element {
            namespace: start.namespace.clone(),
            name: start.name.to_owned(),
            attributes: Vec::with_capacity(start.attributes.len()),
            children: Vec::new(),
        };
        for attribute in &start.attributes {
            element.attributes.push(Attribute {
                namespace: attribute.namespace.clone(),
                name: attribute.name.to_owned(),
                value: attribute.value.clone().into_owned(),
            });
        }
        loop {
            match reader.next_token()? {
                Token::Start(child) => {
                    let child = Element::read(reader, &child)?;
                    element.children.push(Node::Element(child));
                }
                Token::Text(text) => push_text(&mut element.children, &text),
                Token::Comment(text) => element.children.push(Node::Comment(text.to_owned())),
                Token::End | Token::Done => return Ok(element),
            }
        }
    }

    /// The elements among the children.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|child| match child {
            Node::Element(element) => Some(element),
            _ => None,
        })
    }

    /// The value of an attribute without a namespace.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        let found = attributes.find(|a| a.name == name && a.namespace == Namespace::None)?;
        Some(&found.value)
    }

    /// The text of the element, without that of the elements in it.
    pub fn text(&self) -> String {
        let texts = self.children.iter().filter_map(|child| match child {
            Node::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// The element as a document, without an XML declaration.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.push(&mut out, &Namespace::None);
        out
    }

    /// Appends the element, as one that stands where `outer` is the default namespace.
    pub fn push(&self, out: &mut String, outer: &Namespace) {
        out.push('<');
        out.push_str(&self.name);
        if self.namespace != *outer {
            out.push_str(" xmlns=\"");
            escape::push_attribute(out, self.namespace.name());
            out.push('"');
        }
        for (index, attribute) in self.attributes.iter().enumerate() {
            attribute.push(out, index);
        }
        if self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for child in &self.children {
            match child {
                Node::Element(child) => child.push(out, &self.namespace),
                Node::Text(text) => escape::push_text(out, text),
                Node::Comment(text) => {
                    out.push_str("<!--");
                    out.push_str(text);
                    out.push_str("-->");
                }
            }
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

impl Attribute {
    /// Appends the attribute; one with a namespace gets a prefix of its own.
    fn push(&self, out: &mut String, index: usize) {
        out.push(' ');
        match self.namespace.name() {
            "" => out.push_str(&self.name),
            XML => {
                out.push_str("xml:");
                out.push_str(&self.name);
            }
            namespace => {
                let prefix = format!("n{index}");
                out.push_str(&format!("xmlns:{prefix}=\""));
                escape::push_attribute(out, namespace);
                out.push_str(&format!("\" {prefix}:{}", self.name));
            }
        }
        out.push_str("=\"");
        escape::push_attribute(out, &self.value);
        out.push('"');
    }
}

/// Appends text, to the text before it where there is one.
pub fn push_text(children: &mut Vec<Node>, text: &str) {
    match children.last_mut() {
        Some(Node::Text(before)) => before.push_str(text),
        _ if text.is_empty() => {}
        _ => children.push(Node::Text(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_written_as_it_was_read() {
        for (text, written) in [
            ("<a/>", "<a/>"),
            ("<a  b = '1'></a >", "<a b=\"1\"/>"),
            (
                "<a xmlns=\"urn:x\"><b/><c xmlns=\"\"/><d xmlns=\"urn:y\"/></a>",
                "<a xmlns=\"urn:x\"><b/><c xmlns=\"\"/><d xmlns=\"urn:y\"/></a>",
            ),
            (
                "<p:a xmlns:p=\"urn:x\" p:b=\"1\"><p:c xml:lang=\"en\"/></p:a>",
                "<a xmlns=\"urn:x\" xmlns:n0=\"urn:x\" n0:b=\"1\"><c xml:lang=\"en\"/></a>",
            ),
            (
                "<a> x &lt;<![CDATA[&]]>&#65;<!-- c --> </a>",
                "<a> x &lt;&amp;A<!-- c --> </a>",
            ),
        ] {
            let tree = Element::parse(text.as_bytes()).expect(text);
            assert_eq!(tree.to_text(), written);
            assert_eq!(Element::parse(written.as_bytes()).expect(written), tree);
        }
    }

    #[test]
    fn texts_are_joined() {
        let tree = Element::parse(b"<a>x&amp;y<b/>z</a>").expect("well-formed");
        assert_eq!(tree.children.len(), 3);
        assert_eq!(tree.text(), "x&yz");
        assert_eq!(tree.elements().count(), 1);
    }
}
