//! Where in a text values stand: line and column of RFC 6901 pointers.
//! <https://www.rfc-editor.org/rfc/rfc6901>
//!
//! The text is read once more for it, which only an answer that has something to complain of
//! pays for; what no pointer leads into is read past.

use super::{Reader, Says, place, without_byte_order_mark};
use std::collections::HashMap;

/// Line and column, both from 1, of what each pointer means; of the nearest thing around it
/// where that is not there. `None` where the text is no JSON.
pub fn places(text: &[u8], pointers: &[&str]) -> Vec<Option<(u32, u32)>> {
    let mut wanted = Wanted::default();
    for (which, pointer) in pointers.iter().enumerate() {
        wanted.add(pointer, which);
    }
    let mut found = vec![None; pointers.len()];
    let Ok(text) = std::str::from_utf8(without_byte_order_mark(text)) else {
        return found;
    };
    let mut reader = Reader { text, at: 0 };
    let mut offsets = vec![None; pointers.len()];
    reader.skip_space();
    // What was found before something is wrong with the text stands.
    let _ = reader.look(&wanted, &mut offsets);
    for (found, offset) in found.iter_mut().zip(offsets) {
        *found = offset.and_then(|offset| {
            let (line, column) = place(text, offset);
            Some((u32::try_from(line).ok()?, u32::try_from(column).ok()?))
        });
    }
    found
}

/// The pointers as a tree of their steps.
#[derive(Default)]
struct Wanted {
    /// The pointers that end here or lead through here.
    here: Vec<usize>,
    below: HashMap<String, Wanted>,
}

impl Wanted {
    fn add(&mut self, pointer: &str, which: usize) {
        let mut at = self;
        at.here.push(which);
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            at = at.below.entry(step).or_default();
            at.here.push(which);
        }
    }
}

impl Reader<'_> {
    /// Reads a value, noting where it begins for those that want it or something in it.
    fn look(&mut self, wanted: &Wanted, offsets: &mut [Option<usize>]) -> Result<(), Says> {
        for &which in &wanted.here {
            offsets[which] = Some(self.at);
        }
        match self.peek() {
            Some(b'{') if !wanted.below.is_empty() => self.look_in(b'}', wanted, offsets),
            Some(b'[') if !wanted.below.is_empty() => self.look_in(b']', wanted, offsets),
            _ => self.value(usize::MAX).map(drop),
        }
    }

    fn look_in(
        &mut self,
        end: u8,
        wanted: &Wanted,
        offsets: &mut [Option<usize>],
    ) -> Result<(), Says> {
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(());
        }
        for index in 0_usize.. {
            self.skip_space();
            let step = match end {
                b'}' => {
                    let name = self.string()?;
                    self.skip_space();
                    self.expect(b':')?;
                    self.skip_space();
                    name
                }
                _ => index.to_string(),
            };
            match wanted.below.get(&step) {
                Some(below) => self.look(below, offsets)?,
                None => self.value(usize::MAX).map(drop)?,
            }
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == end => break,
                _ => return Err(format!("expected `,` but found {}", self.found())),
            }
        }
        self.at += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_have_lines_and_columns() {
        let text = "{\n  \"a\": [1,\n    {\"b/c\": true}],\n  \"d\": \"x\"\n}";
        let rows = [
            ("", Some((1, 1))),
            ("/a", Some((2, 8))),
            ("/a/0", Some((2, 9))),
            ("/a/1/b~1c", Some((3, 13))),
            ("/d", Some((4, 8))),
            // Not there: what is around it.
            ("/a/1/z", Some((3, 5))),
            ("/z", Some((1, 1))),
        ];
        let pointers: Vec<&str> = rows.iter().map(|(pointer, _)| *pointer).collect();
        let found = places(text.as_bytes(), &pointers);
        for ((pointer, expected), found) in rows.into_iter().zip(found) {
            assert_eq!(found, expected, "{pointer}");
        }
        assert_eq!(places(b"\xFF", &["/a"]), [None]);
        assert_eq!(
            places(b"{\"a\": }", &["/a", ""]),
            [Some((1, 7)), Some((1, 1))]
        );
    }
}
