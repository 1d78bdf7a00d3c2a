//! The rows of a delimited file, whose columns are found by their names, or by their places in
//! the layout that its publisher has fixed.

use super::Progress;
use super::files::Entry;
use csv::{ReaderBuilder, StringRecord, Terminator};
use std::fmt::Display;

/// How a file is delimited and which columns are read.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub delimiter: u8,
    /// Fields may be quoted.
    pub is_quoted: bool,
    /// The columns that are read.
    pub columns: &'static [&'static str],
    /// The place of each column, where the file has no header.
    pub places: Option<&'static [usize]>,
}

/// One row.
pub struct Row<'r> {
    entry: &'r Entry,
    layout: &'r Layout,
    places: &'r [usize],
    record: &'r StringRecord,
}

impl Row<'_> {
    /// The field of a column, by the place of its name in the layout.
    ///
    /// # Errors
    /// The row is too short.
    pub fn get(&self, column: usize) -> Result<&str, String> {
        let found = self.field(self.places[column]);
        found.ok_or_else(|| {
            self.told(
                column,
                "a field",
                format!("a row of {} fields", self.record.len()),
            )
        })
    }

    /// The same, without what stands around it; `None` where it is empty.
    ///
    /// # Errors
    /// The row is too short.
    pub fn text(&self, column: usize) -> Result<Option<&str>, String> {
        Ok(Some(self.get(column)?.trim()).filter(|text| !text.is_empty()))
    }

    /// # Errors
    /// The field is empty.
    pub fn required(&self, column: usize) -> Result<&str, String> {
        let text = self.text(column)?;
        text.ok_or_else(|| self.told(column, "a value", "nothing"))
    }

    /// What is wrong with a field.
    pub fn wrong(&self, column: usize, expected: &str) -> String {
        let found = self.field(self.places[column]).unwrap_or_default();
        self.told(column, expected, format!("{found:?}"))
    }

    /// The field at a place of the file itself.
    pub fn field(&self, place: usize) -> Option<&str> {
        // The end of a line of Windows belongs to its last field, so that lines count right.
        self.record
            .get(place)
            .map(|field| field.trim_end_matches('\r'))
    }

    /// What is wrong with a column that the layout does not have.
    pub fn wrong_at(&self, name: &str, expected: &str, found: &str) -> String {
        self.of_column(name, expected, format!("{found:?}"))
    }

    fn told(&self, column: usize, expected: &str, found: impl Display) -> String {
        self.of_column(self.layout.columns[column], expected, found)
    }

    fn of_column(&self, name: &str, expected: &str, found: impl Display) -> String {
        let line = self.record.position().map_or(0, csv::Position::line);
        let path = &self.entry.path;
        format!("{path}, line {line}, column {name}: expected {expected} but found {found}")
    }
}

/// Reads a file row by row.
///
/// # Errors
/// A column that is missing, a row that cannot be read, and those of `each`.
pub fn rows(
    entry: &Entry,
    layout: &Layout,
    progress: Progress<'_>,
    mut each: impl FnMut(&Row<'_>) -> Result<(), String>,
) -> Result<(), String> {
    entry.read(progress, |reader| {
        let mut reader = ReaderBuilder::new()
            .delimiter(layout.delimiter)
            .quoting(layout.is_quoted)
            .has_headers(layout.places.is_none())
            .terminator(Terminator::Any(b'\n'))
            .flexible(true)
            .from_reader(reader);
        let unreadable = |error: csv::Error| format!("{}: {error}", entry.path);
        let places = match layout.places {
            Some(places) => places.to_vec(),
            None => places(entry, layout, reader.headers().map_err(unreadable)?)?,
        };
        let mut record = StringRecord::new();
        while reader.read_record(&mut record).map_err(unreadable)? {
            each(&Row {
                entry,
                layout,
                places: &places,
                record: &record,
            })?;
        }
        Ok(())
    })
}

/// Where each column of the layout stands in the header.
fn places(entry: &Entry, layout: &Layout, header: &StringRecord) -> Result<Vec<usize>, String> {
    let place = |column: &&str| {
        let same = |name: &str| {
            let name = name.trim_start_matches('\u{feff}').trim();
            name.eq_ignore_ascii_case(column)
        };
        header.iter().position(same).ok_or_else(|| {
            let found: Vec<&str> = header.iter().collect();
            format!(
                "{}, line 1: expected a column {column} but found {}",
                entry.path,
                found.join(", ")
            )
        })
    };
    layout.columns.iter().map(place).collect()
}

/// The column names of a file.
///
/// # Errors
/// It cannot be read.
pub fn header(entry: &Entry, delimiter: u8) -> Result<Vec<String>, String> {
    entry.read(&|_| {}, |reader| {
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(reader);
        let header = reader
            .headers()
            .map_err(|error| format!("{}: {error}", entry.path))?;
        let clean = |name: &str| name.trim_start_matches('\u{feff}').trim().to_owned();
        Ok(header.iter().map(clean).collect())
    })
}

/// Bytes of some files.
pub fn size(entries: &[&Entry]) -> u64 {
    entries.iter().map(|entry| entry.size).sum()
}
