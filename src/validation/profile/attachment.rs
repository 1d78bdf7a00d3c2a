//! Attachments that hold their data: whether what they say of it is so.
//! <https://hl7.org/fhir/R4/datatypes.html#Attachment>
//!
//! `size` is the number of bytes of the data before they were written as base64. `hash` is not
//! compared: R4 leaves open whether it is of the data or of their base64.

use serde_json::Value;

use super::walk::Walk;
use crate::error::Issue;
use crate::fhirpath::Node;

impl<'w> Walk<'w> {
    pub(super) fn attachment(&mut self, node: Node<'w>, path: &str) {
        let (Some(data), Some(size)) = (
            node.get("data").and_then(Value::as_str),
            node.get("size").and_then(Value::as_u64),
        ) else {
            return;
        };
        let found = decoded_length(data);
        if found != size {
            let text =
                format!("expected a size of {found} bytes, as the data have, but found {size}");
            self.report(Issue::error("value", text), &format!("{path}.size"));
        }
    }
}

/// How many bytes a text of base64 stands for; blanks do not count.
pub(super) fn decoded_length(base64: &str) -> u64 {
    let letters = base64.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let (mut count, mut padding) = (0_u64, 0_u64);
    for byte in letters {
        count += 1;
        padding += u64::from(byte == b'=');
    }
    (count / 4 * 3).saturating_sub(padding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_a_length() {
        for (text, length) in [
            ("", 0),
            ("YQ==", 1),
            ("YWI=", 2),
            ("YWJj", 3),
            ("YWJj\nYWI=", 5),
        ] {
            assert_eq!(decoded_length(text), length, "{text}");
        }
    }
}
